//! Tests several answers to one request (`n`): this many calls are made, a few of them at a time, and joined in one
//! response.

use std::time::Duration;

use serde_json::{Value, json};

use crate::compatible::{data_objects, key, stream_lines};
use crate::stream::open_stream;
use crate::support::line::on;
use crate::support::provider::{Provider, ReceivedRequest};
use crate::support::script::{answer_stream, begin, server};
use crate::surface::counting_provider;

#[test]
fn several_answers_are_as_many_calls_and_one_answer() {
    let provider = counting_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let chat = |extra_fields: Value| {
        let mut body = json!({ "model": "p/any", "messages": [{ "role": "user", "content": "A number?" }], "n": 3 });
        for (name, value) in extra_fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let answer = client.post("/v1/chat/completions", chat(json!({})));
    let response = answer.json();
    let choices = response["choices"].as_array().unwrap();
    let texts: std::collections::BTreeSet<&str> = choices
        .iter()
        .map(|choice| choice["message"]["content"].as_str().unwrap())
        .collect();
    assert_eq!(
        (choices.len(), texts.len(), provider.requests().len()),
        (3, 3, 3),
        "{response}"
    );
    assert_eq!(
        choices
            .iter()
            .map(|choice| choice["index"].clone())
            .collect::<Vec<_>>(),
        [0, 1, 2]
    );
    assert_eq!(response["usage"]["completion_tokens"], 21);
    assert_eq!(answer.header("x-quire-panel"), "p/any");

    let key = key(&mut client);
    let (_, lines) = stream_lines(
        &server,
        &key,
        "/v1/chat/completions",
        &chat(json!({ "stream": true, "stream_options": { "include_usage": true } })),
    );
    let chunks = data_objects(&lines);
    for index in 0..3 {
        let own: Vec<&Value> = chunks
            .iter()
            .filter(|chunk| chunk["choices"][0]["index"] == index)
            .collect();
        assert_eq!(own[0]["choices"][0]["delta"]["role"], "assistant");
        assert_eq!(own.last().unwrap()["choices"][0]["finish_reason"], "stop");
    }
    assert_eq!(lines.last().unwrap(), "data: [DONE]");
    let panel = client.post(
        "/v1/chat/completions",
        chat(json!({ "model": "quire/gut" })),
    );
    assert_eq!(
        (panel.status, &panel.json()["error"]["param"]),
        (400, &json!("n")),
        "{}",
        panel.text()
    );
    for n in [json!(0), json!(17), json!("2")] {
        assert_eq!(
            client
                .post("/v1/chat/completions", chat(json!({ "n": n })))
                .status,
            400
        );
    }
    let prompts = json!({ "model": "p/any", "prompt": ["a", "b"], "n": 2 });
    let response = client.post("/v1/completions", prompts).json();
    assert_eq!(
        response["choices"].as_array().unwrap().len(),
        4,
        "{response}"
    );
}

fn several_answers_body(n: usize, extra_fields: Value) -> Value {
    let mut body = json!({ "model": "p/any", "messages": [{ "role": "user", "content": "A number?" }], "n": n });
    for (name, value) in extra_fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[test]
fn multiple_answers_have_limited_concurrency() {
    let provider = counting_provider();
    provider.limit_concurrency(4);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let response = client
        .post("/v1/chat/completions", several_answers_body(16, json!({})))
        .json();
    assert_eq!(
        response["choices"].as_array().unwrap().len(),
        16,
        "{response}"
    );
    assert_eq!(response.get("incomplete"), None);
    assert_eq!(provider.requests().len(), 16);
}

#[test]
fn no_model_is_called_without_capacity_for_all_answers() {
    let provider =
        Provider::answering(|request: &ReceivedRequest| match request.model().as_str() {
            "slow" => on("").hang(),
            _ => on("").sse(&answer_stream("It is thin.")),
        });
    let server = server(&provider, &[("MAX_STREAMS_PER_USER", "4")]);
    let mut client = server.user("ada@example.com");
    // Analyses have separate limits.
    for _ in 0..4 {
        begin(&mut client, &["p/slow"]);
    }
    provider.wait_hanging(4);
    let slow =
        json!({ "model": "p/slow", "messages": [{ "role": "user", "content": "A number?" }] });
    let held_stream = open_stream(&server, &mut client, "POST", "/v1/chat/completions", &slow);
    provider.wait_hanging(5);
    let request_for = |provider: &Provider| {
        let all = provider.requests();
        all.iter().filter(|one| one.model() == "any").count()
    };
    let response = client.post("/v1/chat/completions", several_answers_body(5, json!({})));
    assert_eq!(response.status, 429, "{}", response.text());
    assert!(response.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(request_for(&provider), 0);
    // The slots of the failed requests are free again.
    for _ in 0..2 {
        let answer = client.post("/v1/chat/completions", several_answers_body(3, json!({})));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    drop(held_stream);
    provider.wait_for_disconnect("slow");
    // The slot becomes free once the usage of its call is known.
    let free = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        let answer = client.post("/v1/chat/completions", several_answers_body(4, json!({})));
        answer.status == 200
    });
    assert!(free);
}

#[test]
fn answers_before_a_failure_are_delivered() {
    let count = std::sync::atomic::AtomicU32::new(0);
    let provider = Provider::answering(move |_: &ReceivedRequest| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        match number {
            0..5 => on("").sse(&answer_stream("It is thin.")),
            _ => on("").status(400, "application/json", "{}"),
        }
    });
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let answer = client.post("/v1/chat/completions", several_answers_body(16, json!({})));
    let response = answer.json();
    assert_eq!(answer.status, 200, "{response}");
    let choice_count = response["choices"].as_array().unwrap().len();
    assert_eq!(choice_count, 5, "{response}");
    assert_eq!(answer.header("x-quire-incomplete"), "5 of 16");
    assert_eq!(
        (
            &response["incomplete"]["wanted"],
            &response["incomplete"]["given"]
        ),
        (&json!(16), &json!(5))
    );
    assert!(
        response["incomplete"]["error"]["message"].is_string(),
        "{response}"
    );
    // The cost of a failed call is unknown.
    assert_eq!(answer.header("x-quire-cost-usd"), "");
    let request_count = provider.requests().len();
    assert!(
        request_count < 5 + 2 * 4,
        "none begins after one has failed: {request_count}"
    );
    // The request fails only if all answers fail.
    let other = json!({ "messages": [{ "role": "user", "content": "Another number?" }] });
    let none = client.post("/v1/chat/completions", several_answers_body(16, other));
    assert_eq!(none.status, 400, "{}", none.text());
}

#[test]
fn fields_without_effect_are_named_for_all_answers_together() {
    let count = std::sync::atomic::AtomicU32::new(0);
    let refusal = json!({ "error": { "message": "Unsupported parameter: 'top_k'", "param": "top_k", "code": "unsupported_parameter" } });
    let provider = Provider::answering(move |request: &ReceivedRequest| {
        let has_field = request.body.get("top_k").is_some();
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        match has_field && number > 0 {
            true => on("").status(400, "application/json", &refusal.to_string()),
            false => on("").sse(&answer_stream("It is thin.")),
        }
    });
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let answer = client.post(
        "/v1/chat/completions",
        several_answers_body(2, json!({ "top_k": 3, "betas": ["x"] })),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    let ignored = answer.header("x-quire-ignored");
    assert_eq!(ignored.matches("top_k").count(), 1, "{ignored}");
}
