//! Tests costs: usage is recorded however a call ends, and budgets are enforced at the start, between stages, and
//! across concurrent runs.

use serde_json::{Value, json};

use crate::support::provider::{Provider, on};
use crate::support::script::{
    analysis_path, answer_stream, begin, id_of, server, short_run, short_run_with,
    unfinished_stream, wait_until_ended,
};
use crate::support::{Client, Server};

/// Returns a user's calls, oldest first: model, outcome, whether the usage is estimated, and cost.
fn calls(client: &mut Client) -> Vec<(String, String, bool, Value)> {
    let list = client.get("/api/usage/calls").json();
    let calls = list["calls"].as_array().unwrap().iter().rev();
    let line = |call: &Value| {
        (
            call["model"].as_str().unwrap().to_owned(),
            call["outcome"].as_str().unwrap().to_owned(),
            call["usage"]["estimated"].as_bool().unwrap(),
            call.clone(),
        )
    };
    calls.map(line).collect()
}

fn call_of<'a>(
    calls: &'a [(String, String, bool, Value)],
    model: &str,
) -> &'a (String, String, bool, Value) {
    let mut matching_calls = calls.iter().filter(|call| call.0 == model);
    let one = matching_calls
        .next()
        .unwrap_or_else(|| panic!("{model}: {calls:?}"));
    assert!(matching_calls.next().is_none(), "{model} twice: {calls:?}");
    one
}

/// Starts a server that uses this provider in place of OpenAI, so that prices are known.
pub fn priced_server(provider: &Provider, extra_settings: &[(&str, &str)]) -> Server {
    let url = provider.base_url();
    let mut all = vec![
        ("OPENAI_API_KEY", "sk-test"),
        ("OPENAI_BASE_URL", url.as_str()),
    ];
    all.extend_from_slice(extra_settings);
    server(provider, &all)
}

#[test]
fn every_call_is_recorded_with_its_outcome() {
    let provider = Provider::script([
        on("gpt-4o").sse(&answer_stream("It is thin.")),
        on("gpt-4.1").times(3).cut(&unfinished_stream("It is ")),
        on("broken").status(400, "application/json", "{}"),
        on("gpt-4o-mini").stall(&unfinished_stream("It is quite ")),
    ]);
    let server = priced_server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let models = [
        "openai/gpt-4o",
        "openai/gpt-4.1",
        "openai/broken",
        "openai/gpt-4o-mini",
    ];
    let id = begin(&mut client, &models);
    let events = client.events(&analysis_path(&id, "/events"), None);
    let mut awaited = vec!["member.completed", "member.failed", "member.failed"];
    let mut stalled = false;
    for event in events {
        if let Some(at) = awaited.iter().position(|name| *name == event.name) {
            awaited.remove(at);
        }
        stalled |= event.name == "member.delta" && event.data["model"] == "openai/gpt-4o-mini";
        if awaited.is_empty() && stalled {
            break;
        }
    }
    assert_eq!(
        client
            .post(&analysis_path(&id, "/cancel"), json!({}))
            .json()["status"],
        "cancelled"
    );

    let all = calls(&mut client);
    assert_eq!(all.len(), 4, "{all:?}");
    let (_, outcome, estimated, call) = call_of(&all, "openai/gpt-4o");
    assert_eq!((outcome.as_str(), *estimated), ("answered", false));
    // The cost is that of 11 input tokens at 2.5 dollars and 7 output tokens at 10 dollars per million.
    assert_eq!(call["cost_usd"], json!(0.000_098));
    for (model, ended, estimated) in [
        ("openai/gpt-4.1", "failed", true),
        ("openai/gpt-4o-mini", "cancelled", true),
        ("openai/broken", "failed", false),
    ] {
        let call_row = call_of(&all, model);
        assert_eq!(
            (call_row.1.as_str(), call_row.2),
            (ended, estimated),
            "{call_row:?}"
        );
    }
    let cost = |model: &str| call_of(&all, model).3["cost_usd"].as_f64().unwrap();
    assert!(cost("openai/gpt-4.1") > 0.0 && cost("openai/gpt-4o-mini") > 0.0);
    assert_eq!(cost("openai/broken"), 0.0);

    let sum: f64 = models.iter().map(|model| cost(model)).sum();
    let usage = client.get("/api/usage").json();
    let (call_count, failed) = (&usage["totals"]["calls"], &usage["totals"]["failed"]);
    assert_eq!((call_count, failed), (&json!(4), &json!(3)), "{usage}");
    let is_near_sum = |value: &Value| (value.as_f64().unwrap() - sum).abs() < 1e-9;
    assert!(is_near_sum(&usage["totals"]["cost_usd"]), "{usage}");
    assert!(
        is_near_sum(&usage["budget"]["spent"]["day"]["cost_usd"]),
        "{usage}"
    );
    assert_eq!(usage["budget"]["reserved"]["tokens"], 0, "{usage}");
    let body = client.get(&analysis_path(&id, "")).json();
    assert!(is_near_sum(&body["cost_usd"]), "{body}");
    let text = client.get("/api/usage?format=csv").text();
    assert_eq!(text.lines().count(), 5, "{text}");
}

#[test]
fn a_run_over_a_budget_is_refused_with_the_reason() {
    let provider = Provider::script([]);
    let server = priced_server(&provider, &[("BUDGET_DAY_TOKENS", "100")]);
    let mut client = server.user("ada@example.com");
    let estimate = client
        .post("/api/estimate", short_run(&["openai/gpt-4o"]))
        .json();
    assert_eq!(estimate["allowed"], false, "{estimate}");
    assert!(estimate["upper_bound_usd"].as_f64() >= estimate["cost_usd"].as_f64());
    let answer = client.post("/api/analyze", short_run(&["openai/gpt-4o"]));
    let refusal = answer.refused(402, "BUDGET_EXCEEDED")["message"].to_string();
    for word in [
        "day's token budget of 100 tokens",
        "100 tokens left",
        "resets at",
    ] {
        assert!(refusal.contains(word), "{refusal}");
    }

    // An administrator replaces the limit of one user with a budget in dollars. The price of one model is unknown.
    let own_id = client.get("/api/users/me").json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/api/admin/users/{own_id}/budget");
    let set = client.put(&path, json!({"day_usd": 0.01})).json();
    assert_eq!(set["limits"]["day_tokens"], Value::Null, "{set}");
    let response = client.post("/api/analyze", short_run(&["p/unpriced"]));
    let rejected = response.refused(402, "BUDGET_EXCEEDED")["message"].to_string();
    assert!(rejected.contains("p/unpriced"), "{rejected}");
    client
        .put(&path, json!({"day_usd": -1}))
        .refused(422, "VALIDATION_ERROR");
    assert_eq!(client.delete(&path).status, 200);
    assert_eq!(client.get(&path).json()["own"], false);
    // Demo models cost nothing, but their tokens count toward the limit.
    let demo = client.post("/api/analyze", short_run(&["demo/extract"]));
    demo.refused(402, "BUDGET_EXCEEDED");

    let mut other = server.user("bob@example.com");
    other.get(&path).refused(403, "FORBIDDEN");
    other
        .get(&format!("/api/usage?user={own_id}"))
        .refused(403, "FORBIDDEN");
    assert_eq!(client.get("/api/usage?user=all").json()["users"], json!([]));
    let together = client.get("/api/usage?user=all&group=day").json();
    assert_eq!(together["usage"], json!([]));
    assert!(provider.requests().is_empty());
}

#[test]
fn a_run_out_of_budget_ends_with_its_best_answer() {
    // The first answer uses far more tokens than estimated.
    let expensive = answer_stream("It is thin.")
        .replace("\"completion_tokens\":7", "\"completion_tokens\":900000");
    let provider = Provider::script([on("gpt-4o").sse(&expensive)]);
    let server = priced_server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let extra = json!({
        "budget_usd": 1, "async": true, "ultra_model": "openai/gpt-4o-mini", "cache": "off",
    });
    let started = client.post("/api/analyze", short_run_with(&["openai/gpt-4o"], extra));
    let id = id_of(&started);
    let last = client
        .events(&analysis_path(&id, "/events"), None)
        .last()
        .unwrap();
    assert_eq!(last.name, "analysis.completed");
    let notes = last.data["notes"].to_string();
    assert!(
        notes.contains("best answer so far, by A (openai/gpt-4o)"),
        "{notes}"
    );
    let why = last.data["degraded"].as_str().unwrap();
    assert!(why.contains("budget of this analysis of 1.00 USD"), "{why}");
    let analysis = wait_until_ended(&mut client, &id);
    assert_eq!(analysis["ultra_response"], "It is thin.", "{analysis}");
    assert_eq!(provider.requests().len(), 1);
}

#[test]
fn runs_at_once_cannot_spend_the_same_money_twice() {
    let provider = Provider::script([on("gpt-4o").hang().times(8).optional()]);
    let server = priced_server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let own_id = client.get("/api/users/me").json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let estimate = client
        .post("/api/estimate", short_run(&["openai/gpt-4o"]))
        .json();
    let bound = estimate["calls"][0]["upper_bound_usd"].as_f64().unwrap();
    // The budget is enough for the first stages of two runs, but not of three.
    let limit = json!({"day_usd": bound * 2.5});
    assert_eq!(
        client
            .put(&format!("/api/admin/users/{own_id}/budget"), limit)
            .status,
        200
    );
    let started: Vec<_> = (0..5)
        .map(|n| {
            let extra =
                json!({"async": true, "cache": "off", "prompt": format!("How thick is it? {n}")});
            client.post("/api/analyze", short_run_with(&["openai/gpt-4o"], extra))
        })
        .filter(|answer| answer.status == 202)
        .map(|answer| id_of(&answer))
        .collect();
    provider.wait_hanging(2);
    let usage = client.get("/api/usage").json();
    let reserved_dollars = usage["budget"]["reserved"]["cost_usd"].as_f64().unwrap();
    assert!(
        reserved_dollars > 0.0 && reserved_dollars <= bound * 2.5,
        "{usage}"
    );
    assert_eq!(provider.requests().len(), 2);
    for id in started {
        client.post(&analysis_path(&id, "/cancel"), json!({}));
    }
    let usage = client.get("/api/usage").json();
    assert_eq!(usage["budget"]["reserved"]["cost_usd"], 0.0, "{usage}");
    let spent_dollars = usage["budget"]["spent"]["day"]["cost_usd"]
        .as_f64()
        .unwrap();
    assert!(spent_dollars <= bound * 2.5, "{usage}");
}

#[test]
fn the_price_of_a_provider_applies_to_its_models() {
    let provider = Provider::script([on("any").sse(&answer_stream("It is thin."))]);
    let list = json!([{ "id": "lab", "base_url": provider.base_url(), "models": ["any"],
        "price": { "input": 1000.0, "output": 2000.0 } }])
    .to_string();
    let server = server(&provider, &[("QUIRE_PROVIDERS", &list)]);
    let mut client = server.user("ada@example.com");
    let body =
        json!({ "model": "lab/any", "messages": [{ "role": "user", "content": "Is it thin?" }] });
    let answer = client.post("/v1/chat/completions", body);
    let usage = answer.json()["usage"].clone();
    let tokens = |name: &str| usage[name].as_f64().unwrap();
    let cost = (tokens("prompt_tokens") * 1000.0 + tokens("completion_tokens") * 2000.0) / 1e6;
    assert!(cost > 0.0);
    assert_eq!(answer.header("x-quire-cost-usd"), format!("{cost:.6}"));
}
