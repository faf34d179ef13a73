//! Tests what is charged for calls that do not end regularly, what counts against a budget before a call, and how
//! answers end when the server stops.

use std::io::Read;
use std::time::Duration;

use serde_json::{Value, json};

use crate::money::priced_server;
use crate::stream::{open_stream, read_until};
use crate::support::line::{ScriptLine, on};
use crate::support::provider::Provider;
use crate::support::script::{answer_stream, server, unfinished_stream};
use crate::support::{Client, Server};

fn chat(model: &str) -> Value {
    json!({ "model": model, "stream": true, "messages": [{ "role": "user", "content": "How thick?" }] })
}

/// Returns this many stored calls, oldest first.
fn stored_calls(client: &mut Client, count: usize) -> Vec<Value> {
    for _ in 0..1_000 {
        let list = client.get("/api/usage/calls").json();
        let calls = list["calls"].as_array().unwrap();
        if calls.len() >= count {
            return calls.iter().rev().cloned().collect();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{count} calls are not stored")
}

fn tokens(call: &Value) -> (u64, u64) {
    let usage = &call["usage"];
    let count = |name: &str| usage[name].as_u64().unwrap_or_else(|| panic!("{call}"));
    (count("input"), count("output"))
}

/// Reads a stream until this mark, and then disconnects.
fn cancel_after(server: &Server, client: &mut Client, body: &Value, path: &str, mark: &str) {
    let mut socket = open_stream(server, client, "POST", path, body);
    read_until(&mut socket, mark);
}

fn tool_arguments(pieces: usize) -> String {
    let piece = |arguments: &str| {
        let call = json!({ "index": 0, "id": "c1", "type": "function", "function": { "name": "write", "arguments": arguments } });
        let choice = json!({ "index": 0, "delta": { "tool_calls": [call] } });
        format!("data: {}\n\n", json!({ "choices": [choice] }))
    };
    piece("{\"text\":\"") + &piece(&"x".repeat(40)).repeat(pieces)
}

#[test]
fn a_broken_answer_is_charged_for_its_text_whatever_the_size_of_pieces() {
    let stream = unfinished_stream(&"a ".repeat(200));
    let pause = Duration::from_millis(1);
    let provider = Provider::script([on("words").sse_in_pieces(&stream, 200, pause)]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    client.post("/v1/chat/completions", chat("p/words"));
    let (_, output) = tokens(&stored_calls(&mut client, 1)[0]);
    assert_eq!(output, 100, "400 characters, 4 per token");
}

#[test]
fn a_cancelled_call_is_charged_for_its_tool_calls() {
    // The text comes last, so that everything before it has been received when the client sees it.
    let stream = tool_arguments(50) + &unfinished_stream("Calling. ");
    let provider = Provider::script([on("tools").stall(&stream)]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let mut body = chat("p/tools");
    body["tools"] = json!([{ "type": "function", "function": { "name": "write", "parameters": { "type": "object" } } }]);
    let mut socket = open_stream(&server, &mut client, "POST", "/v1/chat/completions", &body);
    read_until(&mut socket, "Calling.");
    drop(socket);
    let (_, output) = tokens(&stored_calls(&mut client, 1)[0]);
    assert!((500..520).contains(&output), "{output}");
}

#[test]
fn usage_that_was_reported_counts_however_the_call_ends() {
    let usage =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":900}}\n\n";
    let error = "data: {\"error\":{\"message\":\"overloaded\"}}\n\n";
    let text = unfinished_stream("It is thin. ");
    let start = json!({ "type": "message_start", "message": { "id": "m", "type": "message", "role": "assistant",
        "content": [], "model": "m", "usage": { "input_tokens": 5000, "cache_creation_input_tokens": 3000, "output_tokens": 1 } } });
    let piece = json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "It is thin." } });
    let block = json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } });
    let events = [start, block, piece].map(|event| {
        format!(
            "event: {}\ndata: {event}\n\n",
            event["type"].as_str().unwrap()
        )
    });
    let provider = Provider::script([
        on("fails").sse(&(text.clone() + usage + error)),
        on("stalls").stall(&(usage.to_owned() + &text)),
        on("claude").stall(&events.concat()),
    ]);
    let url = provider.base_url();
    let settings = [
        ("ANTHROPIC_API_KEY", "sk-a"),
        ("ANTHROPIC_BASE_URL", url.as_str()),
    ];
    let server = server(&provider, &settings);
    let mut client = server.user("ada@example.com");
    client.post("/v1/chat/completions", chat("p/fails"));
    stored_calls(&mut client, 1);
    let path = "/v1/chat/completions";
    cancel_after(&server, &mut client, &chat("p/stalls"), path, "thin");
    stored_calls(&mut client, 2);
    cancel_after(
        &server,
        &mut client,
        &chat("anthropic/claude"),
        path,
        "thin",
    );
    let calls = stored_calls(&mut client, 3);
    assert_eq!(tokens(&calls[0]), (1000, 900), "{}", calls[0]);
    assert_eq!(tokens(&calls[1]), (1000, 900), "{}", calls[1]);
    assert_eq!(tokens(&calls[2]), (8000, 3), "{}", calls[2]);
}

#[test]
fn a_complete_report_of_an_answer_without_text_is_exact() {
    let end = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\n\
               data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":900}}\n\n\
               data: [DONE]\n\n";
    let message = json!({ "role": "assistant", "content": "" });
    let whole = json!({ "choices": [{ "index": 0, "message": message, "finish_reason": "length" }],
        "usage": { "prompt_tokens": 1000, "completion_tokens": 900 } });
    let provider = Provider::script([
        on("streamed").sse(end),
        on("whole").status(200, "application/json", &whole.to_string()),
    ]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    for (count, model) in [(1, "p/streamed"), (2, "p/whole")] {
        client.post("/v1/chat/completions", chat(model));
        let call = stored_calls(&mut client, count).remove(count - 1);
        assert_eq!(tokens(&call), (1000, 900), "{call}");
        assert_eq!(call["usage"]["estimated"], false, "{call}");
    }
}

#[test]
fn everything_that_is_sent_counts_against_a_budget() {
    let image = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let image = json!({ "type": "image_url", "image_url": { "url": format!("data:image/png;base64,{image}") } });
    let long = "thin paper ".repeat(2_000);
    let schema = json!({ "type": "object", "description": long, "properties": {} });
    let provider = Provider::script([on("m").sse(&answer_stream("Thin."))]);
    let server = server(&provider, &[]);
    let (mut admin, mut owner) = (
        server.user("root@example.com"),
        server.user("ada@example.com"),
    );
    let id = owner.get("/api/users/me").json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/api/admin/users/{id}/budget");
    assert_eq!(admin.put(&path, json!({ "day_tokens": 5_000 })).status, 200);
    let ask = |owner: &mut Client, field: &str, value: Value| {
        let mut body = chat("p/m");
        (body["max_tokens"], body["stream"]) = (json!(10), json!(false));
        body[field] = value;
        owner.post("/v1/chat/completions", body).status
    };
    let images = json!([{ "role": "user", "content": [image, image, image, image] }]);
    let format = json!({ "type": "json_schema", "json_schema": { "name": "s", "schema": schema } });
    assert_eq!(ask(&mut owner, "documents", json!([{ "text": long }])), 429);
    assert_eq!(ask(&mut owner, "response_format", format), 429);
    assert_eq!(ask(&mut owner, "messages", images), 429);
    assert_eq!(ask(&mut owner, "user", json!("ada")), 200);
}

#[test]
fn everything_that_is_sent_counts_against_a_key_s_budget() {
    let provider = Provider::script([on("gpt-4o").sse(&answer_stream("Thin."))]);
    let server = priced_server(&provider, &[]);
    let mut owner = server.user("ada@example.com");
    let key = json!({ "name": "k", "budget_usd": 0.01 });
    let key = owner.post("/api/users/me/api-keys", key).json()["key"].clone();
    let key = format!("Bearer {}", key.as_str().unwrap());
    let mut client = Client::new(server.address).with("authorization", &key);
    let mut body = chat("openai/gpt-4o");
    (body["max_tokens"], body["stream"]) = (json!(16), json!(false));
    assert_eq!(
        client.post("/v1/chat/completions", body.clone()).status,
        200
    );
    // 5,500 tokens at 2.5 dollars per million.
    body["documents"] = json!([{ "text": "thin paper ".repeat(2_000) }]);
    assert_eq!(client.post("/v1/chat/completions", body).status, 429);
}

/// Reads the beginning of an answer, stops the server, and returns the rest of the response.
fn rest_after_stop(line: ScriptLine, shutdown_timeout: &str) -> String {
    let provider = Provider::script([line]);
    let server = server(&provider, &[("SHUTDOWN_TIMEOUT", shutdown_timeout)]);
    let mut client = server.user("ada@example.com");
    let path = "/v1/chat/completions";
    let mut socket = open_stream(&server, &mut client, "POST", path, &chat("p/m"));
    read_until(&mut socket, "thin");
    let stopping = std::thread::spawn(move || server.stop());
    let mut rest = Vec::new();
    // The connection may also be reset.
    let _ = socket.read_to_end(&mut rest);
    stopping.join().unwrap();
    String::from_utf8_lossy(&rest).into_owned()
}

#[test]
fn a_streamed_answer_is_completed_while_the_server_stops() {
    let stream = answer_stream(&"It is thin and light. ".repeat(10));
    let pause = Duration::from_millis(40);
    // The stop takes only as long as the answer.
    let rest = rest_after_stop(on("m").sse_in_pieces(&stream, 100, pause), "60");
    assert!(rest.contains("[DONE]"), "{rest}");
    assert!(rest.ends_with("0\r\n\r\n"), "{rest}");
}

#[test]
fn a_streamed_answer_that_the_stop_interrupts_does_not_end_like_a_complete_one() {
    let rest = rest_after_stop(on("m").stall(&unfinished_stream("It is thin ")), "1");
    let is_regular_end = rest.contains("[DONE]") || rest.ends_with("0\r\n\r\n");
    assert!(!is_regular_end, "{rest}");
}
