//! How far answers say the same, by what they say first. Lexical on purpose: it costs nothing, gives the
//! same result every time, and errs towards "they differ", which costs a call and not a mistake.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::markdown::{plain, sentences};
use crate::domain::ballot;

/// Answers that are alike at least this much stand in one cluster.
const ALIKE: f64 = 0.5;

/// How far the first answers differ.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Disagreement {
    /// Entropy over the clusters' sizes: 0 when all stand in one, 1 when each stands alone.
    pub score: f64,
    /// How far the two that are least alike say the same, 0 to 1.
    pub agreement: f64,
    /// Answers that say the same, the largest cluster first.
    pub clusters: Vec<Cluster>,
}

/// Answers that say the same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Cluster {
    /// Whose.
    pub letters: BTreeSet<char>,
    /// What the first of them says first.
    pub says: String,
}

/// Compares first answers, each with its author's letter.
pub(super) fn disagreement(question: &str, answers: &[(char, &str)]) -> Disagreement {
    if answers.is_empty() {
        return Disagreement::default();
    }
    let asked = content(&words(question));
    let leads: Vec<Lead> = answers
        .iter()
        .map(|(_, answer)| Lead::of(question, answer, &asked))
        .collect();
    let mut clusters: Vec<Vec<usize>> = Vec::new();
    for (index, lead) in leads.iter().enumerate() {
        // Like every one of them: a chain of small steps does not join what cannot both be right.
        let likeness = |cluster: &Vec<usize>| {
            let each = cluster.iter().map(|&other| lead.likeness(&leads[other]));
            each.fold(1.0_f64, f64::min)
        };
        let best = clusters
            .iter_mut()
            .map(|cluster| (likeness(cluster), cluster))
            .filter(|(likeness, _)| *likeness >= ALIKE)
            .max_by(|one, two| one.0.total_cmp(&two.0));
        match best {
            Some((_, cluster)) => cluster.push(index),
            None => clusters.push(vec![index]),
        }
    }
    clusters.sort_by_key(|cluster| std::cmp::Reverse(cluster.len()));
    let sizes: Vec<usize> = clusters.iter().map(Vec::len).collect();
    let cluster = |members: Vec<usize>| Cluster {
        letters: members.iter().map(|&member| answers[member].0).collect(),
        says: first_words(answers[members[0]].1),
    };
    let texts: Vec<&str> = answers.iter().map(|(_, text)| *text).collect();
    Disagreement {
        score: entropy(&sizes),
        agreement: agreement(question, &texts),
        clusters: clusters.into_iter().map(cluster).collect(),
    }
}

// Normalised by what is greatest for so many answers, so that panels of different sizes compare.
fn entropy(sizes: &[usize]) -> f64 {
    let all: usize = sizes.iter().sum();
    if all < 2 {
        return 0.0;
    }
    let all = all as f64;
    let sum: f64 = sizes
        .iter()
        .map(|&size| size as f64 / all)
        .map(|share| -share * share.ln())
        .sum();
    (sum / all.ln()).clamp(0.0, 1.0)
}

fn first_words(answer: &str) -> String {
    let first = sentences(&lead(answer), 1).pop().unwrap_or_default();
    let first = if first.is_empty() {
        plain(answer)
    } else {
        first
    };
    match first.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &first[..end]),
        None => first,
    }
}

/// Words of an answer that are compared when it names no final answer.
const LEAD_WORDS: usize = 60;

/// Words that say nothing about what is answered.
const EMPTY: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "been", "by", "can", "der", "die", "das", "den",
    "dem", "ein", "eine", "einen", "es", "for", "from", "has", "have", "in", "is", "ist", "it",
    "its", "mit", "of", "on", "or", "sind", "so", "that", "the", "their", "there", "this", "to",
    "und", "von", "was", "were", "which", "will", "with", "would", "zu", "answer", "antwort",
];

const NEGATIONS: &[&str] = &[
    "no", "not", "never", "none", "neither", "nor", "without", "cannot", "n't", "nein", "nicht",
    "kein", "keine", "keinen", "nie", "ohne",
];

/// How far all of these answers say the same: 1 when nothing tells them apart, 0 when two of them cannot both
/// be right. It is the likeness of the two that are least alike, so one dissent is enough to lower it.
pub fn agreement(question: &str, answers: &[&str]) -> f64 {
    let asked = content(&words(question));
    let leads: Vec<Lead> = answers
        .iter()
        .map(|answer| Lead::of(question, answer, &asked))
        .collect();
    let mut least = 1.0_f64;
    for (index, one) in leads.iter().enumerate() {
        for other in &leads[index + 1..] {
            least = least.min(one.likeness(other));
        }
    }
    least
}

/// What an answer says first.
struct Lead {
    choice: Option<String>,
    content: BTreeSet<String>,
    numbers: BTreeSet<String>,
    denies: bool,
}

impl Lead {
    fn of(question: &str, answer: &str, asked: &BTreeSet<String>) -> Self {
        let words = words(&lead(answer));
        let said = content(&words);
        let own: BTreeSet<String> = said.difference(asked).cloned().collect();
        Self {
            choice: ballot::choice(question, answer),
            numbers: words
                .iter()
                .filter(|word| word.contains(|c: char| c.is_ascii_digit()))
                .cloned()
                .collect(),
            denies: words
                .iter()
                .filter(|word| NEGATIONS.contains(&word.as_str()) || word.ends_with("n't"))
                .count()
                % 2
                == 1,
            // An answer in the question's own words says them all the same.
            content: if own.is_empty() { said } else { own },
        }
    }

    fn likeness(&self, other: &Self) -> f64 {
        if let (Some(one), Some(two)) = (&self.choice, &other.choice) {
            // Choices of a word or two are compared as they stand; a sentence may say the same otherwise.
            let is_sentence = |choice: &str| choice.split_whitespace().count() > 2;
            if one == two {
                return 1.0;
            }
            if !is_sentence(one) && !is_sentence(two) {
                return 0.0;
            }
        }
        let contradicts = !self.numbers.is_empty()
            && !other.numbers.is_empty()
            && self.numbers.is_disjoint(&other.numbers);
        if contradicts || self.denies != other.denies {
            return 0.0;
        }
        let smaller = self.content.len().min(other.content.len());
        if smaller == 0 {
            return if self.content.len() == other.content.len() {
                1.0
            } else {
                0.0
            };
        }
        let shared = self.content.intersection(&other.content).count();
        shared as f64 / smaller as f64
    }
}

// The first lines that are no heading, as far as the bound; models are asked to begin with the answer.
fn lead(answer: &str) -> String {
    let lines = answer.lines().map(str::trim).filter(|line| {
        let is_aside = line.starts_with('*') && line.ends_with('*') && !line.starts_with("**");
        !line.is_empty() && !line.starts_with('#') && !is_aside
    });
    let first = lines.take(3).collect::<Vec<_>>().join(" ");
    first
        .split_whitespace()
        .take(LEAD_WORDS)
        .collect::<Vec<_>>()
        .join(" ")
}

fn words(text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '%' | '.' | ',' | '-');
    text.to_lowercase()
        .replace('’', "'")
        .split(|c: char| !is_part(c))
        .map(|word| word.trim_matches(|c: char| matches!(c, '\'' | '.' | ',' | '-')))
        .filter(|word| !word.is_empty())
        .map(plain_number)
        .collect()
}

// 1,250.00 and 1250 are one number.
fn plain_number(word: &str) -> String {
    if !word.starts_with(|c: char| c.is_ascii_digit()) {
        return word.to_owned();
    }
    let digits = word.replace(',', "");
    match digits.split_once('.') {
        Some((whole, rest)) if rest.chars().all(|c| c == '0') => whole.to_owned(),
        _ => digits,
    }
}

fn content(words: &[String]) -> BTreeSet<String> {
    let says =
        |word: &&String| !EMPTY.contains(&word.as_str()) && !NEGATIONS.contains(&word.as_str());
    words.iter().filter(says).map(|word| stem(word)).collect()
}

// Enough for plurals and verbs in the third person; a real stemmer would gain little here.
fn stem(word: &str) -> String {
    let is_long = word.chars().count() > 4;
    match word.strip_suffix('s') {
        Some(stem) if is_long && !stem.ends_with('s') => stem.to_owned(),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_the_same_agrees_and_what_cannot_both_be_right_does_not() {
        let asked = "How thick is the paper?";
        for (answers, expected) in [
            (
                &["The paper is 0.2 mm thick.", "It is 0.2 mm thick."][..],
                1.0,
            ),
            (&["The paper is 0.2 mm thick.", "It is 0.3 mm thick."], 0.0),
            (&["It is thick.", "It is not thick."], 0.0),
            (&["It is 1,250 sheets.", "1250.00 sheets"], 1.0),
            (
                &["**Answer:** B", "Long reasons.\n\nFinal answer: (b)"],
                1.0,
            ),
            (&["Answer: B", "Answer: C", "Answer: B"], 0.0),
            (&["Only one."], 1.0),
        ] {
            assert_eq!(agreement(asked, answers), expected, "{answers:?}");
        }
        let partly = agreement(
            asked,
            &["Strong and grey cardboard sheets.", "Grey and thin sheets."],
        );
        assert!((0.3..0.9).contains(&partly), "{partly}");
    }

    #[test]
    fn clusters_are_weighed_by_their_sizes() {
        let asked = "How thick is the paper?";
        for (answers, expected, clusters) in [
            (&[][..], 0.0, &[][..]),
            (&["0.2 mm"], 0.0, &["A"]),
            (&["It is 0.2 mm.", "0.2 mm thick."], 0.0, &["AB"]),
            (&["It is 0.2 mm.", "It is 0.3 mm."], 1.0, &["A", "B"]),
            (
                &[
                    "It is thin.",
                    "It is not thin.",
                    "It is thin.",
                    "It is thin.",
                ],
                0.406,
                &["ACD", "B"],
            ),
        ] {
            let lettered: Vec<(char, &str)> = ('A'..).zip(answers.iter().copied()).collect();
            let found = disagreement(asked, &lettered);
            assert!((found.score - expected).abs() < 0.001, "{found:?}");
            let letters: Vec<String> = found
                .clusters
                .iter()
                .map(|cluster| cluster.letters.iter().collect())
                .collect();
            assert_eq!(letters, clusters, "{answers:?}");
        }
        let found = disagreement(asked, &[('A', "# Title\n\n**Thin.** It has reasons.")]);
        assert_eq!(found.clusters[0].says, "Thin.");
    }

    #[test]
    fn one_dissent_is_enough() {
        let answers = ["It rose by 4 %.", "It rose by 4 %.", "It fell by 9 %."];
        assert_eq!(agreement("How did it go?", &answers), 0.0);
    }
}
