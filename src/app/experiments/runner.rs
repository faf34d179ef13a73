//! Runs an experiment: asks the race what to evaluate, has it answered when nobody else is waiting, scores it,
//! stores it, tells the race. Everything it knows is stored, so that it goes on after a crash with the same
//! decisions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::draft::request;
use super::{Progress, Seat};
use crate::app::{App, Error, Kind, Result};
use crate::clock;
use crate::domain::analysis::{Analysis, StageAnswer, Status};
use crate::domain::chat::CallErrorKind;
use crate::domain::experiment::design::{Step, Verdict};
use crate::domain::experiment::race::Race;
use crate::domain::experiment::record::{Evaluation, Experiment, State};
use crate::domain::experiment::{Case, Cell, Outcome, Scoring};
use crate::domain::id::AnalysisId;
use crate::domain::user::{Caller, Role};
use crate::log;
use crate::store::{analyses, experiments};

/// Evaluations of an experiment that are under way at once.
pub(super) const AT_ONCE: usize = 2;
/// So many evaluations in a row that failed for a reason that passes pause an experiment.
const MOST_FAILURES: usize = 3;
/// How long a refusal that passes is waited out.
const AGAIN: Duration = Duration::from_secs(2);

/// How a run of an experiment ended.
enum End {
    Verdict(Verdict),
    Stopped,
    /// Something that a person can mend.
    Paused(String),
    /// The program is ending: the next start goes on.
    Left,
}

/// An experiment under way.
pub(super) struct Runner<'s> {
    app: Arc<App>,
    experiment: Experiment,
    cases: Vec<Case>,
    race: Race,
    // Evaluations that were begun and of which nothing is recorded.
    open: Vec<Evaluation>,
    progress: &'s watch::Sender<Progress>,
    stop: watch::Receiver<bool>,
    // Tries in a row that failed for a reason that passes, and what they took.
    failures: usize,
    wasted: BTreeMap<Cell, Outcome>,
}

/// What an analysis brought.
struct Brought {
    outcome: Outcome,
    text: Option<String>,
    error: Option<String>,
    passes: bool,
}

impl<'s> Runner<'s> {
    pub(super) fn new(
        app: Arc<App>,
        experiment: Experiment,
        cases: Vec<Case>,
        race: Race,
        done: Vec<Evaluation>,
        seat: &'s Seat,
    ) -> Self {
        Self {
            open: done
                .into_iter()
                .filter(|one| one.outcome.is_none())
                .collect(),
            progress: &seat.progress,
            stop: seat.stop.subscribe(),
            failures: 0,
            wasted: BTreeMap::new(),
            app,
            experiment,
            cases,
            race,
        }
    }

    /// Until there is nothing left to do, somebody stops it, or something must be mended.
    pub(super) async fn run(mut self) {
        let end = match self.drive().await {
            Ok(end) => end,
            Err(fault) => {
                log::error(
                    "experiment interrupted",
                    &[("experiment", &self.experiment.id), ("fault", &fault)],
                );
                End::Paused(fault.public)
            }
        };
        let id = self.experiment.id.clone();
        let at = clock::now();
        let written = self.app.store.write(move |db| match &end {
            End::Left => Ok(()),
            End::Verdict(verdict) => {
                let ended = Some((at, Some(verdict)));
                experiments::set_state(db, &id, State::Completed, None, ended)
            }
            End::Stopped => {
                experiments::set_state(db, &id, State::Cancelled, None, Some((at, None)))
            }
            End::Paused(why) => experiments::set_state(db, &id, State::Paused, Some(why), None),
        });
        if let Err(fault) = written.await {
            log::error(
                "the end of an experiment could not be stored",
                &[("experiment", &self.experiment.id), ("fault", &fault)],
            );
        }
    }

    async fn drive(&mut self) -> Result<End> {
        loop {
            let cells = match self.race.next() {
                Step::Done(verdict) => return Ok(End::Verdict(verdict)),
                Step::Evaluate(cells) => cells,
            };
            let mut begun = Vec::with_capacity(AT_ONCE);
            for cell in cells.into_iter().take(AT_ONCE) {
                match self.begin(cell).await? {
                    Ok(analysis) => begun.push((cell, analysis)),
                    Err(end) => return self.leave(begun, end).await,
                }
            }
            while !begun.is_empty() {
                let (cell, analysis) = begun.remove(0);
                if let Some(end) = self.finish(cell, analysis).await? {
                    return self.leave(begun, end).await;
                }
            }
        }
    }

    // What was begun besides: a person who stops wants it stopped, and what is left is found again.
    async fn leave(&self, begun: Vec<(Cell, AnalysisId)>, end: End) -> Result<End> {
        if matches!(end, End::Stopped) {
            for (_, analysis) in begun {
                self.app
                    .engine
                    .cancel(&analysis, "its experiment was stopped");
                self.over(&analysis).await?;
            }
        }
        Ok(end)
    }

    // Begins an evaluation in a lull, or finds the one that an earlier run has begun.
    async fn begin(&mut self, cell: Cell) -> Result<std::result::Result<AnalysisId, End>> {
        if let Some(place) = self.open.iter().position(|one| one.cell == cell) {
            let analysis = self.open.swap_remove(place).analysis;
            let status = self.status(&analysis).await?;
            // One that was stopped with the experiment brought nothing.
            if !matches!(status, None | Some(Status::Cancelled)) {
                return Ok(Ok(analysis));
            }
        }
        loop {
            let mut stop = self.stop.clone();
            tokio::select! {
                biased;
                () = wished(&mut stop) => return Ok(Err(End::Stopped)),
                free = self.app.engine.lull() => if !free { return Ok(Err(End::Left)) },
            }
            match self.ask(cell).await {
                Ok(analysis) => return Ok(Ok(analysis)),
                Err(_) if self.app.engine.is_closing() => return Ok(Err(End::Left)),
                Err(error) if error.kind == Kind::Unavailable => tokio::time::sleep(AGAIN).await,
                Err(error) if error.kind == Kind::Internal => return Err(error),
                Err(error) => return Ok(Err(End::Paused(error.public))),
            }
        }
    }

    async fn ask(&self, cell: Cell) -> Result<AnalysisId> {
        let design = &self.experiment.design;
        let found = design.arms.get(cell.arm).zip(self.cases.get(cell.case));
        let (arm, case) = found.ok_or_else(|| Error::internal("a cell that is not there"))?;
        let id = self.experiment.id.clone();
        let mut wanted = request(&self.experiment.spec, arm, case, &id)?;
        if design.budget.cost.is_some() {
            // The engine keeps a run within its own budget: that is what makes the declared bound one.
            wanted.budget_usd = Some(design.declared[cell.arm].cost.dollars());
        }
        let caller = Caller {
            user: self.experiment.user.clone(),
            role: Role::User,
            session: None,
        };
        self.app
            .analyses()
            .start_for(&caller, wanted, move |db, analysis| {
                experiments::begin(db, &id, cell, analysis)
            })
            .await
    }

    // Waits for an evaluation, scores and records it. An end where the experiment cannot go on.
    async fn finish(&mut self, cell: Cell, analysis: AnalysisId) -> Result<Option<End>> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            over = self.over(&analysis) => over?,
            () = wished(&mut stop) => {
                self.app.engine.cancel(&analysis, "its experiment was stopped");
                self.over(&analysis).await?;
                return Ok(Some(End::Stopped));
            }
        }
        let Some(brought) = self.brought(&analysis).await? else {
            return Ok(Some(End::Left));
        };
        if brought.error.is_some() && brought.passes {
            return Ok(self.again(cell, brought).await);
        }
        self.failures = 0;
        self.record(cell, brought).await?;
        Ok(None)
    }

    // A provider's bad day says nothing of a setting: nothing is recorded, and the race asks again.
    async fn again(&mut self, cell: Cell, brought: Brought) -> Option<End> {
        let before = self.wasted.remove(&cell).unwrap_or(NOTHING);
        self.wasted.insert(cell, plus(before, brought.outcome));
        self.failures += 1;
        if self.failures >= MOST_FAILURES {
            let why = brought.error.unwrap_or_default();
            return Some(End::Paused(format!(
                "{MOST_FAILURES} evaluations in a row failed, the last one so: {why}"
            )));
        }
        tokio::time::sleep(AGAIN * self.failures as u32).await;
        None
    }

    async fn record(&mut self, cell: Cell, brought: Brought) -> Result<()> {
        let wasted = self.wasted.remove(&cell).unwrap_or(NOTHING);
        let mut outcome = plus(brought.outcome, wasted);
        if let Some(text) = &brought.text {
            outcome.score = self.score(cell, text);
        }
        let (id, error) = (self.experiment.id.clone(), brought.error);
        let written = self
            .app
            .store
            .write(move |db| experiments::record(db, &id, cell, &outcome, error.as_deref()));
        written.await?;
        if !self.race.record(cell, outcome) {
            return Err(Error::internal("the race did not ask for this evaluation"));
        }
        self.progress
            .send_replace(Progress::of(&self.experiment.spec, &self.race));
        Ok(())
    }

    fn score(&self, cell: Cell, text: &str) -> f64 {
        match &self.experiment.spec.evaluator {
            Scoring::Rule(rule) => rule.score(&self.cases[cell.case], text),
            Scoring::Judge(_) => 0.0,
        }
    }

    async fn over(&self, analysis: &AnalysisId) -> Result<()> {
        let mut watch = self.app.engine.watch(analysis.clone(), u64::MAX - 1);
        while watch.next().await?.is_some() {}
        Ok(())
    }

    async fn status(&self, analysis: &AnalysisId) -> Result<Option<Status>> {
        let (user, id) = (self.experiment.user.clone(), analysis.clone());
        let read = self
            .app
            .store
            .read(move |db| analyses::status_of(db, Some(&user), &id));
        Ok(read.await?)
    }

    // None where the analysis was left for the next start.
    async fn brought(&self, analysis: &AnalysisId) -> Result<Option<Brought>> {
        let (user, id) = (self.experiment.user.clone(), analysis.clone());
        let read = self.app.store.read(move |db| {
            let found = analyses::by_id(db, Some(&user), &id)?;
            Ok((found, analyses::answers_of(db, &id)?))
        });
        let (found, answers) = read.await?;
        let Some(analysis) = found else {
            // Its owner has deleted it: what it would have brought is not known.
            return Ok(Some(gone()));
        };
        if !analysis.status.is_over() {
            return Ok(None);
        }
        Ok(Some(read_off(analysis, &answers)))
    }
}

async fn wished(stop: &mut watch::Receiver<bool>) {
    // Its sender lives as long as the runner.
    let _ = stop.wait_for(|stop| *stop).await.map(drop);
}

fn gone() -> Brought {
    Brought {
        outcome: NOTHING,
        text: None,
        error: Some("its analysis was deleted".to_owned()),
        passes: false,
    }
}

const NOTHING: Outcome = Outcome {
    score: 0.0,
    cost: crate::domain::money::MicroDollars(0),
    tokens: 0,
    latency_ms: 0,
};

fn plus(one: Outcome, other: Outcome) -> Outcome {
    Outcome {
        score: one.score,
        cost: one.cost.plus(other.cost),
        tokens: one.tokens + other.tokens,
        latency_ms: one.latency_ms,
    }
}

fn read_off(analysis: Analysis, answers: &[StageAnswer]) -> Brought {
    let took = analysis.started.zip(analysis.finished);
    let outcome = Outcome {
        score: 0.0,
        cost: analysis.cost,
        tokens: analysis.usage.input + analysis.usage.output,
        latency_ms: took.map_or(0, |(from, to)| (to.millis() - from.millis()).max(0) as u64),
    };
    let answered = analysis.status == Status::Completed && analysis.synthesis.is_some();
    let errors = answers.iter().filter_map(|answer| answer.error.as_ref());
    let passes = errors.clone().next().is_some() && errors.clone().all(|error| passes(error.kind));
    let reason = || {
        let first = errors.clone().next().map(|error| error.detail.clone());
        first.or(analysis.error.clone())
    };
    Brought {
        outcome,
        error: (!answered).then(|| reason().unwrap_or_else(|| "no answer was written".to_owned())),
        text: analysis.synthesis.clone().filter(|_| answered),
        passes,
    }
}

/// Whether a failure says something of the provider's day rather than of the setting.
fn passes(kind: CallErrorKind) -> bool {
    matches!(
        kind,
        CallErrorKind::Connect
            | CallErrorKind::Timeout
            | CallErrorKind::Auth
            | CallErrorKind::Money
            | CallErrorKind::RateLimited
            | CallErrorKind::Overloaded
            | CallErrorKind::Unavailable
    )
}
