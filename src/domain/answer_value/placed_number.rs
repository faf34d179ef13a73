//! Finds the numbers in a text and their positions.

use super::numeral::{self, Separators};

/// Common German words. In a text that contains two of them, "1.200" is read as 1,200.
const GERMAN_WORDS: &[&str] = &[
    "es",
    "sind",
    "ist",
    "der",
    "das",
    "und",
    "beträgt",
    "kostet",
    "macht",
    "ergibt",
    "insgesamt",
    "antwort",
    "wir",
    "nicht",
    "hat",
    "haben",
    "einwohner",
];
/// Returns the numbers in a text in order. A minus sign belongs to the number that it directly precedes, unless the
/// sign follows a letter or digit. Percentages are not converted. Digits after a letter are part of a name ("H2O") and
/// are skipped.
pub fn numbers_in(text: &str) -> Vec<f64> {
    find_numbers(text)
        .into_iter()
        .map(|found| found.number)
        .collect()
}

/// A number and its position in a text.
#[derive(Debug)]
pub struct PlacedNumber {
    /// The number's value.
    pub number: f64,
    /// Byte offset of the number's first character, which may be a minus sign.
    pub start: usize,
    /// Byte offset of the end of the number.
    pub end: usize,
}

/// Finds the numbers in a text and their positions.
pub fn find_numbers(text: &str) -> Vec<PlacedNumber> {
    let is_german = is_german(text);
    let mut numbers = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if !numeral::begins_with_number(rest) {
            at += c.len_utf8();
            continue;
        }
        let thousands = thousands_number(rest).filter(|_| is_german);
        let (number, length) = match numeral::leading_number(rest, Separators::English) {
            _ if thousands.is_some() => thousands.unwrap_or_default(),
            Some((value, after)) => (Some(value.to_f64()), rest.len() - after.len()),
            None => inexact_number(rest),
        };
        let text_before = text[..at].trim_end_matches(['-', '−']);
        let is_negative = text_before.len() < at && !text_before.ends_with(char::is_alphanumeric);
        // In scripts without spaces, letters may directly precede a number.
        let is_name = text[..at].ends_with(|c: char| c.is_alphabetic() && c < '\u{590}');
        numbers.extend(number.filter(|_| !is_name).map(|number| PlacedNumber {
            number: if is_negative { -number } else { number },
            start: if is_negative { text_before.len() } else { at },
            end: at + length,
        }));
        at += length;
    }
    numbers
}

fn is_german(text: &str) -> bool {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let german_words = words.filter(|word| GERMAN_WORDS.contains(&word.to_lowercase().as_str()));
    german_words.take(2).count() == 2
}

// Reads "1.200" and returns it with its length in bytes. `None` for "1.2", "1.200,5", and "0.200".
fn thousands_number(text: &str) -> Option<(Option<f64>, usize)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let part = text[end..].strip_prefix('.')?;
    let length = part
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(part.len());
    let tail = &part[length..];
    let continues = tail
        .strip_prefix([',', '.'])
        .is_some_and(|next| next.starts_with(|c: char| c.is_ascii_digit()));
    let fits = length == 3 && (1..=3).contains(&end) && !text.starts_with('0') && !continues;
    let digits = format!("{}{}", &text[..end], &part[..length]);
    fits.then(|| (digits.parse().ok(), end + 4))
}

// Reads a numeral that is too large for exact arithmetic. Returns its value, which is `None` if the text is not a
// number at all, and its length in bytes.
fn inexact_number(text: &str) -> (Option<f64>, usize) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_a_text() {
        for (text, expected) in [
            ("about 12, no: 1234.5.", vec![12.0, 1234.5]),
            ("pages 3-5: 0.35", vec![3.0, 5.0, 0.35]),
            ("it is -5 or −.5", vec![-5.0, -0.5]),
            ("1,234 of 6.02e23 and ½", vec![1234.0, 6.02e23, 0.5]),
            ("1e99, 1.2.3 and 7", vec![1e99, 7.0]),
            ("1.234,5 or 3/4", vec![1234.5, 0.75]),
            ("H2O and 5km", vec![5.0]),
            ("none", vec![]),
        ] {
            assert_eq!(numbers_in(text), expected, "{text}");
        }
    }
}
