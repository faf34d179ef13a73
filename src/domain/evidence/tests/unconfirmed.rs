//! Tests that anything that the judge reports but the rules do not confirm is shown as unconfirmed: not as silence, not
//! as one member's point, and not as the absence of a contradiction.

use serde_json::{Value, json};

use super::{plan, run_evidence, stance};
use crate::domain::evidence::{EvidenceMap, Stance, SupportLevel};

const LEASE: [&str; 3] = [
    "The lease ends on 30 June 2027.",
    "On 30 June 2027 there is an end to the lease.",
    "The contract ends on June 30th, 2027.",
];
const SELLER: &str = "The seller pays the shipping costs.";
const BUYER: &str = "The buyer pays the shipping costs.";

fn stances(map: &EvidenceMap, claim: usize) -> Vec<Stance> {
    map.claims[claim]
        .stances
        .iter()
        .map(|entry| entry.stance)
        .collect()
}

#[test]
fn unconfirmed_stances_are_neither_silence_nor_unique_points() {
    let plan = plan(3, &[], 4);
    let asserted = [0, 1, 2].map(|member| stance(&plan, 3, member, "asserts", LEASE[member]));
    let judge = json!({ "claims": [{ "text": LEASE[0], "stances": asserted }] });
    let map = run_evidence(&plan, &LEASE, LEASE[0], Some(&judge), None);
    assert_eq!(
        stances(&map, 0),
        [Stance::Asserts, Stance::Unconfirmed, Stance::Unconfirmed]
    );
    for (entry, text) in map.claims[0].stances.iter().zip(LEASE) {
        assert_eq!(entry.quote, text.trim_end_matches('.'), "{entry:?}");
        assert_eq!(entry.lowered.is_empty(), entry.stance == Stance::Asserts);
    }
    assert!(map.unique.is_empty() && map.consensus.is_empty(), "{map:?}");
    // If a member's quotation was not found, the point does not count as unique to the other member either.
    let asserted = [
        stance(&plan, 3, 0, "asserts", LEASE[0]),
        stance(&plan, 3, 1, "asserts", "The lease ends on 30 June 2028."),
    ];
    let judge = json!({ "claims": [{ "text": LEASE[0], "stances": asserted }] });
    let map = run_evidence(&plan, &LEASE, LEASE[0], Some(&judge), None);
    assert_eq!(stances(&map, 0)[1], Stance::Silent);
    assert!(map.unique.is_empty(), "{map:?}");
}

#[test]
fn a_date_in_another_order_is_the_same_date() {
    let plan = plan(3, &[], 4);
    let texts = [
        "The lease ends on 30 June 2027.",
        "The lease ends on June 30, 2027.",
        "The lease ends on June 30th, 2027.",
    ];
    let asserted = [0, 1, 2].map(|member| stance(&plan, 3, member, "asserts", texts[member]));
    let judge = json!({ "claims": [{ "text": texts[0], "stances": asserted }] });
    let map = run_evidence(&plan, &texts, texts[0], Some(&judge), None);
    assert_eq!(map.consensus, [0], "{map:?}");
}

// Creates a map in which A and B say that the seller pays and C says that the buyer does. The judge reports no denial.
fn conflicting_map(more: &Value, contradictions: &Value) -> EvidenceMap {
    let plan = plan(3, &[SELLER], 4);
    let cited_sentence = "The seller pays the shipping costs [D1:p1].";
    let asserted = [0, 1].map(|member| stance(&plan, 3, member, "asserts", SELLER));
    let mut claims = vec![json!({ "text": SELLER, "answer": cited_sentence, "stances": asserted })];
    claims.extend(more.as_array().cloned().unwrap_or_default());
    let judge = json!({ "claims": claims, "contradictions": contradictions });
    let checker = json!({ "verdicts": [{ "sentence": 1, "passage": 1, "verdict": "entails", "quote": SELLER }] });
    let drafts = [SELLER, SELLER, BUYER];
    run_evidence(&plan, &drafts, cited_sentence, Some(&judge), Some(&checker))
}

#[test]
fn a_member_whose_words_conflict_keeps_a_sentence_from_the_top_level() {
    let plan = plan(3, &[], 4);
    let of = |text: &str, kind: &str| json!([{ "text": text, "stances": [stance(&plan, 3, 2, kind, BUYER)] }]);
    let broad_quote = "Someone pays the shipping costs.";
    let unrelated = json!([]);
    for (more, expected) in [
        (&unrelated, SupportLevel::SupportedAgreed),
        (&of(BUYER, "asserts"), SupportLevel::Supported),
        (&of(broad_quote, "asserts"), SupportLevel::Supported),
        (&of(broad_quote, "denies"), SupportLevel::Supported),
        (
            &of("The costs are split.", "denies"),
            SupportLevel::Supported,
        ),
    ] {
        let map = conflicting_map(more, &json!([]));
        let sentence = &map.sentences[0];
        assert_eq!(sentence.level, expected, "{more}: {sentence:?}");
        assert_eq!(map.unverified.len(), 0, "{more}");
    }
}

#[test]
fn a_claim_that_members_make_in_opposite_words_is_no_consensus() {
    let plan = plan(2, &[], 4);
    let asserted = [SELLER, BUYER];
    let stances = [0, 1].map(|member| stance(&plan, 2, member, "asserts", asserted[member]));
    let judge =
        json!({ "claims": [{ "text": "One party pays the shipping costs.", "stances": stances }] });
    let map = run_evidence(&plan, &asserted, SELLER, Some(&judge), None);
    assert_eq!(map.claims.len(), 1);
    assert!(map.consensus.is_empty(), "{map:?}");
}

#[test]
fn a_reported_contradiction_is_never_none() {
    let plan = plan(3, &[], 4);
    let buyer = json!([{ "text": BUYER, "stances": [stance(&plan, 3, 2, "asserts", BUYER)] }]);
    let vague = json!([{ "text": "The members differ on the costs.", "stances": [] }]);
    for (more, claim) in [(&buyer, 1), (&vague, 1), (&json!([]), 0)] {
        let map = conflicting_map(more, &json!([{ "claim": claim, "why": "who pays" }]));
        assert_eq!(
            (map.contradictions.len(), map.unverified.len()),
            (0, 1),
            "{more}"
        );
        assert_eq!(map.sentences[0].level, SupportLevel::Supported, "{more}");
    }
    // A sentence that shares no term with the disputed point keeps its level.
    let color = json!([{ "text": "The pump is red.", "stances": [] }]);
    let map = conflicting_map(&color, &json!([{ "claim": 1, "why": "one says blue" }]));
    assert_eq!(map.unverified.len(), 1);
    assert_eq!(map.sentences[0].level, SupportLevel::SupportedAgreed);
    // If one side is unconfirmed and the other denies, there is neither agreement nor a proven contradiction.
    let asserted = [
        stance(&plan, 3, 0, "asserts", SELLER),
        stance(&plan, 3, 2, "denies", BUYER),
    ];
    let split = json!([{ "text": "It is the vendor's part to pay for all shipping.", "stances": asserted }]);
    let map = conflicting_map(&split, &json!([]));
    assert_eq!(
        (map.contradictions.len(), map.unverified.len()),
        (0, 1),
        "{map:?}"
    );
    assert_eq!(map.sentences[0].level, SupportLevel::Supported);
}
