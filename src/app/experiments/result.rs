//! Reads an experiment's results from the store, with the judges' verdicts and the answers.

use std::collections::BTreeMap;

use super::score::INJECTION_ERROR;
use super::{ExperimentProgress, Experiments, replay_race};
use crate::app::{Error, Result};
use crate::domain::experiment::calibration::{Calibration, calibrate};
use crate::domain::experiment::pairwise::{Match, Preferred};
use crate::domain::experiment::preference::{self, PersonPreference};
use crate::domain::experiment::record::{Evaluation, Experiment, Judgment};
use crate::domain::experiment::repeated_cases;
use crate::domain::experiment::report::{self, ExperimentReport};
use crate::domain::experiment::scoring::JudgeMode;
use crate::domain::experiment::{Case, Objective, Trial, successive_halving::SuccessiveHalving};
use crate::domain::id::{ExperimentId, UserId};
use crate::store::{analyses, experiments};

/// An experiment with all its results.
#[derive(Debug, Clone)]
pub struct ExperimentView {
    /// The experiment as stored, without its cases.
    pub experiment: Experiment,
    /// The experiment's cases, ordered by index.
    pub cases: Vec<Case>,
    /// Evaluations, started and completed.
    pub evaluations: Vec<Evaluation>,
    /// Verdicts of judges and of the user.
    pub judgments: Vec<Judgment>,
    /// The race, rebuilt from the stored evaluations.
    pub race: SuccessiveHalving,
    /// Progress at the time of the request.
    pub progress: ExperimentProgress,
    /// The leaderboard, the leader, and the conclusion.
    pub report: ExperimentReport,
    /// How well the scores agree with the user's verdicts.
    pub calibration: Calibration,
    /// Warnings about the cases.
    pub warnings: Vec<String>,
    /// The user's preference between the leader and the current configuration.
    pub preference: Option<PersonPreference>,
}

/// An evaluation with its answer.
#[derive(Debug, Clone)]
pub struct EvaluationView {
    /// The stored evaluation of one configuration on one case.
    pub evaluation: Evaluation,
    /// The answer, if there is one.
    pub text: Option<String>,
}

impl Experiments<'_> {
    /// Returns one of the user's experiments with its results.
    ///
    /// # Errors
    /// `Missing` for an unknown experiment. Also returns any error from the store.
    pub async fn show(&self, user: &UserId, id: &ExperimentId) -> Result<ExperimentView> {
        let (user, id) = (user.clone(), id.clone());
        let lookup = self.0.store.read(move |db| {
            let Some(experiment) = experiments::by_id(db, &user, &id)? else {
                return Ok(None);
            };
            let cases = experiments::cases_of(db, &id)?;
            let evaluations = experiments::evaluations_of(db, &id)?;
            let judgments = experiments::judgments_of(db, &id)?;
            Ok(Some((experiment, cases, evaluations, judgments)))
        });
        let stored = lookup.await?.ok_or_else(Error::missing)?;
        // A thousand cases with a hundred configurations take a while, so this runs on a blocking thread.
        let view_task = tokio::task::spawn_blocking(move || build_view(stored));
        view_task.await.map_err(Error::internal)
    }

    /// Returns the evaluations of one case, each with its answer.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn answers(&self, view: &ExperimentView, case: usize) -> Result<Vec<EvaluationView>> {
        let case_evaluations = view
            .evaluations
            .iter()
            .filter(|evaluation| evaluation.trial.case == case);
        let evaluations: Vec<Evaluation> = case_evaluations.cloned().collect();
        let user = view.experiment.user.clone();
        let read = self.0.store.read(move |db| {
            let views = evaluations.into_iter().map(|evaluation| {
                let text = analyses::synthesis_of(db, &user, &evaluation.analysis)?;
                Ok(EvaluationView { evaluation, text })
            });
            views.collect()
        });
        Ok(read.await?)
    }
}

type StoredExperiment = (Experiment, Vec<Case>, Vec<Evaluation>, Vec<Judgment>);

fn build_view((mut experiment, cases, evaluations, judgments): StoredExperiment) -> ExperimentView {
    let race = replay_race(&experiment, &evaluations);
    // A prompt search adds configurations to the stored ones.
    experiment.design = race.design().clone();
    // An answer with instructions to its judge scores 0, but its trial has not failed.
    let has_failed = |one: &&Evaluation| {
        one.error
            .as_deref()
            .is_some_and(|why| why != INJECTION_ERROR)
    };
    let failed = evaluations.iter().filter(has_failed);
    let failed = failed.map(|one| one.trial).collect();
    let space = &experiment.spec.space;
    let baseline = experiment.spec.baseline();
    let reach = max_difference(&experiment);
    let matches = preferences_of(&judgments);
    let mut report = report::build_report(&race, space, &failed, &matches, baseline, reach);
    let calibration = calibrate(&labeled_pairs(&judgments, &race));
    report.sentence = calibration.qualify_conclusion(report.sentence);
    let warning = match experiment.spec.repeated.is_empty() {
        true => repeated_cases::remove_repeated(cases.clone())
            .1
            .earlier_version_warning(),
        false => experiment.spec.repeated.warning(),
    };
    ExperimentView {
        calibration,
        preference: (report.leader).and_then(|leader| {
            preference::estimate_preference(&race, leader, &judgments, baseline)
        }),
        report,
        warnings: warning.into_iter().collect(),
        progress: ExperimentProgress::from_race(&experiment.spec, &race),
        race,
        experiment,
        cases,
        evaluations,
        judgments,
    }
}

/// Returns the largest possible difference between two configurations. A pairwise judge scores the current
/// configuration 0.5, so no other can differ from it by more than that.
fn max_difference(experiment: &Experiment) -> f64 {
    let judge = experiment.spec.evaluator.judge();
    let is_pairwise = judge.is_some_and(|judge| judge.kind == JudgeMode::Pairwise);
    let is_weighted = matches!(experiment.spec.objective, Objective::Weighted { .. });
    if is_pairwise && !is_weighted {
        0.5
    } else {
        1.0
    }
}

/// Returns the preferences of judges and the user. If both have judged a pair, the user's verdict counts.
fn preferences_of(judgments: &[Judgment]) -> Vec<Match> {
    let mut by_pair: BTreeMap<(usize, usize, usize), &Judgment> = BTreeMap::new();
    for judgment in judgments {
        let entry = by_pair
            .entry((judgment.case, judgment.first_index, judgment.second_index))
            .or_insert(judgment);
        if judgment.judge.is_none() {
            *entry = judgment;
        }
    }
    let matches = by_pair.into_values().map(|judgment| Match {
        case: judgment.case,
        first_index: judgment.first_index,
        second_index: judgment.second_index,
        preferred_side: judgment.preferred_side,
    });
    matches.collect()
}

/// Pairs each of the user's verdicts with the judge's verdict on the same answers or, if there is none, with the
/// verdict that the scores imply.
fn labeled_pairs(judgments: &[Judgment], race: &SuccessiveHalving) -> Vec<(Preferred, Preferred)> {
    let user_judgments = judgments.iter().filter(|judgment| judgment.judge.is_none());
    let labels = user_judgments.filter_map(|user_judgment| {
        let is_same_pair = |judgment: &&Judgment| {
            judgment.judge.is_some()
                && (judgment.case, judgment.first_index, judgment.second_index)
                    == (
                        user_judgment.case,
                        user_judgment.first_index,
                        user_judgment.second_index,
                    )
        };
        if let Some(judge_judgment) = judgments.iter().find(is_same_pair) {
            return Some((user_judgment.preferred_side, judge_judgment.preferred_side));
        }
        let score = |configuration: usize| {
            let trial = Trial {
                arm: configuration,
                case: user_judgment.case,
            };
            race.results().get(&trial).map(|outcome| outcome.score)
        };
        let (first, second) = (
            score(user_judgment.first_index)?,
            score(user_judgment.second_index)?,
        );
        let scored = match first - second {
            difference if difference > SCORE_TOLERANCE => Preferred::First,
            difference if difference < -SCORE_TOLERANCE => Preferred::Second,
            _ => Preferred::Neither,
        };
        Some((user_judgment.preferred_side, scored))
    });
    labels.collect()
}

/// Scores that differ by less than this count as equal.
const SCORE_TOLERANCE: f64 = 1e-9;
