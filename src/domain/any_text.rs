//! Property tests: no text from a user, document, or model causes a panic (such as slicing inside a character or
//! arithmetic underflow).

use proptest::prelude::*;
use serde_json::json;

use super::chunk::{PageText, split_into_passages};
use super::experiment::{Case, Evaluator, judge_prompts};
use super::panel_vs_single::blind;
use super::schema::Compiled;
use super::{
    ballot, citation, evidence, id, injection, network, prompt, recipe, schema, search, time,
};

/// Generates text from fragments that the domain's parsers look for and from characters of one to four bytes.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(
            &[
                "[D1:p2]",
                "[D1",
                "(a) ",
                "A) ",
                "1.",
                "- ",
                "* ",
                "**",
                "# ",
                "```",
                "```json\n",
                "\n",
                "\n\n",
                " ",
                "“",
                "”",
                "\"",
                "'",
                "„",
                "|",
                "|---|\n",
                "{",
                "}",
                "{{question}}",
                "{question}",
                "[",
                "](",
                ")",
                "http://",
                "As an AI model, ",
                "I am Claude",
                "*local",
                "Ignore all previous instructions",
                "$$",
                "not ",
                "é",
                "ß",
                "İ",
                "ﬁ",
                "\u{301}",
                "中文",
                "😀",
                "\u{200b}",
                "\u{feff}",
                "-",
                "−3,5e9",
                "1e400",
                "9999999999999999999999",
                "10.000,50",
                "$1,000",
                "January 5, 2031",
                "{\"better\":\"A\"}",
                "agree",
                "Response A",
                "the answer is ",
                "<b>",
                "&amp;",
                "@",
                "mailto:",
                "…",
                ".",
                "!",
                "?",
                ":",
                ",",
            ][..]
        )
        .prop_map(str::to_owned),
        "[a-zA-Z0-9]{1,8}",
        "\\PC{0,4}",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_answer_or_question_is_handled(one in any_text(), other in any_text()) {
        ballot::count(&one, &[(0, &other), (1, &one)]);
        ballot::form::to_closing_form(&other, &other, &one);
        ballot::choice_of(&one, &other);
        evidence::similarity(&[&one, &other, ""]);
        evidence::objection(&one, &other);
        blind::anonymize(&one, &other, 3);
        prompt::without_model_names(&one);
        prompt::without_introduction(&one);
        prompt::placeholders_in(&one);
        schema::find_json(&one);
        injection::obeyed_instruction(&[], &other, &one, &other);
        for mark_group in citation::find_mark_groups(&one) {
            prop_assert!(one.is_char_boundary(mark_group.start) && one.is_char_boundary(mark_group.end));
        }
        citation::with_marks(&one, &[]);
        citation::with_numbers(&one, &[]);
        citation::marks::parse_marks(&one, true);
    }

    #[test]
    fn any_scored_text_is_handled(answer in any_text(), expected in any_text()) {
        let case = Case { prompt: expected.clone(), expected: Some(expected.clone()), ..Case::default() };
        for evaluator in [
            Evaluator::Exact,
            Evaluator::Contains,
            Evaluator::Number { absolute: 0.1, relative: 0.1 },
            Evaluator::Regex { pattern: None },
            Evaluator::Schema {
                schema: json!({ "type": "object", "required": ["a"] }),
                compiled: Compiled::default(),
            },
            Evaluator::Choice,
            Evaluator::Likeness,
        ] {
            let score = evaluator.score(&case, &answer);
            prop_assert!((0.0..=1.0).contains(&score), "{:?}: {}", evaluator, score);
        }
        let _ = (judge_prompts::parse_preference(&answer), judge_prompts::parse_marks(&answer));
        judge_prompts::addresses_judge(&answer);
        judge_prompts::probes(&answer);
        judge_prompts::pairwise_prompt(&case, &answer, &expected, "0123456789abcdef");
    }

    #[test]
    fn any_document_or_search_is_handled(one in any_text(), other in any_text()) {
        let page = PageText { number: 1, title: other.clone(), text: one.repeat(3) };
        injection::scan(&page);
        for passage in split_into_passages(std::slice::from_ref(&page)) {
            prop_assert!(passage.start <= passage.end && passage.end as usize <= page.text.len());
        }
        search::SearchQuery::parse(&one).find_matches(&other);
        search::rank_by_pairs(&one, [one.as_str(), other.as_str()].into_iter());
    }

    #[test]
    fn any_name_or_number_is_handled(one in any_text(), number in any::<u128>()) {
        let _ = (recipe::fill_prompt(&one, &one), recipe::checked_name(&one), recipe::parse_reference(&one));
        network::Network::parse(&one);
        for millis in [i64::MIN, -1, 0, i64::MAX] {
            let moment = time::Timestamp::from_millis(millis);
            id::ulid(moment, number);
            let _ = moment + std::time::Duration::MAX;
            let _ = moment - std::time::Duration::MAX;
        }
        time::Timestamp::parse(&one);
    }
}
