//! Power of the final comparison: the smallest difference that it detects in 80 of 100 experiments. Computed
//! by simulating the actual test with the kind of scores that the evaluator assigns, because with few cases,
//! the exact test is far less powerful than formulas based on its normal approximation say.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::design::Design;
use super::final_test::{self, FinalTest, SIGNIFICANCE_LEVEL};
use super::race_budget::configuration_count;
use super::{MAX_CASES, Objective};
use crate::domain::statistics::random::Random;

/// Required power, which is the fraction of experiments that must detect the difference, 0 to 1.
pub const REQUIRED_POWER: f64 = 0.8;
/// Further differences whose detection rates are reported, in points of the score.
const REPORTED_DIFFERENCES: [f64; 3] = [0.05, 0.1, 0.2];
/// Assumed standard deviation of the difference between two graded scores on one case, in points of the score (0 to 1).
/// Typical of model answers (EVIDENCE.md, section 4).
const GRADED_SCORE_DEVIATION: f64 = 0.25;
/// Number of simulated cases per difference, over all runs. Limits the computing time to a few milliseconds.
const SIMULATED_CASES: usize = 40_000;
/// Seed of the simulations, the same for all differences, so that the rate increases with the difference.
const SIMULATION_SEED: u64 = 18;

/// Kind of scores that an evaluator assigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreKind {
    /// Either 0 or 1.
    YesNo,
    /// Either 0 or 1, minus a penalty for cost or latency.
    Priced,
    /// Any value from 0 to 1.
    Graded,
    /// 0, 0.5, or 1, for worse than, as good as, or better than the current configuration.
    Preference,
}

impl ScoreKind {
    /// Returns the kind of values that an objective derives from scores of this kind.
    pub fn with_objective(self, objective: &Objective) -> Self {
        match (self, objective) {
            (Self::YesNo | Self::Preference, Objective::Weighted { .. }) => Self::Priced,
            (kind, _) => kind,
        }
    }
    /// Returns the test that is used after the last case.
    pub fn final_test(self) -> FinalTest {
        match self {
            Self::YesNo | Self::Preference => FinalTest::Sign,
            Self::Priced | Self::Graded => FinalTest::Student,
        }
    }
    /// Returns the largest possible difference between two configurations.
    fn max_difference(self) -> f64 {
        match self {
            Self::Preference => 0.5,
            Self::YesNo | Self::Priced | Self::Graded => 1.0,
        }
    }
    /// Draws the difference in value on one case. Except for graded scores, the assumptions are those with
    /// the least power: rates around one half, no ties, and independent errors.
    fn draw(self, difference: f64, random: &mut Random) -> f64 {
        let win_rate = f64::midpoint(1.0, difference);
        let mut hit = |rate: f64| f64::from(u8::from(random.next_unit() < rate));
        match self {
            Self::YesNo => hit(win_rate) - hit(1.0 - win_rate),
            Self::Preference => hit(0.5 + difference) - 0.5,
            Self::Priced => {
                let points = hit(win_rate) - hit(1.0 - win_rate);
                points + 0.001 * random.next_normal()
            }
            Self::Graded => {
                (difference + GRADED_SCORE_DEVIATION * random.next_normal()).clamp(-1.0, 1.0)
            }
        }
    }
}

/// Power of a final comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Power {
    /// Number of compared cases.
    pub cases: usize,
    /// The test used after the last case.
    pub test: FinalTest,
    /// The kind of scores that were simulated.
    pub scores: ScoreKind,
    /// Significance level, two-sided.
    pub level: f64,
    /// Fraction of experiments in which `difference` is found, 0 to 1.
    pub power: f64,
    /// Smallest difference that is found at this rate, in points of the score; `None` if even the largest
    /// possible one is not.
    pub difference: Option<f64>,
    /// Detection rates for other differences.
    pub rates: Vec<DetectionRate>,
}

impl Power {
    /// Describes the power in a sentence: the test, the number of cases, the rates, and their assumptions.
    pub fn sentence(&self, design: &Design) -> String {
        let test = match self.scores {
            ScoreKind::YesNo => "McNemar's exact test",
            ScoreKind::Preference => "the exact sign test of the cases that are not ties",
            ScoreKind::Priced | ScoreKind::Graded => "Student's t-test of the paired differences",
        };
        let configuration = match configuration_count(design) {
            2 => "The other configuration",
            _ => "A configuration that leads the race",
        };
        let budget = &design.budget;
        // Before a run, only an upper bound on an evaluation's usage is known, so a budget may allow more cases than
        // computed.
        let is_bound =
            budget.cost.is_some() || budget.tokens.is_some() || budget.latency_ms.is_some();
        let is_exact =
            configuration_count(design) == 2 && (!is_bound || self.cases == design.cases);
        let qualifier = if is_exact { "" } else { "at least " };
        let begin = format!(
            "The final comparison is {test} (two-sided, {:.0} % with its early checks) on {qualifier}{} cases.",
            self.level * 100.0,
            self.cases
        );
        let Some(difference) = self.difference else {
            return format!(
                "{begin} That is too few: even the largest difference would be found in fewer than {:.0} of \
                 100 experiments.",
                self.power * 100.0
            );
        };
        let other = self
            .rates
            .iter()
            .rev()
            .find(|detection| detection.difference < difference);
        let other = other.map_or_else(String::new, |detection| {
            format!(
                "; one that is better by {:.2}, in {:.0} of 100",
                detection.difference,
                detection.rate * 100.0
            )
        });
        let assumption = match self.scores {
            ScoreKind::YesNo | ScoreKind::Priced => {
                "half of the answers are right and the two fail on different cases; it finds more when they fail \
                 on the same"
            }
            ScoreKind::Preference => "no comparison is a tie; it finds more when some are",
            ScoreKind::Graded => "differences on single cases deviate by 0.25",
        };
        format!(
            "{begin} {configuration} is found to be better in {:.0} of 100 experiments if it is better by \
             {difference:.3}{other}. This assumes that {assumption}.",
            self.power * 100.0
        )
    }
}

/// The rate at which a particular difference is detected.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DetectionRate {
    /// The difference, in points of the score.
    pub difference: f64,
    /// Fraction of experiments that detect the difference, 0 to 1.
    pub rate: f64,
}

/// Returns the power of a comparison with this number of cases. Each combination of score kind and number of cases is
/// simulated only once per process.
pub fn comparison_power(scores: ScoreKind, cases: usize) -> Power {
    static CACHED_POWER: Mutex<BTreeMap<(ScoreKind, usize), Power>> = Mutex::new(BTreeMap::new());
    // This limits the size of the table, since there are only four kinds of scores.
    let cases = cases.min(MAX_CASES);
    let cached_power = || CACHED_POWER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(power) = cached_power().get(&(scores, cases)) {
        return power.clone();
    }
    let power = simulate_power(scores, cases);
    cached_power().insert((scores, cases), power.clone());
    power
}

/// Returns the fraction of `runs` simulated comparisons that detect the difference.
pub fn detection_rate(
    scores: ScoreKind,
    cases: usize,
    difference: f64,
    runs: usize,
    seed: u64,
) -> f64 {
    let mut random = Random::new(seed);
    let detections = (0..runs).filter(|_| {
        let draw = |_| scores.draw(difference, &mut random);
        final_test::is_leader_better(&(0..cases).map(draw).collect::<Vec<f64>>())
    });
    detections.count() as f64 / runs.max(1) as f64
}

fn simulate_power(scores: ScoreKind, cases: usize) -> Power {
    let runs = (SIMULATED_CASES / cases.max(1)).clamp(300, 1_000);
    let rate_of =
        |difference: f64| detection_rate(scores, cases, difference, runs, SIMULATION_SEED);
    let largest = (scores.max_difference() * 1e3).round() as usize;
    let is_detectable = |step: usize| rate_of(step as f64 / 1e3) >= REQUIRED_POWER;
    let difference = (cases > 1 && is_detectable(largest)).then(|| {
        let (mut too_small, mut detectable_step) = (0, largest);
        while too_small + 1 < detectable_step {
            let middle = usize::midpoint(too_small, detectable_step);
            if is_detectable(middle) {
                detectable_step = middle;
            } else {
                too_small = middle;
            }
        }
        detectable_step as f64 / 1e3
    });
    let rates = REPORTED_DIFFERENCES.map(|difference| DetectionRate {
        difference,
        rate: rate_of(difference),
    });
    Power {
        cases,
        test: scores.final_test(),
        scores,
        level: SIGNIFICANCE_LEVEL,
        power: REQUIRED_POWER,
        difference,
        rates: rates.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [ScoreKind; 4] = [
        ScoreKind::YesNo,
        ScoreKind::Priced,
        ScoreKind::Graded,
        ScoreKind::Preference,
    ];

    /// The stated power is confirmed, within 0.05, by a longer simulation with a different seed.
    #[test]
    fn stated_power_holds_in_a_longer_simulation() {
        for kind in KINDS {
            for cases in [12, 60, 150] {
                let stated_power = comparison_power(kind, cases);
                let difference = stated_power.difference.expect("enough cases");
                let rate = detection_rate(kind, cases, difference, 3_000, 77);
                assert!(
                    (rate - REQUIRED_POWER).abs() < 0.05,
                    "{kind:?} {cases}: {rate}"
                );
                for one in &stated_power.rates {
                    let rate = detection_rate(kind, cases, one.difference, 3_000, 78);
                    assert!((rate - one.rate).abs() < 0.05, "{kind:?} {one:?} {rate}");
                }
            }
        }
    }

    #[test]
    fn too_few_cases_find_nothing_and_more_find_more() {
        for kind in KINDS {
            assert_eq!(comparison_power(kind, 0).difference, None);
            assert_eq!(comparison_power(kind, 1).difference, None);
            let detectable = |cases| comparison_power(kind, cases).difference.expect("found");
            assert!(
                detectable(20) > detectable(60) && detectable(60) > detectable(150),
                "{kind:?}"
            );
        }
        // A result of five out of five is not significant in McNemar's exact test.
        assert_eq!(comparison_power(ScoreKind::YesNo, 5).difference, None);
    }
}
