//! Tests every API format with aimock: texts, reasoning, usage, refusals, and interrupted streams.

use serde_json::{Value, json};

use crate::mock::{Asking, Mock, QUESTION};

const ANSWER_TEXT: &str = "A tenth of a millimetre; “80 g/m²” is usual — и всё.";
const REASONING_TEXT: &str = "Eighty grams a square metre, so about a tenth.";

fn start_mock() -> Option<(Mock, Asking)> {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/fixtures.json");
    let mock = Mock::start(
        "npm/node_modules/.bin/llmock",
        &["--strict", "-f", fixtures],
    )?;
    let at = |path: &str| format!("{}{path}", mock.url);
    let providers = json!([
        {"id": "openai", "base_url": at("/v1"), "api_key": "key-of-openai"},
        {"id": "anthropic", "base_url": at("/v1"), "api_key": "key-of-anthropic"},
        {"id": "google", "base_url": at("/v1beta"), "api_key": "key-of-google"},
        {"id": "responses", "kind": "responses", "base_url": at("/v1"), "api_key": "key-of-openai"},
        {"id": "openrouter", "base_url": at("/api/v1"), "api_key": "key-of-openrouter"},
        {"id": "ollama", "base_url": at("")},
    ]);
    let asking = Asking::start(&providers, &[("RETRIES", "0")]);
    Some((mock, asking))
}

#[test]
fn every_api_format_is_parsed() {
    let Some((mock, mut asking)) = start_mock() else {
        return;
    };
    let panel = [
        "openai/says",
        "anthropic/thinks",
        "google/thinks",
        "openrouter/thinks",
        "ollama/says",
        "responses/thinks",
    ];
    let report = asking.panel(&panel, "openai/says");
    assert_eq!(report["status"], "completed", "{report:#}");
    assert_eq!(report["failures"], json!([]));
    assert_eq!(report["ultra_response"], ANSWER_TEXT);
    for model in panel {
        let answer = Asking::answer(&report, model);
        let (text, thought) = match model.ends_with("/thinks") {
            true => ("A tenth of a millimetre.", REASONING_TEXT),
            false => (ANSWER_TEXT, ""),
        };
        assert_eq!(answer["text"], text, "{model}");
        assert_eq!(answer["reasoning"], thought, "{model}");
        assert_eq!(answer["finish_reason"], "stop", "{model}");
        // aimock does not report token counts in Ollama's format.
        if model != "ollama/says" {
            let usage = &answer["usage"];
            let counts = (&usage["input"], &usage["output"], &usage["estimated"]);
            assert_eq!(counts, (&json!(31), &json!(17), &json!(false)), "{model}");
        }
    }
    // aimock's journal shows that every model has received the question, and that each vendor has received only its own
    // key, in its own header.
    let journal = mock.get("/__aimock/journal");
    let provider_calls: Vec<&Value> = calls(&journal).collect();
    assert_eq!(provider_calls.len(), panel.len() + 1, "{journal:#}");
    for call in provider_calls {
        assert!(call["body"].to_string().contains(QUESTION), "{call:#}");
        assert!(!call["path"].as_str().unwrap().contains("key"), "{call:#}");
    }
}

fn calls(journal: &Value) -> impl Iterator<Item = &Value> {
    let all = journal.as_array().unwrap().iter();
    all.filter(|entry| entry["method"] == "POST")
}

#[test]
fn refusals_are_distinguished_in_every_api_format() {
    let Some((mock, mut asking)) = start_mock() else {
        return;
    };
    let vendors = ["openai", "responses", "anthropic", "google", "ollama"];
    for (model, reason) in [
        ("limited", "rate limit was reached"),
        ("broke", "no credit left"),
        ("gone", "(404)"),
        ("busy", "(529)"),
        ("cut", "broke"),
    ] {
        let models: Vec<String> = vendors.map(|vendor| format!("{vendor}/{model}")).into();
        let models: Vec<&str> = models.iter().map(String::as_str).collect();
        let report = asking.panel(&models, "openai/says");
        assert_eq!(report["status"], "failed", "{report:#}");
        for model in models {
            let answer = Asking::answer(&report, model);
            let error = answer["error"].as_str().unwrap_or_default();
            assert!(error.contains(reason), "{model}: {answer:#}");
        }
    }
    // No model was called a second time, and no synthesis was requested after four failures.
    let journal = mock.get("/__aimock/journal");
    assert_eq!(calls(&journal).count(), vendors.len() * 5);
}
