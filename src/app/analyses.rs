//! Analyses: start one, follow it, read it, stop it, share it. The rules of a run are the domain's, its
//! driving the engine's; here stands what a person may ask for and what is checked first.

mod check;
mod context_allocation;
mod conversation;
mod forecast;
mod pictures;
mod plan;
mod report;
mod rerun;
mod start;
mod unstored;

use std::time::Duration;

use super::account_state::is_active;
use super::documents::DocumentService;
use super::fallbacks::Fallbacks;
use super::key_limits::KeyLimitService;
use super::models::ModelService;
use super::patterns::Patterns;
use super::recipes::Recipes;
use super::usage::UsageService;
use super::{Error, Result};
use crate::clock;
use crate::crypto;
use crate::domain::analysis::{Analysis, Plan, RunDeadlines, Status};
use crate::domain::event::RunEstimate;
use crate::domain::findings::Findings;
use crate::domain::id::{AnalysisId, UserId};
use crate::domain::pattern::MachineOutput;
use crate::domain::pattern::estimate;
use crate::domain::pattern::staged::StagedRun;
use crate::domain::time::Timestamp;
use crate::domain::user::Caller;
pub use crate::engine::{CancelOnDrop, Finished, PublishedEvent, RunOutcome, RunWatch};
use crate::engine::{Engine, RunSpec, RunTerms};
use crate::llm::Llm;
use crate::log;
pub use crate::store::analyses::{HistoryFilter, HistoryRow};
use crate::store::audit::{self, AuditEntry};
use crate::store::call_log;
pub use crate::store::call_log::CallRecord;
use crate::store::{self, Reader, Store, StoreError, analyses, comparisons, events};

pub(super) use check::MAX_PROMPT;
pub use forecast::AnalysisForecast;
pub use report::AnalysisReport;
use report::ComparisonOffer;
pub use rerun::RerunForecast;

/// Use cases around analyses.
#[derive(Clone, Copy)]
pub struct Analyses<'a> {
    pub(super) store: &'a Store,
    pub(super) engine: &'a Engine,
    pub(super) llm: &'a Llm,
    pub(super) documents: &'a DocumentService,
    pub(super) patterns: Patterns<'a>,
    pub(super) models: ModelService<'a>,
    pub(super) fallbacks: Fallbacks<'a>,
    pub(super) recipes: Recipes<'a>,
    pub(super) usage: UsageService<'a>,
    pub(super) key_limits: KeyLimitService<'a>,
    /// The installation's secret, from which the marks around documents are derived.
    pub(super) secret: &'a str,
    /// The server's limits of a run.
    pub(super) times: RunDeadlines,
    /// A comparison is offered for one in so many analyses, unless the user has set another interval; 0 for none.
    pub(super) compare_every: u64,
    /// Whether people without an account may run analyses (on demo models only).
    pub(super) allows_anonymous: bool,
}

/// A run that has begun.
pub struct Begun {
    /// Its id.
    pub id: AnalysisId,
    /// Its end.
    pub finished: Finished,
    /// Stops it when dropped, for a run that lives as long as whoever asked for it.
    pub guard: Option<CancelOnDrop>,
}

fn cache_age(plan: &Plan) -> Option<Duration> {
    let seconds = plan.cache_max_age_s?;
    Some(Duration::from_secs(seconds.into()))
}

impl Analyses<'_> {
    /// One analysis with its results.
    pub async fn show(&self, caller: &Caller, id: &AnalysisId) -> Result<AnalysisReport> {
        let user = Some(caller.user.clone());
        self.report(user, id.clone(), None).await
    }

    /// The same for a run that has just ended, whoever started it, including results that could not be stored.
    ///
    /// # Errors
    /// When the analysis is not the caller's or the store cannot be read.
    pub async fn show_ended(
        &self,
        caller: Option<&Caller>,
        id: &AnalysisId,
        ended: RunOutcome,
    ) -> Result<AnalysisReport> {
        let user = caller.map(|caller| caller.user.clone());
        self.report(user, id.clone(), Some(ended)).await
    }

    async fn report(
        &self,
        user: Option<UserId>,
        id: AnalysisId,
        ended: Option<RunOutcome>,
    ) -> Result<AnalysisReport> {
        let found = self.store.read(move |db| {
            let Some(analysis) = analyses::by_id(db, user.as_ref(), &id)? else {
                return Ok(None);
            };
            let answers = analyses::answers_of(db, &id)?;
            let asked = match &user {
                Some(user) if !comparisons::is_decided(db, &id)? => {
                    ComparisonOffer::As(comparisons::every(db, user)?)
                }
                _ => ComparisonOffer::Never,
            };
            let calls = calls_of(db, &analysis)?;
            let vote = user.as_ref().map(|user| analyses::vote_of(db, user, &id));
            let vote = vote.transpose()?.flatten();
            Ok(Some((analysis, answers, calls, asked, vote)))
        });
        let (mut analysis, mut answers, calls, asked, vote) =
            found.await?.ok_or_else(Error::missing)?;
        if let Some(ended) = ended {
            unstored::complete(&mut analysis, &mut answers, ended);
        }
        let report = self.report_of(analysis, answers, calls, asked);
        Ok(AnalysisReport { vote, ..report })
    }

    /// Newest first.
    pub async fn list(&self, caller: &Caller, query: HistoryQuery) -> Result<Vec<HistoryRow>> {
        let user = caller.user.clone();
        let HistoryQuery {
            limit,
            cursor,
            filter,
        } = query;
        let found =
            move |db: &Reader| analyses::list_of(db, &user, limit, cursor.as_ref(), &filter);
        Ok(self.store.read(found).await?)
    }

    /// The events after a number, stored ones first; ends after the last.
    pub async fn watch(
        &self,
        caller: Option<&Caller>,
        id: &AnalysisId,
        after: u64,
    ) -> Result<RunWatch> {
        let (user, wanted) = (caller.map(|caller| caller.user.clone()), id.clone());
        let known = self
            .store
            .read(move |db| analyses::status_of(db, user.as_ref(), &wanted))
            .await?;
        known.ok_or_else(Error::missing)?;
        Ok(self.engine.watch(id.clone(), after))
    }

    /// Stops a run. Stopping one that is over changes nothing and is no fault.
    pub async fn cancel(&self, caller: &Caller, id: &AnalysisId) -> Result<Status> {
        let report = self.show(caller, id).await?;
        if report.analysis.status.is_over() {
            return Ok(report.analysis.status);
        }
        self.stop(id, "stopped by its owner").await?;
        Ok(self.show(caller, id).await?.analysis.status)
    }

    // Waits for the run's last event, so that nothing is written to it afterwards.
    async fn stop(&self, id: &AnalysisId, reason: &str) -> Result<()> {
        if !self.engine.cancel(id, reason) {
            // Nobody drives it: its end could not be stored. It is written now.
            return self.abandon(id.clone(), reason).await;
        }
        let mut watch = self.engine.watch(id.clone(), u64::MAX - 1);
        while watch.next().await?.is_some() {}
        Ok(())
    }

    /// Removes an analysis and all that belongs to it; stops it first if it runs.
    pub async fn delete(&self, caller: &Caller, id: &AnalysisId, now: Timestamp) -> Result<()> {
        self.show(caller, id).await?;
        self.stop(id, "deleted by its owner").await?;
        let (user, id) = (caller.user.clone(), id.clone());
        let entry = entry(now, Some(&user), "analysis.delete", &id);
        let store = self.store.for_freeing();
        let deleted = store.write(move |db| {
            audit::append(db, &entry)?;
            analyses::delete(db, Some(&user), &id)
        });
        if deleted.await? {
            Ok(())
        } else {
            Err(Error::missing())
        }
    }

    /// Makes the read-only link's token. An older link stops working.
    pub async fn share(&self, caller: &Caller, id: &AnalysisId) -> Result<String> {
        let token = crypto::token::new()?;
        self.set_share(caller, id, Some(crypto::token::hash(&token)))
            .await?;
        Ok(token)
    }

    /// Ends the read-only link.
    pub async fn unshare(&self, caller: &Caller, id: &AnalysisId) -> Result<()> {
        self.set_share(caller, id, None).await
    }

    async fn set_share(
        &self,
        caller: &Caller,
        id: &AnalysisId,
        hash: Option<[u8; 32]>,
    ) -> Result<()> {
        let (user, id) = (caller.user.clone(), id.clone());
        Ok(self
            .store
            .write(move |db| analyses::set_share(db, &user, &id, hash.as_ref()))
            .await?)
    }

    /// What a share link shows.
    pub async fn shared(&self, token: &str) -> Result<AnalysisReport> {
        let hash = crypto::token::hash(token);
        let analysis = self
            .store
            .read(move |db| analyses::by_share(db, &hash))
            .await?
            .ok_or_else(Error::missing)?;
        let found = self.store.read(move |db| {
            let answers = analyses::answers_of(db, &analysis.id)?;
            let calls = calls_of(db, &analysis)?;
            Ok((analysis, answers, calls))
        });
        let (analysis, answers, calls) = found.await?;
        Ok(self.report_of(analysis, answers, calls, ComparisonOffer::Never))
    }

    /// Keeps what a person thinks of the result; a later vote replaces an earlier one.
    pub async fn vote(
        &self,
        caller: &Caller,
        id: &AnalysisId,
        choice: &str,
        now: Timestamp,
    ) -> Result<()> {
        const CHOICES: &[&str] = &["helpful", "not_helpful", "panel", "single", "tie"];
        if !CHOICES.contains(&choice) {
            return Err(Error::field(
                &["body", "choice"],
                "value_error",
                format!("must be one of {}", CHOICES.join(", ")),
            ));
        }
        self.show(caller, id).await?;
        let (user, id, choice) = (caller.user.clone(), id.clone(), choice.to_owned());
        Ok(self
            .store
            .write(move |db| analyses::put_vote(db, &user, &id, &choice, now))
            .await?)
    }

    /// Goes on with detached runs that a stop or crash interrupted; ends those whose client is gone. One
    /// that cannot be read is left as it is and does not keep the others from going on.
    pub(super) async fn resume(&self) -> Result<()> {
        for id in self.store.read(analyses::unfinished).await? {
            if let Err(fault) = self.resume_one(id.clone()).await {
                log::error(
                    "analysis could not be resumed",
                    &[("analysis", &id), ("fault", &fault)],
                );
            }
        }
        Ok(())
    }

    async fn resume_one(&self, id: AnalysisId) -> Result<()> {
        let wanted = id.clone();
        let found = self.store.read(move |db| {
            let analysis = analyses::to_resume(db, &wanted)?;
            Ok((
                analysis,
                analyses::answers_of(db, &wanted)?,
                events::last_seq(db, &wanted)?,
            ))
        });
        let (Some(analysis), answers, last_event) = found.await? else {
            return Ok(());
        };
        if !analysis.request.detached {
            return self
                .abandon(
                    id,
                    "the server stopped while a client was waiting for this analysis",
                )
                .await;
        }
        if let Some(user) = &analysis.user
            && !is_active(self.store, user).await?
        {
            return self.abandon(id, "its account is locked").await;
        }
        let calls = estimate::calls(&analysis.plan);
        let forecast = estimate::total(&calls);
        let bound = estimate::upper_bound(&calls).unwrap_or_default();
        let (cache, cache_age) = (analysis.plan.cache, cache_age(&analysis.plan));
        let pictures = self
            .pictures(analysis.user.as_ref(), &analysis.plan)
            .await?;
        let terms = RunTerms::of(&analysis.plan, &answers);
        let machine = match analysis.started {
            None => StagedRun::new(id.clone(), analysis.plan, forecast),
            Some(started) => {
                StagedRun::restore(id.clone(), analysis.plan, forecast, started, answers)
            }
        };
        self.engine.resume(RunSpec {
            background: analysis.context.experiment.is_some(),
            is_awaited: false,
            is_reserved: false,
            funds: analysis
                .context
                .key
                .as_ref()
                .map(|key| self.key_limits.reserve_again(key, bound)),
            key: analysis.context.key,
            cache_age,
            known: Vec::new(),
            pictures,
            terms,
            id,
            user: analysis.user,
            machine,
            cache,
            last_event,
        });
        Ok(())
    }

    // Ends a run that nobody drives. What its members have answered until then was paid for and counts.
    async fn abandon(&self, id: AnalysisId, reason: &str) -> Result<()> {
        let reason = reason.to_owned();
        let ended = self.store.write(move |db| {
            let analysis = analyses::to_resume(db, &id)?.ok_or(StoreError::Missing)?;
            let (answers, now) = (analyses::answers_of(db, &id)?, clock::now());
            let started = analysis.started.unwrap_or(now);
            let found = Findings::of(&analysis.plan, &answers, None);
            let machine = StagedRun::restore(
                id.clone(),
                analysis.plan,
                RunEstimate::default(),
                started,
                answers,
            );
            for output in machine.cancelled(now, reason) {
                match output {
                    MachineOutput::Emit(event) => {
                        let stored = events::StoredEvent {
                            seq: events::last_seq(db, &id)? + 1,
                            kind: event.name().to_owned(),
                            data: serde_json::to_string(&event)
                                .map_err(|fault| StoreError::Failed(fault.to_string()))?,
                        };
                        events::append(db, &id, [&stored])?;
                    }
                    MachineOutput::Done(outcome) => {
                        let found = found.clone().noted(&outcome.totals);
                        let end = analyses::AnalysisEnd::of(&outcome, Some(&found), None);
                        analyses::finish(db, &id, &end, now)?;
                    }
                    // Nothing was open: there is nothing to stop, to keep or to wait for.
                    _ => {}
                }
            }
            Ok(())
        });
        match ended.await {
            // Over already: somebody else was faster.
            Err(StoreError::Missing) => Ok(()),
            ended => Ok(ended?),
        }
    }
}

/// What to list.
#[derive(Debug, Clone)]
pub struct HistoryQuery {
    /// At most this many.
    pub limit: u32,
    /// Only older than this one.
    pub cursor: Option<AnalysisId>,
    /// Only these.
    pub filter: HistoryFilter,
}

fn calls_of(db: &Reader, analysis: &Analysis) -> store::Result<Vec<CallRecord>> {
    let end = analysis
        .finished
        .unwrap_or(Timestamp::from_millis(i64::MAX));
    let span = (analysis.created, end);
    call_log::of_analysis(db, analysis.user.as_ref(), &analysis.id, span)
}

fn entry(at: Timestamp, actor: Option<&UserId>, action: &str, id: &AnalysisId) -> AuditEntry {
    AuditEntry {
        at,
        actor: actor.cloned(),
        action: action.to_owned(),
        target: id.as_str().to_owned(),
        ..AuditEntry::default()
    }
}
