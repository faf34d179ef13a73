//! Tests runs with several servers: any server can follow and command a run, and another one takes the run over when
//! the server that drives it is gone.

use std::time::Duration;

use quire::domain::id::AnalysisId;
use serde_json::json;

use super::cluster::Cluster;
use super::members::{
    KillablePair, ServerPair, WAIT_TIMEOUT, known, member, server_settings, wait_for,
};
use super::store::close;
use super::support::client::Event;
use super::support::provider::{Provider, on};
use super::support::script::{
    analysis_path, answer_stream, begin, id_of, providers, short_run_with, unfinished_stream,
    wait_until_ended,
};
use super::support::{Client, Server};

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

/// Cancels a run through the server to which this client connects.
fn cancel(client: &mut Client, id: &str) {
    let stopped = client.post(&analysis_path(id, "/cancel"), json!({}));
    assert_eq!(
        (stopped.status, &stopped.json()["status"]),
        (200, &json!("cancelled")),
        "{}",
        stopped.text()
    );
}

#[test]
fn a_run_is_followed_and_stopped_through_another_server() {
    follow_and_stop(&Cluster::start());
}

/// Follows and stops a run through a server that does not drive it.
pub fn follow_and_stop(cluster: &Cluster) {
    let listener = member(cluster, 9);
    let mut notices = listener.membership().unwrap().watch_notices().unwrap();
    let is_direct = !cluster.is_pooled();
    if is_direct {
        wait_for("notices arrive", || notices.is_live());
    }
    let provider = Provider::script([
        on("quick").sse(&answer_stream("Eighty grams.")),
        on("slow").stall(&unfinished_stream("It is ")),
    ]);
    let mut pair = ServerPair::start(cluster, &provider);
    let (client, elsewhere) = (&mut pair.client, &mut pair.elsewhere);
    let id = begin(client, &["p/quick", "p/slow"]);
    let run = AnalysisId::parse(&id).unwrap();
    let mut seen = Vec::new();
    for event in elsewhere.events(&analysis_path(&id, "/events"), None) {
        seen.push(event);
        let has = |name: &str, model: &str| {
            let is_it = |event: &Event| event.name == name && event.data["model"] == model;
            seen.iter().any(is_it)
        };
        if has("member.completed", "p/quick") && has("member.delta", "p/slow") {
            break;
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().unwrap();
    if is_direct {
        let announced =
            async { tokio::time::timeout(WAIT_TIMEOUT, notices.wait_for_events(&run)).await };
        let is_announced = runtime.block_on(announced).is_ok();
        assert!(is_announced, "its events are announced");
    }
    cancel(elsewhere, &id);
    if is_direct {
        let command = notices.wait_for_command(|driven| *driven == run);
        let announced = async { tokio::time::timeout(WAIT_TIMEOUT, command).await };
        let is_announced = runtime.block_on(announced).is_ok();
        assert!(is_announced, "a command is announced");
    }
    provider.wait_for_disconnect("slow");
    // Both servers return the same events, of which the last one ends the stream.
    let all: Vec<Event> = client
        .events(&analysis_path(&id, "/events"), None)
        .collect();
    let same: Vec<Event> = elsewhere
        .events(&analysis_path(&id, "/events"), None)
        .collect();
    assert_eq!(all, same);
    assert_eq!(all[..seen.len()], seen);
    assert_eq!(names(&all).last(), Some(&"analysis.cancelled"));
    close(&listener);
}

#[test]
fn a_model_is_skipped_through_another_server() {
    let cluster = Cluster::start();
    let provider = Provider::script([
        on("quick").sse(&answer_stream("Eighty grams.")),
        on("slow").stall(&unfinished_stream("It is ")),
    ]);
    let mut pair = ServerPair::start(&cluster, &provider);
    let (client, elsewhere) = (&mut pair.client, &mut pair.elsewhere);
    let id = begin(client, &["p/quick", "p/slow"]);
    provider.wait_hanging(1);
    let skipped = elsewhere.post(
        &analysis_path(&id, "/leave-out"),
        json!({"model": "p/slow"}),
    );
    assert_eq!(skipped.status, 200, "{}", skipped.text());
    let analysis = wait_until_ended(elsewhere, &id);
    assert_eq!(analysis["status"], "completed", "{analysis}");
    assert_eq!(
        analysis["model_responses"]["p/quick"],
        json!("Eighty grams.")
    );
}

#[test]
fn the_run_of_a_killed_server_is_finished_once_by_another() {
    let cluster = Cluster::start();
    let provider = Provider::script([
        on("quick").sse(&answer_stream("Eighty grams.")),
        on("slow").stall(&unfinished_stream("It is ")),
        on("slow").sse(&answer_stream("It is thin.")),
        on("GET models")
            .times(2)
            .optional()
            .status(200, "application/json", "{\"data\":[]}"),
    ]);
    let mut pair = KillablePair::start(&cluster, &provider);
    let elsewhere = &mut pair.elsewhere;
    let id = begin(&mut pair.client, &["p/quick", "p/slow"]);
    let mut events = elsewhere.events(&analysis_path(&id, "/events"), None);
    let mut seen: Vec<Event> = Vec::new();
    while !seen
        .iter()
        .any(|event| event.name == "member.delta" && event.data["model"] == "p/slow")
        || !seen.iter().any(|event| event.name == "member.completed")
    {
        seen.push(events.next().expect("the run is not over"));
    }
    pair.first.take().unwrap().kill();
    // The same stream continues after the other server has taken over.
    seen.extend(events);
    assert_eq!(names(&seen).last(), Some(&"analysis.completed"));
    for (event, number) in seen.iter().zip(1..) {
        assert_eq!(event.id, Some(number), "{event:?}");
    }
    let ends = seen
        .iter()
        .filter(|event| event.name == "analysis.completed");
    assert_eq!(ends.count(), 1);
    let analysis = elsewhere.get(&analysis_path(&id, "")).json();
    assert_eq!(analysis["status"], "completed", "{analysis}");
    assert_eq!(
        analysis["model_responses"]["p/slow"],
        json!("It is thin."),
        "{analysis}"
    );
    let calls = provider.requests();
    let quick = calls.iter().filter(|call| call.body["model"] == "quick");
    assert_eq!(
        quick.count(),
        1,
        "an answer that was stored is not asked for again"
    );
}

#[test]
fn a_server_that_was_cut_off_gives_its_run_up() {
    let cluster = Cluster::start();
    let provider = Provider::script([
        on("slow").stall(&unfinished_stream("It is ")),
        on("slow").sse(&answer_stream("It is thin.")),
    ]);
    let (database, known_providers) = (cluster.address("postgres"), providers(&provider));
    let settings = server_settings(&database, &known_providers);
    let one = Server::with(&settings);
    let mut client = one.user("ada@example.com");
    let id = begin(&mut client, &["p/slow"]);
    provider.wait_hanging(1);
    // Simulates that the first server has been cut off from the database for a long time.
    assert_eq!(cluster.run("UPDATE servers SET until = 1;"), "");
    let other = Server::with(&settings);
    let mut elsewhere = known(&other, &client);
    let analysis = wait_until_ended(&mut elsewhere, &id);
    assert_eq!(analysis["status"], "completed", "{analysis}");
    provider.wait_for_disconnect("slow");
    // Streams from the first server also contain the end.
    let all: Vec<Event> = client
        .events(&analysis_path(&id, "/events"), None)
        .collect();
    assert_eq!(names(&all).last(), Some(&"analysis.completed"));
    for (event, number) in all.iter().zip(1..) {
        assert_eq!(event.id, Some(number), "{event:?}");
    }
    assert_eq!(begin_and_end(&mut client), "completed", "it goes on");
}

#[test]
fn a_server_alone_goes_on_after_the_database_was_away_for_long() {
    let cluster = Cluster::start();
    let provider = Provider::script([
        on("slow").stall(&unfinished_stream("It is ")),
        on("slow").sse(&answer_stream("It is thin.")),
        // The model answers long after the server has registered again.
        on("late")
            .after(Duration::from_secs(6))
            .sse(&answer_stream("Eighty grams.")),
    ]);
    let (database, known_providers) = (cluster.address("postgres"), providers(&provider));
    let server = Server::with(&server_settings(&database, &known_providers));
    let mut client = server.user("ada@example.com");
    let id = begin(&mut client, &["p/slow"]);
    provider.wait_hanging(1);
    let mut waiting = client.clone();
    let awaited = std::thread::spawn(move || {
        waiting.post(
            "/api/analyze",
            short_run_with(&["p/late"], json!({"cache": "off"})),
        )
    });
    provider.wait_called("late");
    // Simulates a row that expired while the database was unavailable.
    assert_eq!(cluster.run("UPDATE servers SET until = 1;"), "");
    let answer = awaited.join().unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let stored = client.get(&analysis_path(&id_of(&answer), "")).json();
    assert_eq!(stored["status"], "completed", "{stored}");
    let analysis = wait_until_ended(&mut client, &id);
    assert_eq!(analysis["status"], "completed", "{analysis}");
}

/// Starts a run on a server and kills the server. Then gives the run's lease to the other server, which does not know
/// about the run, as if the answer to its takeover had been lost. Returns the servers and the run's ID.
fn orphaned(cluster: &Cluster, provider: &Provider, number: u32) -> (KillablePair, String) {
    let mut pair = KillablePair::start(cluster, provider);
    let id = begin(&mut pair.client, &["p/slow"]);
    provider.wait_hanging(1);
    pair.first.take().unwrap().kill();
    let boot = "SELECT boot FROM servers ORDER BY started DESC LIMIT 1";
    let give =
        format!("UPDATE leases SET server = ({boot}), number = {number} WHERE name = '{id}';");
    assert_eq!(cluster.run(&give), "");
    (pair, id)
}

/// Returns a provider whose model stalls at the first call, and answers the second one if there is one.
fn stalling_once() -> Provider {
    Provider::script([
        on("slow").stall(&unfinished_stream("It is ")),
        on("slow").optional().sse(&answer_stream("It is thin.")),
        on("GET models")
            .times(2)
            .optional()
            .status(200, "application/json", "{\"data\":[]}"),
    ])
}

#[test]
fn a_server_resumes_a_run_whose_lease_it_has_without_driving_it() {
    let (cluster, provider) = (Cluster::start(), stalling_once());
    let (mut pair, id) = orphaned(&cluster, &provider, 1);
    let analysis = wait_until_ended(&mut pair.elsewhere, &id);
    assert_eq!(analysis["status"], "completed", "{analysis}");
}

#[test]
fn a_run_that_cannot_be_resumed_is_stopped_through_its_server() {
    let (cluster, provider) = (Cluster::start(), stalling_once());
    // The server gives up a run after this many leases.
    let (mut pair, id) = orphaned(&cluster, &provider, 50);
    cancel(&mut pair.elsewhere, &id);
    assert_eq!(pair.elsewhere.delete(&analysis_path(&id, "")).status, 200);
}

#[test]
fn a_run_that_fails_on_every_server_ends() {
    let (cluster, provider) = (Cluster::start(), stalling_once());
    let (mut pair, id) = orphaned(&cluster, &provider, 10);
    let analysis = wait_until_ended(&mut pair.elsewhere, &id);
    assert_eq!(analysis["status"], "cancelled", "{analysis}");
    let calls = provider.requests();
    let again = calls.iter().filter(|call| call.body["model"] == "slow");
    assert_eq!(again.count(), 1, "it is not asked again");
}

fn begin_and_end(client: &mut Client) -> String {
    let id = begin(client, &["demo/extract"]);
    let analysis = wait_until_ended(client, &id);
    analysis["status"].as_str().unwrap().to_owned()
}
