//! Contradictions that a judge reports but the members' quoted words do not confirm. They do not prove a
//! contradiction, but they rule out agreement.

use super::tokens::tokens;
use super::words::is_content_word;
use super::{EvidenceClaim, EvidenceMap, Stance, UnverifiedContradiction};
use crate::domain::citation::ComparableText;

/// Number of initial letters by which terms are compared.
const MIN_STEM_CHARS: usize = 4;

/// Findings about one claim on the judge's list.
#[derive(Debug, Clone)]
pub(super) struct ClaimOutcome<'a> {
    /// The claim, in the judge's words.
    pub text: &'a str,
    /// Index of the claim in the map; `None` if the claim is left out.
    pub claim: Option<usize>,
    /// Index of the answer's sentence that makes the claim according to the judge; `None` if there is none.
    pub sentence: Option<usize>,
    /// Whether the sentence makes the claim without an objection by any rule.
    pub is_asserted: bool,
    /// The judge's reason, if it reports a contradiction about the claim.
    pub objection: Option<&'a str>,
    /// Number of denials that the judge reports without a quotation that confirms them.
    pub ineffective_denials: usize,
    /// Number of assertions that the judge reports but whose quoted words were not found.
    pub unfound_quote_count: usize,
}

impl ClaimOutcome<'_> {
    /// Whether the judge reports a contradiction about the claim, or a denial that no quotation confirms.
    pub fn is_contested(&self) -> bool {
        self.ineffective_denials > 0 || self.objection.is_some()
    }
}

/// Returns the contradictions that the judge reports but that are not among the map's contradictions.
pub(super) fn unverified_contradictions(
    map: &EvidenceMap,
    claim_outcomes: &[ClaimOutcome<'_>],
    unplaced_reasons: &[String],
) -> Vec<UnverifiedContradiction> {
    let claim_of = |item: &ClaimOutcome<'_>| item.claim.map(|claim| &map.claims[claim]);
    let is_open = |item: &&ClaimOutcome<'_>| {
        let mut listed_contradictions = map.contradictions.iter();
        let is_listed = item.claim.is_some()
            && listed_contradictions.any(|known| item.claim == Some(known.claim));
        let is_split = claim_of(item).is_some_and(|claim| {
            has_stance(claim, Stance::Denies) && has_stance(claim, Stance::Unconfirmed)
        });
        (item.is_contested() || is_split) && !is_listed
    };
    let claim_contradictions =
        claim_outcomes
            .iter()
            .filter(is_open)
            .map(|item| UnverifiedContradiction {
                point: item.text.to_owned(),
                why: item.objection.unwrap_or_default().to_owned(),
                claim: item.claim,
            });
    let unplaced_contradictions = unplaced_reasons.iter().map(|why| UnverifiedContradiction {
        why: why.clone(),
        ..UnverifiedContradiction::default()
    });
    claim_contradictions
        .chain(unplaced_contradictions)
        .collect()
}

/// Whether a reported contradiction could be about this claim.
pub(super) fn is_reported_for(
    reported: &[UnverifiedContradiction],
    claim: usize,
    text: &str,
) -> bool {
    let is_about = |contradiction: &UnverifiedContradiction| {
        contradiction.point.is_empty() || have_common_term(&contradiction.point, text)
    };
    let mut reported = reported.iter();
    reported.any(|contradiction| contradiction.claim == Some(claim) || is_about(contradiction))
}

// Whether two texts share a term, compared by its first letters. Also true if a text has no terms, or if its
// script does not separate words with spaces.
fn have_common_term(left: &str, right: &str) -> bool {
    let terms = |text: &str| -> Vec<String> {
        let words = tokens(text).into_iter().map(|token| token.text);
        let start = |word: String| word.chars().take(MIN_STEM_CHARS).collect();
        words
            .filter(|word| is_content_word(word))
            .map(start)
            .collect()
    };
    let (terms_of_left, others) = (terms(left), terms(right));
    let has_no_spaces = left
        .chars()
        .any(|c| ('\u{e00}'..'\u{1e00}').contains(&c) || c >= '\u{2e80}');
    let is_shared = terms_of_left.iter().any(|term| others.contains(term));
    terms_of_left.is_empty() || others.is_empty() || has_no_spaces || is_shared
}

fn has_stance(claim: &EvidenceClaim, stance: Stance) -> bool {
    claim.stances.iter().any(|member| member.stance == stance)
}

/// Whether two texts have the same words.
pub(super) fn have_same_words(a: &str, b: &str) -> bool {
    let plain = |text: &str| -> Vec<String> {
        let text = ComparableText::from_text(text);
        text.words().iter().map(|word| word.plain.clone()).collect()
    };
    plain(a) == plain(b)
}
