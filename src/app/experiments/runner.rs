//! Runs an experiment: asks the race what to evaluate, evaluates it while no interactive run is waiting, scores
//! and stores the results, and reports them to the race. All state is stored, so that after a crash it continues
//! with the same decisions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

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
    pub(super) unfinished_evaluations: Vec<Evaluation>,
    // The analysis that answered each completed trial.
    pub(super) answers: BTreeMap<Trial, AnalysisId>,
    // Evaluations in progress; at most `MAX_CONCURRENT`.
    pub(super) started: Vec<(Trial, AnalysisId)>,
    pub(super) waits: ExperimentWaits,
    pub(super) progress: &'s watch::Sender<ExperimentProgress>,
    // Whether another server continues the experiment.
    continues_elsewhere: &'s AtomicBool,
    // Number of consecutive transient failures.
    pub(super) failures: usize,
    failed_attempt_costs: BTreeMap<Trial, TrialOutcome>,
    // Cost of failed attempts to improve a prompt.
    pub(super) failed_proposal_cost: JudgeCost,
}

/// What an analysis produced for its trial.
pub(super) struct TrialAnswer {
    pub outcome: TrialOutcome,
    pub text: Option<String>,
    pub error: Option<String>,
    is_transient_error: bool,
}

/// A trial's outcome with its score.
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
        running: &'s RunningExperiment,
    ) -> Self {
        let answers = done
            .iter()
            .filter(|evaluation| evaluation.outcome.is_some());
        let answers = answers.map(|evaluation| (evaluation.trial, evaluation.analysis.clone()));
        Self {
            answers: answers.collect(),
            unfinished_evaluations: done
                .into_iter()
                .filter(|evaluation| evaluation.outcome.is_none())
                .collect(),
            started: Vec::with_capacity(MAX_CONCURRENT),
            waits: ExperimentWaits::new(app.engine.clone(), running.stop.subscribe()),
            progress: &running.progress,
            continues_elsewhere: &running.continues_elsewhere,
            failures: 0,
            failed_attempt_costs: BTreeMap::new(),
            failed_proposal_cost: JudgeCost::default(),
            app,
            experiment,
            cases,
            race,
        }
    }

    /// Runs until the experiment is complete, the owner stops it, user action is needed, the server shuts down, or an
    /// error occurs. Stores nothing more if another server continues the experiment.
    pub(super) async fn run(mut self) {
        let mut end = self.run_trials().await;
        if self.continues_elsewhere.load(Relaxed) {
            // Store nothing more: another server continues the experiment.
            return;
        }
        if let Err(Interrupt::Stopped) = end {
            for (_, analysis) in std::mem::take(&mut self.started) {
                if let Err(error) = self.waits.cancel(&analysis).await {
                    end = Err(error);
                }
            }
        }
        let id = self.experiment.id.clone();
        if let Err(Interrupt::Failed(error)) = &end {
            log::error(
                "experiment interrupted",
                &[("experiment", &id), ("fault", error)],
            );
        }
        let at = clock::now();
        let pending_write = self.app.store.write(move |db| match &end {
            Err(Interrupt::Left) => Ok(()),
            Ok(verdict) => {
                let ending = Some((at, Some(verdict)));
                experiments::set_state(db, &id, ExperimentState::Completed, None, ending)
            }
            Err(Interrupt::Stopped) => {
                experiments::set_state(db, &id, ExperimentState::Cancelled, None, Some((at, None)))
            }
            Err(Interrupt::Paused(why)) => {
                experiments::set_state(db, &id, ExperimentState::Paused, Some(why), None)
            }
            Err(Interrupt::Failed(error)) => {
                experiments::set_state(db, &id, ExperimentState::Paused, Some(&error.public), None)
            }
        });
        if let Err(error) = pending_write.await {
            log::error(
                "experiment end could not be stored",
                &[("experiment", &self.experiment.id), ("fault", &error)],
            );
        }
    }

    async fn run_trials(&mut self) -> StepResult<RaceVerdict> {
        loop {
            let trials = match self.race.next() {
                RaceStep::Done(verdict) => {
                    self.stop_unrequested(&[]).await?;
                    self.probe().await?;
                    return Ok(self.adjust_verdict(verdict).await?);
                }
                RaceStep::Propose(requested) => {
                    self.stop_unrequested(&[]).await?;
                    self.improve(requested).await?;
                    continue;
                }
                RaceStep::Evaluate(trials) => self.in_start_order(trials),
            };
            self.stop_unrequested(&trials).await?;
            let is_started = |trial: &Trial| self.started.iter().any(|(other, _)| other == trial);
            let has_room = self.started.len() < MAX_CONCURRENT;
            let next = trials
                .into_iter()
                .find(|trial| has_room && !is_started(trial));
            match self.next_action(next).await? {
                NextAction::Begin(trial) => self.begin(trial).await?,
                NextAction::Finish(index) => {
                    let (trial, analysis) = self.started.remove(index);
                    self.finish(trial, analysis).await?;
                }
            }
        }
    }

    // Returns as soon as any evaluation is over or a slot is free, so that each slot is refilled
    // independently of the others.
    async fn next_action(&self, next: Option<Trial>) -> StepResult<NextAction> {
        tokio::select! {
            biased;
            index = self.waits.first_finished(&self.started), if !self.started.is_empty() => {
                index.map(NextAction::Finish)
            }
            room = self.waits.wait_for_slot(), if next.is_some() => {
                room?;
                let trial = next.ok_or_else(|| Error::internal("no trial"))?;
                Ok(NextAction::Begin(trial))
            }
            else => Err(Error::internal("a race asked for nothing").into()),
        }
    }

    // Stops evaluations that the race no longer requests because the budget has been spent.
    async fn stop_unrequested(&mut self, requested: &[Trial]) -> StepResult<()> {
        while let Some(index) =
            (self.started.iter()).position(|(trial, _)| !requested.contains(trial))
        {
            let (_, analysis) = self.started.remove(index);
            self.waits.cancel(&analysis).await?;
        }
        Ok(())
    }

    // Sorts trials into the order in which to start them: those of the first trial's case before all others, and in
    // both groups the current configuration first, because the other answers are compared with its answer.
    fn in_start_order(&self, mut trials: Vec<Trial>) -> Vec<Trial> {
        let current = self.experiment.design.current;
        let Some(first) = trials.first().map(|trial| trial.case) else {
            return trials;
        };
        let order_key = |trial: &Trial| (trial.case != first, trial.arm != current);
        trials.sort_by_key(order_key);
        trials
    }

    // Starts an evaluation, or adopts one that an earlier run of the experiment started.
    async fn begin(&mut self, trial: Trial) -> StepResult<()> {
        if let Some(index) = self
            .unfinished_evaluations
            .iter()
            .position(|evaluation| evaluation.trial == trial)
        {
            let analysis = self.unfinished_evaluations.swap_remove(index).analysis;
            let status = self.status(&analysis).await?;
            // A run that was canceled along with the experiment has no result, so start a new one.
            if !matches!(status, None | Some(Status::Cancelled)) {
                self.started.push((trial, analysis));
                return Ok(());
            }
        }
        match self.ask(trial).await {
            Ok(analysis) => self.started.push((trial, analysis)),
            Err(error) => self.waits.handle_refusal(error).await?,
        }
        Ok(())
    }

    /// Starts the analysis of a trial.
    ///
    /// # Errors
    /// Returns any error from starting an analysis.
    pub(super) async fn ask(&self, trial: Trial) -> Result<AnalysisId> {
        let design = self.race.design();
        let configuration_and_case = design.arms.get(trial.arm).zip(self.cases.get(trial.case));
        let (configuration, case) =
            configuration_and_case.ok_or_else(|| Error::internal("a trial that does not exist"))?;
        let id = self.experiment.id.clone();
        let (mut request, context) = request(&self.experiment.spec, configuration, case, &id)?;
        if design.budget.cost.is_some() {
            // Turn the declared bound into an actual one: the engine enforces a run's budget.
            request.budget_usd = Some(design.declared[trial.arm].cost.dollars());
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
                experiments::store_started(db, &id, trial, analysis)
            })
            .await
    }

    // Scores and records a finished evaluation.
    async fn finish(&mut self, trial: Trial, analysis: AnalysisId) -> StepResult<()> {
        let Some(answer) = self.trial_answer(&analysis).await? else {
            return Err(Interrupt::Left);
        };
        if answer.error.is_some() && answer.is_transient_error {
            let why = answer.error.unwrap_or_default();
            return self.retry_trial(trial, answer.outcome, why).await;
        }
        let scored = match self.score(trial, answer).await? {
            Ok(scored) => scored,
            Err((reason, judge_cost)) => {
                // The answer exists, so only the judging is retried.
                self.unfinished_evaluations
                    .push(started_evaluation(trial, analysis));
                let outcome = TrialOutcome {
                    judged: judge_cost,
                    ..TrialOutcome::default()
                };
                return self.retry_trial(trial, outcome, reason).await;
            }
        };
        self.failures = 0;
        Ok(self.record(trial, analysis, scored).await?)
    }

    // Retries a trial later. A provider outage says nothing about a configuration, so nothing is recorded, and the race
    // asks again. After `MAX_FAILURES` failures in a row, pauses the experiment instead.
    async fn retry_trial(
        &mut self,
        trial: Trial,
        outcome: TrialOutcome,
        why: String,
    ) -> StepResult<()> {
        let earlier_attempts = self.failed_attempt_costs.remove(&trial).unwrap_or_default();
        self.failed_attempt_costs
            .insert(trial, add_outcomes(earlier_attempts, outcome));
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
        trial: Trial,
        analysis: AnalysisId,
        scored: ScoredTrial,
    ) -> Result<()> {
        let failed_attempt_costs = self.failed_attempt_costs.remove(&trial).unwrap_or_default();
        let outcome = add_outcomes(scored.outcome, failed_attempt_costs);
        let (id, error) = (self.experiment.id.clone(), scored.error);
        let (judgment, judging) = (scored.judgment, self.experiment.judging.clone());
        let pending_write = self.app.store.write(move |db| {
            experiments::store_result(db, &id, trial, &outcome, error.as_deref())?;
            if let Some(judgment) = judgment {
                experiments::store_judgment(db, &id, &judgment, clock::now())?;
                experiments::set_judging(db, &id, &judging)?;
            }
            Ok(())
        });
        pending_write.await?;
        self.answers.insert(trial, analysis);
        if !self.race.record(trial, outcome) {
            return Err(Error::internal("the race did not ask for this evaluation"));
        }
        self.show_progress();
        Ok(())
    }

    // Adjusts the verdict of the race: failed evaluations and judgments do not count as comparisons.
    async fn adjust_verdict(&self, verdict: RaceVerdict) -> Result<RaceVerdict> {
        let id = self.experiment.id.clone();
        let evaluations = (self.app.store).read(move |db| experiments::evaluations_of(db, &id));
        let evaluations = evaluations.await?;
        let failed = evaluations
            .iter()
            .filter(|evaluation| evaluation.error.is_some());
        let failed = failed.map(|evaluation| evaluation.trial).collect();
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
            let stored = analyses::by_id(db, Some(&user), &id)?;
            Ok((stored, analyses::answers_of(db, &id)?))
        });
        let (stored, answers) = read.await?;
        let Some(analysis) = stored else {
            // The owner deleted the analysis, so its result is lost.
            return Ok(Some(deleted_answer()));
        };
        if !analysis.status.is_over() {
            return Ok(None);
        }
        Ok(Some(to_trial_answer(analysis, &answers)))
    }
}

/// Builds an evaluation without a recorded outcome.
pub(super) fn started_evaluation(trial: Trial, analysis: AnalysisId) -> Evaluation {
    Evaluation {
        trial,
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
    let duration = analysis.started.zip(analysis.finished);
    let outcome = TrialOutcome {
        score: 0.0,
        cost: analysis.cost,
        tokens: analysis.usage.input + analysis.usage.output,
        latency_ms: duration.map_or(0, |(from, to)| (to.millis() - from.millis()).max(0) as u64),
        judged: JudgeCost::default(),
    };
    let is_answered = analysis.status == Status::Completed && analysis.synthesis.is_some();
    let errors = answers.iter().filter_map(|answer| answer.error.as_ref());
    let are_transient =
        errors.clone().next().is_some() && errors.clone().all(|error| is_transient(error.kind));
    let reason = || {
        let first = errors.clone().next().map(|error| error.detail.clone());
        first.or(analysis.error.clone())
    };
    TrialAnswer {
        outcome,
        error: (!is_answered)
            .then(|| reason().unwrap_or_else(|| "no answer was written".to_owned())),
        text: analysis.synthesis.clone().filter(|_| is_answered),
        is_transient_error: are_transient,
    }
}

/// Whether a failure has nothing to do with the configuration, such as an outage or a rejected key, so that a later
/// retry may succeed.
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
