//! Tests errors and tool calls in unusual forms in streams.

use super::*;

/// Returns a case in which the answer breaks off with this chunk after its first words.
fn breaking_case(model: &'static str, last: Value, status: u16, words: &'static str) -> Case {
    broken_case(model, sse(&[text(HALF), last, done()]), status, words)
}

#[test]
fn irregular_stream_errors_are_detected() {
    let raw = |model, last: &str, status, words| {
        let body = events(&[text(HALF)]) + last;
        broken_case(model, on("").sse(&body), status, words)
    };
    check(&[
        breaking_case(
            "error-list",
            json!({ "errors": ["worker lost"] }),
            503,
            FAULT,
        ),
        breaking_case("error-number", json!({ "error": 500 }), 503, FAULT),
        breaking_case(
            "error-nested",
            json!({ "error": { "error": { "message": "lost", "code": 500 } } }),
            503,
            FAULT,
        ),
        breaking_case(
            "ok-false",
            json!({ "ok": false, "message": "lost" }),
            503,
            FAULT,
        ),
        breaking_case("err", json!({ "err": "lost" }), 503, FAULT),
        breaking_case(
            "exception",
            json!({ "exception": "RuntimeError: CUDA" }),
            503,
            FAULT,
        ),
        breaking_case(
            "status-error",
            json!({ "status": "error", "message": "lost" }),
            503,
            FAULT,
        ),
        breaking_case(
            "status-number",
            json!({ "statusCode": 503, "message": "lost", "error": "Service Unavailable" }),
            503,
            FAULT,
        ),
        breaking_case(
            "in-delta",
            chunk(json!({ "error": { "message": "lost" } }), Value::Null),
            503,
            FAULT,
        ),
        breaking_case(
            "type-error",
            json!({ "type": "error", "message": "lost" }),
            503,
            FAULT,
        ),
        breaking_case(
            "choices-and-error",
            json!({ "choices": [], "error": { "message": "lost", "code": "server_error" } }),
            503,
            FAULT,
        ),
        breaking_case(
            "error-and-text",
            json!({ "choices": [{ "index": 0, "delta": { "content": "x" } }], "error": { "message": "lost", "code": 502 } }),
            502,
            FAULT,
        ),
        breaking_case(
            "too-many",
            json!({ "error": { "type": "too_many_requests", "message": "slow down", "code": 429 } }),
            429,
            "rate limit was reached",
        ),
        raw(
            "html",
            "<html><body>502 Bad Gateway</body></html>\n\n",
            502,
            BROKE,
        ),
        raw(
            "data-html",
            "data: <html><body>502 Bad Gateway</body></html>\n\n",
            502,
            "not a chat completion",
        ),
        raw(
            "exception-event",
            "event: exception\ndata: {\"message\":\"lost\"}\n\n",
            503,
            FAULT,
        ),
        raw(
            "error-words",
            "data: Error: upstream timed out\n\n",
            503,
            FAULT,
        ),
        raw(
            "error-mark",
            "data: [ERROR] upstream lost\n\n",
            502,
            "not a chat completion",
        ),
        raw("error-field", "error: upstream lost\n\n", 502, BROKE),
        broken_case(
            "an/bare",
            anthropic(&[
                message_start(json!({})),
                block(HALF),
                json!({ "type": "error", "message": "lost" }),
            ]),
            503,
            FAULT,
        ),
    ]);
}

#[test]
fn irregular_tool_calls_are_parsed() {
    const OSLO: &str = "{\"city\":\"Oslo\"}";
    const ROME: &str = "{\"city\":\"Rome\"}";
    let list = |calls: Value| chunk(json!({ "tool_calls": calls }), Value::Null);
    let call = |id: Value, arguments: Value| json!({ "index": 0, "id": id, "type": "function", "function": { "name": "weather", "arguments": arguments } });
    let cases: Vec<(&'static str, Vec<Value>, &[&str])> = vec![
        (
            "both-in-one",
            vec![list(json!([
                call(json!("a"), json!(OSLO)),
                call(json!("b"), json!(ROME))
            ]))],
            &[OSLO, ROME],
        ),
        (
            "message",
            vec![
                json!({ "choices": [{ "index": 0, "message": { "role": "assistant", "content": null, "tool_calls": [call(json!("a"), json!(OSLO))] } }] }),
            ],
            &[OSLO],
        ),
        (
            "fenced",
            vec![list(json!([call(
                json!("a"),
                json!("```json\n{\"city\":\"Oslo\"}\n```")
            )]))],
            &[OSLO],
        ),
        (
            "space-around",
            vec![list(json!([call(
                json!("a"),
                json!(" \n{\"city\":\"Oslo\"}\n ")
            )]))],
            &[OSLO],
        ),
        (
            "null-call",
            vec![list(json!([null, call(json!("a"), json!(OSLO))]))],
            &[OSLO],
        ),
        (
            "type-only",
            vec![
                list(json!([{ "index": 0, "type": "function" }])),
                list(json!([call(json!("a"), json!(OSLO))])),
            ],
            &[OSLO],
        ),
        (
            "index-one",
            vec![list(
                json!([{ "index": 1, "id": "a", "function": { "name": "weather", "arguments": OSLO } }]),
            )],
            &[OSLO],
        ),
        (
            "args-list",
            vec![list(json!([call(json!("a"), json!([{ "city": "Oslo" }]))]))],
            &[OSLO],
        ),
        (
            "args-key",
            vec![list(
                json!([{ "index": 0, "id": "a", "function": { "name": "weather", "args": { "city": "Oslo" } } }]),
            )],
            &[OSLO],
        ),
        (
            "camel",
            vec![chunk(
                json!({ "toolCalls": [call(json!("a"), json!(OSLO))] }),
                Value::Null,
            )],
            &[OSLO],
        ),
        (
            "false-args",
            vec![list(json!([call(json!("a"), json!(false))]))],
            &["{}"],
        ),
        (
            "empty-text",
            vec![list(json!([call(json!("a"), json!("\"\""))]))],
            &["{}"],
        ),
        (
            "three-one-id",
            vec![
                list(json!([call(json!(""), json!(OSLO))])),
                list(json!([call(json!(""), json!(ROME))])),
            ],
            &[OSLO, ROME],
        ),
    ];
    let rest = || [end("tool_calls"), usual_usage(), done()];
    let played = cases.iter().map(|(model, pieces, _)| {
        let all = pieces.iter().cloned().chain(rest());
        complete_case(model, sse(&all.collect::<Vec<_>>()), None)
    });
    let (_provider, server) = start_with_cases(&played.collect::<Vec<_>>());
    let mut client = server.user("ada@example.com");
    let tools = json!([{ "type": "function", "function": { "name": "weather" } }]);
    let mut wrong = Vec::new();
    for (model, _, expected) in &cases {
        let body = json!({ "model": format!("up/{model}"), "tools": tools, "messages": [{ "role": "user", "content": "Warm?" }] });
        let response = client.post("/v1/chat/completions", body).json();
        let calls = response["choices"][0]["message"]["tool_calls"].as_array();
        let calls = calls.cloned().unwrap_or_default();
        let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        let argument_values: Vec<Value> = { calls.iter() }
            .map(|call| parsed(call["function"]["arguments"].as_str().unwrap()))
            .collect();
        let expected: Vec<Value> = expected.iter().map(|text| parsed(text)).collect();
        let named = calls
            .iter()
            .all(|call| call["function"]["name"] == "weather");
        if argument_values != expected || !named {
            wrong.push(format!("{model}: {response}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
