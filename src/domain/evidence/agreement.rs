//! Determines whether the first answers agree, which decides whether stages can be skipped. Uses a judge's
//! comparison or, without a judge, only the closing lines of the answers.

use super::prompts::first_answers;
use super::rules::objection;
use super::{EvidenceClaim, EvidenceStatus, Stance, map};
use crate::domain::analysis::{Plan, StageAnswer};
use crate::domain::answer_value;

/// Closing lines that give no answer.
const ABSTENTIONS: &[&str] = &[
    "undecided",
    "unknown",
    "unclear",
    "undetermined",
    "uncertain",
    "not sure",
    "unsure",
    "i don't know",
    "i don’t know",
    "i do not know",
    "don't know",
    "it depends",
    "depends",
    "see above",
    "n/a",
    "not applicable",
    "not available",
    "error",
    "cannot be determined",
    "can't be determined",
    "cannot say",
    "insufficient information",
    "no answer",
    "none of the above",
    "unentschieden",
    "unbekannt",
    "unklar",
    "ich weiß es nicht",
    "weiß nicht",
    "keine angabe",
    "kommt darauf an",
    "siehe oben",
];

/// How far the first answers agree, according to a judge's comparison.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DraftAgreement {
    /// Number of claims for which quoted words were found.
    pub claims: usize,
    /// Number of further claims for which no member's quoted words were found.
    pub dropped_claims: usize,
    /// Number of claims that every first answer makes, confirmed by words found in each of them.
    pub shared_claims: usize,
    /// Number of further claims that every first answer makes according to the judge, but without confirmation.
    pub unconfirmed: usize,
    /// Number of claims on which the first answers contradict each other.
    pub contradictions: usize,
    /// Number of further contradictions that the judge reports but no quoted words confirm.
    pub unverified_contradictions: usize,
}

impl DraftAgreement {
    /// Reads the comparison from the answers of a run.
    ///
    /// # Errors
    /// Returns the reason, for users, if there is no comparison or if it failed.
    pub fn from_answers(plan: &Plan, answers: &[StageAnswer]) -> Result<Self, String> {
        let map = map::build_map(plan, answers, None);
        match map.status {
            EvidenceStatus::Judged => {
                let consensus = map.consensus.iter();
                let shared = consensus.filter(|&&claim| has_no_conflict(&map.claims[claim]));
                let shared = shared.count();
                let shared_claims = map
                    .claims
                    .iter()
                    .filter(|claim| is_shared_by_all_drafts(claim));
                Ok(Self {
                    claims: map.claims.len(),
                    dropped_claims: map.dropped as usize,
                    shared_claims: shared,
                    unconfirmed: shared_claims.count() - shared,
                    contradictions: map.contradictions.len(),
                    unverified_contradictions: map.unverified.len(),
                })
            }
            _ => Err(map.reason.unwrap_or_default()),
        }
    }

    /// Returns the number of claims on the judge's list.
    pub fn listed_claims(&self) -> usize {
        self.claims + self.dropped_claims
    }

    /// Returns the share of the listed claims that every first answer makes, 0 to 1; 0 without claims.
    pub fn shared_fraction(&self) -> f64 {
        match self.listed_claims() {
            0 => 0.0,
            claims => self.shared_claims as f64 / claims as f64,
        }
    }

    /// Describes how many claims the first answers share, for use in a note.
    pub fn shared_claims_note(&self) -> String {
        let confirmed = format!(
            "share {} of {} claims",
            self.shared_claims,
            self.listed_claims()
        );
        match self.unconfirmed {
            0 => confirmed,
            count => format!(
                "{confirmed} in words that Quire's rules confirm, {count} more only according to the judge,"
            ),
        }
    }

    /// Describes on how many claims the first answers contradict each other, for use in a note.
    pub fn difference_note(&self) -> String {
        let contradiction_text = match self.contradictions {
            0 => "contradict each other in none".to_owned(),
            count => format!("contradict each other in {count}"),
        };
        match self.unverified_contradictions {
            0 => contradiction_text,
            count => format!(
                "{contradiction_text} in words that confirm it, and in {count} only according to the judge"
            ),
        }
    }

    /// Whether the answers agree enough to skip stages; the threshold is from 0 to 1. Any contradiction rules
    /// this out, even one that is only reported.
    pub fn reaches_threshold(&self, threshold: f64) -> bool {
        self.contradictions == 0
            && self.unverified_contradictions == 0
            && self.claims > 0
            && self.shared_fraction() >= threshold
    }
}

// Whether the judge finds the claim in every first answer, with a quotation that was found in each of them. A
// rule may still object to a quotation.
fn is_shared_by_all_drafts(claim: &EvidenceClaim) -> bool {
    let mut stances = claim.stances.iter();
    claim.stances.len() >= 2
        && stances.all(|member| matches!(member.stance, Stance::Asserts | Stance::Unconfirmed))
}

// Whether no rule finds a conflict between the words of any two members. Without this check, opposite
// statements could pass as the same broad claim.
fn has_no_conflict(claim: &EvidenceClaim) -> bool {
    let quotes: Vec<&str> = claim
        .stances
        .iter()
        .map(|left| left.quote.as_str())
        .collect();
    let has_no_objection = |left: &str, right: &str| objection(left, right).is_none();
    let mut pairs = quotes.iter().enumerate();
    pairs.all(|(at, left)| {
        let mut others = quotes[at + 1..].iter();
        others.all(|right| has_no_objection(left, right) || has_no_objection(right, left))
    })
}

/// Returns the closing answer that all first answers share, in its normal form. `None` if a closing answer is missing,
/// if one gives no answer, such as "unknown", or if they differ.
pub fn shared_closing_answer(plan: &Plan, answers: &[StageAnswer]) -> Option<String> {
    let drafts = first_answers(plan, answers);
    let closing = drafts.iter().map(|draft| closing_line(draft.text));
    let closing: Vec<&str> = closing.collect::<Option<_>>()?;
    if closing.iter().any(|line| is_abstention(line)) {
        return None;
    }
    answer_value::common_value(&plan.question, &closing).map(|value| value.to_string())
}

// Whether a closing line gives no answer.
fn is_abstention(line: &str) -> bool {
    let answer = line
        .split_once([':', '：'])
        .map_or("", |(_, answer)| answer);
    let plain = answer
        .trim_matches(|c: char| !c.is_alphanumeric())
        .to_lowercase();
    plain.is_empty()
        || ABSTENTIONS
            .iter()
            .any(|words| plain == *words || plain.starts_with(&format!("{words} ")))
}

// Returns the last line, if it has the form "Answer: …".
fn closing_line(text: &str) -> Option<&str> {
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    // A line in a block quote is someone else's answer.
    let unquoted_line = Some(last).filter(|last| !last.starts_with('>'))?;
    let plain = unquoted_line.trim_start_matches(|c: char| !c.is_alphanumeric());
    let lower = plain.to_lowercase();
    let mut marks = ["answer", "final answer", "antwort"].into_iter();
    let mark = marks.find(|mark| lower.starts_with(mark))?;
    let rest = lower[mark.len()..].trim_start_matches(['*', '_', ' ']);
    rest.starts_with([':', '：']).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_line_is_a_closing_line() {
        for (text, expected) in [
            ("So it is.\n\n**Answer:** 12", Some("**Answer:** 12")),
            ("Antwort: ja\n", Some("Antwort: ja")),
            ("Answer: 12\nOr not.", None),
            ("The answer is 12.", None),
            ("", None),
        ] {
            assert_eq!(closing_line(text), expected, "{text}");
        }
    }

    #[test]
    fn a_closing_line_without_an_answer_is_none() {
        for line in [
            "Answer: undecided",
            "Answer: I don't know.",
            "**Answer:** it depends on the year",
            "Answer: N/A",
            "Answer: -",
            "Antwort: kommt darauf an",
        ] {
            assert!(is_abstention(line), "{line}");
        }
        for line in [
            "Answer: 12",
            "Answer: no",
            "Answer: dependence",
            "Antwort: ja",
        ] {
            assert!(!is_abstention(line), "{line}");
        }
        assert_eq!(closing_line("He wrote:\n> Answer: 5"), None);
    }

    #[test]
    fn a_contradiction_rules_skipping_out() {
        let found = |claims, shared, contradictions| DraftAgreement {
            claims,
            shared_claims: shared,
            contradictions,
            ..DraftAgreement::default()
        };
        assert!(found(10, 9, 0).reaches_threshold(0.9));
        assert!(!found(10, 8, 0).reaches_threshold(0.9));
        assert!(!found(10, 9, 1).reaches_threshold(0.5));
        assert!(
            !found(0, 0, 0).reaches_threshold(0.0),
            "nothing was compared"
        );
        let reported = DraftAgreement {
            unverified_contradictions: 1,
            ..found(1, 1, 0)
        };
        assert!(!reported.reaches_threshold(0.5));
        assert!(
            reported
                .difference_note()
                .contains("in 1 only according to the judge"),
            "{}",
            reported.difference_note()
        );
        let unverified_claim = DraftAgreement {
            dropped_claims: 1,
            ..found(1, 1, 0)
        };
        assert!(
            unverified_claim.reaches_threshold(0.5) && !unverified_claim.reaches_threshold(0.8)
        );
    }
}
