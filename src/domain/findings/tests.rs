//! Planted contradictions and near-misses, whole results, and that no text makes it fail.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

const CASES: &str = include_str!("../../../tests/data/findings/contradictions.json");

#[derive(Deserialize)]
struct Case {
    name: String,
    sources: Vec<String>,
    drafts: Vec<String>,
    reviews: BTreeMap<char, String>,
    /// For each contradiction: who is part of it, and words that betray which one it is.
    planted: Vec<BTreeMap<char, String>>,
}

fn plan(members: usize, sources: &[String]) -> Plan {
    let member =
        |number| json!({ "model": format!("p/{number}"), "parameters": {}, "price": null });
    let stage = |name: &str, who: &str, task: &str| json!({ "name": name, "who": who, "task": task, "prompt": "" });
    let source = |(number, text): (usize, &String)| json!({ "number": number + 1, "document": "d", "page": 1, "text": text });
    let stored = json!({
        "pattern": "critique", "question": "What is known?",
        "members": (0..members).map(member).collect::<Vec<Value>>(),
        "synthesiser": member(99),
        "stages": [stage("initial", "members", "answer"), stage("meta", "members", "review"),
                   stage("ultra", "synthesiser", "synthesise")],
        "sources": sources.iter().enumerate().map(source).collect::<Vec<Value>>(),
        "nonce": "n", "seed": 1, "cache": "on", "budget": null,
    });
    serde_json::from_value(stored).expect("a stored plan")
}

fn answer(stage: usize, member: usize, text: &str) -> StageAnswer {
    let stored = json!({
        "stage": stage, "member": member, "model": format!("p/{member}"), "text": text, "reasoning": "",
        "usage": { "input": 3, "output": 2 }, "cost": 0.5, "latency_ms": 10 * (member + 1),
        "first_token_ms": null, "finish": null, "error": null, "cached": false,
    });
    serde_json::from_value(stored).expect("a stored answer")
}

fn drafts(texts: &[&str]) -> Vec<StageAnswer> {
    let drafts = texts.iter().enumerate();
    drafts
        .map(|(member, text)| answer(0, member, text))
        .collect()
}

fn found(case: &Case) -> Vec<Contradiction> {
    let texts: Vec<&str> = case.drafts.iter().map(String::as_str).collect();
    let mut answers = drafts(&texts);
    for (letter, review) in &case.reviews {
        answers.push(answer(1, *letter as usize - 'A' as usize, review));
    }
    Findings::of(&plan(texts.len(), &case.sources), &answers, None).contradictions
}

fn is_meant(found: &Contradiction, planted: &BTreeMap<char, String>) -> bool {
    let letters: BTreeSet<char> = found
        .sides
        .iter()
        .flat_map(|side| side.letters.clone())
        .collect();
    planted.iter().all(|(letter, words)| {
        let told = |side: &Side| side.letters.contains(letter) && side.says.contains(words);
        letters.contains(letter) && (words.is_empty() || found.sides.iter().any(told))
    })
}

#[test]
fn planted_contradictions_are_found_and_near_misses_are_not() {
    let cases: Vec<Case> = serde_json::from_str(CASES).expect("cases");
    assert!(cases.len() >= 30);
    let (mut hits, mut told, mut planted) = (0, 0, 0);
    let mut faults = Vec::new();
    for case in &cases {
        let found = found(case);
        told += found.len();
        planted += case.planted.len();
        let of_case = case
            .planted
            .iter()
            .filter(|planted| found.iter().any(|one| is_meant(one, planted)))
            .count();
        hits += of_case;
        if of_case != case.planted.len() || of_case != found.len() {
            faults.push(format!("{}: {found:#?}", case.name));
        }
    }
    let (precision, recall) = (hits as f64 / told as f64, hits as f64 / planted as f64);
    let told = faults.join("\n");
    assert!(
        precision >= 0.9 && recall >= 0.9,
        "{precision:.2} {recall:.2}\n{told}"
    );
    assert!(faults.is_empty(), "{told}");
}

#[test]
fn sentences_are_led_back_to_drafts() {
    let sources = ["The paper is 0.2 mm thick.".to_owned()];
    let answers = drafts(&[
        "The paper is 0.2 mm thick [1]. It is grey.",
        "The paper is 0.2 mm thick. The printer jams often.",
        "The paper is 0.2 mm thick [1]. It is grey, they say.",
    ]);
    let synthesis = "## Answer\n\nThe paper is 0.2 mm thick [1]. The printer jams often. The printer never jams. It comes from Norway (B). Rockets fly to the moon.\n\n## Contradictions\nNone found.\n\n## Points made by one only\n- The printer jams often.";
    let found = Findings::of(&plan(3, &sources), &answers, Some(synthesis));
    let told: Vec<(String, bool, Level)> = found
        .support
        .iter()
        .map(|one| (one.letters.iter().collect(), one.stated, one.level))
        .collect();
    let expected = [
        ("ABC", false, Level::VeryHigh),
        ("B", false, Level::Low),
        ("", false, Level::None),
        ("B", true, Level::Low),
        ("", false, Level::None),
    ];
    let expected = expected.map(|(letters, stated, level)| (letters.to_owned(), stated, level));
    assert_eq!(told, expected, "{:#?}", found.support);
    let first = &found.support[0].drafts[1];
    assert_eq!(
        (first.letter, first.model.as_str(), first.stage.as_str()),
        ('B', "p/1", "initial")
    );
    assert_eq!(found.confidence.none, 2);
    assert_eq!(found.unique[0].letter, Some('B'));
    assert!(found.contradictions.is_empty() && found.note == NOTE);
    let stage = &found.stages[0];
    assert_eq!((stage.answered, stage.duration_ms), (3, 30));
    assert_eq!((stage.usage.input, stage.cost_usd.dollars()), (9, 1.5));
}

#[test]
fn what_is_told_twice_is_told_once() {
    let sources = ["The fee is 30 euros.".to_owned()];
    let mut answers = drafts(&["The fee is 30 euros.", "The fee is 40 euros."]);
    answers.push(answer(1, 0, "## On answer B\n1. claim: \"The fee is 40 euros\"\n   verdict: contradicted\n   evidence: \"The fee is 30 euros\" [1]\n   fix: The fee is 30 euros\n\n## Missing from all\nNobody says when it is due."));
    let synthesis = "## Answer\nThe fee is 30 euros.\n## Contradictions\n- Fee: A says the fee is 30 euros; B says 40 euros.\n## Blind spots\n- Nobody says when it is due.";
    let found = Findings::of(&plan(2, &sources), &answers, Some(synthesis));
    assert_eq!(found.contradictions.len(), 1, "{found:#?}");
    let one = &found.contradictions[0];
    assert_eq!((one.from, one.sides.len()), (From::Synthesis, 2));
    assert_eq!(one.reviewers, BTreeSet::from(['A']));
    assert!(one.settled_by.is_some());
    assert_eq!(found.blind_spots.len(), 1);
    let stored = serde_json::to_string(&found).expect("json");
    let read: Findings = serde_json::from_str(&stored).expect("the same");
    assert_eq!(read, found);
}

proptest! {
    #[test]
    fn no_text_makes_it_fail(
        texts in prop::collection::vec("(?s)([#*|A-C0-9.,:;()\\[\\]\"“” \n-]|claim: |verdict: contradicted|## On answer [AB]\n|ä|€|.){0,120}", 4),
    ) {
        let mut answers = drafts(&[&texts[0], &texts[1]]);
        answers.push(answer(1, 0, &texts[2]));
        let synthesis = format!("## Answer\n{}\n## Contradictions\n- {}", texts[3], texts[2]);
        Findings::of(&plan(2, &texts[..1]), &answers, Some(&synthesis));
        Findings::of(&plan(2, &[]), &answers, Some(&texts[3]));
        agreement(&texts[0], &[&texts[1], &texts[2]]);
    }
}
