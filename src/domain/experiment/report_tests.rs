//! Tests the reports of races whose true outcome is known.

use super::*;
use crate::domain::experiment::design::Design;
use crate::domain::experiment::{Configuration, ExperimentBudget, Objective};
use crate::domain::statistics::random::Random;
use serde_json::json;

#[path = "report_words_tests.rs"]
mod words;

fn space() -> SearchSpace {
    serde_json::from_value(json!([
        {"dial": "model", "values": ["p/a", "p/b", "p/c"]},
        {"dial": "temperature", "values": [0.0, 1.0]},
    ]))
    .expect("a space")
}

/// Runs a race in which `of` gives the outcome of a configuration on a case.
fn run_race(cases: usize, of: impl Fn(usize, usize, f64) -> TrialOutcome) -> SuccessiveHalving {
    let arms: Vec<Configuration> = space()
        .enumerate_configurations(&|_, _| true)
        .expect("arms");
    let zero_outcome = TrialOutcome {
        score: 0.0,
        cost: MicroDollars(0),
        tokens: 0,
        latency_ms: 0,
        ..TrialOutcome::default()
    };
    let mut race = SuccessiveHalving::new(Design {
        current: 0,
        cases,
        objective: Objective::Quality,
        budget: ExperimentBudget {
            evaluations: Some(1_000),
            ..ExperimentBudget::default()
        },
        declared: vec![zero_outcome; arms.len()],
        indifference: 0.02,
        error_rate: 0.1,
        seed: 3,
        search: None,
        arms,
    });
    let mut random = Random::new(9);
    while let RaceStep::Evaluate(trials) = race.next() {
        for trial in trials {
            race.record(trial, of(trial.arm, trial.case, random.next_normal()));
        }
    }
    race
}

fn outcome(score: f64, cost: i64, latency_ms: u64) -> TrialOutcome {
    TrialOutcome {
        score: score.clamp(0.0, 1.0),
        cost: MicroDollars(cost),
        tokens: 100,
        latency_ms,
        ..TrialOutcome::default()
    }
}

// Model p/b is much better and more expensive, p/c is bad, and temperature has no effect.
fn outcome_of_arm(arm: usize, _: usize, noise: f64) -> TrialOutcome {
    let (mean, cost) = [(0.5, 10), (0.8, 90), (0.2, 10)][arm / 2];
    outcome(mean + noise * 0.1, cost, 100 + arm as u64)
}

#[test]
fn the_winner_is_named_with_its_figures_on_unseen_cases() {
    let race = run_race(60, outcome_of_arm);
    let report = build_report(
        &race,
        &space(),
        &BTreeSet::new(),
        &[],
        Baseline::Current,
        1.0,
    );
    let leader = report.leader.expect("a leader");
    assert_eq!(leader / 2, 1);
    assert_eq!(report.finding, Some(HoldoutFinding::Better));
    assert!(report.sentence.contains("p/b") && report.sentence.contains(" cases it scored "));
    assert_eq!(report.leaderboard[0].index, leader);
    assert_eq!(report.leaderboard.len(), 6);
    let levels: Vec<f64> = report.leaderboard[1..]
        .iter()
        .filter_map(|row| row.level)
        .collect();
    assert!(levels.is_sorted_by(|a, b| a >= b), "{levels:?}");
    let bad = report
        .leaderboard
        .iter()
        .find(|row| row.index == 4)
        .expect("there");
    let against = bad.against_leader.expect("compared");
    assert!(against.to < 0.0 && against.p_adjusted < 0.01, "{against:?}");
}

#[test]
fn pareto_front_contains_only_undominated_configurations() {
    let race = run_race(60, outcome_of_arm);
    let report = build_report(
        &race,
        &space(),
        &BTreeSet::new(),
        &[],
        Baseline::Current,
        1.0,
    );
    let is_pareto = |place: usize| report.pareto.contains(&place);
    // The current configuration is the fastest of the cheap ones that are not bad.
    assert!(
        is_pareto(0) && is_pareto(report.leader.expect("one")),
        "{:?}",
        report.pareto
    );
    assert!(!is_pareto(4) && !is_pareto(5), "{:?}", report.pareto);
    for row in &report.leaderboard {
        assert_eq!(row.pareto, is_pareto(row.index));
    }
}

#[test]
fn parameters_are_ordered_by_importance() {
    let report = build_report(
        &run_race(60, outcome_of_arm),
        &space(),
        &BTreeSet::new(),
        &[],
        Baseline::Current,
        1.0,
    );
    let first = &report.sensitivity[0];
    assert_eq!(
        serde_json::to_value(first.parameter).expect("a name"),
        "model"
    );
    assert!(first.share > 0.9, "{first:?}");
    assert!(report.sensitivity[1].share < 0.1);
    let best = first.values.iter().max_by(|a, b| a.mean.total_cmp(&b.mean));
    let best = best.expect("values");
    assert_eq!((&best.value, best.settings), (&json!("p/b"), 2));
    let (from, to) = best.interval.expect("several cases");
    assert!(from < best.mean && best.mean < to);
}

#[test]
fn equal_configurations_are_not_distinguished() {
    let mut distinguished = 0;
    for shift in 0..20 {
        let same = |_: usize, case: usize, noise: f64| {
            let difficulty = ((case * 7 + shift) % 10) as f64 / 10.0;
            outcome(difficulty * 0.6 + 0.2 + noise * 0.1, 10, 100)
        };
        let report = build_report(
            &run_race(40, same),
            &space(),
            &BTreeSet::new(),
            &[],
            Baseline::Current,
            1.0,
        );
        distinguished += usize::from(matches!(
            report.finding,
            Some(HoldoutFinding::Better | HoldoutFinding::Worse)
        ));
        if report.finding == Some(HoldoutFinding::NotDistinguishable) {
            assert!(
                report.sentence.contains("not distinguishable"),
                "{}",
                report.sentence
            );
        }
    }
    assert!(distinguished <= 4, "{distinguished} of 20");
}

#[test]
fn each_eliminated_configuration_is_in_exactly_one_round() {
    let race = run_race(60, outcome_of_arm);
    let report = build_report(
        &race,
        &space(),
        &BTreeSet::new(),
        &[],
        Baseline::Current,
        1.0,
    );
    let mut eliminated: Vec<usize> = (report.rounds.iter())
        .flat_map(|round| round.set_aside.iter().chain(&round.beaten).copied())
        .collect();
    eliminated.sort_unstable();
    let beaten_arms = (0..6).filter(|&arm| {
        matches!(
            race.states()[arm],
            ConfigurationState::SetAside | ConfigurationState::Beaten(_)
        )
    });
    assert_eq!(eliminated, beaten_arms.collect::<Vec<_>>());
    assert!(report.rounds.is_sorted_by(|a, b| a.cases < b.cases));
}

#[test]
fn a_race_that_has_not_started_is_reported_as_such() {
    let zero_outcome = outcome(0.0, 0, 0);
    let race = SuccessiveHalving::new(Design {
        arms: space()
            .enumerate_configurations(&|_, _| true)
            .expect("arms"),
        current: 0,
        cases: 30,
        objective: Objective::Quality,
        budget: ExperimentBudget {
            evaluations: Some(100),
            ..ExperimentBudget::default()
        },
        declared: vec![zero_outcome; 6],
        indifference: 0.02,
        error_rate: 0.1,
        seed: 3,
        search: None,
    });
    let report = build_report(
        &race,
        &space(),
        &BTreeSet::new(),
        &[],
        Baseline::Current,
        1.0,
    );
    assert_eq!((report.leader, report.finding), (None, None));
    assert!(
        report
            .leaderboard
            .iter()
            .all(|row| row.mean.is_none() && row.state == ConfigurationState::Untried)
    );
    assert!(report.sensitivity.is_empty() && report.pareto.is_empty());
}

#[test]
fn intervals_of_constant_differences_are_not_empty() {
    let race = run_race(24, |arm, case, _| {
        let difficulty = if case % 2 == 0 { 1.0 } else { 0.0 };
        outcome(if arm == 0 { 0.0 } else { difficulty }, 1, 1)
    });
    let same = run_race(24, |_, case, _| outcome((case % 2) as f64, 1, 1));
    for race in [race, same] {
        let report = build_report(
            &race,
            &space(),
            &BTreeSet::new(),
            &[],
            Baseline::Current,
            1.0,
        );
        for row in &report.leaderboard {
            if let Some(against) = row.against_leader {
                assert!(against.to - against.from > 0.1, "{against:?}");
                assert!(against.from >= -1.0 && against.to <= 1.0, "{against:?}");
            }
        }
        if let Some(difference) = report.difference {
            assert!(difference.interval.1 - difference.interval.0 > 0.1);
        }
    }
}

/// Runs a race between the first two configurations, with yes-or-no scores from `of`.
fn two_configuration_race(cases: usize, of: impl Fn(usize, usize) -> f64) -> SuccessiveHalving {
    let mut design = run_race(1, outcome_of_arm).design().clone();
    design.arms.truncate(2);
    design.declared.truncate(2);
    design.cases = cases;
    let mut race = SuccessiveHalving::new(design);
    while let RaceStep::Evaluate(trials) = race.next() {
        for trial in trials {
            race.record(trial, outcome(of(trial.arm, trial.case), 1, 1));
        }
    }
    race
}

fn report_of(
    race: &SuccessiveHalving,
    failed: &BTreeSet<Trial>,
    baseline: Baseline,
) -> ExperimentReport {
    build_report(race, &space(), failed, &[], baseline, 1.0)
}

#[test]
fn failed_evaluations_yield_no_leader() {
    let race = two_configuration_race(10, |_, _| 0.0);
    let failed: BTreeSet<Trial> = race.results().keys().copied().collect();
    let all = report_of(&race, &failed, Baseline::Current);
    assert_eq!(
        all.sentence,
        "Nothing was measured: all 20 evaluations failed."
    );
    assert_eq!(
        (all.leader, all.finding, all.recommended_configuration()),
        (None, Some(HoldoutFinding::NotTested), None)
    );
    let some: BTreeSet<Trial> = failed.into_iter().filter(|trial| trial.arm == 1).collect();
    let words = report_of(&race, &some, Baseline::Current).sentence;
    assert!(
        words.ends_with("10 of 20 evaluations failed and count as a score of 0."),
        "{words}"
    );
}

/// If the judge's reply to a trial could not be parsed, there is no measurement. Only judged trials count.
#[test]
fn unreadable_judgments_are_not_measurements() {
    let unreadable = |race: &SuccessiveHalving, of: fn(usize) -> bool| -> BTreeSet<Trial> {
        let trials = race.results().keys().copied();
        trials
            .filter(|trial| trial.arm == 1 && of(trial.case))
            .collect()
    };
    // The race records 0.5 for the current configuration, by definition, and for trials that could not be
    // judged.
    let none = two_configuration_race(20, |_, _| 0.5);
    let report = report_of(&none, &unreadable(&none, |_| true), Baseline::First);
    assert_eq!(
        report.sentence,
        "Nothing was compared: the judge's verdict could be read for 0 of 20 answers."
    );
    assert_eq!((report.leader, report.difference), (None, None));
    assert_eq!(report.finding, Some(HoldoutFinding::NotTested));
    let row = report
        .leaderboard
        .iter()
        .find(|row| row.index == 1)
        .expect("a row");
    assert_eq!(
        (row.mean, row.interval, row.cases, row.failed),
        (None, None, 0, 20)
    );
    let half = two_configuration_race(
        20,
        |arm, case| if arm == 1 && case % 2 == 1 { 1.0 } else { 0.5 },
    );
    let report = report_of(
        &half,
        &unreadable(&half, |case| case % 2 == 0),
        Baseline::First,
    );
    assert!(
        report
            .sentence
            .contains("on 10 cases it scored 0.50 higher")
            && report
                .sentence
                .contains("could be read for 10 of 20 answers; the others are not counted"),
        "{}",
        report.sentence
    );
    assert_eq!(report.difference.map(|one| one.cases), Some(10));
    let row = report
        .leaderboard
        .iter()
        .find(|row| row.index == 1)
        .expect("a row");
    assert_eq!((row.mean, row.cases), (Some(1.0), 10));
    let rubric = two_configuration_race(10, |_, _| 0.5);
    let all: BTreeSet<Trial> = rubric.results().keys().copied().collect();
    let report = report_of(&rubric, &all, Baseline::First);
    assert_eq!(
        report.sentence,
        "Nothing was measured: all 20 evaluations failed."
    );
    assert!(report.leaderboard.iter().all(|row| row.mean.is_none()));
}

/// A single configuration does not lead, and a paused experiment is not reported as running.
#[test]
fn a_single_configuration_does_not_lead() {
    let mut design = run_race(1, outcome_of_arm).design().clone();
    design.arms.truncate(2);
    design.declared.truncate(2);
    design.cases = 20;
    let mut race = SuccessiveHalving::new(design);
    let RaceStep::Evaluate(trials) = race.next() else {
        panic!("it has begun");
    };
    for trial in trials.into_iter().filter(|trial| trial.arm == 0) {
        race.record(trial, outcome(0.5, 1, 1));
    }
    let report = report_of(&race, &BTreeSet::new(), Baseline::First);
    assert!(
        report.sentence.starts_with(
            "Nothing was compared so far: only model p/a, temperature 0.0 was evaluated, on "
        ),
        "{}",
        report.sentence
    );
    assert!(
        report.sentence.ends_with("The experiment has not ended."),
        "{}",
        report.sentence
    );
    assert_eq!(report.leader, None);
}

/// A tie is not a lead, and a configuration that the user did not name is not the current one.
#[test]
fn ties_are_not_reported_as_leads() {
    let none = BTreeSet::new();
    for (of, baseline, begin) in [
        (
            (|_, case| (case % 2) as f64) as fn(usize, usize) -> f64,
            Baseline::Current,
            "Your current configuration and model p/a, temperature 1.0 are tied: both scored 0.50 on average on 20 cases.",
        ),
        (
            |_, _| 1.0,
            Baseline::First,
            "The first configuration and model p/a, temperature 1.0 are tied: both scored 1.00 on average on 20 cases.",
        ),
        (
            |arm, case| if arm == 1 && case < 3 { 0.0 } else { 1.0 },
            Baseline::Current,
            "Your current configuration leads, but is not distinguishable from model p/a, temperature 1.0: on 20 cases it scored \
             0.15 higher on average, and the true difference is likely between -",
        ),
        (
            |arm, _| if arm == 1 { 0.0 } else { 1.0 },
            Baseline::First,
            "The first configuration is better than model p/a, temperature 1.0: on 16 cases it scored 1.00 higher",
        ),
        (
            |arm, _| arm as f64,
            Baseline::First,
            "model p/a, temperature 1.0 is better than the first configuration: on 16 cases it scored 1.00 higher",
        ),
    ] {
        let words = report_of(&two_configuration_race(20, of), &none, baseline).sentence;
        assert!(words.starts_with(begin), "{words}");
    }
    let few = report_of(
        &two_configuration_race(5, |arm, _| arm as f64),
        &none,
        Baseline::Current,
    );
    assert!(
        few.sentence
            .contains("5 cases are too few to tell it apart from your current configuration"),
        "{}",
        few.sentence
    );
    let (from, to) = few.difference.expect("compared").interval;
    assert!(from < 0.0 && to > 0.9, "{from} {to}");
}

/// A leader that scored lower on the holdout is neither reported as leading nor recommended.
#[test]
fn a_leader_refuted_by_the_holdout_is_not_recommended() {
    let race = run_race(60, |arm, case, _| {
        outcome(f64::from(u8::from((case + arm) % 3 > 0)), 1, 1)
    });
    let (_, holdout) = race.race_and_holdout_cases();
    let leader = 1;
    let low: Vec<f64> = holdout
        .iter()
        .map(|case| -f64::from(u8::from(case % 5 == 0)))
        .collect();
    let (finding, difference) = final_test::compare(&low[..12], true);
    let verdict = crate::domain::experiment::design::RaceVerdict {
        leader,
        stop: StopReason::Cases,
        finding,
        difference,
    };
    let results: Vec<_> = race
        .results()
        .iter()
        .map(|(trial, one)| (*trial, *one))
        .collect();
    let race = SuccessiveHalving::new(race.design().clone()).close(results, verdict);
    let report = report_of(&race, &BTreeSet::new(), Baseline::Current);
    assert_eq!(report.finding, Some(HoldoutFinding::NotDistinguishable));
    assert!(
        report
            .sentence
            .contains("did not score higher than your current configuration"),
        "{}",
        report.sentence
    );
    assert_eq!(
        (report.leader, report.recommended_configuration()),
        (Some(1), Some(0))
    );
}
