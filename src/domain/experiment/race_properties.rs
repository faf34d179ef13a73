//! Simulation tests of properties that every race has, no matter how it is interrupted, ordered, priced, or observed.

use super::*;
use crate::domain::statistics::betting;

/// Whatever its size, budget, order of results, and interruptions, the race ends the same way.
#[test]
fn interrupted_races_end_like_uninterrupted_ones() {
    let mut random = Random::new(21);
    for seed in 0..15 {
        let axes = [
            2 + random.index_below(5),
            1 + random.index_below(5),
            1 + random.index_below(4),
        ];
        let (arms, cases) = (grid(&axes), 5 + random.index_below(60));
        let truth = truth::draw(&arms, cases, USUAL, &mut || random.next_normal());
        let prices: Vec<i64> = (0..arms.len())
            .map(|_| 1 + random.index_below(900) as i64)
            .collect();
        let mut design = design(&arms, cases, 20 + random.index_below(300) as u64, seed);
        design.budget.cost = Some(MicroDollars(20_000 + random.index_below(200_000) as i64));
        design.declared = prices
            .iter()
            .map(|&price| outcome_with_cost(0.0, price))
            .collect();
        let outcome = |trial: Trial| {
            outcome_with_cost(truth.scores[trial.arm][trial.case], prices[trial.arm])
        };
        let mut uninterrupted = SuccessiveHalving::new(design.clone());
        let mut interrupted = SuccessiveHalving::new(design.clone());
        let mut stored_results: Vec<(Trial, TrialOutcome)> = Vec::new();
        while let RaceStep::Evaluate(trials) = uninterrupted.next() {
            assert!(uninterrupted.record(trials[0], outcome(trials[0])));
        }
        while let RaceStep::Evaluate(trials) = interrupted.next() {
            let trial = trials[random.index_below(trials.len())];
            assert!(interrupted.record(trial, outcome(trial)));
            stored_results.push((trial, outcome(trial)));
            if random.index_below(40) == 0 {
                interrupted =
                    SuccessiveHalving::resume(design.clone(), stored_results.iter().copied());
            }
        }
        assert_eq!(interrupted.next(), uninterrupted.next(), "{seed}");
        assert_eq!(interrupted.states(), uninterrupted.states(), "{seed}");
        assert_eq!(interrupted.results(), uninterrupted.results(), "{seed}");
    }
}

/// Among identical configurations, the current one stays the leader and none is eliminated.
#[test]
fn the_current_configuration_wins_among_identical_ones() {
    let arms = grid(&[3, 4]);
    let mut random = Random::new(22);
    for seed in 0..50 {
        let mut truth = truth::draw(&arms, 30, USUAL, &mut || random.next_normal());
        let first_scores = truth.scores[0].clone();
        truth
            .scores
            .iter_mut()
            .for_each(|scores| scores.clone_from(&first_scores));
        let mut design = design(&arms, 30, 90 + 10 * seed, seed);
        design.current = random.index_below(12);
        let mut race = SuccessiveHalving::new(design);
        let verdict = run(&mut race, &truth);
        let expected = (race.design().current, HoldoutFinding::CurrentLeads);
        assert_eq!((verdict.leader, verdict.finding), expected);
        assert!(
            !race
                .states()
                .iter()
                .any(|state| matches!(state, ConfigurationState::Beaten(_)))
        );
    }
}

/// A 95% interval that is checked after every outcome of a race with optional stopping and elimination misses the true
/// value for at most 5% of configurations.
#[test]
fn intervals_hold_under_continuous_monitoring() {
    let true_means = [0.3, 0.5, 0.5, 0.6, 0.7, 0.9];
    let arms = grid(&[6]);
    let mut random = Random::new(23);
    let (mut missed, mut all) = (0, 0);
    for seed in 0..150 {
        let scores = true_means.map(|true_mean| {
            let score = |_| {
                if random.next_unit() < true_mean {
                    1.0
                } else {
                    0.0
                }
            };
            (0..80).map(score).collect::<Vec<f64>>()
        });
        let mut race = SuccessiveHalving::new(design(&arms, 80, 300, seed));
        let mut holds = [true; 6];
        while let RaceStep::Evaluate(trials) = race.next() {
            for trial in trials {
                race.record(trial, outcome_with_cost(scores[trial.arm][trial.case], 0));
            }
            for (arm, true_mean) in true_means.iter().enumerate() {
                let values = race.values(arm, 80);
                // Each test is one-sided, so the interval misses if it is entirely below or entirely above
                // the true value.
                let mirrored: Vec<f64> = values.iter().map(|value| 1.0 - value).collect();
                let is_missed = betting::is_below(&values, (0.0, 1.0), *true_mean, 0.025)
                    || betting::is_below(&mirrored, (0.0, 1.0), 1.0 - true_mean, 0.025);
                holds[arm] &= !is_missed;
            }
        }
        missed += holds.iter().filter(|held| !**held).count();
        all += 6;
    }
    assert!(missed * 20 <= all, "{missed} of {all}");
}

/// An experiment that ended under the rules of an earlier version keeps its verdict and outcomes.
#[test]
fn a_stored_verdict_is_kept() {
    let arms = grid(&[2]);
    let stored_results: Vec<(Trial, TrialOutcome)> = [(0, 3), (1, 3), (1, 7), (0, 7)]
        .map(|(arm, case)| (Trial { arm, case }, outcome_with_cost(0.5, 10)))
        .to_vec();
    let race = SuccessiveHalving::resume(design(&arms, 40, 100, 1), stored_results.clone());
    assert!(matches!(race.next(), RaceStep::Evaluate(_)));
    let verdict = RaceVerdict {
        leader: 1,
        stop: StopReason::CloseEnough,
        finding: HoldoutFinding::NotDistinguishable,
        difference: None,
    };
    let race = race.close(stored_results, verdict);
    assert_eq!(race.next(), RaceStep::Done(verdict));
    assert_eq!((race.results().len(), race.spent().cost.0), (4, 40));
}
