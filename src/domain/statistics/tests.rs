//! Tests against results of scipy and statsmodels (tests/data/statistics/make.py).

use serde_json::Value;

use super::agreement::{DisagreementWeighting, cohen_kappa};
use super::random::Random;
use super::{beta, paired, proportions};

fn expected_rows(part: &str) -> Vec<Value> {
    let text = include_str!("../../../tests/data/statistics/expected.json");
    let all: Value = serde_json::from_str(text).expect("the fixture is JSON");
    let rows = all[part].as_array().expect("a list").clone();
    assert!(!rows.is_empty(), "{part}");
    rows
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(number)
        .collect()
}

#[track_caller]
fn assert_close(actual: f64, reference: f64, what: &Value) {
    let relative_error = (actual - reference).abs() / reference.abs().max(1.0);
    assert!(
        relative_error < 1e-8,
        "{actual} instead of {reference}: {what}"
    );
}

// Calculates the function whose inverse is `normal_quantile`.
fn normal_cdf(x: f64) -> f64 {
    statrs::function::erf::erfc(-x / std::f64::consts::SQRT_2) / 2.0
}

#[test]
fn distributions_are_those_of_scipy() {
    for row in expected_rows("normal") {
        assert_close(normal_cdf(number(&row[0])), number(&row[1]), &row);
    }
    for row in expected_rows("normal_quantile") {
        assert_close(
            beta::normal_quantile(number(&row[0])),
            number(&row[1]),
            &row,
        );
    }
    for row in expected_rows("student") {
        let actual = beta::student_t_tail_probability(number(&row[0]), number(&row[1]));
        assert_close(actual, number(&row[2]), &row);
    }
    for row in expected_rows("student_quantile") {
        let actual = beta::student_t_quantile(number(&row[0]), number(&row[1]));
        assert_close(actual, number(&row[2]), &row);
    }
}

#[test]
fn rates_are_those_of_statsmodels() {
    for row in expected_rows("wilson") {
        let [hits, cases] = [0, 1].map(|place| row[place].as_u64().expect("a count"));
        let (from, to) = proportions::wilson_interval(hits, cases, number(&row[2]));
        assert_close(from, number(&row[3]), &row);
        assert_close(to, number(&row[4]), &row);
    }
    assert_eq!(proportions::wilson_interval(0, 0, 0.95), (0.0, 1.0));
    for row in expected_rows("mcnemar") {
        let [first, second] = [0, 1].map(|place| row[place].as_u64().expect("a count"));
        assert_close(proportions::sign_test(first, second), number(&row[2]), &row);
        let mut pairs = vec![(true, true); 7];
        pairs.extend((0..first).map(|_| (true, false)));
        pairs.extend((0..second).map(|_| (false, true)));
        let (p, only_first, only_second) = proportions::mcnemar_test(&pairs);
        assert_close(p, number(&row[2]), &row);
        assert_eq!((only_first, only_second), (first, second));
    }
}

#[test]
fn differences_are_those_of_scipy() {
    for row in expected_rows("paired") {
        let values = numbers(&row["differences"]);
        let actual = paired::paired_t_test(&values, 0.95).expect("two cases or more");
        assert_close(actual.p, number(&row["p"]), &row);
        assert_close(actual.interval.0, number(&row["from"]), &row);
        assert_close(actual.interval.1, number(&row["to"]), &row);
        assert_close(
            paired::standard_deviation(&values),
            number(&row["deviation"]),
            &row,
        );
    }
    assert_eq!(paired::paired_t_test(&[0.3], 0.95), None);
    let same = paired::paired_t_test(&[0.0; 5], 0.95).expect("five cases");
    assert_eq!((same.p, same.interval), (1.0, (0.0, 0.0)));
    let always = paired::paired_t_test(&[1.0; 5], 0.95).expect("five cases");
    assert!((always.p - 0.0625).abs() < 1e-9);
    for row in expected_rows("holm") {
        let actual = paired::holm_adjusted(&numbers(&row[0]));
        for (actual_value, expected_value) in actual.iter().zip(numbers(&row[1])) {
            assert_close(*actual_value, expected_value, &row);
        }
    }
}

#[test]
fn agreement_is_that_of_scikit_learn() {
    for row in expected_rows("kappa") {
        let kinds = row["kinds"].as_u64().expect("a count") as usize;
        let list = row["pairs"].as_array().expect("a list");
        let pairs: Vec<(usize, usize)> = list
            .iter()
            .map(|pair| (number(&pair[0]) as usize, number(&pair[1]) as usize))
            .collect();
        for (weight, name) in [
            (DisagreementWeighting::Unweighted, "same"),
            (DisagreementWeighting::Linear, "linear"),
            (DisagreementWeighting::Quadratic, "quadratic"),
        ] {
            let actual = cohen_kappa(&pairs, kinds, weight).expect("defined");
            assert_close(actual, number(&row[name]), &row);
        }
    }
    assert_eq!(
        cohen_kappa(&[(0, 0), (0, 0)], 2, DisagreementWeighting::Unweighted),
        None
    );
    assert_eq!(
        cohen_kappa(&[(0, 2)], 2, DisagreementWeighting::Unweighted),
        None
    );
}

/// The interval from Student's t over eight cases has its nominal coverage.
#[test]
fn intervals_cover_at_their_nominal_rate() {
    const RUNS: usize = 2_000;
    let mut random = Random::new(11);
    let mut covered_count = 0;
    for _ in 0..RUNS {
        let values: Vec<f64> = (0..8).map(|_| 0.1 + 0.3 * random.next_normal()).collect();
        let (from, to) = paired::paired_t_test(&values, 0.95)
            .expect("eight")
            .interval;
        covered_count += usize::from(from <= 0.1 && 0.1 <= to);
    }
    assert!(
        covered_count.abs_diff(RUNS * 95 / 100) < 35,
        "{covered_count}"
    );
}

/// Blaker's interval covers every rate at least as often as stated, and lies inside Clopper and Pearson's.
#[test]
fn blakers_interval_is_exact_and_narrower() {
    for cases in 1..=8_u64 {
        let intervals: Vec<(f64, f64)> = (0..=cases)
            .map(|hits| proportions::blaker_interval(hits, cases, 0.95))
            .collect();
        let mut width = (0.0, 0.0);
        for (hits, &(from, to)) in intervals.iter().enumerate() {
            let clopper_pearson = proportions::clopper_pearson_interval(hits as u64, cases, 0.95);
            assert!(
                clopper_pearson.0 <= from && to <= clopper_pearson.1,
                "{hits} of {cases}"
            );
            width = (
                width.0 + to - from,
                width.1 + clopper_pearson.1 - clopper_pearson.0,
            );
            let mirrored = intervals[cases as usize - hits];
            assert!(
                (from - (1.0 - mirrored.1)).abs() < 2e-3,
                "{hits} of {cases}"
            );
        }
        assert!(width.0 < width.1, "{cases}: {width:?}");
        for step in 1..200_u32 {
            let rate = f64::from(step) / 200.0;
            let random = |hits: usize| {
                let (hits, misses) = (hits as i32, cases as i32 - hits as i32);
                let ways = (1..=hits).map(|at| f64::from(misses + at) / f64::from(at));
                ways.product::<f64>() * rate.powi(hits) * (1.0 - rate).powi(misses)
            };
            let covers =
                |&(_, &(from, to)): &(usize, &(f64, f64))| from - 1e-9 <= rate && rate <= to + 1e-9;
            let covered_intervals = intervals.iter().enumerate().filter(covers);
            let coverage: f64 = covered_intervals.map(|(hits, _)| random(hits)).sum();
            assert!(coverage >= 0.949, "{cases} cases at {rate}: {coverage}");
        }
    }
}
