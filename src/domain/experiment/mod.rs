//! Experiments: which setting is best for somebody's own questions, and whether the difference is real. What
//! cases, settings and goals are, how an answer is scored, and which evaluation is worth paying for next.
//! Pure: the race is a fold over results that somebody else pays for and stores, so that a restart ends with
//! the same decisions. Knows nothing of providers, the store or the clock.
//!
//! The method (sequential halving on the same cases, with anytime elimination): Karnin, Koren and Somekh
//! "Almost optimal exploration in multi-armed bandits" (2013); Shi and others, "Efficient prompt
//! optimization through the lens of best arm identification" (2024, TRIPLE); López-Ibáñez and others, "The
//! irace package" (2016) for racing on the same cases; Waudby-Smith and Ramdas (2024) for the intervals.

pub mod calibration;
pub mod cases;
pub mod design;
pub mod evaluate;
mod judge;
pub mod jury;
mod level;
mod observations;
pub mod pairwise;
mod propose;
pub mod race;
pub mod record;
pub mod report;
pub mod scoring;
pub mod sensitivity;
pub mod sheet;
pub mod space;
pub mod spec;
mod spending;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::money::MicroDollars;

pub use design::Elimination;
pub use evaluate::Evaluator;
pub use scoring::Scoring;
pub use space::{Arm, Axis, Dial, Space};

/// Cases of an experiment at most.
pub const MOST_CASES: usize = 1_000;

/// One question that settings are tried on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Case {
    /// The question.
    pub prompt: String,
    /// What the answer should be, or hold, for evaluators that compare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// Documents that the question is about, by their ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<String>,
    /// A word to group cases by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// What "best" means.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind", deny_unknown_fields)]
pub enum Objective {
    /// The score alone.
    Quality,
    /// The score, less what money and time are worth: points of the score (0 to 1) a dollar, and a second.
    Weighted {
        /// Points lost by a dollar a case.
        dollar: f64,
        /// Points lost by a second a case.
        second: f64,
        /// How many questions the winner will answer. With a price for points that bounds what finding a
        /// better one can bring, and the race ends when going on would cost more. Without it, it never does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uses: Option<u64>,
    },
    /// No single best: every setting that no other beats in all of quality, cost and time. The race is
    /// then by the score.
    Pareto,
}

impl Objective {
    /// What so many points of value are worth over all questions that the winner will answer; none where
    /// nobody has said.
    pub fn worth(&self, points: f64) -> Option<MicroDollars> {
        match self {
            Self::Weighted { dollar, uses, .. } if *dollar > 0.0 => {
                MicroDollars::from_dollars(points / dollar * (*uses)? as f64)
            }
            _ => None,
        }
    }
    /// The value of a result, from 0 to 1: what the race compares.
    pub fn value(&self, outcome: &Outcome) -> f64 {
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

/// What may be spent at most. What is absent has no limit, but one of them must be there.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Money.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<MicroDollars>,
    /// Tokens read and written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Time that answers took, added up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// Evaluations: one setting on one case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluations: Option<u64>,
}

/// One setting on one case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cell {
    /// The setting's place in the space's list.
    pub arm: usize,
    /// The case's place in the experiment's list.
    pub case: usize,
}

/// What judging an answer took. It counts against the budget, not against the setting.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Bill {
    /// What it cost.
    pub cost: MicroDollars,
    /// Tokens read and written.
    pub tokens: u64,
}

impl Bill {
    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            cost: self.cost.plus(other.cost),
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }
}

/// What an evaluation brought. A failed call has the score 0 and what it cost.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// From 0 to 1.
    pub score: f64,
    /// What it cost.
    pub cost: MicroDollars,
    /// Tokens read and written.
    pub tokens: u64,
    /// How long it took.
    pub latency_ms: u64,
    /// What judging it took besides.
    #[serde(default)]
    pub judged: Bill,
}

impl Outcome {
    /// Money in all, judging included.
    pub fn whole_cost(&self) -> MicroDollars {
        self.cost.plus(self.judged.cost)
    }
    /// Tokens in all, judging included.
    pub fn whole_tokens(&self) -> u64 {
        self.tokens.saturating_add(self.judged.tokens)
    }
}

/// What is wrong with an experiment as somebody sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A space without settings, or an axis without values.
    Empty(&'static str),
    /// More than can be handled, with the most.
    TooMany(&'static str, usize),
    /// An axis twice.
    Twice(Dial),
    /// A value that its dial does not take.
    Value(Dial, Value),
    /// A value twice: both would be the same setting.
    Again(Dial, Value),
    /// A current setting that is none, and why.
    Current(String),
    /// An evaluator that cannot be used as it is, and why.
    Evaluator(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty(what) => write!(f, "there is no {what}"),
            Self::TooMany(what, most) => write!(f, "more than {most} {what}"),
            Self::Twice(dial) => write!(f, "{} stands twice", dial.as_str()),
            Self::Again(dial, value) => write!(f, "{} is {value} twice", dial.as_str()),
            Self::Value(dial, value) => write!(f, "{} cannot be {value}", dial.as_str()),
            Self::Current(why) => write!(f, "the current setting: {why}"),
            Self::Evaluator(why) => f.write_str(why),
        }
    }
}
