//! Tests of parsing queries and locating their matches.

use super::*;
use proptest::prelude::*;

fn expressions_of(text: &str) -> Option<String> {
    let query = SearchQuery::parse(text);
    let parts: Vec<String> = query.parts.iter().map(QueryPart::expression).collect();
    (!parts.is_empty()).then(|| parts.join(" OR "))
}

#[test]
fn expressions_are_built() {
    for (text, expected) in [
        ("", None),
        ("the and of", None),
        ("¿Qué es el ? — !!", None),
        ("a b c", None),
        ("payment terms", Some(r#""payme"* OR "term"*"#)),
        ("What is the GDP of Chad?", Some(r#""gdp" OR "chad""#)),
        ("tax tax TAX", Some(r#""tax""#)),
        ("section 7 in 2026", Some(r#""secti"* OR "7" OR "2026""#)),
        (
            "Kündigungsfristen",
            Some(r#""kuendigungsfris"* OR "kündigungsfris"*"#),
        ),
        ("量子計算", Some(r#""量子" OR "子計" OR "計算""#)),
        ("税", Some(r#""税"*"#)),
        ("war crimes", Some(r#""war" OR "crim"*"#)),
        ("was war der Grund", Some(r#""grun"*"#)),
        (
            r#"who said "the sky is blue""#,
            Some(r#""the sky is blue" OR "said" OR "sky" OR "blue""#),
        ),
        (
            "「量子計算」",
            Some(r#""量子 子計 計算" OR "量子" OR "子計" OR "計算""#),
        ),
        (
            "getUserName",
            Some(r#""get user name" OR "get" OR "user" OR "name" OR "getusern"*"#),
        ),
        (
            "max_retry_count",
            Some(r#""max" OR "retr"* OR "coun"* OR "max retry count""#),
        ),
        ("version 3.14", Some(r#""versi"* OR "3" OR "14" OR "3 14""#)),
        ("e-mail", Some(r#""mail" OR "e mail" OR "emai"*"#)),
    ] {
        assert_eq!(expressions_of(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn a_pasted_book_is_searched_by_some_of_its_words() {
    let book: String = (0..9_000).map(|n| format!("word{n} ")).collect();
    assert_eq!(SearchQuery::parse(&book).parts.len(), MAX_PARTS);
}

#[test]
fn parts_are_located_in_a_text() {
    for (question, text, expected) in [
        (
            "Kosten",
            "Die KOSTEN und der Kostenplan",
            vec!["KOSTEN", "Kostenplan"],
        ),
        ("resume", "a résumé", vec!["résumé"]),
        (
            "\"blue sky\"",
            "Blue, sky; blue",
            vec!["Blue", "Blue, sky", "sky", "blue"],
        ),
        ("押金", "两个月的押金。", vec!["押金"]),
        ("nothing", "else", vec![]),
    ] {
        let matched: Vec<&str> = SearchQuery::parse(question)
            .find_matches(text)
            .iter()
            .map(|found| &text[found.start..found.end])
            .collect();
        assert_eq!(matched, expected, "{question}");
    }
}

#[test]
fn scripts_without_spaces_are_ranked_by_pairs() {
    let texts = [
        "本合同自签字之日起生效。",
        "租金每月九百元，押金两个月。",
        "no ideographs",
    ];
    for (question, expected) in [
        ("押金是多少？", vec![1]),
        ("合同何时生效，租金呢", vec![0, 1]),
        ("deposit", vec![]),
        ("", vec![]),
    ] {
        assert_eq!(
            rank_by_pairs(question, texts.into_iter()),
            expected,
            "{question}"
        );
    }
    assert!(rank_by_pairs("それはですか", ["これはですか"].into_iter()).is_empty());
}

proptest! {
    #[test]
    fn user_text_is_never_query_syntax(text in "(\\PC|[\"“„」 _.-]){0,200}") {
        let query = SearchQuery::parse(&text);
        for part in &query.parts {
            let term = part.expression();
            let inner = term.trim_end_matches('*');
            prop_assert!(inner.len() > 2 && inner.starts_with('"') && inner.ends_with('"'));
            prop_assert!(inner[1..inner.len() - 1].chars().all(|c| scripts::is_word_character(c) || c == ' '), "{}", term);
        }
        for found in query.find_matches(&text) {
            prop_assert!(text.is_char_boundary(found.start) && text.is_char_boundary(found.end));
        }
    }
}
