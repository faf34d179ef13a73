//! Contradictions that a judge reports without quoted words that were found. They prove no contradiction, but they
//! rule out agreement.

use super::{EvidenceClaim, MemberStance};
use super::{EvidenceMap, Stance, UnverifiedContradiction};
use crate::domain::citation::ComparableText;

/// The outcome of one claim on the judge's list.
#[derive(Debug, Clone)]
pub(super) struct PlacedClaim<'a> {
    /// The claim, in the judge's words.
    pub text: &'a str,
    /// Index in the map; none if the claim is left out.
    pub claim: Option<usize>,
    /// Index of the answer's sentence that the judge names for the claim.
    pub sentence: Option<usize>,
    /// Whether no rule objects to the finding that the sentence makes the claim.
    pub is_made: bool,
    /// The judge's reason, if it reports a contradiction on the claim.
    pub why: Option<&'a str>,
    /// Number of the judge's denials that do not count.
    pub lost: usize,
}

impl PlacedClaim<'_> {
    /// Whether the judge reports that a member denies the claim.
    pub fn is_contested(&self) -> bool {
        self.lost > 0 || self.why.is_some()
    }
}

/// Returns the reported contradictions that the map does not list and the members' words do not refute.
pub(super) fn unverified(
    map: &EvidenceMap,
    placed: &[PlacedClaim<'_>],
    unplaced: &[String],
) -> Vec<UnverifiedContradiction> {
    let is_open = |one: &&PlacedClaim<'_>| {
        let is_settled = one.claim.is_some_and(|claim| {
            let is_listed = map.contradictions.iter().any(|known| known.claim == claim);
            is_listed || (one.lost == 0 && all_say_the_same(&map.claims[claim]))
        });
        one.is_contested() && !is_settled
    };
    let of_claims = placed
        .iter()
        .filter(is_open)
        .map(|one| UnverifiedContradiction {
            point: one.text.to_owned(),
            why: one.why.unwrap_or_default().to_owned(),
            claim: one.claim,
        });
    let of_none = unplaced.iter().map(|why| UnverifiedContradiction {
        why: why.clone(),
        ..UnverifiedContradiction::default()
    });
    of_claims.chain(of_none).collect()
}

/// Whether a reported contradiction could be about this claim.
pub(super) fn concerns(reported: &[UnverifiedContradiction], claim: usize) -> bool {
    let is_unknown = |one: &UnverifiedContradiction| one.claim.is_none() && one.point.is_empty();
    reported
        .iter()
        .any(|one| one.claim == Some(claim) || is_unknown(one))
}

/// Whether two texts have the same words.
pub(super) fn same_words(one: &str, other: &str) -> bool {
    let plain = |text: &str| -> Vec<String> {
        let text = ComparableText::of(text);
        text.words().iter().map(|word| word.plain.clone()).collect()
    };
    plain(one) == plain(other)
}

fn all_say_the_same(claim: &EvidenceClaim) -> bool {
    let first = claim.stances.first();
    let is_same = |one: &MemberStance| {
        let is_first = first.is_some_and(|first| same_words(&first.quote, &one.quote));
        one.stance == Stance::Asserts && is_first
    };
    claim.stances.iter().all(is_same)
}
