//! Tests with simulated experiments whose true scores are known, with fixed seeds.

#[path = "claims_tests.rs"]
mod claims;
#[path = "intervals_tests.rs"]
mod intervals_tests;
#[path = "race_properties.rs"]
mod race_properties;
#[path = "../../../benches/support/truth.rs"]
mod truth;

use std::collections::BTreeMap;

use super::design::{
    ConfigurationState, Design, HoldoutFinding, RaceStep, RaceVerdict, StopReason,
};
use super::successive_halving::SuccessiveHalving;
use super::{Configuration, ExperimentBudget, Objective, Trial, TrialOutcome};
use crate::domain::money::MicroDollars;
use crate::domain::statistics::random::Random;
use truth::{Spread, Truth, USUAL};

/// Returns every combination of indices for axes of these lengths.
fn grid(axes: &[usize]) -> Vec<Vec<usize>> {
    axes.iter().fold(vec![Vec::new()], |all, &length| {
        let longer = |start: &Vec<usize>| {
            let start = start.clone();
            (0..length).map(move |place| [&start[..], &[place]].concat())
        };
        all.iter().flat_map(longer).collect()
    })
}

fn design(arms: &[Vec<usize>], cases: usize, evaluations: u64, seed: u64) -> Design {
    let places = |arm: &Vec<usize>| Configuration(arm.iter().copied().map(Some).collect());
    Design {
        arms: arms.iter().map(places).collect(),
        current: 0,
        cases,
        objective: Objective::Quality,
        budget: ExperimentBudget {
            evaluations: Some(evaluations),
            ..ExperimentBudget::default()
        },
        declared: vec![outcome_with_cost(0.0, 0); arms.len()],
        indifference: 0.02,
        error_rate: 0.1,
        seed,
        search: None,
    }
}

fn outcome_with_cost(score: f64, micro: i64) -> TrialOutcome {
    TrialOutcome {
        score,
        cost: MicroDollars(micro),
        tokens: 0,
        latency_ms: 0,
        ..TrialOutcome::default()
    }
}

/// Runs a race to its end with the scores of `truth`.
fn run(race: &mut SuccessiveHalving, truth: &Truth) -> RaceVerdict {
    loop {
        match race.next() {
            RaceStep::Done(verdict) => return verdict,
            RaceStep::Propose(_) => unreachable!("nothing is searched"),
            RaceStep::Evaluate(trials) => {
                for trial in trials {
                    assert!(race.record(
                        trial,
                        outcome_with_cost(truth.scores[trial.arm][trial.case], 0)
                    ));
                }
            }
        }
    }
}

/// The race continues exactly as long as the expected gain is worth its cost.
#[test]
fn race_stops_when_the_expected_gain_is_below_its_price() {
    let arms = grid(&[6]);
    let mut random = Random::new(8);
    let truth = truth::draw(&arms, 200, USUAL, &mut || random.next_normal());
    let end = |uses: Option<u64>| {
        let mut design = design(&arms, 200, 2_000, 1);
        design.indifference = 0.0;
        design.objective = Objective::Weighted {
            dollar: 1.0,
            second: 0.0,
            uses,
        };
        let mut race = SuccessiveHalving::new(design);
        loop {
            match race.next() {
                RaceStep::Done(verdict) => return (verdict.stop, race.spent().cost.0),
                RaceStep::Propose(_) => unreachable!("nothing is searched"),
                RaceStep::Evaluate(trials) => {
                    for trial in trials {
                        let outcome = outcome_with_cost(truth.scores[trial.arm][trial.case], 1_000);
                        assert!(race.record(trial, outcome));
                    }
                }
            }
        }
    };
    let (without, few, many) = (end(None), end(Some(3)), end(Some(100_000_000)));
    assert_eq!(few.0, StopReason::NotWorth);
    assert!(few.1 < without.1, "{few:?} {without:?}");
    assert_eq!(many, without);
    assert_ne!(without.0, StopReason::NotWorth);
}

/// As a baseline, returns the configuration with the best mean after evaluating all configurations on random cases.
fn uniform_allocation(truth: &Truth, evaluations: usize, random: &mut Random) -> usize {
    let mut observed_scores: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for turn in 0..evaluations {
        let arm = turn % truth.scores.len();
        let case = random.index_below(truth.scores[arm].len());
        observed_scores
            .entry(arm)
            .or_default()
            .push(truth.scores[arm][case]);
    }
    let mean = |values: &Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    let best = observed_scores
        .iter()
        .max_by(|a, b| mean(a.1).total_cmp(&mean(b.1)));
    *best.expect("some were tried").0
}

/// Covers both independent configurations and configurations that differ mostly in shared parameter values.
#[test]
fn regret_is_at_most_two_fifths_of_uniform_evaluation() {
    let arms = grid(&[4, 3, 2]);
    for shared in [0.0, 0.7] {
        let spread = Spread { shared, ..USUAL };
        let mut random = Random::new(3);
        let (mut race_regret, mut uniform_regret) = (0.0, 0.0);
        for seed in 0..600 {
            let truth = truth::draw(&arms, 40, spread, &mut || random.next_normal());
            let mut race = SuccessiveHalving::new(design(&arms, 40, 120, seed));
            race_regret += truth.regret(run(&mut race, &truth).leader);
            assert!(race.results().len() <= 120);
            uniform_regret += truth.regret(uniform_allocation(&truth, 120, &mut random));
        }
        assert!(
            race_regret <= 0.4 * uniform_regret,
            "{shared}: {}",
            race_regret / uniform_regret
        );
    }
}

/// Among equal configurations, a winner is declared in at most a tenth of the races.
#[test]
fn no_winner_is_declared_among_equal_configurations() {
    let arms = grid(&[8]);
    let mut wrong = 0;
    let mut random = Random::new(4);
    let spread = Spread { arm: 0.0, ..USUAL };
    for seed in 0..1_000 {
        let truth = truth::draw(&arms, 60, spread, &mut || random.next_normal());
        let yes_or_no = seed % 2 == 0;
        let mut truth = truth;
        if yes_or_no {
            truth
                .scores
                .iter_mut()
                .flatten()
                .for_each(|score| *score = score.round());
        }
        let mut race = SuccessiveHalving::new(design(&arms, 60, 240, seed));
        let verdict = run(&mut race, &truth);
        wrong += usize::from(matches!(
            verdict.finding,
            HoldoutFinding::Better | HoldoutFinding::Worse
        ));
    }
    assert!(wrong <= 100, "{wrong}");
}

/// The best configuration is eliminated in at most a tenth of the races, and the eliminated ones are truly
/// worse than the leader.
#[test]
fn elimination_seldom_drops_the_best_configuration() {
    // The top two are equal, so a race between them rarely ends early, and the others are evaluated on many cases.
    let offsets = [0.2, 0.2, 0.19, 0.0, -0.1, -0.2];
    let arms = grid(&[6]);
    let (mut wrong, mut beaten) = (0, 0);
    let mut random = Random::new(5);
    let spread = Spread {
        arm: 0.0,
        noise: 0.05,
        ..USUAL
    };
    for seed in 0..200 {
        let mut truth = truth::draw(&arms, 300, spread, &mut || random.next_normal());
        for (scores, offset) in truth.scores.iter_mut().zip(offsets) {
            scores
                .iter_mut()
                .for_each(|score| *score = (*score + offset).clamp(0.0, 1.0));
        }
        let mut design = design(&arms, 300, 100_000, seed);
        design.indifference = 0.0;
        let mut race = SuccessiveHalving::new(design);
        run(&mut race, &truth);
        for (arm, state) in race.states().iter().enumerate() {
            if let ConfigurationState::Beaten(left) = state {
                assert!(left.interval.1 < 0.0, "{left:?}");
                wrong += usize::from(arm < 2);
                beaten += 1;
            }
        }
    }
    assert!(beaten > 100, "{beaten}");
    assert!(wrong <= 20, "{wrong}");
}

/// A race that is interrupted after any outcome and resumed makes the same decisions. The longer race is resumed only
/// after every fifth outcome, because resuming replays everything before.
#[test]
fn a_resumed_race_has_the_result_of_an_uninterrupted_one() {
    for (axes, evaluations, every) in [(vec![4, 3, 2], 120, 1), (vec![5, 5, 4, 3], 400, 5)] {
        let arms = grid(&axes);
        let mut random = Random::new(6);
        let truth = truth::draw(&arms, 40, USUAL, &mut || random.next_normal());
        let mut uninterrupted = SuccessiveHalving::new(design(&arms, 40, evaluations, 9));
        let verdict = run(&mut uninterrupted, &truth);
        let mut interrupted = SuccessiveHalving::new(design(&arms, 40, evaluations, 9));
        let mut stored_results: Vec<(Trial, TrialOutcome)> = Vec::new();
        let resumed = loop {
            match interrupted.next() {
                RaceStep::Done(verdict) => break verdict,
                RaceStep::Propose(_) => unreachable!("nothing is searched"),
                RaceStep::Evaluate(trials) => {
                    // Outcomes may arrive in any order.
                    let trial = trials[random.index_below(trials.len())];
                    let outcome = outcome_with_cost(truth.scores[trial.arm][trial.case], 0);
                    assert!(interrupted.record(trial, outcome));
                    assert!(!interrupted.record(trial, outcome), "a second time");
                    stored_results.push((trial, outcome));
                    if stored_results.len().is_multiple_of(every) {
                        let (design, stored_results) =
                            (interrupted.design().clone(), stored_results.iter().copied());
                        interrupted = SuccessiveHalving::resume(design, stored_results);
                    }
                }
            }
        };
        assert_eq!(resumed, verdict);
        assert_eq!(interrupted.states(), uninterrupted.states());
        assert_eq!(interrupted.results(), uninterrupted.results());
    }
}

/// Regardless of what calls cost, the budget is exceeded by at most the amount by which one call exceeds its bound.
#[test]
fn the_budget_is_never_overrun_beyond_one_call() {
    let arms = grid(&[4, 3]);
    let mut random = Random::new(8);
    for seed in 0..200 {
        let truth = truth::draw(&arms, 30, USUAL, &mut || random.next_normal());
        let mut design = design(&arms, 30, 10_000, seed);
        let limit = 20_000 + 1_000 * seed as i64;
        design.budget.cost = Some(MicroDollars(limit));
        design.declared = vec![outcome_with_cost(0.0, 1_000); arms.len()];
        let mut race = SuccessiveHalving::new(design);
        let honest = seed % 2 == 0;
        while let RaceStep::Evaluate(trials) = race.next() {
            let cost_before = race.spent().cost.0;
            let trial = trials[0];
            assert!(cost_before + 1_000 <= limit, "{cost_before} of {limit}");
            let max_cost = if honest { 1_000 } else { 5_000 };
            race.record(
                trial,
                outcome_with_cost(
                    truth.scores[trial.arm][trial.case],
                    random.index_below(max_cost) as i64 + 1,
                ),
            );
            assert!(!honest || race.spent().cost.0 <= limit);
        }
        assert!(
            race.spent().cost.0 > limit / 4,
            "{} of {limit}",
            race.spent().cost.0
        );
    }
}

/// In a space that is too large to enumerate, proposals beat random draws.
#[test]
fn a_large_space_is_searched() {
    let arms = grid(&[5, 5, 4, 3]);
    let mut random = Random::new(12);
    let spread = Spread {
        arm: 0.15,
        shared: 0.9,
        ..USUAL
    };
    let (mut race_regret, mut drawn_regret) = (0.0, 0.0);
    for seed in 0..50 {
        let truth = truth::draw(&arms, 40, spread, &mut || random.next_normal());
        let mut race = SuccessiveHalving::new(design(&arms, 40, 500, seed));
        race_regret += truth.regret(run(&mut race, &truth).leader);
        // Compare with the best of 40 random configurations, chosen with perfect knowledge of their values.
        let lucky = (0..40).map(|_| truth.regret(random.index_below(arms.len())));
        drawn_regret += lucky.fold(f64::MAX, f64::min);
    }
    assert!(race_regret < drawn_regret, "{race_regret} {drawn_regret}");
}

#[test]
fn a_clear_winner_is_found_and_reported() {
    let arms = grid(&[4]);
    let mut truth = truth::draw(&arms, 60, USUAL, &mut || 0.0);
    let mut random = Random::new(1);
    for (arm, scores) in truth.scores.iter_mut().enumerate() {
        let base = if arm == 2 { 0.8 } else { 0.4 };
        scores
            .iter_mut()
            .for_each(|score| *score = base + 0.1 * random.next_normal());
    }
    let mut race = SuccessiveHalving::new(design(&arms, 60, 200, 1));
    let verdict = run(&mut race, &truth);
    assert_eq!(
        (verdict.leader, verdict.finding),
        (2, HoldoutFinding::Better)
    );
    let found = verdict.difference.expect("tested");
    assert!(
        found.interval.0 < 0.4 && 0.4 < found.interval.1,
        "{found:?}"
    );
}

#[test]
fn races_that_cannot_be_run_end_at_once() {
    for (arms, cases, evaluations) in [(0, 10, 10), (3, 0, 10), (3, 10, 0), (1, 1, 1), (2, 2, 2)] {
        let arms = grid(&[arms]);
        let truth = truth::draw(&arms, cases, USUAL, &mut || 0.0);
        let mut race = SuccessiveHalving::new(design(&arms, cases, evaluations, 1));
        let verdict = run(&mut race, &truth);
        assert!(race.results().len() as u64 <= evaluations, "{verdict:?}");
    }
}

/// Property tests with arbitrary designs and outcomes, valid or not.
mod any_request {
    use proptest::prelude::*;

    use super::super::JudgeCost;
    use super::*;

    fn any_amount() -> impl Strategy<Value = u64> {
        prop_oneof![0u64..5, 0u64..100_000, Just(u64::MAX), any::<u64>()]
    }

    fn any_outcome() -> impl Strategy<Value = TrialOutcome> {
        let score = prop_oneof![0.0..1.0, Just(f64::NAN), Just(f64::INFINITY), Just(-1e300)];
        (
            score,
            any_amount(),
            any_amount(),
            any_amount(),
            any_amount(),
        )
            .prop_map(|(score, cost, tokens, latency_ms, judged)| TrialOutcome {
                score,
                cost: MicroDollars((cost >> 1) as i64),
                tokens,
                latency_ms,
                judged: JudgeCost {
                    cost: MicroDollars((judged >> 1) as i64),
                    tokens: judged,
                },
            })
    }

    fn any_budget() -> impl Strategy<Value = ExperimentBudget> {
        let part = || prop::option::of(any_amount());
        (part(), part(), part(), part()).prop_map(|(cost, tokens, latency_ms, evaluations)| {
            ExperimentBudget {
                cost: cost.map(|cost| MicroDollars((cost >> 1) as i64)),
                tokens,
                latency_ms,
                evaluations,
            }
        })
    }

    fn arbitrary_design() -> impl Strategy<Value = Design> {
        let size = prop_oneof![
            prop::collection::vec(1usize..4, 0..4),
            Just(vec![65]),
            Just(vec![10, 12]),
        ];
        let objective = prop_oneof![
            Just(Objective::Quality),
            Just(Objective::Pareto),
            (0.0..10.0, 0.0..1e9, prop::option::of(any_amount())).prop_map(
                |(dollar, second, uses)| {
                    Objective::Weighted {
                        dollar,
                        second,
                        uses,
                    }
                }
            ),
        ];
        let numbers = (0usize..30, any::<u64>(), 0.0..0.5, 0.001..0.5);
        (
            size,
            any_budget(),
            any_outcome(),
            objective,
            numbers,
            any::<prop::sample::Index>(),
        )
            .prop_map(
                |(
                    size,
                    budget,
                    declared,
                    objective,
                    (cases, seed, indifference, wrong),
                    current,
                )| {
                    let arms = grid(&size);
                    Design {
                        current: current.index(arms.len()),
                        budget,
                        declared: vec![declared; arms.len()],
                        objective,
                        indifference,
                        error_rate: wrong,
                        ..design(&arms, cases, 0, seed)
                    }
                },
            )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn no_design_and_no_result_stops_a_race_short(
            design in arbitrary_design(),
            outcomes in prop::collection::vec(any_outcome(), 1..20),
            order in any::<u64>(),
        ) {
            let mut race = SuccessiveHalving::new(design);
            let mut random = Random::new(order);
            for count in 0..400 {
                let RaceStep::Evaluate(trials) = race.next() else { break };
                prop_assert!(!trials.is_empty());
                let trial = trials[random.index_below(trials.len())];
                prop_assert!(race.record(trial, outcomes[count % outcomes.len()]));
            }
            prop_assert!(race.states().len() == race.design().arms.len());
        }
    }

    #[test]
    fn a_large_space_with_a_budget_for_less_than_two_evaluations_is_over_at_once() {
        let arms = grid(&[70]);
        for evaluations in 0..3 {
            let race = SuccessiveHalving::new(design(&arms, 10, evaluations, 1));
            let RaceStep::Done(verdict) = race.next() else {
                panic!("{evaluations}");
            };
            assert_eq!(
                (verdict.finding, verdict.stop),
                (HoldoutFinding::NotTested, StopReason::Budget)
            );
        }
        let race = SuccessiveHalving::new(design(&arms, 10, 3, 1));
        assert!(matches!(race.next(), RaceStep::Evaluate(_)));
    }
}
