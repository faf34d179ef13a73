//! Tests embeddings, which a single provider computes.

use std::time::Duration;

use serde_json::{Value, json};

use crate::compatible::key;
use crate::money::priced_server;
use crate::support::Client;
use crate::support::line::on;
use crate::support::provider::{Provider, ReceivedRequest};
use crate::support::script::server;

fn embedding_provider() -> Provider {
    Provider::answering(
        |request: &ReceivedRequest| match request.body["model"].as_str() {
            Some("busy") => on("")
                .header("retry-after", "7")
                .status(429, "application/json", "{}"),
            Some("odd") => on("").status(200, "application/json", "{\"data\":[]}"),
            _ => {
                let texts = request.body["input"].as_array().unwrap().len();
                let rows: Vec<Value> = (0..texts)
                    .map(|at| json!({ "index": at, "embedding": [at as f64, 0.5] }))
                    .collect();
                let body = json!({ "data": rows, "usage": { "prompt_tokens": 9 } });
                on("").status(200, "application/json", &body.to_string())
            }
        },
    )
}

#[test]
fn embeddings_are_forwarded_in_both_encodings_and_recorded() {
    let provider = embedding_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let answer = client.post(
        "/v1/embeddings",
        json!({ "model": "p/vec", "input": ["a", "b"], "dimensions": 2, "input_type": "query", "api_base": "http://x" }),
    );
    assert_eq!(answer.header("x-quire-ignored"), "api_base");
    let answer = answer.json();
    assert_eq!(
        answer["data"][1],
        json!({ "object": "embedding", "index": 1, "embedding": [1.0, 0.5] }),
        "{answer}"
    );
    assert_eq!(answer["usage"]["prompt_tokens"], 9);
    let sent_body = &provider.requests()[0].body;
    assert_eq!(
        (&sent_body["model"], &sent_body["dimensions"]),
        (&json!("vec"), &json!(2))
    );
    assert_eq!(sent_body["input_type"], "query", "{sent_body}");
    assert_eq!(sent_body["api_base"], Value::Null, "{sent_body}");
    // The expected vector is two 32-bit floats, 0 and 0.5, in the encoding that OpenAI's client requests. The path also
    // works without /v1.
    let answer = client
        .post(
            "/embeddings",
            json!({ "model": "p/vec", "input": "a", "encoding_format": "base64" }),
        )
        .json();
    assert_eq!(answer["data"][0]["embedding"], "AAAAAAAAAD8=", "{answer}");
    let used = client.get("/api/usage").text();
    assert!(used.contains("p/vec"), "{used}");
}

#[test]
fn embedding_errors_have_openai_format() {
    let provider = embedding_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    for (body, status) in [
        (json!({ "model": "p/busy", "input": "a" }), 429),
        (json!({ "model": "p/odd", "input": "a" }), 502),
        (json!({ "model": "p/vec", "input": [1, 2] }), 422),
        (json!({ "model": "demo/merge", "input": "a" }), 404),
        (json!({ "model": "nobody/x", "input": "a" }), 404),
    ] {
        let answer = client.post("/v1/embeddings", body.clone());
        let status = if status == 422 { 400 } else { status };
        assert_eq!(answer.status, status, "{body} {}", answer.text());
        assert!(answer.json()["error"]["message"].is_string());
        if status == 429 {
            assert_eq!(answer.header("retry-after"), "7");
        }
    }
}

#[test]
fn concurrent_embeddings_stay_within_a_budget() {
    let provider = Provider::answering(|_: &ReceivedRequest| {
        let body = json!({ "data": [{ "index": 0, "embedding": [0.5] }], "usage": { "prompt_tokens": 16 } });
        on("")
            .after(Duration::from_millis(300))
            .status(200, "application/json", &body.to_string())
    });
    let server = priced_server(&provider, &[("BUDGET_DAY_TOKENS", "20")]);
    let key = key(&mut server.user("ada@example.com"));
    // Each text is 16 tokens long, and the budget is not enough for two texts.
    let body = json!({ "model": "p/vec", "input": "a".repeat(64) });
    let ask = || {
        let client = Client::new(server.address).with("authorization", &format!("Bearer {key}"));
        let mut client = client;
        client.post("/v1/embeddings", body.clone()).status
    };
    let answered_count = std::thread::scope(|scope| {
        let requests: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        let statuses = requests.into_iter().map(|one| one.join().unwrap());
        statuses.filter(|status| *status == 200).count()
    });
    assert_eq!((answered_count, provider.requests().len()), (1, 1));
}

#[test]
fn a_repeated_idempotency_key_forwards_once() {
    let provider = embedding_provider();
    let server = server(&provider, &[]);
    let mut owner = server.user("ada@example.com");
    let keys = [key(&mut owner), key(&mut owner)];
    let ask = |n: usize, input: &str| {
        let client = Client::new(server.address);
        let client = client.with("authorization", &format!("Bearer {}", keys[n]));
        let mut client = client.with("idempotency-key", "one");
        client.post(
            "/v1/embeddings",
            json!({ "model": "p/vec", "input": input }),
        )
    };
    let (first, again) = (ask(0, "a"), ask(0, "a"));
    assert_eq!((first.status, first.text()), (200, again.text()));
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(ask(0, "b").status, 400);
    assert_eq!(provider.requests().len(), 1);
    // Idempotency keys belong to an API key, so the same key under the user's second API key causes a new call.
    assert_eq!(ask(1, "a").status, 200);
    assert_eq!(provider.requests().len(), 2);
}

#[test]
fn embeddings_beyond_a_budget_are_refused() {
    let provider = embedding_provider();
    let server = priced_server(&provider, &[("BUDGET_DAY_TOKENS", "20")]);
    let mut client = server.user("ada@example.com");
    let body = json!({ "model": "p/vec", "input": "a" });
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(client.post("/v1/embeddings", body.clone()).status);
    }
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        3,
        "{statuses:?}"
    );
    assert_eq!(provider.requests().len(), 3);
}

/// Starts a provider that refuses two fields with the vendors' own error messages.
fn strict_provider() -> Provider {
    Provider::answering(|received: &ReceivedRequest| {
        let refuse = |why: &str| {
            let body = json!({ "error": { "message": why, "type": "invalid_request_error", "param": null, "code": null } });
            on("").status(400, "application/json", &body.to_string())
        };
        if received.body.get("dimensions").is_some() {
            return refuse("This model does not support specifying dimensions.");
        }
        if received.body.get("encoding_format").is_some() {
            return refuse("Unrecognized request argument supplied: encoding_format");
        }
        let body = json!({ "data": [{ "index": 0, "embedding": [1.0, 0.5] }], "usage": { "prompt_tokens": 3 } });
        on("").status(200, "application/json", &body.to_string())
    })
}

#[test]
fn a_refused_field_is_omitted_reported_and_remembered() {
    let provider = strict_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let body = json!({ "model": "p/vec", "input": "a", "dimensions": 2 });
    for asked in [3, 4] {
        let answer = client.post("/v1/embeddings", body.clone());
        assert_eq!(answer.status, 200, "{}", answer.text());
        let mut ignored: Vec<&str> = answer.header("x-quire-ignored").split(", ").collect();
        ignored.sort_unstable();
        assert_eq!(ignored, ["dimensions", "encoding_format"]);
        assert_eq!(provider.requests().len(), asked, "remembered");
    }
}
