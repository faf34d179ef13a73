//! Tests the names of speakers in a chat: they are passed on to a single model with OpenAI's API format, and reported
//! as ignored in all other cases.

use serde_json::{Value, json};

use crate::reasoning::{last_request_body, server_with_format};
use crate::support::line::on;
use crate::support::provider::{Provider, ReceivedRequest};
use crate::support::script::{answer_stream, server};
use crate::upstream::{anthropic, block, message_delta, message_start};

const CHAT_PATH: &str = "/v1/chat/completions";

fn chat_request(model: &str) -> Value {
    json!({ "model": model, "messages": [
        { "role": "system", "content": "Two people ask." },
        { "role": "user", "name": "Ada", "content": "Is it thin?" },
        { "role": "user", "name": "Bob", "content": "Is it white?" },
    ] })
}

fn speaker_names(sent: &Value) -> Vec<&Value> {
    let turns = sent["messages"].as_array().unwrap().iter();
    turns.map(|turn| &turn["name"]).collect()
}

#[test]
fn speaker_names_are_forwarded_to_a_single_openai_model() {
    let provider = Provider::answering(|_: &ReceivedRequest| on("").sse(&answer_stream("Thin.")));
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let answer = client.post(CHAT_PATH, chat_request("p/any"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-quire-ignored"), "");
    let sent_body = last_request_body(&provider);
    let expected = [Value::Null, json!("Ada"), json!("Bob")];
    assert_eq!(
        speaker_names(&sent_body),
        expected.iter().collect::<Vec<_>>(),
        "{sent_body}"
    );
    // The name is part of the cache key, so the answer does not come from the cache.
    let mut other = chat_request("p/any");
    other["messages"][1]["name"] = json!("Eve");
    assert_eq!(
        client.post(CHAT_PATH, other).header("x-quire-cache"),
        "miss"
    );
    for odd_name in [json!(7), json!("x".repeat(300))] {
        let mut body = chat_request("p/any");
        body["messages"][1]["name"] = odd_name;
        assert_eq!(client.post(CHAT_PATH, body).status, 400);
    }
}

#[test]
fn refused_speaker_names_are_omitted_on_retry() {
    let provider = Provider::answering(|request: &ReceivedRequest| {
        if speaker_names(&request.body)
            .iter()
            .all(|name| name.is_null())
        {
            return on("").sse(&answer_stream("Thin."));
        }
        let body = match request.model().as_str() {
            "groq" => {
                json!({ "error": { "message": "'messages.1' : for 'role:user' the following must be satisfied[('messages.1' : property 'name' is unsupported)]", "type": "invalid_request_error" } })
            }
            "mistral" => {
                json!({ "detail": [{ "type": "extra_forbidden", "loc": ["body", "messages", 1, "user", "name"], "msg": "Extra inputs are not permitted" }] })
            }
            _ => {
                json!({ "error": { "message": "Unknown parameter: 'messages[1].name'.", "param": "messages[1].name", "code": "unknown_parameter" } })
            }
        };
        on("").status(400, "application/json", &body.to_string())
    });
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    for model in ["p/groq", "p/mistral", "p/openai"] {
        let before = provider.requests().len();
        let answer = client.post(CHAT_PATH, chat_request(model));
        assert_eq!(answer.status, 200, "{model}: {}", answer.text());
        assert_eq!(answer.header("x-quire-ignored"), "messages.name", "{model}");
        assert_eq!(provider.requests().len(), before + 2, "{model}");
    }
}

#[test]
fn ignored_speaker_names_are_reported() {
    let provider = Provider::answering(|_: &ReceivedRequest| {
        anthropic(&[
            message_start(json!({ "input_tokens": 3 })),
            block("Thin."),
            message_delta("end_turn", json!({ "output_tokens": 2 })),
            json!({ "type": "message_stop" }),
        ])
    });
    let server = server_with_format("anthropic", &provider);
    let mut client = server.user("ada@example.com");
    let answer = client.post(CHAT_PATH, chat_request("p/any"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-quire-ignored"), "messages.name");
    // The name in a tool result is not reported as ignored, because the call contains it too.
    let mut body = chat_request("p/any");
    body["messages"] = json!([
        { "role": "user", "content": "Warm?" },
        { "role": "assistant", "content": null, "tool_calls": [{ "id": "a", "type": "function", "function": { "name": "weather", "arguments": "{}" } }] },
        { "role": "tool", "tool_call_id": "a", "name": "weather", "content": "mild" },
    ]);
    let answer = client.post(CHAT_PATH, body);
    assert_eq!(answer.header("x-quire-ignored"), "", "{}", answer.text());
}
