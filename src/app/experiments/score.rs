//! Scores an answer: with the experiment's rule, or with its judge, either by a rubric or against the current
//! configuration's answer to the same case. Also probes the judge for biases.

use super::llm_judge::{JudgeError, JudgeOpinion, LlmJudge, max_cost, max_input_tokens};
use super::rules;
use super::runner::{ExperimentRunner, ScoredTrial, TrialAnswer, started_evaluation};
use super::waits::{Interrupt, StepResult};
use crate::domain::experiment::judge_prompts::{self, Probe};
use crate::domain::experiment::pairwise::Preferred;
use crate::domain::experiment::record::{Judgment, ProbeResult};
use crate::domain::experiment::scoring::{JudgeMode, JudgeSpec};
use crate::domain::experiment::{JudgeCost, Scoring, Trial, TrialOutcome};
use crate::domain::id::AnalysisId;
use crate::domain::usage;
use crate::store::{analyses, experiments};

/// Maximum number of the current configuration's answers from which bias probes for the judge are derived.
const PROBE_COUNT: usize = 3;

/// Error of an answer that contains instructions to its judge. Such an answer scores 0 without being judged.
pub(super) const INJECTION_ERROR: &str = "the answer contains instructions to its judge";

/// A score, or the reason why there is none yet and the cost of the attempt.
type ScoreResult = std::result::Result<ScoredTrial, (String, JudgeCost)>;

impl ExperimentRunner<'_> {
    /// Scores an evaluation's answer; a missing answer scores 0.
    ///
    /// # Errors
    /// [`Interrupt`] if the experiment stops, pauses, or fails.
    pub(super) async fn score(
        &mut self,
        trial: Trial,
        answer: TrialAnswer,
    ) -> StepResult<ScoreResult> {
        let Some(text) = &answer.text else {
            return Ok(Ok(score_by_rule(answer, 0.0)));
        };
        let judge = match &self.experiment.spec.evaluator {
            Scoring::Rule(rule) => {
                let score = rules::score(rule, &self.cases[trial.case], text).await?;
                return Ok(Ok(score_by_rule(answer, score)));
            }
            Scoring::Judge(judge) => judge.clone(),
        };
        if judge_prompts::addresses_judge(text) {
            self.experiment.judging.injection_attempts += 1;
            let mut scored = score_by_rule(answer, 0.0);
            scored.error = Some(INJECTION_ERROR.to_owned());
            return Ok(Ok(scored));
        }
        let text = text.clone();
        match judge.kind {
            JudgeMode::Rubric => self.score_by_rubric(trial, answer, &judge, &text).await,
            JudgeMode::Pairwise => {
                self.compare_with_current(trial, answer, &judge, &text)
                    .await
            }
        }
    }

    async fn score_by_rubric(
        &mut self,
        trial: Trial,
        answer: TrialAnswer,
        judge: &JudgeSpec,
        text: &str,
    ) -> StepResult<ScoreResult> {
        let verdict = self
            .judge_with(judge)
            .score(&self.cases[trial.case], text)
            .await?;
        Ok(self.scored_by_judge(answer, verdict, |score| (score, None)))
    }

    // Scores an answer by comparing it with the current configuration's answer: 1 if it is better or if there is no
    // such answer, 0.5 for a tie, and 0 if it is worse. The current configuration itself scores 0.5 by definition.
    async fn compare_with_current(
        &mut self,
        trial: Trial,
        answer: TrialAnswer,
        judge: &JudgeSpec,
        text: &str,
    ) -> StepResult<ScoreResult> {
        let current = self.experiment.design.current;
        if trial.arm == current {
            return Ok(Ok(score_by_rule(answer, 0.5)));
        }
        let (reference, bill) = self.reference(trial.case).await?;
        let Some(reference) = reference else {
            let mut scored = score_by_rule(answer, 1.0);
            scored.outcome.judged = bill;
            return Ok(Ok(scored));
        };
        let case = &self.cases[trial.case];
        let mut verdict = self
            .judge_with(judge)
            .compare(case, &reference, text)
            .await?;
        verdict.cost = verdict.cost.saturating_add(bill);
        let flipped = verdict.is_flipped;
        self.experiment.judging.pairs += u64::from(verdict.result.is_ok());
        self.experiment.judging.flips += u64::from(flipped);
        let model = judge.model.clone();
        Ok(self.scored_by_judge(answer, verdict, |preferred| {
            let score = match preferred {
                Preferred::First => 0.0,
                Preferred::Neither => 0.5,
                Preferred::Second => 1.0,
            };
            let judgment = Judgment {
                case: trial.case,
                first_index: current.min(trial.arm),
                second_index: current.max(trial.arm),
                preferred_side: match current < trial.arm {
                    true => preferred,
                    false => preferred.swapped(),
                },
                judge: Some(model),
            };
            (score, Some(judgment))
        }))
    }

    fn scored_by_judge<T>(
        &mut self,
        answer: TrialAnswer,
        verdict: JudgeOpinion<T>,
        score: impl FnOnce(T) -> (f64, Option<Judgment>),
    ) -> ScoreResult {
        let mut outcome = TrialOutcome {
            judged: verdict.cost,
            ..answer.outcome
        };
        match verdict.result {
            Ok(result) => {
                let (score, judgment) = score(result);
                outcome.score = score;
                Ok(ScoredTrial {
                    outcome,
                    judgment,
                    error: None,
                })
            }
            Err(JudgeError::Failed(why)) => Err((format!("the judge: {why}"), verdict.cost)),
            // There is no measurement, so the report omits this trial, and the race continues with half of the maximum
            // score.
            Err(JudgeError::Unreadable(why)) => {
                self.experiment.judging.unreadable += 1;
                outcome.score = 0.5;
                Ok(ScoredTrial {
                    outcome,
                    judgment: None,
                    error: Some(why.to_owned()),
                })
            }
        }
    }

    // Returns the current configuration's answer to a case. If the race has not requested this answer, requests it and
    // also returns its cost.
    async fn reference(&mut self, case: usize) -> StepResult<(Option<String>, JudgeCost)> {
        let trial = Trial {
            arm: self.experiment.design.current,
            case,
        };
        let unfinished = self
            .unfinished_evaluations
            .iter()
            .find(|one| one.trial == trial);
        let started = self.started.iter().find(|(other, _)| *other == trial);
        let existing = self
            .answers
            .get(&trial)
            .or(unfinished.map(|one| &one.analysis));
        let existing = existing.or(started.map(|(_, analysis)| analysis));
        let (analysis, is_new) = match existing {
            Some(analysis) => (analysis.clone(), false),
            None => (self.start_analysis(trial).await?, true),
        };
        self.waits.wait_for_end(&analysis).await?;
        let mut bill = JudgeCost::default();
        if is_new {
            self.unfinished_evaluations
                .push(started_evaluation(trial, analysis.clone()));
            if let Some(answer) = self.trial_answer(&analysis).await? {
                bill.cost = answer.outcome.cost;
                bill.tokens = answer.outcome.tokens;
            }
        }
        let user = self.experiment.user.clone();
        let read = self
            .app
            .store
            .read(move |db| analyses::synthesis_of(db, &user, &analysis));
        Ok((read.await?, bill))
    }

    // Starts an evaluation outside the race. Waits while the queue is full.
    async fn start_analysis(&self, trial: Trial) -> StepResult<AnalysisId> {
        loop {
            self.waits.check_interrupt()?;
            match self.ask(trial).await {
                Ok(analysis) => return Ok(analysis),
                Err(error) => self.waits.handle_refusal(error).await?,
            }
        }
    }

    fn judge_with<'a>(&'a self, judge: &'a JudgeSpec) -> LlmJudge<'a> {
        LlmJudge {
            store: &self.app.store,
            analyses: self.app.analyses(),
            waits: &self.waits,
            experiment: &self.experiment,
            judge,
        }
    }

    /// Probes the judge with biases planted in the current configuration's answers, as far as the budget allows.
    ///
    /// # Errors
    /// [`Interrupt`] if the experiment stops, pauses, or fails.
    pub(super) async fn probe(&mut self) -> StepResult<()> {
        let Some(judge) = self.experiment.spec.evaluator.judge().cloned() else {
            return Ok(());
        };
        if !self.experiment.judging.probes.is_empty() {
            return Ok(());
        }
        let current = self.experiment.design.current;
        let own_trials = self
            .answers
            .iter()
            .filter(|(trial, _)| trial.arm == current);
        let own_trials: Vec<_> = own_trials
            .take(PROBE_COUNT)
            .map(|(trial, id)| (*trial, id.clone()))
            .collect();
        let model = self.app.llm.find(Some(&self.experiment.user), &judge.model);
        let price = model.as_ref().and_then(usage::price_of);
        for (trial, analysis) in own_trials {
            let user = self.experiment.user.clone();
            let read = self
                .app
                .store
                .read(move |db| analyses::synthesis_of(db, &user, &analysis));
            let Some(answer) = read.await? else { continue };
            for probe in judge_prompts::probes(&answer) {
                let needed = max_cost(&judge, price, max_input_tokens(&self.cases))
                    .map(|bill| bill.saturating_add(bill));
                if !self.can_afford(needed) {
                    return Ok(());
                }
                match self.waits.wait_for_slot().await {
                    // The race's verdict is known, so do not postpone it to the next start for the sake of the probes.
                    Err(Interrupt::Left) => return Ok(()),
                    other => other?,
                }
                self.run_probe(trial.case, &judge, &probe).await?;
            }
        }
        Ok(())
    }

    async fn run_probe(&mut self, case: usize, judge: &JudgeSpec, probe: &Probe) -> StepResult<()> {
        let judge_model = self.judge_with(judge);
        let (is_misled, bill) = judge_model.is_misled(&self.cases[case], probe).await?;
        let judging = &mut self.experiment.judging;
        judging.bill = judging.bill.saturating_add(bill);
        if let Some(is_misled) = is_misled {
            let name = probe.bias.as_str();
            let probe_index = judging.probes.iter().position(|found| found.bias == name);
            let probe_index = probe_index.unwrap_or_else(|| {
                judging.probes.push(ProbeResult {
                    bias: name.to_owned(),
                    probe_count: 0,
                    misled_count: 0,
                });
                judging.probes.len() - 1
            });
            judging.probes[probe_index].probe_count += 1;
            judging.probes[probe_index].misled_count += u64::from(is_misled);
        }
        let (id, judging) = (self.experiment.id.clone(), judging.clone());
        let pending_write = self
            .app
            .store
            .write(move |db| experiments::set_judging(db, &id, &judging));
        Ok(pending_write.await?)
    }

    // Whether the budget has room for this cost on top of everything already spent.
    fn can_afford(&self, bill: Option<JudgeCost>) -> bool {
        let budget = &self.experiment.spec.budget;
        let race_usage = self.race.spent();
        let spent_total = JudgeCost {
            cost: race_usage.total_cost(),
            tokens: race_usage.total_tokens(),
        };
        let spent_total = spent_total.saturating_add(self.experiment.judging.bill);
        let Some(bill) = bill else {
            return budget.cost.is_none();
        };
        let total = spent_total.saturating_add(bill);
        budget.cost.is_none_or(|limit| total.cost <= limit)
            && budget.tokens.is_none_or(|limit| total.tokens <= limit)
    }
}

fn score_by_rule(answer: TrialAnswer, score: f64) -> ScoredTrial {
    ScoredTrial {
        outcome: TrialOutcome {
            score,
            ..answer.outcome
        },
        error: answer.error,
        judgment: None,
    }
}
