//! Input and output types of the successive-halving race. The rules are in `successive_halving`.

use serde::{Deserialize, Serialize};

use super::prompt_search::{Reflection, SearchDesign};
use super::{Configuration, ExperimentBudget, Objective, Trial, TrialOutcome};
use crate::domain::statistics::paired::PairedDifference;

/// Design of a race. Stored with the experiment; immutable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Design {
    /// Candidate configurations.
    pub arms: Vec<Configuration>,
    /// Index of the current configuration.
    pub current: usize,
    /// Number of test cases.
    pub cases: usize,
    /// Definition of "best".
    pub objective: Objective,
    /// Spending limit.
    pub budget: ExperimentBudget,
    /// Per configuration, the upper bound of one evaluation's usage; `score` is unused.
    pub declared: Vec<TrialOutcome>,
    /// Smallest relevant difference in value, 0 to 1.
    pub indifference: f64,
    /// Permitted error probability, 0 to 1.
    #[serde(rename = "wrong")]
    pub error_rate: f64,
    /// Random seed.
    pub seed: u64,
    /// Search for better prompts, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchDesign>,
}

/// The next action of a race.
#[derive(Debug, Clone, PartialEq)]
pub enum RaceStep {
    /// Evaluate these trials, in any order and concurrently, and record each outcome.
    Evaluate(Vec<Trial>),
    /// Obtain a better prompt and add it with `propose`.
    Propose(Reflection),
    /// The race is over.
    Done(RaceVerdict),
}

/// Status of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fate")]
pub enum ConfigurationState {
    /// Never tried: outside the budget or never proposed.
    Untried,
    /// Still in the race.
    Racing,
    /// Dropped by successive halving. Not proven worse.
    SetAside,
    /// Proven worse than the leader at the time by more than the indifference threshold.
    Beaten(Elimination),
}

/// Why the race ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// One configuration was left.
    OneLeft,
    /// No remaining configuration beats the leader by more than the indifference threshold.
    CloseEnough,
    /// Continuing would cost more than a better configuration is worth.
    NotWorth,
    /// All cases were used.
    Cases,
    /// The budget was used up.
    Budget,
}

/// Result of the comparison on the holdout, which is free of the winner's curse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldoutFinding {
    /// The leader is better than the current configuration.
    Better,
    /// The leader is worse on the holdout: its lead was luck.
    Worse,
    /// The difference is not statistically significant.
    NotDistinguishable,
    /// The current configuration is the leader.
    CurrentLeads,
    /// Not tested: too few cases or too little budget.
    NotTested,
}

/// Result of a race.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RaceVerdict {
    /// Index of the leader.
    pub leader: usize,
    /// Why the race ended.
    pub stop: StopReason,
    /// Comparison of leader and current configuration on the holdout.
    pub finding: HoldoutFinding,
    /// Statistics of that comparison.
    pub difference: Option<PairedDifference>,
}

/// Evidence that eliminated a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Elimination {
    /// Index of the leader at that time.
    pub by: usize,
    /// Number of cases at that time.
    pub cases: usize,
    /// Confidence interval of the mean difference to the leader; its upper bound is below the negative
    /// indifference threshold.
    pub interval: (f64, f64),
}
