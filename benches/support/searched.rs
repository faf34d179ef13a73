//! Prompt search on a scripted model. A case is answered well if the prompt contains the phrase that it needs; a
//! scripted writer reads a failure and adds a phrase, the right one or a useless one. Used by the tests and
//! benches of the search; the parent module provides `experiment`.

use super::experiment::design::{Design, RaceStep, RaceVerdict};
use super::experiment::prompt_search::{Proposal, Reflection, SearchDesign};
use super::experiment::successive_halving::SuccessiveHalving;
use super::experiment::{
    Configuration, ExperimentBudget, JudgeCost, Objective, Trial, TrialOutcome,
};

/// Number of phrases that matter; each case needs one of them.
const PHRASES: usize = 4;
/// Probability that a case is answered well with the phrase that it needs, and without it.
const RATES: (f64, f64) = (0.9, 0.4);

/// Parameters of a simulation.
#[derive(Clone, Copy)]
pub struct Script {
    /// Number of cases.
    pub cases: usize,
    /// Budget, in evaluations.
    pub evaluations: u64,
    /// Maximum number of proposals.
    pub proposals: usize,
    /// Probability that the writer adds the phrase that a failure needs instead of a useless one.
    pub skill: f64,
    /// Random seed.
    pub seed: u64,
}

/// A finished search.
pub struct Searched {
    /// The finished race.
    pub race: SuccessiveHalving,
    /// The verdict of the race.
    pub verdict: RaceVerdict,
    /// Probability that a case is answered well with the leader's prompt.
    pub leader: f64,
    /// The highest of these probabilities among the given prompts.
    pub given: f64,
    /// Probability that a case is answered well with the current prompt.
    pub current: f64,
    /// The prompts that the writer proposed, in order.
    pub proposals: Vec<Proposal>,
    /// Every trial and its outcome, in the order in which the trials ran.
    pub results: Vec<(Trial, TrialOutcome)>,
}

/// Runs a search that starts from an empty prompt and one with the first phrase.
pub fn run_search(script: Script) -> Searched {
    let mut prompts: Vec<u64> = vec![0, 1];
    let mut race = SuccessiveHalving::new(design(script, prompts.len()));
    let (mut proposals, mut results) = (Vec::new(), Vec::new());
    loop {
        match race.next() {
            RaceStep::Done(verdict) => {
                let place = |arm: usize| race.design().arms[arm].0[0].unwrap_or(0);
                return Searched {
                    leader: prompt_quality(prompts[place(verdict.leader)]),
                    current: prompt_quality(prompts[0]),
                    given: prompt_quality(prompts[0]).max(prompt_quality(prompts[1])),
                    race,
                    verdict,
                    proposals,
                    results,
                };
            }
            RaceStep::Propose(wanted) => {
                let parent = race.design().arms[wanted.parent].0[0].unwrap_or(0);
                let prompt = propose_prompt(prompts[parent], &wanted, script, proposals.len());
                let place = prompts.iter().position(|&known| known == prompt);
                let place = place.unwrap_or(prompts.len());
                if place == prompts.len() {
                    prompts.push(prompt);
                }
                let proposal = Proposal {
                    prompt_index: Some(place),
                    bill: JudgeCost::default(),
                };
                assert!(race.propose(proposal));
                proposals.push(proposal);
            }
            RaceStep::Evaluate(cells) => {
                let cell = cells[0];
                let place = race.design().arms[cell.arm].0[0].unwrap_or(0);
                let rate = success_rate(prompts[place], cell.case);
                let draw = uniform_number(script.seed, prompts[place] << 20 | cell.case as u64);
                let outcome = TrialOutcome {
                    score: f64::from(u8::from(draw < rate)),
                    ..TrialOutcome::default()
                };
                assert!(race.record(cell, outcome));
                results.push((cell, outcome));
            }
        }
    }
}

/// Returns the design of a search with this many given prompts.
pub fn design(script: Script, configuration_count: usize) -> Design {
    Design {
        arms: (0..configuration_count)
            .map(|place| Configuration(vec![Some(place)]))
            .collect(),
        current: 0,
        cases: script.cases,
        objective: Objective::Quality,
        budget: ExperimentBudget {
            evaluations: Some(script.evaluations),
            ..ExperimentBudget::default()
        },
        declared: vec![TrialOutcome::default(); configuration_count],
        indifference: 0.02,
        error_rate: 0.1,
        seed: script.seed,
        search: Some(SearchDesign {
            axis: 0,
            given: configuration_count,
            max_proposals: script.proposals,
            declared: JudgeCost::default(),
        }),
    }
}

fn success_rate(prompt: u64, case: usize) -> f64 {
    match prompt >> (case % PHRASES) & 1 {
        1 => RATES.0,
        _ => RATES.1,
    }
}

fn prompt_quality(prompt: u64) -> f64 {
    (0..PHRASES)
        .map(|case| success_rate(prompt, case))
        .sum::<f64>()
        / PHRASES as f64
}

fn propose_prompt(prompt: u64, wanted: &Reflection, script: Script, number: usize) -> u64 {
    let useless = 1 << (PHRASES + number);
    let is_right = uniform_number(script.seed, 0xA11 + number as u64) < script.skill;
    let missing = wanted.shown_trials.iter().map(|cell| cell.case % PHRASES);
    let mut missing = missing.filter(|phrase| prompt >> phrase & 1 == 0);
    match missing.next() {
        Some(phrase) if is_right => prompt | 1 << phrase,
        _ => prompt | useless,
    }
}

/// Returns a uniform number derived from a seed and an index (splitmix64).
fn uniform_number(seed: u64, place: u64) -> f64 {
    let mut z =
        seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ place.wrapping_mul(0xD1B5_4A32_D192_ED03);
    for factor in [0xBF58_476D_1CE4_E5B9, 0x94D0_49BB_1331_11EB] {
        z = (z ^ (z >> 30)).wrapping_mul(factor);
        z ^= z >> 27;
    }
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}
