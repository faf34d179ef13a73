//! Experiments: priced before they begin, run in the background, survive a kill, end with the same decisions.

use serde_json::{Value, json};

use crate::support::Client;
use crate::support::line::{Line, on};
use crate::support::provider::Provider;
use crate::support::script::{saying, server};

/// A model that knows and one that does not.
fn two_models() -> Vec<Line> {
    vec![
        on("dull").times(500).optional().sse(&saying("It is 3.")),
        on("bright").times(500).optional().sse(&saying("It is 4.")),
    ]
}

fn body(cases: usize) -> Value {
    let cases: Vec<Value> = (0..cases)
        .map(|n| json!({ "prompt": format!("What is {n} and {}?", 4 - n as i64), "expected": "4" }))
        .collect();
    json!({
        "name": "Sums", "cases": cases, "seed": 7,
        "space": [{ "dial": "model", "values": ["p/dull", "p/bright"] }],
        "evaluator": { "kind": "number" }, "budget": { "evaluations": 200 },
    })
}

fn begun(client: &mut Client, body: Value) -> String {
    let begun = client.post("/api/experiments", body);
    assert_eq!(begun.status, 201, "{}", begun.text());
    let id = begun.json()["experiment_id"].as_str().unwrap().to_owned();
    format!("/api/experiments/{id}")
}

/// Follows its events to the end and gives it.
fn ended(client: &mut Client, path: &str) -> Value {
    let events: Vec<_> = client.events(&format!("{path}/events"), None).collect();
    assert_eq!(events.last().unwrap().name, "experiment.finished");
    client.get(path).json()
}

#[test]
fn the_better_setting_is_found() {
    let provider = Provider::script(two_models());
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let told = client.post("/api/experiments/estimate", body(30));
    assert_eq!(told.status, 200, "{}", told.text());
    let path = begun(&mut client, body(30));
    let shown = ended(&mut client, &path);
    assert_eq!(shown["status"], "completed");
    assert_eq!(shown["progress"]["best"]["place"], 1);
}
