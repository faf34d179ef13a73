//! Tests unusual requests that public clients send to a compatible server, and what the provider receives in each case.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::compatible::{data_objects, key, stream_lines};
use crate::support::line::on;
use crate::support::provider::{Provider, ReceivedRequest};
use crate::support::script::{answer_stream, server};

/// Starts a provider whose models give the same answer to every request. The tests inspect the requests that it
/// receives.
pub fn plain_provider() -> Provider {
    Provider::answering(|_: &ReceivedRequest| on("").sse(&answer_stream("It is thin.")))
}

pub fn user_message() -> Value {
    json!([{ "role": "user", "content": "Is it thin?" }])
}

pub fn chat_request(extra_fields: Value) -> Value {
    merge_objects(
        json!({ "model": "p/any", "messages": user_message() }),
        extra_fields,
    )
}

pub fn merge_objects(mut body: Value, extra_fields: Value) -> Value {
    for (name, value) in extra_fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

pub fn last_request_body(provider: &Provider) -> Value {
    provider.requests().last().unwrap().body.clone()
}

#[test]
fn empty_fields_are_treated_as_absent() {
    let provider = plain_provider();
    let server = server(&provider, &[("CACHE_TTL", "0")]);
    let mut client = server.user("ada@example.com");
    for (more, sent) in [
        (json!({ "max_tokens": -1 }), Value::Null),
        (
            json!({ "max_tokens": -1.0, "max_completion_tokens": null }),
            Value::Null,
        ),
        (json!({ "max_tokens": 256.0 }), json!(256)),
        (
            json!({ "functions": [], "function_call": null, "tools": [], "stop": [] }),
            Value::Null,
        ),
        (
            json!({ "temperature": null, "n": null, "stream": null, "user": null, "x": null }),
            Value::Null,
        ),
    ] {
        let answer = client.post("/v1/chat/completions", chat_request(more.clone()));
        assert_eq!(answer.status, 200, "{more}: {}", answer.text());
        assert!(!answer.headers.contains_key("x-quire-ignored"), "{more}");
        let body = last_request_body(&provider);
        assert_eq!(body["max_tokens"], sent, "{more}: {body}");
        assert!(body["tools"].is_null(), "{more}: {body}");
    }
    let messages = json!({ "model": "p/any", "max_tokens": -1, "messages": user_message() });
    let answer = client.post("/v1/messages", messages);
    assert_eq!(
        answer.status,
        400,
        "Anthropic needs a limit: {}",
        answer.text()
    );
}

#[test]
fn conversations_end_as_vendors_let_them_end() {
    let provider = plain_provider();
    let server = server(&provider, &[("CACHE_TTL", "0")]);
    let mut client = server.user("ada@example.com");
    let message = |role: &str, content: Value| json!({ "role": role, "content": content });
    let picture = json!([{ "type": "text", "text": "" }]);
    for (messages, roles) in [
        (
            json!([
                message("user", json!("a")),
                message("assistant", json!("The answer is"))
            ]),
            vec!["user", "assistant"],
        ),
        (
            json!([message("system", json!("You greet."))]),
            vec!["system"],
        ),
        (
            json!([
                message("user", json!("a")),
                message("assistant", Value::Null),
                message("user", json!("b"))
            ]),
            vec!["user", "assistant", "user"],
        ),
    ] {
        let answer = client.post(
            "/v1/chat/completions",
            chat_request(json!({ "messages": messages })),
        );
        assert_eq!(answer.status, 200, "{messages}: {}", answer.text());
        let body = last_request_body(&provider);
        let sent_roles: Vec<_> = body["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["role"].clone())
            .collect();
        assert_eq!(sent_roles, roles);
    }
    for messages in [
        json!([]),
        json!([message("user", json!(""))]),
        json!([message("user", picture)]),
        json!([message("user", json!([{ "type": "text", "text": null }]))]),
    ] {
        let answer = client.post(
            "/v1/chat/completions",
            chat_request(json!({ "messages": messages })),
        );
        assert_eq!(
            (answer.status, answer.json()["error"]["param"].clone()),
            (400, json!("messages")),
            "{messages}"
        );
    }
    // A panel needs a question, so the system message becomes a part of the question.
    let body = json!({ "model": "quire/gut", "messages": [message("user", json!("What is it?")), message("assistant", json!("It is a"))] });
    let answer = client.post("/v1/chat/completions", body);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn body_may_have_a_byte_order_mark_or_compression() {
    let provider = plain_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let text = chat_request(json!({})).to_string();
    let marked_body = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    let answer = client.send(
        "POST",
        "/v1/chat/completions",
        Some(("application/json", &marked_body)),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    for (encoding, bytes, status) in [
        ("gzip", packed.as_slice(), 200),
        ("identity", text.as_bytes(), 200),
        ("gzip", text.as_bytes(), 400),
        ("br", text.as_bytes(), 415),
    ] {
        let mut client = client.clone().with("content-encoding", encoding);
        let answer = client.send(
            "POST",
            "/v1/chat/completions",
            Some(("application/json", bytes)),
        );
        assert_eq!(answer.status, status, "{encoding}: {}", answer.text());
    }
}

#[test]
fn addresses_and_keys_as_clients_write_them() {
    let provider = plain_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    for path in [
        "/v1/chat/completions/",
        "//v1/chat/completions",
        "/v1//chat/completions",
        "/chat/completions",
    ] {
        let answer = client.post(path, chat_request(json!({})));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    for (path, right) in [
        ("/v1/v1/chat/completions", "/v1/chat/completions"),
        ("/api/v1/chat/completions", "/v1/chat/completions"),
        ("/openai/v1/responses", "/v1/responses"),
        ("/v1/moderations", "/v1/embeddings"),
        ("/v1/audio/transcriptions", "/v1/embeddings"),
    ] {
        let answer = client.post(path, json!({}));
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status, &error["code"]),
            (404, &json!("unknown_url")),
            "{path}: {}",
            answer.text()
        );
        let why = error["message"].as_str().unwrap();
        assert!(why.contains(path) && why.contains(right), "{why}");
    }
    let mut anthropic = client.clone().with("anthropic-version", "2023-06-01");
    let answer = anthropic.post("/v1/v1/messages", json!({}));
    assert_eq!(
        answer.json()["error"]["type"],
        "not_found_error",
        "{}",
        answer.text()
    );
    let answer = client.get("/v1/chat/completions");
    assert_eq!(
        (answer.status, answer.header("allow")),
        (405, "POST, OPTIONS")
    );
    assert!(
        answer.json()["error"]["message"].is_string(),
        "{}",
        answer.text()
    );
    let created = key(&mut client);
    for name in ["x-api-key", "api-key", "x-goog-api-key"] {
        assert_eq!(
            server
                .client()
                .with(name, &created)
                .get("/v1/models")
                .status,
            200,
            "{name}"
        );
        assert_eq!(
            server
                .client()
                .with(name, "quire_wrong")
                .get("/v1/models")
                .status,
            401,
            "{name}"
        );
    }
}

#[test]
fn legacy_functions_are_called_and_answered_in_their_own_form() {
    let provider = Provider::answering(|request: &ReceivedRequest| {
        let messages = request.body["messages"].as_array().unwrap();
        match messages.iter().any(|message| message["role"] == "tool") {
            true => on("").sse(&answer_stream("It is warm.")),
            false => on("").sse(&crate::support::script::tool_call_stream()),
        }
    });
    let server = server(&provider, &[("CACHE_TTL", "0")]);
    let mut client = server.user("ada@example.com");
    let functions = json!([{ "name": "weather", "parameters": { "type": "object" } }]);
    let mut body = chat_request(json!({ "functions": functions, "function_call": "auto" }));
    let answer = client.post("/v1/chat/completions", body.clone());
    assert_eq!(
        last_request_body(&provider)["tools"][0]["function"]["name"],
        "weather"
    );
    let choice = &answer.json()["choices"][0];
    assert_eq!(
        choice["finish_reason"],
        "function_call",
        "{}",
        answer.text()
    );
    let message = choice["message"].clone();
    assert_eq!(
        message["function_call"]["arguments"],
        "{\"place\":\"Rome\"}"
    );
    assert!(message["tool_calls"].is_null());
    let turns = body["messages"].as_array_mut().unwrap();
    turns.push(message);
    turns.push(json!({ "role": "function", "name": "weather", "content": "21" }));
    let answer = client.post("/v1/chat/completions", body.clone());
    assert_eq!(
        answer.json()["choices"][0]["message"]["content"],
        "It is warm.",
        "{}",
        answer.text()
    );
    let sent_messages = &last_request_body(&provider)["messages"];
    assert_eq!(
        sent_messages[1]["tool_calls"][0]["id"],
        sent_messages[2]["tool_call_id"]
    );
    body["messages"] = json!([{ "role": "function", "name": "other", "content": "21" }]);
    assert_eq!(client.post("/v1/chat/completions", body).status, 400);
}

#[test]
fn a_response_object_repeats_its_request() {
    let provider = plain_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let body = json!({
        "model": "p/any", "input": "Is it thin?", "instructions": "Be brief.", "temperature": 0.5,
        "metadata": { "a": "b" }, "tools": [{ "type": "function", "name": "f", "parameters": {} }],
    });
    let full = client.post("/v1/responses", body.clone()).json();
    let key = key(&mut client);
    let (_, events) = stream_lines(
        &server,
        &key,
        "/v1/responses",
        &merge_objects(body, json!({ "stream": true })),
    );
    let events = data_objects(&events);
    let (first, last) = (&events[0]["response"], &events.last().unwrap()["response"]);
    for response in [&full, first, last] {
        for (name, value) in [
            ("instructions", json!("Be brief.")),
            ("temperature", json!(0.5)),
            ("top_p", json!(1.0)),
            ("metadata", json!({ "a": "b" })),
            ("tool_choice", json!("auto")),
            ("text", json!({ "format": { "type": "text" } })),
            ("truncation", json!("disabled")),
            ("previous_response_id", Value::Null),
        ] {
            assert_eq!(response[name], value, "{name}: {response}");
        }
        assert_eq!(response["tools"][0]["name"], "f");
    }
    assert!(first["completed_at"].is_null());
    for response in [&full, last] {
        assert!(
            response["completed_at"].as_i64() >= response["created_at"].as_i64(),
            "{response}"
        );
    }
}

#[test]
fn a_message_has_every_field_of_its_schema() {
    let provider = plain_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let body = json!({ "model": "p/any", "max_tokens": 50, "messages": user_message() });
    let full = client.post("/v1/messages", body.clone()).json();
    let check_fields = |value: &Value, names: &[&str]| {
        let missing: Vec<_> = names
            .iter()
            .filter(|name| value.get(**name).is_none())
            .collect();
        assert!(missing.is_empty(), "{missing:?} are missing in {value}");
    };
    check_fields(&full, &["stop_details", "container", "stop_sequence"]);
    check_fields(&full["content"][0], &["citations"]);
    let usage = [
        "cache_creation",
        "inference_geo",
        "output_tokens_details",
        "server_tool_use",
        "service_tier",
    ];
    check_fields(&full["usage"], &usage);
    let key = key(&mut client);
    let (_, events) = stream_lines(
        &server,
        &key,
        "/v1/messages",
        &merge_objects(body, json!({ "stream": true })),
    );
    let events = data_objects(&events);
    check_fields(&events[0]["message"]["usage"], &usage);
    let delta = events
        .iter()
        .find(|event| event["type"] == "message_delta")
        .unwrap();
    check_fields(
        &delta["usage"],
        &[
            "output_tokens_details",
            "cache_read_input_tokens",
            "input_tokens",
        ],
    );
    check_fields(&delta["delta"], &["stop_details", "container"]);
}
