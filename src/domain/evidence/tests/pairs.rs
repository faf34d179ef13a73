//! Measures how pairs of sentences are rated if the judge is right nine times out of ten. `make evidence`
//! prints the results next to the targets.

#![allow(clippy::print_stdout, reason = "`make evidence` shows the table")]

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::{answer, plan, run_evidence, stance};
use crate::domain::analysis::StageAnswer;
use crate::domain::evidence::agreement::DraftAgreement;
use crate::domain::evidence::{EvidenceMap, SupportLevel, objection};
use crate::domain::plan::EvidenceCall;
use crate::domain::statistics::random::Random;

const OWN_PAIRS: &str = include_str!("../../../../tests/data/evidence/pairs.json");
/// Environment variable that names a file of additional pairs.
const MORE_PAIRS_VARIABLE: &str = "EVIDENCE_PAIRS";
/// Number of simulated judgments per pair.
const TRIALS_PER_PAIR: u64 = 60;
/// How often the judge is right, in percent.
const JUDGE_ACCURACY: u64 = 90;
/// Maximum share of contradictions that may be rated as supported or agreed.
const MAX_CONTRADICTED_SHARE: f64 = 0.05;

#[derive(Deserialize)]
struct Pair {
    kind: String,
    lang: String,
    label: String,
    first: String,
    second: String,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    trials: u32,
    supported: u32,
    top: u32,
    agreed: u32,
    contradictions: u32,
    skipped: u32,
}

impl Counts {
    fn add(&mut self, map: &EvidenceMap, skips_stage: bool) {
        let level = map.sentences.first().map(|sentence| sentence.level);
        self.trials += 1;
        self.supported += u32::from(level >= Some(SupportLevel::Supported));
        self.top += u32::from(level == Some(SupportLevel::SupportedAgreed));
        self.agreed += u32::from(!map.consensus.is_empty());
        self.contradictions += u32::from(!map.contradictions.is_empty());
        self.skipped += u32::from(skips_stage);
    }

    fn share(self, count: u32) -> f64 {
        f64::from(count) / f64::from(self.trials.max(1))
    }
}

// Simulates a judge that is right nine times out of ten. When it is wrong, it makes the worst possible error: it says
// that different answers agree, or that a statement with the same meaning is unrelated.
fn simulated_judge_reply(pair: &Pair, random: &mut Random) -> (&'static str, &'static str) {
    let is_right = random.next_u64() % 100 < JUDGE_ACCURACY;
    match (pair.label.as_str(), is_right) {
        ("contradiction", true) => ("denies", "contradicts"),
        ("compatible", true) => ("silent", "neither"),
        ("same", false) => ("silent", "neither"),
        _ => ("asserts", "entails"),
    }
}

fn judge_pair(pair: &Pair, seed: u64) -> (EvidenceMap, bool) {
    let plan = plan(2, &[&pair.second], seed);
    let mut random = Random::new(seed);
    let (stance_of_second, _) = simulated_judge_reply(pair, &mut random);
    let (_, verdict) = simulated_judge_reply(pair, &mut random);
    let synthesis = format!("{} [D1:p1].", pair.first.trim_end_matches('.'));
    let judge = json!({ "claims": [{ "text": pair.first, "answer": synthesis, "stances": [
        stance(&plan, 2, 0, "asserts", &pair.first), stance(&plan, 2, 1, stance_of_second, &pair.second) ] }] });
    let checker = json!({ "verdicts": [{ "sentence": 1, "passage": 1, "verdict": verdict, "quote": pair.second }] });
    let drafts = [pair.first.as_str(), pair.second.as_str()];
    let map = run_evidence(&plan, &drafts, &synthesis, Some(&judge), Some(&checker));
    let compared: [StageAnswer; 3] = [
        answer(0, 0, &pair.first),
        answer(0, 1, &pair.second),
        answer(
            plan.evidence_stage(EvidenceCall::Drafts),
            0,
            &judge.to_string(),
        ),
    ];
    let skips_stage = DraftAgreement::from_answers(&plan, &compared)
        .is_ok_and(|found| found.reaches_threshold(0.8));
    (map, skips_stage)
}

fn measure(name: &str, pairs: &[Pair]) -> BTreeMap<String, Counts> {
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    let mut kinds: BTreeMap<(String, String), Counts> = BTreeMap::new();
    for (index, pair) in pairs.iter().enumerate() {
        for trial in 0..TRIALS_PER_PAIR {
            let (map, skips_stage) = judge_pair(pair, (index as u64) << 32 | trial);
            counts
                .entry(pair.label.clone())
                .or_default()
                .add(&map, skips_stage);
            let kind = (pair.label.clone(), format!("{} {}", pair.kind, pair.lang));
            kinds.entry(kind).or_default().add(&map, skips_stage);
        }
    }
    println!(
        "\n{name}: {} pairs, each judged {TRIALS_PER_PAIR} times by a judge that is right {JUDGE_ACCURACY} % of the time",
        pairs.len()
    );
    println!(
        "{:<34} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "", "supported", "top level", "agree", "contrad.", "skips"
    );
    let line = |name: &str, counted: &Counts| {
        let shares = [
            counted.supported,
            counted.top,
            counted.agreed,
            counted.contradictions,
            counted.skipped,
        ];
        let shares = shares.map(|count| format!("{:>8.1}%", 100.0 * counted.share(count)));
        println!("{name:<34} {}", shares.join(" "));
    };
    for (label, counted) in &counts {
        line(label, counted);
        for ((of, kind), counted) in &kinds {
            if of == label {
                line(&format!("    {kind}"), counted);
            }
        }
    }
    for pair in pairs.iter().filter(|pair| pair.label == "same") {
        if let Some(why) = objection(&pair.first, &pair.second) {
            println!(
                "lowered though the same: {} / {}: {why}",
                pair.first, pair.second
            );
        }
    }
    println!(
        "target on contradictions: supported, agree, and skips at most {:.0}%",
        100.0 * MAX_CONTRADICTED_SHARE
    );
    counts
}

fn check_targets(counts: &BTreeMap<String, Counts>) {
    let contradiction_counts = counts["contradiction"];
    for (what, count) in [
        ("supported", contradiction_counts.supported),
        ("agree", contradiction_counts.agreed),
        ("skips", contradiction_counts.skipped),
    ] {
        assert!(
            contradiction_counts.share(count) <= MAX_CONTRADICTED_SHARE,
            "{what} on {:.3} of the contradictions",
            contradiction_counts.share(count)
        );
    }
}

fn without_judge(pairs: &[Pair]) -> usize {
    let claims = |pair: &Pair| {
        let mut plan = plan(2, &[&pair.second], 1);
        plan.evidence = Default::default();
        let synthesis = format!("{} [D1:p1].", pair.first.trim_end_matches('.'));
        let map = run_evidence(&plan, &[&pair.first, &pair.second], &synthesis, None, None);
        let raised = map
            .sentences
            .iter()
            .filter(|sentence| sentence.level > SupportLevel::Cited)
            .count();
        map.claims.len() + map.consensus.len() + map.contradictions.len() + raised
    };
    pairs.iter().map(claims).sum()
}

#[test]
fn contradictions_are_seldom_called_supported_or_agreed() {
    let own_pairs: Vec<Pair> = serde_json::from_str(OWN_PAIRS).expect("pairs");
    assert!(own_pairs.len() >= 40);
    let counts = measure("tests/data/evidence/pairs.json", &own_pairs);
    let without = without_judge(&own_pairs);
    println!("claims about meaning without a judge: {without} (target 0)");
    check_targets(&counts);
    assert_eq!(without, 0);
}

#[test]
fn further_pairs_named_by_the_environment_hold_too() {
    let Ok(path) = std::env::var(MORE_PAIRS_VARIABLE) else {
        println!("{MORE_PAIRS_VARIABLE} names no file: further pairs are not measured");
        return;
    };
    // Seen from the repository, if it is relative.
    let repository = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.."));
    let text = std::fs::read_to_string(repository.join(&path)).expect(MORE_PAIRS_VARIABLE);
    let pairs: Vec<Pair> = serde_json::from_str(&text).expect("pairs");
    let counts = measure(&path, &pairs);
    let without = without_judge(&pairs);
    println!("claims about meaning without a judge: {without} (target 0)");
    check_targets(&counts);
    assert_eq!(without, 0);
}
