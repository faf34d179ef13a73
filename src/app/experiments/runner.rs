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
use crate::domain::experiment::record::{Evaluation, Experiment, Judgment, State};
use crate::domain::experiment::{Bill, Case, Cell, Outcome};
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
    pub(super) app: Arc<App>,
    pub(super) experiment: Experiment,
    pub(super) cases: Vec<Case>,
    pub(super) race: Race,
    // Evaluations that were begun and of which nothing is recorded.
    pub(super) open: Vec<Evaluation>,
    // What answered each cell that is done.
    pub(super) answers: BTreeMap<Cell, AnalysisId>,
    progress: &'s watch::Sender<Progress>,
    stop: watch::Receiver<bool>,
    // Tries in a row that failed for a reason that passes, and what they took.
    failures: usize,
    wasted: BTreeMap<Cell, Outcome>,
}

/// What an analysis brought.
pub(super) struct Brought {
    pub outcome: Outcome,
    pub text: Option<String>,
    pub error: Option<String>,
    passes: bool,
}

/// The same with its score.
pub(super) struct Scored {
    pub outcome: Outcome,
    pub error: Option<String>,
    pub judgment: Option<Judgment>,
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
        let answers = done.iter().filter(|one| one.outcome.is_some());
        let answers = answers.map(|one| (one.cell, one.analysis.clone()));
        Self {
            answers: answers.collect(),
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
                Step::Done(verdict) => {
                    self.probe().await?;
                    return Ok(End::Verdict(verdict));
                }
                Step::Evaluate(cells) => cells,
            };
            let cells = self.in_order(cells);
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

    // Others are compared with what the current setting answered: that comes first.
    fn in_order(&self, mut cells: Vec<Cell>) -> Vec<Cell> {
        let current = self.experiment.design.current;
        let Some(first) = cells.first().map(|cell| cell.case) else {
            return cells;
        };
        let is_later = |cell: &Cell| (cell.case != first, cell.arm != current);
        cells.sort_by_key(is_later);
        cells
    }

    // What was begun besides: a person who stops wants it stopped, and what is left is found again.
    async fn leave(&self, begun: Vec<(Cell, AnalysisId)>, end: End) -> Result<End> {
        if matches!(end, End::Stopped) {
            for (_, analysis) in begun {
                self.app
                    .engine
                    .cancel(&analysis, "its experiment was stopped");
                over(&self.app, &analysis).await?;
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

    pub(super) async fn ask(&self, cell: Cell) -> Result<AnalysisId> {
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
            key: None,
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
            over = over(&self.app, &analysis) => over?,
            () = wished(&mut stop) => {
                self.app.engine.cancel(&analysis, "its experiment was stopped");
                over(&self.app, &analysis).await?;
                return Ok(Some(End::Stopped));
            }
        }
        let Some(brought) = self.brought(&analysis).await? else {
            return Ok(Some(End::Left));
        };
        if brought.error.is_some() && brought.passes {
            let why = brought.error.unwrap_or_default();
            return Ok(self.again(cell, brought.outcome, why).await);
        }
        let scored = match self.score(cell, brought).await? {
            Ok(scored) => scored,
            Err((silent, taken)) => {
                // The answer is there and is judged again.
                self.open.push(begun_as(cell, analysis));
                let outcome = Outcome {
                    judged: taken,
                    ..Outcome::default()
                };
                return Ok(self.again(cell, outcome, silent).await);
            }
        };
        self.failures = 0;
        self.record(cell, analysis, scored).await?;
        Ok(None)
    }

    // A provider's bad day says nothing of a setting: nothing is recorded, and the race asks again.
    async fn again(&mut self, cell: Cell, took: Outcome, why: String) -> Option<End> {
        let before = self.wasted.remove(&cell).unwrap_or_default();
        self.wasted.insert(cell, plus(before, took));
        self.failures += 1;
        if self.failures >= MOST_FAILURES {
            return Some(End::Paused(format!(
                "{MOST_FAILURES} evaluations in a row failed, the last one so: {why}"
            )));
        }
        tokio::time::sleep(AGAIN * self.failures as u32).await;
        None
    }

    async fn record(&mut self, cell: Cell, analysis: AnalysisId, scored: Scored) -> Result<()> {
        let wasted = self.wasted.remove(&cell).unwrap_or_default();
        let outcome = plus(scored.outcome, wasted);
        let (id, error) = (self.experiment.id.clone(), scored.error);
        let (judgment, judging) = (scored.judgment, self.experiment.judging.clone());
        let written = self.app.store.write(move |db| {
            experiments::record(db, &id, cell, &outcome, error.as_deref())?;
            if let Some(judgment) = judgment {
                experiments::judge(db, &id, &judgment, clock::now())?;
                experiments::set_judging(db, &id, &judging)?;
            }
            Ok(())
        });
        written.await?;
        self.answers.insert(cell, analysis);
        if !self.race.record(cell, outcome) {
            return Err(Error::internal("the race did not ask for this evaluation"));
        }
        self.progress
            .send_replace(Progress::of(&self.experiment.spec, &self.race));
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
    pub(super) async fn brought(&self, analysis: &AnalysisId) -> Result<Option<Brought>> {
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

/// Waits until an analysis is over, or left for the next start.
pub(super) async fn over(app: &App, analysis: &AnalysisId) -> Result<()> {
    let mut watch = app.engine.watch(analysis.clone(), u64::MAX - 1);
    while watch.next().await?.is_some() {}
    Ok(())
}

/// An evaluation of which nothing is recorded yet.
pub(super) fn begun_as(cell: Cell, analysis: AnalysisId) -> Evaluation {
    Evaluation {
        cell,
        analysis,
        outcome: None,
        error: None,
    }
}

fn gone() -> Brought {
    Brought {
        outcome: Outcome::default(),
        text: None,
        error: Some("its analysis was deleted".to_owned()),
        passes: false,
    }
}

fn plus(one: Outcome, other: Outcome) -> Outcome {
    Outcome {
        score: one.score,
        cost: one.cost.plus(other.cost),
        tokens: one.tokens + other.tokens,
        latency_ms: one.latency_ms,
        judged: one.judged.plus(other.judged),
    }
}

fn read_off(analysis: Analysis, answers: &[StageAnswer]) -> Brought {
    let took = analysis.started.zip(analysis.finished);
    let outcome = Outcome {
        score: 0.0,
        cost: analysis.cost,
        tokens: analysis.usage.input + analysis.usage.output,
        latency_ms: took.map_or(0, |(from, to)| (to.millis() - from.millis()).max(0) as u64),
        judged: Bill::default(),
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
