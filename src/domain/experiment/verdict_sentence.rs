//! Describes the result of a race in a sentence that claims no more than the comparison supports.

use std::collections::BTreeSet;

use serde::Serialize;

use super::design::{HoldoutFinding, RaceVerdict, StopReason};
use super::final_test::{self, MIN_CASES};
use super::measured_trials::MeasuredTrials;
use super::space::label;
use super::successive_halving::SuccessiveHalving;
use super::{Objective, SearchSpace, Trial};
use crate::domain::statistics::paired::{self, PairedDifference};

/// Values that differ by less than this count as equal, because the difference is floating-point noise.
const SCORE_TOLERANCE: f64 = 1e-9;

/// The configuration with which the leader is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// The configuration that the user named as the current one.
    Current,
    /// The first configuration, because the user named none as the current one.
    First,
}

impl Baseline {
    /// Returns the baseline's name for use within a sentence.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Current => "your current configuration",
            Self::First => "the first configuration",
        }
    }
    fn capitalized_name(self) -> &'static str {
        match self {
            Self::Current => "Your current configuration",
            Self::First => "The first configuration",
        }
    }
}

/// A race with everything that the sentence about it depends on.
#[derive(Clone, Copy)]
pub(super) struct RaceResult<'a> {
    pub halving: &'a SuccessiveHalving,
    pub measured_trials: MeasuredTrials<'a>,
    pub space: &'a SearchSpace,
    /// Trials that ended in an error.
    pub failed_trials: &'a BTreeSet<Trial>,
    pub baseline: Baseline,
    pub verdict: Option<&'a RaceVerdict>,
    pub leader: Option<usize>,
}

impl RaceResult<'_> {
    /// Builds the sentence that describes the result.
    pub fn sentence(&self) -> String {
        let trial_count = self.halving.results().len();
        let unjudged = self.measured_trials.unjudged_count();
        let failed = self.failed_trials.len().saturating_sub(unjudged);
        let running = match self.verdict {
            Some(_) => "",
            None => " The experiment has not ended.",
        };
        if trial_count > 0 && self.failed_trials.len() == trial_count {
            let evaluations = match trial_count {
                1 => "the only evaluation".to_owned(),
                trial_count => format!("all {trial_count} evaluations"),
            };
            return format!("Nothing was measured: {evaluations} failed.{running}");
        }
        if self.measured_trials.is_empty() {
            let (judged_count, submitted) = self.measured_trials.judged_counts();
            return format!(
                "Nothing was compared: the judge's verdict could be read for {judged_count} of {submitted} answers.{running}"
            );
        }
        if let ([only], None) = (&self.measured_trials.arms()[..], self.verdict)
            && self.halving.states().len() > 1
        {
            return format!(
                "Nothing was compared so far: only {} was evaluated, on {}.{running}",
                self.configuration_name(*only),
                plural_suffix(self.values(*only).len())
            );
        }
        let conclusion = match (self.leader, self.verdict) {
            (None, Some(_)) => {
                "Nothing was evaluated: the budget does not cover one case of every configuration."
                    .to_owned()
            }
            (None, None) => return "Nothing has been evaluated yet.".to_owned(),
            (Some(leader), None) => self.interim_sentence(leader),
            (Some(leader), Some(verdict)) => self.final_sentence(leader, verdict),
        };
        let failures = match failed {
            0 => String::new(),
            1 => format!(" 1 of {trial_count} evaluations failed and counts as a score of 0."),
            some => {
                format!(" {some} of {trial_count} evaluations failed and count as a score of 0.")
            }
        };
        let unjudged_note = match unjudged {
            0 => String::new(),
            _ => {
                let (judged_count, submitted) = self.measured_trials.judged_counts();
                format!(
                    " The judge's verdict could be read for {judged_count} of {submitted} answers; the others are not counted."
                )
            }
        };
        format!("{conclusion}{failures}{unjudged_note}{running}")
    }

    fn interim_sentence(&self, leader: usize) -> String {
        let cases = plural_suffix(self.values(leader).len());
        match self.tied_with(leader).len() {
            0 => format!(
                "{} leads after {cases} so far.",
                self.configuration_name(leader)
            ),
            tied => format!(
                "{} configurations share the lead after {cases} so far.",
                tied + 1
            ),
        }
    }

    fn final_sentence(&self, leader: usize, verdict: &RaceVerdict) -> String {
        let (name, baseline) = (self.configuration_name(leader), self.baseline.name());
        match (verdict.finding, &verdict.difference) {
            (HoldoutFinding::Better, Some(one)) => {
                format!(
                    "{name} is better than {baseline}: {}.{}",
                    self.interval_phrase(one),
                    self.relevance_phrase(one)
                )
            }
            (HoldoutFinding::Worse, Some(one)) => format!(
                "Keep {baseline}. {name} led the race, but is worse in the final comparison: {}.{}",
                self.interval_phrase(one),
                self.relevance_phrase(one)
            ),
            (HoldoutFinding::NotDistinguishable, Some(one)) if one.mean <= SCORE_TOLERANCE => {
                format!(
                    "{name} led the race, but did not score higher than {baseline} in the final comparison: {}. They \
                 are not distinguishable.",
                    self.interval_phrase(one)
                )
            }
            (HoldoutFinding::NotDistinguishable, Some(one)) => {
                format!(
                    "{name} leads, but {}.",
                    self.indistinguishable_sentence(baseline, one)
                )
            }
            (HoldoutFinding::CurrentLeads, _) => self.baseline_sentence(leader, verdict.stop),
            _ => format!(
                "{name} leads after {}, but was not tested against {baseline}: there were too few cases, or too \
                 little budget, for a final comparison.",
                plural_suffix(self.values(leader).len())
            ),
        }
    }

    /// Describes a verdict in which no configuration was found to be better than the baseline.
    fn baseline_sentence(&self, leader: usize, stop: StopReason) -> String {
        let (baseline, own_values) = (self.baseline.capitalized_name(), self.values(leader));
        let shared =
            |other: usize| plural_suffix(self.measured_trials.differences(leader, other).len());
        let arms = 0..self.halving.states().len();
        let others: Vec<usize> = arms
            .filter(|&arm| arm != leader && !self.values(arm).is_empty())
            .collect();
        let cases = plural_suffix(own_values.len());
        let (mean, priced) = (paired::mean(&own_values), self.price_phrase());
        match (&others[..], &self.tied_with(leader)[..]) {
            ([], _) => {
                format!("{baseline} was compared with none: no other configuration was tried.")
            }
            ([one], [_]) => format!(
                "{baseline} and {} are tied: both scored {mean:.2}{priced} on average on {}.",
                self.configuration_name(*one),
                shared(*one)
            ),
            (others, [_, ..]) => format!(
                "{baseline} is tied with {} of the {} other configurations that were tried: each scored {mean:.2}{priced} on \
                 average on {cases}.",
                self.tied_with(leader).len(),
                others.len()
            ),
            ([one], []) => {
                let differences = self.measured_trials.differences(leader, *one);
                let planned = stop != StopReason::NotWorth;
                let other = self.configuration_name(*one);
                match final_test::compare(&differences, planned) {
                    (HoldoutFinding::Better, Some(one)) => {
                        format!(
                            "{baseline} is better than {other}: {}.{}",
                            self.interval_phrase(&one),
                            self.relevance_phrase(&one)
                        )
                    }
                    (_, Some(one)) => {
                        format!(
                            "{baseline} leads, but {}.",
                            self.indistinguishable_sentence(&other, &one)
                        )
                    }
                    _ => format!("{baseline} leads after {cases}, which are too few to compare."),
                }
            }
            (others, []) => format!(
                "{baseline} leads the race after {cases}: none of the {} other configurations that were tried was found \
                 to be better.",
                others.len()
            ),
        }
    }

    fn indistinguishable_sentence(&self, other: &str, difference: &PairedDifference) -> String {
        let figures = self.interval_phrase(difference);
        match difference.cases < MIN_CASES {
            true => format!(
                "{} are too few to tell it apart from {other}: {figures}",
                plural_suffix(difference.cases)
            ),
            false => format!("is not distinguishable from {other}: {figures}"),
        }
    }

    fn interval_phrase(&self, difference: &PairedDifference) -> String {
        let (from, to) = difference.interval;
        let comparison_text = match difference.mean.abs() < 0.005 {
            true => "the same".to_owned(),
            false => format!(
                "{:.2} {}",
                difference.mean.abs(),
                if difference.mean > 0.0 {
                    "higher"
                } else {
                    "lower"
                }
            ),
        };
        format!(
            "on {} it scored {comparison_text} on average{}, and the true difference is likely between {from:+.2} and {to:+.2}",
            plural_suffix(difference.cases),
            self.price_phrase()
        )
    }

    // Describes the penalty that is subtracted from the compared scores.
    fn price_phrase(&self) -> &'static str {
        match self.halving.design().objective {
            Objective::Weighted { dollar, second, .. } if dollar > 0.0 && second > 0.0 => {
                " after subtracting cost and time"
            }
            Objective::Weighted { dollar, .. } if dollar > 0.0 => " after subtracting cost",
            Objective::Weighted { second, .. } if second > 0.0 => " after subtracting time",
            _ => "",
        }
    }

    // Describes whether a proven difference is too small to matter to the user.
    fn relevance_phrase(&self, difference: &PairedDifference) -> String {
        let threshold = self.halving.design().indifference;
        let max_difference = difference.interval.0.abs().max(difference.interval.1.abs());
        let what = match (
            max_difference < threshold,
            difference.mean.abs() < threshold,
        ) {
            (true, _) => "All of that is",
            (false, true) => "The average is",
            (false, false) => return String::new(),
        };
        format!(" {what} below {threshold:.2}, the smallest difference that matters here.")
    }

    fn configuration_name(&self, arm: usize) -> String {
        label(self.space, &self.halving.design().arms[arm])
    }
    fn values(&self, arm: usize) -> Vec<f64> {
        self.measured_trials.values(arm)
    }
    /// Returns the other configurations with the same mean on the same cases.
    fn tied_with(&self, leader: usize) -> Vec<usize> {
        let trial_count = |arm: usize| {
            self.halving
                .values(arm, self.halving.race_and_holdout_cases().0.len())
                .len()
        };
        let is_tied = |arm: &usize| {
            let paired_differences = self.measured_trials.differences(leader, *arm);
            let is_same = !paired_differences.is_empty()
                && paired::mean(&paired_differences).abs() <= SCORE_TOLERANCE;
            *arm != leader && is_same && trial_count(*arm) == trial_count(leader)
        };
        (0..self.halving.states().len()).filter(is_tied).collect()
    }
}

fn plural_suffix(cases: usize) -> String {
    match cases {
        1 => "1 case".to_owned(),
        cases => format!("{cases} cases"),
    }
}
