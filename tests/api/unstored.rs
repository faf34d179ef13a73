//! A paid answer that cannot be stored is still delivered, with a note, and is stored once the store works again.
//! A trigger that parses invalid JSON simulates a store that fails from the first charge on.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::provider::{Provider, ReceivedRequest, on};
use crate::support::script::{answer_stream, server, short_run};
use crate::support::{Client, Server};

const ANSWER_TEXT: &str = "The paper is 0.08 mm thick.";

fn database(server: &Server) -> rusqlite::Connection {
    let db = rusqlite::Connection::open(server.folder().join("quire.db")).unwrap();
    db.busy_timeout(Duration::from_secs(30)).unwrap();
    db
}

/// Makes the store refuse all writes of a run from the moment that it records a paid call.
fn break_store(server: &Server) {
    let trigger = "CREATE TRIGGER broken BEFORE INSERT ON calls BEGIN SELECT json('{'); END";
    database(server).execute_batch(trigger).unwrap();
}

fn mend_store(server: &Server) {
    database(server)
        .execute_batch("DROP TRIGGER broken")
        .unwrap();
}

fn start_servers() -> (Provider, Server, Client) {
    let provider =
        Provider::answering(|_: &ReceivedRequest| on("").sse(&answer_stream(ANSWER_TEXT)));
    let server = server(&provider, &[]);
    let client = server.user("ada@example.com");
    break_store(&server);
    (provider, server, client)
}

fn chat_request(stream: bool) -> Value {
    let messages = json!([{ "role": "user", "content": "How thick is it?" }]);
    json!({ "model": "p/a", "messages": messages, "stream": stream })
}

/// Waits until this many calls have been recorded, and returns them.
fn wait_for_calls(client: &mut Client, count: usize) -> Value {
    for _ in 0..1_200 {
        let call_log = client.get("/api/usage/calls").json();
        if call_log["calls"]
            .as_array()
            .is_some_and(|calls| calls.len() >= count)
        {
            return call_log;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("never recorded: {}", client.get("/api/usage/calls").text());
}

#[test]
fn a_whole_completion_is_delivered_and_recorded_later() {
    let (_provider, server, mut client) = start_servers();
    let answer = client.post("/v1/chat/completions", chat_request(false));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["choices"][0]["message"]["content"], ANSWER_TEXT);
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert_eq!(body["usage"]["completion_tokens"], 7);
    assert_eq!(answer.header("x-quire-panel"), "p/a");
    let calls = client.get("/api/usage/calls").json();
    assert_eq!(calls["calls"], json!([]), "the store is broken");
    mend_store(&server);
    let calls = wait_for_calls(&mut client, 1);
    assert_eq!(calls["calls"][0]["model"], "p/a", "{calls}");
    let days = client.get("/api/usage").json();
    assert!(days.to_string().contains("p/a"), "{days}");
}

#[test]
fn a_streamed_completion_is_delivered_to_its_end() {
    let (_provider, _server, mut client) = start_servers();
    let answer = client.post("/v1/chat/completions", chat_request(true));
    assert_eq!(answer.status, 200);
    let text = answer.text();
    let pieces = text.lines().filter_map(|line| line.strip_prefix("data: {"));
    let message: String = pieces
        .map(|piece| serde_json::from_str::<Value>(&format!("{{{piece}")).unwrap())
        .filter_map(|piece| {
            let delta = &piece["choices"][0]["delta"]["content"];
            delta.as_str().map(str::to_owned)
        })
        .collect();
    assert_eq!(message, ANSWER_TEXT, "{text}");
    assert!(text.contains("\"finish_reason\":\"stop\""), "{text}");
    assert!(text.trim_end().ends_with("data: [DONE]"), "{text}");
}

#[test]
fn a_waiting_panel_is_delivered_whole_and_as_events() {
    let (_provider, _server, mut client) = start_servers();
    let body = short_run(&["p/a", "p/b"]);
    let answer = client.post("/api/analyze", body.clone());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-quire-stored"), "no");
    let body_of = answer.json();
    assert!(
        body_of["ultra_response"]
            .as_str()
            .is_some_and(|text| !text.is_empty()),
        "{body_of}"
    );
    // Three calls are missing from the store: those of both members and of the synthesis.
    assert!(
        body_of.to_string().matches(ANSWER_TEXT).count() >= 2,
        "{body_of}"
    );
    let mut streamed = body;
    streamed["stream"] = json!(true);
    streamed["prompt"] = json!("How thick is the other paper?");
    let answer = client.post("/api/analyze", streamed);
    let text = answer.text();
    assert!(text.contains("event: analysis.completed"), "{text}");
    assert!(text.contains("event: synthesis.delta"), "{text}");
}
