//! Tests tool calls in unusual forms.

use super::*;

/// Returns the chunks of a tool call that a provider sends in one piece.
fn tool_call_events(call: Value) -> Vec<Value> {
    vec![chunk(json!({ "tool_calls": [call] }), Value::Null)]
}

#[test]
fn nonstandard_tool_calls_are_parsed() {
    const OSLO: &str = "{\"city\":\"Oslo\"}";
    const ROME: &str = "{\"city\":\"Rome\"}";
    let nested = |arguments: Value| json!({ "index": 0, "id": "a1", "type": "function", "function": { "name": "weather", "arguments": arguments } });
    let piece = |call: Value| tool_call_events(call).remove(0);
    let named = |arguments: &str| {
        piece(json!({ "function": { "name": "weather", "arguments": arguments } }))
    };
    let part =
        |arguments: &str| piece(json!({ "index": 0, "function": { "arguments": arguments } }));
    let cases: Vec<(&'static str, Vec<Value>, &[&str])> = vec![
        (
            "flat",
            tool_call_events(
                json!({ "index": 0, "id": "a1", "name": "weather", "arguments": OSLO }),
            ),
            &[OSLO],
        ),
        (
            "parameters",
            tool_call_events(
                json!({ "index": 0, "id": "a1", "function": { "name": "weather", "parameters": { "city": "Oslo" } } }),
            ),
            &[OSLO],
        ),
        (
            "one-object",
            vec![chunk(
                json!({ "tool_calls": nested(json!(OSLO)) }),
                Value::Null,
            )],
            &[OSLO],
        ),
        (
            "text-in-text",
            tool_call_events(nested(json!(json!(OSLO).to_string()))),
            &[OSLO],
        ),
        ("empty-list", tool_call_events(nested(json!("[]"))), &["{}"]),
        (
            "number-id",
            tool_call_events(
                json!({ "index": 0, "id": 7, "function": { "name": "weather", "arguments": OSLO } }),
            ),
            &[OSLO],
        ),
        (
            "same-id",
            vec![
                piece(nested(json!(OSLO))),
                piece(
                    json!({ "index": 1, "id": "a1", "function": { "name": "weather", "arguments": ROME } }),
                ),
            ],
            &[OSLO, ROME],
        ),
        (
            "name-each-time",
            vec![named("{\"city\":"), named("\"Oslo\"}"), named(ROME)],
            &[OSLO, ROME],
        ),
        (
            "all-so-far",
            vec![
                piece(nested(json!("{\"ci"))),
                part("{\"city\":"),
                part(OSLO),
            ],
            &[OSLO],
        ),
        (
            "twice-in-one",
            tool_call_events(nested(json!(format!("{OSLO}{OSLO}")))),
            &[OSLO],
        ),
        (
            "null-id",
            vec![
                piece(nested(json!(""))),
                piece(
                    json!({ "index": 0, "id": null, "function": { "name": null, "arguments": OSLO } }),
                ),
            ],
            &[OSLO],
        ),
        (
            "empty-id",
            vec![
                piece(nested(json!(""))),
                piece(
                    json!({ "index": 0, "id": "", "function": { "name": "", "arguments": OSLO } }),
                ),
            ],
            &[OSLO],
        ),
        (
            "both-fields",
            vec![chunk(
                json!({ "tool_calls": [nested(json!(OSLO))], "function_call": { "name": "weather", "arguments": OSLO } }),
                Value::Null,
            )],
            &[OSLO],
        ),
    ];
    let rest = |reason: &str| [end(reason), usual_usage(), done()];
    let mut played: Vec<Case> = { cases.iter() }
        .map(|(model, pieces, _)| {
            complete_case(
                model,
                sse(&pieces
                    .iter()
                    .cloned()
                    .chain(rest("tool_calls"))
                    .collect::<Vec<_>>()),
                None,
            )
        })
        .collect();
    let own: [(&'static str, ScriptLine); 3] = [
        (
            "ge/text",
            sse(&[gemini(
                json!([{ "functionCall": { "name": "weather", "args": OSLO } }]),
                json!("STOP"),
            )]),
        ),
        (
            "ol/text",
            ollama(&[
                json!({ "message": { "content": "", "tool_calls": [{ "function": { "name": "weather", "arguments": OSLO } }] }, "done": true, "done_reason": "stop" }),
            ]),
        ),
        (
            "an/at-once",
            anthropic(&[
                message_start(json!({})),
                json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "tool_use", "id": "a1", "name": "weather", "input": { "city": "Oslo" } } }),
                message_delta("tool_use", json!({})),
                message_stop(),
            ]),
        ),
    ];
    played.extend(
        own.iter()
            .map(|(model, line)| complete_case(model, line.clone(), None)),
    );
    let (_provider, server) = start_with_cases(&played);
    let mut client = server.user("ada@example.com");
    let tools = json!([{ "type": "function", "function": { "name": "weather" } }]);
    let own = own
        .iter()
        .map(|(model, _)| ((*model).to_owned(), &[OSLO] as &[&str]));
    let all = { cases.iter() }
        .map(|(model, _, expected)| (format!("up/{model}"), *expected))
        .chain(own);
    for (model, expected) in all {
        let body = json!({ "model": model, "tools": tools, "messages": [{ "role": "user", "content": "Warm?" }] });
        let response = client.post("/v1/chat/completions", body).json();
        let calls = response["choices"][0]["message"]["tool_calls"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let argument_texts: Vec<&str> = { calls.iter() }
            .map(|call| call["function"]["arguments"].as_str().unwrap())
            .collect();
        assert_eq!(argument_texts, expected, "{model}: {response}");
        let ids: std::collections::BTreeSet<_> = calls
            .iter()
            .map(|call| call["id"].as_str().unwrap())
            .collect();
        assert_eq!(
            ids.len(),
            calls.len(),
            "{model}: each has an id of its own: {response}"
        );
        assert_eq!(
            response["choices"][0]["finish_reason"], "tool_calls",
            "{model}"
        );
    }
}

#[test]
fn reasoning_is_forwarded_from_every_known_field() {
    let names = [
        "reasoning_content",
        "reasoning",
        "reasoning_text",
        "thinking",
        "thinking_content",
    ];
    let cases: Vec<Case> = { names.iter() }
        .map(|name| {
            complete_case(
                name,
                sse(&[
                    chunk(json!({ *name: "Okay." }), Value::Null),
                    text(T),
                    end("stop"),
                    usual_usage(),
                    done(),
                ]),
                None,
            )
        })
        .collect();
    let (_provider, server) = start_with_cases(&cases);
    let mut client = server.user("ada@example.com");
    key(&mut client);
    for name in names {
        let body = json!({ "model": format!("up/{name}"), "messages": [{ "role": "user", "content": "7+5?" }] });
        let response = client.post("/v1/chat/completions", body).json();
        let message = &response["choices"][0]["message"];
        assert_eq!(
            (&message["reasoning_content"], &message["content"]),
            (&json!("Okay."), &json!(T)),
            "{name}: {response}"
        );
    }
}
