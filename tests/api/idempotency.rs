//! Tests idempotency keys under failures: a crash, a failed request, and an answer that cannot be stored.

use quire::app::idempotency::IdempotencyLookup;
use quire::domain::id::UserId;
use quire::domain::time::Timestamp;
use quire::domain::user::{Caller, Role};
use serde_json::json;

use crate::support::executable::Executable;
use crate::support::line::on;
use crate::support::provider::{Provider, ReceivedRequest};
use crate::support::script::{
    answer_stream, server, short_run_with, unfinished_stream, wait_until_ended,
};
use crate::support::server::Folder;
use crate::support::{Client, Server};

#[test]
fn a_crash_after_the_claim_does_not_cause_a_second_charge() {
    let provider =
        Provider::answering(|request: &ReceivedRequest| match request.model().as_str() {
            "slow" => on("").stall(&unfinished_stream("It is ")),
            _ => on("").sse(&answer_stream("It is thin.")),
        });
    let folder = Folder::new();
    let first = Executable::start(&folder, &provider, &[]);
    let user = Client::new(first.address).registered("ada@example.com");
    let body = |model: &str| json!({ "model": model, "messages": [{ "role": "user", "content": "Is it thin?" }] });
    let under =
        |server: &Executable, key: &str| server.known(&user).fresh().with("idempotency-key", key);
    // Two requests are sent. When the process dies, one has been answered, and the other one has been paid for.
    let quick_response = under(&first, "done").post("/v1/chat/completions", body("p/quick"));
    assert_eq!(quick_response.status, 200, "{}", quick_response.text());
    let mut waiting = under(&first, "lost");
    let asking = std::thread::spawn(move || {
        let send_waiting =
            std::panic::AssertUnwindSafe(|| waiting.post("/v1/chat/completions", body("p/slow")));
        std::panic::catch_unwind(send_waiting).is_ok()
    });
    provider.wait_called("slow");
    first.kill();
    let _ = asking.join();
    // A server requests the model list when it starts. This is not a call to a model.
    let calls = || {
        let requests = provider.requests().into_iter();
        requests
            .filter(|request| request.head.starts_with("POST"))
            .count()
    };
    let paid = calls();
    let second = Executable::start(&folder, &provider, &[]);
    let again = under(&second, "done").post("/v1/chat/completions", body("p/quick"));
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.text(), quick_response.text());
    let lost = under(&second, "lost").post("/v1/chat/completions", body("p/slow"));
    assert_eq!(lost.status, 409, "{}", lost.text());
    assert!(
        lost.text().contains("new idempotency key"),
        "{}",
        lost.text()
    );
    // The key remains bound to the request for which it was first used.
    let other = under(&second, "lost").post("/v1/chat/completions", body("p/quick"));
    assert_eq!(other.status, 400, "{}", other.text());
    assert_eq!(calls(), paid, "nothing is paid twice");
    let new = under(&second, "new").post("/v1/chat/completions", body("p/quick"));
    assert_eq!(new.status, 200, "{}", new.text());
}

#[test]
fn a_failed_request_releases_its_key() {
    let failing = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let now = failing.clone();
    let provider = Provider::answering(move |_: &ReceivedRequest| {
        match now.load(std::sync::atomic::Ordering::SeqCst) {
            true => on("").status(400, "text/plain", "no"),
            false => on("").sse(&answer_stream("It is thin.")),
        }
    });
    let server = server(&provider, &[]);
    let mut client = server
        .user("ada@example.com")
        .with("idempotency-key", "one");
    let body =
        json!({ "model": "p/m", "messages": [{ "role": "user", "content": "Is it thin?" }] });
    let failed = client.post("/v1/chat/completions", body.clone());
    assert!(failed.status >= 400, "{}", failed.text());
    failing.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(client.post("/v1/chat/completions", body).status, 200);
}

#[test]
fn an_answer_that_cannot_be_stored_is_still_delivered() {
    let provider = Provider::answering(|_: &ReceivedRequest| {
        // This answer is longer than the longest response that is stored for a key.
        let long = format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
            "long ".repeat(20_000)
        );
        on("").sse(&(long.repeat(50) + &answer_stream("Over.")))
    });
    let server = server(&provider, &[]);
    let mut client = server
        .user("ada@example.com")
        .with("idempotency-key", "one");
    let body = json!({ "model": "p/m", "messages": [{ "role": "user", "content": "Tell all." }] });
    let answer = client.post("/v1/chat/completions", body.clone());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-quire-idempotency"), "not-stored");
    // The repeated request is refused, so it is not paid for again.
    let second = client.post("/v1/chat/completions", body);
    assert_eq!(second.status, 409, "{}", second.text());
    assert_eq!(provider.requests().len(), 1);
}

#[test]
fn an_analysis_is_started_once_for_each_key() {
    let provider =
        Provider::answering(|_: &ReceivedRequest| on("").sse(&answer_stream("It is thin.")));
    let server = server(&provider, &[]);
    let client = server.user("ada@example.com");
    let ask = |key: &str, path: &str, body: &serde_json::Value| {
        let mut client = client.fresh().with("idempotency-key", key);
        client.post(path, body.clone())
    };
    let count = || {
        let list = client.fresh().get("/api/analyses").json();
        list["analyses"].as_array().unwrap().len()
    };
    let waiting = short_run_with(&["p/a", "p/b"], json!({}));
    let detached = short_run_with(&["p/a", "p/b"], json!({ "async": true }));
    for (key, body, status) in [("one", &waiting, 200), ("two", &detached, 202)] {
        let first = ask(key, "/api/analyze", body);
        assert_eq!(first.status, status, "{}", first.text());
        let again = ask(key, "/api/analyze", body);
        assert_eq!((again.status, again.text()), (status, first.text()));
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(again.header("location"), first.header("location"));
    }
    assert_eq!(count(), 2);
    assert_eq!(ask("two", "/api/analyze", &waiting).status, 400);
    let id = ask("two", "/api/analyze", &detached).json()["analysis_id"].clone();
    let id = id.as_str().unwrap();
    wait_until_ended(&mut client.fresh(), id);
    for (key, action) in [("three", "rerun"), ("four", "retry")] {
        let path = format!("/api/analyses/{id}/{action}");
        let first = ask(key, &path, &json!({}));
        assert_eq!(first.status, 202, "{}", first.text());
        assert_eq!(ask(key, &path, &json!({})).text(), first.text());
    }
    assert_eq!(count(), 4);
}

#[tokio::test]
async fn a_claim_that_is_dropped_while_its_work_continues_blocks_the_key() {
    let server = Server::with(&[]);
    let mut client = server.user("ada@example.com");
    let id = client.get("/api/users/me").json()["id"].clone();
    let user = UserId::parse(id.as_str().unwrap()).unwrap();
    let caller = Caller::for_user(user, Role::User);
    let keys = server.app.idempotency();
    let claim = async |key| {
        let now = Timestamp::from_millis(1_000);
        match keys.claim(&caller, key, "a request", now).await {
            Ok(IdempotencyLookup::Claimed(claim)) => Some(claim),
            _ => None,
        }
    };
    drop(claim("stops").await.unwrap());
    assert!(claim("stops").await.is_some());
    drop(claim("continues").await.unwrap().blocking_on_drop());
    assert!(claim("continues").await.is_none());
    let failed = claim("fails").await.unwrap().blocking_on_drop();
    keys.release(failed).await;
    assert!(claim("fails").await.is_some());
}
