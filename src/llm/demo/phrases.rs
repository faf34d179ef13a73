//! `demo/phrases`: finds the key phrases of the text. Also finds the lines that contain the question's words, and lists
//! the question's words that do not occur. It counts and locates, but does not interpret.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{DraftWriter, count_text, join_with_and};
use super::rank;
use super::reading::{ParsedPrompt, cite};
use super::stop;
use super::text;

/// A sequence of content words that occurs in the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Phrase {
    /// The phrase as written where it first occurs.
    pub text: String,
    /// Number of occurrences.
    pub count: usize,
    /// Numbers of the sources that contain the phrase, in order.
    pub sources: BTreeSet<u32>,
    score: f64,
}

/// Writes the first answer of `demo/phrases`.
pub fn answer(reading: &ParsedPrompt) -> String {
    let mut draft = DraftWriter::new();
    let phrases = phrases(reading, 9);
    let used = reading
        .question_terms
        .iter()
        .filter(|asked| !asked.matching_stems.is_empty())
        .count();
    if !phrases.is_empty() {
        let top: Vec<String> = phrases
            .iter()
            .take(3)
            .map(|phrase| format!("**{}**", phrase.text))
            .collect();
        draft.paragraph(&format!("The main phrases are {}.", join_with_and(&top)));
    }
    if !reading.has_no_sources && !reading.question_terms.is_empty() {
        draft.paragraph(&format!(
            "Of the {} in the question it uses {used}.",
            count_text(reading.question_terms.len(), "content word")
        ));
    }
    let word_locations = question_word_locations(reading);
    let few = word_locations.len() < 2;
    draft.list("The question against the text", word_locations);
    draft.list("Key phrases", phrases.iter().map(describe_phrase));
    if few {
        draft.list("Where they occur", most_central_lines(reading, &phrases));
    }
    if !reading.has_no_sources {
        draft.list("Outline", outline_lines(reading));
        draft.list("Not known", missing_words(reading));
    }
    draft.finish()
}

/// Finds the key phrases of the text, at most `max_count`. Frequent and long phrases come first. Phrases that are part
/// of a better one are omitted.
pub fn phrases(reading: &ParsedPrompt, max_count: usize) -> Vec<Phrase> {
    let mut found: BTreeMap<String, Phrase> = BTreeMap::new();
    for line in &reading.lines {
        for run in content_word_sequences(&line.text) {
            for length in 1..=run.len().min(4) {
                for words in run.windows(length) {
                    let key: Vec<String> = words.iter().map(|word| text::stem(word.text)).collect();
                    let (first, last) = (words[0], words[length - 1]);
                    let written_phrase =
                        || line.text[first.offset..last.offset + last.text.len()].to_owned();
                    let entry = found.entry(key.join(" ")).or_insert_with(|| Phrase {
                        text: written_phrase(),
                        count: 0,
                        sources: BTreeSet::new(),
                        score: 0.0,
                    });
                    // A phrase in capitals counts as the same phrase, but the form with lowercase letters is preferred.
                    if entry.count > 0 && !entry.text.chars().any(char::is_lowercase) {
                        entry.text = written_phrase();
                    }
                    entry.count += 1;
                    entry.sources.insert(line.source);
                }
            }
        }
    }
    let question_stems: BTreeSet<&String> = reading
        .question_terms
        .iter()
        .flat_map(|asked| &asked.matching_stems)
        .collect();
    let least = if reading.lines.len() > 12 { 2 } else { 1 };
    let mut phrases: Vec<(String, Phrase)> = found
        .into_iter()
        .filter(|(_, phrase)| phrase.count >= least)
        .collect();
    for (key, phrase) in &mut phrases {
        // A single word is little evidence, but a repeated sequence of words is rarely a coincidence.
        let length = [1.0, 3.5, 6.0, 8.0][key.split(' ').count().clamp(1, 4) - 1];
        let is_wanted = key
            .split(' ')
            .any(|stem| question_stems.contains(&stem.to_owned()));
        phrase.score = phrase.count as f64 * length * if is_wanted { 1.5 } else { 1.0 };
    }
    phrases.sort_by(|a, b| b.1.score.total_cmp(&a.1.score).then(a.0.cmp(&b.0)));
    let mut chosen: Vec<(String, Phrase)> = Vec::new();
    for (key, phrase) in phrases {
        let repeats = |(other, known): &(String, Phrase)| {
            let (this, that) = (format!(" {key} "), format!(" {other} "));
            let common = key
                .split(' ')
                .filter(|stem| that.contains(&format!(" {stem} ")))
                .count();
            let longer = common > 1 || (this.contains(&that) && other.contains(' '));
            longer || (that.contains(&this) && phrase.count <= 2 * known.count)
        };
        if chosen.len() < max_count && !chosen.iter().any(repeats) {
            chosen.push((key, phrase));
        }
    }
    chosen.into_iter().map(|(_, phrase)| phrase).collect()
}

/// Returns the sequences of content words that are separated only by single spaces.
fn content_word_sequences(line: &str) -> Vec<Vec<text::TextWord<'_>>> {
    let mut runs: Vec<Vec<text::TextWord<'_>>> = vec![Vec::new()];
    let mut end = 0;
    for word in text::words(line) {
        let plain = word.text.starts_with(char::is_alphabetic) && !stop::is_stop(word.text);
        let broken = line.get(end..word.offset) != Some(" ");
        if (!plain || broken) && runs.last().is_some_and(|run| !run.is_empty()) {
            runs.push(Vec::new());
        }
        if let (true, Some(run)) = (plain, runs.last_mut()) {
            run.push(word);
        }
        end = word.offset + word.text.len();
    }
    runs.retain(|run| !run.is_empty());
    runs
}

fn describe_phrase(phrase: &Phrase) -> String {
    let places: Vec<String> = phrase
        .sources
        .iter()
        .filter(|&&source| source > 0)
        .take(6)
        .map(|&source| cite(source))
        .collect();
    let ellipsis = if phrase.sources.len() > 6 { " …" } else { "" };
    format!(
        "**{}** ({}×){}{ellipsis}",
        phrase.text,
        phrase.count,
        places.concat()
    )
}

/// For each of the question's words, describes where it occurs and quotes the most relevant line.
fn question_word_locations(reading: &ParsedPrompt) -> Vec<String> {
    if reading.has_no_sources {
        return Vec::new();
    }
    let mut quoted: BTreeSet<usize> = BTreeSet::new();
    let mut locations = Vec::new();
    for asked in reading
        .question_terms
        .iter()
        .filter(|asked| !asked.matching_stems.is_empty())
        .take(5)
    {
        let places = reading.lines_containing(&asked.matching_stems);
        let relevance = |place: &usize| rank::question_relevance(reading, *place);
        let fresh = places
            .iter()
            .copied()
            .filter(|place| !quoted.contains(place));
        let best = fresh.max_by(|a, b| relevance(a).total_cmp(&relevance(b)).then(b.cmp(a)));
        let quote = best.map_or(String::new(), |place| {
            quoted.insert(place);
            format!(", most relevant: {}", reading.quote(&reading.lines[place]))
        });
        let form = match asked.matching_stems.first() {
            Some(found) if *found != text::stem(&asked.word) => format!(" (as “{found}…”)"),
            _ => String::new(),
        };
        locations.push(format!(
            "**{}**{form} in {}{quote}",
            asked.word,
            count_text(places.len(), "sentence")
        ));
    }
    locations
}

/// Quotes, for each of the first four phrases, the most central line that contains it. Similar lines are quoted only
/// once.
fn most_central_lines(reading: &ParsedPrompt, phrases: &[Phrase]) -> Vec<String> {
    let order = rank::rank(reading);
    let mut line_indexes: Vec<usize> = Vec::new();
    for phrase in phrases.iter().take(4) {
        let stems = text::terms(&phrase.text);
        let has_terms = |place: &&usize| {
            let terms = &reading.lines[**place].terms;
            text::count_shared(&stems, terms) == stems.len()
        };
        let fresh: Vec<usize> = order.iter().filter(has_terms).copied().collect();
        line_indexes.extend(rank::choose_distinct(reading, &fresh, 1, &line_indexes));
    }
    line_indexes
        .iter()
        .map(|&place| reading.quote(&reading.lines[place]))
        .collect()
}

fn outline_lines(reading: &ParsedPrompt) -> Vec<String> {
    let headings = reading.headings.iter().take(8);
    let mut outline: Vec<String> = headings
        .map(|(source, heading)| format!("{}{}", text::shorten(heading, 80), cite(*source)))
        .collect();
    if reading.headings.len() > 8 {
        outline.push(format!(
            "… and {}",
            count_text(reading.headings.len() - 8, "more heading")
        ));
    }
    outline
}

fn missing_words(reading: &ParsedPrompt) -> Vec<String> {
    let mut gaps: Vec<String> = Vec::new();
    let missing = reading.missing_words();
    if !missing.is_empty() {
        gaps.push(format!("The text never uses: {}.", missing.join(", ")));
    }
    if let Some((word, kind)) = reading.kind {
        let relevant_lines = (0..reading.lines.len())
            .filter(|&place| reading.relevance(&reading.lines[place].terms) > 0.0)
            .filter(|&place| kind.matches_kind(&reading.lines[place].text));
        gaps.push(match relevant_lines.count() {
            0 => format!(
                "“{word}” asks for {}; no sentence near the question has one.",
                kind.name()
            ),
            some => format!(
                "“{word}” asks for {}; {} near the question could hold one.",
                kind.name(),
                count_text(some, "sentence")
            ),
        });
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::demo::tests::{brief, gpl};

    #[test]
    fn finds_the_phrases_of_a_real_text() {
        let phrase_texts: Vec<String> = phrases(&ParsedPrompt::of(&brief("", &[gpl()])), 9)
            .into_iter()
            .map(|phrase| phrase.text.to_lowercase())
            .collect();
        for expected in ["covered work", "corresponding source", "object code"] {
            assert!(
                phrase_texts.iter().any(|phrase| phrase.contains(expected)),
                "{expected} in {phrase_texts:?}"
            );
        }
    }

    #[test]
    fn a_phrase_is_reported_once() {
        let reading = ParsedPrompt::of(&brief(
            "",
            &["Covered work here. Covered work there. A covered work."],
        ));
        let phrase_counts: Vec<(String, usize)> = phrases(&reading, 9)
            .into_iter()
            .map(|p| (p.text, p.count))
            .collect();
        assert_eq!(phrase_counts, [("Covered work".to_owned(), 3)]);
    }

    #[test]
    fn missing_words_are_reported() {
        let text = answer(&ParsedPrompt::of(&brief(
            "How many dragons?",
            &["The contract has 3 parties."],
        )));
        assert!(text.contains("never uses: dragons"), "{text}");
        assert!(text.contains("no sentence near the question"), "{text}");
    }
}
