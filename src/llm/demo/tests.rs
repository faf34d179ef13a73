//! Black-box tests of the demo models: they must be honest and deterministic, must not panic, and must quote only text
//! that exists in the sources.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::chat::{Message, MessageRole, Peer, SourcePassage};
use crate::domain::parameters::Parameters;
use crate::domain::prompt;

const GPL_TEXT: &str = include_str!("../../../tests/data/documents/gpl-3.txt");
const ALL_TASKS: [Task; 4] = [Task::Answer, Task::Review, Task::Revise, Task::Synthesize];

/// Returns the GPL as an example of a real text of several pages.
pub(super) fn gpl() -> &'static str {
    GPL_TEXT
}

pub(super) fn brief(question: &str, sources: &[&str]) -> Brief {
    let source = |(index, text): (usize, &&str)| SourcePassage {
        number: index as u32 + 1,
        document: "licence.txt".into(),
        page: 1,
        text: (*text).to_owned(),
        ..SourcePassage::default()
    };
    Brief {
        question: question.to_owned(),
        sources: sources.iter().enumerate().map(source).collect(),
        ..Brief::default()
    }
}

pub(super) fn with_peers(mut brief: Brief, texts: &[&str]) -> Brief {
    let peer = |(letter, text): (char, &&str)| Peer {
        letter,
        text: (*text).to_owned(),
    };
    brief.peers = ('A'..='Z').zip(texts).map(peer).collect();
    brief
}

fn request(brief: Brief, parameters: Parameters) -> ModelRequest {
    ModelRequest {
        model: "demo/extract".into(),
        messages: vec![Message::new(MessageRole::User, brief.question.clone())],
        parameters,
        brief,
        deadline: Duration::from_secs(60),
        format: None,
        tools: None,
        passthrough: None,
        sample: 0,
        is_prefix_reused: false,
        is_live: false,
    }
}

fn ask(model: &str, brief: Brief) -> String {
    answer(model, &request(brief, Parameters::default()))
        .expect("an answer")
        .text
}

/// Returns the license as passages of about 1,200 characters that end at blank lines, like those of the store.
fn passages() -> Vec<String> {
    let mut passages = vec![String::new()];
    for paragraph in GPL_TEXT.split("\n\n") {
        if passages.last().is_some_and(|last| last.len() > 1_200) {
            passages.push(String::new());
        }
        if let Some(last) = passages.last_mut() {
            last.push_str(paragraph);
            last.push_str("\n\n");
        }
    }
    passages
}

fn document(question: &str) -> Brief {
    let passages = passages();
    let texts: Vec<&str> = passages.iter().map(String::as_str).collect();
    brief(question, &texts)
}

/// Runs a whole critique panel: answers, reviews, revisions, and the synthesis.
fn panel(question: &str) -> Vec<(&'static str, Task, String)> {
    let names = ["demo/extract", "demo/phrases", "demo/sceptic"];
    let mut outputs = Vec::new();
    let mut last: Vec<String> = vec![String::new(); 3];
    let mut firsts: Vec<String> = Vec::new();
    for task in [Task::Answer, Task::Review, Task::Revise] {
        let before = last.clone();
        for (index, name) in names.into_iter().enumerate() {
            let mut brief = document(question);
            brief.task = task;
            if task != Task::Answer {
                let peer = |other: usize| Peer {
                    letter: char::from(b'A' + other as u8),
                    text: prompt::without_model_names(&before[other]),
                };
                brief.peers = (0..3).filter(|&other| other != index).map(peer).collect();
                brief.own_text = firsts.get(index).cloned();
            }
            last[index] = ask(name, brief);
            outputs.push((name, task, last[index].clone()));
        }
        if task == Task::Answer {
            firsts = last.clone();
        }
    }
    let last: Vec<String> = last
        .iter()
        .map(|text| prompt::without_model_names(text))
        .collect();
    let texts: Vec<&str> = last.iter().map(String::as_str).collect();
    let mut brief = with_peers(document(question), &texts);
    brief.task = Task::Synthesize;
    outputs.push(("demo/merge", Task::Synthesize, ask("demo/merge", brief)));
    outputs
}

/// Asserts that every long quotation in an answer occurs in the license, apart from whitespace.
fn assert_quotes_are_real(answer_text: &str) {
    let source = text::collapse_whitespace(GPL_TEXT);
    let mut quote_count = 0;
    for claim in claims::parse_claims(answer_text)
        .iter()
        .filter(|claim| claim.quoted)
    {
        let words = claim.text.trim_end_matches(['…', ' ']);
        assert!(
            source.contains(words),
            "not in the source: {words:?}\n{answer_text}"
        );
        quote_count += 1;
    }
    assert!(quote_count > 0, "quotes nothing:\n{answer_text}");
}

#[test]
fn a_panel_quotes_a_real_document_accurately() {
    for question in [
        "How long do I have to cure a violation before my rights end?",
        "Summarise this document",
        "Muss ich den Quelltext weitergeben?",
    ] {
        for (name, task, output) in panel(question) {
            assert!(
                output.starts_with("*Local demo algorithm (")
                    && output.contains(claims::REVIEW_MARK),
                "{name} {task:?}"
            );
            assert_quotes_are_real(&output);
            let words = output.split_whitespace().count();
            assert!(
                (60..=900).contains(&words),
                "{name} {task:?}: {words} words\n{output}"
            );
        }
    }
}

#[test]
fn the_panel_finds_the_answer_in_the_document() {
    let outputs = panel("How long do I have to cure a violation before my rights end?");
    let (.., last) = outputs.last().expect("a synthesis");
    let answer = last.split("## Where").next().expect("an answer section");
    assert!(
        answer.contains("30 days") || answer.contains("60 days"),
        "{last}"
    );
}

#[test]
fn the_table_is_valid() {
    let models = models();
    assert!(models.len() >= 3);
    let mut ids: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
    ids.dedup();
    assert_eq!(ids.len(), models.len());
    for model in &models {
        assert!(model.mock && model.provider == "demo" && model.id.starts_with("demo/"));
        assert!(
            answer(
                &model.id,
                &request(brief("Why?", &[]), Parameters::default())
            )
            .is_ok()
        );
    }
    let missing = answer(
        "demo/none",
        &request(brief("Why?", &[]), Parameters::default()),
    );
    assert_eq!(
        missing.map_err(|error| error.kind),
        Err(CallErrorKind::Unavailable)
    );
}

#[test]
fn without_documents_no_fact_is_asserted() {
    for model in models() {
        let answer_text = ask(&model.id, brief("When was the Eiffel Tower built?", &[]));
        assert!(
            answer_text.contains("knows no facts") && answer_text.contains("Eiffel"),
            "{answer_text}"
        );
        assert!(!answer_text.contains("18"), "{answer_text}");
    }
}

#[test]
fn limits_and_stop_sequences_are_respected() {
    let with = |max_tokens, stop: &[&str]| {
        let parameters = Parameters {
            max_tokens,
            stop: stop.iter().map(|text| (*text).to_owned()).collect(),
            ..Parameters::default()
        };
        answer(
            "demo/extract",
            &request(
                brief("Fees?", &["The fees are due in 30 days."]),
                parameters,
            ),
        )
    };
    for most in [1, 2, 5, 20, 50] {
        let cut = with(Some(most), &[]).expect("an answer");
        assert!(
            cut.usage.output <= u64::from(most)
                && cut.finish == Finish::Length
                && !cut.text.is_empty()
        );
        assert!(cut.usage.estimated);
    }
    let full_answer = with(Some(10_000), &[]).expect("an answer");
    assert_eq!(full_answer.finish, Finish::Stop);
    let stopped = with(None, &["not a"]).expect("an answer");
    assert!(stopped.text.ends_with("), ") && stopped.finish == Finish::Stop);
    assert_eq!(
        with(None, &["*"]).map_err(|error| error.kind),
        Err(CallErrorKind::Empty)
    );
}

#[test]
fn large_sources_are_read_completely() {
    let large = GPL_TEXT.repeat(6);
    for task in ALL_TASKS {
        let mut brief = with_peers(brief("warranty", &[&large]), &[GPL_TEXT, GPL_TEXT]);
        brief.task = task;
        brief.own_text = Some(GPL_TEXT.to_owned());
        assert!(!ask("demo/sceptic", brief).is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn answers_to_any_text_are_deterministic(
        question in any_text(), first in any_text(), second in any_text(), own in any_text(),
    ) {
        for model in models() {
            for task in ALL_TASKS {
                let mut brief = with_peers(brief(&question, &[&first, &second]), &[&second, &own, &first]);
                brief.task = task;
                brief.own_text = Some(own.clone());
                let answer_text = ask(&model.id, brief.clone());
                prop_assert!(answer_text.starts_with("*Local demo algorithm (") && answer_text.contains(claims::REVIEW_MARK));
                prop_assert_eq!(answer_text, ask(&model.id, brief));
            }
        }
    }
}

/// Generates arbitrary characters, or words mixed with the delimiters that the parsers look for.
fn any_text() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "word",
        "Überfall",
        "“",
        "”",
        "\"",
        "[1]",
        "[",
        "(A)",
        "(",
        "claim:",
        "**claim:** “",
        "verdict: supported",
        "fix: x",
        "\n",
        "\n\n",
        "# ",
        "- ",
        ". ",
        "30 days",
        "£3€",
        "1é2",
        "when ",
        "$5",
        "5%",
        "量子計算",
        "हिन्दी",
        "|",
        "\u{301}",
        "…",
        "*",
        "'s",
        " ",
        "never",
    ]);
    prop_oneof![
        any::<String>(),
        prop::collection::vec(parts, 0..60).prop_map(|parts| parts.concat()),
        "\\PC{0,200}",
    ]
}
