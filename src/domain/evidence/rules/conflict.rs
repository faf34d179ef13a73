//! Detects conflicts between two statements about the same thing: they share most of their terms, but differ in a
//! negation, direction, number, unit, date, or quantifier, in their word order, or in a word that has been replaced. A
//! conflict can only lower a level.

use super::{
    SentenceAndQuote, content_words, count_shared_words, date_mismatch, direction_mismatch,
    figure_mismatch, foreign, has_spaces, negation_mismatch, substitution_mismatch, unit_mismatch,
    word_class, word_order_mismatch, words,
};
use std::collections::BTreeSet;

/// Minimum share of the shorter statement's terms that the longer one must contain, as a fraction: two of three.
const MIN_SHARED_TERMS: (usize, usize) = (2, 3);
/// Minimum number of terms that the statements must share.
const MIN_TERMS: usize = 2;

/// Returns why two statements cannot both be right, if they seem to be about the same thing; `None` if no rule finds
/// a conflict.
pub(in super::super) fn conflict(sentence: &str, other: &str) -> Option<String> {
    let (pair, reversed_pair) = (
        SentenceAndQuote::new(sentence, other),
        SentenceAndQuote::new(other, sentence),
    );
    let (sentence_words, others) = (content_words(&pair.sentence), content_words(&pair.quote));
    if !has_spaces(&sentence_words) || !has_spaces(&others) {
        return have_common_characters(sentence, other)
            .then(|| foreign::objection(sentence, other))
            .flatten();
    }
    // Also look for common terms without numbers and dates, because the conflict may lie in exactly those.
    let without_numbers = |words: &[String]| -> Vec<String> {
        words
            .iter()
            .filter(|word| !is_measure(word))
            .cloned()
            .collect()
    };
    if !have_common_terms(&sentence_words, &others)
        && !have_common_terms(&without_numbers(&sentence_words), &without_numbers(&others))
    {
        return None;
    }
    // If a number or a date is merely missing from one statement, the two do not conflict.
    let both = |rule: fn(&SentenceAndQuote) -> Option<String>| {
        rule(&pair).and_then(|why| rule(&reversed_pair).map(|_| why))
    };
    let mismatch = negation_mismatch(&pair)
        .or_else(|| direction_mismatch(&pair))
        .or_else(|| word_order_mismatch(&pair));
    mismatch
        .or_else(|| both(figure_mismatch))
        .or_else(|| both(unit_mismatch))
        .or_else(|| both(date_mismatch))
        .or_else(|| quantifier_conflict(&pair))
        .or_else(|| substitution_mismatch(&pair))
        .or_else(|| foreign::objection(sentence, other))
}

fn have_common_terms(own: &[String], others: &[String]) -> bool {
    let (short, long) = match own.len() <= others.len() {
        true => (own, others),
        false => (others, own),
    };
    let shared = count_shared_words(short, long);
    shared >= MIN_TERMS && shared * MIN_SHARED_TERMS.1 >= short.len() * MIN_SHARED_TERMS.0
}

fn is_measure(word: &str) -> bool {
    word.parse::<f64>().is_ok()
        || words::unit_of(word).is_some()
        || words::date_word(word, true).is_some()
}

fn quantifier_conflict(pair: &SentenceAndQuote) -> Option<String> {
    let classes = |tokens: &[super::SentenceToken]| -> BTreeSet<&'static str> {
        tokens
            .iter()
            .filter_map(|token| word_class(&token.text))
            .collect()
    };
    let (sentence_classes, others) = (classes(&pair.sentence), classes(&pair.quote));
    let only_in_sentence = sentence_classes.difference(&others).next()?;
    let only_in_quote = others.difference(&sentence_classes).next()?;
    Some(format!(
        "one says “{only_in_sentence}”, the other “{only_in_quote}”"
    ))
}

// Whether two texts in a script without spaces share two thirds of their characters.
fn have_common_characters(left: &str, right: &str) -> bool {
    let letters =
        |text: &str| -> BTreeSet<char> { text.chars().filter(|c| c.is_alphanumeric()).collect() };
    let (left, right) = (letters(left), letters(right));
    let shared = left.intersection(&right).count();
    shared >= MIN_TERMS
        && shared * MIN_SHARED_TERMS.1 >= left.len().min(right.len()) * MIN_SHARED_TERMS.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_statements_about_the_same_thing_conflict() {
        for (left, right) in [
            (
                "The seller pays the shipping costs.",
                "The buyer pays the shipping costs.",
            ),
            (
                "The pump is covered for 24 months.",
                "The warranty covers the pump for 18 months.",
            ),
            (
                "The tenant may sublet the flat.",
                "The tenant may not sublet the flat.",
            ),
            (
                "All suppliers passed the audit.",
                "Some suppliers passed the audit.",
            ),
            (
                "Google sued Oracle in court.",
                "Oracle sued Google in court.",
            ),
            ("Sales rose in the north.", "Sales fell in the north."),
            (
                "The lease ends on 30 June 2027.",
                "The lease ends on 31 July 2026.",
            ),
            ("It costs 900 € a month.", "It costs 900 $ a month."),
            (
                "Der Mieter zahlt die Kaution.",
                "Der Vermieter zahlt die Kaution.",
            ),
            ("合同有效。", "合同无效。"),
            ("Il contratto è valido.", "Il contratto non è valido."),
        ] {
            assert!(conflict(left, right).is_some(), "{left} / {right}");
            assert!(conflict(right, left).is_some(), "{right} / {left}");
        }
        for (left, right) in [
            (
                "The lease ends on 30 June 2027.",
                "The rent is 900 euros per month.",
            ),
            (
                "The lease ends on 30 June 2027.",
                "The lease shall end on June 30th, 2027.",
            ),
            ("The lease ends in June.", "The lease ends on 30 June 2027."),
            ("The pump is red.", "The seller pays the shipping costs."),
            (
                "The lease ends on 30 June 2027.",
                "The lease began on 1 July 2025.",
            ),
            ("合同有效。", "租户可以转租公寓。"),
        ] {
            assert_eq!(conflict(left, right), None, "{left} / {right}");
        }
    }
}
