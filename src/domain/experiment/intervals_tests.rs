//! Tests the coverage of the intervals on values with a known mean, at every small number of cases.

use std::collections::HashMap;

use super::*;
use crate::domain::experiment::final_test;
use crate::domain::experiment::intervals::{difference_interval, mean_interval};

const SIMULATED_RUNS: usize = 2_000;

/// Cache of intervals that depend only on the multiset of values, not on their order.
#[derive(Default)]
struct KnownIntervals(HashMap<Vec<u64>, (f64, f64)>);

impl KnownIntervals {
    fn get_or_compute(
        &mut self,
        values: &[f64],
        interval: impl Fn(&[f64]) -> (f64, f64),
    ) -> (f64, f64) {
        let mut key: Vec<u64> = values.iter().map(|value| value.to_bits()).collect();
        key.sort_unstable();
        *self.0.entry(key).or_insert_with(|| interval(values))
    }
}

/// Draws a value from the distribution with this number.
fn difference(kind: usize, random: &mut Random) -> f64 {
    let unit = random.next_unit();
    let sign = if random.next_unit() < 0.5 { -1.0 } else { 1.0 };
    match kind {
        // Two equal configurations, one of which wins each case at random.
        0 => sign,
        // Two equal configurations that often tie.
        1 => [0.0, sign][usize::from(unit < 0.4)],
        // Preferences, with differences of one half.
        2 => 0.5 * sign,
        // One configuration that is always better.
        3 => 1.0,
        // One configuration that is better or equal.
        4 => f64::from(u8::from(unit < 0.3)),
        // Graded differences that are nearly of one size.
        5 => sign * (0.3 + 0.01 * unit),
        // Graded differences that are usually small and rarely much worse.
        6 if unit < 0.1 => -0.9,
        6 => 0.1,
        _ => (0.2 * random.next_normal()).clamp(-1.0, 1.0),
    }
}

/// Number of the last distribution whose nonzero differences all have the same size.
const LAST_EQUAL_SIZE_KIND: usize = 4;

const TRUE_MEANS: [f64; 8] = [0.0, 0.0, 0.0, 1.0, 0.3, 0.0, 0.0, 0.0];

/// For each distribution and every number of cases up to 12, at least 95 of 100 intervals contain the true
/// mean (94.4, to allow for simulation error).
#[test]
fn differences_are_covered_at_every_number_of_cases() {
    for cases in 1..=12 {
        for (kind, mean) in TRUE_MEANS.into_iter().enumerate() {
            let mut random = Random::new(61 + cases as u64);
            let mut known_intervals = KnownIntervals::default();
            let covered_runs = (0..SIMULATED_RUNS).filter(|_| {
                let values: Vec<f64> = (0..cases).map(|_| difference(kind, &mut random)).collect();
                let (from, to) = match kind <= LAST_EQUAL_SIZE_KIND {
                    true => known_intervals.get_or_compute(&values, difference_interval),
                    false => difference_interval(&values),
                };
                (from - 1e-9..=to + 1e-9).contains(&mean)
            });
            let rate = covered_runs.count() as f64 / SIMULATED_RUNS as f64;
            assert!(rate >= 0.944, "{cases} cases of kind {kind}: {rate}");
        }
    }
}

/// The interval in the report never contradicts the finding, and a difference between equal configurations is reported
/// in at most 5% of simulated runs, plus simulation error.
#[test]
fn interval_and_finding_agree_at_every_number_of_cases() {
    for cases in [2, 3, 4, 5, 6, 8, 12, 31] {
        for (kind, mean) in TRUE_MEANS.into_iter().enumerate() {
            let mut random = Random::new(71 + cases as u64);
            let mut wrong = 0;
            for _ in 0..400 {
                let values: Vec<f64> = (0..cases).map(|_| difference(kind, &mut random)).collect();
                let (finding, test) = final_test::compare(&values, true);
                let test = test.expect("at least two cases");
                let (from, to) = test.interval;
                let excludes_zero = from > 0.0 || to < 0.0;
                match finding {
                    HoldoutFinding::Better => assert!(from > 0.0 && test.mean > 0.0, "{test:?}"),
                    HoldoutFinding::Worse => assert!(to < 0.0 && test.mean < 0.0, "{test:?}"),
                    _ => assert!(!excludes_zero && test.p > 0.05, "{test:?}"),
                }
                assert!(
                    from <= test.mean + 1e-9 && test.mean <= to + 1e-9,
                    "{test:?}"
                );
                wrong += usize::from(finding != HoldoutFinding::NotDistinguishable);
            }
            // Distribution 6 is not symmetric, so no test of its mean is exact, and its configurations are not equal.
            let is_equal = mean == 0.0 && kind != 6;
            assert!(
                !is_equal || wrong <= 32,
                "{cases} cases of kind {kind}: {wrong}"
            );
        }
    }
}

/// Regression test for a sentence that contradicted itself: five out of five, not significant, "between +0.55
/// and +1.00".
#[test]
fn five_of_five_do_not_exclude_zero_and_six_of_six_do() {
    let (from, to) = difference_interval(&[1.0; 5]);
    assert!((-0.1..0.0).contains(&from) && to == 1.0, "{from} {to}");
    let (from, _) = difference_interval(&[1.0; 6]);
    assert!(from > 0.0, "{from}");
    let (from, to) = difference_interval(&[0.0; 4]);
    assert!(from < -0.5 && to > 0.5, "{from} {to}");
}

/// Intervals of rates and graded means with one to seven cases cover the truth, whatever it is.
#[test]
fn means_of_few_cases_are_covered() {
    for cases in 1..8 {
        for rate in [0.03, 0.17, 0.5, 0.83, 0.97] {
            for graded in [false, true] {
                let mut random = Random::new(81 + cases as u64);
                let mut known_intervals = KnownIntervals::default();
                let covered_runs = (0..SIMULATED_RUNS).filter(|_| {
                    let score = |_| match random.next_unit() < rate {
                        true if graded => 0.9,
                        true => 1.0,
                        false => 0.0,
                    };
                    let values: Vec<f64> = (0..cases).map(score).collect();
                    let (from, to) = match graded {
                        true => mean_interval(&values),
                        false => known_intervals.get_or_compute(&values, mean_interval),
                    };
                    let mean = if graded { 0.9 * rate } else { rate };
                    from <= mean && mean <= to
                });
                let coverage = covered_runs.count() as f64 / SIMULATED_RUNS as f64;
                assert!(coverage >= 0.944, "{cases} cases at {rate}: {coverage}");
            }
        }
    }
}
