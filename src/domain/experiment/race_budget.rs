//! Budget accounting of a race in all four limited quantities: cost, tokens, latency, and evaluations. Makes
//! no decisions.

use super::design::Design;
use super::prompt_search::SearchDesign;
use super::{ExperimentBudget, JudgeCost, TrialOutcome};
use crate::domain::money::MicroDollars;

/// Fraction of the budget reserved for the holdout comparison.
const RESERVE: f64 = 0.2;

/// Number of configurations, with those that a prompt search may add.
pub fn settings(design: &Design) -> usize {
    let searched = |search: SearchDesign| search.given + search.most.max(2);
    design.search.map_or(design.arms.len(), searched)
}

/// Fraction of the budget reserved for the holdout comparison. Two configurations are compared without a
/// holdout. In simulations of three and four, a reserve of 0.5 and 0.4 found more differences, but then the race
/// named worse leaders than an even split of all evaluations.
pub fn reserve(design: &Design) -> f64 {
    match settings(design) {
        2 => 0.0,
        _ => RESERVE,
    }
}

/// Number of holdout cases: what the reserve covers for two configurations, at most a third of all cases. Two
/// configurations have no holdout.
pub(super) fn held_back(design: &Design) -> usize {
    if settings(design) == 2 {
        return 0;
    }
    (covered(design, reserve(design)) as usize)
        .max(4)
        .min(design.cases / 3)
}

/// Number of cases of the final comparison that the budget certainly covers.
pub fn compared(design: &Design) -> usize {
    match settings(design) {
        2 => (covered(design, 1.0) as usize).min(design.cases),
        _ => held_back(design),
    }
}

/// Number of cases that a part of the budget covers for two configurations.
fn covered(design: &Design, part: f64) -> f64 {
    let usual = usual_declared(design);
    let mut pays = f64::from(u32::MAX);
    for (limit, usual) in limits(&design.budget).into_iter().zip(usual) {
        if let Some(limit) = limit.filter(|_| usual > 0.0) {
            pays = pays.min(limit * part / usual / 2.0);
        }
    }
    pays
}
