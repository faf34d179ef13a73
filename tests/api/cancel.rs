//! Tests cancellation: within a quarter of a second after a client disconnects, its connection to the provider is
//! closed, in any state of the call and for any kind of client. The time is measured by the provider's own clock, over
//! plain HTTP and over TLS. `cargo test --test api cancel:: -- --nocapture` prints it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stream::{newest_ended, open_stream, read_until};
use crate::support::provider::{Provider, ScriptLine, on};
use crate::support::script::{analysis_path, begin, server, short_run_with, unfinished_stream};
use crate::support::{Client, Server};

const MAX_CLOSE_TIME: Duration = Duration::from_millis(250);
/// Maximum number of attempts. A busy machine may exceed the time limit once, but not in every attempt.
const ROUNDS: usize = 3;

/// The kind of client and how it disconnects.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Caller {
    Streaming,
    Waiting,
    /// Starts the run with `async` and then stops it.
    Stopping,
}

/// Returns the script of three members whose calls hang in different phases: before the headers, before the first
/// token, and in the middle of the answer.
fn call_phases() -> [ScriptLine; 3] {
    [
        on("headers").hang(),
        on("first").stall(""),
        on("midway").stall(&unfinished_stream("It is thin, ")),
    ]
}

const MEMBERS: [&str; 3] = ["p/headers", "p/first", "p/midway"];

fn start_servers(lines: &[ScriptLine], tls: bool) -> (Provider, Server) {
    let lines = lines.to_vec();
    let provider = if tls {
        Provider::over_tls(lines)
    } else {
        Provider::script(lines)
    };
    let server = server(&provider, &[]);
    (provider, server)
}

/// Waits until all calls hang, and disconnects the client. Returns how long it took until the provider saw the last
/// call close.
fn disconnect_and_measure(
    (provider, server): &(Provider, Server),
    client: &mut Client,
    caller: Caller,
    body: &Value,
) -> Duration {
    let hanging = body["models"].as_array().unwrap();
    let hanging = hanging
        .iter()
        .filter(|model| is_provider_model(model))
        .count();
    let hanging = hanging.max(usize::from(is_provider_model(&body["ultra_model"])));
    let mut socket = (caller != Caller::Stopping).then(|| {
        let mut body = body.clone();
        body["stream"] = json!(caller == Caller::Streaming);
        open_stream(server, client, "POST", "/api/analyze", &body)
    });
    let id = socket.is_none().then(|| {
        let mut body = body.clone();
        body["async"] = json!(true);
        let answer = client.post("/api/analyze", body);
        answer.json()["analysis_id"].as_str().unwrap().to_owned()
    });
    provider.wait_hanging(hanging);
    if let (Caller::Streaming, Some(socket)) = (caller, socket.as_mut()) {
        // When this event arrives, the streamed piece has reached the client.
        let mark = if hanging == 1 {
            "synthesis.delta"
        } else {
            "member.delta"
        };
        read_until(socket, mark);
    }
    let disconnected_at = Instant::now();
    drop(socket);
    if let Some(id) = id {
        assert_eq!(
            client
                .post(&analysis_path(&id, "/cancel"), json!({}))
                .status,
            200
        );
    }
    let remaining = provider.wait_for_disconnects(hanging);
    assert_eq!(remaining.len(), hanging, "{remaining:?}");
    let last = remaining.iter().map(|(_, at)| *at).max().unwrap();
    last.saturating_duration_since(disconnected_at)
}

fn is_provider_model(model: &Value) -> bool {
    model.as_str().is_some_and(|model| model.starts_with("p/"))
}

fn check_cancellation(lines: &[ScriptLine], body: Value) {
    for tls in [false, true] {
        for caller in [Caller::Streaming, Caller::Waiting, Caller::Stopping] {
            let mut uploaded = Vec::new();
            for round in 0..ROUNDS {
                let both = start_servers(lines, tls);
                let mut client = both.1.user("ada@example.com");
                uploaded.push(disconnect_and_measure(&both, &mut client, caller, &body));
                let view = newest_ended(&mut client);
                assert_eq!(view["status"], "cancelled", "{caller:?}: {view}");
                both.0.wait_idle();
                if uploaded[round] <= MAX_CLOSE_TIME {
                    break;
                }
            }
            eprintln!("{caller:?}, TLS {tls}: {uploaded:?}");
            assert!(
                uploaded.iter().any(|uploaded| *uploaded <= MAX_CLOSE_TIME),
                "{caller:?}, TLS {tls}: {uploaded:?}"
            );
        }
    }
}

#[test]
fn in_each_window_the_connections_are_closed_at_once() {
    let body = short_run_with(&MEMBERS, json!({"cache": "off"}));
    check_cancellation(&call_phases(), body);
}

#[test]
fn connections_are_closed_in_the_last_stage_too() {
    let body = short_run_with(
        &["demo/extract"],
        json!({"cache": "off", "ultra_model": "p/midway"}),
    );
    check_cancellation(&call_phases()[2..], body);
}

#[test]
fn canceled_call_is_not_retried() {
    let pause = Duration::from_millis(400);
    let provider = Provider::script([on("later").header("retry-after-ms", "400").status(
        429,
        "application/json",
        "{}",
    )]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let id = begin(&mut client, &["p/later"]);
    provider.wait_for_requests(1);
    let answer = client.post(&analysis_path(&id, "/cancel"), json!({}));
    assert_eq!(answer.json()["status"], "cancelled");
    std::thread::sleep(pause * 2);
    assert_eq!(provider.connections(), 1);
}

#[test]
fn cancellation_ends_a_hanging_tls_handshake() {
    // If a plain HTTP server is addressed over TLS, the call hangs, because the server waits for a request that never
    // comes.
    let provider = Provider::script([]);
    let known_entries = json!([{
        "id": "p", "base_url": provider.base_url().replace("http:", "https:"), "models": "*"
    }]);
    let settings = [
        ("QUIRE_PROVIDERS", known_entries.to_string()),
        ("USE_MOCK", "true".to_owned()),
    ];
    let settings = settings
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let server = Server::with(&settings);
    let mut client = server.user("ada@example.com");
    let id = begin(&mut client, &["p/m"]);
    provider.wait_connected(1);
    client.post(&analysis_path(&id, "/cancel"), json!({}));
    provider.wait_for_empty_connections(1);
}
