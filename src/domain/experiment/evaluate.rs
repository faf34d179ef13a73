//! Scores answers by rules, from 0 to 1, without a model. Exact comparisons are the most reliable of these rules, and
//! word similarity is the least reliable. Other modules implement judgments by models and users.

use std::collections::HashMap;

use regex_lite::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::named_choice::named_choice;
use super::whole_words::contains_word;
use super::{Case, ExperimentError};
use crate::domain::answer_value::{
    AnswerReader, AnswerValue, fold_text, last_stated_number, numbers_in,
};
use crate::domain::schema::{self, Compiled};

/// Maximum size of a regular expression in bytes.
const MAX_PATTERN_BYTES: usize = 4 * 1024;
/// Maximum size of a compiled regular expression in bytes.
const MAX_PROGRAM_BYTES: usize = 256 * 1024;
/// Maximum number of words of a text used for similarity.
const MAX_WORDS: usize = 2_000;

/// A scoring rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Evaluator {
    /// The answer equals the expected one. Differences in whitespace, final punctuation, and the case of
    /// words are ignored, but case matters in symbols ("mg"). Numbers, amounts, dates, choices, and yes or no
    /// may also be spelled differently if the value is the same.
    Exact,
    /// The answer contains the expected text, as whole words and whole numbers.
    Contains,
    /// The answer's closing number or, without one, its last number equals the expected one within either tolerance.
    Number {
        /// Largest permitted difference from the expected number.
        #[serde(default)]
        absolute: f64,
        /// Largest permitted difference, as a fraction of the expected number.
        #[serde(default)]
        relative: f64,
    },
    /// The answer matches the regular expression `pattern` or, without one, the case's expected answer as a regular
    /// expression.
    Regex {
        /// The regular expression; `None` to use the case's expected answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pattern: Option<String>,
    },
    /// The answer contains JSON that conforms to a schema.
    Schema {
        /// The JSON schema that the answer must match.
        schema: Value,
        /// The schema in compiled form.
        #[serde(skip)]
        compiled: Compiled,
    },
    /// The chosen option equals the expected one, by letter or by its text in the case's prompt.
    Choice,
    /// Word similarity to the expected answer: the larger of token F1 and ROUGE-L.
    Likeness,
}

impl Evaluator {
    /// Whether validating and scoring may take too long for an async runtime thread.
    pub fn is_large(&self) -> bool {
        match self {
            Self::Schema { schema, .. } => schema::is_large(schema),
            Self::Regex { .. } => true,
            _ => false,
        }
    }
    /// Validates the rule for these cases.
    ///
    /// # Errors
    /// Returns an error if a pattern or schema is invalid, or if a case lacks the expected answer, number, or
    /// letter that the rule compares.
    pub fn check(&self, cases: &[Case]) -> Result<(), ExperimentError> {
        let needs_expected = match self {
            Self::Regex {
                pattern: Some(pattern),
            } => {
                compile_pattern(pattern).map_err(ExperimentError::Evaluator)?;
                false
            }
            Self::Schema { schema, compiled } => {
                compiled.check(schema).map_err(ExperimentError::Evaluator)?;
                false
            }
            _ => true,
        };
        for (place, case) in cases.iter().enumerate().filter(|_| needs_expected) {
            let error = |why: &str| {
                Err(ExperimentError::Evaluator(format!(
                    "case {}: {why}",
                    place + 1
                )))
            };
            let Some(expected) = case
                .expected
                .as_deref()
                .filter(|text| !text.trim().is_empty())
            else {
                return error("the expected answer is missing");
            };
            match self {
                Self::Number { .. } if numbers_in(expected).is_empty() => {
                    return error("the expected answer contains no number");
                }
                Self::Choice if option_of(case, expected).is_none() => {
                    return error("the expected answer is not a letter");
                }
                Self::Regex { .. } => {
                    compile_pattern(expected).map_err(|why| {
                        ExperimentError::Evaluator(format!("case {}: {why}", place + 1))
                    })?;
                }
                _ => {}
            }
        }
        Ok(())
    }
    /// Scores an answer to a case, from 0 to 1.
    pub fn score(&self, case: &Case, answer: &str) -> f64 {
        let expected = case.expected.as_deref().unwrap_or_default();
        let right = match self {
            Self::Exact => is_exact(case, answer, expected),
            Self::Contains => contains_word(&lowercase_words(answer), &plain_text(expected)),
            Self::Number { absolute, relative } => {
                let is_near = |(actual, wanted): (f64, f64)| {
                    (actual - wanted).abs() <= absolute.max(relative * wanted.abs())
                };
                number_pairs(case, answer, expected)
                    .into_iter()
                    .any(is_near)
            }
            Self::Regex { pattern } => compile_pattern(pattern.as_deref().unwrap_or(expected))
                .is_ok_and(|pattern| pattern.is_match(answer)),
            Self::Schema { schema, compiled } => schema::find_json(answer)
                .is_some_and(|value| compiled.validate(schema, &value).is_ok()),
            Self::Choice => {
                let actual = stated_option(case, answer);
                actual.is_some() && actual == option_of(case, expected)
            }
            Self::Likeness => return word_overlap(answer, expected),
        };
        f64::from(u8::from(right))
    }
}

fn compile_pattern(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err("the pattern is longer than 4 KiB".to_owned());
    }
    let compiled = RegexBuilder::new(pattern)
        .size_limit(MAX_PROGRAM_BYTES)
        .build();
    compiled.map_err(|error| format!("invalid regular expression: {error}"))
}

/// Converts a text to lowercase, with single spaces.
fn lowercase_words(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// Converts a text to lowercase, with single spaces and without final punctuation.
fn plain_text(text: &str) -> String {
    lowercase_words(text)
        .trim_end_matches(['.', '!'])
        .to_owned()
}

/// Whether both texts have the same value or, if either is not a value, are the same text.
fn is_exact(case: &Case, answer: &str, expected: &str) -> bool {
    let reader = AnswerReader::new(&case.prompt);
    let value = |text: &str| {
        reader
            .parse_statement(text)
            .filter(AnswerValue::is_structured)
    };
    match (value(answer), value(expected)) {
        (Some(ours), Some(theirs)) => {
            let is_about =
                |value: &AnswerValue| value.quantity().is_some_and(|amount| amount.is_approximate);
            ours.has_same_value(&theirs) && is_about(&ours) == is_about(&theirs)
        }
        _ => exact_text(answer) == exact_text(expected),
    }
}

/// Normalizes a text to single spaces and lowercase words, without final punctuation.
fn exact_text(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    fold_text(words.join(" ").trim_end_matches(['.', '!']))
}

/// Pairs the answer's number with the expected one: in base units if both are quantities in the same unit,
/// and otherwise as written. A percentage is compared with a plain number in both readings, so 50% may equal 50 or 0.5.
fn number_pairs(case: &Case, answer: &str, expected: &str) -> Vec<(f64, f64)> {
    let reader = AnswerReader::new(&case.prompt);
    let (actual, expected_number) = (reader.read(answer), reader.parse_statement(expected));
    let actual = actual.as_ref().and_then(AnswerValue::quantity);
    let expected_number = expected_number.as_ref().and_then(AnswerValue::quantity);
    let mut pairs = Vec::new();
    if let (Some(actual), Some(expected_number)) = (actual, expected_number)
        && actual.unit.base_symbol == expected_number.unit.base_symbol
    {
        pairs.push((actual.amount.to_f64(), expected_number.amount.to_f64()));
        if !actual.is_percent || expected_number.is_percent {
            return pairs;
        }
    }
    let written_amount = actual.and_then(|actual| actual.written_amount);
    let actual = written_amount.map(|number| number.to_f64());
    let actual = actual.or_else(|| last_stated_number(answer));
    pairs.extend(actual.zip(numbers_in(expected).pop()));
    pairs
}

/// Returns the option in an answer's final statement or, if the answer has no such statement, the option that it names.
fn stated_option(case: &Case, answer: &str) -> Option<char> {
    if let Some(AnswerValue::Choice(label)) = AnswerReader::new(&case.prompt).read(answer) {
        return Some(label);
    }
    match AnswerReader::final_statement(answer) {
        Some(stated) => option_of(case, &stated),
        None => option_of(case, answer),
    }
}

/// Returns the option that a text names: one of the options in the case's prompt, or else the letter that
/// [`named_choice`] finds.
fn option_of(case: &Case, text: &str) -> Option<char> {
    match AnswerReader::new(&case.prompt).parse_statement(text) {
        Some(AnswerValue::Choice(label)) => Some(label),
        _ => named_choice(text),
    }
}

/// Returns the larger of token F1 and ROUGE-L, each of which is a harmonic mean of precision and recall.
fn word_overlap(answer: &str, expected: &str) -> f64 {
    let (actual_words, expected_words) = (similarity_words(answer), similarity_words(expected));
    if actual_words.is_empty() || expected_words.is_empty() {
        return 0.0;
    }
    let f1_score =
        |shared: usize| 2.0 * shared as f64 / (actual_words.len() + expected_words.len()) as f64;
    let mut counts: HashMap<&str, usize> = HashMap::new();
    expected_words
        .iter()
        .for_each(|word| *counts.entry(word).or_default() += 1);
    let mut shared = 0;
    for word in &actual_words {
        if let Some(count) = counts.get_mut(word.as_str()).filter(|count| **count > 0) {
            *count -= 1;
            shared += 1;
        }
    }
    f1_score(shared).max(f1_score(longest_common_subsequence(
        &actual_words,
        &expected_words,
    )))
}

fn similarity_words(text: &str) -> Vec<String> {
    let words = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.take(MAX_WORDS).map(str::to_lowercase).collect()
}

/// Returns the length of the longest common subsequence, in words.
fn longest_common_subsequence(left: &[String], right: &[String]) -> usize {
    let mut row = vec![0; right.len() + 1];
    for word in left {
        let mut previous_diagonal = 0;
        for (place, other) in right.iter().enumerate() {
            let above = row[place + 1];
            row[place + 1] = if word == other {
                previous_diagonal + 1
            } else {
                above.max(row[place])
            };
            previous_diagonal = above;
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests;
