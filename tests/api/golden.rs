//! Compares streams with golden files, so that changes are detected before clients see them. `UPDATE_GOLDEN=1 cargo
//! test --test api golden` updates the files.

use std::path::Path;

use serde_json::{Value, json};

use crate::compatible::{key, stream_lines};
use crate::support::line::on;
use crate::support::provider::{Provider, ReceivedRequest};
use crate::support::script::{answer_stream, server, tool_call_stream, unfinished_stream};

// Masks IDs and times, which differ between runs.
fn mask_line(line: &str) -> String {
    let Some(data) = line.strip_prefix("data: ") else {
        return line.to_owned();
    };
    match serde_json::from_str::<Value>(data) {
        Ok(mut value) => {
            mask_values(&mut value);
            format!("data: {value}")
        }
        Err(_) => line.to_owned(),
    }
}

fn mask_values(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), &*value) {
                    ("created" | "created_at" | "completed_at", Value::Number(_)) => {
                        *value = json!(0)
                    }
                    ("request_id", _) => *value = json!("*"),
                    ("id" | "item_id", Value::String(text))
                        if !text.starts_with('c') || text.starts_with("chatcmpl") =>
                    {
                        let kind = text.split(['-', '_']).next().unwrap_or_default();
                        *value = json!(format!("{kind}*"));
                    }
                    _ => mask_values(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask_values),
        _ => {}
    }
}

#[test]
fn streams_match_golden_files() {
    let provider =
        Provider::answering(|request: &ReceivedRequest| match request.model().as_str() {
            "tools" => on("").sse(&tool_call_stream()),
            "whole" => on("").sse(include_str!("../data/streams/whole-openai.sse")),
            "broken" => on("").cut(&unfinished_stream("It is ")),
            _ => on("").sse(&answer_stream("It is thin.")),
        });
    let server = server(&provider, &[("RETRIES", "0")]);
    let mut client = server.user("ada@example.com");
    let key = key(&mut client);
    let user = json!([{ "role": "user", "content": "Is it thin?" }]);
    let nested = json!([{ "type": "function", "function": { "name": "weather" } }]);
    let flat = json!([{ "type": "function", "name": "weather" }]);
    let own_body = json!([{ "name": "weather", "input_schema": { "type": "object" } }]);
    for (name, path, body) in [
        (
            "chat",
            "/v1/chat/completions",
            json!({ "model": "p/any", "messages": user, "stream_options": { "include_usage": true } }),
        ),
        (
            "chat-tools",
            "/v1/chat/completions",
            json!({ "model": "p/tools", "messages": user, "tools": nested }),
        ),
        (
            "chat-broken",
            "/v1/chat/completions",
            json!({ "model": "p/broken", "messages": user }),
        ),
        (
            "chat-whole",
            "/v1/chat/completions",
            json!({ "model": "p/whole", "messages": user, "tools": nested, "include_reasoning": true, "stream_options": { "include_usage": true } }),
        ),
        (
            "responses-whole",
            "/v1/responses",
            json!({ "model": "p/whole", "input": "Is it thin?", "tools": flat }),
        ),
        (
            "messages-whole",
            "/v1/messages",
            json!({ "model": "p/whole", "max_tokens": 99, "messages": user, "tools": own_body }),
        ),
        (
            "responses",
            "/v1/responses",
            json!({ "model": "p/any", "input": "Is it thin?" }),
        ),
        (
            "responses-tools",
            "/v1/responses",
            json!({ "model": "p/tools", "input": "Is it thin?", "tools": flat }),
        ),
        (
            "responses-broken",
            "/v1/responses",
            json!({ "model": "p/broken", "input": "Is it thin?" }),
        ),
        (
            "messages",
            "/v1/messages",
            json!({ "model": "p/any", "max_tokens": 99, "messages": user }),
        ),
        (
            "messages-tools",
            "/v1/messages",
            json!({ "model": "p/tools", "max_tokens": 99, "messages": user, "tools": own_body }),
        ),
        (
            "messages-broken",
            "/v1/messages",
            json!({ "model": "p/broken", "max_tokens": 99, "messages": user }),
        ),
    ] {
        let mut body = body;
        body["stream"] = json!(true);
        let (_, response) = stream_lines(&server, &key, path, &body);
        // The text is split into pieces at random.
        let response: Vec<String> = response.iter().map(|line| mask_line(line)).collect();
        let response = merge_deltas(response).join("\n") + "\n";
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/golden/{name}.sse"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&file, &response).unwrap();
        }
        let golden_text = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(
            response, golden_text,
            "{name}: look at it, then UPDATE_GOLDEN=1"
        );
    }
}

// Merges consecutive pieces of text. The numbers of the events after them are not compared.
fn merge_deltas(response: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut open: Option<Value> = None;
    let close = |open: &mut Option<Value>, out: &mut Vec<String>| {
        if let Some(value) = open.take() {
            out.push(format!("data: {value}"));
        }
    };
    for line in response {
        if line.starts_with("event: ") && open.is_some() && out.last() == Some(&line) {
            continue;
        }
        let mut value: Value = line
            .strip_prefix("data: ")
            .and_then(|data| serde_json::from_str(data).ok())
            .unwrap_or_default();
        if let Some(fields) = value.as_object_mut() {
            fields.remove("sequence_number");
        }
        let place = ["/choices/0/delta/content", "/delta/text", "/delta"];
        let place = place.into_iter().find(|place| {
            value
                .pointer(place)
                .is_some_and(|text| text.as_str().is_some_and(|text| !text.is_empty()))
        });
        match (place, &mut open) {
            (Some(place), Some(before)) if before.pointer(place).is_some_and(Value::is_string) => {
                let extra = value
                    .pointer(place)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned();
                if let Some(text) = before.pointer_mut(place) {
                    *text = json!(format!("{}{extra}", text.as_str().unwrap_or_default()));
                }
            }
            (Some(_), _) => {
                close(&mut open, &mut out);
                open = Some(value);
            }
            (None, _) => {
                close(&mut open, &mut out);
                out.push(if value.is_object() {
                    format!("data: {value}")
                } else {
                    line
                });
            }
        }
    }
    close(&mut open, &mut out);
    out
}
