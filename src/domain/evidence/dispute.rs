//! Contradictions that a judge reports and that the members' words do not confirm. They prove no contradiction, but they
//! rule agreement out.

use super::rules::is_about;
use super::{EvidenceClaim, EvidenceMap, Stance, UnverifiedContradiction};
use crate::domain::citation::ComparableText;

/// What became of a claim of the judge's list.
#[derive(Debug, Clone)]
pub(super) struct PlacedClaim<'a> {
    /// In the judge's words.
    pub text: &'a str,
    /// Index in the map; none if it is left out.
    pub claim: Option<usize>,
    /// Index of the sentence of the answer that the judge names for it.
    pub sentence: Option<usize>,
    /// Whether no rule objects to that the sentence makes the claim.
    pub is_made: bool,
    /// The judge's reason, if it reports a contradiction on the claim.
    pub why: Option<&'a str>,
    /// Number of denials that the judge gave and that do not count.
    pub lost: usize,
    /// Number of assertions that the judge gave and whose words were not found.
    pub unfound: usize,
}

impl PlacedClaim<'_> {
    /// Whether the judge reports that a member denies it.
    pub fn is_contested(&self) -> bool {
        self.lost > 0 || self.why.is_some()
    }
}

/// The reported contradictions that the map does not list.
pub(super) fn unverified(
    map: &EvidenceMap,
    placed: &[PlacedClaim<'_>],
    unplaced: &[String],
) -> Vec<UnverifiedContradiction> {
    let claim_of = |one: &PlacedClaim<'_>| one.claim.map(|claim| &map.claims[claim]);
    let is_open = |one: &&PlacedClaim<'_>| {
        let mut listed = map.contradictions.iter();
        let is_listed = one.claim.is_some() && listed.any(|known| one.claim == Some(known.claim));
        let is_split = claim_of(one)
            .is_some_and(|claim| has(claim, Stance::Denies) && has(claim, Stance::Unconfirmed));
        (one.is_contested() || is_split) && !is_listed
    };
    let of_claims = placed
        .iter()
        .filter(is_open)
        .map(|one| UnverifiedContradiction {
            point: one.text.to_owned(),
            why: one.why.unwrap_or_default().to_owned(),
            claim: one.claim,
            is_one_sided: one.lost == 0
                && !claim_of(one).is_some_and(|claim| has(claim, Stance::Denies)),
        });
    let of_none = unplaced.iter().map(|why| UnverifiedContradiction {
        why: why.clone(),
        is_one_sided: true,
        ..UnverifiedContradiction::default()
    });
    of_claims.chain(of_none).collect()
}

/// Whether a reported contradiction could be about this claim.
pub(super) fn concerns(reported: &[UnverifiedContradiction], claim: usize, text: &str) -> bool {
    let is_near = |point: &str| is_about(point, text) || is_about(text, point);
    let mut reported = reported.iter();
    reported.any(|one| one.is_one_sided || one.claim == Some(claim) || is_near(&one.point))
}

fn has(claim: &EvidenceClaim, stance: Stance) -> bool {
    claim.stances.iter().any(|one| one.stance == stance)
}

/// Whether two texts have the same words.
pub(super) fn same_words(one: &str, other: &str) -> bool {
    let plain = |text: &str| -> Vec<String> {
        let text = ComparableText::of(text);
        text.words().iter().map(|word| word.plain.clone()).collect()
    };
    plain(one) == plain(other)
}
