//! Strengths of configurations from pairwise comparisons with ties: Davidson's model (1970), fitted by
//! minorization-maximization (Hunter, "MM algorithms for generalized Bradley-Terry models", 2004), with
//! bootstrap intervals over cases. A preference that flips with the order counts as a tie.

use super::ExperimentError;
use crate::domain::statistics::paired::percentile_interval;
use crate::domain::statistics::random::Random;

/// Pseudo-wins added to each side of every compared pair. Without them, a configuration that won every
/// comparison would have infinite strength.
const PSEUDO_WINS: f64 = 0.1;
/// Maximum number of iterations of the fit.
const MAX_ITERATIONS: usize = 5_000;
/// Number of bootstrap resamples of the cases.
const RESAMPLES: usize = 200;

/// One pairwise comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// Index of the case that both configurations answered.
    pub case: usize,
    /// Index of the configuration that gave the first answer.
    pub first_index: usize,
    /// Index of the configuration that gave the second answer.
    pub second_index: usize,
    /// Which answer is better, or a tie.
    pub preferred_side: Preferred,
}

/// Preferred side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preferred {
    /// The first configuration's answer is better.
    First,
    /// The second configuration's answer is better.
    Second,
    /// Neither answer is better.
    Neither,
}

impl Preferred {
    /// Returns the stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
            Self::Neither => "tie",
        }
    }
    /// Parses a stored name, the inverse of `as_str`; `None` if the name is unknown.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::First, Self::Second, Self::Neither];
        all.into_iter().find(|preferred| preferred.as_str() == text)
    }
    /// Returns the preference with the sides swapped.
    pub fn swapped(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
            Self::Neither => Self::Neither,
        }
    }
    /// Combines two judgments of a pair, the second of which had the sides swapped. If the preference changes
    /// with the order, the result is a tie.
    pub fn from_both_orders(original: Self, swapped: Self) -> Self {
        match (original, swapped) {
            (Self::First, Self::Second) => Self::First,
            (Self::Second, Self::First) => Self::Second,
            _ => Self::Neither,
        }
    }
}

/// Estimated log-strengths of configurations, with their confidence intervals.
#[derive(Debug, Clone, PartialEq)]
pub struct StrengthEstimates {
    /// Log-strength by configuration.
    pub strengths: Vec<f64>,
    /// 95% bootstrap confidence intervals.
    pub intervals: Vec<(f64, f64)>,
    /// Tie parameter: 0 means no ties; 1 means that sides of equal strength tie in a third of the matches.
    pub ties: f64,
}

/// Estimates the strengths of `configurations` configurations from their matches.
///
/// # Errors
/// Returns an error if a match compares a configuration with itself or with an unknown index.
pub fn fit(
    configurations: usize,
    matches: &[Match],
    seed: u64,
) -> Result<StrengthEstimates, ExperimentError> {
    let wrong = |comparison: &Match| {
        comparison.first_index == comparison.second_index
            || comparison.first_index.max(comparison.second_index) >= configurations
    };
    if matches.iter().any(wrong) {
        return Err(ExperimentError::Evaluator(
            "a comparison needs two different known configurations".to_owned(),
        ));
    }
    let (strengths, ties) = solve(configurations, matches, PSEUDO_WINS);
    let mut cases: Vec<usize> = matches.iter().map(|comparison| comparison.case).collect();
    cases.sort_unstable();
    cases.dedup();
    let mut random = Random::new(seed);
    let mut resampled: Vec<Vec<f64>> = vec![Vec::with_capacity(RESAMPLES); configurations];
    for _ in 0..RESAMPLES {
        // Resample whole cases, because matches on the same case are not independent.
        let mut again = Vec::with_capacity(matches.len());
        for _ in 0..cases.len() {
            let case = cases[random.index_below(cases.len())];
            again.extend(matches.iter().filter(|comparison| comparison.case == case));
        }
        let (strengths, _) = solve(configurations, &again, PSEUDO_WINS);
        for (all, strength) in resampled.iter_mut().zip(strengths) {
            all.push(strength);
        }
    }
    let interval = |mut all: Vec<f64>| {
        all.sort_by(f64::total_cmp);
        percentile_interval(&all, 0.95)
    };
    Ok(StrengthEstimates {
        strengths,
        intervals: resampled.into_iter().map(interval).collect(),
        ties,
    })
}

/// The results of all matches between two configurations.
#[derive(Debug, Clone, Copy, Default)]
struct PairCount {
    first_wins: f64,
    ties: f64,
    second_wins: f64,
}

fn solve(configurations: usize, matches: &[Match], pseudo_wins: f64) -> (Vec<f64>, f64) {
    let mut pairs = std::collections::BTreeMap::<(usize, usize), PairCount>::new();
    for comparison in matches {
        let is_swapped = comparison.first_index > comparison.second_index;
        let key = (
            comparison.first_index.min(comparison.second_index),
            comparison.first_index.max(comparison.second_index),
        );
        let count = pairs.entry(key).or_insert(PairCount {
            first_wins: pseudo_wins,
            ties: 0.0,
            second_wins: pseudo_wins,
        });
        match comparison.preferred_side {
            Preferred::Neither => count.ties += 1.0,
            Preferred::First if is_swapped => count.second_wins += 1.0,
            Preferred::Second if !is_swapped => count.second_wins += 1.0,
            _ => count.first_wins += 1.0,
        }
    }
    let mut won = vec![0.0; configurations];
    let mut tied = 0.0;
    for (&(i, j), count) in &pairs {
        won[i] += count.first_wins + count.ties / 2.0;
        won[j] += count.second_wins + count.ties / 2.0;
        tied += count.ties;
    }
    let mut strengths = vec![1.0_f64; configurations];
    let mut nu = if tied > 0.0 { 1.0 } else { 0.0 };
    for _ in 0..MAX_ITERATIONS {
        let mut weight = vec![0.0; configurations];
        for (&(i, j), count) in &pairs {
            let root = (strengths[i] * strengths[j]).sqrt();
            let share = (count.first_wins + count.ties + count.second_wins)
                / (strengths[i] + strengths[j] + nu * root);
            weight[i] += share * (1.0 + nu / 2.0 * root / strengths[i]);
            weight[j] += share * (1.0 + nu / 2.0 * root / strengths[j]);
        }
        let previous_strengths = strengths.clone();
        for setting in 0..configurations {
            if weight[setting] > 0.0 {
                strengths[setting] = (won[setting] / weight[setting]).clamp(1e-9, 1e9);
            }
        }
        let middle = strengths.iter().map(|strength| strength.ln()).sum::<f64>()
            / configurations.max(1) as f64;
        strengths
            .iter_mut()
            .for_each(|strength| *strength /= middle.exp());
        let mut room = 0.0;
        for (&(i, j), count) in &pairs {
            let root = (strengths[i] * strengths[j]).sqrt();
            room += (count.first_wins + count.ties + count.second_wins) * root
                / (strengths[i] + strengths[j] + nu * root);
        }
        let ties = if room > 0.0 { tied / room } else { 0.0 };
        let moved = strengths
            .iter()
            .zip(&previous_strengths)
            .map(|(a, b)| (a / b).ln().abs())
            .fold((ties - nu).abs(), f64::max);
        nu = ties;
        if moved < 1e-11 {
            break;
        }
    }
    (strengths.iter().map(|strength| strength.ln()).collect(), nu)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn without_wins_besides_it_is_the_maximum_that_scipy_finds() {
        let text = include_str!("../../../tests/data/statistics/expected.json");
        let all: Value = serde_json::from_str(text).expect("the fixture is JSON");
        for row in all["davidson"].as_array().expect("a list") {
            let mut matches = Vec::new();
            for game in row["games"].as_array().expect("a list") {
                let number = |place: usize| game[place].as_u64().expect("a count") as usize;
                for (place, preferred) in [
                    (2, Preferred::First),
                    (3, Preferred::Neither),
                    (4, Preferred::Second),
                ] {
                    let comparison = Match {
                        case: 0,
                        first_index: number(0),
                        second_index: number(1),
                        preferred_side: preferred,
                    };
                    matches.extend((0..number(place)).map(|_| comparison));
                }
            }
            let scipy_strengths: Vec<f64> = row["strengths"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|value| value.as_f64().expect("a number"))
                .collect();
            let (own_strengths, ties) = solve(scipy_strengths.len(), &matches, 0.0);
            for (actual, expected) in own_strengths.iter().zip(&scipy_strengths) {
                assert!(
                    (actual - expected).abs() < 1e-5,
                    "{own_strengths:?} {scipy_strengths:?}"
                );
            }
            assert!(
                (ties - row["ties"].as_f64().expect("a number")).abs() < 1e-5,
                "{ties} {row}"
            );
        }
    }

    #[test]
    fn planted_strengths_come_back_in_their_order_within_their_intervals() {
        let mut random = Random::new(21);
        let planted: Vec<f64> = (0..8)
            .map(|place| f64::from(place) * 0.35 - 1.225)
            .collect();
        let mut matches = Vec::new();
        for case in 0..40 {
            for first in 0..8 {
                for second in 0..first {
                    let (a, b) = (planted[first].exp(), planted[second].exp());
                    let tie = 0.5 * (a * b).sqrt();
                    let preferred = match random.next_unit() * (a + b + tie) {
                        x if x < a => Preferred::First,
                        x if x < a + b => Preferred::Second,
                        _ => Preferred::Neither,
                    };
                    matches.push(Match {
                        case,
                        first_index: first,
                        second_index: second,
                        preferred_side: preferred,
                    });
                }
            }
        }
        let strengths = fit(8, &matches, 3).expect("sound");
        let swapped = (0..8)
            .flat_map(|second| (0..second).map(move |first| (first, second)))
            .filter(|(first, second)| strengths.strengths[*first] > strengths.strengths[*second]);
        assert!(swapped.count() <= 1, "{:?}", strengths.strengths);
        let covered_strengths = planted
            .iter()
            .zip(&strengths.intervals)
            .filter(|(strength, (from, to))| from <= strength && *strength <= to);
        assert!(covered_strengths.count() >= 6, "{strengths:?}");
        assert!((strengths.ties - 0.5).abs() < 0.15, "{}", strengths.ties);
    }

    #[test]
    fn inconsistent_judgments_are_ties_and_invalid_matches_are_rejected() {
        use Preferred::{First, Neither, Second};
        assert_eq!(Preferred::from_both_orders(First, Second), First);
        assert_eq!(Preferred::from_both_orders(Second, First), Second);
        assert_eq!(Preferred::from_both_orders(First, First), Neither);
        assert_eq!(Preferred::from_both_orders(Neither, First), Neither);
        let comparison = Match {
            case: 0,
            first_index: 0,
            second_index: 1,
            preferred_side: First,
        };
        assert!(fit(1, &[comparison], 1).is_err());
        assert!(
            fit(
                2,
                &[Match {
                    second_index: 0,
                    ..comparison
                }],
                1
            )
            .is_err()
        );
        let undefeated = fit(3, &[comparison; 9], 1).expect("sound");
        assert!(
            undefeated
                .strengths
                .iter()
                .all(|strength| strength.is_finite())
        );
        assert!(undefeated.strengths[0] > undefeated.strengths[1]);
        assert!(fit(2, &[], 1).expect("nothing was compared").strengths == [0.0, 0.0]);
    }
}
