//! Preprocessing that all demo algorithms share: splits the sources into lines with weighted terms, and extracts the
//! words of the question. It neither selects nor writes anything.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::chat::Brief;

use super::asks::{self, AnswerKind};
use super::sentences::{self, Sentence};
use super::stop;
use super::text;

/// Maximum number of lines. Sources are limited elsewhere too, but this limit holds regardless.
const MAX_LINES: usize = 6_000;

/// A sentence from a source, or from the question if there are no sources.
#[derive(Debug, Clone)]
pub struct SourceLine {
    /// Number of the source; 0 for the question itself.
    pub source: u32,
    /// The sentence as written, with whitespace collapsed.
    pub text: String,
    /// Stems of the content words, sorted and deduplicated.
    pub terms: Vec<String>,
    /// Whether the line is not a quotable sentence but code, a row of links, or text that is cut off at the start of a
    /// passage.
    pub fragment: bool,
}

/// A content word of the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectTerm {
    /// The word as written.
    pub word: String,
    /// Stems in the text that match the word; empty if the word does not occur in the text.
    pub matching_stems: Vec<String>,
}

/// The preprocessed question and sources of a request.
#[derive(Debug)]
pub struct ParsedPrompt {
    /// All distinct sentences in order, without headings.
    pub lines: Vec<SourceLine>,
    /// Headings with the numbers of their sources, in order.
    pub headings: Vec<(u32, String)>,
    /// The question's content words.
    pub question_terms: Vec<SubjectTerm>,
    /// The question word in the question, and the kind of answer that it asks for.
    pub kind: Option<(&'static str, AnswerKind)>,
    /// Whether there are no sources. In this case, `lines` are the question's own sentences.
    pub has_no_sources: bool,
    /// Number, document, and page of each source.
    pub source_locations: Vec<(u32, String, u32)>,
    postings: BTreeMap<String, Vec<usize>>,
}

impl ParsedPrompt {
    /// Preprocesses the question and the sources of a request.
    pub fn of(brief: &Brief) -> Self {
        let mut lines = Vec::new();
        let mut headings = Vec::new();
        let mut seen_lines = BTreeSet::new();
        let has_no_sources = brief
            .sources
            .iter()
            .all(|source| text::collapse_whitespace(&source.text).is_empty());
        let sources: Vec<(u32, &str)> = if has_no_sources {
            vec![(0, brief.question.as_str())]
        } else {
            let pairs = brief
                .sources
                .iter()
                .map(|source| (source.number, source.text.as_str()));
            pairs.collect()
        };
        for (source, body) in sources {
            for (index, Sentence { text, heading }) in
                sentences::sentences(body).into_iter().enumerate()
            {
                // Passages may overlap, so only the first occurrence of a sentence counts.
                if lines.len() >= MAX_LINES || !seen_lines.insert(text.clone()) {
                    continue;
                }
                if heading && !has_no_sources {
                    headings.push((source, text));
                    continue;
                }
                lines.push(SourceLine {
                    source,
                    terms: text::terms(&text),
                    fragment: (index == 0 && text.starts_with(char::is_lowercase))
                        || is_markup(&text),
                    text,
                });
            }
        }
        let mut postings: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, line) in lines.iter().enumerate() {
            for term in &line.terms {
                postings.entry(term.clone()).or_default().push(index);
            }
        }
        Self {
            question_terms: question_words(&brief.question, &postings),
            kind: asks::answer_kind(&brief.question),
            source_locations: brief
                .sources
                .iter()
                .map(|s| (s.number, text::collapse_whitespace(&s.document), s.page))
                .collect(),
            lines,
            headings,
            has_no_sources,
            postings,
        }
    }

    /// Returns the weight of a term: the rarer the term, the greater its weight. A term that does not occur has a
    /// weight of 0.
    pub fn weight(&self, term: &str) -> f64 {
        match self.postings.get(term) {
            Some(places) => (1.0 + self.lines.len() as f64 / places.len() as f64).ln(),
            None => 0.0,
        }
    }

    /// Returns the damped frequency of a term. It is high for the main subjects of the text.
    pub fn damped_frequency(&self, term: &str) -> f64 {
        self.postings
            .get(term)
            .map_or(0.0, |places| (places.len() as f64).sqrt())
    }

    /// Returns the relevance of a line with these terms to the question, from 0 to 1: the share, by weight, of the
    /// question's words that are among the terms. The question's words that do not occur in the text do not count.
    pub fn relevance(&self, terms: &[String]) -> f64 {
        let (mut matched_weight, mut all) = (0.0, 0.0);
        for asked in &self.question_terms {
            let Some((first, others)) = asked.matching_stems.split_first() else {
                continue;
            };
            let word_weight = self.weight(first);
            let has_stem = |stem: &String| terms.binary_search(stem).is_ok();
            all += word_weight;
            // A word that only begins like the question's word is weaker evidence than the word itself.
            matched_weight += match (has_stem(first), others.iter().any(has_stem)) {
                (true, _) => word_weight,
                (false, true) => word_weight * 0.6,
                (false, false) => 0.0,
            };
        }
        if all > 0.0 { matched_weight / all } else { 0.0 }
    }

    /// Returns the indexes of the lines that contain at least one of the stems, in order.
    pub fn lines_containing(&self, stems: &[String]) -> Vec<usize> {
        let places: BTreeSet<usize> = stems
            .iter()
            .filter_map(|stem| self.postings.get(stem))
            .flatten()
            .copied()
            .collect();
        places.into_iter().collect()
    }

    /// Finds the line that contains the largest share of the terms by weight. Returns its index and the share. Terms
    /// that do not occur weigh as much as the rarest one, because otherwise an invented claim would seem to be covered.
    pub fn closest_line(&self, terms: &[String]) -> Option<(usize, f64)> {
        let max_weight = (1.0 + self.lines.len() as f64).ln();
        let mut weight_by_line: BTreeMap<usize, f64> = BTreeMap::new();
        let mut all = 0.0;
        for term in terms {
            let Some(places) = self.postings.get(term) else {
                all += max_weight;
                continue;
            };
            let weight = self.weight(term);
            all += weight;
            for &place in places {
                *weight_by_line.entry(place).or_default() += weight;
            }
        }
        let best = weight_by_line
            .into_iter()
            .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
        Some((best.0, best.1 / all))
    }

    /// Finds the line that contains these words exactly, apart from whitespace.
    pub fn verbatim_line(&self, words: &str) -> Option<usize> {
        let words = text::collapse_whitespace(words);
        let words = words.trim_end_matches(['…', ' ']);
        if words.is_empty() {
            return None;
        }
        // A line is one sentence, so a longer quotation never matches as a whole. Callers look up its sentences one by
        // one.
        self.lines.iter().position(|line| line.text.contains(words))
    }

    /// Returns the question's words that do not occur in the text.
    pub fn missing_words(&self) -> Vec<&str> {
        let missing = self
            .question_terms
            .iter()
            .filter(|asked| asked.matching_stems.is_empty());
        missing.map(|asked| asked.word.as_str()).collect()
    }

    /// Formats a citation of a line's source, such as ` [3]`. Empty if there are no sources.
    pub fn cite(&self, line: &SourceLine) -> String {
        cite(line.source)
    }

    /// Formats a line as a quotation with its source, such as `“text” [3]`.
    pub fn quote(&self, line: &SourceLine) -> String {
        format!("“{}”{}", text::shorten(&line.text, 480), cite(line.source))
    }
}

/// Formats a citation such as ` [3]`; empty for the question itself.
pub fn cite(source: u32) -> String {
    if source == 0 {
        String::new()
    } else {
        format!(" [{source}]")
    }
}

fn is_markup(text: &str) -> bool {
    ["```", "![", "[!["]
        .iter()
        .any(|mark| text.starts_with(mark))
        || text.matches("://").count() > 1
}

fn question_words(question: &str, postings: &BTreeMap<String, Vec<usize>>) -> Vec<SubjectTerm> {
    let mut seen_words = BTreeSet::new();
    let mut terms = Vec::new();
    for word in text::words(question) {
        let stem = text::stem(word.text);
        if stop::is_stop(word.text)
            || stop::is_request_word(word.text)
            || !seen_words.insert(stem.clone())
        {
            continue;
        }
        terms.push(SubjectTerm {
            word: word.text.to_owned(),
            matching_stems: related_terms(&stem, postings),
        });
        // A pasted essay is not a list of search terms, so only the first 40 words are used.
        if terms.len() == 40 {
            break;
        }
    }
    terms
}

/// Finds the terms that match a stem: the stem itself, and terms that begin like it, as "termination" begins like
/// "terminate".
fn related_terms(stem: &str, postings: &BTreeMap<String, Vec<usize>>) -> Vec<String> {
    let mut related = Vec::new();
    if postings.contains_key(stem) {
        related.push(stem.to_owned());
    }
    let letters = stem.chars().count();
    let Some((end, _)) = stem
        .char_indices()
        .nth(6.max(letters * 3 / 4).min(letters.saturating_sub(1)))
    else {
        return related;
    };
    if letters < 7 {
        return related;
    }
    let start = &stem[..end];
    let same_prefix_terms = postings
        .range(start.to_owned()..)
        .take_while(|(term, _)| term.starts_with(start));
    let similar_terms =
        same_prefix_terms.filter(|(term, _)| *term != stem && term.chars().count() <= letters + 4);
    related.extend(similar_terms.take(8).map(|(term, _)| term.clone()));
    related
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::demo::tests::brief;

    #[test]
    fn question_words_are_found_by_their_stem() {
        let text = "The licence ends on termination. Fees are due in 30 days.";
        for (question, expected) in [
            ("When does it terminate?", vec![("terminate", true)]),
            ("Which fee?", vec![("fee", true)]),
            ("Please summarise the document", vec![]),
            ("What about warranty?", vec![("warranty", false)]),
        ] {
            let reading = ParsedPrompt::of(&brief(question, &[text]));
            let term_states: Vec<(&str, bool)> = reading
                .question_terms
                .iter()
                .map(|a| (a.word.as_str(), !a.matching_stems.is_empty()))
                .collect();
            assert_eq!(term_states, expected, "{question}");
        }
    }

    #[test]
    fn without_sources_the_question_is_the_text() {
        let reading = ParsedPrompt::of(&brief("Cats sleep. Dogs bark.", &[]));
        assert!(reading.has_no_sources);
        assert_eq!(reading.lines.len(), 2);
        assert_eq!(reading.quote(&reading.lines[0]), "“Cats sleep.”");
    }

    #[test]
    fn overlapping_passages_are_read_once() {
        let reading = ParsedPrompt::of(&brief(
            "x",
            &["One is here. Two is here.", "Two is here. Three is here."],
        ));
        let order: Vec<u32> = reading.lines.iter().map(|line| line.source).collect();
        assert_eq!(order, [1, 1, 2]);
    }

    #[test]
    fn unknown_words_lower_the_relevance() {
        let reading = ParsedPrompt::of(&brief(
            "x",
            &["Fees are due in 30 days. Cats sleep all day."],
        ));
        let close = |claim: &str| {
            reading
                .closest_line(&text::terms(claim))
                .map_or(0.0, |found| found.1)
        };
        assert!(close("Fees are due in 30 days") > 0.99);
        assert!(close("Fees are waived for astronauts in orbit") < 0.4);
        assert_eq!(close("zebra"), 0.0);
    }
}
