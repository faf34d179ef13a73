//! Adjusts the support levels of the answer's sentences according to the members' claims.

use std::collections::BTreeSet;

use super::dispute::{ClaimOutcome, is_reported_for};
use super::rules::{conflict, objection};
use super::{ClaimContradiction, EvidenceClaim, EvidenceMap, MemberStance, Stance, SupportLevel};
use crate::domain::plan::model_of;

/// Minimum number of distinct models that must make a claim. Several members with the same model count once.
const MIN_MODELS: usize = 2;

/// Marks the sentences that a member denies, and raises the level of supported sentences that several models agree on.
/// If a rule prevents that, stores the reason in the sentence.
pub(super) fn adjust_support(map: &mut EvidenceMap, placed: &[ClaimOutcome<'_>]) {
    let EvidenceMap {
        claims,
        contradictions,
        unverified,
        sentences,
        ..
    } = map;
    let is_free = |claim: usize| {
        let is_listed = contradictions.iter().any(|entry| entry.claim == claim);
        !is_listed && !is_reported_for(unverified, claim, &claims[claim].text)
    };
    for (at, sentence) in sentences.iter_mut().enumerate() {
        let linked = || placed.iter().filter(|entry| entry.sentence == Some(at));
        sentence.disputed = linked().any(|entry| is_denied(entry, claims, &sentence.text))
            || is_contested(contradictions, claims, &sentence.text);
        let is_supported = linked().all(|entry| match entry.claim {
            Some(claim) => entry.is_asserted && is_free(claim),
            None => !entry.is_contested(),
        });
        let mut reported = unverified.iter().filter(|entry| !entry.point.is_empty());
        let is_supported =
            is_supported && !reported.any(|entry| supports_sentence(&entry.point, &sentence.text));
        let linked_claims: Vec<&EvidenceClaim> = linked()
            .filter_map(|entry| entry.claim)
            .map(|claim| &claims[claim])
            .collect();
        if sentence.level != SupportLevel::Supported
            || linked_claims.is_empty()
            || sentence.disputed
        {
            continue;
        }
        match agreeing_models(&linked_claims, &sentence.text) {
            Ok(models) if models >= MIN_MODELS && is_supported => {
                match opposing_member(claims, &linked_claims, &sentence.text) {
                    None => sentence.level = SupportLevel::SupportedAgreed,
                    Some(why) => sentence.lowered = Some(why),
                }
            }
            Ok(_) => {}
            Err(why) => {
                let text = format!("the members' words do not carry the sentence: {why}");
                sentence.lowered = Some(text);
            }
        }
    }
}

// Whether a member denies the sentence: either the sentence makes the denied claim, or the words of the denial
// conflict with the sentence.
fn is_denied(entry: &ClaimOutcome<'_>, claims: &[EvidenceClaim], sentence: &str) -> bool {
    let stances = entry.claim.map_or(&[][..], |claim| &claims[claim].stances);
    stances.iter().any(|stance| {
        let denies = stance.stance == Stance::Denies;
        denies && (entry.is_asserted || objection(sentence, &stance.quote).is_some())
    })
}

// Whether the sentence is one side of a contradiction or makes a claim that a member denies. The sentence's
// own words decide, even if the judge names no sentence for the claim.
fn is_contested(
    contradictions: &[ClaimContradiction],
    claims: &[EvidenceClaim],
    sentence: &str,
) -> bool {
    let is_side = |item: &ClaimContradiction| {
        let mut sides = item.sides.iter();
        sides.any(|side| supports_sentence(&side.quote, sentence))
    };
    let is_denied = |claim: &EvidenceClaim| {
        let mut stances = claim.stances.iter();
        stances.any(|item| item.stance == Stance::Denies)
            && supports_sentence(&claim.text, sentence)
    };
    contradictions.iter().any(is_side) || claims.iter().any(is_denied)
}

fn supports_sentence(words: &str, sentence: &str) -> bool {
    objection(sentence, words).is_none()
}

// Returns why a member's words conflict with a sentence although the judge reports no contradiction. A member
// whose words support the sentence's claims is not considered.
fn opposing_member(
    claims: &[EvidenceClaim],
    linked_claims: &[&EvidenceClaim],
    sentence: &str,
) -> Option<String> {
    let supports = |stance: &MemberStance| {
        stance.stance == Stance::Asserts && objection(sentence, &stance.quote).is_none()
    };
    let is_supporter = |letter: char| {
        let mut linked_stances = linked_claims.iter().flat_map(|claim| &claim.stances);
        linked_stances.any(|stance| stance.letter == letter && supports(stance))
    };
    let others = claims.iter().flat_map(|claim| &claim.stances);
    let mut others = others.filter(|item| !item.quote.is_empty() && !is_supporter(item.letter));
    others.find_map(|item| {
        let why = conflict(sentence, &item.quote)?;
        Some(format!("member {} differs: {why}", item.letter))
    })
}

/// Returns the number of models whose quoted words support all claims of a sentence. Several samples of one
/// model count once, because they share its mistakes.
///
/// # Errors
/// Returns a rule's reason if members make the claims but the rule objects to their words.
fn agreeing_models(linked_claims: &[&EvidenceClaim], sentence: &str) -> Result<usize, String> {
    let members = linked_claims.first().map_or(0, |claim| claim.stances.len());
    let (mut models, mut why) = (BTreeSet::new(), None);
    for member in 0..members {
        let stances = linked_claims
            .iter()
            .filter_map(|claim| claim.stances.get(member));
        let asserting: Vec<_> = stances
            .filter(|entry| entry.stance == Stance::Asserts)
            .collect();
        if asserting.len() < linked_claims.len() {
            continue;
        }
        let quotes: Vec<&str> = asserting.iter().map(|entry| entry.quote.as_str()).collect();
        match objection(sentence, &quotes.join(". ")) {
            None => drop(models.insert(model_of(&asserting[0].model))),
            Some(objection) => why = Some(objection),
        }
    }
    match why {
        Some(why) if models.len() < MIN_MODELS => Err(why),
        _ => Ok(models.len()),
    }
}
