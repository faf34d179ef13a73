//! Tests that agreement is reported only if nothing contradicts it: not the sentence itself, not a passage, and not a
//! contradiction that the judge reports without words that are found in the drafts.

use serde_json::{Value, json};

use super::{answer, plan, run_evidence, stance};
use crate::domain::analysis::{Plan, StageAnswer};
use crate::domain::evidence::agreement::DraftAgreement;
use crate::domain::evidence::{EvidenceMap, Stance, SupportLevel};
use crate::domain::plan::EvidenceCall;

const PAYS: &str = "The seller pays the shipping costs.";
const FLAT: &str = "The lease is for one flat in Berlin.";

fn entailing_verdict(quote: &str) -> Value {
    json!({ "verdicts": [{ "sentence": 1, "passage": 1, "verdict": "entails", "quote": quote }] })
}

// Builds the map of a run in which both drafts say the same, and in which the judge and the checker match them to a
// sentence of the answer.
fn map_of_agreeing_drafts(drafts: &str, sentence: &str) -> EvidenceMap {
    let plan = plan(2, &[sentence], 4);
    let stances = [0, 1].map(|member| stance(&plan, 2, member, "asserts", drafts));
    let cited_sentence = format!("{} [D1:p1].", sentence.trim_end_matches('.'));
    let judge =
        json!({ "claims": [{ "text": drafts, "answer": cited_sentence, "stances": stances }] });
    let checker = entailing_verdict(sentence);
    run_evidence(
        &plan,
        &[drafts, drafts],
        &cited_sentence,
        Some(&judge),
        Some(&checker),
    )
}

#[test]
fn the_sentence_itself_is_held_against_the_members_words() {
    use SupportLevel::{Supported, SupportedAgreed};
    for (draft, sentence, expected) in [
        (
            "The buyer pays 300 euros.",
            "The buyer pays 300 euros.",
            SupportedAgreed,
        ),
        (
            "The buyer pays 300 euros.",
            "The buyer pays 500 euros.",
            Supported,
        ),
        (
            "The buyer does not pay the costs.",
            "The buyer pays the costs.",
            Supported,
        ),
        (
            "The seller pays the costs.",
            "The buyer pays the costs.",
            Supported,
        ),
        ("The lease ends on 30 June 2027.", PAYS, Supported),
        (
            "The lease ends on 30 June 2027.",
            "The lease ends on 30 June 2027 and the rent is 900 euros.",
            Supported,
        ),
    ] {
        let map = map_of_agreeing_drafts(draft, sentence);
        let support = &map.sentences[0];
        assert_eq!(support.level, expected, "{draft} / {sentence}: {support:?}");
        assert_eq!(map.consensus, [0], "they do agree on the claim");
        let expects_claim = expected == SupportedAgreed || sentence.contains(" and ");
        assert_eq!(
            support.claim.is_some(),
            expects_claim,
            "{draft} / {sentence}"
        );
        assert!(!support.disputed);
    }
}

#[test]
fn words_of_two_claims_carry_a_sentence_together() {
    let draft = "The lease ends on 30 June 2027. The rent is 900 euros.";
    let sentence = "The lease ends on 30 June 2027 and the rent is 900 euros";
    let plan = plan(2, &[sentence], 4);
    let claim = |text: &str| {
        let stances = [0, 1].map(|member| stance(&plan, 2, member, "asserts", text));
        json!({ "text": text, "answer": sentence, "stances": stances })
    };
    let judge = json!({ "claims": [claim("The lease ends on 30 June 2027."), claim("The rent is 900 euros.")] });
    let cited_sentence = format!("{sentence} [D1:p1].");
    let map = run_evidence(
        &plan,
        &[draft, draft],
        &cited_sentence,
        Some(&judge),
        Some(&entailing_verdict(sentence)),
    );
    assert_eq!(
        map.sentences[0].level,
        SupportLevel::SupportedAgreed,
        "{map:?}"
    );
}

/// The judge lists both sides as separate claims and names the sentence for one of them or for neither.
#[test]
fn a_sentence_on_one_side_of_a_contradiction_is_disputed() {
    let plan = plan(3, &[PAYS], 4);
    let buyer = "The buyer pays the shipping costs.";
    let of = |claim: &str, kinds: [&str; 3], answer: &str| {
        let texts = [PAYS, PAYS, buyer];
        let stances =
            [0, 1, 2].map(|member| stance(&plan, 3, member, kinds[member], texts[member]));
        json!({ "text": claim, "answer": answer, "stances": stances })
    };
    let cited_sentence = "The seller pays the shipping costs [D1:p1].";
    let both = [
        of(PAYS, ["asserts", "asserts", "silent"], cited_sentence),
        of(buyer, ["denies", "denies", "asserts"], ""),
    ];
    let single_claim = [of(PAYS, ["asserts", "asserts", "denies"], "")];
    for (claims, contradiction) in [(&both[..], 1), (&single_claim[..], 0)] {
        let judge = json!({ "claims": claims, "contradictions": [{ "claim": contradiction, "why": "who pays" }] });
        let drafts = [PAYS, PAYS, buyer];
        let map = run_evidence(
            &plan,
            &drafts,
            cited_sentence,
            Some(&judge),
            Some(&entailing_verdict(PAYS)),
        );
        assert!(map.sentences[0].disputed, "{map:?}");
        assert_ne!(map.sentences[0].level, SupportLevel::SupportedAgreed);
    }
}

/// A claim so broad that opposite statements support it is no evidence of agreement.
#[test]
fn members_who_contradict_each_other_skip_no_stage() {
    let plan = plan(2, &[], 4);
    let stances = [
        stance(&plan, 2, 0, "asserts", PAYS),
        stance(&plan, 2, 1, "asserts", "The buyer pays the shipping costs."),
    ];
    let reply = json!({ "claims": [{ "text": "One party pays the shipping costs.", "stances": stances }], "contradictions": [] });
    let answers = [
        answer(0, 0, PAYS),
        answer(0, 1, "The buyer pays the shipping costs."),
        answer(
            plan.evidence_stage(EvidenceCall::Drafts),
            0,
            &reply.to_string(),
        ),
    ];
    let agreement = DraftAgreement::from_answers(&plan, &answers).expect("a comparison");
    assert_eq!(agreement.shared_claims, 0, "{agreement:?}");
}

#[test]
fn one_model_does_not_agree_with_itself() {
    let mut plan = plan(2, &[PAYS], 4);
    let stances = [0, 1].map(|member| stance(&plan, 2, member, "asserts", PAYS));
    let judge = json!({ "claims": [{ "text": PAYS, "answer": PAYS, "stances": stances }] });
    plan.members[1] = plan.members[0].clone();
    let cited_sentence = "The seller pays the shipping costs [D1:p1].";
    let of = |model: &str| {
        let mut second = answer(0, 1, PAYS);
        model.clone_into(&mut second.model);
        let reply = |call, reply: &Value| answer(plan.evidence_stage(call), 0, &reply.to_string());
        let answers = [
            answer(0, 0, PAYS),
            second,
            reply(EvidenceCall::Map, &judge),
            reply(EvidenceCall::Passages, &entailing_verdict(PAYS)),
        ];
        let map = crate::domain::evidence::build_map(&plan, &answers, Some(cited_sentence));
        map.sentences[0].level
    };
    assert_eq!(of("p/0"), SupportLevel::Supported);
    assert_eq!(of("p/0#2"), SupportLevel::Supported, "a second sample");
    assert_eq!(of("p/1"), SupportLevel::SupportedAgreed);
}

// Returns the agreement of two drafts that share one claim, with additional judge output about who pays.
fn draft_agreement(plan: &Plan, extra_fields: Value) -> DraftAgreement {
    let first = format!("{FLAT} {PAYS}");
    let second = format!("{FLAT} The buyer pays the shipping costs.");
    let shared = [0, 1].map(|member| stance(plan, 2, member, "asserts", FLAT));
    let mut reply = json!({ "claims": [{ "text": FLAT, "stances": shared }] });
    if let Some(claim) = extra_fields.get("claim") {
        reply["claims"]
            .as_array_mut()
            .expect("claims")
            .push(claim.clone());
    }
    reply["contradictions"] = extra_fields["contradictions"].clone();
    let stage = plan.evidence_stage(EvidenceCall::Drafts);
    let answers: [StageAnswer; 3] = [
        answer(0, 0, &first),
        answer(0, 1, &second),
        answer(stage, 0, &reply.to_string()),
    ];
    DraftAgreement::from_answers(plan, &answers).expect("a comparison")
}

#[test]
fn a_contradiction_without_words_that_were_found_skips_nothing() {
    let plan = plan(2, &[], 4);
    let of = |member: usize, kind: &str, quote: &str| stance(&plan, 2, member, kind, quote);
    let pays = |first: &str, second: &str| json!({ "text": PAYS, "stances": [of(0, "asserts", first), of(1, "denies", second)] });
    let reported = |index: i64| json!([{ "claim": index, "why": "who pays" }]);
    assert!(draft_agreement(&plan, json!({})).reaches_threshold(1.0));
    let vague = pays(
        "seller has to pay for shipping",
        "buyer has to pay for shipping",
    );
    for more in [
        json!({ "claim": vague, "contradictions": reported(1) }),
        json!({ "claim": vague }),
        json!({ "claim": pays(PAYS, "buyer pays for shipping") }),
        json!({ "claim": { "text": "Who pays the shipping costs.", "stances": [] }, "contradictions": reported(1) }),
        json!({ "contradictions": reported(1) }),
        json!({ "contradictions": reported(-1) }),
        json!({ "contradictions": ["they differ"] }),
    ] {
        let agreement = draft_agreement(&plan, more.clone());
        assert_eq!(
            (
                agreement.contradictions,
                agreement.unverified_contradictions
            ),
            (0, 1),
            "{more}"
        );
        assert!(!agreement.reaches_threshold(0.1), "{more}");
        assert!(
            agreement
                .difference_note()
                .contains("in 1 only according to the judge"),
            "{more}"
        );
    }
    // A claim whose quoted words were not found does not count as shared either.
    let unfound = json!({ "text": PAYS, "stances": [of(0, "asserts", "seller has to pay"), of(1, "asserts", "seller has to pay")] });
    let agreement = draft_agreement(&plan, json!({ "claim": unfound }));
    assert_eq!(
        (
            agreement.listed_claims(),
            agreement.shared_claims,
            agreement.unverified_contradictions
        ),
        (2, 1, 0)
    );
    let pays_claim = pays(PAYS, "The buyer pays the shipping costs");
    let agreement = draft_agreement(
        &plan,
        json!({ "claim": pays_claim, "contradictions": reported(1) }),
    );
    assert_eq!(
        (
            agreement.contradictions,
            agreement.unverified_contradictions
        ),
        (1, 0)
    );
}

#[test]
fn a_denial_without_words_that_were_found_rules_agreement_out() {
    let plan = plan(3, &[PAYS], 4);
    let other = "No: it is the buyer who has to pay for shipping, as clause 4 states.";
    let map = |quote: &str, extra_stances: Value| {
        let mut stances = vec![
            stance(&plan, 3, 0, "asserts", PAYS),
            stance(&plan, 3, 1, "asserts", PAYS),
            stance(&plan, 3, 2, "denies", quote),
        ];
        stances.extend(extra_stances.as_array().cloned().unwrap_or_default());
        let cited_sentence = "The seller pays the shipping costs [D1:p1].";
        let judge =
            json!({ "claims": [{ "text": PAYS, "answer": cited_sentence, "stances": stances }] });
        run_evidence(
            &plan,
            &[PAYS, PAYS, other],
            cited_sentence,
            Some(&judge),
            Some(&entailing_verdict(PAYS)),
        )
    };
    let evidence_map = map("it is the buyer who has to pay for shipping", json!([]));
    assert_eq!(
        (
            evidence_map.contradictions.len(),
            evidence_map.unverified.len()
        ),
        (1, 0)
    );
    assert!(evidence_map.sentences[0].disputed);
    for (quote, extra_stances) in [
        ("it is the buyer who pays for shipping", json!([])),
        ("", json!([])),
        // The judge reports two stances of one member with the same words.
        (
            "it is the buyer who has to pay for shipping",
            json!([stance(&plan, 3, 2, "asserts", "as clause 4 states")]),
        ),
    ] {
        let evidence_map = map(quote, extra_stances);
        assert_eq!(
            evidence_map.sentences[0].level,
            SupportLevel::Supported,
            "{quote}"
        );
        assert_eq!(evidence_map.unverified[0].claim, Some(0), "{quote}");
        assert!(evidence_map.consensus.is_empty() && !evidence_map.sentences[0].disputed);
        assert_eq!(evidence_map.claims[0].stances[2].stance, Stance::Silent);
    }
}

#[test]
fn contradicting_passage_rules_out_support() {
    let passages = [
        PAYS,
        "Correction: it is the buyer who pays the shipping costs.",
    ];
    let plan = plan(2, &passages, 4);
    let checked = |verdict: &str, passage: Value, quote: &str| {
        let checker = json!({ "verdicts": [
            { "sentence": 1, "passage": passage, "verdict": verdict, "quote": quote },
            { "sentence": 1, "passage": 1, "verdict": "entails", "quote": PAYS } ] });
        let answer = "The seller pays the shipping costs [D1:p1][D1:p2].";
        let map = run_evidence(&plan, &[PAYS, PAYS], answer, None, Some(&checker));
        map.sentences[0].clone()
    };
    let support = checked(
        "contradicts",
        json!(2),
        "it is the buyer who pays the shipping costs",
    );
    assert_eq!(
        (support.level, support.passage),
        (SupportLevel::Cited, Some(2))
    );
    assert_eq!(
        support.lowered.as_deref(),
        Some("the passage says otherwise")
    );
    assert!(
        support.reason().contains("says otherwise"),
        "{}",
        support.reason()
    );
    for passage in [json!(2), json!("p2"), json!(9)] {
        let support = checked("contradicts", passage.clone(), "buyer pays shipping");
        assert_eq!(support.level, SupportLevel::Cited, "{passage}");
        assert!(
            support
                .lowered
                .is_some_and(|why| why.contains("contradicts it"))
        );
    }
    assert_eq!(
        checked("neither", json!(2), "").level,
        SupportLevel::Supported
    );
}

#[test]
fn support_reasons_state_the_verdict_of_the_checker() {
    let passage = "The tenant may not sublet the flat.";
    let plan = plan(2, &[passage], 4);
    let reason = |verdict: &str, quote: &str| {
        let checker = json!({ "verdicts": [{ "sentence": 1, "passage": 1, "verdict": verdict, "quote": quote }] });
        let answer = "The tenant may sublet the flat [D1:p1].";
        run_evidence(&plan, &[], answer, None, Some(&checker)).sentences[0].reason()
    };
    for (verdict, quote, expected) in [
        ("contradicts", passage, "says otherwise"),
        ("neither", "", "does not say so"),
        ("entails", passage, "does not count as support"),
        ("unknown", "", "no model found"),
    ] {
        let reason_text = reason(verdict, quote);
        assert!(reason_text.contains(expected), "{verdict}: {reason_text}");
    }
}
