//! Starts an analysis: checks and plans it, checks every budget, and then stores the analysis and starts its run.
//! Storing and starting succeed or fail together.

use super::check::CheckedRequest;
use super::conversation::check_conversation;
use super::rerun::EarlierRun;
use super::stopped::assign_drafts;
use super::{Analyses, StartedRun, audit_entry, cache_age};
use crate::app::account_state::{check_active, check_active_in};
use crate::app::key_limits::KeyReservation;
use crate::app::{Error, Kind, Result, disk_space};
use crate::clock;
use crate::crypto;
use crate::domain::analysis::{Analysis, Plan, StageAnswer, Status};
use crate::domain::chat::Usage;
use crate::domain::id::{AnalysisId, UserId};
use crate::domain::money::MicroDollars;
use crate::domain::pattern::estimate;
use crate::domain::pattern::staged::StagedRun;
use crate::domain::request::{Request, RunContext};
use crate::domain::time::Timestamp;
use crate::domain::user::Caller;
use crate::engine::{CancelOnDrop, NotStarted, RunRefused, RunSpec, RunTerms};
use crate::store::{self, Writer, analyses, audit};

/// A checked and planned analysis.
struct PreparedRun {
    analysis: Analysis,
    run: RunSpec,
    /// Answers of the first stage that already exist; stored with the analysis.
    drafts: Vec<StageAnswer>,
}

impl Analyses<'_> {
    /// Checks, plans, stores, and starts an analysis. A returned analysis has been stored: a detached run is resumed
    /// after a crash.
    ///
    /// # Errors
    /// Returns the errors of `check`; `BudgetExceeded` if a budget would be exceeded; `TooFast` or `Unavailable` if
    /// the queue is full.
    pub async fn start(
        &self,
        caller: Option<&Caller>,
        request: Request,
        context: RunContext,
        now: Timestamp,
    ) -> Result<StartedRun> {
        let new = self.check(caller, request, context).await?;
        self.begin(caller.map(|caller| caller.user.clone()), new, None, now)
            .await
    }

    /// Starts an analysis and stores additional data with it in the same transaction.
    pub(in crate::app) async fn start_for(
        &self,
        caller: &Caller,
        request: Request,
        context: RunContext,
        with: impl FnOnce(&Writer, &AnalysisId) -> store::Result<()> + Send + 'static,
    ) -> Result<AnalysisId> {
        let new = self.check(Some(caller), request, context).await?;
        let ready = self
            .prepare(Some(caller.user.clone()), new, None, clock::now())
            .await?;
        Ok(self.launch(ready, with).await?.id)
    }

    /// Starts a new, detached analysis with the request of an earlier one.
    ///
    /// # Errors
    /// `Missing` if the caller has no such analysis, and the errors of `start`.
    pub async fn retry(
        &self,
        caller: &Caller,
        id: &AnalysisId,
        now: Timestamp,
    ) -> Result<StartedRun> {
        let old = self.show(caller, id).await?.analysis;
        check_conversation(&old.context)?;
        let (inherited, recipe) = (old.request.named_models(), old.context.recipe.clone());
        let request = Request {
            detached: true,
            ..old.request
        };
        let context = RunContext {
            inherited,
            // The repeated run is the caller's own, so no experiment counts it.
            experiment: None,
            is_live: false,
            ..old.context
        };
        // Check it like a new request: its models may no longer exist, or it may come from an imported archive.
        let mut new = self.check(Some(caller), request, context).await?;
        new.context.recipe = recipe;
        self.begin(Some(caller.user.clone()), new, None, now).await
    }

    /// Plans a run, checks every limit and budget, and starts it.
    ///
    /// # Errors
    /// Returns an error if a limit or a budget is exceeded, the plan is impossible, the disk is full, or the store
    /// fails.
    pub(super) async fn begin(
        &self,
        user: Option<UserId>,
        new: CheckedRequest,
        earlier: Option<EarlierRun>,
        now: Timestamp,
    ) -> Result<StartedRun> {
        let ready = self.prepare(user, new, earlier, now).await?;
        self.launch(ready, |_, _| Ok(())).await
    }

    // Plans the run, checks every budget, and reserves the estimated cost in the API key's budget, if any.
    async fn prepare(
        &self,
        user: Option<UserId>,
        mut new: CheckedRequest,
        earlier: Option<EarlierRun>,
        now: Timestamp,
    ) -> Result<PreparedRun> {
        if let Some(user) = &user {
            check_active(self.store, user).await?;
        }
        disk_space::require(self.store)?;
        let id = AnalysisId::new(now, crypto::random_number()?);
        new.run = Some(id.clone());
        let images = self.document_images(user.as_ref(), &new).await?;
        let mut plan = self.plan(user.as_ref(), &new, images).await?;
        let drafts = match new.context.drafts.is_empty() {
            true => Vec::new(),
            false => assign_drafts(&mut plan, &new.context.drafts),
        };
        let pictures = self.pictures(user.as_ref(), &plan).await?;
        let calls = self.fit_evidence(user.as_ref(), &new, &mut plan, now);
        let mut calls = calls.await?;
        if let Some(first) = plan.stages.first().filter(|_| !drafts.is_empty()) {
            calls.retain(|call| call.stage != first.name);
        }
        let usage = self.usage;
        usage
            .check_affordable(user.as_ref(), &plan, &calls, now)
            .await?;
        let funds = match (&user, &new.context.key) {
            (Some(user), Some(key)) => {
                let limits = self.key_limits;
                limits.reserve_run(user, key, &plan, &calls, now).await?
            }
            _ => None,
        };
        let forecast = estimate::total_estimate(&calls);
        let analysis = queued_analysis(id.clone(), user.clone(), new, plan.clone(), now);
        let (cache, cache_age) = (plan.cache, cache_age(&plan));
        let terms = RunTerms::from_plan(&plan, &drafts);
        let reused = earlier.map_or_else(Vec::new, |earlier| earlier.reusable_answers(&plan));
        let machine = match drafts.is_empty() {
            true => StagedRun::new(id.clone(), plan, forecast),
            false => StagedRun::from_drafts(id.clone(), plan, forecast, drafts.clone()),
        };
        let run = RunSpec {
            background: analysis.context.experiment.is_some(),
            is_awaited: !analysis.request.detached,
            lease: None,
            relay: None,
            key: analysis.context.key.clone(),
            funds: funds.map(KeyReservation::boxed),
            cache_age,
            reusable_answers: reused,
            pictures,
            terms,
            id,
            user,
            machine,
            cache,
            last_event: 0,
        };
        Ok(PreparedRun {
            analysis,
            run,
            drafts,
        })
    }

    // Stores the analysis and starts its run, or does neither.
    async fn launch(
        &self,
        prepared: PreparedRun,
        with: impl FnOnce(&Writer, &AnalysisId) -> store::Result<()> + Send + 'static,
    ) -> Result<StartedRun> {
        let PreparedRun {
            analysis,
            run,
            drafts,
        } = prepared;
        let id = run.id.clone();
        let entry = (!run.background)
            .then(|| audit_entry(analysis.created, run.user.as_ref(), "analysis.start", &id));
        // Created before the run is stored, so that a client that disconnects in between also stops it.
        let guard = (!analysis.request.detached)
            .then(|| CancelOnDrop::new(self.engine.clone(), id.clone()));
        let insert = Box::new(move |db: &Writer| {
            check_active_in(db, analysis.user.as_ref())?;
            analyses::insert(db, &analysis)?;
            for draft in &drafts {
                analyses::put_answer(db, &analysis.id, draft)?;
            }
            with(db, &analysis.id)?;
            entry.map_or(Ok(()), |entry| audit::append(db, &entry))
        });
        let finished = self.engine.start(run, insert).await.map_err(start_error)?;
        Ok(StartedRun {
            id,
            finished,
            guard,
            run_watch: None,
        })
    }
}

// Builds the record of an analysis whose run has not started yet.
fn queued_analysis(
    id: AnalysisId,
    user: Option<UserId>,
    new: CheckedRequest,
    plan: Plan,
    now: Timestamp,
) -> Analysis {
    Analysis {
        id,
        user,
        status: Status::Queued,
        request: new.request,
        context: new.context,
        plan,
        synthesis: None,
        error: None,
        usage: Usage::default(),
        cost: MicroDollars(0),
        created: now,
        started: None,
        finished: None,
        findings: None,
        citations: None,
        share_token_hash: None,
    }
}

fn start_error(reason: NotStarted) -> Error {
    let refusal = match reason {
        NotStarted::Store(reason) => return reason.into(),
        NotStarted::Refused(refusal) => refusal,
    };
    let (kind, text) = match refusal {
        RunRefused::TooMany => (
            Kind::TooFast,
            "you have reached the limit of running and waiting analyses",
        ),
        RunRefused::Full => (
            Kind::Unavailable,
            "this server has reached its limit of running and waiting analyses",
        ),
        RunRefused::Closing => (Kind::Unavailable, "the server is shutting down"),
    };
    let mut error = Error::new(kind, text).resolve("try again in a minute");
    error.retry_after = Some(std::time::Duration::from_secs(30));
    error
}
