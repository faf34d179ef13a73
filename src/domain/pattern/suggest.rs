//! Suggests patterns for a question, based on its words and its form. This is a heuristic that gives its
//! reasons and leaves the choice to the user. Uses no model and no documents.

mod form;
mod signs;
#[cfg(test)]
mod tests;

use super::Pattern;
use super::stored::StoredPattern;
use signs::{KEYWORD_SIGNALS, STRONG_WEIGHT, WEAK_WEIGHT};

/// Maximum number of characters of a question that are examined.
const MAX_QUESTION_CHARS: usize = 4_000;
/// Maximum number of shared words that count toward a custom pattern's score.
const MAX_COMMON_WORDS: usize = 3;
/// The pattern that is ranked first if nothing points to another one.
const DEFAULT_PATTERN: &str = "confidence";

/// A pattern with its score and the reason for it.
#[derive(Debug, Clone, PartialEq)]
pub struct RankedPattern<'a> {
    /// The suggested pattern.
    pub pattern: &'a Pattern,
    /// Score, 0 to 1. It is for ranking only and is not a probability.
    pub score: f64,
    /// The reason for the score, for users.
    pub reason: String,
}

/// Ranks all patterns, best first. Patterns without any signal come last, in their original order but led by
/// `DEFAULT_PATTERN`.
pub fn rank<'a>(patterns: &'a [StoredPattern], question: &str) -> Vec<RankedPattern<'a>> {
    let end = question.char_indices().nth(MAX_QUESTION_CHARS);
    let read = end.map_or(question, |(end, _)| &question[..end]);
    let lower = read.to_lowercase();
    let forms = form::question_forms(&lower, question.chars().count());
    let mut ranked: Vec<RankedPattern> = patterns
        .iter()
        .map(|stored| score_pattern(&stored.pattern, &lower, &forms))
        .collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    ranked
}

fn score_pattern<'a>(
    pattern: &'a Pattern,
    lower: &str,
    forms: &[form::QuestionForm],
) -> RankedPattern<'a> {
    let mut left = 1.0;
    let mut matched: Vec<&str> = Vec::new();
    match KEYWORD_SIGNALS.iter().find(|(id, ..)| *id == pattern.id) {
        Some((_, strong, weak)) => {
            for (words, weight) in [(strong, STRONG_WEIGHT), (weak, WEAK_WEIGHT)] {
                for word in words.iter().filter(|word| has_word_prefix(lower, word)) {
                    left *= 1.0 - weight;
                    matched.push(word);
                }
            }
        }
        None => {
            for word in common_words(pattern, lower) {
                left *= 1.0 - WEAK_WEIGHT;
                matched.push(word);
            }
        }
    }
    let mut reasons: Vec<String> = Vec::new();
    if !matched.is_empty() {
        reasons.push(format!("the question says {}", matched.join(", ")));
    }
    for form in forms {
        if let Some((_, weight)) = form.weights.iter().find(|(id, _)| *id == pattern.id) {
            left *= 1.0 - weight;
            reasons.push(form.reason.to_owned());
        }
    }
    if reasons.is_empty() {
        if pattern.id == DEFAULT_PATTERN {
            left *= 0.99;
        }
        reasons.push("nothing in the question points to it in particular".to_owned());
    }
    RankedPattern {
        pattern,
        score: 1.0 - left,
        reason: format!("{}: {}", reasons.join("; "), pattern.description),
    }
}

/// Returns up to `MAX_COMMON_WORDS` words of at least 5 characters that a question shares with a pattern's name, use
/// cases, or description.
fn common_words<'q>(pattern: &Pattern, lower: &'q str) -> Vec<&'q str> {
    let about = format!(
        "{} {} {}",
        pattern.name,
        pattern.use_cases.join(" "),
        pattern.description
    )
    .to_lowercase();
    let known_words: Vec<&str> = words(&about).collect();
    let mut shared_words: Vec<&str> = Vec::new();
    for word in words(lower) {
        if shared_words.len() < MAX_COMMON_WORDS
            && known_words.contains(&word)
            && !shared_words.contains(&word)
        {
            shared_words.push(word);
        }
    }
    shared_words
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().count() >= 5)
}

// Whether the text contains a word that starts with `sign`, so that "claim" matches "claims" but not "disclaim".
fn has_word_prefix(text: &str, sign: &str) -> bool {
    text.match_indices(sign)
        .any(|(start, _)| !text[..start].ends_with(char::is_alphanumeric))
}
