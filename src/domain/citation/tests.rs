//! Tests the checker with citations that are known to be correct or incorrect.

use super::*;
use crate::domain::chat::SourcePassage;
use crate::domain::time::Timestamp;

const PAGES: [&str; 3] = [
    "The tenant pays a deposit of 900 euros. It is returned within thirty days after the keys are given back.",
    "Repairs under 100 euros are the tenant's. The landlord shall not enter without notice of 24 hours.",
    "The contract ends on 31 March 2027 unless it is renewed in writing by Ms Okafor.",
];

fn typed_page(text: &str) -> CitedPage {
    CitedPage {
        text: text.to_owned(),
        is_recognized: false,
    }
}

fn document_id() -> DocumentId {
    DocumentId::new(Timestamp::from_millis(5), 5)
}

fn plan_with_sources() -> Plan {
    let source = |(index, text): (usize, &&str)| SourcePassage {
        number: index as u32 + 1,
        mark: format!("D1:p{}", index + 1),
        document_id: Some(document_id()),
        start: 0,
        end: text.len() as u32,
        document: "lease.pdf".into(),
        page: index as u32 + 1,
        text: (*text).to_owned(),
    };
    let mut plan = crate::domain::pattern::staged::tests::two_stage_plan(&["a", "b"], "s");
    plan.sources = PAGES.iter().enumerate().map(source).collect();
    plan
}

fn citation_states(text: &str) -> Vec<CitationState> {
    let mut page =
        |_: &DocumentId, number: u32| PAGES.get(number as usize - 1).map(|text| typed_page(text));
    let text = CitingText {
        stage: 0,
        member: None,
        text,
    };
    check_citations(&plan_with_sources(), [text], &mut page)
        .items
        .into_iter()
        .map(|item| item.state)
        .collect()
}

#[test]
fn each_citation_gets_its_state() {
    use CitationState::{Cited, Elsewhere, NotFound, Unknown, Verified};
    for (text, expected) in [
        ("It says “a deposit of 900 euros” [D1:p1].", vec![Verified]),
        ("It says “a deposit of 900 euros” [D1:p2].", vec![Elsewhere]),
        ("It says “a deposit of 800 euros” [D1:p1].", vec![NotFound]),
        (
            "“The landlord shall enter without notice” [D1:p2]",
            vec![NotFound],
        ),
        ("“renewed in writing by Mr Okafor” [D1:p3]", vec![NotFound]),
        (
            "The tenant pays a deposit of 900 euros [D1:p1].",
            vec![Cited],
        ),
        ("The tenant pays nothing at all, ever [D1:p1].", vec![Cited]),
        (
            "Something [D9:p1] and [D1:p7] and [D1:p2].",
            vec![Unknown, Unknown, Cited],
        ),
        ("“a deposit of 900 euros” [D1:p1-3]", vec![Verified]),
        ("“a deposit of 900 euros” [1]", vec![Verified]),
        ("No citation, (3) or [x].", vec![]),
    ] {
        assert_eq!(citation_states(text), expected, "{text}");
    }
}

#[test]
fn spans_point_to_the_quoted_words() {
    let mut page =
        |_: &DocumentId, number: u32| PAGES.get(number as usize - 1).map(|text| typed_page(text));
    let text = CitingText {
        stage: 2,
        member: Some(1),
        text: "“SHALL NOT enter without notice of 24\nhours” [D1:p2]",
    };
    let citations = check_citations(&plan_with_sources(), [text], &mut page);
    let item = &citations.items[0];
    assert_eq!((item.stage, item.member, item.page), (2, Some(1), 2));
    assert_eq!(
        &PAGES[1][item.start as usize..item.end as usize],
        "shall not enter without notice of 24 hours"
    );
    assert_eq!(citations.counts[&CitationState::Verified], 1);
    let mut no_text = |_: &DocumentId, _: u32| None;
    assert_eq!(
        check_citations(&plan_with_sources(), [text], &mut no_text).items[0].state,
        CitationState::Gone
    );
}

#[test]
fn no_planted_false_citation_is_verified() {
    let mut planted = 0;
    for (number, page) in PAGES.iter().enumerate() {
        let all: Vec<&str> = page.split(' ').collect();
        for length in 5..9 {
            for start in 0..all.len().saturating_sub(length) {
                let quote = &all[start..start + length];
                let asks = |quote: &str, page: usize| {
                    citation_states(&format!("He wrote: “{quote}” [D1:p{page}]."))
                };
                // A quotation that begins right after a "not" leaves that word out.
                let is_negated = start > 0 && ["not", "no", "never"].contains(&all[start - 1]);
                let expected = match is_negated {
                    true => CitationState::Shortened,
                    false => CitationState::Verified,
                };
                assert_eq!(asks(&quote.join(" "), number + 1), [expected], "{quote:?}");
                // Quotations that must fail: with the wrong page, a word missing or changed, or in a different order.
                let mut less = quote.to_vec();
                less.remove(2);
                let mut other = quote.to_vec();
                other[2] = "gladly";
                let mut reversed = quote.to_vec();
                reversed.swap(1, 3);
                if quote[1].eq_ignore_ascii_case(quote[3]) {
                    continue;
                }
                for (false_quote, page) in [
                    (quote.join(" "), (number + 1) % 3 + 1),
                    (less.join(" "), number + 1),
                    (other.join(" "), number + 1),
                    (reversed.join(" "), number + 1),
                ] {
                    let states = asks(&false_quote, page);
                    assert_ne!(states, [CitationState::Verified], "{false_quote} on {page}");
                    planted += 1;
                }
            }
        }
    }
    assert!(planted >= 200, "{planted}");
}

#[test]
fn unknown_marks_are_struck_out() {
    let text = "True [D1:p1], false [D9:p1], both [D1:p2, D9:p2].";
    let mut page = |_: &DocumentId, _: u32| Some(typed_page(""));
    let citing_text = CitingText {
        stage: 0,
        member: None,
        text,
    };
    let citations = check_citations(&plan_with_sources(), [citing_text], &mut page);
    assert_eq!(
        strike_out_unknown_marks(text, &citations),
        "True [D1:p1], false ~~[D9:p1]~~, both [D1:p2] ~~[D9:p2]~~."
    );
}

#[test]
fn misread_letters_are_tolerated_only_on_recognized_pages() {
    // OCR read "deposit" as "dcposit".
    let scan =
        "The tenant pays a dcposit of 900 euros and keeps the garden in good order all year.";
    let text = "He pays: \u{201C}The tenant pays a deposit of 900 euros and keeps the garden in good order all year\u{201D} [D1:p1].";
    for (is_recognized, expected) in [
        (true, CitationState::Verified),
        (false, CitationState::NotFound),
    ] {
        let mut page = |_: &DocumentId, number: u32| {
            (number == 1).then(|| CitedPage {
                text: scan.to_owned(),
                is_recognized,
            })
        };
        let citing_text = CitingText {
            stage: 0,
            member: None,
            text,
        };
        let citations = check_citations(&plan_with_sources(), [citing_text], &mut page);
        assert_eq!(citations.items[0].state, expected, "{is_recognized}");
    }
}
