//! Confidence intervals of means and of mean differences with the stated coverage at any number of cases,
//! including two to five. With so few values that are not normally distributed, Student's t interval covers
//! the truth far less often than stated.

use crate::domain::statistics::{betting, paired, proportions};

/// Error probability of an interval.
const ERROR_RATE: f64 = 0.05;
/// Minimum distance between 0 and an interval that must exclude it.
const NEAR_ZERO: f64 = 1e-6;
/// Share of the error probability of a mean difference that is assigned to the rate of differing cases, if
/// all differences have the same size. The rest goes to the last test (`final_test`), so that the interval
/// and the test always agree.
const DIFFERING_RATE_PART: f64 = 0.1;
/// Minimum number of cases for which Student's t interval is used for differences of graded scores.
const MANY_DIFFERENCES: usize = 30;
/// Minimum number of cases for which Student's t interval is used for graded scores, and Wilson's interval
/// for yes-or-no scores.
const MIN_SCORES_FOR_T: usize = 8;

/// Returns the 95% confidence interval of the mean of values from 0 to 1. With few cases, this is Blaker's
/// exact interval for yes-or-no scores, and a betting interval for graded ones. With more cases, it is
/// Wilson's or Student's interval.
pub fn mean_interval(values: &[f64]) -> (f64, f64) {
    let has_few_values = values.len() < MIN_SCORES_FOR_T;
    if values.iter().all(|&value| value == 0.0 || value == 1.0) {
        let hits = values.iter().filter(|&&value| value == 1.0).count() as u64;
        let rate = match has_few_values {
            true => proportions::blaker_interval,
            false => proportions::wilson_interval,
        };
        return rate(hits, values.len() as u64, 1.0 - ERROR_RATE);
    }
    if has_few_values {
        return betting::interval(values, (0.0, 1.0), ERROR_RATE);
    }
    let (from, to) = student_interval(values);
    (from.max(0.0), to.min(1.0))
}

/// Returns the 95% confidence interval of the mean difference of scores from 0 to 1. If all differences have
/// the same size, it is exact, and it excludes 0 exactly when the sign test is significant at nine tenths of
/// the level. Otherwise, it is a betting interval with few cases, and Student's interval with many.
pub(super) fn difference_interval(differences: &[f64]) -> (f64, f64) {
    if let Some(size) = common_size(differences) {
        return exact_difference(differences, size);
    }
    match differences.len() < MANY_DIFFERENCES {
        true => betting::interval(differences, (-1.0, 1.0), ERROR_RATE),
        false => student_interval(differences),
    }
}

/// Adjusts an interval so that it agrees with a test of the same differences: it excludes 0 if and only if
/// the test is significant.
pub(super) fn adjust_to_test(
    (from, to): (f64, f64),
    mean: f64,
    is_significant: bool,
) -> (f64, f64) {
    match is_significant {
        true if mean > 0.0 => (from.max(NEAR_ZERO), to),
        true => (from, to.min(-NEAR_ZERO)),
        false => (from.min(0.0), to.max(0.0)),
    }
}

/// Returns the common size of all nonzero differences if it is 1 or 0.5, as with yes-or-no scores or
/// preferences. For any other size, a larger difference may exist but be missing from the sample.
fn common_size(differences: &[f64]) -> Option<f64> {
    let has_size = |size: f64| {
        let fits =
            |difference: &f64| difference.abs() < 1e-9 || (difference.abs() - size).abs() < 1e-9;
        differences.iter().all(fits)
    };
    [1.0, 0.5].into_iter().find(|&size| has_size(size))
}

/// Returns the interval of the mean difference. It is computed from the rate of differing cases and the share of
/// positive differences among them, each with its exact interval (Clopper and Pearson 1934).
fn exact_difference(differences: &[f64], size: f64) -> (f64, f64) {
    let cases = differences.len() as u64;
    let increases = differences
        .iter()
        .filter(|&&difference| difference > 1e-9)
        .count() as u64;
    let decreases = differences
        .iter()
        .filter(|&&difference| difference < -1e-9)
        .count() as u64;
    if increases + decreases == 0 {
        let (_, max_rate) = proportions::clopper_pearson_interval(0, cases, 1.0 - ERROR_RATE);
        return (-size * max_rate, size * max_rate);
    }
    let differ = proportions::clopper_pearson_interval(
        increases + decreases,
        cases,
        1.0 - ERROR_RATE * DIFFERING_RATE_PART,
    );
    let increase_rate = proportions::clopper_pearson_interval(
        increases,
        increases + decreases,
        1.0 - ERROR_RATE * (1.0 - DIFFERING_RATE_PART),
    );
    let excess = (2.0 * increase_rate.0 - 1.0, 2.0 * increase_rate.1 - 1.0);
    let from = (differ.0 * excess.0).min(differ.1 * excess.0);
    let to = (differ.0 * excess.1).max(differ.1 * excess.1);
    (size * from, size * to)
}

// Returns Student's interval, widened for identical values. Such values show no variance, yet a value that
// differs may be missing from the sample: with 95% confidence, such cases make up at most 1 - 0.05^(1/n) of
// all (Clopper and Pearson, for none in n).
fn student_interval(values: &[f64]) -> (f64, f64) {
    let Some(test) = paired::paired_t_test(values, 1.0 - ERROR_RATE) else {
        return (-1.0, 1.0);
    };
    let (from, to) = test.interval;
    let missed = match to - from < 1e-12 {
        true => 1.0 - ERROR_RATE.powf(1.0 / values.len().max(1) as f64),
        false => 0.0,
    };
    ((from - missed).max(-1.0), (to + missed).min(1.0))
}
