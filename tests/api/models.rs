//! Tests where information about models comes from: the built-in catalog, the provider's own list, and an
//! administrator's model file, which takes precedence over both.

use serde_json::{Value, json};

use crate::support::Client;
use crate::support::provider::{Provider, on};
use crate::support::script::{answer_stream, server, short_run_with};

const MODEL_LIST: &str = r#"{"data": [
    {"id": "new-one", "context_length": 64000, "architecture": {"input_modalities": ["text", "image"]},
     "pricing": {"prompt": "0.000002", "completion": "0.000004"}, "supported_parameters": ["temperature", "max_tokens"]},
    {"id": "gpt-5", "pricing": {"prompt": "0.000009", "completion": "0.00001"}},
    {"id": "gpt-4o", "pricing": {"prompt": "0.000009", "completion": "0.00001"}},
    {"id": "text-embedding-9"}]}"#;

fn model_entry(client: &mut Client, id: &str) -> Value {
    let list = client.get("/api/available-models").json();
    let mut models = list.as_array().unwrap().iter();
    models
        .find(|model| model["id"] == id)
        .cloned()
        .unwrap_or_default()
}

#[test]
fn an_admin_s_sheet_comes_before_a_provider_s_list_and_that_before_the_built_in_sheet() {
    let provider = Provider::script([on("GET models").status(200, "application/json", MODEL_LIST)]);
    let url = provider.base_url();
    let sheet = std::env::temp_dir().join(format!("quire-sheet-{}.json", std::process::id()));
    let own_body = json!({ "models": [
        { "id": "openai/gpt-4o", "price": { "input": 1, "output": 2 }, "price_of": "2026-11-20", "aliases": ["house"] },
    ] });
    std::fs::write(&sheet, own_body.to_string()).unwrap();
    let server = server(
        &provider,
        &[
            ("OPENAI_API_KEY", "sk-test"),
            ("OPENAI_BASE_URL", &url),
            ("QUIRE_PROVIDERS", "[]"),
            ("QUIRE_MODELS", sheet.to_str().unwrap()),
        ],
    );
    let mut admin = server.user("admin@example.org");
    assert_eq!(admin.post("/api/llm/health-check", json!({})).status, 200);
    let new = model_entry(&mut admin, "openai/new-one");
    assert_eq!(
        (
            &new["context_window"],
            &new["vision"],
            &new["price"]["output"],
            &new["parameters"]
        ),
        (
            &json!(64_000),
            &json!(true),
            &json!(4.0),
            &json!(["temperature", "max_tokens"])
        ),
        "{new}"
    );
    let entry = model_entry(&mut admin, "openai/gpt-5");
    assert_eq!(
        (
            &entry["price"]["input"],
            &entry["family"],
            &entry["structured"],
            &entry["efforts"][0]
        ),
        (
            &json!(9.0),
            &json!("gpt"),
            &json!("native"),
            &json!("minimal")
        ),
        "{entry}"
    );
    // The price is shown with the date on which the provider reported it.
    for model in [&new, &entry] {
        assert_eq!(model["price_of"].as_str().unwrap().len(), 10, "{model}");
        assert_ne!(model["price_of"], "2026-11-20");
    }
    let set = model_entry(&mut admin, "openai/gpt-4o");
    assert_eq!(
        (&set["price"]["input"], &set["price_of"], &set["vision"]),
        (&json!(1.0), &json!("2026-11-20"), &json!(true)),
        "{set}"
    );
    assert_eq!(
        model_entry(&mut admin, "openai/text-embedding-9"),
        Value::Null
    );
    std::fs::remove_file(&sheet).unwrap();
}

#[test]
fn an_effort_is_sent_as_a_level_that_the_model_supports() {
    let provider = Provider::script([on("gpt-5").sse(&answer_stream("Eighty grams."))]);
    let url = provider.base_url();
    let settings = [
        ("OPENAI_API_KEY", "sk-test"),
        ("OPENAI_BASE_URL", url.as_str()),
    ];
    let server = server(&provider, &settings);
    let mut client = server.user("ada@example.com");
    let expected = json!({ "parameters": { "reasoning_effort": "max", "temperature": 0.5 } });
    // An old name of a model refers to its current name.
    let answer = client.post("/api/analyze", short_run_with(&["gpt5"], expected));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = provider.requests().remove(0).body;
    assert_eq!(body["reasoning_effort"], "high", "{body}");
    assert!(body["temperature"].is_null(), "{body}");
}
