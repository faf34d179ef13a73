//! Tests required answer formats. The JSON schemas of client libraries are accepted unchanged. An answer that does not
//! match is corrected once or refused, both from one model and from a panel.

use serde_json::{Value, json};

use crate::support::line::on;
use crate::support::provider::{Provider, ReceivedRequest};
use crate::support::script::{answer_stream, server, short_run_with};

/// Returns the schema that pydantic generates for a class with a reference, a pattern, and a union.
fn invoice_schema() -> Value {
    json!({ "type": "json_schema", "json_schema": { "name": "invoice", "schema": {
        "$defs": { "Line": {
            "properties": { "sku": { "pattern": "^[A-Z]{2}$", "type": "string" }, "count": { "type": "integer" } },
            "required": ["sku", "count"], "title": "Line", "type": "object",
        } },
        "properties": {
            "lines": { "items": { "$ref": "#/$defs/Line" }, "type": "array" },
            "note": { "anyOf": [{ "type": "string" }, { "type": "null" }], "default": null },
            "kind": { "oneOf": [{ "const": "in" }, { "const": "out" }] },
            "total": { "allOf": [{ "type": "number" }, { "minimum": 0 }] },
        },
        "required": ["lines"], "title": "Invoice", "type": "object",
    } } })
}

const VALID_ANSWER: &str = "{\"lines\": [{\"sku\": \"AB\", \"count\": 2}], \"kind\": \"in\"}";
const INVALID_ANSWER: &str = "{\"lines\": [{\"sku\": \"ab\", \"count\": 2}]}";

fn ask_body(model: &str, extra_fields: Value) -> Value {
    let mut body = json!({
        "model": model, "response_format": invoice_schema(),
        "messages": [{ "role": "user", "content": "Read the invoice." }],
    });
    for (name, value) in extra_fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// Starts a provider whose model `good` answers correctly, `fenced` adds words around the answer, `learns` succeeds on
/// the second attempt, and `never` fails. Only calls that require the format are answered like this; panel members
/// write prose.
fn structured_provider() -> Provider {
    Provider::answering(|request: &ReceivedRequest| {
        let body = request.body.to_string();
        let is_retry = body.contains("That does not match the requested format");
        if request.body["response_format"].is_null() {
            return on("").sse(&answer_stream("It lists two pieces."));
        }
        match request.model().as_str() {
            "good" => on("").sse(&answer_stream(VALID_ANSWER)),
            "fenced" => on("").sse(&answer_stream(&format!(
                "Here it is:\n```json\n{VALID_ANSWER}\n```\nDone."
            ))),
            "learns" if is_retry => on("").sse(&answer_stream(VALID_ANSWER)),
            "learns" => on("").sse(&answer_stream(INVALID_ANSWER)),
            _ => on("").sse(&answer_stream("It lists two pieces.")),
        }
    })
}

#[test]
fn one_model_keeps_to_a_schema_that_a_library_wrote() {
    let provider = structured_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    for model in ["p/good", "p/fenced", "p/learns"] {
        let answer = client.post("/v1/chat/completions", ask_body(model, json!({})));
        assert_eq!(answer.status, 200, "{model}: {}", answer.text());
        // The surrounding words have been removed.
        assert_eq!(
            answer.json()["choices"][0]["message"]["content"],
            VALID_ANSWER,
            "{model}"
        );
    }
    let sent_schema = &provider.requests()[0].body["response_format"]["json_schema"];
    assert_eq!(
        sent_schema["schema"],
        invoice_schema()["json_schema"]["schema"],
        "{sent_schema}"
    );
    assert_eq!(
        sent_schema["strict"], false,
        "the vendor's strict mode would refuse it"
    );
    let answer = client.post("/v1/chat/completions", ask_body("p/never", json!({})));
    assert_eq!(answer.status, 502, "{}", answer.text());
}

#[test]
fn schemas_that_cannot_be_used_are_refused_before_anything_is_spent() {
    let provider = structured_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    for schema in [
        json!({ "type": "array" }),
        json!({ "$ref": "https://schemas.example/invoice.json" }),
        json!({ "type": "object", "properties": { "a": { "type": "txt" } } }),
    ] {
        let format =
            json!({ "type": "json_schema", "json_schema": { "name": "a", "schema": schema } });
        let body = ask_body("p/good", json!({ "response_format": format }));
        let answer = client.post("/v1/chat/completions", body);
        assert!(matches!(answer.status, 400 | 422), "{}", answer.text());
    }
    assert!(provider.requests().is_empty());
}

#[test]
fn a_panel_keeps_to_the_schema_or_fails() {
    let provider = structured_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let recipe = |writer: &str| {
        json!({
            "name": format!("by-{writer}"), "pattern": "summarize", "models": ["p/good", "p/learns"],
            "ultra_model": format!("p/{writer}"),
        })
    };
    for writer in ["good", "learns"] {
        let created = client.post("/api/recipes", recipe(writer));
        assert!(matches!(created.status, 200 | 201), "{}", created.text());
    }
    for writer in ["good", "learns"] {
        let body = ask_body(&format!("quire/by-{writer}"), json!({}));
        let answer = client.post("/v1/chat/completions", body);
        assert_eq!(answer.status, 200, "{writer}: {}", answer.text());
        assert_eq!(
            answer.json()["choices"][0]["message"]["content"],
            VALID_ANSWER
        );
    }
}

#[test]
fn an_answer_in_the_wrong_format_is_an_error() {
    // Every model that could write the answer replies with prose, which does not match the required format.
    let provider = Provider::answering(|_: &ReceivedRequest| {
        on("").sse(&answer_stream("It lists two pieces."))
    });
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let body = ask_body("quire/summarize", json!({ "models": ["p/a", "p/b"] }));
    let answer = client.post("/v1/chat/completions", body);
    assert_eq!(answer.status, 502, "{}", answer.text());
    let extra = json!({ "response_format": invoice_schema(), "ultra_model": "p/a" });
    let answer = client.post("/api/analyze", short_run_with(&["p/a", "p/b"], extra));
    assert_ne!(answer.status, 200, "{}", answer.text());
    // The answer is determined by counting votes, so no model could write it in the format.
    let body = ask_body("quire/vote", json!({ "models": ["p/a", "p/b"] }));
    let answer = client.post("/v1/chat/completions", body);
    assert!(matches!(answer.status, 400 | 422), "{}", answer.text());
}

#[test]
fn the_list_of_models_chooses_a_panel() {
    let provider = structured_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let body = json!({
        "model": "quire/summarize", "models": ["p/one", "p/two"],
        "messages": [{ "role": "user", "content": "Is it thin?" }],
    });
    let answer = client.post("/v1/chat/completions", body.clone());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-quire-panel"), "p/one, p/two");
    assert_eq!(answer.header("x-quire-ignored"), "");
    for wrong in [json!("p/one"), json!([1]), json!([])] {
        let mut body = body.clone();
        body["models"] = wrong;
        let answer = client.post("/v1/chat/completions", body);
        assert!(matches!(answer.status, 400 | 422), "{}", answer.text());
        assert!(answer.text().contains("models"), "{}", answer.text());
    }
}
