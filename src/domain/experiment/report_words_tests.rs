//! Tests the wording of a difference, and that no number exceeds its possible maximum.

use super::*;

fn report_sentence(indifference: f64, objective: Objective) -> String {
    let mut design = two_configuration_race(1, |_, _| 0.0).design().clone();
    (design.cases, design.indifference, design.objective) = (60, indifference, objective);
    let mut race = SuccessiveHalving::new(design);
    while let RaceStep::Evaluate(trials) = race.next() {
        for trial in trials {
            let score = if trial.arm == 1 || trial.case % 4 == 0 {
                1.0
            } else {
                0.6
            };
            race.record(trial, outcome(score, 1, 1));
        }
    }
    report_of(&race, &BTreeSet::new(), Baseline::First).sentence
}

#[test]
fn sentences_state_the_measure_and_the_relevance_of_a_difference() {
    let plain = report_sentence(0.02, Objective::Quality);
    assert!(
        !plain.contains("matters") && !plain.contains("subtracting"),
        "{plain}"
    );
    let small = report_sentence(0.9, Objective::Quality);
    assert!(
        small.ends_with(" All of that is below 0.90, the smallest difference that matters here."),
        "{small}"
    );
    let weighted = Objective::Weighted {
        dollar: 0.0,
        second: 3.0,
        uses: None,
    };
    let weighted = report_sentence(0.02, weighted);
    assert!(
        weighted.contains("on average after subtracting time"),
        "{weighted}"
    );
}

#[test]
fn differences_are_bounded_and_uncompared_configurations_have_no_score() {
    let race = two_configuration_race(12, |arm, case| match (arm, case % 10) {
        (0, _) => 0.5,
        (_, 0) => 0.0,
        _ => 1.0,
    });
    let none = BTreeSet::new();
    let of = |reach| build_report(&race, &space(), &none, &[], Baseline::Current, reach).difference;
    let (free, bound) = (
        of(1.0).expect("a difference"),
        of(0.4).expect("a difference"),
    );
    assert!(free.interval.1 > 0.4, "{free:?}");
    assert_eq!(bound.interval, (free.interval.0, 0.4));
    // The judge could not judge any answer, and the reference's own 0.5 is not a result.
    let race = two_configuration_race(10, |_, _| 0.5);
    let unjudged = race
        .results()
        .keys()
        .copied()
        .filter(|trial| trial.arm == 1);
    let report = report_of(&race, &unjudged.collect(), Baseline::Current);
    assert!(
        report.sentence.starts_with("Nothing was compared"),
        "{}",
        report.sentence
    );
    for row in &report.leaderboard {
        assert_eq!((row.mean, row.interval, row.cases), (None, None, 0));
    }
}
