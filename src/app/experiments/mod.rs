//! Experiments: which setting is best for a person's own questions. Checks and prices one before it begins,
//! runs it in the background, shows what came of it. The rules of the race are the domain's.

mod apply;
mod court;
mod draft;
mod duel;
mod files;
mod forecast;
mod progress;
mod request;
mod result;
mod runner;
mod score;
mod waits;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::accounts::{Visit, chance};
use super::{App, Error, Kind, Result, room};
use crate::clock;
use crate::domain::experiment::record::{Evaluation, Experiment, Judging, Line, State};
use crate::domain::experiment::{Case, race::Race};
use crate::domain::id::{ExperimentId, UserId};
use crate::domain::user::Caller;
use crate::log;
use crate::store::{audit, experiments};

pub use apply::Wish;
pub use draft::{Forecast, Wanted};
pub use duel::{Choice, Duel};
pub use progress::Progress;
pub use result::{Answered, Shown};

/// Evaluations of an experiment that are under way at once.
const AT_ONCE: usize = 2;
/// Experiments of one person that are under way at once.
const MOST_RUNNING: i64 = 5;

/// Use cases around experiments.
pub struct Experiments<'a>(pub(super) &'a Arc<App>);

/// The experiments under way here.
#[derive(Default)]
pub(super) struct Desk {
    seats: Mutex<HashMap<ExperimentId, Arc<Seat>>>,
    // A setting is put to use, or taken back, one at a time: both look first and then write twice.
    applying: tokio::sync::Mutex<()>,
}

/// One of them: how far it is, and the wish that it stop.
struct Seat {
    progress: watch::Sender<Progress>,
    stop: watch::Sender<bool>,
}

impl Desk {
    fn seats(&self) -> MutexGuard<'_, HashMap<ExperimentId, Arc<Seat>>> {
        // No code panics while it holds the lock; were it ever so, the map would still be whole.
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows how far an experiment is.
pub struct Watch {
    seen: bool,
    progress: Option<watch::Receiver<Progress>>,
}

impl Watch {
    /// The newest state when there is one that was not given yet; none once the experiment is no longer
    /// under way.
    pub async fn next(&mut self) -> Option<Progress> {
        let progress = self.progress.as_mut()?;
        if self.seen && progress.changed().await.is_err() {
            return None;
        }
        self.seen = true;
        Some(progress.borrow_and_update().clone())
    }
}

impl Experiments<'_> {
    /// What an experiment would take and could show. Spends and stores nothing.
    pub async fn forecast(&self, caller: &Caller, wanted: Wanted) -> Result<Forecast> {
        self.draft(caller, wanted).await
    }

    /// Checks, stores and begins. What is returned has been stored and goes on after a crash.
    pub async fn start(
        &self,
        caller: &Caller,
        wanted: Wanted,
        visit: &Visit,
    ) -> Result<Experiment> {
        if caller.key.as_ref().is_some_and(|key| key.is_confined) {
            let why =
                "this API key is confined to models or amounts, which an experiment cannot keep to";
            return Err(Error::new(Kind::Forbidden, why)
                .resolve("start it from the pages, or with a key that is not confined"));
        }
        room::require(&self.0.store)?;
        let draft = self.draft(caller, wanted).await?;
        let experiment = Experiment {
            id: ExperimentId::new(visit.now, chance()?),
            user: caller.user.clone(),
            state: State::Running,
            spec: draft.spec,
            design: draft.design,
            verdict: None,
            error: None,
            applied: None,
            judging: Judging::default(),
            created: visit.now,
            finished: None,
        };
        let entry = visit.entry(
            Some(&caller.user),
            "experiment.start",
            experiment.id.as_str(),
        );
        let (stored, cases) = (experiment.clone(), draft.cases.clone());
        let written = self.0.store.write(move |db| {
            if experiments::running(db, &stored.user)? >= MOST_RUNNING {
                return Ok(false);
            }
            experiments::insert(db, &stored, &cases)?;
            audit::append(db, &entry)?;
            Ok(true)
        });
        if !written.await? {
            return Err(too_many());
        }
        self.spawn(experiment.clone(), draft.cases, Vec::new())
            .await?;
        Ok(experiment)
    }

    /// Newest first.
    pub async fn list(
        &self,
        user: &UserId,
        limit: u32,
        cursor: Option<ExperimentId>,
    ) -> Result<Vec<Line>> {
        let user = user.clone();
        let found = self
            .0
            .store
            .read(move |db| experiments::list_of(db, &user, limit, cursor.as_ref()));
        Ok(found.await?)
    }

    /// Follows it; ends when it is no longer under way.
    pub async fn watch(&self, user: &UserId, id: &ExperimentId) -> Result<Watch> {
        self.find(user, id).await?;
        let seat = self.0.experiments_desk.seats().get(id).cloned();
        Ok(Watch {
            seen: false,
            progress: seat.map(|seat| seat.progress.subscribe()),
        })
    }

    /// Stops it. What it has found so far is kept, and it can be resumed.
    pub async fn cancel(&self, caller: &Caller, id: &ExperimentId) -> Result<State> {
        self.find(&caller.user, id).await?;
        if !self.unseat(id).await {
            let (user, wanted) = (caller.user.clone(), id.clone());
            let written = self.0.store.write(move |db| {
                // Meanwhile it may have come to its end: that stays.
                let now = experiments::by_id(db, &user, &wanted)?.map(|now| now.state);
                match now {
                    Some(State::Running | State::Paused) => {
                        let ended = Some((clock::now(), None));
                        experiments::set_state(db, &wanted, State::Cancelled, None, ended)
                    }
                    _ => Ok(()),
                }
            });
            written.await?;
            // One that was just being begun has its seat by now, or sees that it is cancelled.
            self.unseat(id).await;
        }
        Ok(self.find(&caller.user, id).await?.state)
    }

    // Stops one that is under way and waits for that. False where it is not.
    async fn unseat(&self, id: &ExperimentId) -> bool {
        let Some(seat) = self.0.experiments_desk.seats().get(id).cloned() else {
            return false;
        };
        let mut progress = seat.progress.subscribe();
        seat.stop.send_replace(true);
        drop(seat);
        while progress.changed().await.is_ok() {}
        true
    }

    /// Goes on with one that was stopped or is paused.
    pub async fn resume(&self, caller: &Caller, id: &ExperimentId, visit: &Visit) -> Result<State> {
        let found = self.find(&caller.user, id).await?;
        match found.state {
            State::Running => return Ok(State::Running),
            State::Completed => {
                let why = "this experiment is over: there is nothing left to evaluate";
                return Err(Error::new(Kind::Conflict, why).resolve("begin a new one"));
            }
            State::Paused | State::Cancelled => {}
        }
        let entry = visit.entry(Some(&caller.user), "experiment.resume", id.as_str());
        let (user, wanted) = (caller.user.clone(), id.clone());
        let written = self.0.store.write(move |db| {
            // Two at once: the second finds it running.
            let now = experiments::by_id(db, &user, &wanted)?;
            if now.is_none_or(|now| now.state == State::Running) {
                return Ok(Resumed::Already);
            }
            if experiments::running(db, &user)? >= MOST_RUNNING {
                return Ok(Resumed::TooMany);
            }
            experiments::set_state(db, &wanted, State::Running, None, None)?;
            audit::append(db, &entry)?;
            let cases = experiments::cases_of(db, &wanted)?;
            let done = experiments::evaluations_of(db, &wanted)?;
            Ok(Resumed::With(cases, done))
        });
        let (cases, done) = match written.await? {
            Resumed::With(cases, done) => (cases, done),
            Resumed::Already => return Ok(State::Running),
            Resumed::TooMany => return Err(too_many()),
        };
        let experiment = Experiment {
            state: State::Running,
            error: None,
            finished: None,
            ..found
        };
        self.spawn(experiment, cases, done).await?;
        Ok(State::Running)
    }

    /// Takes it away with its analyses; stops it first if it runs.
    pub async fn delete(&self, caller: &Caller, id: &ExperimentId, visit: &Visit) -> Result<()> {
        self.cancel(caller, id).await?;
        let entry = visit.entry(Some(&caller.user), "experiment.delete", id.as_str());
        let (user, id) = (caller.user.clone(), id.clone());
        let store = self.0.store.for_freeing();
        let deleted = store.write(move |db| {
            audit::append(db, &entry)?;
            experiments::delete(db, &user, &id)
        });
        match deleted.await? {
            true => Ok(()),
            false => Err(Error::missing()),
        }
    }

    /// Asks these to stop, those that run here. Their state is stored already.
    pub(super) fn stop_seats(&self, ids: &[ExperimentId]) {
        let seats = self.0.experiments_desk.seats();
        for seat in ids.iter().filter_map(|id| seats.get(id)) {
            seat.stop.send_replace(true);
        }
    }

    /// Goes on with those that a stop or crash interrupted. Those of locked accounts are cancelled.
    pub(super) async fn resume_all(&self) -> Result<()> {
        for experiment in self.0.store.read(experiments::unfinished).await? {
            let id = experiment.id.clone();
            if !self.0.is_active(&experiment.user).await? {
                let ended = Some((clock::now(), None));
                let cancel = self.0.store.write(move |db| {
                    experiments::set_state(db, &id, State::Cancelled, None, ended)
                });
                cancel.await?;
                continue;
            }
            let found = self.0.store.read(move |db| {
                let cases = experiments::cases_of(db, &id)?;
                Ok((cases, experiments::evaluations_of(db, &id)?))
            });
            let (cases, done) = found.await?;
            self.spawn(experiment, cases, done).await?;
        }
        Ok(())
    }

    async fn find(&self, user: &UserId, id: &ExperimentId) -> Result<Experiment> {
        let (user, id) = (user.clone(), id.clone());
        let found = self
            .0
            .store
            .read(move |db| experiments::by_id(db, &user, &id));
        found.await?.ok_or_else(Error::missing)
    }

    async fn spawn(
        &self,
        experiment: Experiment,
        cases: Vec<Case>,
        done: Vec<Evaluation>,
    ) -> Result<()> {
        // What is recorded is gone through again, which may take a while.
        let worked = tokio::task::spawn_blocking(move || {
            let race = race_of(&experiment, &done);
            (race, experiment, done)
        });
        let (race, experiment, done) = worked.await.map_err(Error::internal)?;
        let (progress, _) = watch::channel(Progress::of(&experiment.spec, &race));
        let (stop, _) = watch::channel(false);
        let seat = Arc::new(Seat { progress, stop });
        let id = experiment.id.clone();
        let taken = self
            .0
            .experiments_desk
            .seats()
            .insert(id.clone(), seat.clone());
        if taken.is_some() {
            log::warn("an experiment was begun twice", &[("experiment", &id)]);
        }
        let (app, engine) = (self.0.clone(), self.0.engine.clone());
        engine.job(async move {
            // Somebody may have stopped or deleted it before it had a seat.
            let now = Experiments(&app).find(&experiment.user, &id).await;
            if now.is_ok_and(|now| now.state == State::Running) {
                let runner = runner::Runner::new(app.clone(), experiment, cases, race, done, &seat);
                runner.run().await;
            }
            // Resumed meanwhile, it has another seat.
            let mut seats = app.experiments_desk.seats();
            if seats
                .get(&id)
                .is_some_and(|known| Arc::ptr_eq(known, &seat))
            {
                seats.remove(&id);
            }
        });
        Ok(())
    }
}

/// What came of the wish to go on.
enum Resumed {
    With(Vec<Case>, Vec<Evaluation>),
    Already,
    TooMany,
}

/// The race with everything that is recorded.
fn race_of(experiment: &Experiment, done: &[Evaluation]) -> Race {
    let results = done.iter().filter_map(|one| Some((one.cell, one.outcome?)));
    Race::resumed(experiment.design.clone(), results)
}

fn too_many() -> Error {
    let why = format!("{MOST_RUNNING} of your experiments are under way");
    Error::new(Kind::Conflict, why).resolve("wait for one to end, or stop one")
}
