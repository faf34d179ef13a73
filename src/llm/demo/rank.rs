//! `demo/extract`: ranks sentences by centrality and by relevance to the question, and quotes the best ones verbatim.
//! It makes no statements of its own about the subject.

use super::draft::{DraftWriter, count_text};
use super::reading::ParsedPrompt;
use super::text;

/// Maximum number of sentences that are compared with each other, because the comparison takes quadratic time.
const MAX_CANDIDATES: usize = 160;
/// Number of power iterations of LexRank.
const ITERATIONS: usize = 15;
/// Damping factor of LexRank.
const DAMPING_FACTOR: f64 = 0.85;

/// Writes the first answer of `demo/extract`.
pub fn answer(reading: &ParsedPrompt) -> String {
    let mut draft = DraftWriter::new();
    let ranked = rank(reading);
    let relevant_lines: Vec<usize> = ranked
        .iter()
        .copied()
        .filter(|&index| question_relevance(reading, index) > 0.0)
        .collect();
    let nearest = if relevant_lines.is_empty() {
        Vec::new()
    } else {
        choose_distinct(reading, &sort_by_relevance(reading, relevant_lines), 4, &[])
    };
    let wanted_count = if nearest.is_empty() { 7 } else { 3 };
    let mut central = choose_distinct(reading, &ranked, wanted_count, &nearest);
    central.sort_unstable();
    let quotes = |places: &[usize]| -> Vec<String> {
        places
            .iter()
            .map(|&index| reading.quote(&reading.lines[index]))
            .collect()
    };
    let passages = if reading.has_no_sources {
        String::new()
    } else {
        format!(
            " in {}",
            count_text(reading.source_locations.len(), "passage")
        )
    };
    draft.paragraph(&format!(
        "*Chosen from {}{passages}, by the words they share with the question and with each other.*",
        count_text(reading.lines.len(), "sentence"),
    ));
    draft.list("Nearest to the question", quotes(&nearest));
    let heading = if nearest.is_empty() {
        "The most central sentences"
    } else {
        "Also central to the text"
    };
    draft.list(heading, quotes(&central));
    let missing = reading.missing_words();
    if !missing.is_empty() && !reading.has_no_sources {
        draft.list(
            "Not known",
            [format!(
                "The text does not use these words of the question: {}.",
                missing.join(", ")
            )],
        );
    }
    draft.finish()
}

/// Ranks lines by centrality, with a bias toward the question: LexRank with a teleport distribution that favors
/// relevant lines. Returns line indexes, best first.
pub fn rank(reading: &ParsedPrompt) -> Vec<usize> {
    let candidates = candidates(reading);
    let lines = |place: usize| &reading.lines[candidates[place]];
    let size = candidates.len();
    let mut links: Vec<Vec<(usize, f64)>> = vec![Vec::new(); size];
    for left in 0..size {
        for right in left + 1..size {
            let similarity = text::jaccard_similarity(&lines(left).terms, &lines(right).terms);
            if similarity > 0.06 {
                links[left].push((right, similarity));
                links[right].push((left, similarity));
            }
        }
    }
    let start: Vec<f64> = candidates
        .iter()
        .map(|&index| 0.15 + question_relevance(reading, index))
        .collect();
    let total: f64 = start.iter().sum();
    let mut scores: Vec<f64> = start.iter().map(|score| score / total).collect();
    for _ in 0..ITERATIONS {
        let mut next: Vec<f64> = start
            .iter()
            .map(|score| (1.0 - DAMPING_FACTOR) * score / total)
            .collect();
        for (place, neighbors) in links.iter().enumerate() {
            let sum: f64 = neighbors.iter().map(|link| link.1).sum();
            for &(neighbor, similarity) in neighbors {
                next[neighbor] += DAMPING_FACTOR * scores[place] * similarity / sum;
            }
        }
        scores = next;
    }
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    order.into_iter().map(|place| candidates[place]).collect()
}

/// Returns the first `max_lines` lines of a ranking. Skips lines that are similar to an excluded or an already chosen
/// line.
pub fn choose_distinct(
    reading: &ParsedPrompt,
    order: &[usize],
    max_lines: usize,
    excluded: &[usize],
) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    for &index in order {
        let terms = &reading.lines[index].terms;
        let is_similar =
            |other: &usize| text::jaccard_similarity(terms, &reading.lines[*other].terms) > 0.5;
        if chosen.len() < max_lines && !chosen.iter().chain(excluded).any(is_similar) {
            chosen.push(index);
        }
    }
    chosen
}

/// Returns a line's relevance to the question, which includes a bonus if the line matches the kind of answer that is
/// asked for.
pub fn question_relevance(reading: &ParsedPrompt, index: usize) -> f64 {
    let line = &reading.lines[index];
    let relevance = reading.relevance(&line.terms);
    let fits = reading
        .kind
        .is_some_and(|(_, kind)| relevance > 0.0 && kind.matches_kind(&line.text));
    relevance + if fits { 0.25 } else { 0.0 }
}

/// Sorts line indexes by relevance to the question, most relevant first. Lines of equal relevance keep their order.
fn sort_by_relevance(reading: &ParsedPrompt, mut order: Vec<usize>) -> Vec<usize> {
    let relevance_of: std::collections::BTreeMap<usize, f64> = order
        .iter()
        .map(|&index| (index, question_relevance(reading, index)))
        .collect();
    order.sort_by(|a, b| relevance_of[b].total_cmp(&relevance_of[a]));
    order
}

/// Returns the indexes of the complete sentences of reasonable length, in text order, or of all lines if there are
/// none. If there are too many, returns only the most promising ones.
fn candidates(reading: &ParsedPrompt) -> Vec<usize> {
    let lines_with_at_least = |least: usize| -> Vec<usize> {
        let fit = |index: &usize| {
            let line = &reading.lines[*index];
            !line.fragment && (least..=60).contains(&line.terms.len())
        };
        (0..reading.lines.len()).filter(fit).collect()
    };
    let mut places = lines_with_at_least(5);
    if places.len() < 8 {
        places = lines_with_at_least(1);
    }
    if places.is_empty() {
        places = (0..reading.lines.len()).collect();
    }
    if places.len() > MAX_CANDIDATES {
        let mut estimates: Vec<(f64, usize)> = places
            .iter()
            .map(|&index| (estimated_value(reading, index), index))
            .collect();
        estimates.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        places = estimates
            .into_iter()
            .take(MAX_CANDIDATES)
            .map(|(_, index)| index)
            .collect();
        places.sort_unstable();
    }
    places
}

/// Estimates the value of a line cheaply, from how frequent its terms are and how relevant it is to the question.
fn estimated_value(reading: &ParsedPrompt, index: usize) -> f64 {
    let terms = &reading.lines[index].terms;
    let common = terms
        .iter()
        .map(|term| reading.damped_frequency(term))
        .sum::<f64>();
    common / (terms.len() as f64 + 4.0) + 2.0 * question_relevance(reading, index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::demo::tests::{brief, gpl};

    #[test]
    fn the_question_influences_the_ranking() {
        let first = |question: &str| {
            let reading = ParsedPrompt::of(&brief(question, &[gpl()]));
            let text = answer(&reading);
            text.lines()
                .find(|line| line.starts_with("- “"))
                .expect("a quote")
                .to_owned()
        };
        assert!(
            first("Is there any warranty?")
                .to_lowercase()
                .contains("warrant")
        );
        assert!(
            first("What about patent licenses?")
                .to_lowercase()
                .contains("patent")
        );
        assert!(first("When are rights reinstated after a violation?").contains("reinstated"));
    }

    #[test]
    fn repeated_sentences_are_chosen_once() {
        let reading = ParsedPrompt::of(&brief(
            "cats",
            &[
                "Cats sleep on warm roofs daily.",
                "Cats sleep on warm roofs daily!",
            ],
        ));
        assert_eq!(choose_distinct(&reading, &rank(&reading), 5, &[]).len(), 1);
    }

    #[test]
    fn short_texts_can_be_ranked() {
        for text in ["x", "字", "One.", "A. B. C."] {
            let reading = ParsedPrompt::of(&brief("q", &[text]));
            assert!(!answer(&reading).is_empty(), "{text}");
        }
    }
}
