//! Tests clients' prompt-cache markers. Providers with Anthropic's format receive them at the same positions; for all
//! other providers, they are listed in `x-quire-ignored`.

use serde_json::{Value, json};

use crate::reasoning::{last_request_body, server_with_format};
use crate::support::line::on;
use crate::support::provider::{Provider, ReceivedRequest};
use crate::support::script::{answer_stream, server};
use crate::upstream::{anthropic, block, message_delta, message_start};

fn answering_provider() -> Provider {
    Provider::answering(|_: &ReceivedRequest| {
        anthropic(&[
            message_start(json!({ "input_tokens": 3 })),
            block("Thin."),
            message_delta("end_turn", json!({ "output_tokens": 2 })),
            json!({ "type": "message_stop" }),
        ])
    })
}

fn cache_mark() -> Value {
    json!({ "type": "ephemeral" })
}

fn long_text_block() -> Value {
    json!({ "type": "ephemeral", "ttl": "1h" })
}

fn text_block(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn with_cache_mark(mut block: Value, mark: Value) -> Value {
    block["cache_control"] = mark;
    block
}

fn answer_message() -> Value {
    let document = json!({ "type": "document", "title": "Sheet", "source": { "type": "text", "media_type": "text/plain", "data": "80 g/m²" } });
    let call = json!({ "type": "tool_use", "id": "t1", "name": "weigh", "input": {} });
    let result = json!({ "type": "tool_result", "tool_use_id": "t1", "content": "3 g" });
    json!({
        "model": "p/mine", "max_tokens": 900,
        "system": [with_cache_mark(text_block("Be exact."), long_text_block()), text_block("It is Monday.")],
        "tools": [with_cache_mark(json!({ "name": "weigh", "input_schema": { "type": "object" } }), cache_mark())],
        "messages": [
            { "role": "user", "content": [with_cache_mark(document, cache_mark()), text_block("Is it thin?")] },
            { "role": "assistant", "content": [with_cache_mark(call, cache_mark())] },
            { "role": "user", "content": [with_cache_mark(result, cache_mark()), text_block("And now?")] },
        ],
    })
}

#[test]
fn marks_reach_a_vendor_of_anthropics_format_where_they_were_set() {
    let provider = answering_provider();
    let server = server_with_format("anthropic", &provider);
    let mut client = server.user("ada@example.com");
    let answer = client.post("/v1/messages", answer_message());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-quire-ignored"), "");
    let sent_body = last_request_body(&provider);
    let system = json!([
        with_cache_mark(text_block("Be exact."), long_text_block()),
        text_block("It is Monday.")
    ]);
    assert_eq!(sent_body["system"], system, "{sent_body}");
    assert_eq!(
        sent_body["tools"][0]["cache_control"],
        cache_mark(),
        "{sent_body}"
    );
    let turns = &sent_body["messages"];
    let first = turns[0]["content"].as_array().unwrap();
    assert_eq!(first.len(), 2, "{sent_body}");
    assert!(first[0]["text"].as_str().unwrap().contains("80 g/m²"));
    assert_eq!(first[0]["cache_control"], cache_mark(), "{sent_body}");
    assert_eq!(first[1], text_block("Is it thin?"), "{sent_body}");
    assert_eq!(
        turns[1]["content"][0]["cache_control"],
        cache_mark(),
        "{sent_body}"
    );
    assert_eq!(
        turns[2]["content"][0]["cache_control"],
        cache_mark(),
        "{sent_body}"
    );
    assert_eq!(
        turns[2]["content"][1],
        text_block("And now?"),
        "{sent_body}"
    );
    // In the chat API, the markers are in the parts of the content.
    let body = json!({ "model": "p/mine", "messages": [
        { "role": "system", "content": [with_cache_mark(text_block("Be exact."), cache_mark())] },
        { "role": "user", "content": "Is it thin?" },
    ] });
    let answer = client.post("/v1/chat/completions", body);
    assert_eq!(answer.header("x-quire-ignored"), "", "{}", answer.text());
    let sent_body = last_request_body(&provider);
    let system = json!([with_cache_mark(text_block("Be exact."), cache_mark())]);
    assert_eq!(sent_body["system"], system, "{sent_body}");
}

#[test]
fn marks_are_named_where_no_vendor_takes_them() {
    let provider = Provider::answering(|_: &ReceivedRequest| on("").sse(&answer_stream("Thin.")));
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let answer = client.post("/v1/messages", answer_message());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-quire-ignored"), "cache_control");
    let sent_body = last_request_body(&provider).to_string();
    assert!(!sent_body.contains("cache_control"), "{sent_body}");
    let mut odd_message = answer_message();
    odd_message["system"][0]["cache_control"] = json!("ephemeral");
    assert_eq!(client.post("/v1/messages", odd_message).status, 400);
}

#[test]
fn refused_cache_marks_are_omitted_on_retry() {
    let provider = Provider::answering(|request: &ReceivedRequest| {
        match request.body.to_string().contains("cache_control") {
            true => {
                let words = "system.0.cache_control: Extra inputs are not permitted";
                let error = json!({ "type": "invalid_request_error", "message": words });
                let body = json!({ "type": "error", "error": error }).to_string();
                on("").status(400, "application/json", &body)
            }
            false => anthropic(&[
                message_start(json!({ "input_tokens": 3 })),
                block("Thin."),
                message_delta("end_turn", json!({ "output_tokens": 2 })),
                json!({ "type": "message_stop" }),
            ]),
        }
    });
    let server = server_with_format("anthropic", &provider);
    let mut client = server.user("ada@example.com");
    let answer = client.post("/v1/messages", answer_message());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-quire-ignored"), "cache_control");
}
