//! `make compare-optimizers`: compares the regret of the setting found by successive halving with that of
//! evaluating all settings evenly, on simulated experiments with known truth. Writes the experiments as JSON to
//! the given file, so that other optimizers get the same ones (benches/optimizers.py).

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

#[path = "support/truth.rs"]
mod truth;

use quire::domain::experiment::design::{Design, RaceStep};
use quire::domain::experiment::successive_halving::SuccessiveHalving;
use quire::domain::experiment::{Configuration, ExperimentBudget, Objective, TrialOutcome};
use quire::domain::money::MicroDollars;
use quire::domain::statistics::random::Random;
use truth::{Spread, Truth, USUAL};

const RUNS: u64 = 300;
const CASES: usize = 40;

fn main() {
    let axes = [4, 3, 2];
    let arms: Vec<Vec<usize>> = (0..24)
        .map(|arm| vec![arm / 6, arm / 2 % 3, arm % 2])
        .collect();
    let mut result_rows = Vec::new();
    println!(
        "{:<34}{:>12}{:>12}{:>8}",
        "24 settings, 40 cases", "even", "race", "ratio"
    );
    for (name, shared) in [
        ("unrelated settings", 0.0),
        ("settings that share values", 0.7),
    ] {
        for evaluations in [120, 480] {
            let spread = Spread { shared, ..USUAL };
            let (mut even, mut race) = (0.0, 0.0);
            for seed in 0..RUNS {
                let mut chance = Random::new(seed);
                let true_scores = truth::draw(&arms, CASES, spread, &mut || chance.next_normal());
                even += true_scores.regret(even_leader(&true_scores, evaluations, &mut chance))
                    / RUNS as f64;
                let one = true_scores.regret(race_leader(&true_scores, &arms, evaluations, seed));
                race += one / RUNS as f64;
                result_rows.push(serde_json::json!({
                    "name": name, "evaluations": evaluations, "axes": axes, "arms": arms, "race": one,
                    "effects": true_scores.effects, "scores": true_scores.scores,
                }));
            }
            let title = format!("{name}, {evaluations} evaluations");
            println!("{title:<34}{even:>12.4}{race:>12.4}{:>8.2}", race / even);
        }
    }
    let file = std::env::args()
        .nth(1)
        .filter(|name| !name.starts_with("--"));
    if let Some(file) = file {
        let text = serde_json::to_string(&result_rows).expect("numbers are JSON");
        std::fs::write(&file, text).expect("the file can be written");
    }
}

fn race_leader(true_scores: &Truth, arms: &[Vec<usize>], evaluations: u64, seed: u64) -> usize {
    let zero_outcome = TrialOutcome {
        score: 0.0,
        cost: MicroDollars(0),
        tokens: 0,
        latency_ms: 0,
        ..TrialOutcome::default()
    };
    let mut race = SuccessiveHalving::new(Design {
        arms: arms
            .iter()
            .map(|arm| Configuration(arm.iter().copied().map(Some).collect()))
            .collect(),
        current: 0,
        cases: CASES,
        objective: Objective::Quality,
        budget: ExperimentBudget {
            evaluations: Some(evaluations),
            ..ExperimentBudget::default()
        },
        declared: vec![zero_outcome; arms.len()],
        indifference: 0.02,
        error_rate: 0.1,
        seed,
        search: None,
    });
    loop {
        match race.next() {
            RaceStep::Done(verdict) => return verdict.leader,
            RaceStep::Propose(_) => unreachable!("nothing is searched"),
            RaceStep::Evaluate(cells) => {
                for cell in cells {
                    race.record(
                        cell,
                        TrialOutcome {
                            score: true_scores.scores[cell.arm][cell.case],
                            ..zero_outcome
                        },
                    );
                }
            }
        }
    }
}

/// Returns the setting with the best mean after each was tried on the same number of cases, drawn separately for
/// each setting.
fn even_leader(true_scores: &Truth, evaluations: u64, chance: &mut Random) -> usize {
    let each = evaluations as usize / true_scores.scores.len();
    let means: Vec<f64> = true_scores
        .scores
        .iter()
        .map(|scores| {
            (0..each)
                .map(|_| scores[chance.index_below(scores.len())])
                .sum::<f64>()
        })
        .collect();
    (0..means.len())
        .max_by(|&a, &b| means[a].total_cmp(&means[b]))
        .unwrap_or(0)
}
