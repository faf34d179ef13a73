//! Finds the figures in a sentence, and the things that they count. It cannot tell which figures are right.

use std::collections::BTreeSet;

use super::stop;
use super::text;

/// A figure in a sentence, with what it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// The figure as written, including its currency or percent sign.
    pub text: String,
    /// The word after the figure, as written, if it names what the figure counts; otherwise empty.
    pub counted_word: String,
    /// The unit: the stem of the next content word, `%`, or a currency sign.
    pub unit: Option<String>,
}

/// Returns the figures in a sentence, in order. Skips section and page numbers.
pub fn figures(sentence: &str) -> Vec<Figure> {
    let words = text::words(sentence);
    let mut figures = Vec::new();
    for (index, word) in words.iter().enumerate() {
        if !word.text.starts_with(|first: char| first.is_ascii_digit()) {
            continue;
        }
        let char_before = sentence[..word.offset].chars().next_back();
        let after = sentence[word.offset + word.text.len()..].chars().next();
        let previous = index.checked_sub(1).map(|previous| words[previous].text);
        let is_list_number =
            matches!(char_before, Some('(' | '[')) && matches!(after, Some(')' | ']'));
        if is_list_number
            || previous.is_some_and(stop::is_reference_noun)
            || matches!(char_before, Some('§' | '/'))
        {
            continue;
        }
        let sign = char_before.filter(|sign| matches!(sign, '$' | '€' | '£' | '¥'));
        let after_sign = after.filter(|sign| matches!(sign, '%' | '‰' | '€' | '£' | '$' | '°'));
        let next = words.get(index + 1).filter(|next| {
            let between = &sentence[word.offset + word.text.len()..next.offset];
            between.chars().all(|gap| gap == ' ' || gap == '-')
        });
        let counted_word = next
            .filter(|next| !stop::is_stop(next.text) && !next.text.as_bytes()[0].is_ascii_digit());
        let unit = match (sign.or(after_sign), counted_word) {
            (Some(sign), _) => Some(sign.to_string()),
            (None, next) => next.map(|next| text::stem(next.text)),
        };
        let text = format!(
            "{}{}{}",
            sign.map(String::from).unwrap_or_default(),
            word.text,
            after_sign.map(String::from).unwrap_or_default()
        );
        let counted_word = counted_word.map_or(String::new(), |next| next.text.to_owned());
        figures.push(Figure {
            text,
            counted_word,
            unit,
        });
    }
    figures
}

/// Returns the figures in a sentence, reduced to their digits for comparisons.
pub fn values(sentence: &str) -> BTreeSet<String> {
    let digits = |figure: Figure| figure.text.chars().filter(char::is_ascii_digit).collect();
    figures(sentence).into_iter().map(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_units() {
        for (sentence, expected) in [
            ("within 30 days", vec![("30", Some("day"))]),
            (
                "a 5% fee of $1,200.50",
                vec![("5%", Some("%")), ("$1,200.50", Some("$"))],
            ),
            ("Section 7 and version 3", vec![]),
            ("in 2007, the court", vec![("2007", None)]),
            ("see [3] and (1) or (2), https://x.org/1.0/a", vec![]),
            ("a 3-year term", vec![("3-year", Some("term"))]),
            ("no figures", vec![]),
        ] {
            let figures = figures(sentence);
            let figures: Vec<(&str, Option<&str>)> = figures
                .iter()
                .map(|f| (f.text.as_str(), f.unit.as_deref()))
                .collect();
            assert_eq!(figures, expected, "{sentence}");
        }
    }
}
