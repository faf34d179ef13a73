//! Kills or stops the real executable in the middle of a run and restarts it on the same data. Nothing that a client
//! has seen is lost or changed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;

use crate::stream::{check_complete_stream, texts};
use crate::support::Client;
use crate::support::client::Event;
use crate::support::executable::Executable;
use crate::support::provider::{Provider, ScriptLine, on};
use crate::support::script::{
    analysis_path, answer_stream, begin, short_run_with, unfinished_stream, wait_until_ended,
};
use crate::support::server::Folder;

/// Returns the script line for the provider's model list. The executable requests the list once per start.
fn model_list_line(starts: usize) -> ScriptLine {
    on("GET models")
        .times(starts)
        .optional()
        .status(200, "application/json", "{\"data\":[]}")
}

/// Starts a run of two members, and returns once one has answered and the other hangs in the middle of its answer.
/// Returns the run's ID and the events received so far.
pub fn start_half_finished_run(client: &mut Client) -> (String, Vec<Event>) {
    let id = begin(client, &["p/quick", "p/slow"]);
    let mut observed_events = Vec::new();
    for event in client.events(&analysis_path(&id, "/events"), None) {
        observed_events.push(event);
        let has_event = |name: &str, model: &str| {
            observed_events
                .iter()
                .any(|event: &Event| event.name == name && event.data["model"] == model)
        };
        if has_event("member.completed", "p/quick") && has_event("member.delta", "p/slow") {
            return (id, observed_events);
        }
    }
    panic!("the run is over already: {observed_events:?}");
}

pub fn interrupted_then_complete_lines() -> Vec<ScriptLine> {
    vec![
        on("quick").sse(&answer_stream("Eighty grams.")),
        on("slow").stall(&unfinished_stream("It is ")),
        on("slow").sse(&answer_stream("It is thin.")),
        model_list_line(2),
    ]
}

/// Checks that after a restart, a run has continued from its last event, without repeating completed calls.
pub fn check_resumed(client: &mut Client, provider: &Provider, id: &str, earlier_events: &[Event]) {
    let analysis = wait_until_ended(client, id);
    assert_eq!(analysis["status"], "completed", "{analysis}");
    let answers = &analysis["model_responses"];
    assert_eq!(
        (&answers["p/quick"], &answers["p/slow"]),
        (&json!("Eighty grams."), &json!("It is thin."))
    );
    let all: Vec<Event> = client.events(&analysis_path(id, "/events"), None).collect();
    assert_eq!(
        all[..earlier_events.len()],
        *earlier_events,
        "what was seen has changed"
    );
    for (event, number) in all.iter().zip(1..) {
        assert_eq!(event.id, Some(number), "{event:?}");
    }
    assert_eq!(all.last().unwrap().name, "analysis.completed");
    let starts = all.iter().filter(|event| event.name == "analysis.started");
    assert_eq!(starts.count(), 1);
    let last = earlier_events.last().unwrap().id;
    let rest: Vec<Event> = client.events(&analysis_path(id, "/events"), last).collect();
    assert_eq!(rest, all[earlier_events.len()..]);
    let joined = &texts(&all).0[&("initial".to_owned(), "p/slow".to_owned())];
    assert_eq!(joined, "It is thin.");
    let requests = provider
        .requests()
        .into_iter()
        .filter(|asked| asked.body["model"] == "quick");
    assert_eq!(requests.count(), 1);
}

#[test]
fn a_run_resumes_after_the_server_is_killed() {
    let provider = Provider::script(interrupted_then_complete_lines());
    let folder = Folder::new();
    let first = Executable::start(&folder, &provider, &[]);
    let mut client = Client::new(first.address).registered("ada@example.com");
    let (id, earlier_events) = start_half_finished_run(&mut client);
    first.kill();
    let second = Executable::start(&folder, &provider, &[]);
    check_resumed(&mut second.known(&client), &provider, &id, &earlier_events);
}

#[test]
fn a_run_resumes_after_the_server_is_stopped() {
    let provider = Provider::script(interrupted_then_complete_lines());
    let folder = Folder::new();
    let first = Executable::start(&folder, &provider, &[("SHUTDOWN_TIMEOUT", "1")]);
    let mut client = Client::new(first.address).registered("ada@example.com");
    let (id, earlier_events) = start_half_finished_run(&mut client);
    first.signal("-TERM");
    assert_eq!(first.code(), Some(0));
    let second = Executable::start(&folder, &provider, &[]);
    check_resumed(&mut second.known(&client), &provider, &id, &earlier_events);
}

#[test]
fn a_stop_lets_a_run_finish_that_is_nearly_done() {
    let pause = Duration::from_millis(40);
    let provider = Provider::script([
        on("a").sse_in_pieces(&answer_stream("It is thin."), 64, pause),
        model_list_line(2),
    ]);
    let folder = Folder::new();
    let first = Executable::start(&folder, &provider, &[]);
    let mut client = Client::new(first.address).registered("ada@example.com");
    let id = begin(&mut client, &["p/a"]);
    provider.wait_called("a");
    first.signal("-TERM");
    assert_eq!(first.code(), Some(0));
    let second = Executable::start(&folder, &provider, &[]);
    let body = second.known(&client).get(&analysis_path(&id, "")).json();
    assert_eq!(
        (&body["status"], &body["model_responses"]["p/a"]),
        (&json!("completed"), &json!("It is thin."))
    );
}

#[test]
fn a_second_signal_does_not_wait_for_a_run() {
    let provider = Provider::script([
        on("slow").stall(&unfinished_stream("It is ")),
        model_list_line(1),
    ]);
    let folder = Folder::new();
    let server = Executable::start(&folder, &provider, &[("SHUTDOWN_TIMEOUT", "600")]);
    let mut client = Client::new(server.address).registered("ada@example.com");
    let id = begin(&mut client, &["p/slow"]);
    let mut events = client.events(&analysis_path(&id, "/events"), None);
    assert!(events.any(|event| event.name == "member.delta"));
    server.signal("-TERM");
    // The stream ends when the server begins to shut down.
    events.for_each(drop);
    server.signal("-TERM");
    assert_eq!(server.code(), Some(130));
}

#[test]
fn a_request_whose_client_was_waiting_at_the_crash_is_canceled() {
    let provider = Provider::script([
        on("quick").sse(&answer_stream("Eighty grams.")),
        on("slow").stall(&unfinished_stream("It is ")),
        model_list_line(2),
    ]);
    let folder = Folder::new();
    let first = Executable::start(&folder, &provider, &[]);
    let mut client = Client::new(first.address).registered("ada@example.com");
    let key = client
        .post("/api/users/me/api-keys", json!({"name": "x"}))
        .json()["key"]
        .clone();
    let asking = short_run_with(&["p/quick", "p/slow"], json!({"stream": true}));
    let address = first.address;
    let waiting = std::thread::spawn(move || {
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        let body = asking.to_string();
        let head = format!(
            "POST /api/analyze HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            key.as_str().unwrap(),
            body.len()
        );
        std::io::Write::write_all(&mut socket, head.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        // The connection breaks, but the bytes received before are kept.
        let _ = std::io::Read::read_to_end(&mut socket, &mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    provider.wait_called("slow");
    let id = client.get("/api/analyses").json()["analyses"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (mut is_answered, mut is_started) = (false, false);
    for event in client.events(&analysis_path(&id, "/events"), None) {
        is_answered |= event.name == "member.completed";
        is_started |= event.name == "member.delta" && event.data["model"] == "p/slow";
        if is_answered && is_started {
            break;
        }
    }
    first.kill();
    assert!(waiting.join().unwrap().contains("analysis.started"));
    let second = Executable::start(&folder, &provider, &[]);
    let mut client = second.known(&client);
    let analysis = wait_until_ended(&mut client, &id);
    assert_eq!(analysis["status"], "cancelled");
    assert_eq!(
        analysis["error"],
        "the server stopped while a client was waiting for this analysis"
    );
    let last = client
        .events(&analysis_path(&id, "/events"), None)
        .last()
        .unwrap();
    assert_eq!(
        (last.name.as_str(), &last.data["reason"]),
        ("analysis.cancelled", &analysis["error"])
    );
    // The completed answer has been paid for.
    assert_eq!(analysis["usage"]["output"], 7, "{analysis}");
    assert_eq!(
        (&last.data["answered"], &last.data["usage"]["output"]),
        (&json!(1), &json!(7))
    );
}

#[test]
fn runs_that_waited_for_their_turn_are_not_forgotten() {
    let provider = Provider::script([
        on("first").stall(&unfinished_stream("It is ")),
        on("first").sse(&answer_stream("It is thin.")),
        model_list_line(2),
    ]);
    let folder = Folder::new();
    let first = Executable::start(&folder, &provider, &[("MAX_RUNS", "1")]);
    let mut client = Client::new(first.address).registered("ada@example.com");
    let mut runs = vec![begin(&mut client, &["p/first"])];
    provider.wait_called("first");
    runs.extend((0..5).map(|_| begin(&mut client, &["demo/extract"])));
    first.kill();
    let second = Executable::start(&folder, &provider, &[("MAX_RUNS", "1")]);
    let mut client = second.known(&client);
    for id in &runs {
        assert_eq!(wait_until_ended(&mut client, id)["status"], "completed");
    }
}

#[test]
fn a_run_survives_being_killed_again_and_again() {
    let pause = Duration::from_millis(15);
    let slow_line = |model: &str, text: &str| {
        on(model)
            .sse_in_pieces(&answer_stream(text), 100, pause)
            .times(9)
            .optional()
    };
    let (member, writer) = (
        "It is thin, light and strong.",
        "All of them say that it is thin.",
    );
    let provider = Provider::script([
        slow_line("a", member),
        slow_line("writer", writer),
        model_list_line(9),
    ]);
    let folder = Folder::new();
    let first = Executable::start(&folder, &provider, &[]);
    let mut client = Client::new(first.address).registered("ada@example.com");
    let extra = json!({"async": true, "cache": "off", "ultra_model": "p/writer"});
    let answer = client.post(
        "/api/analyze",
        short_run_with(&["p/a", "demo/extract"], extra),
    );
    let id = answer.json()["analysis_id"].as_str().unwrap().to_owned();
    let mut observed_events: Vec<Event> = Vec::new();
    let mut server = first;
    for mark in [
        "analysis.started",
        "member.delta",
        "stage.completed",
        "synthesis.delta",
        "synthesis.delta",
    ] {
        let last = observed_events.last().and_then(|event| event.id);
        for event in client.events(&analysis_path(&id, "/events"), last) {
            let reached = event.name == mark;
            observed_events.push(event);
            if reached {
                break;
            }
        }
        assert_eq!(observed_events.last().unwrap().name, mark);
        server.kill();
        server = Executable::start(&folder, &provider, &[]);
        client = server.known(&client);
    }
    let last = observed_events.last().and_then(|event| event.id);
    observed_events.extend(client.events(&analysis_path(&id, "/events"), last));
    check_complete_stream(&observed_events);
    let stored_events: Vec<Event> = client
        .events(&analysis_path(&id, "/events"), None)
        .collect();
    assert_eq!(
        stored_events, observed_events,
        "what was seen is what is stored"
    );
    let (members, synthesis) = texts(&observed_events);
    assert_eq!(members[&("initial".to_owned(), "p/a".to_owned())], member);
    let body = client.get(&analysis_path(&id, "")).json();
    assert_eq!(
        (&body["status"], &body["ultra_response"]),
        (&json!("completed"), &json!(writer))
    );
    assert_eq!(synthesis, writer);
}

#[test]
fn a_stages_calls_are_stored_before_the_next_stage_is_called() {
    let folder = Folder::new();
    let database = folder.path().join("data/quire.db");
    let stored_calls = Arc::new(Mutex::new(Vec::new()));
    let seen = stored_calls.clone();
    let provider = Provider::answering(move |request| match request.model().as_str() {
        "GET models" => on("").status(200, "application/json", "{\"data\":[]}"),
        model => {
            let database = Connection::open(&database).unwrap();
            let query = "SELECT count(*) FROM calls WHERE outcome = 'answered'";
            let stored: i64 = database.query_row(query, [], |row| row.get(0)).unwrap();
            seen.lock().unwrap().push((model.to_owned(), stored));
            on("").sse(&answer_stream("It is thin."))
        }
    });
    // The user has no limits: then no reservation has to wait for the usage of earlier calls.
    let server = Executable::start(&folder, &provider, &[]);
    let mut client = Client::new(server.address).registered("ada@example.com");
    let body = short_run_with(&["p/member"], json!({"ultra_model": "p/synthesizer"}));
    let answer = client.post("/api/analyze", body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let expected = [("member".to_owned(), 0), ("synthesizer".to_owned(), 1)];
    assert_eq!(*stored_calls.lock().unwrap(), expected);
}
