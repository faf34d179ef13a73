//! Input and output types of the successive-halving race. The rules are in `successive_halving`.

use serde::{Deserialize, Serialize};

use super::prompt_search::{Reflection, SearchDesign};
use super::{Configuration, ExperimentBudget, Objective, Trial, TrialOutcome};
use crate::domain::statistics::paired::PairedDifference;

/// Design of a race. It is stored with the experiment and never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Design {
    /// The configurations that compete. Indexes of configurations refer to this list.
    pub arms: Vec<Configuration>,
    /// Index of the current configuration.
    pub current: usize,
    /// Number of test cases.
    pub cases: usize,
    /// What "best" means in this experiment.
    pub objective: Objective,
    /// Spending limit.
    pub budget: ExperimentBudget,
    /// Upper bound on the usage of one evaluation, for each configuration; the `score` field is unused.
    pub declared: Vec<TrialOutcome>,
    /// Smallest difference in value that matters, 0 to 1.
    pub indifference: f64,
    /// Permitted probability of a wrong result, 0 to 1.
    #[serde(rename = "wrong")]
    pub error_rate: f64,
    /// Seed of the random choices, so that the race can be repeated exactly.
    pub seed: u64,
    /// The search for better prompts; `None` if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchDesign>,
}

/// What a race needs next.
#[derive(Debug, Clone, PartialEq)]
pub enum RaceStep {
    /// Evaluate these trials, in any order and concurrently, and record each outcome.
    Evaluate(Vec<Trial>),
    /// Obtain a better prompt and add it with `propose`.
    Propose(Reflection),
    /// Do nothing more, because the race is over.
    Done(RaceVerdict),
}

/// Status of a configuration in a race.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fate")]
pub enum ConfigurationState {
    /// The configuration was never tried, because it did not fit the budget or was never proposed.
    Untried,
    /// The configuration is still in the race.
    Racing,
    /// Successive halving has dropped the configuration, without proof that it is worse.
    SetAside,
    /// The configuration was proven worse than the leader at the time, by more than the indifference threshold.
    Beaten(Elimination),
}

/// Why the race ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// One configuration was left.
    OneLeft,
    /// No remaining configuration is likely to beat the leader by more than the indifference threshold.
    CloseEnough,
    /// Continuing would cost more than a better configuration is worth.
    NotWorth,
    /// All cases were used.
    Cases,
    /// The budget was used up.
    Budget,
}

/// Result of the final comparison of the leader with the current configuration. The race has not used its cases to
/// select the leader, so it is free of the winner's curse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldoutFinding {
    /// The leader is better than the current configuration.
    Better,
    /// The leader is worse than the current configuration, so its lead was due to luck.
    Worse,
    /// The difference is not statistically significant.
    NotDistinguishable,
    /// The current configuration is the leader.
    CurrentLeads,
    /// There was no comparison, because of too few cases or too little budget.
    NotTested,
}

/// Result of a race.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RaceVerdict {
    /// Index of the configuration that led at the end.
    pub leader: usize,
    /// Why the race ended.
    pub stop: StopReason,
    /// Result of the final comparison of the leader with the current configuration.
    pub finding: HoldoutFinding,
    /// Statistics of the final comparison; `None` if there was none.
    pub difference: Option<PairedDifference>,
}

/// The evidence that eliminated a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Elimination {
    /// Index of the leader when the configuration was eliminated.
    pub by: usize,
    /// Number of cases evaluated when the configuration was eliminated.
    pub cases: usize,
    /// Confidence interval of the mean difference from the leader; its upper bound is below the negative indifference
    /// threshold.
    pub interval: (f64, f64),
}
