//! What a race has seen: the design, the order of its cases, and every recorded outcome.

use std::collections::BTreeMap;

use super::design::{Design, Fate};
use super::{Cell, Outcome};

/// Outcomes recorded so far, with what is needed to read them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Observations {
    pub design: Design,
    /// Cases in the order in which all configurations meet them.
    pub order: Vec<usize>,
    /// Cases of the holdout.
    pub held: Vec<usize>,
    pub results: BTreeMap<Cell, Outcome>,
    /// What became of each configuration, by its index in the design.
    pub fates: Vec<Fate>,
}

impl Observations {
    /// Values of a configuration on the first `cases` cases, up to the first one without an outcome.
    pub fn values(&self, arm: usize, cases: usize) -> Vec<f64> {
        let met = self.order.iter().take(cases);
        let outcomes = met.map_while(|&case| self.results.get(&Cell { arm, case }));
        outcomes
            .map(|outcome| self.design.objective.value(outcome))
            .collect()
    }
}
