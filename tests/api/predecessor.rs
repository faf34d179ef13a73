//! Tests compatibility with clients of Quire's predecessor.

use serde_json::json;

use crate::support::Server;
use crate::support::provider::{Provider, ReceivedRequest, on};
use crate::support::script::answer_stream;

#[test]
fn health_names_its_dependencies_as_they_are_imported() {
    let server = Server::with(&[]);
    let health = server.client().get("/health").json();
    assert_eq!(
        health["dependencies"]["sentry_sdk"]["required"], false,
        "{health}"
    );
}

#[test]
fn the_entry_of_the_pages_names_its_components() {
    let server = Server::with(&[]);
    let entry = server.client().get("/assets/index.js").text();
    for name in [
        "PromptInput",
        "ModelSelector",
        "AnalysisResults",
        "DocumentUpload",
    ] {
        assert!(entry.contains(name), "{name}");
    }
}

#[test]
fn without_a_provider_its_models_lack_a_key_and_are_not_unknown() {
    let server = Server::with(&[("USE_MOCK", "true")]);
    let mut client = server.user("ada@example.com");
    for name in ["gpt4o", "gpt-4", "claude3opus", "claude-3", "gemini-1.5"] {
        let body = json!({ "prompt": "Is it thin?", "models": [name] });
        let response = client
            .post("/api/analyze", body)
            .refused(503, "SERVICE_UNAVAILABLE");
        assert!(
            response["message"].as_str().unwrap().contains("needs_key"),
            "{response}"
        );
        let messages = json!([{ "role": "user", "content": "Is it thin?" }]);
        let body = json!({ "model": name, "messages": messages });
        let answer = client.post("/v1/chat/completions", body);
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.text().contains("needs_key"), "{}", answer.text());
    }
    let messages = json!([{ "role": "user", "content": "Is it thin?" }]);
    let body = json!({ "model": "nobody/x", "messages": messages });
    assert_eq!(client.post("/v1/chat/completions", body).status, 404);
    let body = json!({ "prompt": "Is it thin?", "models": ["gpt4o", "nobody/x"] });
    client
        .post("/api/analyze", body)
        .refused(422, "VALIDATION_ERROR");
}

#[test]
fn a_document_is_summarized_and_searched_for_facts_without_a_question() {
    let server = Server::with(&[("USE_MOCK", "true")]);
    let mut client = server.user("ada@example.com");
    let text = b"The paper is 80 grams. Ada Lovelace signed on 3 May 2024.";
    let document = client
        .upload("/api/upload-document", "note.txt", text)
        .json();
    for pattern in ["summarize", "extract"] {
        let body = json!({ "pattern": pattern, "document_id": document["document_id"] });
        let answer = client.post("/api/analyze", body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let body = json!({ "pattern": "critique", "document_id": document["document_id"] });
    client
        .post("/api/analyze", body)
        .refused(422, "VALIDATION_ERROR");
    let body = json!({ "pattern": "summarize" });
    client
        .post("/api/analyze", body)
        .refused(422, "VALIDATION_ERROR");
}

#[test]
fn an_alias_means_the_newest_model_that_its_provider_lists() {
    let list = json!({ "data": [
        { "id": "gpt-7-old", "created": 10 }, { "id": "gpt-7-new", "created": 30 }, { "id": "gpt-7-mid", "created": 20 },
        { "id": "text-embedding-9", "created": 99 },
    ] });
    let provider = Provider::answering(move |request: &ReceivedRequest| {
        match request.head.starts_with("GET") {
            true => on("").status(200, "application/json", &list.to_string()),
            false => on("").sse(&answer_stream("Thin.")),
        }
    });
    let url = provider.base_url();
    let server = Server::with(&[("OPENAI_API_KEY", "sk-test"), ("OPENAI_BASE_URL", &url)]);
    let mut admin = server.user("admin@example.org");
    assert_eq!(admin.post("/api/llm/health-check", json!({})).status, 200);
    let body =
        json!({ "model": "gpt4o", "messages": [{ "role": "user", "content": "Is it thin?" }] });
    let answer = admin.post("/v1/chat/completions", body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        provider.requests().last().unwrap().body["model"],
        "gpt-7-new"
    );
}
