//! Tests the real fan-out under any mixture and order of failures: it always ends, reports one outcome per member, and
//! never holds more connections than allowed. The pure state machine has its own property tests; in these tests, the
//! provider counts.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use crate::stream::check_complete_stream;
use crate::support::client::Event;
use crate::support::provider::{Provider, ScriptLine, on};
use crate::support::script::{
    analysis_path, answer_stream, begin, id_of, server, short_run_with, unfinished_stream,
    wait_until_ended,
};
use crate::support::{Client, Server};

const JSON: &str = "application/json";
const ANSWER_TEXT: &str = "It is thin, and it is light.";
/// Pause before an answer, longer than it takes the provider to notice a closed connection.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(180);

/// What can happen to a call.
#[derive(Debug, Clone, Copy)]
enum ProviderBehavior {
    Answers,
    Slow,
    Refused(u16),
    Cut,
    Silent,
    Stalls,
    Garbage,
    WrongFormat,
}

fn any_fate() -> impl Strategy<Value = ProviderBehavior> + Clone {
    prop_oneof![
        4 => Just(ProviderBehavior::Answers),
        2 => Just(ProviderBehavior::Slow),
        4 => prop_oneof![Just(400), Just(401), Just(402), Just(404), Just(429), Just(500), Just(529)]
            .prop_map(ProviderBehavior::Refused),
        1 => Just(ProviderBehavior::Cut),
        1 => Just(ProviderBehavior::Silent),
        1 => Just(ProviderBehavior::Stalls),
        1 => Just(ProviderBehavior::Garbage),
        1 => Just(ProviderBehavior::WrongFormat),
    ]
}

fn scripted_line(model: &str, outcome: ProviderBehavior, delay: u64) -> ScriptLine {
    let line = on(model).after(Duration::from_millis(delay));
    match outcome {
        ProviderBehavior::Answers => line.sse(&answer_stream(ANSWER_TEXT)),
        ProviderBehavior::Slow => {
            line.sse_in_pieces(&answer_stream(ANSWER_TEXT), 50, Duration::from_millis(5))
        }
        ProviderBehavior::Refused(status) => {
            line.status(status, JSON, "{\"error\":{\"message\":\"no\"}}")
        }
        ProviderBehavior::Cut => line.cut(&unfinished_stream(ANSWER_TEXT)),
        ProviderBehavior::Silent => line.hang(),
        ProviderBehavior::Stalls => line.stall(&unfinished_stream(ANSWER_TEXT)),
        ProviderBehavior::Garbage => line.raw(b"\x00\x9f\x92\x96\r\n\r\n"),
        ProviderBehavior::WrongFormat => line.with_wrong_length(
            200,
            "text/event-stream",
            &unfinished_stream(ANSWER_TEXT),
            1 << 20,
        ),
    }
}

/// Checks that every started member has exactly one outcome, and that the run has exactly one too.
fn check_outcomes(events: &[Event]) {
    check_complete_stream(events);
    let mut open_calls: BTreeMap<(String, String), i32> = BTreeMap::new();
    for event in events {
        let word = |field: &str| event.data[field].as_str().unwrap_or_default().to_owned();
        let step = match event.name.as_str() {
            "member.started" => 1,
            "member.completed" | "member.failed" => -1,
            _ => continue,
        };
        let count = open_calls
            .entry((word("stage"), word("model")))
            .or_default();
        *count += step;
        assert!((0..=1).contains(count), "{event:?} in {events:?}");
    }
    if events.last().unwrap().name != "analysis.cancelled" {
        assert!(open_calls.values().all(|count| *count == 0), "{events:?}");
    }
}

#[test]
fn any_mix_and_order_of_failures_ends() {
    let member = (any_fate(), 0..60_u64);
    let runs = proptest::collection::vec(member.clone(), 1..6);
    let mut runner = TestRunner::new(Config {
        cases: 14,
        failure_persistence: None,
        ..Config::default()
    });
    let tested = runner.run(&(runs, member), |(members, last)| {
        let names: Vec<String> = (0..members.len())
            .map(|place| format!("m{place}"))
            .collect();
        let mut lines: Vec<ScriptLine> = names
            .iter()
            .zip(&members)
            .map(|(name, (outcome, delay))| {
                scripted_line(name, *outcome, *delay).times(9).optional()
            })
            .collect();
        lines.push(scripted_line("last", last.0, last.1).times(9).optional());
        let provider = Provider::script(lines);
        let settings = [
            ("RETRIES", "0"),
            ("FIRST_TOKEN_TIMEOUT", "1"),
            ("TOKEN_TIMEOUT", "1"),
        ];
        let server = server(&provider, &settings);
        let mut client = server.user("ada@example.com");
        let models: Vec<String> = names.iter().map(|name| format!("p/{name}")).collect();
        let models: Vec<&str> = models.iter().map(String::as_str).collect();
        let extra = json!({"async": true, "cache": "off", "ultra_model": "p/last"});
        let id = id_of(&client.post("/api/analyze", short_run_with(&models, extra)));
        let events: Vec<Event> = client
            .events(&analysis_path(&id, "/events"), None)
            .collect();
        check_outcomes(&events);
        let analysis = wait_until_ended(&mut client, &id);
        let answers = members.iter().any(|(outcome, _)| {
            matches!(outcome, ProviderBehavior::Answers | ProviderBehavior::Slow)
        });
        if answers && matches!(last.0, ProviderBehavior::Answers | ProviderBehavior::Slow) {
            prop_assert_eq!(&analysis["status"], "completed");
        }
        if !answers {
            prop_assert_eq!(&analysis["status"], "failed");
        }
        provider.wait_idle();
        Ok(())
    });
    tested.unwrap();
}

/// Starts two providers with these numbers of slots, and a server. Every call takes long enough to be counted.
fn crowded_server(rooms: [usize; 2], max_calls: &str) -> ([Provider; 2], Server) {
    let providers = rooms.map(|room| {
        let provider =
            Provider::with_script(|_| on("").after(CLOSE_TIMEOUT).sse(&answer_stream(ANSWER_TEXT)));
        provider.limit_concurrency(room);
        provider
    });
    let known_entries = json!([
        {"id": "p", "base_url": providers[0].base_url(), "models": "*", "concurrency": rooms[0]},
        {"id": "q", "base_url": providers[1].base_url(), "models": "*", "concurrency": rooms[1]},
    ])
    .to_string();
    let server = Server::with(&[
        ("QUIRE_PROVIDERS", &known_entries),
        ("USE_MOCK", "true"),
        ("MAX_CALLS", max_calls),
    ]);
    (providers, server)
}

fn ask_concurrently(client: &mut Client, runs: usize, models: &[&str]) {
    let ids: Vec<String> = (0..runs).map(|_| begin(client, models)).collect();
    for id in ids {
        let analysis = wait_until_ended(client, &id);
        assert_eq!(analysis["status"], "completed", "{analysis}");
        assert_eq!(analysis["failures"], json!([]), "{analysis}");
    }
}

#[test]
fn calls_per_provider_stay_within_its_limit() {
    let (providers, server) = crowded_server([1, 3], "64");
    let mut client = server.user("ada@example.com");
    ask_concurrently(&mut client, 4, &["p/a", "q/b", "q/c", "q/d"]);
    assert_eq!(providers[0].connections(), 4);
    assert_eq!(providers[1].connections(), 12);
}

#[test]
fn total_concurrent_calls_stay_within_the_setting() {
    let provider =
        Provider::with_script(|_| on("").after(CLOSE_TIMEOUT).sse(&answer_stream(ANSWER_TEXT)));
    provider.limit_concurrency(3);
    let server = server(&provider, &[("MAX_CALLS", "3")]);
    let mut client = server.user("ada@example.com");
    ask_concurrently(&mut client, 5, &["p/a", "p/b", "p/c", "p/d"]);
    assert_eq!(provider.connections(), 20);
}
