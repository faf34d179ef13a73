//! Tests of passage selection with different budgets.

use super::*;
use crate::domain::time::Timestamp;

fn passage(ordinal: u32, length: usize) -> Passage {
    Passage {
        ordinal,
        page: ordinal + 1,
        start: 0,
        end: length as u32,
        heading: String::new(),
        text: format!("{ordinal}:{}", "x".repeat(length - 2)),
    }
}

fn candidate(name: &str, passages: u32, hits: &[u32]) -> Candidate {
    Candidate {
        id: DocumentId::new(Timestamp::from_millis(0), 0),
        name: name.to_owned(),
        passages: (0..passages)
            .map(|ordinal| passage(ordinal, 1_000))
            .collect(),
        is_whole: true,
        hits: hits
            .iter()
            .map(|&ordinal| SearchHit {
                document: DocumentId::new(Timestamp::from_millis(0), 0),
                name: name.to_owned(),
                passage: passage(ordinal, 1_000),
                score: 1.0,
            })
            .collect(),
    }
}

fn check(candidates: &[Candidate], budget: usize, expected: &str) {
    let sources = choose_passages(candidates, budget);
    let formatted: Vec<String> = sources
        .iter()
        .map(|s| {
            format!(
                "{}{}{}",
                s.number,
                s.document,
                s.text.split(':').next().unwrap_or("")
            )
        })
        .collect();
    assert_eq!(formatted.join(" "), expected);
    assert!(
        sources
            .iter()
            .map(|s| s.text.chars().count())
            .sum::<usize>()
            <= budget.max(200)
    );
}

#[test]
fn documents_that_fit_are_included_whole_in_order() {
    check(&[candidate("a", 3, &[2])], 10_000, "1a0 2a1 3a2");
    check(
        &[candidate("a", 2, &[]), candidate("b", 1, &[])],
        10_000,
        "1a0 2a1 3b0",
    );
    check(&[], 10_000, "");
}

#[test]
fn a_long_document_contributes_its_start_and_hits() {
    check(&[candidate("a", 50, &[40, 7])], 5_400, "1a0 2a7 3a40");
    check(&[candidate("a", 50, &[40, 7])], 2_200, "1a7 2a40");
    check(&[candidate("a", 50, &[])], 3_300, "1a0 2a1 3a2");
}

#[test]
fn a_small_document_leaves_its_share_to_the_large_one() {
    check(
        &[candidate("a", 50, &[9, 8, 7, 6]), candidate("b", 1, &[])],
        7_000,
        "1a0 2a6 3a7 4a8 5a9 6b0",
    );
}

#[test]
fn the_selection_is_never_empty() {
    check(&[candidate("a", 5, &[3])], 10, "1a0");
}

#[test]
fn the_heading_above_is_included() {
    let mut with = candidate("a", 1, &[]);
    with.passages[0].heading = "Duties".into();
    assert!(
        choose_passages(&[with], 5_000)[0]
            .text
            .starts_with("(Duties)\n0:")
    );
}

fn passage_of(ordinal: u32, start: usize, text: &str) -> Passage {
    Passage {
        ordinal,
        page: 1,
        start: start as u32,
        end: (start + text.len()) as u32,
        heading: "Duties".into(),
        text: text.to_owned(),
    }
}

#[test]
fn adjacent_passages_become_one_source() {
    let mut single_candidate = candidate("a", 0, &[]);
    single_candidate.passages = vec![
        passage_of(0, 0, "first"),
        passage_of(1, 7, "second"),
        passage_of(2, 14, "third"),
    ];
    let sources = choose_passages(std::slice::from_ref(&single_candidate), 5_000);
    assert_eq!(sources.len(), 1);
    assert_eq!(sources[0].text, "(Duties)\nfirst\n\nsecond\nthird");
    assert_eq!(
        (sources[0].start, sources[0].end, &*sources[0].mark),
        (0, 19, "D1:p1")
    );
    single_candidate.passages[1].ordinal = 9;
    assert_eq!(choose_passages(&[single_candidate], 5_000).len(), 3);
}

#[test]
fn near_duplicates_are_included_once() {
    let words = |from: usize| {
        (from..from + 60)
            .map(|n| format!("word{n} "))
            .collect::<String>()
    };
    let mut long = candidate("a", 50, &[]);
    long.is_whole = false;
    for (ordinal, text) in [(10, words(0)), (20, words(1)), (30, words(300))] {
        long.hits.push(SearchHit {
            document: long.id.clone(),
            name: "a".into(),
            passage: Passage {
                page: ordinal,
                ..passage_of(ordinal, 0, &text)
            },
            score: 1.0,
        });
    }
    let pages: Vec<u32> = choose_passages(&[long], 3_000)
        .iter()
        .map(|source| source.page)
        .collect();
    assert_eq!(pages, [10, 30]);
}

#[test]
fn documents_without_hits_leave_their_share_to_the_others() {
    let with_hits = candidate("a", 50, &[9, 8, 7, 6]);
    let without_hits = candidate("b", 50, &[]);
    check(&[with_hits, without_hits], 6_000, "1a0 2a7 3a8 4a9 5b0");
}
