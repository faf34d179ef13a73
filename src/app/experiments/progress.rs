//! Computes an experiment's progress, which is shown while it runs.

use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::experiment::design::{ConfigurationState, RaceStep};
use crate::domain::experiment::space::to_json;
use crate::domain::experiment::spec::ExperimentSpec;
use crate::domain::experiment::successive_halving::SuccessiveHalving;
use crate::domain::experiment::{ExperimentBudget, TrialOutcome};
use crate::domain::statistics::{betting, paired};

/// Snapshot of an experiment's progress.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExperimentProgress {
    /// Number of completed evaluations.
    pub evaluations: usize,
    /// Money, tokens, seconds, and evaluations used so far, as JSON.
    pub spent: Value,
    /// The experiment's budget, as JSON.
    pub budget: Value,
    /// The leading configuration; `None` without evaluations, while the best are tied, or while all means are 0.
    pub best: Option<LeadingConfiguration>,
    /// Number of configurations still in the race.
    pub racing: usize,
    /// Estimated seconds left; `None` before the first evaluation.
    pub seconds_left: Option<u64>,
}

/// The configuration with the best results so far.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeadingConfiguration {
    /// Index of the configuration in the list of all configurations.
    #[serde(rename = "place")]
    pub index: usize,
    /// The configuration's parameter values, as JSON.
    pub setting: Value,
    /// Mean score so far.
    pub mean: f64,
    /// Anytime-valid confidence interval for its true mean (see `statistics::betting`).
    pub interval: (f64, f64),
    /// Number of cases included in the mean: those that all remaining configurations have answered.
    pub cases: usize,
}

impl ExperimentProgress {
    /// Computes the progress of a race.
    pub fn from_race(spec: &ExperimentSpec, race: &SuccessiveHalving) -> Self {
        let total_usage = race.spent();
        let evaluation_count = race.results().len();
        let racing: Vec<usize> = (0..race.states().len())
            .filter(|&configuration| race.states()[configuration] == ConfigurationState::Racing)
            .collect();
        Self {
            evaluations: evaluation_count,
            spent: usage_json(&total_usage, evaluation_count as u64),
            budget: json!({
                "cost_usd": spec.budget.cost, "tokens": spec.budget.tokens,
                "seconds": spec.budget.latency_ms.map(|ms| ms / 1_000),
                "evaluations": spec.budget.evaluations,
            }),
            best: leading_configuration(spec, race, &racing),
            racing: racing.len(),
            seconds_left: remaining_evaluations(race, &total_usage, evaluation_count),
        }
    }
}

/// Serializes money, tokens, seconds, and evaluations to JSON.
pub fn usage_json(spent: &TrialOutcome, evaluations: u64) -> Value {
    json!({
        "cost_usd": spent.total_cost(), "tokens": spent.total_tokens(), "seconds": spent.latency_ms as f64 / 1e3,
        "evaluations": evaluations,
    })
}

/// Means that differ by less than this count as equal, because the difference is floating-point noise.
const SCORE_TOLERANCE: f64 = 1e-9;

fn leading_configuration(
    spec: &ExperimentSpec,
    race: &SuccessiveHalving,
    racing: &[usize],
) -> Option<LeadingConfiguration> {
    let all = race.race_and_holdout_cases().0.len();
    // Compare only cases that all remaining configurations have answered.
    let depth = (racing
        .iter()
        .map(|&configuration| race.values(configuration, all).len()))
    .min()?;
    let mean = |configuration: usize| paired::mean(&race.values(configuration, depth));
    let means = racing
        .iter()
        .map(|&configuration| (configuration, mean(configuration)));
    let leader_index = best_mean(&means.collect::<Vec<_>>()).filter(|_| depth > 0)?;
    let values = race.values(leader_index, depth);
    let design = race.design();
    Some(LeadingConfiguration {
        index: leader_index,
        setting: to_json(&spec.space, design.arms.get(leader_index)?),
        mean: mean(leader_index),
        interval: betting::interval(&values, (0.0, 1.0), 0.05),
        cases: depth,
    })
}

// Returns the index with the highest mean; `None` if several have it, or if it is 0.
fn best_mean(means: &[(usize, f64)]) -> Option<usize> {
    let &(best_index, best) = means.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let first = means
        .iter()
        .filter(|(_, mean)| best - mean <= SCORE_TOLERANCE);
    (first.count() == 1 && best > 0.0).then_some(best_index)
}

fn remaining_evaluations(
    race: &SuccessiveHalving,
    spent: &TrialOutcome,
    done: usize,
) -> Option<u64> {
    if done == 0 {
        return None;
    }
    if matches!(race.next(), RaceStep::Done(_)) {
        return Some(0);
    }
    let per_evaluation = spent.latency_ms as f64 / done as f64;
    let (order, holdout) = race.race_and_holdout_cases();
    let racing = (0..race.states().len())
        .filter(|&configuration| race.states()[configuration] == ConfigurationState::Racing);
    let pending =
        racing.map(|configuration| order.len() - race.values(configuration, order.len()).len());
    let pending = pending.sum::<usize>() + 2 * holdout.len();
    let remaining = pending.min(affordable_evaluations(&race.design().budget, spent, done));
    Some((per_evaluation * remaining as f64 / 1e3 / super::MAX_CONCURRENT as f64).ceil() as u64)
}

/// Returns the number of further evaluations within the budget, at the average cost so far.
fn affordable_evaluations(budget: &ExperimentBudget, spent: &TrialOutcome, done: usize) -> usize {
    let parts = [
        (
            budget.cost.map(|cost| cost.0 as f64),
            spent.total_cost().0 as f64,
        ),
        (
            budget.tokens.map(|all| all as f64),
            spent.total_tokens() as f64,
        ),
        (
            budget.latency_ms.map(|all| all as f64),
            spent.latency_ms as f64,
        ),
        (budget.evaluations.map(|all| all as f64), done as f64),
    ];
    let remaining = parts.into_iter().filter_map(|(limit, spent)| {
        let per_evaluation = spent / done.max(1) as f64;
        let limit = limit.filter(|_| per_evaluation > 0.0)?;
        Some(((limit - spent) / per_evaluation).max(0.0))
    });
    remaining.fold(f64::from(u32::MAX), f64::min) as usize
}

#[cfg(test)]
mod tests {
    use super::best_mean;

    #[test]
    fn a_tie_and_zeros_have_no_leader() {
        assert_eq!(best_mean(&[(0, 0.2), (3, 0.4), (5, 0.1)]), Some(3));
        assert_eq!(best_mean(&[(0, 0.4), (3, 0.4)]), None);
        assert_eq!(best_mean(&[(0, 0.0)]), None);
        assert_eq!(best_mean(&[]), None);
    }
}
