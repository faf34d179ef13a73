//! Final comparison of the leader with the current configuration. Its error probability of 5 % has two
//! parts: most of it belongs to one test after the last case, which is the most powerful there is for a
//! number of cases that was fixed before; a tenth of it belongs to a betting test after each block of cases,
//! which ends the comparison early when the difference is overwhelming.
//!
//! The last test is the sign test where all differences have the same size, as with yes or no (McNemar's
//! exact test) and with preferences; otherwise Student's t-test.

use serde::Serialize;

use super::design::HoldoutFinding;
use crate::domain::statistics::betting::{self, BettingTest};
use crate::domain::statistics::paired::{self, PairedDifference};
use crate::domain::statistics::proportions;

/// Significance level of the comparison, two-sided.
pub const LEVEL: f64 = 0.05;
/// The part of the level that belongs to the test after each block.
const EARLY: f64 = 0.005;
/// Smallest number of cases between two checks.
const BLOCK: usize = 8;

/// Test after the last case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalTest {
    /// Sign test of the cases on which the two differ; on yes or no, McNemar's exact test.
    Sign,
    /// Student's t-test of the differences.
    Student,
}

impl FinalTest {
    /// The test for these differences.
    fn of(differences: &[f64]) -> Self {
        let mut sizes = differences
            .iter()
            .map(|one| one.abs())
            .filter(|&one| one > 0.0);
        let first = sizes.next();
        match sizes.all(|size| first.is_some_and(|first| (size - first).abs() < 1e-9)) {
            true => Self::Sign,
            false => Self::Student,
        }
    }
}

/// Number of cases after which to check next.
pub(super) fn next_check(cases: usize) -> usize {
    cases + (cases / 4).max(BLOCK)
}

/// Whether the comparison is decided before its last case.
pub(super) fn is_decided(differences: &[f64]) -> bool {
    let mut test = BettingTest::default();
    differences.iter().for_each(|&one| test.add(one));
    test.p() <= EARLY
}

/// Compares leader and current configuration by their differences of value on the compared cases, in order.
/// `planned` is whether the number of cases was fixed before; otherwise only the betting test counts.
pub(super) fn compare(
    differences: &[f64],
    planned: bool,
) -> (HoldoutFinding, Option<PairedDifference>) {
    let Some(mut found) = paired::student(differences, 1.0 - LEVEL) else {
        return (HoldoutFinding::NotTested, None);
    };
    let mut test = BettingTest::default();
    differences.iter().for_each(|&one| test.add(one));
    if test.p() <= EARLY || !planned {
        found.p = (test.p() * LEVEL / EARLY).min(1.0);
        found.interval = betting::interval(differences, (-1.0, 1.0), LEVEL);
    } else {
        found.p = (last_p(differences) * LEVEL / (LEVEL - EARLY)).min(1.0);
        found.interval = within_reason(found.interval, differences.len());
    }
    let finding = match found.p <= LEVEL {
        true if found.mean > 0.0 => HoldoutFinding::Better,
        true => HoldoutFinding::Worse,
        false => HoldoutFinding::NotDistinguishable,
    };
    (finding, Some(found))
}

/// Whether a simulated comparison, checked like a real one, finds the leader better.
pub(super) fn finds_better(differences: &[f64]) -> bool {
    let mut test = BettingTest::default();
    let mut check = next_check(0);
    for (place, &one) in differences.iter().enumerate() {
        if place == check {
            if test.p() <= EARLY {
                return paired::mean(&differences[..place]) > 0.0;
            }
            check = next_check(place);
        }
        test.add(one);
    }
    let p = match test.p() {
        p if p <= EARLY => 0.0,
        _ => last_p(differences),
    };
    p <= LEVEL - EARLY && paired::mean(differences) > 0.0
}

/// P-value of the last test.
fn last_p(differences: &[f64]) -> f64 {
    let ups = differences.iter().filter(|&&d| d > 0.0).count() as u64;
    let downs = differences.iter().filter(|&&d| d < 0.0).count() as u64;
    let sign = || proportions::sign_test(ups, downs);
    match FinalTest::of(differences) {
        FinalTest::Sign => sign(),
        // Where few differ, Student's t underestimates the variance.
        FinalTest::Student if ((ups + downs) as usize) < differences.len().min(6) => {
            paired::student_p(differences).max(sign())
        }
        FinalTest::Student => paired::student_p(differences),
    }
}

/// Widens a confidence interval of a mean difference of scores from 0 to 1. Identical differences show no
/// variance, yet a case that differs may be missing from the sample: with 95 % confidence such cases make up
/// at most 1 - 0.05^(1/n) of all cases (exact bound of Clopper and Pearson 1934 for none in n).
pub(super) fn within_reason((from, to): (f64, f64), cases: usize) -> (f64, f64) {
    let missed = match to - from < 1e-12 {
        true => 1.0 - LEVEL.powf(1.0 / cases.max(1) as f64),
        false => 0.0,
    };
    ((from - missed).max(-1.0), (to + missed).min(1.0))
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
            assert_eq!(FinalTest::of(&differences), test, "{differences:?}");
        }
    }

    #[test]
    fn an_overwhelming_difference_ends_it_and_a_small_one_does_not() {
        assert!(is_decided(&[1.0; 16]));
        assert!(!is_decided(&[1.0; 6]));
        let (finding, found) = compare(&[1.0; 16], false);
        assert_eq!(finding, HoldoutFinding::Better);
        assert!(found.is_some_and(|found| found.p < 0.05 && found.interval.0 > 0.0));
        // Six of six are significant at a planned end only.
        assert_eq!(compare(&[1.0; 6], true).0, HoldoutFinding::Better);
        let early = compare(&[1.0; 6], false).0;
        assert_eq!(early, HoldoutFinding::NotDistinguishable);
    }

    /// Of equal settings, at most 5 % are told apart, with early checks and a last one.
    #[test]
    fn equal_settings_are_told_apart_in_at_most_one_of_twenty() {
        const RUNS: usize = 2_000;
        let mut chance = Random::new(41);
        for cases in [20, 90] {
            let [mut yes_or_no, mut graded] = [0, 0];
            for _ in 0..RUNS {
                let sign = |chance: &mut Random| [-1.0, 0.0, 0.0, 1.0][chance.below(4)];
                let signs: Vec<f64> = (0..cases).map(|_| sign(&mut chance)).collect();
                let marks: Vec<f64> = (0..cases).map(|_| 0.25 * chance.normal()).collect();
                // Better in either direction is an error.
                let both = |one: &[f64]| {
                    let other: Vec<f64> = one.iter().map(|value| -value).collect();
                    usize::from(finds_better(one) || finds_better(&other))
                };
                yes_or_no += both(&signs);
                graded += both(&marks);
            }
            assert!(yes_or_no <= RUNS / 20, "{cases}: {yes_or_no}");
            assert!(graded <= RUNS / 18, "{cases}: {graded}");
        }
    }
}
