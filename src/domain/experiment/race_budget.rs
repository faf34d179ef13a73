//! Budget accounting of a race for everything that can be limited: cost, tokens, latency, and evaluations.
//! Makes no decisions.

use super::design::Design;
use super::prompt_search::SearchDesign;
use super::{ExperimentBudget, JudgeCost, TrialOutcome};
use crate::domain::money::MicroDollars;

/// Fraction of the budget reserved for the holdout comparison.
const HOLDOUT_RESERVE: f64 = 0.2;

/// Returns the number of configurations, including possible additions by a prompt search.
pub fn configuration_count(design: &Design) -> usize {
    let search_size = |search: SearchDesign| search.given + search.max_proposals.max(2);
    design.search.map_or(design.arms.len(), search_size)
}

/// Returns the fraction of the budget reserved for the holdout comparison. Two configurations are compared
/// without a holdout. In simulations of three and four configurations, reserves of 0.5 and 0.4 found more
/// differences, but the race then chose worse leaders than an even split of all evaluations would.
pub fn reserved_fraction(design: &Design) -> f64 {
    match configuration_count(design) {
        2 => 0.0,
        _ => HOLDOUT_RESERVE,
    }
}

/// An outcome without any usage, from which sums start.
pub(super) const ZERO_USAGE: TrialOutcome = TrialOutcome {
    score: 0.0,
    cost: MicroDollars(0),
    tokens: 0,
    latency_ms: 0,
    judged: JudgeCost {
        cost: MicroDollars(0),
        tokens: 0,
    },
};

pub(super) fn add_usage(left: TrialOutcome, right: TrialOutcome) -> TrialOutcome {
    TrialOutcome {
        score: 0.0,
        cost: left.cost.saturating_add(right.cost),
        tokens: left.tokens.saturating_add(right.tokens),
        latency_ms: left.latency_ms.saturating_add(right.latency_ms),
        judged: left.judged.saturating_add(right.judged),
    }
}

pub(super) fn budget_limits(budget: &ExperimentBudget) -> [Option<f64>; 4] {
    [
        budget.cost.map(|cost| cost.0 as f64),
        budget.tokens.map(|tokens| tokens as f64),
        budget.latency_ms.map(|time| time as f64),
        budget.evaluations.map(|count| count as f64),
    ]
}

pub(super) fn usage_amounts(outcome: &TrialOutcome, count: u64) -> [f64; 4] {
    [
        outcome.total_cost().0 as f64,
        outcome.total_tokens() as f64,
        outcome.latency_ms as f64,
        count as f64,
    ]
}

pub(super) fn mean_declared_usage(design: &Design) -> [f64; 4] {
    let arms = design.declared.len().max(1) as f64;
    let all = design
        .declared
        .iter()
        .fold(ZERO_USAGE, |sum, &usage| add_usage(sum, usage));
    let mut usual = usage_amounts(&all, 0).map(|sum| sum / arms);
    usual[3] = 1.0;
    usual
}

/// Returns the number of holdout cases: as many as the reserve pays for when two configurations are compared, at least
/// 4, but at most a third of all cases. A race between only two configurations has no holdout.
pub(super) fn holdout_cases(design: &Design) -> usize {
    if configuration_count(design) == 2 {
        return 0;
    }
    (covered_cases(design, reserved_fraction(design)) as usize)
        .max(4)
        .min(design.cases / 3)
}

/// Returns the number of cases of the final comparison that the budget is certain to cover.
pub fn final_cases(design: &Design) -> usize {
    match configuration_count(design) {
        2 => (covered_cases(design, 1.0) as usize).min(design.cases),
        _ => holdout_cases(design),
    }
}

/// Returns the number of cases for which the fraction `part` of the budget pays when two configurations are compared.
fn covered_cases(design: &Design, part: f64) -> f64 {
    let usual = mean_declared_usage(design);
    let mut pays = f64::from(u32::MAX);
    for (limit, usual) in budget_limits(&design.budget).into_iter().zip(usual) {
        if let Some(limit) = limit.filter(|_| usual > 0.0) {
            pays = pays.min(limit * part / usual / 2.0);
        }
    }
    pays
}
