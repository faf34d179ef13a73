//! Experiments: finds the configuration that is best on a user's own questions and tests whether the difference is
//! real. Defines cases, configurations, objectives, scoring, and the choice of the next evaluations. Without side
//! effects: the decisions depend only on the outcomes, which the caller obtains and stores, so a restart leads to the
//! same decisions. Does not depend on providers, storage, or a clock.
//!
//! Method: sequential halving on common cases with anytime elimination. Sources: Karnin, Koren, and Somekh, "Almost
//! optimal exploration in multi-armed bandits" (2013); Shi et al., "Efficient prompt optimization through the lens of
//! best arm identification" (2024, TRIPLE); López-Ibáñez et al., "The irace package" (2016) for racing on common cases;
//! Waudby-Smith and Ramdas (2024) for the confidence sequences.

pub mod calibration;
pub mod cases;
pub mod design;
pub mod evaluate;
pub mod export;
mod final_test;
pub mod intervals;
mod judge;
pub mod judge_prompts;
pub mod measured_trials;
mod named_choice;
mod observations;
pub mod pairwise;
pub mod power;
pub mod preference;
pub mod prompt_search;
mod proposals;
mod quality_estimates;
mod race_budget;
pub mod record;
pub mod reflection;
pub mod repeated_cases;
pub mod report;
pub mod scoring;
pub mod sensitivity;
pub mod space;
pub mod spec;
pub mod successive_halving;
#[cfg(test)]
mod tests;
pub mod verdict_sentence;
mod whole_words;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::money::MicroDollars;

pub use design::Elimination;
pub use evaluate::Evaluator;
pub use final_test::{FinalTest, MIN_CASES};
pub use race_budget::{configuration_count, final_cases, reserved_fraction};
pub use scoring::Scoring;
pub use space::{Axis, Configuration, Parameter, SearchSpace};

/// Maximum number of cases of an experiment.
pub const MAX_CASES: usize = 1_000;

/// A test question for comparing configurations.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Case {
    /// The question that every configuration answers.
    pub prompt: String,
    /// Expected answer or content; `None` if no rule needs one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// IDs of the documents that the question is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<String>,
    /// Label by which cases can be grouped; `None` if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// What "best" means.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind", deny_unknown_fields)]
pub enum Objective {
    /// The configuration with the highest score.
    Quality,
    /// The configuration with the highest score, from 0 to 1, after subtracting penalties for cost and latency.
    Weighted {
        /// Penalty per dollar of cost per case, in points of the score.
        dollar: f64,
        /// Penalty per second of latency per case, in points of the score.
        second: f64,
        /// Number of questions that the winner will answer. Together with `dollar`, it limits what a better
        /// configuration is worth, and the race ends when continuing would cost more than that. `None` if the
        /// race must not end for this reason.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uses: Option<u64>,
    },
    /// The Pareto front of quality, cost, and latency instead of a single configuration. During the race,
    /// configurations are compared by score alone.
    Pareto,
}

impl Objective {
    /// Returns the value in dollars of `points` over all questions that the winner will answer; `None` if the
    /// objective does not define it.
    pub fn price_of_points(&self, points: f64) -> Option<MicroDollars> {
        match self {
            Self::Weighted { dollar, uses, .. } if *dollar > 0.0 => {
                MicroDollars::from_dollars(points / dollar * (*uses)? as f64)
            }
            _ => None,
        }
    }
    /// Returns the value of an outcome, 0 to 1, as compared in the race.
    pub fn value(&self, outcome: &TrialOutcome) -> f64 {
        let paid = match self {
            Self::Quality | Self::Pareto => 0.0,
            Self::Weighted { dollar, second, .. } => {
                dollar * outcome.cost.dollars() + second * outcome.latency_ms as f64 / 1e3
            }
        };
        let value = outcome.score - paid;
        if value.is_finite() {
            value.clamp(0.0, 1.0)
        } else {
            0.0
        }
    }
}

/// Spending limits. An absent limit does not apply, but at least one is required.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExperimentBudget {
    /// Maximum total cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<MicroDollars>,
    /// Maximum number of tokens, input and output together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Maximum total latency of the answers, in ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// Maximum number of evaluations (one configuration on one case each).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluations: Option<u64>,
}

/// A trial, which is one configuration on one case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Trial {
    /// Index of the configuration.
    pub arm: usize,
    /// Index of the case in the experiment's cases.
    pub case: usize,
}

/// Cost and tokens of judging an answer. They count toward the budget but not toward the configuration's own cost.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct JudgeCost {
    /// Cost of the judge's calls.
    pub cost: MicroDollars,
    /// Number of tokens, input and output together.
    pub tokens: u64,
}

impl JudgeCost {
    /// Returns the sum of both costs.
    pub fn saturating_add(self, other: Self) -> Self {
        Self {
            cost: self.cost.saturating_add(other.cost),
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }
}

/// Outcome of a trial. A failed call has a score of 0 and its actual cost.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct TrialOutcome {
    /// Score, 0 to 1.
    pub score: f64,
    /// Cost of the calls that produced the answer.
    pub cost: MicroDollars,
    /// Number of tokens, input and output together.
    pub tokens: u64,
    /// Time until the answer was complete, in milliseconds.
    pub latency_ms: u64,
    /// Cost and tokens of judging the answer.
    #[serde(default)]
    pub judged: JudgeCost,
}

impl TrialOutcome {
    /// Returns the total cost, including judging.
    pub fn total_cost(&self) -> MicroDollars {
        self.cost.saturating_add(self.judged.cost)
    }
    /// Returns the total tokens, including judging.
    pub fn total_tokens(&self) -> u64 {
        self.tokens.saturating_add(self.judged.tokens)
    }
}

/// An error in an experiment request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExperimentError {
    /// The space has no configurations, or an axis has no values.
    Empty(&'static str),
    /// There are more items of this kind than the limit.
    TooMany(&'static str, usize),
    /// The parameter has two axes.
    DuplicateAxis(Parameter),
    /// The parameter does not accept the value.
    Value(Parameter, Value),
    /// The parameter has the same value twice, which would repeat a configuration.
    DuplicateValue(Parameter, Value),
    /// The current configuration is invalid, for this reason.
    Current(String),
    /// The prompt search is impossible, for this reason.
    Improvement(String),
    /// The scoring rule cannot be used, for this reason.
    Evaluator(String),
}

impl std::fmt::Display for ExperimentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty(what) => write!(f, "there is no {what}"),
            Self::TooMany(what, most) => write!(f, "more than {most} {what}"),
            Self::DuplicateAxis(dial) => write!(f, "{} is listed twice", dial.as_str()),
            Self::DuplicateValue(dial, value) => write!(f, "{} lists {value} twice", dial.as_str()),
            Self::Value(dial, value) => write!(f, "{} does not accept {value}", dial.as_str()),
            Self::Current(why) => write!(f, "invalid current configuration: {why}"),
            Self::Evaluator(why) | Self::Improvement(why) => f.write_str(why),
        }
    }
}
