//! Tests that calls that exceed their reservation are cut off, and that a budget is exceeded only within its margin.

use serde_json::{Value, json};

use crate::money::priced_server;
use crate::support::line::on;
use crate::support::provider::{Provider, ReceivedRequest};
use crate::support::script::unfinished_stream;
use crate::support::{Client, Server};

/// Prices of openai/gpt-4o for input and output, in US dollars per million tokens.
const PRICE: (f64, f64) = (2.5, 10.0);

/// Starts a provider that answers every request with a thousand tokens and reports that number.
fn verbose_provider() -> Provider {
    Provider::answering(|_: &ReceivedRequest| {
        let end = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
                   data: {\"choices\":[],\"usage\":{\"prompt_tokens\":420,\"completion_tokens\":1000}}\n\n\
                   data: [DONE]\n\n";
        on("").sse(&(unfinished_stream(&"word ".repeat(1_000)) + end))
    })
}

fn question_request(number: usize) -> Value {
    let text = format!("{number} {}", "thin paper ".repeat(150));
    json!({ "model": "openai/gpt-4o", "max_tokens": 1, "messages": [{ "role": "user", "content": text }] })
}

fn spent_usd(owner: &mut Client) -> f64 {
    let list = owner.get("/api/usage/calls?limit=200").json();
    let calls = list["calls"].as_array().unwrap().iter();
    calls.map(|call| call["cost_usd"].as_f64().unwrap()).sum()
}

fn api_key(owner: &mut Client, body: Value) -> String {
    let created = owner.post("/api/users/me/api-keys", body);
    assert!(created.status < 300, "{}", created.text());
    created.json()["key"].as_str().unwrap().to_owned()
}

/// Sends 33 requests at once. Returns the status and finish reason of each response.
fn ask_concurrently(server: &Server, key: &str) -> Vec<(u16, Value)> {
    let ask = |number: usize| {
        let client = Client::new(server.address).with("authorization", &format!("Bearer {key}"));
        let answer = { client }.post("/v1/chat/completions", question_request(number));
        let finish = answer.json()["choices"][0]["finish_reason"].clone();
        (answer.status, finish)
    };
    std::thread::scope(|scope| {
        let requests: Vec<_> = (0..33).map(|n| scope.spawn(move || ask(n))).collect();
        requests
            .into_iter()
            .map(|one| one.join().unwrap())
            .collect()
    })
}

#[test]
fn an_upstream_that_ignores_max_tokens_stays_within_a_budget() {
    let provider = verbose_provider();
    let server = priced_server(&provider, &[]);
    let mut admin = server.user("root@example.com");
    // The budget is enough for about ten calls that do not exceed their limit.
    let budget = 10.0 * (450.0 * PRICE.0 + 16.0 * PRICE.1) / 1e6;
    for (email, by_key) in [("ada@example.com", true), ("bob@example.com", false)] {
        let mut owner = server.user(email);
        let expected = match by_key {
            true => json!({ "name": "k", "budget_usd": budget }),
            false => json!({ "name": "k" }),
        };
        let key = api_key(&mut owner, expected);
        if !by_key {
            let id = owner.get("/api/users/me").json()["id"]
                .as_str()
                .unwrap()
                .to_owned();
            let path = format!("/api/admin/users/{id}/budget");
            assert_eq!(admin.put(&path, json!({ "day_usd": budget })).status, 200);
        }
        let response = ask_concurrently(&server, &key);
        let answered_rows: Vec<_> = response
            .iter()
            .filter(|(status, _)| *status == 200)
            .collect();
        assert!(
            !answered_rows.is_empty() && answered_rows.len() < 33,
            "{response:?}"
        );
        assert!(
            answered_rows.iter().all(|(_, finish)| finish == "length"),
            "{response:?}"
        );
        let cost = spent_usd(&mut owner);
        assert!(cost <= budget * 1.25, "{cost} of {budget}");
        // The actual cost counts, so sooner or later a call is refused.
        let mut client =
            Client::new(server.address).with("authorization", &format!("Bearer {key}"));
        let statuses = (100..120).map(|n| {
            client
                .post("/v1/chat/completions", question_request(n))
                .status
        });
        let statuses: Vec<u16> = statuses.collect();
        assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
        let cost = spent_usd(&mut owner);
        assert!(cost <= budget * 1.25, "{cost} of {budget}");
    }
}

#[test]
fn without_a_budget_nothing_is_cut_off() {
    let provider = verbose_provider();
    let server = priced_server(&provider, &[]);
    let answer = server
        .user("ada@example.com")
        .post("/v1/chat/completions", question_request(1))
        .json();
    assert_eq!(answer["choices"][0]["finish_reason"], "stop", "{answer}");
    assert_eq!(answer["usage"]["completion_tokens"], 1000);
}

#[test]
fn an_answer_without_a_limit_ends_where_its_budget_does() {
    // The provider sends more than is initially reserved for an answer, and then hangs.
    let provider = Provider::answering(|_: &ReceivedRequest| {
        on("").stall(&unfinished_stream(&"word ".repeat(4_000)))
    });
    let server = priced_server(&provider, &[]);
    let mut admin = server.user("root@example.com");
    let mut body = question_request(1);
    body.as_object_mut().unwrap().remove("max_tokens");
    let mut ada = server.user("ada@example.com");
    let id = ada.get("/api/users/me").json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    // The budget is enough for the first reservation (2,800 tokens), but not for another one.
    let budget = (500.0 * PRICE.0 + 3_000.0 * PRICE.1) / 1e6;
    let path = format!("/api/admin/users/{id}/budget");
    assert_eq!(admin.put(&path, json!({ "day_usd": budget })).status, 200);
    let key = api_key(&mut ada, json!({ "name": "k" }));
    let mut of_person = Client::new(server.address).with("authorization", &format!("Bearer {key}"));
    let mut bob = server.user("bob@example.com");
    let key = api_key(&mut bob, json!({ "name": "k", "budget_usd": budget }));
    let mut of_key = Client::new(server.address).with("authorization", &format!("Bearer {key}"));
    for client in [&mut of_person, &mut of_key] {
        let answer = client.post("/v1/chat/completions", body.clone());
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        assert_eq!(answer["choices"][0]["finish_reason"], "length");
        assert!(
            answer["usage"]["completion_tokens"].as_u64() > Some(2_800),
            "{}",
            answer["usage"]
        );
        assert_eq!(
            client.post("/v1/chat/completions", body.clone()).status,
            429
        );
    }
}
