//! Tests further unusual requests like those in `clients`: fields with other types and spellings, tools and
//! conversations in the forms of other APIs, items that only one provider understands, and other ways to send a body or
//! a key.

mod bodies;

use std::io::Write;

use serde_json::{Value, json};

use crate::clients::{chat_request, last_request_body, merge_objects, plain_provider};
use crate::compatible::key;
use crate::support::script::server;

const CHAT_PATH: &str = "/v1/chat/completions";

/// Sends each request, and compares a field that the provider received with its expected value, which is null if the
/// field must not be sent.
fn check_sent_fields(path: &str, cases: &[(Value, &str, Value)]) {
    let provider = plain_provider();
    let server = server(&provider, &[("CACHE_TTL", "0")]);
    let mut client = server.user("ada@example.com");
    let mut wrong = Vec::new();
    for (body, place, expected) in cases {
        let body = merge_objects(json!({ "model": "p/any" }), body.clone());
        let answer = client.post(path, body.clone());
        if answer.status != 200 {
            wrong.push(format!("{body}: {} {}", answer.status, answer.text()));
            continue;
        }
        let sent_body = last_request_body(&provider);
        let field = sent_body.pointer(place).unwrap_or(&Value::Null);
        if field != expected {
            wrong.push(format!("{body}: {place} is {field} in {sent_body}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn message(role: &str, content: Value) -> Value {
    json!({ "role": role, "content": content })
}

#[test]
fn fields_of_other_types_and_spellings_are_accepted() {
    let cases = [
        (json!({ "stop": "" }), "/stop", Value::Null),
        (json!({ "stop": [""] }), "/stop", Value::Null),
        (json!({ "stop": ["", "END"] }), "/stop", json!(["END"])),
        (json!({ "stop": "END" }), "/stop", json!(["END"])),
        (
            json!({ "stop": ["a", "b", "c", "d", "e"] }),
            "/stop/4",
            json!("e"),
        ),
        (json!({ "seed": 3.0 }), "/seed", json!(3)),
        (json!({ "seed": -1 }), "/seed", json!(-1)),
        (
            json!({ "max_completion_tokens": -1 }),
            "/max_tokens",
            Value::Null,
        ),
        (
            json!({ "max_completion_tokens": 64.0 }),
            "/max_tokens",
            json!(64),
        ),
        (json!({ "temperature": 2.5 }), "/temperature", json!(2.5)),
        (json!({ "temperature": 0 }), "/temperature", json!(0.0)),
        (json!({ "top_p": 1 }), "/top_p", json!(1.0)),
        (json!({ "top_k": -1 }), "/top_k", Value::Null),
        (json!({ "n": 1.0 }), "/n", Value::Null),
        (
            json!({ "stream_options": { "include_usage": true } }),
            "/model",
            json!("any"),
        ),
        (
            json!({ "response_format": {} }),
            "/response_format",
            Value::Null,
        ),
        (
            json!({ "response_format": { "type": "text" } }),
            "/response_format",
            Value::Null,
        ),
        (
            json!({ "reasoning_effort": "High" }),
            "/reasoning_effort",
            json!("high"),
        ),
        (
            json!({ "reasoning_effort": "none" }),
            "/reasoning_effort",
            json!("none"),
        ),
        (
            json!({ "reasoning": { "enabled": true } }),
            "/reasoning_effort",
            json!("medium"),
        ),
        (
            json!({ "reasoning": { "enabled": false } }),
            "/reasoning_effort",
            json!("none"),
        ),
        (
            json!({ "chat_template_kwargs": { "enable_thinking": false } }),
            "/chat_template_kwargs/enable_thinking",
            json!(false),
        ),
        (
            json!({ "min_p": 0.05, "repetition_penalty": 1.1 }),
            "/repetition_penalty",
            json!(1.1),
        ),
        (
            json!({ "logit_bias": { "50256": -100 } }),
            "/logit_bias/50256",
            json!(-100),
        ),
        (
            json!({ "logprobs": true, "top_logprobs": 3 }),
            "/top_logprobs",
            json!(3),
        ),
        (json!({ "user": 123 }), "/user", json!(123)),
    ];
    let cases: Vec<_> = { cases.into_iter() }
        .map(|(more, place, sent)| (chat_request(more), place, sent))
        .collect();
    check_sent_fields(CHAT_PATH, &cases);
}

#[test]
fn a_schema_under_json_object_is_a_schema() {
    let provider = crate::support::provider::Provider::answering(
        |_: &crate::support::provider::ReceivedRequest| {
            crate::support::line::on("")
                .sse(&crate::support::script::answer_stream("{\"thin\": true}"))
        },
    );
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let schema = json!({ "type": "object", "properties": { "thin": { "type": "boolean" } }, "required": ["thin"] });
    let expected = json!({ "response_format": { "type": "json_object", "schema": schema } });
    let answer = client.post(CHAT_PATH, chat_request(expected));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent_body = last_request_body(&provider);
    assert_eq!(
        sent_body["response_format"]["json_schema"]["schema"]["required"],
        json!(["thin"]),
        "{sent_body}"
    );
}

#[test]
fn tool_variants_are_accepted() {
    let nested = json!({ "type": "function", "function": { "name": "weather", "parameters": { "type": "object" } } });
    let other = json!({ "type": "function", "function": { "name": "time" } });
    let place = "/tools/0/function/name";
    let name = json!("weather");
    let mut untyped = nested.clone();
    untyped.as_object_mut().unwrap().remove("type");
    let nulls = json!({ "type": "function", "function": { "name": "weather", "description": null, "parameters": null, "strict": null } });
    let cases = [
        (json!({ "tools": [untyped] }), place, name.clone()),
        (
            json!({ "tools": [{ "type": "function", "name": "weather", "parameters": { "type": "object" } }] }),
            place,
            name.clone(),
        ),
        (json!({ "tools": [nulls] }), place, name.clone()),
        (
            json!({ "tools": [{ "type": "web_search" }, nested] }),
            place,
            name.clone(),
        ),
        (
            json!({ "tools": [nested], "tool_choice": "any" }),
            "/tool_choice",
            json!("required"),
        ),
        (
            json!({ "tools": [nested], "tool_choice": { "type": "auto" } }),
            "/tool_choice",
            Value::Null,
        ),
        (
            json!({ "tools": [other, nested], "tool_choice": { "type": "allowed_tools", "allowed_tools": { "mode": "required", "tools": [nested] } } }),
            place,
            name.clone(),
        ),
        (
            json!({ "tool_choice": "auto" }),
            "/tool_choice",
            Value::Null,
        ),
    ];
    let cases: Vec<_> = { cases.into_iter() }
        .map(|(more, place, sent)| (chat_request(more), place, sent))
        .collect();
    check_sent_fields(CHAT_PATH, &cases);
}

#[test]
fn conversation_variants_are_accepted() {
    let picture = |url: &str| json!({ "type": "image_url", "image_url": { "url": url } });
    let body = |part: Value| {
        json!([message(
            "user",
            json!([{ "type": "text", "text": "a" }, part])
        )])
    };
    let url = "/messages/0/content/1/image_url/url";
    let jpeg = json!("data:image/jpeg;base64,/9j/4AAQ");
    let call = |arguments: Value| json!({ "role": "assistant", "content": null, "tool_calls": [{ "id": "1", "type": "function", "function": { "name": "weather", "arguments": arguments } }] });
    let result =
        |content: Value| json!({ "role": "tool", "tool_call_id": "1", "content": content });
    let with = |call: Value, result: Value| json!([message("user", json!("a")), call, result]);
    let parts = json!([{ "type": "text", "text": "" }, { "type": "text", "text": "a" }]);
    let cached = json!([{ "type": "text", "text": "a", "cache_control": { "type": "ephemeral" } }]);
    let history = json!([message("user", json!("a")), { "role": "assistant", "content": "b", "refusal": null, "annotations": [], "audio": null, "tool_calls": [], "function_call": null }, message("user", json!("c"))]);
    let middle = json!([
        message("user", json!("a")),
        message("system", json!("Be brief.")),
        message("user", json!("b"))
    ]);
    let cases = [
        (
            body(picture("DATA:image/jpg;base64,/9j/4AAQ")),
            url,
            jpeg.clone(),
        ),
        (
            body(picture("data:image/jpeg;name=a.jpg;base64,/9j/4AAQ")),
            url,
            jpeg.clone(),
        ),
        (
            body(json!({ "type": "image_url", "image_url": "data:image/jpeg;base64,/9j/4AAQ" })),
            url,
            jpeg,
        ),
        (
            json!([message("user", parts)]),
            "/messages/0/content",
            json!("a"),
        ),
        (
            json!([message("user", cached)]),
            "/messages/0/content",
            json!("a"),
        ),
        (
            json!([message(
                "user",
                json!([{ "type": "input_text", "text": "a" }])
            )]),
            "/messages/0/content",
            json!("a"),
        ),
        (
            with(call(json!({ "city": "Oslo" })), result(json!("x"))),
            "/messages/1/tool_calls/0/function/arguments",
            json!("{\"city\":\"Oslo\"}"),
        ),
        (
            with(
                call(json!("{}")),
                result(json!([{ "type": "text", "text": "x" }])),
            ),
            "/messages/2/content",
            json!("x"),
        ),
        (
            with(call(json!("{}")), result(Value::Null)),
            "/messages/2/content",
            json!(""),
        ),
        (history, "/messages/1", message("assistant", json!("b"))),
        (middle, "/messages/1/role", json!("system")),
    ];
    let cases: Vec<_> = { cases.into_iter() }
        .map(|(messages, place, sent)| (json!({ "messages": messages }), place, sent))
        .collect();
    check_sent_fields(CHAT_PATH, &cases);
}

#[test]
fn anthropic_message_variants_are_accepted() {
    let tools = json!([{ "name": "weather", "input_schema": { "type": "object" } }]);
    let usual = json!([message("user", json!("a"))]);
    let request_for = |extra_fields: Value| {
        merge_objects(json!({ "max_tokens": 64, "messages": usual }), extra_fields)
    };
    let use_of = |input: Value| {
        message(
            "assistant",
            json!([{ "type": "tool_use", "id": "t1", "name": "weather", "input": input }]),
        )
    };
    let result = |block: Value| {
        message(
            "user",
            json!([merge_objects(
                json!({ "type": "tool_result", "tool_use_id": "t1" }),
                block
            )]),
        )
    };
    let search_message = message(
        "assistant",
        json!([
            { "type": "thinking", "thinking": "hm", "signature": "s" },
            { "type": "redacted_thinking", "data": "x" },
            { "type": "server_tool_use", "id": "s1", "name": "web_search", "input": { "query": "q" } },
            { "type": "web_search_tool_result", "tool_use_id": "s1", "content": [] },
            { "type": "text", "text": "b", "citations": null },
        ]),
    );
    check_sent_fields(
        "/v1/messages?beta=true",
        &[
            (
                request_for(json!({ "system": "" })),
                "/messages/0/role",
                json!("user"),
            ),
            (
                request_for(
                    json!({ "system": [], "tools": [], "tool_choice": { "type": "auto" } }),
                ),
                "/messages/0/role",
                json!("user"),
            ),
            (
                request_for(
                    json!({ "system": [{ "type": "text", "text": "Be brief.", "cache_control": { "type": "ephemeral" } }] }),
                ),
                "/messages/0/content",
                json!("Be brief."),
            ),
            (
                request_for(
                    json!({ "max_tokens": 64.0, "stop_sequences": null, "temperature": null, "stream": null }),
                ),
                "/max_tokens",
                json!(64),
            ),
            (
                request_for(
                    json!({ "messages": [message("user", json!("a")), search_message, message("user", json!("c"))] }),
                ),
                "/messages/1",
                message("assistant", json!("b")),
            ),
            (
                request_for(
                    json!({ "messages": [message("user", json!("a")), message("user", json!("b"))] }),
                ),
                "/messages/1/content",
                json!("b"),
            ),
            (
                request_for(
                    json!({ "messages": [message("user", json!("a")), message("assistant", json!("{"))] }),
                ),
                "/messages/1/role",
                json!("assistant"),
            ),
            (
                request_for(
                    json!({ "tools": tools, "messages": [message("user", json!("a")), use_of(Value::Null), result(json!({ "is_error": true }))] }),
                ),
                "/messages/2/tool_call_id",
                json!("t1"),
            ),
            (
                request_for(
                    json!({ "tools": tools, "messages": [message("user", json!("a")), use_of(json!({})), result(json!({ "content": [{ "type": "text", "text": "x" }] }))] }),
                ),
                "/messages/2/content",
                json!("x"),
            ),
            (
                request_for(json!({ "thinking": { "type": "disabled" } })),
                "/reasoning_effort",
                json!("none"),
            ),
            (
                request_for(
                    json!({ "metadata": { "user_id": "u" }, "service_tier": "auto", "container": null }),
                ),
                "/messages/0/content",
                json!("a"),
            ),
        ],
    );
}

#[test]
fn responses_item_variants_are_accepted() {
    let user = message("user", json!("a"));
    let input = |items: Value| json!({ "input": items });
    let custom =
        json!({ "type": "custom_tool_call", "call_id": "1", "name": "apply_patch", "input": "p" });
    let done = json!({ "type": "custom_tool_call_output", "call_id": "1", "output": "ok" });
    let shell = json!({ "type": "local_shell_call", "call_id": "1", "status": "completed", "action": { "type": "exec", "command": ["ls"] } });
    let list = json!({ "type": "local_shell_call_output", "call_id": "1", "output": "x" });
    let search = json!({ "type": "web_search_call", "id": "w", "status": "completed", "action": { "type": "search", "query": "q" } });
    let thought =
        json!({ "type": "reasoning", "id": "r", "summary": [], "encrypted_content": "x" });
    let tools =
        json!([{ "type": "function", "name": "time" }, { "type": "function", "name": "weather" }]);
    let allowed = json!({ "type": "allowed_tools", "mode": "auto", "tools": [{ "type": "function", "name": "weather" }] });
    let with_nulls = json!({ "input": "a", "reasoning": null, "text": null, "tools": null, "include": null, "previous_response_id": null, "conversation": null, "prompt": null, "background": false, "max_output_tokens": null, "store": null });
    check_sent_fields(
        "/v1/responses",
        &[
            (
                json!({ "input": "a", "instructions": "" }),
                "/messages/0/role",
                json!("user"),
            ),
            (with_nulls, "/messages/0/content", json!("a")),
            (
                input(json!([user, custom, done])),
                "/messages/1/tool_calls/0/function",
                json!({ "name": "apply_patch", "arguments": "{\"input\":\"p\"}" }),
            ),
            (
                input(json!([user, shell, list])),
                "/messages/2",
                json!({ "role": "tool", "tool_call_id": "1", "content": "x" }),
            ),
            (
                input(json!([
                    user,
                    thought,
                    search,
                    message("assistant", json!("b")),
                    message("user", json!("c"))
                ])),
                "/messages/1/content",
                json!("b"),
            ),
            (
                input(json!([message("developer", json!("Be brief.")), user])),
                "/messages/0/role",
                json!("system"),
            ),
            (
                json!({ "input": "a", "tools": tools, "tool_choice": allowed }),
                "/tools/0/function/name",
                json!("weather"),
            ),
            (
                json!({ "input": "a", "tools": [{ "type": "function", "function": { "name": "weather" } }] }),
                "/tools/0/function/name",
                json!("weather"),
            ),
        ],
    );
}
