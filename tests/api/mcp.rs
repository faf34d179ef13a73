//! Tests the Model Context Protocol over HTTP: cost and time stay bounded, and abandoned requests are stopped.

use std::io::Write;

use serde_json::{Value, json};

use crate::compatible::key;
use crate::money::priced_server;
use crate::support::line::on;
use crate::support::provider::{Provider, ReceivedRequest};
use crate::support::script::{answer_stream, server, unfinished_stream};

fn consult_call(arguments: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "consult", "arguments": arguments } })
}

fn slow_provider() -> Provider {
    Provider::answering(|request: &ReceivedRequest| match request.model().as_str() {
        "slow" => on("").stall(&unfinished_stream("It is ")),
        _ => on("").sse(&answer_stream("It is thin.")),
    })
}

#[test]
fn deadline_and_disconnect_stop_the_calls() {
    let provider = slow_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let body = consult_call(
        json!({ "question": "Is it thin?", "models": ["p/slow"], "depth": "quick", "deadline_s": 1 }),
    );
    let answer = client.post("/mcp", body).json();
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert!(
        answer["result"]["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("1 seconds"),
        "{answer}"
    );
    provider.wait_for_disconnect("slow");

    let key = key(&mut client);
    let body =
        consult_call(json!({ "question": "Is it thick?", "models": ["p/slow"], "depth": "quick" }))
            .to_string();
    let mut socket = server.connect();
    write!(socket, "POST /mcp HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    provider.wait_for_requests(2);
    drop(socket);
    provider.wait_for_disconnects(2);
}

#[test]
fn mcp_runs_stay_within_a_budget() {
    let provider = slow_provider();
    let server = priced_server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let ask = |budget: f64| {
        consult_call(
            json!({ "question": "Is it thin?", "models": ["openai/gpt-4o"], "depth": "quick", "budget_usd": budget }),
        )
    };
    let answer = client.post("/mcp", ask(0.000_001)).json();
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert!(provider.requests().is_empty());
    let answer = client.post("/mcp", ask(1.0)).json();
    assert_eq!(answer["result"]["isError"], false, "{answer}");
}

#[test]
fn cross_origin_requests_are_refused_despite_a_valid_key() {
    let provider = slow_provider();
    let server = server(&provider, &[("PUBLIC_URL", "https://quire.example.org")]);
    let mut owner = server.user("ada@example.com");
    let key = key(&mut owner);
    let host = server.address.to_string();
    let list = || json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    for (origin, allowed) in [
        (None, true),
        (Some(format!("http://{host}")), true),
        (Some("https://quire.example.org".to_owned()), true),
        (Some("https://evil.example.org".to_owned()), false),
        (Some("null".to_owned()), false),
    ] {
        let mut client = server.client().with("x-api-key", &key);
        if let Some(origin) = &origin {
            client = client.with("origin", origin);
        }
        let answer = client.post("/mcp", list());
        match allowed {
            true => assert_eq!(answer.status, 200, "{origin:?}: {}", answer.text()),
            false => drop(answer.refused(403, "FORBIDDEN")),
        }
    }
    let own = format!("http://{host}");
    for origins in [
        [own.as_str(), "http://evil.example"],
        ["http://evil.example", &own],
    ] {
        let body = list().to_string();
        let answer = server.raw(
            format!(
                "POST /mcp HTTP/1.1\r\nhost: {host}\r\norigin: {}\r\norigin: {}\r\nx-api-key: {key}\r\n\
                 connection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                origins[0],
                origins[1],
                body.len()
            )
            .as_bytes(),
        );
        assert_eq!(&answer[9..12], "403", "{origins:?}: {answer}");
    }
}

/// The `Host` header of requests from a page proves nothing, because any site can make its own host name resolve to
/// this server (DNS rebinding).
#[test]
fn dns_rebinding_is_refused() {
    let provider = slow_provider();
    let server = server(&provider, &[("HOST", "0.0.0.0")]);
    let mut owner = server.user("ada@example.com");
    let key = key(&mut owner);
    let port = server.address.port();
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
    let status = |target: &str, host: &str, origin: &str| {
        let answer = server.raw(
            format!(
                "POST {target} HTTP/1.1\r\nhost: {host}\r\norigin: http://{origin}\r\nx-api-key: {key}\r\n\
                 connection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{list}",
                list.len()
            )
            .as_bytes(),
        );
        answer[9..12].to_owned()
    };
    let (foreign_host, local) = (format!("evil.example:{port}"), format!("localhost:{port}"));
    let url_of = |host: &str| format!("http://{host}/mcp");
    for (target, host, origin, expected) in [
        ("/mcp", &foreign_host, &foreign_host, "403"),
        ("/mcp", &local, &foreign_host, "403"),
        ("/mcp", &foreign_host, &local, "403"),
        ("/mcp", &local, &local, "200"),
        // An absolute request URI takes precedence over the `Host` header.
        (&*url_of(&local), &foreign_host, &local, "200"),
        (&*url_of(&foreign_host), &local, &local, "403"),
    ] {
        assert_eq!(
            status(target, host, origin),
            expected,
            "{target} {host} {origin}"
        );
    }
}
