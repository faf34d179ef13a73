//! Runs an experiment: asks the race what to evaluate, evaluates it while no interactive run is waiting, scores
//! and stores the results, and reports them to the race. All state is stored, so that after a crash it continues
//! with the same decisions.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::request::request;
use super::waits::{ExperimentWaits, Interrupt, RETRY_INTERVAL, StepResult};
use super::{ExperimentProgress, MAX_CONCURRENT, RunningExperiment};
use crate::app::{App, Error, Result};
use crate::clock;
use crate::domain::analysis::{Analysis, StageAnswer, Status};
use crate::domain::chat::CallErrorKind;
use crate::domain::experiment::design::{RaceStep, RaceVerdict};
use crate::domain::experiment::measured_trials::MeasuredTrials;
use crate::domain::experiment::record::{Evaluation, Experiment, ExperimentState, Judgment};
use crate::domain::experiment::successive_halving::SuccessiveHalving;
use crate::domain::experiment::{Case, JudgeCost, Trial, TrialOutcome};
use crate::domain::id::AnalysisId;
use crate::domain::user::{Caller, Role};
use crate::log;
use crate::store::{analyses, experiments};

/// Number of consecutive transient failures after which an experiment is paused.
pub(super) const MAX_FAILURES: usize = 3;
/// The runner's next step.
enum NextAction {
    /// Start this evaluation.
    Begin(Trial),
    /// The evaluation at this index of `started` is over.
    Finish(usize),
}

/// A running experiment. Owns a reference to the whole [`App`], because it outlives every request.
pub(super) struct ExperimentRunner<'s> {
    pub(super) app: Arc<App>,
    pub(super) experiment: Experiment,
    pub(super) cases: Vec<Case>,
    pub(super) race: SuccessiveHalving,
    // Evaluations that were started earlier and have no recorded outcome.
    pub(super) unfinished: Vec<Evaluation>,
    // The analysis that answered each completed trial.
    pub(super) answers: BTreeMap<Trial, AnalysisId>,
    // Evaluations in progress; at most `MAX_CONCURRENT`.
    pub(super) started: Vec<(Trial, AnalysisId)>,
    pub(super) waits: ExperimentWaits,
    pub(super) progress: &'s watch::Sender<ExperimentProgress>,
    // Consecutive transient failures, and the cost of failed attempts.
    pub(super) failures: usize,
    wasted: BTreeMap<Trial, TrialOutcome>,
    // Cost of failed attempts to improve a prompt.
    pub(super) unused: JudgeCost,
}

/// Outcome of an analysis.
pub(super) struct TrialAnswer {
    pub outcome: TrialOutcome,
    pub text: Option<String>,
    pub error: Option<String>,
    is_transient_error: bool,
}

/// The outcome with its score.
pub(super) struct ScoredTrial {
    pub outcome: TrialOutcome,
    pub error: Option<String>,
    pub judgment: Option<Judgment>,
}

impl<'s> ExperimentRunner<'s> {
    pub(super) fn new(
        app: Arc<App>,
        experiment: Experiment,
        cases: Vec<Case>,
        race: SuccessiveHalving,
        done: Vec<Evaluation>,
        seat: &'s RunningExperiment,
    ) -> Self {
        let answers = done.iter().filter(|one| one.outcome.is_some());
        let answers = answers.map(|one| (one.trial, one.analysis.clone()));
        Self {
            answers: answers.collect(),
            unfinished: done
                .into_iter()
                .filter(|one| one.outcome.is_none())
                .collect(),
            started: Vec::with_capacity(MAX_CONCURRENT),
            waits: ExperimentWaits::new(app.engine.clone(), seat.stop.subscribe()),
            progress: &seat.progress,
            failures: 0,
            wasted: BTreeMap::new(),
            unused: JudgeCost::default(),
            app,
            experiment,
            cases,
            race,
        }
    }

    /// Runs until nothing is left to do, its owner stops it, or user action is needed.
    pub(super) async fn run(mut self) {
        let mut end = self.run_trials().await;
        if let Err(Interrupt::Stopped) = end {
            for (_, analysis) in std::mem::take(&mut self.started) {
                if let Err(fault) = self.waits.cancel(&analysis).await {
                    end = Err(fault);
                }
            }
        }
        let id = self.experiment.id.clone();
        if let Err(Interrupt::Failed(fault)) = &end {
            log::error(
                "experiment interrupted",
                &[("experiment", &id), ("fault", fault)],
            );
        }
        let at = clock::now();
        let written = self.app.store.write(move |db| match &end {
            Err(Interrupt::Left) => Ok(()),
            Ok(verdict) => {
                let ended = Some((at, Some(verdict)));
                experiments::set_state(db, &id, ExperimentState::Completed, None, ended)
            }
            Err(Interrupt::Stopped) => {
                experiments::set_state(db, &id, ExperimentState::Cancelled, None, Some((at, None)))
            }
            Err(Interrupt::Paused(why)) => {
                experiments::set_state(db, &id, ExperimentState::Paused, Some(why), None)
            }
            Err(Interrupt::Failed(fault)) => {
                experiments::set_state(db, &id, ExperimentState::Paused, Some(&fault.public), None)
            }
        });
        if let Err(fault) = written.await {
            log::error(
                "experiment end could not be stored",
                &[("experiment", &self.experiment.id), ("fault", &fault)],
            );
        }
    }

    async fn run_trials(&mut self) -> StepResult<RaceVerdict> {
        loop {
            let cells = match self.race.next() {
                RaceStep::Done(verdict) => {
                    self.give_up_on(&[]).await?;
                    self.probe().await?;
                    return Ok(self.measured(verdict).await?);
                }
                RaceStep::Propose(wanted) => {
                    self.give_up_on(&[]).await?;
                    self.improve(wanted).await?;
                    continue;
                }
                RaceStep::Evaluate(cells) => self.in_start_order(cells),
            };
            self.give_up_on(&cells).await?;
            let is_begun = |cell: &Trial| self.started.iter().any(|(other, _)| other == cell);
            let has_room = self.started.len() < MAX_CONCURRENT;
            let next = cells.into_iter().find(|cell| has_room && !is_begun(cell));
            match self.next_action(next).await? {
                NextAction::Begin(cell) => self.begin(cell).await?,
                NextAction::Finish(place) => {
                    let (cell, analysis) = self.started.remove(place);
                    self.finish(cell, analysis).await?;
                }
            }
        }
    }

    // Refills each slot as soon as its evaluation is over, independently of the others.
    async fn next_action(&self, next: Option<Trial>) -> StepResult<NextAction> {
        tokio::select! {
            biased;
            place = self.waits.first_finished(&self.started), if !self.started.is_empty() => {
                place.map(NextAction::Finish)
            }
            room = self.waits.wait_for_slot(), if next.is_some() => {
                room?;
                let cell = next.ok_or_else(|| Error::internal("no cell"))?;
                Ok(NextAction::Begin(cell))
            }
            else => Err(Error::internal("a race asked for nothing").into()),
        }
    }

    // Stops evaluations that the race no longer wants because the budget has been spent.
    async fn give_up_on(&mut self, wanted: &[Trial]) -> StepResult<()> {
        while let Some(place) = (self.started.iter()).position(|(cell, _)| !wanted.contains(cell)) {
            let (_, analysis) = self.started.remove(place);
            self.waits.cancel(&analysis).await?;
        }
        Ok(())
    }

    // The current configuration's answer comes first, because the others are compared with it.
    fn in_start_order(&self, mut cells: Vec<Trial>) -> Vec<Trial> {
        let current = self.experiment.design.current;
        let Some(first) = cells.first().map(|cell| cell.case) else {
            return cells;
        };
        let is_later = |cell: &Trial| (cell.case != first, cell.arm != current);
        cells.sort_by_key(is_later);
        cells
    }

    // Starts an evaluation, or adopts one that an earlier run has started.
    async fn begin(&mut self, cell: Trial) -> StepResult<()> {
        if let Some(place) = self.unfinished.iter().position(|one| one.trial == cell) {
            let analysis = self.unfinished.swap_remove(place).analysis;
            let status = self.status(&analysis).await?;
            // A run canceled along with the experiment has no result.
            if !matches!(status, None | Some(Status::Cancelled)) {
                self.started.push((cell, analysis));
                return Ok(());
            }
        }
        match self.ask(cell).await {
            Ok(analysis) => self.started.push((cell, analysis)),
            Err(error) => self.waits.handle_refusal(error).await?,
        }
        Ok(())
    }

    /// Starts the analysis of a trial.
    ///
    /// # Errors
    /// Any error from starting an analysis.
    pub(super) async fn ask(&self, cell: Trial) -> Result<AnalysisId> {
        let design = self.race.design();
        let found = design.arms.get(cell.arm).zip(self.cases.get(cell.case));
        let (arm, case) = found.ok_or_else(|| Error::internal("a cell that is not there"))?;
        let id = self.experiment.id.clone();
        let (mut request, context) = request(&self.experiment.spec, arm, case, &id)?;
        if design.budget.cost.is_some() {
            // The engine enforces a run's budget, which turns the declared bound into an actual one.
            request.budget_usd = Some(design.declared[cell.arm].cost.dollars());
        }
        let caller = Caller {
            user: self.experiment.user.clone(),
            role: Role::User,
            session: None,
            key: None,
        };
        self.app
            .analyses()
            .start_for(&caller, request, context, move |db, analysis| {
                experiments::store_started(db, &id, cell, analysis)
            })
            .await
    }

    // Scores and records a finished evaluation.
    async fn finish(&mut self, cell: Trial, analysis: AnalysisId) -> StepResult<()> {
        let Some(brought) = self.trial_answer(&analysis).await? else {
            return Err(Interrupt::Left);
        };
        if brought.error.is_some() && brought.is_transient_error {
            let why = brought.error.unwrap_or_default();
            return self.retry_trial(cell, brought.outcome, why).await;
        }
        let scored = match self.score(cell, brought).await? {
            Ok(scored) => scored,
            Err((silent, taken)) => {
                // The answer exists, so only judging is retried.
                self.unfinished.push(started_evaluation(cell, analysis));
                let outcome = TrialOutcome {
                    judged: taken,
                    ..TrialOutcome::default()
                };
                return self.retry_trial(cell, outcome, silent).await;
            }
        };
        self.failures = 0;
        Ok(self.record(cell, analysis, scored).await?)
    }

    // A provider outage says nothing about a configuration: nothing is recorded, and the race asks again.
    async fn retry_trial(
        &mut self,
        cell: Trial,
        took: TrialOutcome,
        why: String,
    ) -> StepResult<()> {
        let before = self.wasted.remove(&cell).unwrap_or_default();
        self.wasted.insert(cell, add_outcomes(before, took));
        self.failures += 1;
        if self.failures >= MAX_FAILURES {
            return Err(Interrupt::Paused(format!(
                "{MAX_FAILURES} evaluations in a row failed; the last error: {why}"
            )));
        }
        self.waits
            .pause(RETRY_INTERVAL * self.failures as u32)
            .await
    }

    async fn record(
        &mut self,
        cell: Trial,
        analysis: AnalysisId,
        scored: ScoredTrial,
    ) -> Result<()> {
        let wasted = self.wasted.remove(&cell).unwrap_or_default();
        let outcome = add_outcomes(scored.outcome, wasted);
        let (id, error) = (self.experiment.id.clone(), scored.error);
        let (judgment, judging) = (scored.judgment, self.experiment.judging.clone());
        let written = self.app.store.write(move |db| {
            experiments::store_result(db, &id, cell, &outcome, error.as_deref())?;
            if let Some(judgment) = judgment {
                experiments::store_judgment(db, &id, &judgment, clock::now())?;
                experiments::set_judging(db, &id, &judging)?;
            }
            Ok(())
        });
        written.await?;
        self.answers.insert(cell, analysis);
        if !self.race.record(cell, outcome) {
            return Err(Error::internal("the race did not ask for this evaluation"));
        }
        self.show_progress();
        Ok(())
    }

    // Adjusts the verdict: failed evaluations and judgments do not count as comparisons.
    async fn measured(&self, verdict: RaceVerdict) -> Result<RaceVerdict> {
        let id = self.experiment.id.clone();
        let read = (self.app.store).read(move |db| experiments::evaluations_of(db, &id));
        let read = read.await?;
        let failed = read.iter().filter(|one| one.error.is_some());
        let failed = failed.map(|one| one.trial).collect();
        Ok(MeasuredTrials::new(&self.race, &failed).verdict(verdict))
    }

    async fn status(&self, analysis: &AnalysisId) -> Result<Option<Status>> {
        let (user, id) = (self.experiment.user.clone(), analysis.clone());
        let read = self
            .app
            .store
            .read(move |db| analyses::status_of(db, Some(&user), &id));
        Ok(read.await?)
    }

    /// Returns the outcome of an analysis; `None` if it was left for the next start.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub(super) async fn trial_answer(&self, analysis: &AnalysisId) -> Result<Option<TrialAnswer>> {
        let (user, id) = (self.experiment.user.clone(), analysis.clone());
        let read = self.app.store.read(move |db| {
            let found = analyses::by_id(db, Some(&user), &id)?;
            Ok((found, analyses::answers_of(db, &id)?))
        });
        let (found, answers) = read.await?;
        let Some(analysis) = found else {
            // Its owner deleted it, so the result is lost.
            return Ok(Some(deleted_answer()));
        };
        if !analysis.status.is_over() {
            return Ok(None);
        }
        Ok(Some(to_trial_answer(analysis, &answers)))
    }
}

/// Builds an evaluation without a recorded outcome.
pub(super) fn started_evaluation(cell: Trial, analysis: AnalysisId) -> Evaluation {
    Evaluation {
        trial: cell,
        analysis,
        outcome: None,
        error: None,
    }
}

fn deleted_answer() -> TrialAnswer {
    TrialAnswer {
        outcome: TrialOutcome::default(),
        text: None,
        error: Some("its analysis was deleted".to_owned()),
        is_transient_error: false,
    }
}

fn add_outcomes(one: TrialOutcome, other: TrialOutcome) -> TrialOutcome {
    TrialOutcome {
        score: one.score,
        cost: one.cost.saturating_add(other.cost),
        tokens: one.tokens.saturating_add(other.tokens),
        latency_ms: one.latency_ms,
        judged: one.judged.saturating_add(other.judged),
    }
}

fn to_trial_answer(analysis: Analysis, answers: &[StageAnswer]) -> TrialAnswer {
    let took = analysis.started.zip(analysis.finished);
    let outcome = TrialOutcome {
        score: 0.0,
        cost: analysis.cost,
        tokens: analysis.usage.input + analysis.usage.output,
        latency_ms: took.map_or(0, |(from, to)| (to.millis() - from.millis()).max(0) as u64),
        judged: JudgeCost::default(),
    };
    let answered = analysis.status == Status::Completed && analysis.synthesis.is_some();
    let errors = answers.iter().filter_map(|answer| answer.error.as_ref());
    let passes =
        errors.clone().next().is_some() && errors.clone().all(|error| is_transient(error.kind));
    let reason = || {
        let first = errors.clone().next().map(|error| error.detail.clone());
        first.or(analysis.error.clone())
    };
    TrialAnswer {
        outcome,
        error: (!answered).then(|| reason().unwrap_or_else(|| "no answer was written".to_owned())),
        text: analysis.synthesis.clone().filter(|_| answered),
        is_transient_error: passes,
    }
}

/// Whether a failure is transient, in which case it says nothing about the configuration.
fn is_transient(kind: CallErrorKind) -> bool {
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
