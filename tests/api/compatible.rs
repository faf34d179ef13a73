//! Tests the APIs that are compatible with OpenAI's and Anthropic's: the requests of their clients, and the responses.

use std::io::{BufReader, Read, Write};

use serde_json::{Value, json};

use crate::support::line::on;
use crate::support::provider::{Provider, ReceivedRequest};
use crate::support::script::{answer_stream, server, unfinished_stream};
use crate::support::{Client, Server};

/// Starts a provider that answers with a summary of the request that it received.
fn echo_provider() -> Provider {
    Provider::answering(|request: &ReceivedRequest| match request.model().as_str() {
        "broken" => on("").cut(&unfinished_stream("It is ")),
        "busy" => on("")
            .header("retry-after", "1")
            .status(429, "application/json", "{}"),
        "refused" => on("").status(
            400,
            "application/json",
            "{\"error\":{\"message\":\"too hot\"}}",
        ),
        _ => on("").sse(&answer_stream("It is thin.")),
    })
}

pub fn key(client: &mut Client) -> String {
    let created = client
        .post("/api/users/me/api-keys", json!({ "name": "sdk" }))
        .json();
    created["key"].as_str().unwrap().to_owned()
}

/// Sends a request, and returns the head of the response and the lines of its stream without keep-alives.
pub fn stream_lines(server: &Server, key: &str, path: &str, body: &Value) -> (String, Vec<String>) {
    let body = body.to_string();
    let mut socket = server.connect();
    write!(
        socket,
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut text = String::new();
    BufReader::new(socket).read_to_string(&mut text).unwrap();
    let (head, rest) = text.split_once("\r\n\r\n").unwrap();
    // In chunked encoding, the size of each chunk is on a separate line.
    let is_size =
        |line: &&str| !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_hexdigit());
    let stream_rows = rest.lines().map(|line| line.trim_end_matches('\r'));
    let saved = stream_rows.filter(|line| !line.is_empty() && *line != ":" && !is_size(line));
    (head.to_owned(), saved.map(str::to_owned).collect())
}

pub fn data_objects(lines: &[String]) -> Vec<Value> {
    let data = lines.iter().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|line| *line != "[DONE]")
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn chat_request(model: &str) -> Value {
    json!({ "model": model, "messages": [
        { "role": "system", "content": "Be brief." },
        { "role": "user", "content": "What is a quire?" },
        { "role": "assistant", "content": "Paper." },
        { "role": "user", "content": "Is it thin?" },
    ] })
}

#[test]
fn a_single_model_receives_the_request_unchanged() {
    let provider = echo_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let mut body = chat_request("p/any");
    body["logit_bias"] = json!({ "50256": -100 });
    body["max_completion_tokens"] = json!(77);
    let answer = client.post("/v1/chat/completions", body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let response = answer.json();
    assert_eq!(response["object"], "chat.completion");
    assert_eq!(response["choices"][0]["message"]["content"], "It is thin.");
    assert_eq!(response["choices"][0]["finish_reason"], "stop");
    assert_eq!(response["choices"][0]["message"]["refusal"], Value::Null);
    assert_eq!(response["usage"]["total_tokens"], 18);
    assert_eq!(answer.header("x-quire-ignored"), "");
    assert_eq!(answer.header("x-quire-panel"), "p/any");
    let requests = provider.requests();
    let sent_body = &requests.last().unwrap().body;
    let roles: Vec<_> = sent_body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["role"].clone())
        .collect();
    assert_eq!(
        roles,
        ["system", "user", "assistant", "user"],
        "{sent_body}"
    );
    assert_eq!(sent_body["messages"][0]["content"], "Be brief.");
    assert_eq!(sent_body["logit_bias"]["50256"], -100, "{sent_body}");
    assert_eq!(sent_body["messages"][3]["content"], "Is it thin?");
    assert!(
        sent_body["max_tokens"] == 77 || sent_body["max_completion_tokens"] == 77,
        "{sent_body}"
    );
    // A relayed call is not stored as an analysis of the user.
    assert_eq!(client.get("/api/analyses").json()["analyses"], json!([]));
}

#[test]
fn streams_follow_the_openai_protocol() {
    let provider = echo_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let key = key(&mut client);
    for (model, usage) in [("p/any", true), ("p/any", false), ("quire/gut", true)] {
        let mut body = chat_request(model);
        body["stream"] = json!(true);
        body["stream_options"] = json!({ "include_usage": usage });
        let (head, lines) = stream_lines(&server, &key, "/v1/chat/completions", &body);
        assert!(
            head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"),
            "{head}"
        );
        assert!(
            head.contains("x-accel-buffering: no") && head.contains("x-quire-analysis"),
            "{head}"
        );
        assert_eq!(lines.last().unwrap(), "data: [DONE]", "{lines:?}");
        assert!(
            lines.iter().all(|line| line.starts_with("data: ")),
            "{lines:?}"
        );
        let chunks = data_objects(&lines);
        assert_eq!(
            chunks[0]["choices"][0]["delta"],
            json!({ "role": "assistant", "content": "" })
        );
        let ends = chunks
            .iter()
            .filter(|chunk| chunk["choices"][0]["finish_reason"].is_string());
        assert_eq!(ends.count(), 1);
        let empty = chunks
            .iter()
            .filter(|chunk| chunk["choices"] == json!([]))
            .count();
        assert_eq!(empty, usize::from(usage));
        for chunk in &chunks {
            assert_eq!(
                (&chunk["id"], &chunk["model"]),
                (&chunks[0]["id"], &json!(model))
            );
            assert_eq!(chunk["object"], "chat.completion.chunk");
            assert_eq!(chunk.get("usage").is_some(), chunk["choices"] == json!([]));
        }
        let text: String = chunks
            .iter()
            .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
            .collect();
        let expected = if model == "p/any" {
            "It is thin."
        } else {
            "## Answer"
        };
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn an_interrupted_stream_ends_with_an_error() {
    let provider = echo_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let key = key(&mut client);
    let mut body = chat_request("p/broken");
    body["stream"] = json!(true);
    let (_, lines) = stream_lines(&server, &key, "/v1/chat/completions", &body);
    assert!(
        !lines.iter().any(|line| line.contains("[DONE]")),
        "{lines:?}"
    );
    assert!(
        data_objects(&lines).last().unwrap()["error"]["message"].is_string(),
        "{lines:?}"
    );
}

#[test]
fn the_other_two_shapes_and_a_responses_body_on_the_chat_route() {
    let provider = echo_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let key = key(&mut client);
    let body = json!({ "model": "p/any", "input": "Is it thin?", "instructions": "Be brief." });
    let response = client.post("/v1/responses", body.clone()).json();
    assert_eq!(
        (&response["object"], &response["status"]),
        (&json!("response"), &json!("completed"))
    );
    assert_eq!(response["output"][0]["content"][0]["text"], "It is thin.");
    let response = client.post("/v1/chat/completions", body.clone()).json();
    assert_eq!(response["choices"][0]["message"]["content"], "It is thin.");
    let mut streamed = body;
    streamed["stream"] = json!(true);
    let (_, events) = stream_lines(&server, &key, "/v1/responses", &streamed);
    let all = data_objects(&events);
    assert_eq!(all[0]["type"], "response.created");
    assert_eq!(all.last().unwrap()["type"], "response.completed");
    for (number, event) in all.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
    let body = json!({ "model": "p/any", "max_tokens": 50, "messages": [{ "role": "user", "content": "Is it thin?" }] });
    let response = client.post("/v1/messages", body.clone()).json();
    assert_eq!(response["content"][0]["text"], "It is thin.");
    assert_eq!(
        (
            &response["stop_reason"],
            &response["usage"]["output_tokens"]
        ),
        (&json!("end_turn"), &json!(7))
    );
    let mut streamed = body.clone();
    streamed["stream"] = json!(true);
    let (_, events) = stream_lines(&server, &key, "/v1/messages", &streamed);
    assert_eq!(events[0], "event: message_start");
    assert_eq!(events[events.len() - 2], "event: message_stop");
    let count = client.post("/v1/messages/count_tokens", body).json();
    assert!(count["input_tokens"].as_u64().unwrap() > 3, "{count}");
}

#[test]
fn refusals_are_those_that_their_clients_know() {
    let provider = echo_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    for (model, status, code) in [
        ("nobody/x", 404, json!("model_not_found")),
        ("quire/nothing", 404, json!("model_not_found")),
        ("p/refused", 400, Value::Null),
    ] {
        let answer = client.post("/v1/chat/completions", chat_request(model));
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (status, &code),
            "{}",
            answer.text()
        );
        assert_eq!(
            answer.json().as_object().unwrap().len(),
            1,
            "{}",
            answer.text()
        );
    }
    let busy = client.post("/v1/chat/completions", chat_request("p/busy"));
    assert_eq!(busy.status, 429, "{}", busy.text());
    assert!(busy.header("retry-after").parse::<u64>().unwrap() >= 1);
    let mut anonymous = server.client();
    let answer = anonymous.post("/v1/chat/completions", chat_request("p/any"));
    assert_eq!(
        (answer.status, &answer.json()["error"]["code"]),
        (401, &json!("invalid_api_key"))
    );
    let answer = anonymous.post("/v1/messages", json!({}));
    assert_eq!(
        (answer.status, &answer.json()["type"]),
        (401, &json!("error"))
    );
    let answer = client.post("/v1/messages", json!({ "model": "p/any", "messages": [] }));
    assert_eq!(
        (answer.status, &answer.json()["error"]["type"]),
        (400, &json!("invalid_request_error"))
    );
    let answer = client.post("/v1/nowhere", json!({}));
    assert!(
        answer.status == 404 && answer.json()["error"]["message"].is_string(),
        "{}",
        answer.text()
    );
}

#[test]
fn a_client_that_leaves_stops_the_call() {
    let provider = Provider::script([on("slow").hang()]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let key = key(&mut client);
    let mut body = chat_request("p/slow");
    body["stream"] = json!(true);
    let body = body.to_string();
    let mut socket = server.connect();
    write!(
        socket,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    // The server has not sent the response head yet, because it waits for the first token.
    provider.wait_called("slow");
    drop(socket);
    provider.wait_for_disconnect("slow");
}

#[test]
fn models_patterns_and_recipes_are_names() {
    let server = Server::start();
    let mut client = server.user("ada@example.com");
    client.post(
        "/api/recipes",
        json!({ "name": "My brief", "pattern": "gut", "models": ["demo/extract"] }),
    );
    let list = client.get("/v1/models").json();
    let ids: Vec<&str> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap())
        .collect();
    for id in ["demo/extract", "quire/critique", "quire/My brief"] {
        assert!(ids.contains(&id), "{ids:?}");
    }
    assert_eq!(
        client.get("/v1/models/quire/critique").json()["owned_by"],
        "quire"
    );
    assert_eq!(client.get("/v1/models/quire%2FMy%20brief").status, 200);
    let answer = client.get("/v1/models/none");
    assert_eq!(
        (answer.status, &answer.json()["error"]["code"]),
        (404, &json!("model_not_found"))
    );
    for model in ["quire/My brief", "quire/gut:My brief", "demo/extract"] {
        let answer = client.post("/v1/chat/completions", chat_request(model));
        assert_eq!(answer.status, 200, "{model}: {}", answer.text());
        assert_eq!(answer.json()["model"], model);
    }
}

#[test]
fn a_request_that_is_sent_again_under_its_key_is_answered_once() {
    let provider = echo_provider();
    let server = server(&provider, &[("CACHE_TTL", "0")]);
    let client = server.user("ada@example.com");
    let send = |key: &str, body: Value| {
        let mut client = client.clone().with("idempotency-key", key);
        client.post("/v1/chat/completions", body)
    };
    let first = send("one", chat_request("p/any"));
    let second = send("one", chat_request("p/any"));
    assert_eq!(
        (first.status, second.status),
        (200, 200),
        "{}",
        second.text()
    );
    assert_eq!(first.text(), second.text());
    assert_eq!(second.header("idempotent-replayed"), "true");
    assert_eq!(
        first.header("x-quire-analysis"),
        second.header("x-quire-analysis")
    );
    assert_eq!(provider.requests().len(), 1);
    let other = send("one", chat_request("p/other"));
    assert_eq!(other.status, 400, "{}", other.text());
    assert_eq!(send("two", chat_request("p/any")).status, 200);
    assert_eq!(provider.requests().len(), 2);
    // The result of a failed call is not stored for its key, so the call is repeated.
    for _ in 0..2 {
        assert_eq!(send("three", chat_request("p/refused")).status, 400);
    }
    assert_eq!(provider.requests().len(), 4);
    assert_eq!(send("a b", chat_request("p/any")).status, 400);
}
