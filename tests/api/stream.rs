//! Tests following and stopping a run: the events, their numbers, and closed connections.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::{Event, Events};
use crate::support::provider::{Provider, ScriptLine, on};
use crate::support::script::{
    analysis_path, answer_stream, begin, id_of, server, short_run_with, unfinished_stream,
    wait_until_ended,
};
use crate::support::{Client, Server};

const FINAL_EVENTS: [&str; 3] = [
    "analysis.completed",
    "analysis.failed",
    "analysis.cancelled",
];
const THIN_ANSWER: &str =
    "It is thin, and it is light, and it takes ink well on both of its sides.";
const STRONG_ANSWER: &str =
    "It is strong; nobody has torn it yet, whatever they say about its edges.";

fn slow_line(model: &str, text: &str) -> ScriptLine {
    on(model).sse_in_pieces(&answer_stream(text), 90, Duration::from_millis(12))
}

fn two_member_provider() -> Provider {
    Provider::script([
        slow_line("thin", THIN_ANSWER),
        slow_line("strong", STRONG_ANSWER),
    ])
}

fn follow_events(client: &mut Client, id: &str, after: Option<u64>) -> Vec<Event> {
    client
        .events(&analysis_path(id, "/events"), after)
        .collect()
}

/// Checks that a stream is complete: its events are numbered from 1, the first one is `analysis.started`, and exactly
/// one is a final event.
pub fn check_complete_stream(events: &[Event]) {
    for (event, number) in events.iter().zip(1..) {
        assert_eq!(event.id, Some(number), "{event:?}");
    }
    assert_eq!(events[0].name, "analysis.started");
    let ends = events
        .iter()
        .filter(|event| FINAL_EVENTS.contains(&event.name.as_str()));
    assert_eq!(ends.count(), 1);
    assert!(FINAL_EVENTS.contains(&events.last().unwrap().name.as_str()));
}

/// Returns the `stage` and `model` fields of an event.
fn stage_and_member(event: &Event) -> (String, String) {
    let word = |field: &str| event.data[field].as_str().unwrap_or_default().to_owned();
    (word("stage"), word("model"))
}

/// Joins the texts in a stream, as a page does. If a member restarts, its text starts over.
pub fn texts(events: &[Event]) -> (BTreeMap<(String, String), String>, String) {
    let (mut members, mut synthesis) = (BTreeMap::new(), String::new());
    for event in events {
        let text = event.data["text"].as_str().unwrap_or_default();
        match event.name.as_str() {
            "member.started" => {
                if stage_and_member(event).0 == "ultra" {
                    synthesis.clear();
                }
                members.insert(stage_and_member(event), String::new());
            }
            "member.delta" => {
                *members
                    .get_mut(&stage_and_member(event))
                    .expect("it has started") += text
            }
            "synthesis.delta" => synthesis += text,
            _ => {}
        }
    }
    (members, synthesis)
}

#[test]
fn events_are_numbered_and_can_be_resumed_after_each() {
    let provider = two_member_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let id = begin(&mut client, &["p/thin", "p/strong"]);
    let mut watchers = Vec::new();
    let mut events: Vec<Event> = Vec::new();
    for event in client.events(&analysis_path(&id, "/events"), None) {
        // At every event, another client connects and continues from there.
        let (mut again, id, after) = (client.clone(), id.clone(), event.id);
        watchers.push(std::thread::spawn(move || {
            follow_events(&mut again, &id, after)
        }));
        events.push(event);
    }
    check_complete_stream(&events);
    assert!(
        events.len() > 12,
        "the deltas were spread over time: {events:?}"
    );
    for (seen_count, watcher) in watchers.into_iter().enumerate() {
        assert_eq!(
            watcher.join().unwrap(),
            events[seen_count + 1..],
            "after {seen_count} events"
        );
    }
    let check = |client: &mut Client| {
        for after in 0..=events.len() {
            let rest = &events[after..];
            assert_eq!(follow_events(client, &id, Some(after as u64)), rest);
            let path = format!("/analyze/stream/{id}?after={after}");
            assert_eq!(client.events(&path, None).collect::<Vec<_>>(), rest);
        }
    };
    check(&mut client);
    let restarted = Server::in_folder(server.stop(), &[]);
    client.base = restarted.client().base;
    check(&mut client);
}

#[test]
fn streamed_deltas_join_to_the_stored_texts() {
    let provider = two_member_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let id = begin(&mut client, &["p/thin", "p/strong"]);
    let events = follow_events(&mut client, &id, None);
    let (members, synthesis) = texts(&events);
    let body = client.get(&analysis_path(&id, "")).json();
    assert_eq!(body["model_responses"]["p/thin"], THIN_ANSWER);
    for (model, text) in body["model_responses"].as_object().unwrap() {
        assert_eq!(&members[&("initial".to_owned(), model.clone())], text);
    }
    assert_eq!(body["ultra_response"], json!(synthesis));
    let first = |name: &str| events.iter().position(|event| event.name == name).unwrap();
    assert!(first("stage.started") < first("member.started"));
    assert!(first("member.delta") < first("member.completed"));
    assert!(first("member.completed") < first("stage.completed"));
    let totals = &events.last().unwrap().data;
    assert_eq!(
        (&totals["answered"], &totals["failed"]),
        (&json!(3), &json!(0))
    );
    let completion = &events[first("member.completed")].data;
    for field in [
        "usage",
        "cost_usd",
        "latency_ms",
        "time_to_first_token_ms",
        "cached",
        "finish_reason",
    ] {
        assert!(
            completion.get(field).is_some(),
            "no {field} in {completion}"
        );
    }
}

#[test]
fn a_streamed_request_tells_the_same_as_its_stored_events() {
    let provider = two_member_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let asking = short_run_with(&["p/thin", "p/strong"], json!({"stream": true}));
    let answer = client.post("/api/analyze", asking);
    assert_eq!(answer.status, 200);
    let list = client.get("/api/analyses").json();
    let id = list["analyses"][0]["id"].as_str().unwrap().to_owned();
    let stored_events = client
        .clone()
        .with("accept", "text/event-stream")
        .get(&analysis_path(&id, "/events"));
    assert_eq!(
        without_comments(&answer.text()),
        without_comments(&stored_events.text())
    );
    assert_eq!(list["analyses"][0]["status"], "completed");
    for stream in [answer, stored_events] {
        assert_eq!(
            stream.header("content-type"),
            "text/event-stream; charset=utf-8"
        );
        assert_eq!(stream.header("cache-control"), "no-store, no-transform");
        assert_eq!(stream.header("x-accel-buffering"), "no");
    }
}

fn without_comments(stream: &str) -> Vec<&str> {
    let lines = stream.lines().filter(|line| !line.starts_with(':'));
    lines.filter(|line| !line.is_empty()).collect()
}

#[test]
fn positions_outside_the_stream_are_empty_or_refused() {
    let server = Server::start();
    let mut client = server.user("ada@example.com");
    let answer = client.post("/api/analyze", short_run_with(&["demo/extract"], json!({})));
    let path = analysis_path(&id_of(&answer), "/events");
    for after in ["9999", "9223372036854775807", "18446744073709551615"] {
        let beyond = client.get(&format!("{path}?after={after}"));
        assert_eq!(
            (beyond.status, without_comments(&beyond.text())),
            (200, Vec::new()),
            "{after}"
        );
    }
    for after in ["x", "-1", "1.5", "18446744073709551616"] {
        client
            .get(&format!("{path}?after={after}"))
            .refused(422, "VALIDATION_ERROR");
        let mut resuming = client.clone().with("last-event-id", after);
        resuming.get(&path).refused(422, "VALIDATION_ERROR");
    }
}

/// Sends a request over a separate socket, so that the test can disconnect in the middle of the response.
pub fn open_stream(
    server: &Server,
    client: &mut Client,
    method: &str,
    path: &str,
    body: &Value,
) -> TcpStream {
    // A key is used instead of the token, which cannot be read from the client.
    let created = client
        .post("/api/users/me/api-keys", json!({"name": "socket"}))
        .json();
    let key = created["key"].as_str().unwrap();
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let mut socket = server.connect();
    write!(
        socket,
        "{method} {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    socket
}

/// Reads until the text `mark` has arrived, and returns all text so far.
pub fn read_until(socket: &mut TcpStream, mark: &str) -> String {
    let mut text = String::new();
    let mut piece = [0; 512];
    while !text.contains(mark) {
        let read = socket.read(&mut piece).unwrap();
        assert!(read > 0, "closed before {mark:?}: {text}");
        text += &String::from_utf8_lossy(&piece[..read]);
    }
    text
}

/// Waits until the newest analysis has ended, and returns it.
pub fn newest_ended(client: &mut Client) -> Value {
    let list = client.get("/api/analyses").json();
    let id = list["analyses"][0]["id"].as_str().unwrap().to_owned();
    wait_until_ended(client, &id)
}

#[test]
fn unread_body_does_not_break_the_connection() {
    let server = Server::start();
    let mut socket = server.connect();
    let wait = std::time::Duration::from_millis(100);
    for _ in 0..3 {
        // The path does not exist, so the server could respond before the body has arrived.
        write!(
            socket,
            "POST /api/nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n"
        )
        .unwrap();
        std::thread::sleep(wait);
        socket.write_all(b"{}").unwrap();
        read_until(&mut socket, "NOT_FOUND");
        write!(socket, "GET /api/health HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        read_until(&mut socket, "uptime");
    }
}

#[test]
fn the_first_bytes_come_before_any_answer() {
    let provider = Provider::script([on("silent").hang()]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let asking = short_run_with(&["p/silent"], json!({"stream": true}));
    let mut socket = open_stream(&server, &mut client, "POST", "/api/analyze", &asking);
    let head = read_until(&mut socket, "\n:");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    read_until(&mut socket, "member.started");
}

#[test]
fn canceling_closes_the_call_and_ends_the_stream() {
    let provider = Provider::script([on("slow").stall(&unfinished_stream("It is "))]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let id = begin(&mut client, &["p/slow", "demo/extract"]);
    let mut events: Events = client.events(&analysis_path(&id, "/events"), None);
    let slow = |event: &Event| event.name == "member.delta" && event.data["model"] == "p/slow";
    assert!(events.any(|event| slow(&event)), "it has begun to answer");
    let answer = client
        .post(&analysis_path(&id, "/cancel"), json!({}))
        .json();
    assert_eq!(answer["status"], "cancelled");
    provider.wait_for_disconnect("slow");
    assert_eq!(events.last().unwrap().name, "analysis.cancelled");
    check_complete_stream(&follow_events(&mut client, &id, None));
    let second = client.post(&analysis_path(&id, "/cancel"), json!({}));
    assert_eq!(
        (second.status, second.json()["status"].clone()),
        (200, json!("cancelled"))
    );
}

#[test]
fn a_client_that_leaves_its_request_stops_the_run() {
    for (streamed, line) in [
        (true, on("slow").stall(&unfinished_stream("It is "))),
        (false, on("slow").stall(&unfinished_stream("It is "))),
        (false, on("slow").hang()),
    ] {
        let provider = Provider::script([line]);
        let server = server(&provider, &[]);
        let mut client = server.user("ada@example.com");
        let asking = short_run_with(&["p/slow"], json!({"stream": streamed}));
        let mut socket = open_stream(&server, &mut client, "POST", "/api/analyze", &asking);
        provider.wait_for_requests(1);
        if streamed {
            read_until(&mut socket, "member.delta");
        }
        drop(socket);
        provider.wait_for_disconnect("slow");
        let body = newest_ended(&mut client);
        assert_eq!(body["status"], "cancelled");
        assert_eq!(body["error"], "the client closed the connection");
    }
}

#[test]
fn a_watcher_that_leaves_stops_nothing() {
    let provider = two_member_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let id = begin(&mut client, &["p/thin", "p/strong"]);
    let path = analysis_path(&id, "/events");
    let mut socket = open_stream(&server, &mut client, "GET", &path, &Value::Null);
    read_until(&mut socket, "member.delta");
    drop(socket);
    assert_eq!(wait_until_ended(&mut client, &id)["status"], "completed");
}

#[test]
fn a_stopping_server_says_that_it_was_the_one_who_left() {
    let provider = Provider::script([on("slow").stall(&unfinished_stream("It is ")).times(2)]);
    let server = server(&provider, &[("SHUTDOWN_TIMEOUT", "1")]);
    let mut client = server.user("ada@example.com");
    let ask =
        |streamed: bool| short_run_with(&["p/slow"], json!({"stream": streamed, "cache": "off"}));
    let mut streamed = open_stream(&server, &mut client, "POST", "/api/analyze", &ask(true));
    let waiting = open_stream(&server, &mut client, "POST", "/api/analyze", &ask(false));
    provider.wait_for_requests(2);
    read_until(&mut streamed, "member.delta");
    let restarted = Server::in_folder(server.stop(), &[]);
    client.base = restarted.client().base;
    let list = client.get("/api/analyses").json();
    for analysis in list["analyses"].as_array().unwrap() {
        assert_eq!(analysis["status"], "cancelled");
        let reason = analysis["error"].as_str().unwrap();
        assert!(reason.contains("server"), "{reason}");
        check_complete_stream(&follow_events(
            &mut client,
            analysis["id"].as_str().unwrap(),
            None,
        ));
    }
    drop(waiting);
}

#[test]
fn a_streamed_request_that_may_go_on_alone_does() {
    let provider = two_member_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let extra = json!({"stream": true, "async": true});
    let asking = short_run_with(&["p/thin", "p/strong"], extra);
    let mut socket = open_stream(&server, &mut client, "POST", "/api/analyze", &asking);
    read_until(&mut socket, "member.delta");
    drop(socket);
    assert_eq!(newest_ended(&mut client)["status"], "completed");
}

#[test]
fn asking_for_events_is_asking_for_a_stream() {
    let server = Server::start();
    let mut client = server
        .user("ada@example.com")
        .with("accept", "text/event-stream");
    let answer = client.post("/api/analyze", short_run_with(&["demo/extract"], json!({})));
    assert!(
        answer.text().contains("event: analysis.completed"),
        "{}",
        answer.text()
    );
}
