//! Proposes configurations of a large space: first a set that covers all values evenly, then those with values that are
//! more frequent among the good configurations than among the rest. The method is a tree-structured Parzen estimator
//! over categories (Bergstra et al., "Algorithms for hyper-parameter optimization", 2011): for each axis, the histogram
//! of the good configurations is divided by the histogram of the rest.

use super::design::Design;
use crate::domain::statistics::random::Random;

/// Fraction of the tried configurations that count as good, 0 to 1.
const GOOD_FRACTION: f64 = 0.25;

/// Selects up to `max_count` configurations (but at least two) for the first round, including the current one. If not
/// all can be selected, repeatedly adds the one that shares the fewest values with those already selected (a Latin
/// design).
pub(super) fn initial_configurations(design: &Design, max_count: usize) -> Vec<usize> {
    let arms = &design.arms;
    let mut chosen_arms = vec![design.current];
    let mut rest: Vec<usize> = (0..arms.len())
        .filter(|&arm| arm != design.current)
        .collect();
    if arms.len() > max_count {
        Random::new(design.seed ^ 0xF1).shuffle(&mut rest);
        while chosen_arms.len() < max_count.max(2) && !rest.is_empty() {
            let uses = |arm: usize| -> usize {
                let shared = |&right: &usize| {
                    let both = arms[arm].0.iter().zip(&arms[right].0);
                    both.filter(|(left, right)| left == right).count()
                };
                chosen_arms.iter().map(shared).sum()
            };
            let fewest_shared = (0..rest.len())
                .min_by_key(|&place| uses(rest[place]))
                .unwrap_or(0);
            chosen_arms.push(rest.swap_remove(fewest_shared));
        }
    } else {
        chosen_arms.extend(rest);
    }
    chosen_arms.sort_unstable();
    chosen_arms
}

/// Proposes untried configurations, sampled in proportion to how promising they are. `tried` holds the mean of
/// each tried configuration on the same cases.
pub(super) fn propose_configurations(
    design: &Design,
    tried: &[(usize, f64)],
    max_count: usize,
) -> Vec<usize> {
    let mut sorted = tried.to_vec();
    sorted.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let good = ((sorted.len() as f64 * GOOD_FRACTION).ceil() as usize).min(sorted.len());
    let (good, rest) = sorted.split_at(good);
    let axes = design.arms.first().map_or(0, |arm| arm.0.len());
    let tables: Vec<_> = (0..axes)
        .map(|axis| (histogram(design, good, axis), histogram(design, rest, axis)))
        .collect();
    let mut random = Random::new(design.seed ^ (tried.len() as u64) << 8);
    let mut scored: Vec<(f64, usize)> = Vec::new();
    for arm in 0..design.arms.len() {
        // Draw for every configuration, even one that was tried, so that the draws do not depend on which were tried.
        let random_priority = -(-(1.0 - random.next_unit()).max(1e-300).ln())
            .max(1e-300)
            .ln();
        if tried.iter().any(|(known, _)| *known == arm) {
            continue;
        }
        let ratio = tables.iter().enumerate().map(|(axis, (good, rest))| {
            let slot = value_slot(design.arms[arm].0[axis]);
            (good[slot] / rest[slot]).ln()
        });
        // This is the Gumbel-max trick: taking the largest noisy score samples with probability proportional
        // to the score's exponential.
        scored.push((2.0 * ratio.sum::<f64>() + random_priority, arm));
    }
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut chosen_arms: Vec<usize> = scored
        .into_iter()
        .take(max_count)
        .map(|(_, arm)| arm)
        .collect();
    chosen_arms.sort_unstable();
    chosen_arms
}

fn value_slot(place: Option<usize>) -> usize {
    place.map_or(0, |place| place + 1)
}

/// Returns the smoothed frequency of each value of an axis among these configurations, with one pseudo-count per
/// value.
fn histogram(design: &Design, of: &[(usize, f64)], axis: usize) -> Vec<f64> {
    let values = design
        .arms
        .iter()
        .map(|arm| value_slot(arm.0[axis]))
        .max()
        .unwrap_or(0)
        + 1;
    let mut counts = vec![1.0; values];
    for (arm, _) in of {
        counts[value_slot(design.arms[*arm].0[axis])] += 1.0;
    }
    let all: f64 = counts.iter().sum();
    counts.iter_mut().for_each(|count| *count /= all);
    counts
}
