//! `Task::Revise` for all demo algorithms: an algorithm keeps the supported parts of its own text. It accepts a
//! critique only if the sources support it, and cites them. It never follows a majority.

use super::check::{self, ClaimCheck};
use super::claims::{self, DraftClaim, ReviewEntry};
use super::draft::DraftWriter;
use super::reading::ParsedPrompt;
use super::review::{self, ReviewFocus};
use super::text;
use super::verdict::ClaimVerdict;
use crate::domain::chat::Brief;

/// Maximum number of statements kept from the algorithm's own text.
const MAX_KEPT_STATEMENTS: usize = 8;
/// Maximum number of statements added from reviews and other answers.
const MAX_ADDED_STATEMENTS: usize = 2;

/// Writes the revision of the algorithm's own text. If that text is empty or a review, revises `first`, the algorithm's
/// first answer.
pub fn revise(brief: &Brief, reading: &ParsedPrompt, focus: ReviewFocus, first: &str) -> String {
    let own = match brief.own_text.as_deref() {
        Some(own) if !claims::is_review(own) && !own.trim().is_empty() => own,
        _ => first,
    };
    let critiques = critiques(brief);
    let mut kept_claims = Vec::new();
    let mut changes = Vec::new();
    let mut refused_critiques = Vec::new();
    let mut own_claims: Vec<DraftClaim> = claims::parse_claims(own);
    own_claims.truncate(MAX_KEPT_STATEMENTS);
    for claim in &own_claims {
        let finding = check::check(claim, reading);
        let received: Vec<&(char, ReviewEntry)> = critiques
            .iter()
            .filter(|(_, critique)| is_about_claim(critique, claim))
            .collect();
        let against = received
            .iter()
            .filter(|(_, critique)| critique.verdict != ClaimVerdict::Supported);
        let names: Vec<String> = against
            .map(|(letter, critique)| format!("{letter}{}", critique.number))
            .collect();
        revise_claim(
            claim,
            &finding,
            &names,
            reading,
            (&mut kept_claims, &mut changes, &mut refused_critiques),
        );
    }
    for (name, line) in find_missing_statements(brief, reading, focus, &critiques, &own_claims) {
        let line = &reading.lines[line];
        kept_claims.push(format!("{} (following {name})", reading.quote(line)));
        changes.push(format!(
            "({name}) added a statement from{}.",
            reading.cite(line)
        ));
    }
    let mut draft = DraftWriter::new();
    draft.list_or_default(
        "Answer",
        kept_claims,
        "Nothing in the first answer can be checked against a passage; it is unchanged.",
    );
    draft.list_or_default("Changes", changes, "None.");
    draft.list_or_default("Critiques not followed", refused_critiques, "None.");
    draft.finish()
}

/// Keeps, changes, or flags one claim in the algorithm's own text.
fn revise_claim(
    claim: &DraftClaim,
    finding: &ClaimCheck,
    against: &[String],
    reading: &ParsedPrompt,
    (kept, changes, refused): (&mut Vec<String>, &mut Vec<String>, &mut Vec<String>),
) {
    let wording = text::shorten(&claim.text, 480);
    let names = against.join(", ");
    let line = finding.line.map(|line| &reading.lines[line]);
    let place = line.map(|line| reading.cite(line)).unwrap_or_default();
    match (finding.verdict, against.is_empty()) {
        (ClaimVerdict::Supported, told) => {
            kept.push(format!("“{wording}”{place}"));
            if !told {
                refused.push(format!(
                    "({names}) the words appear in{place}: “{}”",
                    text::shorten(&claim.text, 100)
                ));
            }
        }
        (_, true) if reading.has_no_sources => kept.push(format!("“{wording}”")),
        (ClaimVerdict::Contradicted, true) => kept.push(format!(
            "“{wording}” (unverified: a passage gives other figures{place})"
        )),
        (ClaimVerdict::Unverifiable, true) => kept.push(format!("“{wording}” (unverified)")),
        (_, false) => {
            let replacement = match (finding.verdict, line) {
                (ClaimVerdict::Contradicted, Some(line)) => {
                    kept.push(reading.quote(line));
                    format!("the passage's words{place}")
                }
                _ => "removed, because no passage supports it".to_owned(),
            };
            changes.push(format!(
                "({names}) “{}” → {replacement}",
                text::shorten(&claim.text, 100)
            ));
        }
    }
}

fn critiques(brief: &Brief) -> Vec<(char, ReviewEntry)> {
    let of = |peer: &crate::domain::chat::Peer| {
        let letter = peer.letter;
        claims::parse_critiques(&peer.text)
            .into_iter()
            .map(move |critique| (letter, critique))
    };
    brief.peers.iter().flat_map(of).collect()
}

fn is_about_claim(critique: &ReviewEntry, claim: &DraftClaim) -> bool {
    let quoted = critique.claim.trim_end_matches(['…', ' ']);
    !critique.is_omission
        && !quoted.is_empty()
        && (claim.text.contains(quoted)
            || text::jaccard_similarity(&text::terms(quoted), &claim.terms) >= 0.8)
}

/// Returns lines that reviews or other answers use but that are missing from the algorithm's own text, each with the
/// name of the review or answer.
fn find_missing_statements(
    brief: &Brief,
    reading: &ParsedPrompt,
    focus: ReviewFocus,
    critiques: &[(char, ReviewEntry)],
    own_claims: &[DraftClaim],
) -> Vec<(String, usize)> {
    let mut added_lines: Vec<(String, usize)> = Vec::new();
    let requested_lines = reported_omissions(brief, reading, critiques);
    for (name, line) in requested_lines
        .into_iter()
        .chain(supporting_lines(brief, reading, focus))
    {
        let terms = &reading.lines[line].terms;
        let is_known = own_claims
            .iter()
            .any(|own| text::jaccard_similarity(&own.terms, terms) > 0.5);
        if !is_known
            && added_lines.len() < MAX_ADDED_STATEMENTS
            && added_lines.iter().all(|(_, other)| *other != line)
        {
            added_lines.push((name, line));
        }
    }
    added_lines
}

/// Returns lines that, according to reviews, are missing from the algorithm's own text, each with the name of the
/// critique. The algorithm's own text is the one whose label no peer has.
fn reported_omissions(
    brief: &Brief,
    reading: &ParsedPrompt,
    critiques: &[(char, ReviewEntry)],
) -> Vec<(String, usize)> {
    let is_own = |about: char| brief.peers.iter().all(|peer| peer.letter != about);
    let missed = critiques
        .iter()
        .filter(|(_, one)| one.is_omission && one.reviewed_letter.is_some_and(is_own));
    let omissions = missed.filter_map(|(letter, one)| {
        let line = reading.verbatim_line(&one.claim)?;
        Some((format!("{letter}{}", one.number), line))
    });
    omissions.collect()
}

/// Returns the lines that support claims in other answers, each with the name of the answer. They are ordered by the
/// score of the claim under the review focus.
fn supporting_lines(
    brief: &Brief,
    reading: &ParsedPrompt,
    focus: ReviewFocus,
) -> Vec<(String, usize)> {
    let mut supporting: Vec<(f64, char, usize)> = Vec::new();
    let answers = brief
        .peers
        .iter()
        .filter(|peer| !claims::is_review(&peer.text));
    for peer in answers {
        for claim in claims::parse_claims(&peer.text) {
            let finding = check::check(&claim, reading);
            if let (ClaimVerdict::Supported, Some(line)) = (finding.verdict, finding.line) {
                let weight = review::weight(&claim, reading, focus, 0);
                supporting.push((weight, peer.letter, line));
            }
        }
    }
    supporting.sort_by(|a, b| b.0.total_cmp(&a.0));
    let named_lines = supporting
        .into_iter()
        .map(|(_, letter, line)| (letter.to_string(), line));
    named_lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::demo::tests::{brief, with_peers};

    const SOURCE_TEXT: &str =
        "The customer must pay all fees within 30 days. Support is not included in the basic plan.";

    fn revise_text(own: &str, peers: &[&str]) -> String {
        let mut brief = with_peers(brief("When are fees due?", &[SOURCE_TEXT]), peers);
        brief.own_text = Some(own.to_owned());
        revise(
            &brief,
            &ParsedPrompt::of(&brief),
            ReviewFocus::Relevance,
            "",
        )
    }

    #[test]
    fn a_valid_critique_is_followed_and_named() {
        let revision = revise_text(
            "The customer must pay all fees within 60 days.",
            &[
                "1. claim: \"The customer must pay all fees within 60 days.\"\n   verdict: contradicted\n   fix: 30 days",
            ],
        );
        assert!(
            revision.contains("(A1) “The customer must pay all fees within 60 days.” →"),
            "{revision}"
        );
        assert!(
            revision.contains("- “The customer must pay all fees within 30 days.” [1]"),
            "{revision}"
        );
    }

    #[test]
    fn a_critique_against_the_passage_is_not_followed() {
        let revision = revise_text(
            "“The customer must pay all fees within 30 days.” [1]",
            &[
                "7. claim: \"The customer must pay all fees within 30 days.\"\n   verdict: contradicted",
            ],
        );
        assert!(revision.contains("## Changes\n\nNone."), "{revision}");
        assert!(
            revision.contains("(A7) the words appear in [1]"),
            "{revision}"
        );
    }

    #[test]
    fn omissions_reported_for_this_text_are_added() {
        let review = |letter: char| {
            format!(
                "## On answer {letter}\n\n4. missing: “Support is not included in the basic plan.” [1]"
            )
        };
        let own = "“The customer must pay all fees within 30 days.” [1]";
        // The only peer has the label A, so the revised text has the label B.
        let revision = revise_text(own, &[&review('B')]);
        assert!(
            revision.contains("basic plan.” [1] (following A4)"),
            "{revision}"
        );
        assert!(!revise_text(own, &[&review('A')]).contains("basic plan"));
    }

    #[test]
    fn other_answers_are_used_only_if_supported() {
        let revision = revise_text(
            "“The customer must pay all fees within 30 days.” [1]",
            &[
                "“Support is not included in the basic plan.” [1]\n\nRockets are included in the basic plan.",
            ],
        );
        assert!(
            revision.contains("“Support is not included in the basic plan.” [1] (following A)"),
            "{revision}"
        );
        assert!(!revision.contains("Rockets"), "{revision}");
    }
}
