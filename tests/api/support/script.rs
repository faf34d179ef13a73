//! Support for the tests of runs: a server that calls a scripted provider, and answers for the provider.

use serde_json::{Value, json};

use super::provider::Provider;
use super::{Answer, Client, Server};

/// Returns the stream of a complete answer, with one piece per word.
pub fn answer_stream(text: &str) -> String {
    unfinished_stream(text)
        + "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
           data: {\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7}}\n\n\
           data: [DONE]\n\n"
}

/// Like [`answer_stream`], but without the end of the stream.
pub fn unfinished_stream(text: &str) -> String {
    let piece = |word: &str| {
        let piece = json!({"choices": [{"index": 0, "delta": {"content": word}}]});
        format!("data: {piece}\n\n")
    };
    text.split_inclusive(' ').map(piece).collect()
}

/// Returns the stream of an answer that calls a tool twice. One of the calls is sent in pieces.
pub fn tool_call_stream() -> String {
    let chunk = |delta: Value, finish: Value| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
        format!("data: {}\n\n", json!({ "choices": [choice] }))
    };
    let piece = |index: u32, id: Value, name: Value, arguments: &str| {
        let function = json!({ "name": name, "arguments": arguments });
        json!({ "tool_calls": [{ "index": index, "id": id, "type": "function", "function": function }] })
    };
    [
        chunk(
            piece(0, json!("c1"), json!("weather"), "{\"place\":"),
            Value::Null,
        ),
        chunk(piece(0, Value::Null, Value::Null, "\"Rome\"}"), Value::Null),
        chunk(
            piece(1, json!("c2"), json!("weather"), "{\"place\":\"Oslo\"}"),
            Value::Null,
        ),
        chunk(json!({}), json!("tool_calls")),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat()
}

/// Returns the setting that adds this provider under the name `p`. It accepts any model.
pub fn providers(provider: &Provider) -> String {
    json!([{"id": "p", "base_url": provider.base_url(), "api_key": "sk-test-key", "models": "*"}])
        .to_string()
}

/// Starts a server with this provider, the demo models, and these settings.
pub fn server(provider: &Provider, settings: &[(&str, &str)]) -> Server {
    let known_providers = providers(provider);
    let authority = provider.authority();
    let authority = authority.as_ref().map(|path| path.to_str().unwrap());
    let mut all = vec![
        ("QUIRE_PROVIDERS", known_providers.as_str()),
        ("USE_MOCK", "true"),
    ];
    all.extend(authority.map(|path| ("QUIRE_CA_FILE", path)));
    all.extend_from_slice(settings);
    Server::with(&all)
}

/// Returns a request for a short run: these members answer in a single stage, and a demo model writes the synthesis.
pub fn short_run(models: &[&str]) -> Value {
    json!({
        "prompt": "How thick is the paper?", "models": models, "ultra_model": "demo/merge",
        "pattern": "summarize",
    })
}

/// Like [`short_run`], with additional fields.
pub fn short_run_with(models: &[&str], extra_fields: Value) -> Value {
    let mut body = short_run(models);
    for (name, value) in extra_fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// Starts a run that does not depend on a client, and returns its ID.
pub fn begin(client: &mut Client, models: &[&str]) -> String {
    // The cache is off, so that the provider sees every call.
    let extra = json!({"async": true, "cache": "off"});
    let answer = client.post("/api/analyze", short_run_with(models, extra));
    assert_eq!(answer.status, 202, "{}", answer.text());
    id_of(&answer)
}

pub fn id_of(answer: &Answer) -> String {
    answer.json()["analysis_id"].as_str().unwrap().to_owned()
}

/// Returns the path of an analysis, followed by `what`.
pub fn analysis_path(id: &str, what: &str) -> String {
    format!("/api/analyses/{id}{what}")
}

/// Waits until an analysis has ended, and returns it.
pub fn wait_until_ended(client: &mut Client, id: &str) -> Value {
    for _ in client.events(&analysis_path(id, "/events"), None) {}
    let body = client.get(&analysis_path(id, "")).json();
    assert!(!body["finished_at"].is_null(), "{body}");
    body
}
