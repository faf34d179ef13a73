//! Which settings of a large space are tried: at first some that share its values out evenly, then those
//! whose values stand among the good ones rather than among the others. A tree-structured Parzen estimator
//! over categories (Bergstra and others, "Algorithms for hyper-parameter optimization", 2011): one histogram
//! of each axis for the good part, one for the rest, and the ratio of both.

use super::design::Design;
use crate::domain::statistics::chance::Chance;

/// The part of the tried settings that counts as good.
const GOOD: f64 = 0.25;

/// So many settings, the current one first: all when they fit, otherwise each one that shares the fewest
/// values with those chosen (a Latin design, greedily).
pub(super) fn first(design: &Design, most: usize) -> Vec<usize> {
    let arms = &design.arms;
    let mut chosen = vec![design.current];
    let mut rest: Vec<usize> = (0..arms.len())
        .filter(|&arm| arm != design.current)
        .collect();
    if arms.len() > most {
        Chance::new(design.seed ^ 0xF1).shuffle(&mut rest);
        while chosen.len() < most.max(2) && !rest.is_empty() {
            let uses = |arm: usize| -> usize {
                let shared = |&other: &usize| {
                    let both = arms[arm].0.iter().zip(&arms[other].0);
                    both.filter(|(one, other)| one == other).count()
                };
                chosen.iter().map(shared).sum()
            };
            let least = (0..rest.len())
                .min_by_key(|&place| uses(rest[place]))
                .unwrap_or(0);
            chosen.push(rest.swap_remove(least));
        }
    } else {
        chosen.extend(rest);
    }
    chosen.sort_unstable();
    chosen
}

/// The most promising settings that were not tried yet, drawn by how promising they are. `tried` has the mean
/// of each on the same cases.
pub(super) fn next(design: &Design, tried: &[(usize, f64)], most: usize) -> Vec<usize> {
    let mut sorted = tried.to_vec();
    sorted.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let good = ((sorted.len() as f64 * GOOD).ceil() as usize).min(sorted.len());
    let (good, rest) = sorted.split_at(good);
    let axes = design.arms.first().map_or(0, |arm| arm.0.len());
    let tables: Vec<_> = (0..axes)
        .map(|axis| (histogram(design, good, axis), histogram(design, rest, axis)))
        .collect();
    let mut chance = Chance::new(design.seed ^ (tried.len() as u64) << 8);
    let mut scored: Vec<(f64, usize)> = Vec::new();
    for arm in 0..design.arms.len() {
        // Drawn for every setting, tried or not, so that what is drawn does not hang on what was.
        let luck = -(-(1.0 - chance.unit()).max(1e-300).ln()).max(1e-300).ln();
        if tried.iter().any(|(known, _)| *known == arm) {
            continue;
        }
        let ratio = tables.iter().enumerate().map(|(axis, (good, rest))| {
            let place = slot(design.arms[arm].0[axis]);
            (good[place] / rest[place]).ln()
        });
        // The largest of sums with Gumbel's noise is a draw by the exponentials of what was summed.
        scored.push((2.0 * ratio.sum::<f64>() + luck, arm));
    }
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut chosen: Vec<usize> = scored.into_iter().take(most).map(|(_, arm)| arm).collect();
    chosen.sort_unstable();
    chosen
}

fn slot(place: Option<usize>) -> usize {
    place.map_or(0, |place| place + 1)
}

/// How often each value of an axis stands in these settings, with one more for each value there is.
fn histogram(design: &Design, of: &[(usize, f64)], axis: usize) -> Vec<f64> {
    let values = design
        .arms
        .iter()
        .map(|arm| slot(arm.0[axis]))
        .max()
        .unwrap_or(0)
        + 1;
    let mut counts = vec![1.0; values];
    for (arm, _) in of {
        counts[slot(design.arms[*arm].0[axis])] += 1.0;
    }
    let all: f64 = counts.iter().sum();
    counts.iter_mut().for_each(|count| *count /= all);
    counts
}
