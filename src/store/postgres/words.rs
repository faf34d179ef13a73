//! Converts texts to word lists for the full-text index, and search expressions to the index's query syntax. Words are
//! folded here, so that a search finds the same results on every database server, whatever its dictionaries.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::domain::search::folded_words;
use crate::store::error::{Result, StoreError};

/// Distance between the positions of two columns, so that no phrase spans both.
const COLUMN_GAP: u32 = 16;

/// Maximum size of a `tsvector` that is written, in bytes. PostgreSQL refuses one of 1,048,576 bytes.
const MAX_VECTOR_BYTES: usize = 1_000_000;
/// Size of a position in a `tsvector`, in bytes.
const POSITION_BYTES: usize = 2;
/// Size of a word in a `tsvector` without its letters and positions, in bytes: the number of positions, and padding.
const WORD_BYTES: usize = 3;

/// Returns the text of a `tsvector` with the words of several columns, each labeled with its column's weight. Leaves
/// out the last words if the `tsvector` would be too large.
pub(super) fn vector(columns: &[(&str, char)]) -> String {
    let mut places: BTreeMap<String, Vec<(u32, char)>> = BTreeMap::new();
    let (mut position, mut bytes) = (0, 0);
    'columns: for (text, label) in columns {
        for word in folded_words(text).filter(|word| !word.is_empty()) {
            position += 1;
            bytes += POSITION_BYTES;
            if !places.contains_key(&word) {
                bytes += word.len() + WORD_BYTES;
            }
            if bytes > MAX_VECTOR_BYTES {
                break 'columns;
            }
            places.entry(word).or_default().push((position, *label));
        }
        position += COLUMN_GAP;
    }
    let mut out = String::new();
    for (word, places) in places {
        // A word has only letters, digits, and combining marks, so there is nothing to escape.
        let _ = write!(out, "'{word}':");
        for (number, (position, label)) in places.iter().enumerate() {
            let comma = if number > 0 { "," } else { "" };
            let _ = write!(out, "{comma}{position}{label}");
        }
        out.push(' ');
    }
    out
}

/// Translates an expression built by `domain::search` (quoted phrases, `*`, AND, OR, and parentheses) to the text of a
/// `tsquery`. With labels, it finds only words with one of these labels.
///
/// # Errors
/// Returns an error if the expression contains anything else.
pub(super) fn query(expression: &str, labels: &str) -> Result<String> {
    let refused = || StoreError::Failed("not a valid search expression".to_owned());
    let mut out = String::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '"' => {
                let (phrase, after) = rest[1..].split_once('"').ok_or_else(refused)?;
                let after_star = after.strip_prefix('*');
                push_phrase(phrase, after_star.is_some(), labels, &mut out).ok_or_else(refused)?;
                after_star.unwrap_or(after)
            }
            '(' | ')' => {
                out.push(first);
                &rest[1..]
            }
            _ if rest.starts_with("AND ") => {
                out.push_str(" & ");
                &rest[4..]
            }
            _ if rest.starts_with("OR ") => {
                out.push_str(" | ");
                &rest[3..]
            }
            _ => return Err(refused()),
        }
        .trim_start();
    }
    match out.is_empty() {
        true => Err(refused()),
        false => Ok(out),
    }
}

/// Appends a phrase whose last word may be a prefix. Returns `None` if the phrase has no words.
fn push_phrase(phrase: &str, is_prefix: bool, labels: &str, out: &mut String) -> Option<()> {
    let words: Vec<String> = folded_words(phrase)
        .filter(|word| !word.is_empty())
        .map(|word| format!("'{word}'"))
        .collect();
    let colon = if labels.is_empty() { "" } else { ":" };
    let label = format!("{colon}{labels}");
    let last = match is_prefix {
        true => format!(":*{labels}"),
        false => label.clone(),
    };
    out.push_str(&format!("({}{last})", words.join(&format!("{label} <-> "))));
    (!words.is_empty()).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded_and_keep_their_positions() {
        let words = vector(&[("Écu", 'A'), ("an écu, it's", 'B')]);
        assert_eq!(words, "'an':18B 'ecu':1A,19B 'it':20B 's':21B ");
    }

    /// All these words are different; with all of them, PostgreSQL would refuse the row.
    #[test]
    fn words_beyond_the_maximum_size_are_left_out() {
        let texts = ["a", "b"].map(|letter| {
            let words = (0..60_000).map(|number| format!("{letter}{number:09} "));
            words.collect::<String>()
        });
        let words = vector(&[(&texts[0], 'A'), (&texts[1], 'B')]);
        let lexemes: usize = words
            .split(' ')
            .map(|word| word.find(':').unwrap_or(0))
            .sum();
        assert!(words.contains("'a000059999':") && words.contains("'b000000000':"));
        assert!(lexemes < 1_000_000 && lexemes > 500_000, "{lexemes}");
    }

    #[test]
    fn expressions_are_translated_or_refused() {
        let both = query("(\"fee\" OR \"user name\"*) AND \"Tür\"", "").expect("valid");
        assert_eq!(both, "(('fee') | ('user' <-> 'name':*)) & ('tur')");
        let labeled = query("\"user name\"* AND \"fee\"", "AC").expect("valid");
        assert_eq!(labeled, "('user':AC <-> 'name':*AC) & ('fee':AC)");
        for bad in ["", "fee", "\"fee", "\"\"", "\"fee\" NEAR \"x\""] {
            assert!(query(bad, "").is_err(), "{bad}");
        }
    }
}
