//! Tests models that a recipe or request names although they no longer exist, and a model that is named twice.

use serde_json::{Value, json};

use crate::support::provider::{Provider, ReceivedRequest, on};
use crate::support::script::{
    analysis_path, answer_stream, id_of, server, short_run, short_run_with, wait_until_ended,
};
use crate::support::{Client, Server};

/// Starts a provider that answers every request and whose list contains one model.
fn listing_provider(name: &'static str) -> Provider {
    Provider::answering(
        move |request: &ReceivedRequest| match request.head.starts_with("GET") {
            true => {
                let list = json!({ "data": [{ "id": name, "created": 30 }] });
                on("").status(200, "application/json", &list.to_string())
            }
            false => on("").sse(&answer_stream("Thin.")),
        },
    )
}

fn provider_setting(provider: &Provider, id: &str, models: &[&str]) -> String {
    json!([{ "id": id, "base_url": provider.base_url(), "api_key": "sk-test-key", "models": models }])
        .to_string()
}

fn result_notes(report: &Value) -> String {
    report["notes"].to_string() + &report["metadata"]["notes"].to_string()
}

#[test]
fn a_recipe_a_retry_and_a_rerun_go_on_without_a_model_that_is_gone() {
    let provider = listing_provider("new");
    let both = provider_setting(&provider, "p", &["old", "new"]);
    let server = Server::with(&[("QUIRE_PROVIDERS", &both), ("USE_MOCK", "true")]);
    let mut ada = server.user("ada@example.org");
    for (name, models) in [
        ("pair", json!(["p/old", "p/new"])),
        ("gone", json!(["p/old"])),
    ] {
        let recipe = json!({
            "name": name, "pattern": "summarize", "models": models, "ultra_model": "demo/merge",
            "model_parameters": { "p/old": { "temperature": 0.1 } },
        });
        assert_eq!(ada.post("/api/recipes", recipe).status, 201);
    }
    let id = id_of(&ada.post(
        "/api/analyze",
        short_run_with(&["p/old", "p/new"], json!({ "async": true })),
    ));
    assert_eq!(wait_until_ended(&mut ada, &id)["status"], "completed");
    let one = provider_setting(&provider, "p", &["new"]);
    let restarted = Server::in_folder(
        server.stop(),
        &[("QUIRE_PROVIDERS", &one), ("USE_MOCK", "true")],
    );
    ada.base = restarted.client().base;
    let ask = |ada: &mut Client, recipe: &str| {
        ada.post(
            "/api/analyze",
            json!({ "prompt": "How thick is the paper?", "recipe": recipe }),
        )
    };
    let answer = ask(&mut ada, "pair");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    assert_eq!(answer["metadata"]["models_used"], json!(["p/new"]));
    assert!(
        result_notes(&answer).contains("p/old is no longer available"),
        "{answer}"
    );
    let refusal = ask(&mut ada, "gone");
    refusal.refused(422, "VALIDATION_ERROR");
    assert!(
        refusal
            .text()
            .contains("none of its models is available any longer: p/old")
    );
    for (path, body) in [
        ("/retry", json!({})),
        ("/rerun", json!({ "depth": "quick" })),
    ] {
        let started = ada.post(&analysis_path(&id, path), body);
        assert_eq!(started.status, 202, "{}", started.text());
        let analysis = wait_until_ended(&mut ada, &id_of(&started));
        assert!(
            result_notes(&analysis).contains("p/old is no longer available"),
            "{path} {analysis}"
        );
    }
    let direct = ada.post("/api/analyze", short_run(&["p/old", "p/new"]));
    direct.refused(422, "VALIDATION_ERROR");
    let recipes = ada.get("/api/recipes").json();
    for recipe in recipes["recipes"].as_array().unwrap() {
        assert_eq!(
            recipe["retired"],
            json!([{ "model": "p/old", "successor": null }])
        );
    }
    let rows = ada.get("/v1/models").json()["data"].clone();
    let mut rows = rows.as_array().unwrap().iter();
    let pair = rows.find(|row| row["id"] == "quire/pair").unwrap();
    assert_eq!(pair["retired_models"], json!(["p/old"]), "{pair}");
    for stream in [false, true] {
        let chat = json!({ "model": "quire/pair", "stream": stream,
            "messages": [{ "role": "user", "content": "How thick is the paper?" }] });
        let answer = ada.post("/v1/chat/completions", chat);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-quire-ignored"), "models: p/old");
    }
    // Renaming the recipe does not create a version.
    let id = recipes["recipes"][0]["id"].as_str().unwrap();
    let renamed = ada.put(&format!("/api/recipes/{id}"), json!({ "name": "renamed" }));
    assert_eq!(renamed.status, 200, "{}", renamed.text());
}

#[test]
fn lists_mark_a_model_that_its_provider_no_longer_lists() {
    let provider = listing_provider("gpt-7-new");
    let provider_list = provider_setting(&provider, "openai", &["gpt-4o", "gpt-7-new"]);
    let server = Server::with(&[("QUIRE_PROVIDERS", &provider_list)]);
    let mut admin = server.user("admin@example.org");
    assert_eq!(admin.post("/api/llm/health-check", json!({})).status, 200);
    let of = |list: &Value, id: &str| {
        let mut rows = list.as_array().unwrap().iter();
        rows.find(|row| row["id"] == id).unwrap().clone()
    };
    for list in [
        admin.get("/api/available-models").json(),
        admin.get("/v1/models").json()["data"].clone(),
    ] {
        let listed_model = of(&list, "openai/gpt-4o");
        assert_eq!(
            (&listed_model["retired"], &listed_model["successor"]),
            (&json!(true), &json!("openai/gpt-7-new"))
        );
        assert_eq!(of(&list, "openai/gpt-7-new")["retired"], Value::Null);
    }
    // Model lists can be incomplete, so the model is still called, and the notes of the result mention it.
    let body = json!({ "prompt": "Why?", "models": ["openai/gpt-4o"], "pattern": "single", "async": true });
    let id = id_of(&admin.post("/api/analyze", body));
    let analysis = wait_until_ended(&mut admin, &id);
    assert!(
        result_notes(&analysis).contains("openai/gpt-4o is no longer in its provider's list"),
        "{analysis}"
    );
    let panel = admin.get("/api/models").json()["default_panel"].clone();
    assert_eq!(panel, json!(["openai/gpt-7-new"]));
}

#[test]
fn a_model_that_is_named_twice_gives_two_samples() {
    let provider = listing_provider("m");
    let server = server(&provider, &[]);
    let mut ada = server.user("ada@example.org");
    let answer = ada.post("/api/analyze", short_run(&["p/m", "p/m"]));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let texts = answer.json()["model_responses"].clone();
    assert_eq!(texts, json!({ "p/m": "Thin.", "p/m#2": "Thin." }));
    assert_eq!(provider.requests().len(), 2);
    let body = json!({
        "model": "quire/summarize", "models": ["p/m", "p/m"],
        "messages": [{ "role": "user", "content": "How thick is the paper?" }],
    });
    let answer = ada.post("/v1/chat/completions", body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-quire-panel"), "p/m, p/m#2");
}

#[test]
fn a_model_that_is_also_the_writer_is_marked_once() {
    let provider = listing_provider("new");
    let server = Server::with(&[(
        "QUIRE_PROVIDERS",
        &provider_setting(&provider, "p", &["old", "new"]),
    )]);
    let mut ada = server.user("ada@example.org");
    let recipe = json!({ "name": "twice", "pattern": "summarize", "models": ["p/old", "p/new"], "ultra_model": "p/old" });
    assert_eq!(ada.post("/api/recipes", recipe).status, 201);
    let one = provider_setting(&provider, "p", &["new"]);
    let restarted = Server::in_folder(server.stop(), &[("QUIRE_PROVIDERS", &one)]);
    ada.base = restarted.client().base;
    let recipes = ada.get("/api/recipes").json();
    assert_eq!(
        recipes["recipes"][0]["retired"],
        json!([{ "model": "p/old", "successor": null }])
    );
}
