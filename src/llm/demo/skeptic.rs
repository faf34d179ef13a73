//! `demo/sceptic`: collects what a careful reader would check: figures, hedges, absolute words, and contradictory
//! figures. It points out where to look, but never says that something is false.

use super::differ::{self, FigureDifference};
use super::draft::{DraftWriter, count_text};
use super::numbers;
use super::rank;
use super::reading::ParsedPrompt;
use super::stop::{ABSOLUTES, HEDGES};
use super::text;

/// Writes the first answer of `demo/sceptic`.
pub fn answer(reading: &ParsedPrompt) -> String {
    let order = rank::rank(reading);
    let figures = count_and_examples(reading, &order, |line| !numbers::figures(line).is_empty());
    let hedged = count_and_examples(reading, &order, |line| {
        first_listed_word(line, HEDGES).is_some()
    });
    let absolute = count_and_examples(reading, &order, |line| {
        first_listed_word(line, ABSOLUTES).is_some()
    });
    let differences = differ::differences(reading, 3);
    let mut draft = DraftWriter::new();
    draft.paragraph(&format!(
        "*Read {}: {} with figures, {} with hedges, {} with absolute words, {} whose figures differ.*",
        count_text(reading.lines.len(), "sentence"),
        figures.0,
        hedged.0,
        absolute.0,
        count_text(differences.len(), "pair"),
    ));
    draft.list(
        "Figures and dates to check",
        figures
            .1
            .iter()
            .map(|&place| reading.quote(&reading.lines[place])),
    );
    draft.list(
        "Figures that differ",
        differences
            .iter()
            .map(|pair| describe_difference(reading, pair)),
    );
    let marked = |places: &[usize], list: &[&str]| -> Vec<String> {
        let describe = |&place: &usize| {
            let line = &reading.lines[place];
            format!(
                "*{}*: {}",
                first_listed_word(&line.text, list).unwrap_or_default(),
                reading.quote(line)
            )
        };
        places.iter().map(describe).collect()
    };
    draft.list(
        "Hedged or conditional statements",
        marked(&hedged.1, HEDGES),
    );
    draft.list(
        "Statements without exception",
        marked(&absolute.1, ABSOLUTES),
    );
    draft.list(
        "Questions to ask",
        questions(reading, &figures.1, &absolute.1, &differences),
    );
    draft.finish()
}

/// Returns how many lines satisfy a condition, and the three that are most relevant to the question.
fn count_and_examples(
    reading: &ParsedPrompt,
    order: &[usize],
    is_kind: impl Fn(&str) -> bool,
) -> (usize, Vec<usize>) {
    let all: Vec<usize> = (0..reading.lines.len())
        .filter(|&place| is_kind(&reading.lines[place].text))
        .collect();
    let mut best: Vec<usize> = order
        .iter()
        .copied()
        .filter(|place| all.binary_search(place).is_ok())
        .collect();
    // In a short text, it can happen that none of these lines has a rank. All of them are then considered.
    if best.is_empty() {
        best = all.clone();
    }
    best.sort_by(|&a, &b| {
        rank::question_relevance(reading, b).total_cmp(&rank::question_relevance(reading, a))
    });
    let mut chosen = rank::choose_distinct(reading, &best, 3, &[]);
    chosen.sort_unstable();
    (all.len(), chosen)
}

/// Returns the first word in the line that is on the list, as written.
fn first_listed_word(line: &str, list: &[&str]) -> Option<String> {
    let mut words = text::words(line).into_iter();
    words
        .find(|word| list.contains(&word.text.to_lowercase().as_str()))
        .map(|word| word.text.to_owned())
}

/// Formats a difference between two lines, and quotes both.
pub fn describe_difference(reading: &ParsedPrompt, pair: &FigureDifference) -> String {
    format!(
        "{} or {}: {} — {}",
        pair.figures.0,
        pair.figures.1,
        reading.quote(&reading.lines[pair.first_line]),
        reading.quote(&reading.lines[pair.second_line]),
    )
}

fn questions(
    reading: &ParsedPrompt,
    figures: &[usize],
    absolute: &[usize],
    differences: &[FigureDifference],
) -> Vec<String> {
    let mut questions = Vec::new();
    if let Some(pair) = differences.first() {
        let (left, right) = (
            &reading.lines[pair.first_line],
            &reading.lines[pair.second_line],
        );
        questions.push(format!(
            "Which applies when: {}{} or {}{}?",
            pair.figures.0,
            reading.cite(left),
            pair.figures.1,
            reading.cite(right)
        ));
    }
    if let Some(&place) = figures.first() {
        let line = &reading.lines[place];
        let first = numbers::figures(&line.text)
            .into_iter()
            .next()
            .map_or(String::new(), |figure| figure.text);
        questions.push(format!(
            "Where does the figure {first} come from{}?",
            reading.cite(line)
        ));
    }
    if let Some(&place) = absolute.first() {
        let line = &reading.lines[place];
        let word = first_listed_word(&line.text, ABSOLUTES).unwrap_or_default();
        questions.push(format!(
            "Is there really no exception to *{word}*{}?",
            reading.cite(line)
        ));
    }
    let missing = reading.missing_words();
    if !missing.is_empty() && !reading.has_no_sources {
        questions.push(format!(
            "Why does the text never use: {}?",
            missing.join(", ")
        ));
    }
    questions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::demo::tests::{brief, gpl};

    #[test]
    fn points_to_check_are_listed() {
        let text = "The fee is 40 euros. It may rise later this year. We always deliver perfect goods. \
                    Notice of termination must be given 30 days before the contract ends. \
                    Notice of termination must be given 60 days before the contract ends.";
        let answer_text = answer(&ParsedPrompt::of(&brief("fee", &[text])));
        for expected in [
            "40 euros",
            "*may*",
            "*always*",
            "30 days or 60 days",
            "Which applies when",
        ] {
            assert!(
                answer_text.contains(expected),
                "{expected} in {answer_text}"
            );
        }
    }

    #[test]
    fn reads_a_real_text() {
        let answer_text = answer(&ParsedPrompt::of(&brief(
            "How long do I have to cure a violation?",
            &[gpl()],
        )));
        assert!(
            answer_text.contains("30 days") || answer_text.contains("60 days"),
            "{answer_text}"
        );
    }

    #[test]
    fn an_empty_text_has_nothing_to_check() {
        assert!(answer(&ParsedPrompt::of(&brief("", &[]))).starts_with("*Read 0 sentences"));
    }
}
