//! Tests with quotations from fixed passages in eleven languages: no altered quotation may be verified, and
//! nearly all true ones must be.

use serde::Deserialize;
use std::collections::BTreeMap;

use super::*;

#[derive(Deserialize)]
struct QuotationFile {
    passage: Vec<QuotedPassage>,
}

#[derive(Deserialize)]
struct QuotedPassage {
    text: String,
    #[serde(rename = "true")]
    genuine: Vec<String>,
    altered: BTreeMap<String, Vec<String>>,
}

fn passages() -> Vec<QuotedPassage> {
    let files = [
        include_str!("../../../../../tests/data/quotations/english.toml"),
        include_str!("../../../../../tests/data/quotations/european.toml"),
        include_str!("../../../../../tests/data/quotations/asian.toml"),
        include_str!("../../../../../tests/data/quotations/brackets.toml"),
        include_str!("../../../../../tests/data/quotations/symbols.toml"),
        include_str!("../../../../../tests/data/quotations/symbols_european.toml"),
    ];
    let read = |text: &str| {
        toml::from_str::<QuotationFile>(text)
            .expect("valid data")
            .passage
    };
    files.into_iter().flat_map(read).collect()
}

#[test]
fn no_altered_quotation_is_verified() {
    let mut total = 0;
    let mut verified = Vec::new();
    for passage in passages() {
        for (class, quotes) in &passage.altered {
            for quote in quotes {
                total += 1;
                if verify(&passage.text, quote).is_some() {
                    verified.push(format!("{class}: {quote}"));
                }
            }
        }
    }
    assert!(total >= 700, "{total}");
    assert_eq!(verified, Vec::<String>::new());
}

#[test]
fn true_quotations_are_verified() {
    let mut total = 0;
    let mut missed = Vec::new();
    let mut check = |text: &ComparableText, quote: &str| {
        total += 1;
        if locate(quote, text).is_none_or(|found| !found.omitted.is_empty()) {
            missed.push(quote.to_owned());
        }
    };
    for passage in passages() {
        let text = ComparableText::from_text(&passage.text);
        for quote in &passage.genuine {
            check(&text, quote);
        }
    }
    // Change the text as a model does when it copies: join lines and replace typographic marks.
    let license = include_str!("../../../../../tests/data/documents/gpl-3.txt");
    let words: Vec<&str> = license.split_whitespace().collect();
    let text = ComparableText::from_text(license);
    for window in words.windows(12).step_by(31).take(120) {
        check(&text, &window.join(" ").replace('"', "'"));
    }
    assert!(total >= 200, "{total}");
    let rate = 1.0 - missed.len() as f64 / f64::from(total);
    assert!(rate >= 0.97, "{rate:.3} of {total}: {missed:#?}");
}

#[test]
fn omitted_words_of_an_ellipsis_are_reported() {
    for (text, quote, expected) in [
        (
            "The landlord shall not enter without notice of a day.",
            "The landlord shall … enter without notice",
            &["not"][..],
        ),
        (
            "He pays rent. She may leave. They may stay here.",
            "He pays rent [...] They may stay",
            &["She may leave"],
        ),
        (
            "One two three, four five six; seven eight nine.",
            "one two . . . five six […] eight nine",
            &["three, four", "seven"],
        ),
        (
            "The supplier shall not exceed 3.5 tonnes of carbon per year.",
            "The supplier shall not exceed … tonnes of carbon per year",
            &["3.5"],
        ),
    ] {
        let quote_match = locate(quote, &ComparableText::from_text(text)).expect("found");
        let left_out: Vec<&str> = quote_match
            .omitted
            .iter()
            .map(|range| text[range.clone()].trim_matches(|c: char| !c.is_alphanumeric()))
            .collect();
        assert_eq!(left_out, expected, "{quote}");
        assert_eq!(verify(text, quote), None, "{quote}");
    }
    // An ellipsis that is part of the text and ellipses at the ends omit nothing.
    let text = "Well … I do not think so at all.";
    assert!(verify(text, "Well … I do not think so").is_some());
    assert!(verify(text, "… do not think so ...").is_some());
    assert_eq!(
        locate("so at all … do not think", &ComparableText::from_text(text)),
        None
    );
}

#[test]
fn letter_errors_are_tolerated_only_in_ocr_text() {
    let text = "the rest was payable within thirty days of delivery to the port of München";
    for quote in [
        "the rest was payable within thirty days of delivcry to the port",
        "payable within thirty days of delivery to the port of Munchen",
    ] {
        assert!(
            locate(quote, &ComparableText::from_ocr_text(text)).is_some(),
            "{quote}"
        );
    }
    assert_eq!(
        verify(
            text,
            "the rest was payable within thirty days of delivcry to the port"
        ),
        None
    );
}
