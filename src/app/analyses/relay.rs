//! Relays an API client's call to a single model: checks it and every budget, then starts it. Reads nothing from
//! the database for a caller without budgets, and stores no analysis.

use std::time::Duration;

use super::pictures::DocumentImages;
use super::{Analyses, StartedRun, cache_age};
use crate::app::key_limits::KeyReservation;
use crate::app::{Error, Kind, Result, disk_space};
use crate::crypto;
use crate::domain::analysis::Plan;
use crate::domain::id::AnalysisId;
use crate::domain::pattern::estimate::{self, CallEstimate};
use crate::domain::pattern::staged::StagedRun;
use crate::domain::request::{Request, RunContext};
use crate::domain::time::Timestamp;
use crate::domain::user::Caller;
use crate::engine::{CancelOnDrop, RelayAudience, RunRefused, RunSpec, RunTerms, StreamPermit};

/// `Retry-After` for a call that was refused a slot; slots free up within seconds.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Analyses<'_> {
    /// Reserves slots for several relayed calls of one request.
    ///
    /// # Errors
    /// `TooFast` if the server or the user has reached the maximum number of open calls; `Unavailable` during
    /// shutdown.
    pub async fn reserve_streams(&self, caller: &Caller, count: usize) -> Result<StreamPermit> {
        let permit = self.engine.reserve_streams(&caller.user, count).await;
        permit.map_err(no_slot_error)
    }

    /// Checks and starts a relayed call. If `reserved` is `None`, also reserves a slot for it; only then can a live
    /// answer be watched.
    ///
    /// # Errors
    /// `BadInput` for an invalid field; `Forbidden` for a model that the API key may not use; `BudgetExceeded` if
    /// a budget would be exceeded; and the errors of [`Self::reserve_streams`].
    pub(in crate::app) async fn run_passthrough(
        &self,
        caller: &Caller,
        request: Request,
        context: RunContext,
        now: Timestamp,
        reserved: Option<&StreamPermit>,
    ) -> Result<StartedRun> {
        let slot = match reserved {
            Some(_) => None,
            None => Some(self.reserve_streams(caller, 1).await?),
        };
        disk_space::require(self.store)?;
        self.engine.wait_for_backlog().await;
        let user = &caller.user;
        let new = self.check_passthrough(request, context).await?;
        let plan = self
            .plan(Some(user), &new, DocumentImages::default())
            .await?;
        let calls = estimate::estimate_calls(&plan);
        let funds = match self
            .reserve_passthrough_funds(caller, &plan, &calls, now)
            .await
        {
            // Completed calls may have cost less than is still reserved for them, so record them and try again.
            Err(error) if error.kind == Kind::BudgetExceeded => {
                self.engine.record_passthrough_usage().await;
                self.reserve_passthrough_funds(caller, &plan, &calls, now)
                    .await?
            }
            funds => funds?,
        };
        let id = AnalysisId::new(now, crypto::random_number()?);
        let audience = match plan.is_live && reserved.is_none() {
            true => RelayAudience::Watcher,
            false => RelayAudience::NoWatcher,
        };
        let run = RunSpec {
            id: id.clone(),
            user: Some(user.clone()),
            key: caller.key.as_ref().map(|key| key.id.clone()),
            funds: funds.map(KeyReservation::boxed),
            cache: plan.cache,
            cache_age: cache_age(&plan),
            pictures: Vec::new(),
            terms: RunTerms::from_plan(&plan, &[]),
            machine: StagedRun::new(id.clone(), plan, estimate::total_estimate(&calls)),
            last_event: 0,
            reusable_answers: Vec::new(),
            background: false,
            is_awaited: true,
            lease: None,
            relay: None,
        };
        let relayed = self.engine.start_passthrough(run, audience, slot);
        Ok(StartedRun {
            guard: Some(CancelOnDrop::new(self.engine.clone(), id.clone())),
            id,
            finished: relayed.call_end,
            run_watch: Some(relayed.watch),
        })
    }

    // Checks the caller's budgets, if any, and reserves the call's cost in the API key's budget.
    async fn reserve_passthrough_funds(
        &self,
        caller: &Caller,
        plan: &Plan,
        calls: &[CallEstimate],
        now: Timestamp,
    ) -> Result<Option<KeyReservation>> {
        let (user, usage, limits) = (&caller.user, self.usage, self.key_limits);
        if !self.engine.is_unlimited(user).await? {
            usage.check_affordable(Some(user), plan, calls, now).await?;
        }
        match caller.key.as_ref().filter(|key| key.has_limits) {
            Some(key) => limits.reserve_run(user, &key.id, plan, calls, now).await,
            None => Ok(None),
        }
    }
}

fn no_slot_error(refused: RunRefused) -> Error {
    let (kind, text) = match refused {
        RunRefused::TooMany => (Kind::TooFast, "you have reached the limit of open calls"),
        RunRefused::Full => (
            Kind::TooFast,
            "this server has reached its limit of open calls",
        ),
        RunRefused::Closing => (Kind::Unavailable, "the server is shutting down"),
    };
    let mut error = Error::new(kind, text).resolve("try again when others have finished");
    error.retry_after = Some(RETRY_AFTER);
    error
}
