//! Statistical decisions of a race: ranking, elimination, and the value of continuing. `race_budget` manages the
//! budget.

use super::design::Elimination;
use super::observations::Observations;
use super::quality_estimates;
use crate::domain::statistics::random::Random;
use crate::domain::statistics::{betting, paired};

/// Minimum number of cases for stopping early. With fewer, resampling is unreliable.
const MIN_CASES: usize = 10;
/// Number of bootstrap resamples of the cases.
const RESAMPLES: usize = 400;

/// The ranking after a round.
pub(super) struct Ranking {
    /// Configurations, best first.
    pub ranking: Vec<usize>,
    /// Configurations proven worse, with the evidence.
    pub beaten: Vec<(usize, Elimination)>,
}

/// Returns the mean value of a configuration over the first `cases` cases.
pub(super) fn mean_of(observations: &Observations, arm: usize, cases: usize) -> f64 {
    paired::mean(&observations.values(arm, cases))
}

/// Ranks configurations evaluated on the same cases. The probability that the best one is ever eliminated is
/// at most the design's `error_rate`, which is divided evenly among the `comparisons` (Bonferroni).
pub(super) fn rank_configurations(
    observations: &Observations,
    arms: &[usize],
    cases: usize,
    comparisons: usize,
) -> Ranking {
    let design = &observations.design;
    let mean = |&arm: &usize| mean_of(observations, arm, cases);
    let levels = quality_estimates::estimate_quality(observations, arms)
        .unwrap_or_else(|| arms.iter().map(mean).collect());
    // Round the levels, so that differences due to floating-point noise count as ties.
    let rounded = levels.into_iter().map(|level| (level * 1e9).round());
    let mut sorted: Vec<(usize, f64)> = arms.iter().copied().zip(rounded).collect();
    // Ties go to the current configuration and then to the lowest index, so that the result is deterministic.
    sorted.sort_by(|a, b| {
        let current = |arm: usize| arm != design.current;
        b.1.total_cmp(&a.1)
            .then(current(a.0).cmp(&current(b.0)))
            .then(a.0.cmp(&b.0))
    });
    let ranking: Vec<usize> = sorted.into_iter().map(|(arm, _)| arm).collect();
    let Some((&leader, others)) = ranking.split_first() else {
        return Ranking {
            ranking,
            beaten: Vec::new(),
        };
    };
    let best = observations.values(leader, cases);
    let wrong = design.error_rate / comparisons as f64;
    let range = (-1.0, 1.0);
    let beaten = others.iter().filter_map(|&arm| {
        let differences = score_differences(&observations.values(arm, cases), &best);
        // The test is one-sided, because only the upper bound matters.
        betting::is_below(&differences, range, -design.indifference, wrong).then(|| {
            let elimination = Elimination {
                by: leader,
                cases,
                interval: betting::interval(&differences, range, 2.0 * wrong),
            };
            (arm, elimination)
        })
    });
    Ranking {
        beaten: beaten.collect(),
        ranking,
    }
}

/// What continuing the race could still change, estimated by bootstrap.
pub(super) struct LeaderForecast {
    /// Whether the leader is the best or within the indifference threshold of the best, with the required probability.
    pub close_enough: bool,
    /// Expected gain of the best configuration over the leader (expected value of perfect information): an upper
    /// bound on what continuing can gain (Raiffa and Schlaifer 1961).
    pub gain: f64,
}

/// Estimates by bootstrap what continuing could still change; `None` if there are too few cases.
pub(super) fn forecast_leader(
    observations: &Observations,
    ranking: &[usize],
    cases: usize,
) -> Option<LeaderForecast> {
    if cases < MIN_CASES {
        return None;
    }
    let design = &observations.design;
    let values: Vec<Vec<f64>> = ranking
        .iter()
        .map(|&arm| observations.values(arm, cases))
        .collect();
    let mut random = Random::new(design.seed ^ cases as u64);
    let (mut lead_count, mut gain) = (0, 0.0);
    for _ in 0..RESAMPLES {
        let resampled_cases: Vec<usize> = (0..cases).map(|_| random.index_below(cases)).collect();
        let mean = |values: &Vec<f64>| {
            resampled_cases
                .iter()
                .map(|&case| values[case])
                .sum::<f64>()
                / cases as f64
        };
        let leader = mean(&values[0]);
        let best = values[1..].iter().map(mean).fold(leader, f64::max);
        lead_count += usize::from(best <= leader + design.indifference);
        gain += best - leader;
    }
    Some(LeaderForecast {
        close_enough: lead_count as f64 >= (1.0 - design.error_rate) * RESAMPLES as f64,
        gain: gain / RESAMPLES as f64,
    })
}

fn score_differences(left: &[f64], right: &[f64]) -> Vec<f64> {
    left.iter()
        .zip(right)
        .map(|(left, right)| left - right)
        .collect()
}
