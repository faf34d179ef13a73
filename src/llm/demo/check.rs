//! Checks a claim against the sources, first word for word, then by its words and figures. The result is what the
//! passages state, not what is true.

use super::claims::DraftClaim;
use super::numbers;
use super::reading::ParsedPrompt;
use super::sentences;
use super::stop;
use super::text;
use super::verdict::ClaimVerdict;

/// Minimum share of a claim's word weights, from 0 to 1, that a passage must contain to count as being about the same
/// subject.
const MIN_SUBJECT_OVERLAP: f64 = 0.7;
/// Minimum share of a claim's word weights, from 0 to 1, that a passage must contain to count as stating the claim.
const MIN_WORD_OVERLAP: f64 = 0.85;

/// The result of checking a claim, with the line on which it is based.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimCheck {
    /// What the sources say about the claim.
    pub verdict: ClaimVerdict,
    /// Index of the line that supports or contradicts the claim. If there is none, index of the closest line, if there
    /// is one.
    pub line: Option<usize>,
    /// The reason, shown to users. Empty if the line is reason enough.
    pub reason: String,
}

/// Checks a claim against the sources. If there are none, every claim is unverifiable.
pub fn check(claim: &DraftClaim, reading: &ParsedPrompt) -> ClaimCheck {
    if reading.has_no_sources {
        return unverifiable_check(None, "there is no document to check against");
    }
    if let Some(line) = verbatim_line(claim, reading) {
        let source = reading.lines[line].source;
        let cites_other_source = !claim.cites.is_empty() && !claim.cites.contains(&source);
        let why = if cites_other_source {
            "the words are there, but the citation names another passage"
        } else {
            ""
        };
        return ClaimCheck {
            verdict: ClaimVerdict::Supported,
            line: Some(line),
            reason: why.to_owned(),
        };
    }
    compare(claim, reading)
}

/// Compares a claim with the closest line.
fn compare(claim: &DraftClaim, reading: &ParsedPrompt) -> ClaimCheck {
    let Some((line, share)) = nearest_line(claim, reading) else {
        return unverifiable_check(None, "no passage uses its words");
    };
    if share < MIN_SUBJECT_OVERLAP {
        let nearest = (share >= 0.4).then_some(line);
        return unverifiable_check(nearest, "no passage says this");
    }
    let line_values = numbers::values(&reading.lines[line].text);
    if !claim.values.is_subset(&line_values) {
        let mut finding = unverifiable_check(Some(line), "the figures differ");
        if !line_values.is_empty() && claim.values.is_disjoint(&line_values) {
            finding.verdict = ClaimVerdict::Contradicted;
        }
        return finding;
    }
    if claim.quoted {
        let why = "it is presented as a quotation, but no passage contains these words";
        return unverifiable_check(Some(line), why);
    }
    let words = text::words(&reading.lines[line].text);
    let denies = words.iter().any(|word| stop::is_negation(word.text));
    if denies != claim.negated {
        return unverifiable_check(Some(line), "one of the two denies what the other states");
    }
    if share < MIN_WORD_OVERLAP {
        return unverifiable_check(Some(line), "a passage mentions it, in other words");
    }
    ClaimCheck {
        verdict: ClaimVerdict::Supported,
        line: Some(line),
        reason: "the same content words".to_owned(),
    }
}

fn unverifiable_check(line: Option<usize>, why: &str) -> ClaimCheck {
    ClaimCheck {
        verdict: ClaimVerdict::Unverifiable,
        line,
        reason: why.to_owned(),
    }
}

/// Finds the closest line that contains the claim's figures. If no such line is about the same subject, finds the
/// closest line by the other words. Otherwise, a claim could be called contradicted although its figures occur
/// elsewhere in the text.
fn nearest_line(claim: &DraftClaim, reading: &ParsedPrompt) -> Option<(usize, f64)> {
    if let Some((line, share)) = reading.closest_line(&claim.terms) {
        let line_values = numbers::values(&reading.lines[line].text);
        if share >= MIN_SUBJECT_OVERLAP && claim.values.is_subset(&line_values) {
            return Some((line, share));
        }
    }
    reading.closest_line(&subject_terms(claim))
}

/// Finds a line that contains the exact words of the claim. If the claim has several sentences, each must occur in some
/// line, and the line of the first sentence is returned.
fn verbatim_line(claim: &DraftClaim, reading: &ParsedPrompt) -> Option<usize> {
    if let Some(line) = reading.verbatim_line(&claim.text) {
        return Some(line);
    }
    let sentences = sentences::sentences(&claim.text);
    let lines: Option<Vec<usize>> = sentences
        .iter()
        .map(|sentence| reading.verbatim_line(&sentence.text))
        .collect();
    lines.and_then(|lines| lines.first().copied())
}

/// Returns the claim's terms without its figures, because figures are compared separately.
fn subject_terms(claim: &DraftClaim) -> Vec<String> {
    let words = claim
        .terms
        .iter()
        .filter(|term| !term.starts_with(|first: char| first.is_ascii_digit()));
    words.cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::demo::claims::parse_claims;
    use crate::llm::demo::tests::brief;

    const SOURCE_TEXT: &str = "The customer must pay all fees within 30 days. Support is not included in the basic plan. \
                          The office is in Lisbon.";

    #[test]
    fn verdicts_follow_the_passages() {
        for (text, expected) in [
            (
                "“The customer must pay all fees within 30 days.” [1]",
                ClaimVerdict::Supported,
            ),
            (
                "The customer must pay fees within 30 days.",
                ClaimVerdict::Supported,
            ),
            (
                "The customer must pay all fees within 60 days.",
                ClaimVerdict::Contradicted,
            ),
            (
                "“The customer may pay the fees within 30 days” [1]",
                ClaimVerdict::Unverifiable,
            ),
            (
                "Support is included in the basic plan.",
                ClaimVerdict::Unverifiable,
            ),
            (
                "Astronauts receive free rockets from the vendor.",
                ClaimVerdict::Unverifiable,
            ),
        ] {
            let claim = parse_claims(text).remove(0);
            assert_eq!(
                check(&claim, &ParsedPrompt::of(&brief("", &[SOURCE_TEXT]))).verdict,
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_wrong_citation_is_reported() {
        let claim = parse_claims("“The customer must pay all fees within 30 days.” [7]").remove(0);
        let finding = check(&claim, &ParsedPrompt::of(&brief("", &[SOURCE_TEXT])));
        assert_eq!(finding.verdict, ClaimVerdict::Supported);
        assert!(finding.reason.contains("another passage"));
    }

    #[test]
    fn without_documents_nothing_is_verified() {
        let claim = parse_claims("The sky is blue and green today.").remove(0);
        let finding = check(
            &claim,
            &ParsedPrompt::of(&brief("The sky is blue and green today.", &[])),
        );
        assert_eq!(finding.verdict, ClaimVerdict::Unverifiable);
    }

    #[test]
    fn verdicts_are_parsed_leniently() {
        for (text, expected) in [
            ("supported", ClaimVerdict::Supported),
            ("**Contradicted** by [2]", ClaimVerdict::Contradicted),
            ("not sure", ClaimVerdict::Unverifiable),
            ("", ClaimVerdict::Unverifiable),
        ] {
            assert_eq!(ClaimVerdict::parse(text), expected, "{text}");
        }
    }
}
