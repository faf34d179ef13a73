//! `Task::Synthesize` for all demo algorithms: combines the members' statements into one answer that names the members.
//! The answer says that only words and figures were compared, because an algorithm cannot know whether members agree or
//! contradict each other.

use std::collections::BTreeSet;

use super::claims::DraftClaim;
use super::differ;
use super::draft::{DraftWriter, count_text};
use super::reading::{ParsedPrompt, cite};
use super::review::{self, CheckedClaims, ReviewFocus};
use super::skeptic;
use super::text;
use super::verdict::ClaimVerdict;
use crate::domain::chat::Brief;

/// Maximum number of statement groups, because comparing them takes quadratic time.
const MAX_CLUSTERS: usize = 200;

/// A statement with the members that make it.
struct StatementGroup {
    claim: DraftClaim,
    letters: BTreeSet<char>,
    verdict: ClaimVerdict,
    line: Option<usize>,
}

/// Writes the synthesis of the peers' texts.
pub fn synthesize(brief: &Brief, reading: &ParsedPrompt, focus: ReviewFocus) -> String {
    let read = review::check_peers(&brief.peers, reading);
    let mut clusters = clusters(&read);
    let weight = |cluster: &StatementGroup| cluster_rank(cluster, reading, focus);
    clusters.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    let good = |cluster: &&StatementGroup| {
        cluster.verdict == ClaimVerdict::Supported || reading.has_no_sources
    };
    let best: Vec<&StatementGroup> = clusters.iter().filter(good).take(6).collect();
    let mut draft = DraftWriter::new();
    draft.paragraph(&format!(
        "## Answer\n\n{}",
        lead_paragraph(brief, reading, &clusters, best.len())
    ));
    draft.paragraph(
        &best
            .iter()
            .map(|cluster| format!("- {}", describe_group(cluster, reading)))
            .collect::<Vec<_>>()
            .join("\n"),
    );
    draft.paragraph(&sources(reading, &best));
    let agreed = clusters
        .iter()
        .filter(|cluster| cluster.letters.len() > 1)
        .take(4);
    draft.list_or_default(
        "Similar wording",
        agreed
            .map(|cluster| describe_group_briefly(cluster, reading))
            .collect(),
        "None found.",
    );
    draft.list_or_default(
        "Different figures or negations",
        contradictions(&clusters, reading),
        "None found.",
    );
    let alone = clusters.iter().filter(|cluster| {
        cluster.letters.len() == 1 && !best.iter().any(|shown| std::ptr::eq(*shown, *cluster))
    });
    draft.list_or_default(
        "Points made by one only",
        alone
            .take(4)
            .map(|cluster| describe_group_briefly(cluster, reading))
            .collect(),
        "None found beyond the answer above.",
    );
    draft.list_or_default(
        "Blind spots",
        blind_spots(&read, brief, reading),
        "None found.",
    );
    draft.finish()
}

/// Returns the score of a group: the score of its claim under the review focus, plus 1 if the sources support the
/// claim, plus 0.2 for each member that makes it. Groups with higher scores come first.
fn cluster_rank(cluster: &StatementGroup, reading: &ParsedPrompt, focus: ReviewFocus) -> f64 {
    let sharers = cluster.letters.len();
    let support_bonus = f64::from(u8::from(cluster.verdict == ClaimVerdict::Supported));
    review::weight(&cluster.claim, reading, focus, sharers) + support_bonus + 0.2 * sharers as f64
}

/// Groups equivalent claims. The groups are in the order in which their claims first appear.
fn clusters(read: &[CheckedClaims]) -> Vec<StatementGroup> {
    let mut clusters: Vec<StatementGroup> = Vec::new();
    for peer in read {
        for (claim, finding) in &peer.claims {
            let line = finding
                .line
                .filter(|_| finding.verdict != ClaimVerdict::Unverifiable);
            let same = |cluster: &&mut StatementGroup| {
                let same_line = cluster.verdict == ClaimVerdict::Supported
                    && line.is_some()
                    && cluster.line == line;
                (same_line && finding.verdict == ClaimVerdict::Supported)
                    || review::is_same_statement(&cluster.claim, claim)
            };
            if let Some(cluster) = clusters.iter_mut().find(same) {
                cluster.letters.insert(peer.letter);
            } else if clusters.len() < MAX_CLUSTERS {
                clusters.push(StatementGroup {
                    claim: claim.clone(),
                    letters: BTreeSet::from([peer.letter]),
                    verdict: finding.verdict,
                    line,
                });
            }
        }
    }
    clusters
}

fn lead_paragraph(
    brief: &Brief,
    reading: &ParsedPrompt,
    clusters: &[StatementGroup],
    shown_count: usize,
) -> String {
    let members = count_text(brief.peers.len(), "text");
    if clusters.is_empty() {
        return format!("*The {members} contain no statements that can be compared.*");
    }
    if reading.has_no_sources {
        return format!(
            "*Without a document, nothing in the {members} can be checked. The statements below are the members', unverified.*"
        );
    }
    if shown_count == 0 {
        return format!(
            "*None of the {} in the {members} occurs in the passages, not even in similar words. They are listed below, unverified.*",
            count_text(clusters.len(), "statement")
        );
    }
    let support_bonus = clusters
        .iter()
        .filter(|cluster| cluster.verdict == ClaimVerdict::Supported)
        .count();
    format!(
        "*From the {members}: {}, of which {support_bonus} occur in the passages in similar words. The most relevant to the question:*",
        count_text(clusters.len(), "different statement")
    )
}

fn describe_group(cluster: &StatementGroup, reading: &ParsedPrompt) -> String {
    let letters = letters(cluster);
    match cluster.line.map(|line| &reading.lines[line]) {
        Some(line) if cluster.verdict == ClaimVerdict::Supported => {
            format!("{} ({letters})", reading.quote(line))
        }
        _ => format!(
            "“{}” ({letters}; unverified)",
            text::shorten(&cluster.claim.text, 480)
        ),
    }
}

fn describe_group_briefly(cluster: &StatementGroup, reading: &ParsedPrompt) -> String {
    let place = cluster
        .line
        .map(|line| cite(reading.lines[line].source))
        .unwrap_or_default();
    let state = match cluster.verdict {
        ClaimVerdict::Supported => "",
        ClaimVerdict::Contradicted => "; a passage gives other figures",
        ClaimVerdict::Unverifiable => "; not in the passages",
    };
    format!(
        "“{}”{place} ({}{state})",
        text::shorten(&cluster.claim.text, 200),
        letters(cluster)
    )
}

fn letters(cluster: &StatementGroup) -> String {
    cluster
        .letters
        .iter()
        .map(char::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Describes contradictions between claims and passages, between claims, and between passages.
fn contradictions(clusters: &[StatementGroup], reading: &ParsedPrompt) -> Vec<String> {
    let mut contradictions = Vec::new();
    for cluster in clusters
        .iter()
        .filter(|cluster| cluster.verdict == ClaimVerdict::Contradicted)
    {
        if let Some(line) = cluster.line {
            let wording = text::shorten(&cluster.claim.text, 160);
            contradictions.push(format!(
                "({}) “{wording}”; the passage: {}",
                letters(cluster),
                reading.quote(&reading.lines[line])
            ));
        }
    }
    for (place, left) in clusters.iter().enumerate() {
        for right in &clusters[place + 1..] {
            let are_disjoint = left.letters.is_disjoint(&right.letters);
            let similarity = text::jaccard_similarity(&left.claim.terms, &right.claim.terms);
            let figures = !left.claim.values.is_empty()
                && !right.claim.values.is_empty()
                && left.claim.values.is_disjoint(&right.claim.values);
            let denied = left.claim.negated != right.claim.negated && similarity >= 0.7;
            // If the sources contradict one of the two claims, this is already listed above.
            let is_listed = [left, right]
                .iter()
                .any(|one| one.verdict == ClaimVerdict::Contradicted);
            if are_disjoint
                && !is_listed
                && contradictions.len() < 4
                && ((figures && similarity >= 0.5) || denied)
            {
                contradictions.push(format!(
                    "{} — against {}",
                    describe_group_briefly(left, reading),
                    describe_group_briefly(right, reading)
                ));
            }
        }
    }
    let within = differ::differences(reading, 2);
    contradictions.extend(within.iter().map(|pair| {
        format!(
            "within the passages, {}",
            skeptic::describe_difference(reading, pair)
        )
    }));
    contradictions.truncate(5);
    contradictions
}

fn blind_spots(read: &[CheckedClaims], brief: &Brief, reading: &ParsedPrompt) -> Vec<String> {
    let mut spots = Vec::new();
    let missing = reading.missing_words();
    if !missing.is_empty() && !reading.has_no_sources {
        spots.push(format!("The passages never use: {}.", missing.join(", ")));
    }
    if reading.has_no_sources {
        spots.push(
            "There is no document: nothing here is checked, and a demo algorithm knows no facts."
                .to_owned(),
        );
    }
    if !brief.peers.is_empty() && !reading.has_no_sources {
        let unused = review::unused_lines(read, reading).into_iter().take(2);
        spots.extend(
            unused.map(|line| format!("No member uses {}", reading.quote(&reading.lines[line]))),
        );
    }
    if let Some((word, kind)) = reading.kind.filter(|_| !reading.has_no_sources) {
        let is_answered = read
            .iter()
            .flat_map(|peer| &peer.claims)
            .any(|(claim, finding)| {
                // The quotation may end before the figure, but the line is complete.
                let line = finding
                    .line
                    .map_or(&claim.text, |line| &reading.lines[line].text);
                kind.matches_kind(line) && reading.relevance(&claim.terms) > 0.0
            });
        if !is_answered {
            spots.push(format!(
                "“{word}” asks for {}; no member gives one.",
                kind.name()
            ));
        }
    }
    spots
}

/// Formats the list of documents and pages that the groups cite.
fn sources(reading: &ParsedPrompt, groups: &[&StatementGroup]) -> String {
    let lines = groups.iter().filter_map(|cluster| cluster.line);
    let cited_sources: BTreeSet<u32> = lines.map(|line| reading.lines[line].source).collect();
    let cited_sources = reading
        .source_locations
        .iter()
        .filter(|(number, ..)| cited_sources.contains(number));
    let mut source_lines: Vec<String> = Vec::new();
    let mut listed_sources = BTreeSet::new();
    for (number, document, page) in cited_sources {
        // Several passages on the same page count as one source.
        if listed_sources.insert((document, page)) {
            let name = text::shorten(document, 60);
            source_lines.push(format!("[{number}] {name}, p. {page}"));
        }
    }
    if source_lines.is_empty() {
        String::new()
    } else {
        format!("*Cited: {}.*", source_lines.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::demo::tests::{brief, with_peers};

    const SOURCE_TEXT: &str =
        "The customer must pay all fees within 30 days. Support is not included in the basic plan.";

    fn synthesize_texts(peers: &[&str]) -> String {
        let brief = with_peers(
            brief(
                "When must fees be paid, and is there a refund?",
                &[SOURCE_TEXT],
            ),
            peers,
        );
        synthesize(&brief, &ParsedPrompt::of(&brief), ReviewFocus::Shared)
    }

    #[test]
    fn agreement_contradictions_and_gaps_name_members() {
        let synthesis = synthesize_texts(&[
            "The customer must pay all fees within 30 days.",
            "“The customer must pay all fees within 30 days.” [1]",
            "The customer must pay all fees within 60 days.",
        ]);
        assert!(
            synthesis.contains("- “The customer must pay all fees within 30 days.” [1] (A, B)"),
            "{synthesis}"
        );
        assert!(synthesis.contains("## Different figures or negations\n\n- (C) “The customer must pay all fees within 60 days.”; the passage:"), "{synthesis}");
        assert!(synthesis.contains("never use: paid, refund"), "{synthesis}");
    }

    #[test]
    fn sections_follow_the_patterns_order() {
        for peers in [
            &[] as &[&str],
            &["Nothing of note."],
            &["Rockets fly to distant moons.", "Boats sail on quiet seas."],
        ] {
            let synthesis = synthesize_texts(peers);
            let headings: Vec<&str> = synthesis
                .lines()
                .filter_map(|line| line.strip_prefix("## "))
                .collect();
            assert_eq!(
                headings,
                [
                    "Answer",
                    "Similar wording",
                    "Different figures or negations",
                    "Points made by one only",
                    "Blind spots"
                ]
            );
        }
    }

    #[test]
    fn unsupported_statements_are_not_in_the_answer() {
        let synthesis = synthesize_texts(&["Rockets fly to distant moons every week."]);
        let answer = synthesis.split("## Similar").next().expect("an answer");
        assert!(
            !answer.contains("Rockets") && answer.contains("None of the 1 statement"),
            "{synthesis}"
        );
    }
}
