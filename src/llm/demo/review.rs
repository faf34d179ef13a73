//! `Task::Review` for all demo algorithms: checks the claims in the peers' texts against the sources, and compares the
//! texts. The algorithms differ in which claims they check first.

use super::check::{self, ClaimCheck};
use super::claims::{self, DraftClaim};
use super::draft::{DraftWriter, count_text};
use super::rank;
use super::reading::ParsedPrompt;
use super::text;
use super::verdict::ClaimVerdict;
use crate::domain::chat::{Brief, Peer};

/// Maximum number of criticized claims per reviewed text.
const CLAIMS_PER_TEXT: usize = 4;
/// Minimum number of claims listed per reviewed text. If there is little to criticize, supported claims are listed too.
const MIN_LISTED: usize = 2;

/// The claims that a demo algorithm's review puts first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewFocus {
    /// Claims that are relevant to the question.
    Relevance,
    /// Claims that contain many of the question's words.
    Words,
    /// Claims with figures.
    Figures,
    /// Claims that several members make.
    Shared,
}

/// The claims in a peer's text, each checked against the sources.
#[derive(Debug, Clone)]
pub struct CheckedClaims {
    /// The label of the peer's text, such as `A`.
    pub letter: char,
    /// The claims with their checks, in the order of the text.
    pub claims: Vec<(DraftClaim, ClaimCheck)>,
}

/// Writes a review of the peers' texts.
pub fn review(brief: &Brief, reading: &ParsedPrompt, focus: ReviewFocus) -> String {
    let read = check_peers(&brief.peers, reading);
    let mut draft = DraftWriter::new();
    let all: Vec<&(DraftClaim, ClaimCheck)> = read.iter().flat_map(|read| &read.claims).collect();
    let of = |verdict| {
        all.iter()
            .filter(|(_, finding)| finding.verdict == verdict)
            .count()
    };
    draft.paragraph(&format!(
        "*Checked {} in {}: {} supported, {} contradicted, {} unverifiable. \"Supported\" means that a passage contains the words, not that they are true.*",
        count_text(all.len(), "statement"),
        count_text(read.len(), "text"),
        of(ClaimVerdict::Supported),
        of(ClaimVerdict::Contradicted),
        of(ClaimVerdict::Unverifiable),
    ));
    let mut number = 0;
    for peer in &read {
        draft.paragraph(&write_section(peer, &read, reading, focus, &mut number));
    }
    draft.list("Shared by several", shared_claims(&read, 3));
    draft.list("Missing from all", missing_points(&read, brief, reading));
    draft.finish()
}

/// Parses the claims in the peers' texts and checks each one.
pub fn check_peers(peers: &[Peer], reading: &ParsedPrompt) -> Vec<CheckedClaims> {
    let check = |claim: DraftClaim| {
        let finding = check::check(&claim, reading);
        (claim, finding)
    };
    let read = |peer: &Peer| CheckedClaims {
        letter: peer.letter,
        claims: claims::parse_claims(&peer.text)
            .into_iter()
            .map(check)
            .collect(),
    };
    peers.iter().map(read).collect()
}

/// Returns a claim's score under a review focus. Claims with higher scores come first. `count_sharers` is the number of
/// members that make the claim.
pub fn weight(
    claim: &DraftClaim,
    reading: &ParsedPrompt,
    focus: ReviewFocus,
    count_sharers: usize,
) -> f64 {
    let relevance = reading.relevance(&claim.terms);
    match focus {
        ReviewFocus::Relevance => relevance,
        ReviewFocus::Words => {
            let matched_terms = reading.question_terms.iter().filter(|asked| {
                asked
                    .matching_stems
                    .iter()
                    .any(|stem| claim.terms.binary_search(stem).is_ok())
            });
            matched_terms.count() as f64 + relevance
        }
        ReviewFocus::Figures => relevance + if claim.values.is_empty() { 0.0 } else { 1.0 },
        ReviewFocus::Shared => relevance + count_sharers as f64,
    }
}

/// Returns whether two claims make the same statement: they have the same figures and similar words, and both or
/// neither are negated.
pub fn is_same_statement(left: &DraftClaim, right: &DraftClaim) -> bool {
    left.values == right.values
        && left.negated == right.negated
        && text::jaccard_similarity(&left.terms, &right.terms) >= 0.6
}

fn write_section(
    peer: &CheckedClaims,
    all: &[CheckedClaims],
    reading: &ParsedPrompt,
    focus: ReviewFocus,
    number: &mut u32,
) -> String {
    let mut section = format!("## On answer {}\n", peer.letter);
    if peer.claims.is_empty() {
        section.push_str("\nIt contains no statement that can be checked against a passage.");
        return section;
    }
    let count_sharers = |claim: &DraftClaim| {
        let shares = |read: &&CheckedClaims| {
            read.claims
                .iter()
                .any(|(other, _)| is_same_statement(claim, other))
        };
        all.iter().filter(shares).count()
    };
    let weight_of =
        |pair: &(DraftClaim, ClaimCheck)| weight(&pair.0, reading, focus, count_sharers(&pair.0));
    let mut order: Vec<(f64, &(DraftClaim, ClaimCheck))> = peer
        .claims
        .iter()
        .map(|pair| (weight_of(pair), pair))
        .collect();
    // Claims that require the author's attention come first. The sort is stable, so claims of equal rank keep the order
    // of the text.
    order.sort_by(|a, b| a.1.1.verdict.cmp(&b.1.1.verdict).then(b.0.total_cmp(&a.0)));
    let order: Vec<&(DraftClaim, ClaimCheck)> = order.into_iter().map(|(_, pair)| pair).collect();
    let flawed_count = order
        .iter()
        .filter(|(_, finding)| finding.verdict != ClaimVerdict::Supported);
    let shown_count = flawed_count
        .count()
        .clamp(MIN_LISTED, CLAIMS_PER_TEXT)
        .min(order.len());
    for (claim, finding) in &order[..shown_count] {
        *number += 1;
        section.push_str(&format!(
            "\n{number}. claim: “{}”",
            text::shorten(&claim.text, 240)
        ));
        section.push_str(&format!("\n   verdict: {}", finding.verdict.name()));
        section.push_str(&format!(
            "\n   evidence: {}",
            describe_evidence(claim, finding, reading)
        ));
        section.push_str(&format!("\n   fix: {}", suggest_fix(finding, reading)));
    }
    if let Some(&line) = unused_lines(std::slice::from_ref(peer), reading).first() {
        *number += 1;
        let left_out = reading.quote(&reading.lines[line]);
        section.push_str(&format!("\n{number}. missing: {left_out}"));
    }
    let rest = order.len() - shown_count;
    if rest > 0 {
        let supported_count = order[shown_count..]
            .iter()
            .filter(|(_, finding)| finding.verdict == ClaimVerdict::Supported)
            .count();
        section.push_str(&format!(
            "\n\n*{} more checked, {supported_count} supported.*",
            count_text(rest, "statement")
        ));
    }
    section
}

fn describe_evidence(claim: &DraftClaim, finding: &ClaimCheck, reading: &ParsedPrompt) -> String {
    let why = if finding.reason.is_empty() {
        String::new()
    } else {
        format!(" ({})", finding.reason)
    };
    match finding.line.map(|line| &reading.lines[line]) {
        // The claim is its own evidence, and repeating it would only lengthen the text.
        Some(line) if line.text == claim.text => {
            format!("appears word for word in{}{why}", reading.cite(line))
        }
        Some(line) => format!("{}{why}", reading.quote(line)),
        None => format!("none in the passages{why}"),
    }
}

fn suggest_fix(finding: &ClaimCheck, reading: &ParsedPrompt) -> String {
    match (finding.verdict, finding.line) {
        (ClaimVerdict::Supported, Some(line)) if !finding.reason.is_empty() => {
            format!("keep, cite{}", reading.cite(&reading.lines[line]))
        }
        (ClaimVerdict::Supported, _) => "keep".to_owned(),
        (ClaimVerdict::Contradicted, Some(line)) => format!(
            "say what the passage says{}",
            reading.cite(&reading.lines[line])
        ),
        _ => "mark as unverified, or cite the passage that supports it".to_owned(),
    }
}

fn shared_claims(read: &[CheckedClaims], max_claims: usize) -> Vec<String> {
    let mut shared: Vec<(String, &DraftClaim)> = Vec::new();
    for peer in read {
        for (claim, _) in &peer.claims {
            let letters: Vec<String> = read
                .iter()
                .filter(|other| {
                    other
                        .claims
                        .iter()
                        .any(|(known_claim, _)| is_same_statement(claim, known_claim))
                })
                .map(|other| other.letter.to_string())
                .collect();
            let is_listed = shared
                .iter()
                .any(|(_, listed)| is_same_statement(listed, claim));
            if letters.len() > 1 && !is_listed && shared.len() < max_claims {
                shared.push((
                    format!(
                        "“{}” ({})",
                        text::shorten(&claim.text, 160),
                        letters.join(", ")
                    ),
                    claim,
                ));
            }
        }
    }
    shared.into_iter().map(|(line, _)| line).collect()
}

/// Returns the question's words that no text addresses, and the most relevant lines that no claim uses.
fn missing_points(read: &[CheckedClaims], brief: &Brief, reading: &ParsedPrompt) -> Vec<String> {
    let is_mentioned = |stem: &String| {
        read.iter().any(|peer| {
            peer.claims
                .iter()
                .any(|(claim, _)| claim.terms.binary_search(stem).is_ok())
        })
    };
    let unused_terms: Vec<&str> = reading
        .question_terms
        .iter()
        .filter(|asked| {
            !is_mentioned(&text::stem(&asked.word))
                && !asked.matching_stems.iter().any(is_mentioned)
        })
        .map(|asked| asked.word.as_str())
        .collect();
    let mut points = Vec::new();
    if !unused_terms.is_empty() {
        points.push(format!(
            "Words of the question that no text addresses: {}.",
            unused_terms.join(", ")
        ));
    }
    if !reading.has_no_sources && !brief.peers.is_empty() {
        points.extend(
            unused_lines(read, reading)
                .into_iter()
                .take(2)
                .map(|line| format!("No text uses {}", reading.quote(&reading.lines[line]))),
        );
    }
    points
}

/// Returns the lines that are relevant to the question but that no claim uses, most relevant first.
pub fn unused_lines(read: &[CheckedClaims], reading: &ParsedPrompt) -> Vec<usize> {
    let used = |line: usize| {
        let terms = &reading.lines[line].terms;
        read.iter()
            .flat_map(|peer| &peer.claims)
            .any(|(claim, finding)| {
                finding.line == Some(line) || text::jaccard_similarity(terms, &claim.terms) > 0.5
            })
    };
    let mut lines: Vec<usize> = rank::rank(reading)
        .into_iter()
        .filter(|&line| rank::question_relevance(reading, line) > 0.3 && !used(line))
        .collect();
    lines.sort_by(|&a, &b| {
        rank::question_relevance(reading, b).total_cmp(&rank::question_relevance(reading, a))
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::demo::tests::{brief, with_peers};

    const SOURCE_TEXT: &str =
        "The customer must pay all fees within 30 days. Support is not included in the basic plan.";

    #[test]
    fn every_peer_is_checked_with_consecutive_numbers() {
        let brief = with_peers(
            brief("When are fees due?", &[SOURCE_TEXT]),
            &[
                "The customer must pay all fees within 60 days.",
                "“Support is not included in the basic plan.” [1]",
            ],
        );
        let review_text = review(&brief, &ParsedPrompt::of(&brief), ReviewFocus::Figures);
        let critiques = claims::parse_critiques(&review_text);
        let verdicts: Vec<(u32, ClaimVerdict, bool)> = critiques
            .iter()
            .map(|one| (one.number, one.verdict, one.is_omission))
            .collect();
        let expected = [
            (1, ClaimVerdict::Contradicted, false),
            (2, ClaimVerdict::Supported, false),
            (3, ClaimVerdict::Unverifiable, true),
        ];
        assert_eq!(verdicts, expected, "{review_text}");
        assert!(review_text.contains("## On answer A") && review_text.contains("## On answer B"));
    }

    #[test]
    fn shared_statements_name_their_members() {
        let same = "The customer must pay all fees within 30 days.";
        let brief = with_peers(
            brief("Fees?", &[SOURCE_TEXT]),
            &[same, "Cats are fine animals indeed.", same],
        );
        let review_text = review(&brief, &ParsedPrompt::of(&brief), ReviewFocus::Shared);
        assert!(review_text.contains("(A, C)"), "{review_text}");
    }

    #[test]
    fn without_peers_there_is_nothing_to_review() {
        let brief = brief("Fees?", &[SOURCE_TEXT]);
        assert!(
            review(&brief, &ParsedPrompt::of(&brief), ReviewFocus::Words)
                .contains("Checked 0 statements in 0 texts")
        );
    }
}
