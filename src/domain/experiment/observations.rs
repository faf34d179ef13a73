//! State observed by a race: the design, the case order, and all recorded outcomes.

use std::collections::BTreeMap;

use super::design::{ConfigurationState, Design};
use super::{Trial, TrialOutcome};

/// The outcomes recorded so far, and what is needed to interpret them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Observations {
    pub design: Design,
    /// Cases in the order used for all configurations.
    pub case_order: Vec<usize>,
    /// Cases held out for the final comparison.
    pub holdout: Vec<usize>,
    pub results: BTreeMap<Trial, TrialOutcome>,
    /// Status of each configuration, by index in the design.
    pub states: Vec<ConfigurationState>,
}

impl Observations {
    /// Returns the values of a configuration on the first `cases` cases, up to the first one without an outcome.
    pub fn values(&self, arm: usize, cases: usize) -> Vec<f64> {
        let observed_cases = self.case_order.iter().take(cases);
        let outcomes = observed_cases.map_while(|&case| self.results.get(&Trial { arm, case }));
        outcomes
            .map(|outcome| self.design.objective.value(outcome))
            .collect()
    }
}
