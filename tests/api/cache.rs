//! Tests the cache through the whole server: who gets cached answers, what they save, and why answers are not found.

use serde_json::{Value, json};

use crate::support::Client;
use crate::support::provider::{Provider, on};
use crate::support::script::{
    analysis_path, answer_stream, id_of, server, short_run_with, wait_until_ended,
};

fn run_analysis(client: &mut Client, models: &[&str], extra_fields: Value) -> Value {
    let mut body = short_run_with(models, extra_fields);
    body["async"] = json!(true);
    let id = id_of(&client.post("/api/analyze", body));
    wait_until_ended(client, &id)
}

fn first_is_cached(shown: &Value) -> bool {
    shown["results"]["stages"][0]["answers"][0]["cached"] == json!(true)
}

#[test]
fn cache_modes_and_maximum_age_are_honored_and_hits_are_free() {
    let provider = Provider::script([on("gpt-4o").times(4).sse(&answer_stream("It is thin."))]);
    let url = provider.base_url();
    let server = server(
        &provider,
        &[("OPENAI_API_KEY", "sk-test"), ("OPENAI_BASE_URL", &url)],
    );
    let mut ada = server.user("ada@example.com");
    let models = ["openai/gpt-4o"];
    for (mode, expected) in [
        (json!({}), false),
        (json!({}), true),
        (json!({ "cache": "off" }), false),
        (json!({ "cache": "refresh" }), false),
        (json!({ "cache_max_age_s": 3600 }), true),
        (json!({ "cache_max_age_s": 0 }), false),
    ] {
        let output = run_analysis(&mut ada, &models, mode.clone());
        assert_eq!(first_is_cached(&output), expected, "{mode}");
        assert_eq!(output["cost_usd"] == json!(0.0), expected, "{mode}");
        let member_answer = output["model_responses"]["openai/gpt-4o"].clone();
        assert_eq!(member_answer, "It is thin.");
    }
    assert_eq!(provider.requests().len(), 4);
    let stats = ada.get("/api/cache/stats").json();
    // The cache contains one answer from the provider and one from the demo model.
    assert_eq!(stats["entries"], 2, "{stats}");
    assert!(
        stats["saved"]["cost_usd"].as_f64().unwrap() > 0.0,
        "{stats}"
    );
    let saved = ada.get("/api/usage").json()["saved"].clone();
    assert_eq!(saved, stats["saved"]);

    let mut bob = server.client().registered("bob@example.com");
    bob.get("/api/cache/stats").refused(403, "FORBIDDEN");
    let other = json!({ "model": "openai/gpt-4.1" });
    assert_eq!(ada.post("/api/cache/clear", other).json()["removed"], 0);
    let own_body = json!({ "model": "openai/gpt-4o" });
    assert_eq!(ada.post("/api/cache/clear", own_body).json()["removed"], 1);
    assert_eq!(bob.delete("/api/users/me/cache").json()["removed"], 0);
    assert_eq!(ada.delete("/api/users/me/cache").json()["removed"], 1);
    // The savings are still reported after the cache has been cleared.
    let remaining = ada.get("/api/cache/stats").json();
    assert_eq!(
        (&remaining["entries"], &remaining["saved"]),
        (&json!(0), &stats["saved"])
    );
}

#[test]
fn cached_answers_are_private_unless_sharing_is_enabled() {
    for (sharing, expected) in [("off", false), ("team", true)] {
        let times = if expected { 3 } else { 4 };
        let provider = Provider::script([on("a").times(times).sse(&answer_stream("It is thin."))]);
        let server = server(&provider, &[("CACHE_SHARING", sharing)]);
        let mut ada = server.user("ada@example.com");
        let mut bob = server.client().registered("bob@example.com");
        assert!(!first_is_cached(&run_analysis(
            &mut ada,
            &["p/a"],
            json!({})
        )));
        assert_eq!(
            first_is_cached(&run_analysis(&mut bob, &["p/a"], json!({}))),
            expected
        );
        // An answer that is based on a user's documents is cached only for that user.
        for client in [&mut ada, &mut bob] {
            let name = "paper.txt";
            let document = client
                .upload("/api/upload-document", name, b"The paper is 4 mm thick.")
                .json();
            let extra = json!({ "document_ids": [document["id"]] });
            assert!(!first_is_cached(&run_analysis(client, &["p/a"], extra)));
        }
    }
}

#[test]
fn concurrent_identical_calls_are_made_once() {
    let provider = Provider::script([on("a")
        .after(std::time::Duration::from_millis(800))
        .sse(&answer_stream("It is thin."))]);
    let server = server(&provider, &[]);
    let mut ada = server.user("ada@example.com");
    let body = || short_run_with(&["p/a"], json!({ "async": true }));
    let ids: Vec<String> = (0..4)
        .map(|_| id_of(&ada.post("/api/analyze", body())))
        .collect();
    let cached: Vec<bool> = ids
        .iter()
        .map(|id| {
            let analysis = wait_until_ended(&mut ada, id);
            assert_eq!(
                analysis["model_responses"]["p/a"], "It is thin.",
                "{analysis}"
            );
            first_is_cached(&analysis)
        })
        .collect();
    assert_eq!(cached.iter().filter(|cached| **cached).count(), 3);
    assert_eq!(provider.requests().len(), 1);
}

#[test]
fn waiting_request_takes_over_when_the_leader_fails_or_disconnects() {
    let provider = Provider::script([on("a").hang(), on("a").sse(&answer_stream("It is thin."))]);
    let server = server(&provider, &[]);
    let mut ada = server.user("ada@example.com");
    let body = || short_run_with(&["p/a"], json!({ "async": true }));
    let first = id_of(&ada.post("/api/analyze", body()));
    provider.wait_called("a");
    let second = id_of(&ada.post("/api/analyze", body()));
    ada.post(&analysis_path(&first, "/cancel"), json!({}));
    let analysis = wait_until_ended(&mut ada, &second);
    assert_eq!(analysis["status"], "completed", "{analysis}");
    assert!(!first_is_cached(&analysis));
}

#[test]
fn cache_misses_are_explained() {
    let provider = Provider::script([on("a").times(2).sse(&answer_stream("It is thin."))]);
    let server = server(&provider, &[]);
    let mut ada = server.user("ada@example.com");
    let why = |client: &mut Client, report: &Value| {
        let id = report["id"].as_str().unwrap();
        client.get(&analysis_path(id, "/cache")).json()["calls"][0].clone()
    };
    let first = run_analysis(&mut ada, &["p/a"], json!({}));
    assert_eq!(
        why(&mut ada, &first)["why"],
        "nothing was cached at that time"
    );
    let warm = run_analysis(
        &mut ada,
        &["p/a"],
        json!({ "parameters": { "temperature": 0.9 } }),
    );
    assert_eq!(why(&mut ada, &warm)["differs"], json!(["temperature"]));
    let second = run_analysis(&mut ada, &["p/a"], json!({}));
    let response = why(&mut ada, &second);
    assert_eq!(
        (&response["hit"], &response["why"]),
        (&json!(true), &json!("given again"))
    );
    let key = response["key"].as_str().unwrap();
    let mut bob = server.client().registered("bob@example.com");
    let id = second["id"].as_str().unwrap();
    bob.get(&analysis_path(id, "/cache"))
        .refused(404, "NOT_FOUND");
    assert_eq!(ada.delete(&format!("/api/cache/{key}")).status, 200);
    ada.delete(&format!("/api/cache/{key}"))
        .refused(404, "NOT_FOUND");
}
