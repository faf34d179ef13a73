//! Reads short answers as values, so that different spellings of one value compare equal: numbers with units,
//! currencies, percentages, fractions, LaTeX, dates, times, choices, yes and no. Shared by votes, evaluators,
//! and everything else that asks whether two answers say the same.
//!
//! Answers are merged only where they cannot differ. In particular:
//! - A period or minus belongs to the number: ".5" and "- 5" are not 5. See `numeral` for "1,234" and "1.234",
//!   and `dates` for "03/04/2026".
//! - A percentage is a part of 1: 50 % is 0.5. It is 50 only when the question asks for percent.
//! - A number without a unit equals an amount of money of that number ("$1,200" and "1200"), and a quantity
//!   whose unit the question names; it then says no unit, not another one. The same holds for "x = 5" and "5".
//! - Ranges, bounds ("at least 5"), ordinals, and numbers with other words around them are text.

mod choices;
mod closing;
mod dates;
mod group;
mod markup;
mod numeral;
mod quantity;
mod ratio;
mod reader;
#[cfg(test)]
mod tests;
mod units;
mod value;
mod words;

pub use group::{all_same, grouped};
pub use numeral::Separators;
pub use quantity::Quantity;
pub use ratio::Ratio;
pub use reader::AnswerReader;
pub use value::{AnswerValue, NumberValue};

/// Reads one numeral, such as "1,500", "1 500", or "10³", which must be all of the text; equal numbers give
/// equal ratios.
pub fn number(text: &str) -> Option<Ratio> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix(['-', '−']) {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (value, rest) = numeral::leading(digits, Separators::English)?;
    rest.is_empty().then(|| value.times(Ratio::whole(sign)))?
}

/// Returns the numbers in a text in order. A minus counts where it touches the number and nothing before it;
/// percentages are taken as written.
pub fn numbers_in(text: &str) -> Vec<f64> {
    placed(text).into_iter().map(|found| found.number).collect()
}

/// Words that deny the number behind them: "5, not 6".
const DENIALS: &[&str] = &["not", "isn't", "nicht", "kein", "keine", "pas", "never"];
/// What joins two numbers so that neither of them is stated: "5 or 6", "4-5".
const ALTERNATIVES: &[&str] = &["or", "oder", "ou", "-", "–", "—", "bis"];
/// Words before two numbers with "and" between them.
const BETWEEN: &[&str] = &["between", "zwischen", "entre"];

/// Returns the last number that a text states. Passes over denied ones ("not 6"); none if the last is a bound of a
/// range or one of two alternatives.
pub fn last_stated(text: &str) -> Option<f64> {
    let all = placed(text);
    let last_word = |part: &str| -> String {
        let word = part.split_whitespace().next_back().unwrap_or_default();
        let word = word.trim_start_matches(['(', '"', '*']);
        word.to_lowercase().replace('’', "'")
    };
    let stated = (0..all.len())
        .rev()
        .find(|&at| !DENIALS.contains(&last_word(&text[..all[at].start]).as_str()))?;
    if let Some(before) = stated.checked_sub(1).map(|at| &all[at]) {
        let joiner = last_word(&text[before.end..all[stated].start]);
        let is_between =
            joiner == "and" && BETWEEN.contains(&last_word(&text[..before.start]).as_str());
        if is_between || ALTERNATIVES.contains(&joiner.as_str()) {
            return None;
        }
    }
    Some(all[stated].number)
}

struct PlacedNumber {
    number: f64,
    /// Where it begins, with its minus, and ends, in bytes.
    start: usize,
    end: usize,
}

fn placed(text: &str) -> Vec<PlacedNumber> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if !numeral::begins(rest) {
            at += c.len_utf8();
            continue;
        }
        let (number, length) = match numeral::leading(rest, Separators::English) {
            Some((value, after)) => (Some(value.to_f64()), rest.len() - after.len()),
            None => inexact(rest),
        };
        let before = text[..at].trim_end_matches(['-', '−']);
        let is_negative = before.len() < at && !before.ends_with(char::is_alphanumeric);
        found.extend(number.map(|number| PlacedNumber {
            number: if is_negative { -number } else { number },
            start: if is_negative { before.len() } else { at },
            end: at + length,
        }));
        at += length;
    }
    found
}

// A numeral that is too large to be exact, or is none, and its length in bytes.
fn inexact(text: &str) -> (Option<f64>, usize) {
    let is_part =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ',' | '+' | '-' | '/' | '½');
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let digits = text[..end].trim_end_matches(['.', ',']).replace(',', "");
    let number = digits
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite());
    (number, end.max(1))
}
