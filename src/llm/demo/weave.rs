//! `demo/merge` as a panel member. It compares the passages: what several of them state, what only one states, and how
//! much of the question each one covers. Its syntheses are written in `synthesis.rs`.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{DraftWriter, count_text, join_with_and};
use super::rank;
use super::reading::ParsedPrompt;
use super::text;

/// Minimum similarity, from 0 to 1, of lines that count as stating the same thing.
const MIN_SIMILARITY: f64 = 0.35;

/// Writes the first answer of `demo/merge`.
pub fn answer(reading: &ParsedPrompt) -> String {
    let mut draft = DraftWriter::new();
    let order = rank::rank(reading);
    if reading.has_no_sources {
        let best = rank::choose_distinct(reading, &order, 5, &[]);
        draft.list(
            "Statements that differ from each other",
            best.iter()
                .map(|&place| reading.quote(&reading.lines[place])),
        );
        return draft.finish();
    }
    let documents: BTreeSet<&str> = reading
        .source_locations
        .iter()
        .map(|(_, document, _)| document.as_str())
        .collect();
    let names: Vec<String> = documents
        .iter()
        .take(4)
        .map(|name| text::shorten(name, 60))
        .collect();
    draft.paragraph(&format!(
        "*Compared {} of {}: {}{}.*",
        count_text(reading.source_locations.len(), "passage"),
        count_text(documents.len(), "document"),
        join_with_and(&names),
        if documents.len() > 4 { " …" } else { "" },
    ));
    let pairs = repeated_statements(reading, &order);
    draft.list(
        "Stated more than once",
        pairs.iter().map(|&(left, right)| {
            format!(
                "{} and again{}",
                reading.quote(&reading.lines[left]),
                reading.cite(&reading.lines[right])
            )
        }),
    );
    let paired_lines: Vec<usize> = pairs
        .iter()
        .flat_map(|&(left, right)| [left, right])
        .collect();
    draft.list(
        "Statements by passage",
        best_line_per_passage(reading, &order, &paired_lines),
    );
    draft.list("Coverage of the question", word_coverage(reading));
    let missing = reading.missing_words();
    if !missing.is_empty() {
        draft.list(
            "Not known",
            [format!("No passage uses: {}.", missing.join(", "))],
        );
    }
    draft.finish()
}

/// Returns pairs of similar lines from different passages, in order of rank.
fn repeated_statements(reading: &ParsedPrompt, order: &[usize]) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for (place, &left) in order.iter().enumerate() {
        for &right in &order[place + 1..] {
            let (a, b) = (&reading.lines[left], &reading.lines[right]);
            if a.source != b.source
                && text::jaccard_similarity(&a.terms, &b.terms) >= MIN_SIMILARITY
            {
                pairs.push((left.min(right), left.max(right)));
            }
        }
    }
    let mut used = BTreeSet::new();
    pairs.retain(|&(left, right)| used.insert(left) && used.insert(right));
    pairs.truncate(3);
    pairs
}

/// Quotes the best-ranked lines of each passage, at most six in total, in document order.
fn best_line_per_passage(
    reading: &ParsedPrompt,
    order: &[usize],
    excluded: &[usize],
) -> Vec<String> {
    // If there are many passages, each contributes one line. A single passage may contribute several lines.
    let each = (5 / reading.source_locations.len().max(1)).max(1);
    let mut best: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for &place in order.iter().filter(|place| !excluded.contains(place)) {
        let source_lines = best.entry(reading.lines[place].source).or_default();
        if source_lines.len() < each {
            source_lines.push(place);
        }
    }
    let mut places: Vec<usize> = best.into_values().flatten().collect();
    places.sort_by(|&a, &b| {
        rank::question_relevance(reading, b)
            .total_cmp(&rank::question_relevance(reading, a))
            .then(a.cmp(&b))
    });
    places.truncate(6);
    places.sort_unstable();
    places
        .into_iter()
        .map(|place| reading.quote(&reading.lines[place]))
        .collect()
}

/// Describes, for each of the question's words that occurs in the passages, which passages use it.
fn word_coverage(reading: &ParsedPrompt) -> Vec<String> {
    let mut coverage_lines = Vec::new();
    for asked in reading
        .question_terms
        .iter()
        .filter(|asked| !asked.matching_stems.is_empty())
        .take(6)
    {
        let sources: BTreeSet<u32> = reading
            .lines_containing(&asked.matching_stems)
            .into_iter()
            .map(|place| reading.lines[place].source)
            .collect();
        let citations: Vec<String> = sources
            .iter()
            .take(8)
            .map(|source| format!("[{source}]"))
            .collect();
        coverage_lines.push(format!(
            "**{}**: {} of {} {}",
            asked.word,
            sources.len(),
            count_text(reading.source_locations.len(), "passage"),
            citations.join(" ")
        ));
    }
    coverage_lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::demo::tests::brief;

    #[test]
    fn repeated_statements_are_paired_across_passages() {
        let answer_text = answer(&ParsedPrompt::of(&brief(
            "notice period and fees",
            &[
                "The notice period of this contract is 30 days. Cats sleep all day.",
                "This contract has a notice period of 30 days. Fees are high.",
            ],
        )));
        assert!(
            answer_text.contains("## Stated more than once")
                && answer_text.contains("and again [2]"),
            "{answer_text}"
        );
        assert!(
            answer_text.contains("**notice**: 2 of 2 passages [1] [2]"),
            "{answer_text}"
        );
    }
}
