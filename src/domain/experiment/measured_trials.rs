//! Selects the trials of a race that produced a measurement. A failed answer scores 0. An answer that the
//! judge could not judge is not counted in any mean, difference, or verdict, although the race continues with
//! a neutral score for it.

use std::collections::BTreeSet;

use super::Trial;
use super::design::{HoldoutFinding, RaceVerdict, StopReason};
use super::final_test;
use super::race_budget::configuration_count;
use super::successive_halving::SuccessiveHalving;

/// A view of a race that leaves out the trials without a measurement.
#[derive(Clone, Copy)]
pub struct MeasuredTrials<'a> {
    race: &'a SuccessiveHalving,
    failed_trials: &'a BTreeSet<Trial>,
}

impl<'a> MeasuredTrials<'a> {
    /// Creates a view of a race's measured trials; `failed` contains the trials that ended in an error.
    pub fn new(race: &'a SuccessiveHalving, failed: &'a BTreeSet<Trial>) -> Self {
        Self {
            race,
            failed_trials: failed,
        }
    }

    /// Limits a race's verdict to what the measured trials support: without any, nothing was tested, and if the judge
    /// could not judge some answers, the comparison is computed without them.
    pub fn verdict(self, verdict: RaceVerdict) -> RaceVerdict {
        if self.is_empty() {
            return RaceVerdict {
                finding: HoldoutFinding::NotTested,
                difference: None,
                ..verdict
            };
        }
        if verdict.difference.is_none() || self.unjudged_count() == 0 {
            return verdict;
        }
        let (order, holdout) = self.race.race_and_holdout_cases();
        let cases = match configuration_count(self.race.design()) {
            2 => order,
            _ => holdout,
        };
        let current = self.race.design().current;
        let differences = self.differences_on(verdict.leader, current, cases);
        let is_planned = verdict.stop != StopReason::NotWorth;
        let (finding, difference) = final_test::compare(&differences, is_planned);
        RaceVerdict {
            finding,
            difference,
            ..verdict
        }
    }

    /// Whether there is nothing to compare, because every trial failed or the judge could judge the answers
    /// of fewer than two configurations.
    pub(super) fn is_empty(self) -> bool {
        let mut trials = self.race.results().keys().peekable();
        trials.peek().is_some()
            && (trials.all(|trial| self.failed_trials.contains(trial))
                || (self.unjudged_count() > 0 && self.arms().len() < 2))
    }

    /// Returns the configurations with at least one measured trial in the race.
    pub(super) fn arms(self) -> Vec<usize> {
        let arms = 0..self.race.design().arms.len();
        arms.filter(|&arm| !self.values(arm).is_empty()).collect()
    }

    /// Returns the measured values of a configuration on the cases of the race.
    pub(super) fn values(self, arm: usize) -> Vec<f64> {
        let order = self.race.race_and_holdout_cases().0.iter();
        order.filter_map(|&case| self.value(arm, case)).collect()
    }

    /// Returns the differences in value between two configurations on the cases of the race that were measured for
    /// both.
    pub(super) fn differences(self, arm: usize, other: usize) -> Vec<f64> {
        self.differences_on(arm, other, self.race.race_and_holdout_cases().0)
    }

    /// Returns the number of answers that the judge could not judge.
    pub(super) fn unjudged_count(self) -> usize {
        let trials = self.failed_trials.iter();
        trials.filter(|trial| self.is_unjudged(**trial)).count()
    }

    /// Returns the number of answers that were judged, and the number sent to the judge. Does not count
    /// answers of the configuration with which a pairwise judge compares the others.
    pub(super) fn judged_counts(self) -> (usize, usize) {
        let current = self.race.design().current;
        let has_current = self.failed_trials.iter().any(|trial| trial.arm == current);
        let submitted = self.race.results().keys().filter(|trial| {
            let has_failed = self.failed_trials.contains(trial) && !self.is_unjudged(**trial);
            (has_current || trial.arm != current) && !has_failed
        });
        let submitted = submitted.count();
        (submitted.saturating_sub(self.unjudged_count()), submitted)
    }

    fn differences_on(self, arm: usize, other: usize, cases: &[usize]) -> Vec<f64> {
        let pair = |&case: &usize| Some(self.value(arm, case)? - self.value(other, case)?);
        cases.iter().filter_map(pair).collect()
    }

    fn value(self, arm: usize, case: usize) -> Option<f64> {
        let trial = Trial { arm, case };
        let outcome = self.race.results().get(&trial)?;
        let is_measured = !self.is_unjudged(trial);
        is_measured.then(|| self.race.design().objective.value(outcome))
    }

    // If a trial with an error has a nonzero score, the error was the judge's, because a failed answer scores 0.
    fn is_unjudged(self, trial: Trial) -> bool {
        let outcome = self.race.results().get(&trial);
        self.failed_trials.contains(&trial) && outcome.is_some_and(|outcome| outcome.score > 0.0)
    }
}
