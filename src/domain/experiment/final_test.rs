//! Final comparison of the leader with the current configuration. Its error probability of 5% is divided into
//! two parts. Most of it goes to a test after the last case, which is the most powerful one for a number of
//! cases that was fixed in advance. A tenth goes to a betting test after each block of cases, which ends the
//! comparison early if the difference is overwhelming.
//!
//! The last test is the sign test if all differences have the same size, as with yes-or-no scores (McNemar's exact
//! test) and preferences. Otherwise it is Student's t-test, and with few cases also the exact sign-flip test,
//! because Student's t is not valid for a few values that are not normally distributed.

use serde::Serialize;

use super::design::HoldoutFinding;
use super::intervals;
use crate::domain::statistics::betting::{self, BettingTest};
use crate::domain::statistics::paired::{self, PairedDifference};
use crate::domain::statistics::proportions;

/// Significance level of the comparison, two-sided.
pub const SIGNIFICANCE_LEVEL: f64 = 0.05;
/// Part of the significance level that is spent on the early checks.
const EARLY_SIGNIFICANCE_LEVEL: f64 = 0.005;
/// Maximum number of cases for which all combinations of signs are tested.
const MAX_FLIPPED_CASES: usize = 12;
/// Minimum number of cases with which the test after the last case can be significant at all.
pub const MIN_CASES: usize = 6;
/// Minimum number of cases between two checks.
const BLOCK_CASES: usize = 8;

/// The test after the last case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalTest {
    /// Sign test on the cases in which the two configurations differ. On yes-or-no scores, this is McNemar's
    /// exact test.
    Sign,
    /// Student's t-test of the differences.
    Student,
}

impl FinalTest {
    /// Chooses the sign test if all nonzero differences have the same size, and otherwise Student's t-test.
    fn for_differences(differences: &[f64]) -> Self {
        let mut sizes = differences
            .iter()
            .map(|difference| difference.abs())
            .filter(|&difference| difference > 0.0);
        let first = sizes.next();
        match sizes.all(|size| first.is_some_and(|first| (size - first).abs() < 1e-9)) {
            true => Self::Sign,
            false => Self::Student,
        }
    }
}

/// Returns the number of cases after which to check next.
pub(super) fn next_check(cases: usize) -> usize {
    cases + (cases / 4).max(BLOCK_CASES)
}

/// Whether the betting test already decides the comparison, so that it can end before its last case.
pub(super) fn is_decided(differences: &[f64]) -> bool {
    let mut test = BettingTest::default();
    differences
        .iter()
        .for_each(|&difference| test.add(difference));
    test.p_value() <= EARLY_SIGNIFICANCE_LEVEL
}

/// Compares the leader with the current configuration by their differences in value on the compared cases, in
/// order. `planned` says whether the number of cases was fixed in advance; otherwise only the betting test counts.
pub(super) fn compare(
    differences: &[f64],
    planned: bool,
) -> (HoldoutFinding, Option<PairedDifference>) {
    let Some(mut t_test) = paired::paired_t_test(differences, 1.0 - SIGNIFICANCE_LEVEL) else {
        return (HoldoutFinding::NotTested, None);
    };
    let mut test = BettingTest::default();
    differences
        .iter()
        .for_each(|&difference| test.add(difference));
    if test.p_value() <= EARLY_SIGNIFICANCE_LEVEL || !planned {
        t_test.p = (test.p_value() * SIGNIFICANCE_LEVEL / EARLY_SIGNIFICANCE_LEVEL).min(1.0);
        t_test.interval = betting::interval(differences, (-1.0, 1.0), SIGNIFICANCE_LEVEL);
    } else {
        t_test.p = (final_p_value(differences) * SIGNIFICANCE_LEVEL
            / (SIGNIFICANCE_LEVEL - EARLY_SIGNIFICANCE_LEVEL))
            .min(1.0);
        t_test.interval = intervals::difference_interval(differences);
    }
    t_test.interval =
        intervals::adjust_to_test(t_test.interval, t_test.mean, t_test.p <= SIGNIFICANCE_LEVEL);
    let finding = match t_test.p <= SIGNIFICANCE_LEVEL {
        true if t_test.mean > 0.0 => HoldoutFinding::Better,
        true => HoldoutFinding::Worse,
        false => HoldoutFinding::NotDistinguishable,
    };
    (finding, Some(t_test))
}

/// Whether a simulated comparison, with the same checks as a real one, finds the leader better.
pub(super) fn is_leader_better(differences: &[f64]) -> bool {
    let mut test = BettingTest::default();
    let mut check = next_check(0);
    for (place, &difference) in differences.iter().enumerate() {
        if place == check {
            if test.p_value() <= EARLY_SIGNIFICANCE_LEVEL {
                return paired::mean(&differences[..place]) > 0.0;
            }
            check = next_check(place);
        }
        test.add(difference);
    }
    let p = match test.p_value() {
        p if p <= EARLY_SIGNIFICANCE_LEVEL => 0.0,
        _ => final_p_value(differences),
    };
    p <= SIGNIFICANCE_LEVEL - EARLY_SIGNIFICANCE_LEVEL && paired::mean(differences) > 0.0
}

/// Whether a p-value of the last test is significant at the level that the early checks leave for it.
pub(super) fn is_significant(last_p: f64) -> bool {
    last_p <= SIGNIFICANCE_LEVEL - EARLY_SIGNIFICANCE_LEVEL
}

/// Returns the p-value of the last test.
pub(super) fn final_p_value(differences: &[f64]) -> f64 {
    let positive_count = differences.iter().filter(|&&d| d > 0.0).count() as u64;
    let negative_count = differences.iter().filter(|&&d| d < 0.0).count() as u64;
    let sign = || proportions::sign_test(positive_count, negative_count);
    let student = || paired::paired_t_test_p_value(differences);
    match FinalTest::for_differences(differences) {
        FinalTest::Sign => sign(),
        // With few cases, Student's test may underestimate the variance.
        FinalTest::Student if differences.len() <= MAX_FLIPPED_CASES => match student() {
            p if p <= SIGNIFICANCE_LEVEL => p.max(sign_flip_p_value(differences)),
            p => p,
        },
        FinalTest::Student if (positive_count + negative_count) < MIN_CASES as u64 => {
            student().max(sign())
        }
        FinalTest::Student => student(),
    }
}

/// Returns the p-value of the exact two-sided sign-flip test: the fraction of all combinations of signs whose
/// sum is at least as far from 0 (Fisher 1935). The null hypothesis is that each difference is as likely with
/// the opposite sign.
fn sign_flip_p_value(differences: &[f64]) -> f64 {
    let mut flipped = differences.to_vec();
    let mut sum: f64 = flipped.iter().sum();
    let threshold = sum.abs() - 1e-9;
    // Opposite combinations have opposite sums, so half of them suffice. In Gray code order, each combination
    // differs from the previous one in a single sign.
    let all = 1_usize << differences.len().saturating_sub(1);
    let mut extreme_count = 1;
    for step in 1..all {
        let one = &mut flipped[step.trailing_zeros() as usize];
        *one = -*one;
        sum += 2.0 * *one;
        extreme_count += usize::from(sum.abs() >= threshold);
    }
    extreme_count as f64 / all as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::statistics::random::Random;

    #[test]
    fn the_test_fits_the_differences() {
        for (differences, test) in [
            (vec![1.0, -1.0, 0.0], FinalTest::Sign),
            (vec![0.5, 0.5, -0.5, 0.0], FinalTest::Sign),
            (vec![0.0, 0.0], FinalTest::Sign),
            (vec![0.3, -0.1], FinalTest::Student),
        ] {
            assert_eq!(
                FinalTest::for_differences(&differences),
                test,
                "{differences:?}"
            );
        }
    }

    #[test]
    fn few_graded_cases_that_agree_are_not_enough() {
        for (differences, p) in [
            (vec![0.3, 0.31], 0.5),
            (vec![0.3, 0.31, 0.3, 0.32, 0.3], 0.0625),
            (vec![0.3, 0.31, 0.3, 0.32, 0.3, 0.31], 0.03125),
        ] {
            assert!(
                (final_p_value(&differences) - p).abs() < 1e-9,
                "{differences:?}"
            );
            let finding = compare(&differences, true).0;
            let is_better = finding == HoldoutFinding::Better;
            assert_eq!(is_better, differences.len() >= MIN_CASES, "{differences:?}");
        }
    }

    #[test]
    fn an_overwhelming_difference_ends_it_and_a_small_one_does_not() {
        assert!(is_decided(&[1.0; 16]));
        assert!(!is_decided(&[1.0; 6]));
        let (finding, test) = compare(&[1.0; 16], false);
        assert_eq!(finding, HoldoutFinding::Better);
        assert!(test.is_some_and(|test| test.p < 0.05 && test.interval.0 > 0.0));
        // A result of six out of six is significant only if that number of cases was planned.
        assert_eq!(compare(&[1.0; 6], true).0, HoldoutFinding::Better);
        let early = compare(&[1.0; 6], false).0;
        assert_eq!(early, HoldoutFinding::NotDistinguishable);
    }

    /// With early checks and a final test, a difference between equal configurations is reported in at most 5% of
    /// simulated runs, plus simulation error.
    #[test]
    fn equal_configurations_differ_significantly_in_at_most_5_percent() {
        const SIMULATED_RUNS: usize = 2_000;
        let mut random = Random::new(41);
        for cases in [20, 90] {
            let [mut yes_or_no, mut graded] = [0, 0];
            for _ in 0..SIMULATED_RUNS {
                let sign = |random: &mut Random| [-1.0, 0.0, 0.0, 1.0][random.index_below(4)];
                let signs: Vec<f64> = (0..cases).map(|_| sign(&mut random)).collect();
                let marks: Vec<f64> = (0..cases).map(|_| 0.25 * random.next_normal()).collect();
                // Both configurations are equally good, so any significant result is a false positive.
                let both = |one: &[f64]| {
                    let other: Vec<f64> = one.iter().map(|value| -value).collect();
                    usize::from(is_leader_better(one) || is_leader_better(&other))
                };
                yes_or_no += both(&signs);
                graded += both(&marks);
            }
            assert!(yes_or_no <= SIMULATED_RUNS / 20, "{cases}: {yes_or_no}");
            assert!(graded <= SIMULATED_RUNS / 18, "{cases}: {graded}");
        }
    }
}
