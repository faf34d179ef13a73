//! `cargo bench --bench experiments`, part of `make evidence`: checks the statistical claims of experiments on
//! simulated experiments with known truth and fixed seeds. Prints each figure next to its target, and fails if one is
//! missed.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

#[path = "support/searched.rs"]
mod searched;

use quire::domain::experiment;
use quire::domain::experiment::design::{Design, HoldoutFinding, RaceStep, RaceVerdict};
use quire::domain::experiment::power::{self, ScoreKind};
use quire::domain::experiment::report::mean_interval;
use quire::domain::experiment::successive_halving::SuccessiveHalving;
use quire::domain::experiment::{Configuration, ExperimentBudget, Objective, TrialOutcome};
use quire::domain::statistics::prediction_powered::prediction_powered_mean;
use quire::domain::statistics::random::Random;
use searched::{Script, run_search};

/// Simulated experiments per row.
const RUNS: u64 = 1_000;

fn main() {
    println!("{:<66}{:>9}{:>16}", "experiments", "measured", "target");
    let mut missed = 0;
    let mut row = |name: String, measured: f64, from: f64, to: f64| {
        let is_met = (from..=to).contains(&measured);
        missed += usize::from(!is_met);
        let target = match (from, to) {
            (from, f64::MAX) => format!("≥ {from:.2}"),
            (0.0, to) => format!("≤ {to:.2}"),
            (from, to) => format!("{from:.2} to {to:.2}"),
        };
        let mark = if is_met { "" } else { "  MISSED" };
        println!("{name:<66}{measured:>9.3}{target:>16}{mark}");
    };
    for (rates, evaluations, least) in [
        (&[0.6, 0.75][..], 120, 0.2),
        (&[0.6, 0.75][..], 300, 0.5),
        (&[0.6, 0.6, 0.75][..], 300, 0.0),
        (&[0.6, 0.6, 0.6, 0.75][..], 300, 0.0),
        (&[0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.75][..], 600, 0.0),
    ] {
        let name = format!("{rates:?}, {evaluations} evaluations: found better");
        let measured = run_experiments(&|chance| yes_or_no(rates, 200, chance), evaluations);
        row(name, measured.better, least, f64::MAX);
    }
    for settings in [2, 3, 8, 24] {
        for (kind, draw) in score_kinds() {
            let scores = |chance: &mut Random| draw(&vec![0.0; settings], 120, chance);
            let measured = run_experiments(&scores, 60 * settings as u64);
            let name = format!("{settings} equal settings, {kind}: better or worse");
            row(name, measured.better + measured.worse, 0.0, 0.05);
        }
    }
    for (kind, draw) in score_kinds() {
        for (settings, evaluations) in [(2, 160), (4, 160), (8, 240), (24, 480)] {
            let (covered, width) = measure_coverage(draw, settings, evaluations);
            let name = format!("{settings} settings, {kind}: intervals cover (width {width:.2})");
            row(name, covered, 0.93, 0.97);
        }
    }
    for (kind, scores) in [
        ("yes or no", ScoreKind::YesNo),
        ("graded", ScoreKind::Graded),
    ] {
        for cases in [30, 60, 150] {
            let response = power::comparison_power(scores, cases);
            let Some(difference) = response.difference else {
                continue;
            };
            let draw = |chance: &mut Random| match scores {
                ScoreKind::YesNo => yes_or_no(
                    &[0.5 - difference / 2.0, 0.5 + difference / 2.0],
                    cases,
                    chance,
                ),
                _ => draw_graded_scores(&[0.0, difference], cases, chance),
            };
            let measured = run_experiments(&draw, 2 * cases as u64).better;
            let name = format!("{kind}, {cases} cases: a promised {difference:.2} is found");
            row(name, measured, response.power - 0.05, response.power + 0.05);
        }
    }
    for right in [0.9, 0.7, 0.0] {
        let (covered, width) = simulate_label_judge(right);
        let name = format!("30 labels, judge right {right}: coverage (width x{width:.2})");
        row(name, covered, 0.93, 0.97);
    }
    for settings in [3, 4, 8] {
        let (race, even_split) = measure_regrets(settings, 20 * settings as u64);
        let name = format!("{settings} settings, graded: regret over that of an even split");
        row(name, race / even_split, 0.0, 1.0);
    }
    for evaluations in [200, 400] {
        let measured = prompts(evaluations, 0.7);
        let name = format!("prompt search, {evaluations} evaluations: found better");
        row(name, measured.better, 0.5, f64::MAX);
        let name = format!(
            "  score gained, {:.0} evaluations, {:.1} proposals, {:.1} taken",
            measured.used, measured.proposed, measured.taken
        );
        row(name, measured.gained, 0.1, f64::MAX);
    }
    let equal = prompts(240, 0.0).better;
    row(
        "prompt search, useless proposals: found better".to_owned(),
        equal,
        0.0,
        0.05,
    );
    std::process::exit(i32::from(missed > 0));
}

/// Simulates a judge that repeats labels of -1, 0, and 1 with probability `right` and otherwise answers 1. Returns
/// the coverage of the interval from 30 labels and 170 predictions, and the ratio of its width to that from the
/// labels alone.
fn simulate_label_judge(right: f64) -> (f64, f64) {
    let mut chance = Random::new(51);
    let mut drawn = || {
        let label = match chance.next_unit() {
            x if x < 0.45 => 1.0,
            x if x < 0.7 => 0.0,
            _ => -1.0,
        };
        (
            label,
            if chance.next_unit() < right {
                label
            } else {
                1.0
            },
        )
    };
    let (mut covered_count, mut width, mut alone) = (0, 0.0, 0.0);
    for _ in 0..2 * RUNS {
        let labeled: Vec<_> = (0..30).map(|_| drawn()).collect();
        let others: Vec<f64> = (0..170).map(|_| drawn().1).collect();
        let mean = prediction_powered_mean(&labeled, &others, 0.95).expect("labels");
        covered_count += u32::from(mean.interval.0 <= 0.15 && 0.15 <= mean.interval.1);
        width += mean.interval.1 - mean.interval.0;
        alone += mean.labels_alone.1 - mean.labels_alone.0;
    }
    (f64::from(covered_count) / (2 * RUNS) as f64, width / alone)
}

/// Returns the regret of the race's leader, and the regret of the setting with the best mean when the evaluations are
/// split evenly among all settings. Both are summed over all runs.
fn measure_regrets(settings: usize, evaluations: u64) -> (f64, f64) {
    let (mut race, mut even_split) = (0.0, 0.0);
    for seed in 0..RUNS {
        let mut chance = Random::new(seed ^ 0xE7);
        let effects: Vec<f64> = (0..settings).map(|_| 0.05 * chance.next_normal()).collect();
        let scores = draw_graded_scores(&effects, 120, &mut chance);
        let best = effects.iter().copied().fold(f64::MIN, f64::max);
        race += best - effects[run_race(&scores, evaluations, seed).1.leader];
        let each = evaluations as usize / settings;
        let mut mean = |scores: &Vec<f64>| -> f64 {
            (0..each)
                .map(|_| scores[chance.index_below(scores.len())])
                .sum()
        };
        let means: Vec<f64> = scores.iter().map(&mut mean).collect();
        let chosen = (0..settings).max_by(|&a, &b| means[a].total_cmp(&means[b]));
        even_split += best - effects[chosen.unwrap_or(0)];
    }
    (race, even_split)
}

struct PromptsFound {
    better: f64,
    gained: f64,
    used: f64,
    proposed: f64,
    taken: f64,
}

/// Runs prompt searches with a writer of this skill. With a skill of 0, only a leader that is no better than the
/// current prompt counts as found.
fn prompts(evaluations: u64, skill: f64) -> PromptsFound {
    let runs = RUNS / 2;
    let mut prompts_found = PromptsFound {
        better: 0.0,
        gained: 0.0,
        used: 0.0,
        proposed: 0.0,
        taken: 0.0,
    };
    for seed in 0..runs {
        let one = run_search(Script {
            cases: 150,
            evaluations,
            proposals: 8,
            skill,
            seed,
        });
        let counts = skill > 0.0 || one.leader <= one.current;
        let is_better = one.verdict.finding == HoldoutFinding::Better && counts;
        prompts_found.better += f64::from(u8::from(is_better)) / runs as f64;
        prompts_found.gained += (one.leader - one.given) / runs as f64;
        prompts_found.used += one.results.len() as f64 / runs as f64;
        prompts_found.proposed += one.proposals.len() as f64 / runs as f64;
        let derived_count = one.race.parents().iter().flatten().count();
        prompts_found.taken += derived_count as f64 / runs as f64;
    }
    prompts_found
}

type Draw = fn(&[f64], usize, &mut Random) -> Vec<Vec<f64>>;

fn score_kinds() -> [(&'static str, Draw); 2] {
    let yes: Draw = |effects, cases, chance| {
        let rates: Vec<f64> = effects.iter().map(|one| 0.6 + one).collect();
        yes_or_no(&rates, cases, chance)
    };
    [("yes or no", yes), ("graded", draw_graded_scores)]
}

/// Returns independent binary scores of settings with these success rates.
fn yes_or_no(rates: &[f64], cases: usize, chance: &mut Random) -> Vec<Vec<f64>> {
    let mut score = |rate: f64| f64::from(u8::from(chance.next_unit() < rate));
    let rows = rates
        .iter()
        .map(|&rate| (0..cases).map(|_| score(rate)).collect());
    rows.collect()
}

/// Returns scores of settings with these effects on cases of varying difficulty. Differences on a case have a
/// standard deviation of 0.25, as those of model answers do.
fn draw_graded_scores(effects: &[f64], cases: usize, chance: &mut Random) -> Vec<Vec<f64>> {
    let difficulties: Vec<f64> = (0..cases).map(|_| 0.1 * chance.next_normal()).collect();
    let noise = 0.25 / 2_f64.sqrt();
    let mut score =
        |effect: f64, difficulty: f64| 0.5 + effect + difficulty + noise * chance.next_normal();
    let rows = effects.iter().map(|&effect| {
        difficulties
            .iter()
            .map(|&difficulty| score(effect, difficulty).clamp(0.0, 1.0))
            .collect()
    });
    rows.collect()
}

#[derive(Default)]
struct Findings {
    better: f64,
    worse: f64,
}

fn run_experiments(draw: &dyn Fn(&mut Random) -> Vec<Vec<f64>>, evaluations: u64) -> Findings {
    let mut findings = Findings::default();
    for seed in 0..RUNS {
        let scores = draw(&mut Random::new(seed));
        let (_, verdict) = run_race(&scores, evaluations, seed);
        match verdict.finding {
            HoldoutFinding::Better => findings.better += 1.0 / RUNS as f64,
            HoldoutFinding::Worse => findings.worse += 1.0 / RUNS as f64,
            _ => {}
        }
    }
    findings
}

/// Returns the share of the leaderboard's intervals that contain the truth, and their average width.
fn measure_coverage(draw: Draw, settings: usize, evaluations: u64) -> (f64, f64) {
    let (mut covered_count, mut width, mut all) = (0, 0.0, 0);
    for seed in 0..RUNS / 2 {
        let mut chance = Random::new(seed ^ 0xC0);
        let effects: Vec<f64> = (0..settings).map(|_| 0.08 * chance.next_normal()).collect();
        let scores = draw(&effects, 120, &mut chance);
        let base = if scores[0].iter().all(|&one| one == 0.0 || one == 1.0) {
            0.6
        } else {
            0.5
        };
        let (race, _) = run_race(&scores, evaluations, seed);
        for (arm, effect) in effects.iter().enumerate() {
            let values = race.values(arm, 120);
            if values.is_empty() {
                continue;
            }
            let (from, to) = mean_interval(&values);
            covered_count += usize::from(from <= base + effect && base + effect <= to);
            width += to - from;
            all += 1;
        }
    }
    (
        f64::from(covered_count as u32) / f64::from(all),
        width / f64::from(all),
    )
}

fn run_race(scores: &[Vec<f64>], evaluations: u64, seed: u64) -> (SuccessiveHalving, RaceVerdict) {
    let arms = scores.len();
    let mut race = SuccessiveHalving::new(Design {
        arms: (0..arms)
            .map(|arm| Configuration(vec![Some(arm)]))
            .collect(),
        current: 0,
        cases: scores[0].len(),
        objective: Objective::Quality,
        budget: ExperimentBudget {
            evaluations: Some(evaluations),
            ..ExperimentBudget::default()
        },
        declared: vec![TrialOutcome::default(); arms],
        indifference: 0.02,
        error_rate: 0.1,
        seed,
        search: None,
    });
    loop {
        match race.next() {
            RaceStep::Done(verdict) => return (race, verdict),
            RaceStep::Propose(_) => unreachable!("nothing is searched"),
            RaceStep::Evaluate(cells) => {
                for cell in cells {
                    let score = scores[cell.arm][cell.case];
                    race.record(
                        cell,
                        TrialOutcome {
                            score,
                            ..TrialOutcome::default()
                        },
                    );
                }
            }
        }
    }
}
