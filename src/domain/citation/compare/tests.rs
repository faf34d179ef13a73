//! What is found whatever the noise, and what is not.

mod properties;
mod quotations;

use super::*;

const PAGE: &str = "The supplier shall not exceed 3.5 tonnes of carbon per year. Mr Andersen, who manu-\nfactures the \
    “ﬁrst” engine, paid 1,200 euros on 4 May 2021;\nthe rest was payable within thirty days of delivery to the port. \
    Die Übertragung der Rechte erfolgt nicht vor Zahlung. 量子計算は速い。";

fn found(quote: &str) -> Option<&'static str> {
    verify(PAGE, quote).map(|range| &PAGE[range])
}

#[test]
fn what_stands_there_is_found_whatever_the_noise() {
    for quote in [
        "shall not exceed 3.5 tonnes of carbon",
        "SHALL NOT  EXCEED 3.5 tonnes",
        "who manufactures the 'first' engine",
        "paid 1,200 euros on 4 May 2021 - the rest was payable",
        "the rest was payable within thirty days of delivery to the p0rt"
            .replace("p0rt", "port")
            .as_str(),
        "the rest was pay able within thirty days",
        "die Ubertragung der Rechte erfolgt nicht",
        "量子計算は速い",
    ] {
        assert!(found(quote).is_some(), "{quote}");
    }
    assert_eq!(
        found("who manufactures the first"),
        Some("who manu-\nfactures the “ﬁrst")
    );
}

#[test]
fn small_changes_that_turn_the_meaning_are_seen() {
    for (page, quote) in [
        (
            "The landlord shall not enter without notice of a day.",
            "The landlord shall … enter without notice",
        ),
        (
            "He pays rent. She may leave. They may stay here.",
            "He pays rent … They may stay",
        ),
        (
            "The effect was clear, p < 0.05 in all groups.",
            "The effect was clear, p > 0.05 in all groups",
        ),
        (
            "The price is $900 for each month.",
            "The price is €900 for each month",
        ),
        (
            "The rate is 5 per year and person.",
            "The rate is 5% per year and person",
        ),
        (
            "It fell to -5 degrees in the night.",
            "It fell to 5 degrees in the night",
        ),
        (
            "It costs 1.000 euros in all.",
            "It costs 1,000 euros in all",
        ),
        (
            "the notice goes from the employer to the union within ten days of that",
            "the notice goes from the employee to the union within ten days of that",
        ),
        (
            "this was proscribed by the law of the country in that year",
            "this was prescribed by the law of the country in that year",
        ),
        (
            "it ends on the sixth day after the delivery of the goods",
            "it ends on the sixty day after the delivery of the goods",
        ),
        (
            "this is an atypical case of it",
            "this is an a typical case of it",
        ),
        (
            "this modem is old and slow and was bought in that year",
            "this modern is old and slow and was bought in that year",
        ),
    ] {
        assert_eq!(verify(page, quote), None, "{quote}");
        assert!(verify(page, page).is_some(), "{page}");
    }
}

#[test]
fn what_was_changed_is_not_found() {
    for quote in [
        "shall exceed 3.5 tonnes of carbon",
        "shall not exceed 35 tonnes of carbon",
        "shall not exceed 3.6 tonnes of carbon per year",
        "Mr Anderson, who manufactures the first engine",
        "paid 1,200 euros on 5 May 2021; the rest was payable",
        "the rest was payable within thirteen days of delivery",
        "the rest was not payable within thirty days of delivery",
        "Die Übertragung der Rechte erfolgt vor Zahlung",
        "The supplier … on 6 May",
        "shall not excess 3.5",
        "量子計算は遅い",
        "",
    ] {
        assert_eq!(found(quote), None, "{quote}");
    }
}
