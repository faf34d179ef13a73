//! One reading of a request: its sources cut into lines, weighed, with the question's words beside
//! them. Every demo algorithm starts from it. Chooses nothing and writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::chat::Brief;

use super::asks::{self, Kind};
use super::sentences::{self, Sentence};
use super::stop;
use super::text;

/// No more lines than this are read; sources are bounded upstream, this bounds us whatever they are.
const MOST_LINES: usize = 6_000;

/// A sentence of a source, or of the question when there are no sources.
#[derive(Debug, Clone)]
pub struct Line {
    /// The source's number; 0 for the question's own text.
    pub source: u32,
    /// As written, whitespace squeezed.
    pub text: String,
    /// Stems of its content words, sorted, once each.
    pub terms: Vec<String>,
    /// No sentence to quote: cut off at the passage's beginning, or code, or a row of links.
    pub fragment: bool,
}

/// A word of the question that names its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// As the person wrote it.
    pub word: String,
    /// Stems in the text that count as this word; empty when the text does not use it.
    pub found: Vec<String>,
}

/// What an algorithm knows.
#[derive(Debug)]
pub struct Reading {
    /// All different sentences in order, headings left out.
    pub lines: Vec<Line>,
    /// Headings with their source's number, in order.
    pub headings: Vec<(u32, String)>,
    /// The question's content words.
    pub asked: Vec<Asked>,
    /// What kind of thing the question asks for, and the word that says so.
    pub kind: Option<(&'static str, Kind)>,
    /// There are no sources: `lines` are the question's own sentences.
    pub bare: bool,
    /// Number, document and page of every source.
    pub places: Vec<(u32, String, u32)>,
    postings: BTreeMap<String, Vec<usize>>,
}

impl Reading {
    /// Reads a brief.
    pub fn of(brief: &Brief) -> Self {
        let mut lines = Vec::new();
        let mut headings = Vec::new();
        let mut seen = BTreeSet::new();
        let bare = brief
            .sources
            .iter()
            .all(|source| text::squeeze(&source.text).is_empty());
        let sources: Vec<(u32, &str)> = if bare {
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
                // Passages may overlap; the first place a sentence stands at is its place.
                if lines.len() >= MOST_LINES || !seen.insert(text.clone()) {
                    continue;
                }
                if heading && !bare {
                    headings.push((source, text));
                    continue;
                }
                lines.push(Line {
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
            asked: asked(&brief.question, &postings),
            kind: asks::kind(&brief.question),
            places: brief
                .sources
                .iter()
                .map(|s| (s.number, text::squeeze(&s.document), s.page))
                .collect(),
            lines,
            headings,
            bare,
            postings,
        }
    }

    /// How much a term says: rare terms say more. Terms that never occur say nothing.
    pub fn weight(&self, term: &str) -> f64 {
        match self.postings.get(term) {
            Some(places) => (1.0 + self.lines.len() as f64 / places.len() as f64).ln(),
            None => 0.0,
        }
    }

    /// How often a term comes back over the text, damped: what the text keeps speaking of.
    pub fn spread_of(&self, term: &str) -> f64 {
        self.postings
            .get(term)
            .map_or(0.0, |places| (places.len() as f64).sqrt())
    }

    /// How near a line is to the question, 0 to 1: the share of the found words' weight it holds.
    pub fn relevance(&self, terms: &[String]) -> f64 {
        let (mut held, mut all) = (0.0, 0.0);
        for asked in &self.asked {
            let Some((first, others)) = asked.found.split_first() else {
                continue;
            };
            let whole = self.weight(first);
            let has = |stem: &String| terms.binary_search(stem).is_ok();
            all += whole;
            // A word that only begins alike is weaker evidence than the word itself.
            held += match (has(first), others.iter().any(has)) {
                (true, _) => whole,
                (false, true) => whole * 0.6,
                (false, false) => 0.0,
            };
        }
        if all > 0.0 { held / all } else { 0.0 }
    }

    /// Lines that hold any of the stems, in order.
    pub fn holding(&self, stems: &[String]) -> Vec<usize> {
        let places: BTreeSet<usize> = stems
            .iter()
            .filter_map(|stem| self.postings.get(stem))
            .flatten()
            .copied()
            .collect();
        places.into_iter().collect()
    }

    /// The line that holds most of the terms by weight, with the share of the weight it holds. Terms
    /// the text does not know weigh like the rarest, or else an invented claim would look covered.
    pub fn closest(&self, terms: &[String]) -> Option<(usize, f64)> {
        let rarest = (1.0 + self.lines.len() as f64).ln();
        let mut held: BTreeMap<usize, f64> = BTreeMap::new();
        let mut all = 0.0;
        for term in terms {
            let Some(places) = self.postings.get(term) else {
                all += rarest;
                continue;
            };
            let weight = self.weight(term);
            all += weight;
            for &place in places {
                *held.entry(place).or_default() += weight;
            }
        }
        let best = held
            .into_iter()
            .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
        Some((best.0, best.1 / all))
    }

    /// The line whose text contains the words exactly, whitespace aside.
    pub fn verbatim(&self, words: &str) -> Option<usize> {
        let words = text::squeeze(words);
        let words = words.trim_end_matches(['…', ' ']);
        if words.is_empty() {
            return None;
        }
        // A quote of several sentences is found by its first: the others are looked up on their own.
        self.lines.iter().position(|line| line.text.contains(words))
    }

    /// Words of the question that the text does not use.
    pub fn missing(&self) -> Vec<&str> {
        let missing = self.asked.iter().filter(|asked| asked.found.is_empty());
        missing.map(|asked| asked.word.as_str()).collect()
    }

    /// ` [3]`, or nothing where there is no source to cite.
    pub fn cite(&self, line: &Line) -> String {
        cite(line.source)
    }

    /// “text” [3]: a line as it is quoted everywhere.
    pub fn quote(&self, line: &Line) -> String {
        format!("“{}”{}", text::shorten(&line.text, 480), cite(line.source))
    }
}

/// ` [3]`, or nothing for the question's own text.
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

fn asked(question: &str, postings: &BTreeMap<String, Vec<usize>>) -> Vec<Asked> {
    let mut seen = BTreeSet::new();
    let mut asked = Vec::new();
    for word in text::words(question) {
        let stem = text::stem(word.text);
        if stop::is_stop(word.text) || stop::is_asking(word.text) || !seen.insert(stem.clone()) {
            continue;
        }
        asked.push(Asked {
            word: word.text.to_owned(),
            found: related(&stem, postings),
        });
        // A pasted essay is not a list of search words.
        if asked.len() == 40 {
            break;
        }
    }
    asked
}

/// The stem itself and those that begin alike: "terminate" and "termination".
fn related(stem: &str, postings: &BTreeMap<String, Vec<usize>>) -> Vec<String> {
    let mut found = Vec::new();
    if postings.contains_key(stem) {
        found.push(stem.to_owned());
    }
    let letters = stem.chars().count();
    let Some((end, _)) = stem
        .char_indices()
        .nth(6.max(letters * 3 / 4).min(letters.saturating_sub(1)))
    else {
        return found;
    };
    if letters < 7 {
        return found;
    }
    let start = &stem[..end];
    let alike = postings
        .range(start.to_owned()..)
        .take_while(|(term, _)| term.starts_with(start));
    let near = alike.filter(|(term, _)| *term != stem && term.chars().count() <= letters + 4);
    found.extend(near.take(8).map(|(term, _)| term.clone()));
    found
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
            let reading = Reading::of(&brief(question, &[text]));
            let found: Vec<(&str, bool)> = reading
                .asked
                .iter()
                .map(|a| (a.word.as_str(), !a.found.is_empty()))
                .collect();
            assert_eq!(found, expected, "{question}");
        }
    }

    #[test]
    fn without_sources_the_question_is_the_text() {
        let reading = Reading::of(&brief("Cats sleep. Dogs bark.", &[]));
        assert!(reading.bare);
        assert_eq!(reading.lines.len(), 2);
        assert_eq!(reading.quote(&reading.lines[0]), "“Cats sleep.”");
    }

    #[test]
    fn overlapping_passages_are_read_once() {
        let reading = Reading::of(&brief(
            "x",
            &["One is here. Two is here.", "Two is here. Three is here."],
        ));
        let order: Vec<u32> = reading.lines.iter().map(|line| line.source).collect();
        assert_eq!(order, [1, 1, 2]);
    }

    #[test]
    fn unknown_words_lower_the_closeness() {
        let reading = Reading::of(&brief(
            "x",
            &["Fees are due in 30 days. Cats sleep all day."],
        ));
        let close = |claim: &str| {
            reading
                .closest(&text::terms(claim))
                .map_or(0.0, |found| found.1)
        };
        assert!(close("Fees are due in 30 days") > 0.99);
        assert!(close("Fees are waived for astronauts in orbit") < 0.4);
        assert_eq!(close("zebra"), 0.0);
    }
}
