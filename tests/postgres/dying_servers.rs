//! Tests commands for a run whose server dies before it can execute them.

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::members::{KillablePair, wait_for};
use super::outages::holds;
use super::support::provider::{Provider, on};
use super::support::script::{
    analysis_path, answer_stream, begin, unfinished_stream, wait_until_ended,
};

/// Starts a run of two models, one of which has answered. Freezes the run's server, sends a command through another
/// server, and kills the frozen one. Returns the run after its end.
fn command_and_kill(command: &str, body: &Value) -> (Value, Vec<String>) {
    let cluster = Cluster::start();
    let provider = Provider::script([
        on("quick").sse(&answer_stream("It is thin.")),
        on("slow").stall(&unfinished_stream("It is ")),
        on("quick")
            .times(9)
            .optional()
            .sse(&answer_stream("It is thin.")),
        on("slow")
            .times(9)
            .optional()
            .stall(&unfinished_stream("It is ")),
        on("GET models")
            .times(9)
            .optional()
            .status(200, "application/json", "{\"data\":[]}"),
    ]);
    let mut pair = KillablePair::start(&cluster, &provider);
    let id = begin(&mut pair.client, &["p/quick", "p/slow"]);
    provider.wait_hanging(1);
    let answered = format!("EXISTS (SELECT 1 FROM stage_answers WHERE analysis_id = '{id}')");
    wait_for("one has answered", || holds(&cluster, &answered));
    let asked = provider.requests().len();
    let first = pair.first.take().unwrap();
    first.signal("-STOP");
    let elsewhere = &mut pair.elsewhere;
    std::thread::scope(|scope| {
        let mut client = elsewhere.clone();
        let path = analysis_path(&id, command);
        let given = scope.spawn(move || client.post(&path, body.clone()));
        let stored = format!("EXISTS (SELECT 1 FROM run_commands WHERE analysis_id = '{id}')");
        wait_for("the command is stored", || holds(&cluster, &stored));
        first.kill();
        let given = given.join().unwrap();
        assert_eq!(given.status, 200, "{}", given.text());
    });
    let analysis = wait_until_ended(elsewhere, &id);
    let ends = format!(
        "(SELECT count(*) FROM events WHERE analysis_id = '{id}' AND kind IN
              ('analysis.completed', 'analysis.failed', 'analysis.cancelled')) = 1"
    );
    assert!(holds(&cluster, &ends), "{analysis}");
    let left = format!("EXISTS (SELECT 1 FROM run_commands WHERE analysis_id = '{id}')");
    assert!(!holds(&cluster, &left), "the command is done");
    let calls = provider.requests().split_off(asked);
    let models = calls.iter().map(|call| call.model());
    let models = models.filter(|model| !model.starts_with("GET "));
    (analysis, models.collect())
}

#[test]
fn a_run_that_was_canceled_while_its_server_died_is_canceled_once_and_calls_nothing() {
    let (analysis, calls) = command_and_kill("/cancel", &json!({}));
    assert_eq!(analysis["status"], "cancelled", "{analysis}");
    assert_eq!(calls, Vec::<String>::new());
}

#[test]
fn a_model_that_was_skipped_while_the_server_of_its_run_died_is_skipped() {
    let (analysis, _) = command_and_kill("/leave-out", &json!({ "model": "p/slow" }));
    assert_eq!(analysis["status"], "completed", "{analysis}");
}
