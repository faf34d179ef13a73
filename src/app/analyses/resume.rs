//! Resumes or ends runs that no server is executing. Also stops runs, no matter which server is executing them.

use std::time::Duration;

use super::{Analyses, cache_age};
use crate::app::account_state::is_active;
use crate::app::{Kind, Result};
use crate::clock;
use crate::domain::event::RunEstimate;
use crate::domain::findings::Findings;
use crate::domain::id::AnalysisId;
use crate::domain::pattern::RunOutput;
use crate::domain::pattern::estimate;
use crate::domain::pattern::staged::StagedRun;
use crate::engine::{RunSpec, RunTerms, cancellation_of};
use crate::log;
use crate::store::servers::{self, RunLease};
use crate::store::{Membership, Reader, StoreError, Writer, analyses, events};

/// Maximum number of runs to take over at once; the next check, here or on another server, takes over the rest.
const MAX_TAKEN_OVER: u32 = 64;
/// Maximum number of times a run may be leased. A run that needs more is ended, so that it does not repeat
/// its calls endlessly.
const MAX_RESUMED_LEASES: u64 = 10;
/// Number of leases after which no server tries to resume a run anymore, because not even its end could be stored.
const MAX_LEASES: u64 = 20;
/// Maximum time to wait for another server to stop a run. If that server is gone, the one that takes over the
/// run stops it.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

impl Analyses<'_> {
    /// Stops a run and waits for its final event, so that nothing is written to it afterward. With a database server,
    /// waits at most `STOP_TIMEOUT`, because the server that executes the run may be gone.
    ///
    /// # Errors
    /// Returns any error from the store.
    pub(super) async fn stop(&self, id: &AnalysisId, reason: &str) -> Result<()> {
        if !self.engine.cancel(id, reason) {
            match self.own_lease(id).await? {
                // The run has started on this server since the first check.
                Some(_) if self.engine.cancel(id, reason) => {}
                // No server executes the run, so none would receive the command.
                Some(lease) => return self.fail(id.clone(), Some(lease), reason).await,
                None if self.engine.cancel_on_other_server(id, reason).await? => {}
                // No server is executing the run, because its end could not be stored. Store the end now.
                None => return self.fail(id.clone(), None, reason).await,
            }
        }
        let mut watch = self.engine.watch(id.clone(), u64::MAX - 1);
        let run_end = async {
            while watch.next().await?.is_some() {}
            Ok(())
        };
        if self.store.is_embedded() {
            return run_end.await;
        }
        let wait_result = tokio::time::timeout(STOP_TIMEOUT, run_end).await;
        wait_result.unwrap_or(Ok(()))
    }

    /// Returns the lease that this server holds on a run, if any.
    async fn own_lease(&self, id: &AnalysisId) -> Result<Option<RunLease>> {
        let Some(boot) = self.store.membership().map(Membership::boot) else {
            return Ok(None);
        };
        let id = id.clone();
        let read = move |db: &Reader| servers::lease_of(db, &id, &boot);
        Ok(self.store.read(read).await?)
    }

    /// Resumes detached runs after a shutdown or crash, and ends runs whose client is gone. With a database
    /// server, handles only runs that no other server is executing. Skips an unreadable analysis, so that it
    /// does not block the others.
    ///
    /// # Errors
    /// Returns an error if the list of unfinished analyses cannot be read, or the leases cannot be stored.
    pub(in crate::app) async fn resume(&self) -> Result<()> {
        for (id, lease) in self.abandoned_runs().await? {
            let Err(error) = self.resume_one(id.clone(), lease).await else {
                continue;
            };
            log::error(
                "analysis could not be resumed",
                &[("analysis", &id), ("fault", &error)],
            );
            // The database was unavailable, which does not mean that the analysis is unreadable, so free the
            // lease: any server may then try again at its next check.
            if let Some(lease) = lease.filter(|_| error.kind == Kind::Unavailable) {
                self.engine.free_lease(id, lease).await;
            }
        }
        Ok(())
    }

    /// Takes the leases of the runs that no server executes, and returns the runs. This server may already
    /// hold some of the leases, if it failed to free one, the response to a takeover was lost, or the run's
    /// task failed.
    async fn abandoned_runs(&self) -> Result<Vec<(AnalysisId, Option<RunLease>)>> {
        let Some(membership) = self.store.membership() else {
            let runs = self.store.read(analyses::list_unfinished).await?;
            return Ok(runs.into_iter().map(|id| (id, None)).collect());
        };
        let (boot, may_declare_dead) = (membership.boot(), membership.may_declare_dead());
        let take_over_lost = move |db: &Writer| {
            let taken_over =
                servers::take_over_lost_runs(db, &may_declare_dead, &boot, MAX_TAKEN_OVER)?;
            // A server that was itself declared dead may just have taken over its own runs, so roll back.
            servers::check_alive(db, &boot)?;
            Ok((taken_over, servers::runs_of(db, &boot)?))
        };
        let (mut runs, own_runs) = self.store.write(take_over_lost).await?;
        // Checking the engine after reading the leases is safe: the engine lists a run from before it is
        // leased until after its lease is freed.
        let is_idle = |(id, lease): &(AnalysisId, RunLease)| {
            lease.number() < MAX_LEASES && !self.engine.is_running_here(id)
        };
        let idle_runs = own_runs.into_iter().filter(is_idle);
        let idle_runs: Vec<_> = idle_runs.filter(|run| !runs.contains(run)).collect();
        // A run that the engine is still giving up is taken over at the next check.
        runs.retain(|(id, _)| !self.engine.is_running_here(id));
        if !idle_runs.is_empty() {
            let boot = membership.boot();
            let renew_leases = move |db: &Writer| servers::lease_again(db, idle_runs, &boot);
            runs.extend(self.store.write(renew_leases).await?);
        }
        let with_lease = |(id, lease)| (id, Some(lease));
        Ok(runs.into_iter().map(with_lease).collect())
    }

    async fn resume_one(&self, id: AnalysisId, lease: Option<RunLease>) -> Result<()> {
        let (target_id, is_leased) = (id.clone(), lease.is_some());
        let lookup = self.store.read(move |db| {
            let analysis = analyses::load_unfinished(db, &target_id)?;
            Ok((
                analysis,
                analyses::answers_of(db, &target_id)?,
                events::last_seq(db, &target_id)?,
                match is_leased {
                    true => cancellation_of(db, &target_id)?,
                    false => None,
                },
            ))
        });
        let (Some(analysis), answers, last_event, cancellation) = lookup.await? else {
            return Ok(());
        };
        // If the run were resumed, it would make calls until the pending stop command reached it.
        if let Some(reason) = cancellation {
            return self.fail(id, lease, &reason).await;
        }
        if lease.is_some_and(|lease| lease.number() > MAX_RESUMED_LEASES) {
            return self.fail(id, lease, "it stopped too often").await;
        }
        if !analysis.request.detached {
            return self
                .fail(
                    id,
                    lease,
                    "the server stopped while a client was waiting for this analysis",
                )
                .await;
        }
        if let Some(user) = &analysis.user
            && !is_active(self.store, user).await?
        {
            return self.fail(id, lease, "its account was locked").await;
        }
        let calls = estimate::estimate_calls(&analysis.plan);
        let forecast = estimate::total_estimate(&calls);
        let max_usage = estimate::upper_bound(&calls).unwrap_or_default();
        let (cache, cache_age) = (analysis.plan.cache, cache_age(&analysis.plan));
        let pictures = self
            .pictures(analysis.user.as_ref(), &analysis.plan)
            .await?;
        let terms = RunTerms::from_plan(&analysis.plan, &answers);
        let machine = match analysis.started {
            None => StagedRun::new(id.clone(), analysis.plan, forecast),
            Some(started) => {
                StagedRun::restore(id.clone(), analysis.plan, forecast, started, answers)
            }
        };
        self.engine.resume(RunSpec {
            background: analysis.context.experiment.is_some(),
            is_awaited: false,
            lease,
            relay: None,
            funds: analysis
                .context
                .key
                .as_ref()
                .map(|key| self.key_limits.restore_reservation(key, max_usage)),
            key: analysis.context.key,
            cache_age,
            reusable_answers: Vec::new(),
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

    // Ends a run that no server is executing. The answers received so far were paid for, so they are kept and counted.
    async fn fail(&self, id: AnalysisId, lease: Option<RunLease>, reason: &str) -> Result<()> {
        let reason = reason.to_owned();
        let outcome = self.store.write(move |db| {
            if let Some(lease) = lease {
                servers::end_lease(db, &id, lease)?;
            }
            let analysis = analyses::load_unfinished(db, &id)?.ok_or(StoreError::Missing)?;
            let (answers, now) = (analyses::answers_of(db, &id)?, clock::now());
            let started = analysis.started.unwrap_or(now);
            let findings = Findings::from_answers(&analysis.plan, &answers, None);
            let machine = StagedRun::restore(
                id.clone(),
                analysis.plan,
                RunEstimate::default(),
                started,
                answers,
            );
            for output in machine.cancelled(now, reason) {
                match output {
                    RunOutput::Emit(event) => {
                        let stored_event = events::StoredEvent {
                            seq: events::last_seq(db, &id)? + 1,
                            kind: event.name().to_owned(),
                            data: serde_json::to_string(&event)
                                .map_err(|error| StoreError::Failed(error.to_string()))?,
                        };
                        events::append(db, &id, [&stored_event])?;
                    }
                    RunOutput::Done(outcome) => {
                        let findings = findings.clone().with_notes(&outcome.totals);
                        let end = analyses::AnalysisEnd::of(&outcome, Some(&findings), None);
                        analyses::finish(db, &id, &end, now)?;
                    }
                    // No call was open, so there is nothing to stop, store, or wait for.
                    _ => {}
                }
            }
            Ok(())
        });
        match outcome.await {
            // The run has ended, or another server is executing it.
            Err(StoreError::Conflict(_)) if lease.is_some() => Ok(()),
            // Another task has already ended the run.
            Err(StoreError::Missing) => Ok(()),
            outcome => Ok(outcome?),
        }
    }
}
