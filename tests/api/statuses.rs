//! Tests the status of a failed call to a single model: the client receives the vendor's own status and retry delay, on
//! every compatible API, both as a whole and streamed.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::support::Client;
use crate::support::provider::{Provider, ReceivedRequest, on};
use crate::support::script::server;

const API_PATHS: [&str; 4] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
];

/// For each status of a vendor: the status that the client receives, and the error types in OpenAI's and in Anthropic's
/// format.
const STATUS_CASES: &[(u16, u16, &str, &str)] = &[
    (400, 400, "invalid_request_error", "invalid_request_error"),
    // The vendor refused this server's key, not the client's.
    (401, 502, "api_error", "api_error"),
    (402, 402, "insufficient_quota", "billing_error"),
    (403, 502, "api_error", "api_error"),
    (404, 404, "invalid_request_error", "not_found_error"),
    (408, 408, "invalid_request_error", "timeout_error"),
    (409, 409, "invalid_request_error", "invalid_request_error"),
    (410, 410, "invalid_request_error", "invalid_request_error"),
    (413, 413, "invalid_request_error", "request_too_large"),
    (422, 422, "invalid_request_error", "invalid_request_error"),
    (429, 429, "rate_limit_error", "rate_limit_error"),
    (500, 500, "api_error", "api_error"),
    (502, 502, "api_error", "api_error"),
    (503, 503, "api_error", "overloaded_error"),
    (504, 504, "api_error", "timeout_error"),
    (529, 529, "api_error", "overloaded_error"),
];

fn request_body(path: &str, model: &str, stream: bool) -> Value {
    let question = json!([{ "role": "user", "content": "Is it thin?" }]);
    let (field, value) = match path {
        "/v1/completions" => ("prompt", json!("Is it thin?")),
        "/v1/responses" => ("input", question),
        _ => ("messages", question),
    };
    let mut body = json!({ "model": model, "max_tokens": 9, "stream": stream });
    body[field] = value;
    body
}

/// Starts a provider whose models are named after the status with which they respond.
fn failing_provider() -> Provider {
    Provider::answering(|request: &ReceivedRequest| {
        let model = request.model();
        let status = model.split('-').next().unwrap_or_default();
        let body = json!({ "error": { "message": "no", "type": "some_error" } });
        on("").header("Retry-After", "17").status(
            status.parse().unwrap_or(404),
            "application/json",
            &body.to_string(),
        )
    })
}

#[test]
fn a_failed_call_has_its_vendors_status_on_every_surface() {
    let provider = failing_provider();
    let server = server(&provider, &[("RETRIES", "0")]);
    let mut client = server.user("ada@example.com");
    let mut wrong = Vec::new();
    for (place, path) in API_PATHS.iter().enumerate() {
        for (status, client_status, openai, anthropic) in STATUS_CASES {
            for stream in [false, true] {
                // Each request uses a different model, so that none waits because of another's rate limit.
                let model = format!("p/{status}-{place}-{stream}");
                let answer = client.post(path, request_body(path, &model, stream));
                let kind = match *path {
                    "/v1/messages" => anthropic,
                    _ => openai,
                };
                let response = answer.json();
                let status_and_type = (answer.status, response["error"]["type"].as_str());
                let waits = answer.header("retry-after") == "17";
                if status_and_type != (*client_status, Some(*kind)) || !waits {
                    wrong.push(format!(
                        "{path} {status} {stream}: {} {response}",
                        answer.status
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn insufficient_credit_has_openai_format_and_is_not_retried() {
    let provider = Provider::answering(|request: &ReceivedRequest| {
        let (status, error) = match request.model().as_str() {
            "in-body" => (
                200,
                json!({ "code": 402, "message": "Insufficient credits" }),
            ),
            "quota" => (
                429,
                json!({ "code": "insufficient_quota", "message": "quota" }),
            ),
            _ => (402, json!({ "message": "Payment required" })),
        };
        let body = json!({ "error": error }).to_string();
        on("").status(status, "application/json", &body)
    });
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    for (model, status) in [("plain", 402), ("in-body", 402), ("quota", 429)] {
        let body = request_body(API_PATHS[0], &format!("p/{model}"), false);
        let answer = client.post(API_PATHS[0], body);
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(answer.json()["error"]["code"], "insufficient_quota");
        assert_eq!(answer.header("x-should-retry"), "false", "{model}");
    }
    assert_eq!(provider.requests().len(), 3);
}

#[test]
fn retry_after_dates_are_converted_to_seconds() {
    let provider = Provider::answering(|_: &ReceivedRequest| {
        let at = SystemTime::now() + Duration::from_secs(40);
        on("")
            .header("Retry-After", &httpdate::fmt_http_date(at))
            .status(429, "application/json", "{}")
    });
    let server = server(&provider, &[("RETRIES", "0")]);
    let mut client = server.user("ada@example.com");
    for (model, stream) in [("p/a", false), ("p/b", true)] {
        let answer = client.post(API_PATHS[0], request_body(API_PATHS[0], model, stream));
        assert_eq!(answer.status, 429, "{}", answer.text());
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((35..=41).contains(&wait), "{wait} s");
    }
}

#[test]
fn panel_failures_have_quires_own_status() {
    let provider = failing_provider();
    let server = server(&provider, &[("RETRIES", "0")]);
    let mut client: Client = server.user("ada@example.com");
    let mut body = request_body(API_PATHS[0], "quire/gut", false);
    body["models"] = json!(["p/404-panel"]);
    let answer = client.post(API_PATHS[0], body);
    assert_eq!(answer.status, 400, "{}", answer.text());
}
