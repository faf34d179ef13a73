//! Experiments: find the best configuration for a user's own questions. Checks and prices an experiment
//! before it starts, runs it in the background, and shows its results. `domain::experiment` has the rules of the race.

mod apply;
mod blind_comparison;
mod checked_cases;
mod draft;
mod files;
mod forecast;
mod improvement;
mod leases;
mod llm_judge;
mod model_call;
mod progress;
mod prompt_writer;
mod request;
mod result;
mod rules;
mod runner;
mod score;
mod waits;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::accounts::{RequestOrigin, random_number};
use super::{App, Error, Kind, Result, account_state, disk_space};
use crate::clock;
use crate::domain::experiment::design::RaceStep;
use crate::domain::experiment::record::{
    Evaluation, Experiment, ExperimentState, ExperimentSummary, Judging,
};
use crate::domain::experiment::{Case, successive_halving::SuccessiveHalving};
use crate::domain::id::{ExperimentId, UserId};
use crate::domain::user::Caller;
use crate::log;
use crate::store::{Membership, audit, experiments};

pub use apply::ApplyTarget;
pub use blind_comparison::{BlindComparison, ComparisonChoice};
pub use draft::{ExperimentForecast, ExperimentParams};
pub use files::{read_cases, read_file};
pub use progress::ExperimentProgress;
pub use result::{EvaluationView, ExperimentView};

/// Maximum number of concurrent evaluations per experiment.
const MAX_CONCURRENT: usize = 2;
/// Maximum number of running experiments per user.
const MAX_RUNNING: i64 = 5;

/// Use cases for experiments: forecast, start, watch, stop, resume, and delete. Holds the whole [`App`], because
/// experiments outlive the requests that start them.
#[derive(Clone, Copy)]
pub struct Experiments<'a>(pub(super) &'a Arc<App>);

/// Registry of the experiments running in this process.
#[derive(Default)]
pub(super) struct ExperimentRegistry {
    running_experiments: Mutex<HashMap<ExperimentId, Arc<RunningExperiment>>>,
    /// Held from the time an experiment takes its lease until it is in `running_experiments`, so that no
    /// other task continues it in between. Used only if other servers use the database.
    start_lock: tokio::sync::Mutex<()>,
    // Serializes applying and reverting configurations, since both read first and then write twice.
    apply_lock: tokio::sync::Mutex<()>,
}

/// A running experiment: its progress and the stop signal.
struct RunningExperiment {
    progress: watch::Sender<ExperimentProgress>,
    stop: watch::Sender<bool>,
    /// Set together with the stop signal if another server continues the experiment.
    continues_elsewhere: AtomicBool,
}

impl ExperimentRegistry {
    fn lock_running(&self) -> MutexGuard<'_, HashMap<ExperimentId, Arc<RunningExperiment>>> {
        // No code panics while holding the lock, and the map would be consistent even then.
        self.running_experiments
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows an experiment's progress.
pub struct ExperimentWatch {
    seen: bool,
    progress: Option<watch::Receiver<ExperimentProgress>>,
}

impl ExperimentWatch {
    /// Waits for a progress update that has not been returned yet; `None` once the experiment is no longer
    /// running.
    pub async fn next(&mut self) -> Option<ExperimentProgress> {
        let progress = self.progress.as_mut()?;
        if self.seen && progress.changed().await.is_err() {
            return None;
        }
        self.seen = true;
        Some(progress.borrow_and_update().clone())
    }
}

impl Experiments<'_> {
    /// Forecasts an experiment's cost and detectable difference. Spends and stores nothing.
    ///
    /// # Errors
    /// `BadInput` with the invalid field. Also returns any error from the store.
    pub async fn forecast(
        &self,
        caller: &Caller,
        wanted: ExperimentParams,
    ) -> Result<ExperimentForecast> {
        self.validate_and_price(caller, wanted).await
    }

    /// Checks, stores, and starts an experiment. Once this returns, the experiment is stored and continues after a
    /// crash.
    ///
    /// # Errors
    /// `Forbidden` for a restricted API key; `Conflict` if too many are running; and the errors of
    /// [`Experiments::forecast`]. Also fails if the disk is full.
    pub async fn start(
        &self,
        caller: &Caller,
        params: ExperimentParams,
        origin: &RequestOrigin,
    ) -> Result<Experiment> {
        if caller.key.as_ref().is_some_and(|key| key.has_limits) {
            let why = "this API key is restricted to certain models or budgets, which an experiment cannot enforce";
            return Err(Error::new(Kind::Forbidden, why)
                .resolve("start it in the web interface, or with an unrestricted key"));
        }
        disk_space::require(&self.0.store)?;
        let draft = self.validate_and_price(caller, params).await?;
        let experiment = Experiment {
            id: ExperimentId::new(origin.now, random_number()?),
            user: caller.user.clone(),
            state: ExperimentState::Running,
            spec: draft.spec,
            design: draft.design,
            verdict: None,
            error: None,
            applied: None,
            judging: Judging::default(),
            created: origin.now,
            finished_at: None,
        };
        let entry = origin.audit_entry(
            Some(&caller.user),
            "experiment.start",
            experiment.id.as_str(),
        );
        let (stored_experiment, cases) = (experiment.clone(), draft.cases.clone());
        let boot = self.0.store.membership().map(Membership::boot);
        let _start_lock = self.hold_start_lock().await;
        let written = self.0.store.write_alone(move |db| {
            experiments::lock_starts(db, &stored_experiment.user)?;
            if experiments::count_running(db, &stored_experiment.user)? >= MAX_RUNNING {
                return Ok(false);
            }
            experiments::insert(db, &stored_experiment, &cases)?;
            leases::take(db, &stored_experiment.id, boot.as_deref())?;
            audit::append(db, &entry)?;
            Ok(true)
        });
        if !written.await? {
            return Err(too_many_error());
        }
        self.spawn(experiment.clone(), draft.cases, Vec::new())
            .await?;
        Ok(experiment)
    }

    /// Lists a user's experiments, newest first.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn list(
        &self,
        user: &UserId,
        limit: u32,
        cursor: Option<ExperimentId>,
    ) -> Result<Vec<ExperimentSummary>> {
        let user = user.clone();
        let lookup = self
            .0
            .store
            .read(move |db| experiments::list_of(db, &user, limit, cursor.as_ref()));
        Ok(lookup.await?)
    }

    /// Follows an experiment until it is no longer running.
    ///
    /// # Errors
    /// `Missing` for an unknown experiment. Also returns any error from the store.
    pub async fn watch(&self, user: &UserId, id: &ExperimentId) -> Result<ExperimentWatch> {
        self.find(user, id).await?;
        let running = self.0.experiment_registry.lock_running().get(id).cloned();
        Ok(ExperimentWatch {
            seen: false,
            progress: running.map(|running| running.progress.subscribe()),
        })
    }

    /// Stops an experiment. Its results so far are kept, and it can be resumed.
    ///
    /// # Errors
    /// `Missing` for an unknown experiment. Also returns any error from the store.
    pub async fn cancel(&self, caller: &Caller, id: &ExperimentId) -> Result<ExperimentState> {
        self.find(&caller.user, id).await?;
        if !self.stop_and_wait(id).await {
            let (user, experiment_id) = (caller.user.clone(), id.clone());
            let pending_write = self.0.store.write(move |db| {
                // If the experiment has ended in the meantime, keep that state.
                let now = experiments::by_id(db, &user, &experiment_id)?.map(|now| now.state);
                match now {
                    Some(ExperimentState::Running | ExperimentState::Paused) => {
                        let ending = Some((clock::now(), None));
                        experiments::set_state(
                            db,
                            &experiment_id,
                            ExperimentState::Cancelled,
                            None,
                            ending,
                        )
                    }
                    _ => Ok(()),
                }
            });
            pending_write.await?;
            // By now, an experiment that was still starting either has been registered, or will notice that it is
            // canceled.
            self.stop_and_wait(id).await;
        }
        Ok(self.find(&caller.user, id).await?.state)
    }

    // Stops a running experiment and waits for its end. Returns false if it is not running on this server.
    async fn stop_and_wait(&self, id: &ExperimentId) -> bool {
        let Some(running) = self.0.experiment_registry.lock_running().get(id).cloned() else {
            return false;
        };
        let mut progress = running.progress.subscribe();
        running.stop.send_replace(true);
        drop(running);
        while progress.changed().await.is_ok() {}
        true
    }

    /// Resumes a stopped or paused experiment.
    ///
    /// # Errors
    /// `Missing` for an unknown experiment; `Conflict` if it is completed or too many are running. Also returns
    /// any error from the store.
    pub async fn resume(
        &self,
        caller: &Caller,
        id: &ExperimentId,
        origin: &RequestOrigin,
    ) -> Result<ExperimentState> {
        let stored_experiment = self.find(&caller.user, id).await?;
        match stored_experiment.state {
            ExperimentState::Running => return Ok(ExperimentState::Running),
            ExperimentState::Completed => {
                let why = "this experiment is complete: there is nothing left to evaluate";
                return Err(Error::new(Kind::Conflict, why).resolve("start a new one"));
            }
            ExperimentState::Paused | ExperimentState::Cancelled => {}
        }
        let entry = origin.audit_entry(Some(&caller.user), "experiment.resume", id.as_str());
        let (user, experiment_id) = (caller.user.clone(), id.clone());
        let boot = self.0.store.membership().map(Membership::boot);
        let _start_lock = self.hold_start_lock().await;
        if boot.is_some() {
            // The experiment may have been canceled through another server and may still be running on this one.
            self.stop_stale_run(&caller.user, id).await?;
        }
        let written = self.0.store.write_alone(move |db| {
            experiments::lock_starts(db, &user)?;
            // If two calls race, the second one finds the experiment running.
            let now = experiments::by_id(db, &user, &experiment_id)?;
            if now.is_none_or(|now| now.state == ExperimentState::Running) {
                return Ok(ResumeOutcome::AlreadyRunning);
            }
            if experiments::count_running(db, &user)? >= MAX_RUNNING {
                return Ok(ResumeOutcome::TooMany);
            }
            experiments::set_state(db, &experiment_id, ExperimentState::Running, None, None)?;
            leases::take(db, &experiment_id, boot.as_deref())?;
            audit::append(db, &entry)?;
            let cases = experiments::cases_of(db, &experiment_id)?;
            let evaluations = experiments::evaluations_of(db, &experiment_id)?;
            Ok(ResumeOutcome::Resumed(cases, evaluations))
        });
        let (cases, evaluations) = match written.await? {
            ResumeOutcome::Resumed(cases, evaluations) => (cases, evaluations),
            ResumeOutcome::AlreadyRunning => return Ok(ExperimentState::Running),
            ResumeOutcome::TooMany => return Err(too_many_error()),
        };
        let experiment = Experiment {
            state: ExperimentState::Running,
            error: None,
            finished_at: None,
            ..stored_experiment
        };
        self.spawn(experiment, cases, evaluations).await?;
        Ok(ExperimentState::Running)
    }

    /// Deletes an experiment with its analyses, stopping it first if it is running.
    ///
    /// # Errors
    /// `Missing` for an unknown experiment. Also returns any error from the store.
    pub async fn delete(
        &self,
        caller: &Caller,
        id: &ExperimentId,
        origin: &RequestOrigin,
    ) -> Result<()> {
        self.cancel(caller, id).await?;
        let entry = origin.audit_entry(Some(&caller.user), "experiment.delete", id.as_str());
        let (user, id) = (caller.user.clone(), id.clone());
        let store = self.0.store.with_reserve();
        let deleted = store.write(move |db| {
            audit::append(db, &entry)?;
            experiments::delete(db, &user, &id)
        });
        match deleted.await? {
            true => Ok(()),
            false => Err(Error::missing()),
        }
    }

    /// Signals these experiments to stop, if they run on this server. Their state has already been stored.
    pub(super) fn request_stop(&self, ids: &[ExperimentId]) {
        let all_running = self.0.experiment_registry.lock_running();
        for running in ids.iter().filter_map(|id| all_running.get(id)) {
            running.stop.send_replace(true);
        }
    }

    /// Resumes experiments interrupted by a shutdown or crash, and cancels those of locked accounts. With a
    /// database server, handles only experiments that no other server is running.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read or written.
    pub(super) async fn resume_all(&self) -> Result<()> {
        for experiment in self.0.store.read(experiments::list_unfinished).await? {
            let id = experiment.id.clone();
            let _start_lock = self.hold_start_lock().await;
            if !self.try_take_lease(&id).await? {
                continue;
            }
            if !account_state::is_active(&self.0.store, &experiment.user).await? {
                let ending = Some((clock::now(), None));
                let cancel = self.0.store.write(move |db| {
                    experiments::set_state(db, &id, ExperimentState::Cancelled, None, ending)
                });
                cancel.await?;
                continue;
            }
            let lookup = self.0.store.read(move |db| {
                let cases = experiments::cases_of(db, &id)?;
                Ok((cases, experiments::evaluations_of(db, &id)?))
            });
            let (cases, evaluations) = lookup.await?;
            self.spawn(experiment, cases, evaluations).await?;
        }
        Ok(())
    }

    async fn find(&self, user: &UserId, id: &ExperimentId) -> Result<Experiment> {
        let (user, id) = (user.clone(), id.clone());
        let lookup = self
            .0
            .store
            .read(move |db| experiments::by_id(db, &user, &id));
        lookup.await?.ok_or_else(Error::missing)
    }

    async fn spawn(
        &self,
        experiment: Experiment,
        cases: Vec<Case>,
        evaluations: Vec<Evaluation>,
    ) -> Result<()> {
        // Replaying all records may take a while, so do it on a blocking thread.
        let replayed = tokio::task::spawn_blocking(move || {
            let race = replay_race(&experiment, &evaluations);
            (race, experiment, evaluations)
        });
        let (race, experiment, evaluations) = replayed.await.map_err(Error::internal)?;
        let (progress, _) = watch::channel(ExperimentProgress::from_race(&experiment.spec, &race));
        let (stop, _) = watch::channel(false);
        let continues_elsewhere = AtomicBool::new(false);
        let running = Arc::new(RunningExperiment {
            progress,
            stop,
            continues_elsewhere,
        });
        let id = experiment.id.clone();
        let previous = self
            .0
            .experiment_registry
            .lock_running()
            .insert(id.clone(), running.clone());
        if previous.is_some() {
            log::warn("experiment started twice", &[("experiment", &id)]);
        }
        let (app, engine) = (self.0.clone(), self.0.engine.clone());
        engine.spawn_job(async move {
            // The experiment may have been stopped or deleted before it was registered.
            let now = Experiments(&app).find(&experiment.user, &id).await;
            if now.is_ok_and(|now| now.state == ExperimentState::Running) {
                let runner = runner::ExperimentRunner::new(
                    app.clone(),
                    experiment,
                    cases,
                    race,
                    evaluations,
                    &running,
                );
                runner.run().await;
            }
            Experiments(&app).drop_lease(&id).await;
            // If the experiment was resumed in the meantime, another run is registered.
            let mut all_running = app.experiment_registry.lock_running();
            if all_running
                .get(&id)
                .is_some_and(|current| Arc::ptr_eq(current, &running))
            {
                all_running.remove(&id);
            }
        });
        Ok(())
    }
}

/// The outcome of an attempt to resume.
enum ResumeOutcome {
    Resumed(Vec<Case>, Vec<Evaluation>),
    AlreadyRunning,
    TooMany,
}

/// Rebuilds the race from the experiment's stored evaluations.
fn replay_race(experiment: &Experiment, done: &[Evaluation]) -> SuccessiveHalving {
    let results = done
        .iter()
        .filter_map(|evaluation| Some((evaluation.trial, evaluation.outcome?)));
    let proposals = experiment.spec.proposals();
    let race = SuccessiveHalving::replay(experiment.design.clone(), results.clone(), proposals);
    match experiment.verdict {
        // The experiment ended under the rules of an earlier version, so keep its verdict.
        Some(verdict) if race.next() != RaceStep::Done(verdict) => race.close(results, verdict),
        _ => race,
    }
}

fn too_many_error() -> Error {
    let why = format!("{MAX_RUNNING} of your experiments are running");
    Error::new(Kind::Conflict, why).resolve("wait for one to finish, or stop one")
}
