//! Rates of yes and no: one rate's interval, and exact tests of whether two of them on the same cases differ.

use super::beta::{beta, normal_quantile};

/// The interval of a rate (Wilson 1927), which holds at few cases and near 0 and 1 too. Everything when
/// there are no cases.
pub fn wilson(hits: u64, cases: u64, confidence: f64) -> (f64, f64) {
    if cases == 0 {
        return (0.0, 1.0);
    }
    let z = normal_quantile(0.5 + confidence / 2.0);
    let (n, rate) = (cases as f64, hits as f64 / cases as f64);
    let shrink = 1.0 + z * z / n;
    let middle = (rate + z * z / (2.0 * n)) / shrink;
    let half = z / shrink * (rate * (1.0 - rate) / n + z * z / (4.0 * n * n)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

/// How likely so uneven a split is, or one less even, when both sides are as likely: the sign test. Ties are
/// left out before. Over paired yes and no it is McNemar's exact test, with the cases that only one got right.
pub fn sign_test(for_one: u64, for_other: u64) -> f64 {
    let (less, all) = (for_one.min(for_other) as f64, for_one + for_other);
    if all == 0 || for_one == for_other {
        return 1.0;
    }
    // P(X <= less) of a binomial variable, as the beta function says it without a sum.
    (2.0 * beta(all as f64 - less, less + 1.0, 0.5)).min(1.0)
}

/// McNemar's exact test over paired yes and no: the probability, and how often only the first and only the
/// second was right.
pub fn mcnemar(pairs: &[(bool, bool)]) -> (f64, u64, u64) {
    let count = |wanted: (bool, bool)| pairs.iter().filter(|&&pair| pair == wanted).count() as u64;
    let (first, second) = (count((true, false)), count((false, true)));
    (sign_test(first, second), first, second)
}
