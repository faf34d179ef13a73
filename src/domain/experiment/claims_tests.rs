//! Checks the statistical claims that experiments make, on simulated experiments with a known truth. These
//! are smaller versions of what `make evidence` checks.

use super::*;
use crate::domain::experiment::power::{self, ScoreKind};
use crate::domain::experiment::report::mean_interval;

/// Draws independent yes-or-no scores of configurations that are right at these rates.
fn yes_or_no_scores(rates: &[f64], cases: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut random = Random::new(seed);
    let mut score = |rate: f64| f64::from(u8::from(random.next_unit() < rate));
    let rows = rates
        .iter()
        .map(|&rate| (0..cases).map(|_| score(rate)).collect());
    rows.collect()
}

/// Runs a race over these scores.
fn run_race(
    scores: Vec<Vec<f64>>,
    evaluations: u64,
    seed: u64,
) -> (SuccessiveHalving, RaceVerdict) {
    let arms = grid(&[scores.len()]);
    let truth = Truth {
        effects: vec![0.0; scores.len()],
        scores,
    };
    let cases = truth.scores[0].len();
    let mut race = SuccessiveHalving::new(design(&arms, cases, evaluations, seed));
    let verdict = run(&mut race, &truth);
    (race, verdict)
}

/// If two configurations are right at rates of .60 and .75, at least 60% of the experiments with 300 evaluations find
/// the difference. Unless the difference is overwhelming, they spend the whole budget.
#[test]
fn a_difference_of_fifteen_points_is_found_in_most_experiments() {
    const RUNS: u64 = 200;
    let mut wins = 0;
    for seed in 0..RUNS {
        let scores = yes_or_no_scores(&[0.6, 0.75], 200, seed);
        let (race, verdict) = run_race(scores, 300, seed);
        wins += u64::from(verdict.finding == HoldoutFinding::Better);
        let stopped_early = verdict.stop == StopReason::OneLeft;
        assert!(stopped_early || race.results().len() == 300, "{verdict:?}");
    }
    assert!(wins * 10 >= RUNS * 6, "{wins} of {RUNS}");
}

#[test]
fn the_rest_of_the_budget_is_spent_on_unused_cases() {
    let scores = yes_or_no_scores(&[0.6, 0.62, 0.61, 0.6], 400, 3);
    let (race, verdict) = run_race(scores, 240, 3);
    let (order, holdout) = race.race_and_holdout_cases();
    let depth = |arm| race.values(arm, order.len()).len();
    assert!(holdout.len() > 60 && order.len() + holdout.len() == 400);
    assert!((0..4).all(|arm| depth(arm) <= order.len()));
    if verdict.leader != 0 {
        let compared = verdict.difference.expect("tested").cases;
        assert!(compared >= 20, "{compared}");
        assert!(race.results().len() >= 238, "{}", race.results().len());
    }
}

/// After a race that drops some configurations early, the leaderboard's intervals cover the truth for 93 to 97 of
/// 100 configurations.
#[test]
fn intervals_of_the_leaderboard_cover_the_truth() {
    for graded in [false, true] {
        let (mut covered_count, mut all, mut width) = (0.0, 0.0, 0.0);
        for seed in 0..150 {
            let mut random = Random::new(seed ^ 0xC0);
            let true_means: Vec<f64> = (0..8).map(|_| 0.55 + 0.08 * random.next_normal()).collect();
            let scores = match graded {
                false => yes_or_no_scores(&true_means, 120, seed),
                true => {
                    let difficulties: Vec<f64> =
                        (0..120).map(|_| 0.1 * random.next_normal()).collect();
                    let mut score = |true_mean: f64, difficulty: f64| {
                        true_mean + difficulty + 0.12 * random.next_normal()
                    };
                    let rows = true_means.iter().map(|&true_mean| {
                        let row = difficulties
                            .iter()
                            .map(|&difficulty| score(true_mean, difficulty).clamp(0.0, 1.0));
                        row.collect()
                    });
                    rows.collect()
                }
            };
            let (race, _) = run_race(scores, 240, seed);
            for (arm, true_mean) in true_means.iter().enumerate() {
                let values = race.values(arm, 120);
                let (from, to) = mean_interval(&values);
                covered_count += f64::from(u8::from(from <= *true_mean && *true_mean <= to));
                width += to - from;
                all += 1.0;
            }
        }
        let coverage = covered_count / all;
        assert!((0.93..=0.97).contains(&coverage), "{graded}: {coverage}");
        assert!(width / all < 0.5, "{graded}: {}", width / all);
    }
}

/// The difference that is stated as detectable before a run is found at the stated rate, even though the leader is
/// chosen by the race and the test may stop early.
#[test]
fn the_stated_difference_is_detected_at_the_stated_rate() {
    const RUNS: u64 = 400;
    let stated_power = power::comparison_power(ScoreKind::YesNo, 60);
    let difference = stated_power.difference.expect("enough cases");
    let rates = [0.5 - difference / 2.0, 0.5 + difference / 2.0];
    let detections = (0..RUNS).filter(|&seed| {
        let (_, verdict) = run_race(yes_or_no_scores(&rates, 60, seed), 120, seed);
        verdict.finding == HoldoutFinding::Better
    });
    let rate = detections.count() as f64 / RUNS as f64;
    assert!(
        (rate - stated_power.power).abs() < 0.06,
        "{difference}: {rate}"
    );
}

/// Of two equal configurations, one is called better in at most 5% of races, however often the test is evaluated.
#[test]
fn equal_configurations_are_called_different_in_at_most_5_percent() {
    const RUNS: u64 = 600;
    let wrong = (0..RUNS).filter(|&seed| {
        let (_, verdict) = run_race(yes_or_no_scores(&[0.6, 0.6], 100, seed), 200, seed);
        matches!(
            verdict.finding,
            HoldoutFinding::Better | HoldoutFinding::Worse
        )
    });
    let wrong = wrong.count() as u64;
    assert!(wrong * 20 <= RUNS, "{wrong} of {RUNS}");
}
