//! Tests experiments with several servers.

use std::time::Duration;

use serde_json::json;

use super::cluster::Cluster;
use super::members::{KillablePair, ServerPair, wait_for};
use super::support::provider::{Provider, on};
use super::support::script::answer_stream;

#[test]
fn the_experiment_of_a_killed_server_is_continued_by_another() {
    let cluster = Cluster::start();
    let pause = Duration::from_millis(100);
    let line = |model: &str| on(model).times(500).optional();
    let list = "{\"data\":[]}";
    let provider = Provider::script([
        line("dull").after(pause).sse(&answer_stream("It is 3.")),
        line("bright").after(pause).sse(&answer_stream("It is 4.")),
        line("GET models").status(200, "application/json", list),
    ]);
    let mut pair = KillablePair::start(&cluster, &provider);
    let (client, elsewhere) = (&mut pair.client, &mut pair.elsewhere);
    let cases: Vec<_> = (0..8)
        .map(|n| json!({ "prompt": format!("What is {n} and {}?", 4 - n), "expected": "4" }))
        .collect();
    let body = json!({
        "name": "Sums", "cases": cases, "seed": 7,
        "space": [{ "dial": "model", "values": ["p/dull", "p/bright"] }],
        "evaluator": { "kind": "number" }, "budget": { "evaluations": 200 },
    });
    let started = client.post("/api/experiments", body);
    assert_eq!(started.status, 201, "{}", started.text());
    let id = started.json()["experiment_id"].as_str().unwrap().to_owned();
    let path = format!("/api/experiments/{id}");
    provider.wait_called("bright");
    pair.first.take().unwrap().kill();
    wait_for("the experiment ends", || {
        elsewhere.get(&path).json()["status"] != "running"
    });
    let ended = elsewhere.get(&path).json();
    assert_eq!(ended["status"], "completed", "{ended}");
}

#[test]
fn an_experiment_is_stopped_through_another_server() {
    let cluster = Cluster::start();
    let provider = Provider::script([
        on("dull").times(2).optional().stall(""),
        on("bright").times(2).optional().stall(""),
    ]);
    let mut pair = ServerPair::start(&cluster, &provider);
    let (client, elsewhere) = (&mut pair.client, &mut pair.elsewhere);
    let started = client.post(
        "/api/experiments",
        json!({
            "name": "Sums", "cases": [{ "prompt": "What is 2 and 2?", "expected": "4" }], "seed": 7,
            "space": [{ "dial": "model", "values": ["p/dull", "p/bright"] }],
            "evaluator": { "kind": "number" }, "budget": { "evaluations": 200 },
        }),
    );
    assert_eq!(started.status, 201, "{}", started.text());
    let id = started.json()["experiment_id"].as_str().unwrap().to_owned();
    provider.wait_hanging(1);
    let path = format!("/api/experiments/{id}");
    let stopped = elsewhere.post(&format!("{path}/cancel"), json!({}));
    assert_eq!(stopped.status, 200, "{}", stopped.text());
    // The experiment's calls end too, although another server made them.
    provider.wait_for_disconnects(1);
    assert_eq!(client.get(&path).json()["status"], "cancelled");
}
