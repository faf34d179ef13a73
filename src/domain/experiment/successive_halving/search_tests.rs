//! Tests the prompt search on a scripted model whose score depends on known phrases, with fixed seeds.

#[path = "../../../../benches/support/searched.rs"]
mod searched;

use crate::domain::experiment;
use crate::domain::experiment::design::{HoldoutFinding, RaceStep};
use crate::domain::experiment::successive_halving::SuccessiveHalving;
use searched::{Script, design, run_search};

const DEFAULT_SCRIPT: Script = Script {
    cases: 150,
    evaluations: 400,
    proposals: 8,
    skill: 0.7,
    seed: 0,
};

/// Searches find a prompt with more of the useful phrases within the budget, and confirm it on cases that neither the
/// proposing model nor the race has seen.
#[test]
fn better_prompts_are_found_and_confirmed() {
    const RUNS: u64 = 60;
    let (mut total_gain, mut improved_count, mut rollouts) = (0.0, 0, 0);
    for seed in 0..RUNS {
        let outcome = run_search(Script {
            seed,
            ..DEFAULT_SCRIPT
        });
        total_gain += (outcome.leader - outcome.given) / RUNS as f64;
        improved_count += u64::from(outcome.verdict.finding == HoldoutFinding::Better);
        rollouts += outcome.race.results().len() as u64;
        assert!(outcome.race.results().len() <= 400 && outcome.proposals.len() <= 8);
        // The holdout shares no case with the race, whose first cases are shown to the proposing model.
        let (order, holdout) = outcome.race.race_and_holdout_cases();
        assert!(holdout.iter().all(|case| !order.contains(case)));
    }
    assert!(total_gain > 0.15, "{total_gain}");
    assert!(
        improved_count * 10 >= RUNS * 7,
        "{improved_count} of {RUNS}"
    );
    assert!(rollouts < RUNS * 400, "{rollouts}");
}

/// If the proposing model adds only useless phrases, no proposed prompt is better than its parent. At most 5% of such
/// searches report a leader as better although its prompt is no better than the current one.
#[test]
fn useless_proposals_are_not_called_better() {
    const RUNS: u64 = 200;
    let wrong = (0..RUNS).filter(|&seed| {
        let mut script = Script {
            skill: 0.0,
            seed,
            ..DEFAULT_SCRIPT
        };
        script.cases = 90;
        script.evaluations = 240;
        let outcome = run_search(script);
        // The second given prompt is better than the current one, so only other leaders count as wrong.
        let is_equal = outcome.leader <= outcome.current;
        is_equal && outcome.verdict.finding == HoldoutFinding::Better
    });
    let wrong = wrong.count() as u64;
    assert!(wrong * 20 <= RUNS, "{wrong} of {RUNS}");
}

/// A search that is interrupted after any outcome or proposal and replayed makes the same decisions.
#[test]
fn an_interrupted_search_has_the_same_family() {
    for seed in 0..6 {
        let script = Script {
            seed,
            ..DEFAULT_SCRIPT
        };
        let uninterrupted = run_search(script);
        let stops = [0, 1, 30, 77, uninterrupted.results.len()];
        for stop in stops {
            let known_results = uninterrupted.results[..stop].iter().copied();
            // All proposals are known, but the race uses only those that it has requested so far.
            let mut race = SuccessiveHalving::replay(
                design(script, 2),
                known_results,
                uninterrupted.proposals.iter().copied(),
            );
            for (trial, outcome) in &uninterrupted.results[stop..] {
                while let RaceStep::Propose(_) = race.next() {
                    assert!(race.propose(uninterrupted.proposals[race.proposals()]));
                }
                assert!(race.record(*trial, *outcome), "{seed} {stop} {trial:?}");
            }
            assert_eq!(race.next(), uninterrupted.race.next(), "{seed} {stop}");
            assert_eq!(race.parents(), uninterrupted.race.parents());
            assert_eq!(race.states(), uninterrupted.race.states());
        }
    }
}

#[test]
fn unaffordable_searches_end_and_unexpected_proposals_are_handled() {
    for evaluations in 0..12 {
        let script = Script {
            evaluations,
            cases: 9,
            ..DEFAULT_SCRIPT
        };
        let outcome = run_search(script);
        assert!(outcome.race.results().len() as u64 <= evaluations);
    }
    let mut race = SuccessiveHalving::new(design(DEFAULT_SCRIPT, 1));
    assert!(!race.propose(experiment::prompt_search::Proposal {
        prompt_index: None,
        bill: experiment::JudgeCost::default(),
    }));
    let mut proposed = 0;
    loop {
        match race.next() {
            RaceStep::Done(_) => break,
            RaceStep::Propose(_) => {
                // A reply that cannot be parsed, or a prompt that is already known, uses up a proposal and
                // has no other effect.
                let prompt_index = (proposed % 2 == 0).then_some(0);
                let bill = experiment::JudgeCost::default();
                assert!(race.propose(experiment::prompt_search::Proposal { prompt_index, bill }));
                proposed += 1;
            }
            RaceStep::Evaluate(trials) => {
                assert!(race.record(trials[0], experiment::TrialOutcome::default()));
            }
        }
    }
    assert_eq!((proposed, race.parents().len()), (8, 1));
}
