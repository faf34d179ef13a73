//! Binary rates: intervals of one rate, and exact tests of the difference between two rates on the same cases.

use super::beta::{beta_quantile, normal_quantile, regularized_beta};

/// Returns the Wilson score interval (1927), which is accurate even for few cases and for rates near 0 and 1. Returns
/// (0, 1) if there are no cases.
pub fn wilson_interval(hits: u64, cases: u64, confidence: f64) -> (f64, f64) {
    if cases == 0 {
        return (0.0, 1.0);
    }
    let z = normal_quantile(0.5 + confidence / 2.0);
    let (n, rate) = (cases as f64, hits as f64 / cases as f64);
    let denominator = 1.0 + z * z / n;
    let middle = (rate + z * z / (2.0 * n)) / denominator;
    let half = z / denominator * (rate * (1.0 - rate) / n + z * z / (4.0 * n * n)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

/// Returns the exact interval (Clopper and Pearson 1934). For any number of cases and any true rate, its coverage is at
/// least nominal. Returns (0, 1) if there are no cases.
pub fn clopper_pearson_interval(hits: u64, cases: u64, confidence: f64) -> (f64, f64) {
    let (hits, misses) = (hits as f64, cases.saturating_sub(hits) as f64);
    let tail = (1.0 - confidence) / 2.0;
    let from = match hits > 0.0 {
        true => beta_quantile(hits, misses + 1.0, tail),
        false => 0.0,
    };
    let to = match misses > 0.0 {
        true => beta_quantile(hits + 1.0, misses, 1.0 - tail),
        false => 1.0,
    };
    (from, to)
}

/// Step of the search for the ends of [`blaker_interval`], which determines the interval's accuracy.
const BLAKER_STEP: f64 = 5e-4;

/// Returns Blaker's exact interval (2000), which is inside [`clopper_pearson_interval`] and, with few cases, about a
/// tenth narrower. Its coverage is at least nominal. The work grows with the square of the number of cases. Returns (0,
/// 1) if there are no cases.
pub fn blaker_interval(hits: u64, cases: u64, confidence: f64) -> (f64, f64) {
    let (mut from, mut to) = clopper_pearson_interval(hits, cases, confidence);
    let is_refuted = |rate: f64| acceptability(hits, cases, rate) < 1.0 - confidence;
    while hits > 0 && from + BLAKER_STEP < to && is_refuted(from + BLAKER_STEP) {
        from += BLAKER_STEP;
    }
    while hits < cases && to - BLAKER_STEP > from && is_refuted(to - BLAKER_STEP) {
        to -= BLAKER_STEP;
    }
    (from, to)
}

// Returns the smaller tail probability of a result, plus the largest opposite tail that is not more probable.
fn acceptability(hits: u64, cases: u64, rate: f64) -> f64 {
    let upper_tail = |from: u64| -> f64 {
        match from {
            0 => 1.0,
            from if from > cases => 0.0,
            from => regularized_beta(from as f64, (cases - from) as f64 + 1.0, rate),
        }
    };
    let lower_tail = |to: u64| 1.0 - upper_tail(to + 1);
    let with_opposite = |tail: f64, mut others: Box<dyn Iterator<Item = f64> + '_>| {
        let opposite = others.find(|&other| other <= tail + 1e-12);
        tail + opposite.unwrap_or(0.0)
    };
    let above = with_opposite(upper_tail(hits), Box::new((0..hits).rev().map(lower_tail)));
    let below = with_opposite(
        lower_tail(hits),
        Box::new((hits + 1..=cases).map(upper_tail)),
    );
    above.min(below).min(1.0)
}

/// Computes the two-sided sign test: the probability of a split at least this uneven if both sides are
/// equally likely. Ties must be excluded before the call. For the discordant pairs of binary outcomes, this
/// is McNemar's exact test.
pub fn sign_test(first_count: u64, second_count: u64) -> f64 {
    let (less, all) = (
        first_count.min(second_count) as f64,
        first_count + second_count,
    );
    if all == 0 || first_count == second_count {
        return 1.0;
    }
    // P(X <= less) of a binomial variable, computed with the beta function rather than as a sum.
    (2.0 * regularized_beta(all as f64 - less, less + 1.0, 0.5)).min(1.0)
}

/// Computes McNemar's exact test over paired binary outcomes: the p-value, the number of cases in which only
/// the first was right, and the number in which only the second was.
pub fn mcnemar_test(pairs: &[(bool, bool)]) -> (f64, u64, u64) {
    let count = |wanted: (bool, bool)| pairs.iter().filter(|&&pair| pair == wanted).count() as u64;
    let (first, second) = (count((true, false)), count((false, true)));
    (sign_test(first, second), first, second)
}
