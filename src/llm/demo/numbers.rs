//! Finds the figures in a sentence and what they count. Cannot tell which ones are right.

use std::collections::BTreeSet;

use super::stop;
use super::text;

/// A figure and what it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// The figure as written, with its currency or percent sign.
    pub text: String,
    /// The following word as written, if the figure counts it.
    pub counted: String,
    /// Stem of the unit: the next content word, `%`, or a currency sign.
    pub unit: Option<String>,
}

/// Finds the figures of a sentence in order, except section and page numbers.
pub fn figures(sentence: &str) -> Vec<Figure> {
    let words = text::words(sentence);
    let mut found = Vec::new();
    for (index, word) in words.iter().enumerate() {
        if !word.text.starts_with(|first: char| first.is_ascii_digit()) {
            continue;
        }
        let before = sentence[..word.at].chars().next_back();
        let after = sentence[word.at + word.text.len()..].chars().next();
        let previous = index.checked_sub(1).map(|previous| words[previous].text);
        let listed = matches!(before, Some('(' | '[')) && matches!(after, Some(')' | ']'));
        if listed
            || previous.is_some_and(stop::is_reference_noun)
            || matches!(before, Some('§' | '/'))
        {
            continue;
        }
        let sign = before.filter(|sign| matches!(sign, '$' | '€' | '£' | '¥'));
        let after_sign = after.filter(|sign| matches!(sign, '%' | '‰' | '€' | '£' | '$' | '°'));
        let next = words.get(index + 1).filter(|next| {
            let between = &sentence[word.at + word.text.len()..next.at];
            between.chars().all(|gap| gap == ' ' || gap == '-')
        });
        let counted = next
            .filter(|next| !stop::is_stop(next.text) && !next.text.as_bytes()[0].is_ascii_digit());
        let unit = match (sign.or(after_sign), counted) {
            (Some(sign), _) => Some(sign.to_string()),
            (None, next) => next.map(|next| text::stem(next.text)),
        };
        let text = format!(
            "{}{}{}",
            sign.map(String::from).unwrap_or_default(),
            word.text,
            after_sign.map(String::from).unwrap_or_default()
        );
        let counted = counted.map_or(String::new(), |next| next.text.to_owned());
        found.push(Figure {
            text,
            counted,
            unit,
        });
    }
    found
}

/// Returns the figures of a sentence as bare digits, for comparison.
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
            let found = figures(sentence);
            let found: Vec<(&str, Option<&str>)> = found
                .iter()
                .map(|f| (f.text.as_str(), f.unit.as_deref()))
                .collect();
            assert_eq!(found, expected, "{sentence}");
        }
    }
}
