//! Our own Anthropic-compatible API: bodies of `/v1/messages` to facts, facts to messages and their events.

use serde_json::{Value, json};

use super::serve_openai::{
    Asked, Fault, Frame, check_turns, content, fault, model, no_tools, parameters, unknown,
};
use crate::domain::chat::{Finish, Message, Role, Usage};

const KNOWN: &[&str] = &[
    "model",
    "messages",
    "system",
    "max_tokens",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "metadata",
    "tools",
    "tool_choice",
    "thinking",
    "service_tier",
    "output_config",
    "context_management",
];

/// A body of `/v1/messages`, or of its `count_tokens`, which needs no limit.
pub fn read(body: &Value, needs_limit: bool) -> Result<Asked, Fault> {
    let Some(fields) = body.as_object() else {
        return fault("body", "the body must be a JSON object");
    };
    let mut asked = Asked {
        model: model(fields)?,
        stream: fields
            .get("stream")
            .is_some_and(|flag| flag == &json!(true)),
        usage: true,
        parameters: parameters(fields)?,
        ..Asked::default()
    };
    asked.parameters.top_k = fields
        .get("top_k")
        .and_then(Value::as_u64)
        .map(|k| k as u32);
    if let Some(effort) = fields
        .get("output_config")
        .and_then(|one| one["effort"].as_str())
    {
        asked.parameters.reasoning_effort = Some(effort.to_owned());
    }
    if needs_limit && asked.parameters.max_tokens.is_none() {
        return fault("max_tokens", "max_tokens is required");
    }
    let (system, _) = content(fields.get("system").unwrap_or(&Value::Null))?;
    if !system.is_empty() {
        asked.turns.push(Message::new(Role::System, system));
    }
    let Some(messages) = fields.get("messages").and_then(Value::as_array) else {
        return fault("messages", "messages must be a list");
    };
    for message in messages {
        let role = match message["role"].as_str() {
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            Some("system") => Role::System,
            _ => return fault("messages", "each message needs a role: user or assistant"),
        };
        let (text, images) = content(&message["content"])?;
        asked.turns.push(Message { role, text, images });
    }
    check_turns(&asked.turns)?;
    no_tools(fields)?;
    asked.ignored = unknown(fields, KNOWN);
    Ok(asked)
}

/// A whole message.
pub fn message(frame: &Frame, text: &str, finish: Finish, usage: &Usage) -> Value {
    json!({
        "id": frame.id, "type": "message", "role": "assistant", "model": frame.model,
        "content": [{ "type": "text", "text": text }],
        "stop_reason": reason(finish), "stop_sequence": null, "usage": tokens(usage),
    })
}

/// The events before any text. What was read is told at the end too, when it is known.
pub fn opening(frame: &Frame) -> Vec<(&'static str, Value)> {
    let begun = json!({
        "id": frame.id, "type": "message", "role": "assistant", "model": frame.model, "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": { "input_tokens": 0, "output_tokens": 0 },
    });
    let block = json!({ "type": "text", "text": "" });
    vec![
        (
            "message_start",
            json!({ "type": "message_start", "message": begun }),
        ),
        (
            "content_block_start",
            json!({ "type": "content_block_start", "index": 0, "content_block": block }),
        ),
    ]
}

/// A piece of text.
pub fn piece(text: &str) -> (&'static str, Value) {
    let delta = json!({ "type": "text_delta", "text": text });
    (
        "content_block_delta",
        json!({ "type": "content_block_delta", "index": 0, "delta": delta }),
    )
}

/// The proper end.
pub fn ending(finish: Finish, usage: &Usage) -> Vec<(&'static str, Value)> {
    let delta = json!({ "stop_reason": reason(finish), "stop_sequence": null });
    vec![
        (
            "content_block_stop",
            json!({ "type": "content_block_stop", "index": 0 }),
        ),
        (
            "message_delta",
            json!({ "type": "message_delta", "delta": delta, "usage": tokens(usage) }),
        ),
        ("message_stop", json!({ "type": "message_stop" })),
    ]
}

fn reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::ToolCalls => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ContentFilter => "refusal",
    }
}

// Here what came from a cache is not in what was read.
fn tokens(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input.saturating_sub(usage.cached), "output_tokens": usage.output,
        "cache_read_input_tokens": usage.cached, "cache_creation_input_tokens": usage.stored,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_as_the_sdk_sends_them() {
        let asked = read(
            &json!({
                "model": "m", "max_tokens": 100, "system": [{ "type": "text", "text": "Be brief." }], "top_k": 5,
                "stop_sequences": ["END"], "messages": [
                    { "role": "user", "content": [
                        { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AAAA" } },
                        { "type": "text", "text": "What?" },
                    ]},
                ],
            }),
            true,
        )
        .expect("sound");
        assert_eq!((asked.turns.len(), asked.turns[1].images.len()), (2, 1));
        assert_eq!(
            (asked.parameters.top_k, asked.parameters.stop.len()),
            (Some(5), 1)
        );
        let user = json!([{ "role": "user", "content": "a" }]);
        for (body, param) in [
            (json!({ "model": "m", "messages": user }), "max_tokens"),
            (json!({ "model": "m", "max_tokens": 1 }), "messages"),
            (
                json!({ "model": "m", "max_tokens": 1, "messages": user, "tools": [{ "name": "x" }] }),
                "tools",
            ),
            (
                json!({ "model": "m", "max_tokens": 1, "messages": [{ "role": "user", "content": [{ "type": "tool_result" }] }] }),
                "messages",
            ),
        ] {
            assert_eq!(
                read(&body, true).expect_err("refused").param,
                param,
                "{body}"
            );
        }
        assert!(read(&json!({ "model": "m", "messages": user }), false).is_ok());
    }

    #[test]
    fn tokens_of_a_cache_stand_apart() {
        let usage = Usage {
            input: 10,
            cached: 4,
            output: 2,
            ..Usage::default()
        };
        assert_eq!(tokens(&usage)["input_tokens"], 6);
        assert_eq!(
            ending(Finish::Length, &usage)[1].1["delta"]["stop_reason"],
            "max_tokens"
        );
    }
}
