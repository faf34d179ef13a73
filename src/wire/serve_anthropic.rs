//! Our own Anthropic-compatible API: bodies of `/v1/messages` to facts, facts to messages and their events.

use serde_json::{Value, json};

use super::serve_content::content;
use super::serve_openai::{Asked, Fault, Frame, check_turns, fault, model};
use super::serve_parameters::{flag, parameters};
use super::serve_tools::{self, Shape};
use super::{Kind, passthrough};
use crate::domain::chat::{Finish, Message, Role, Usage};
use crate::domain::tools::ToolCall;

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

/// Of these, the ones that only the provider reads.
const UNREAD: &[&str] = &["metadata", "service_tier"];

/// A body of `/v1/messages`, or of its `count_tokens`, which needs no limit.
pub fn read(body: &Value, needs_limit: bool) -> Result<Asked, Fault> {
    let Some(fields) = body.as_object() else {
        return fault("body", "the body must be a JSON object");
    };
    let mut asked = Asked {
        model: model(fields)?,
        stream: flag(fields, "stream")?,
        usage: true,
        parameters: parameters(fields)?,
        ..Asked::default()
    };
    let format = fields.get("output_config").map(|config| &config["format"]);
    asked.format = format.and_then(wanted_format);
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
    if messages.is_empty() {
        return fault("messages", "at least one message is required");
    }
    for message in messages {
        let role = match message["role"].as_str() {
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            Some("system") => Role::System,
            _ => return fault("messages", "each message needs a role: user or assistant"),
        };
        take(&mut asked.turns, role, &message["content"])?;
    }
    check_turns(&asked.turns)?;
    asked.offer(serve_tools::read(fields, Shape::Anthropic)?);
    asked.passthrough = passthrough::read(Kind::Anthropic, fields, KNOWN, UNREAD)?;
    Ok(asked)
}

// Here the schema has no name; the chat API's has one.
fn wanted_format(given: &Value) -> Option<Value> {
    (given["type"] == "json_schema").then(|| {
        let inner = json!({ "name": "answer", "schema": given["schema"], "strict": true });
        json!({ "type": "json_schema", "json_schema": inner })
    })
}

// Calls are blocks of the model's turn, results of the person's: here each result is a turn of its own.
fn take(turns: &mut Vec<Message>, role: Role, given: &Value) -> Result<(), Fault> {
    let blocks = given.as_array().map_or(&[][..], Vec::as_slice);
    let is = |block: &Value, kind: &str| block["type"] == kind;
    let (mut rest, mut calls) = (Vec::new(), Vec::new());
    for block in blocks {
        if is(block, "tool_use") && role == Role::Assistant {
            calls.push(serve_tools::call(
                &block["id"],
                &block["name"],
                &block["input"],
            )?);
        } else if is(block, "tool_result") && role == Role::User {
            let Some(id) = block["tool_use_id"].as_str() else {
                return fault("messages", "a tool's result needs its tool_use_id");
            };
            let (mut text, images) = content(&block["content"])?;
            if block["is_error"] == true {
                text.insert_str(0, "the tool failed: ");
            }
            turns.push(Message {
                images,
                result_of: Some(id.to_owned()),
                ..Message::new(role, text)
            });
        } else {
            rest.push(block.clone());
        }
    }
    let is_plain = given.is_string() || rest.len() == blocks.len();
    if is_plain || !rest.is_empty() || !calls.is_empty() {
        let whole = Value::Array(rest);
        let (text, images) = content(if is_plain { given } else { &whole })?;
        turns.push(Message {
            images,
            calls,
            ..Message::new(role, text)
        });
    }
    Ok(())
}

/// A whole message.
pub fn message(
    frame: &Frame,
    (text, calls): (&str, &[ToolCall]),
    finish: Finish,
    usage: &Usage,
) -> Value {
    let mut content = Vec::new();
    if calls.is_empty() || !text.is_empty() {
        content.push(json!({ "type": "text", "text": text, "citations": null }));
    }
    content.extend(calls.iter().map(|call| block(call, call.input())));
    json!({
        "id": frame.id, "type": "message", "role": "assistant", "model": frame.model, "content": content,
        "stop_reason": reason(finish), "stop_sequence": null, "stop_details": null, "container": null,
        "usage": usage_of(usage),
    })
}

fn block(call: &ToolCall, input: Value) -> Value {
    // Called by the model itself, not by code that a vendor runs.
    json!({
        "type": "tool_use", "id": call.id, "name": call.name, "input": input, "caller": { "type": "direct" },
    })
}

/// The events of a stream.
#[derive(Debug)]
pub struct Events {
    frame: Frame,
    speaks: bool,
}

impl Events {
    /// Of this message.
    pub fn new(frame: Frame) -> Self {
        let speaks = false;
        Self { frame, speaks }
    }

    /// The `message_start` event. The input tokens follow in `message_delta`, once the vendor has counted.
    pub fn opening(&self) -> (&'static str, Value) {
        let begun = json!({
            "id": self.frame.id, "type": "message", "role": "assistant", "model": self.frame.model,
            "content": [], "stop_reason": null, "stop_sequence": null, "stop_details": null, "container": null,
            "usage": usage_of(&Usage::default()),
        });
        (
            "message_start",
            json!({ "type": "message_start", "message": begun }),
        )
    }

    /// A piece of text.
    pub fn piece(&mut self, text: &str) -> Vec<(&'static str, Value)> {
        let mut events = Vec::new();
        if !self.speaks {
            self.speaks = true;
            events.push(start(
                0,
                json!({ "type": "text", "text": "", "citations": null }),
            ));
        }
        events.push(delta(0, json!({ "type": "text_delta", "text": text })));
        events
    }

    /// The proper end.
    pub fn ending(
        &mut self,
        calls: &[ToolCall],
        finish: Finish,
        usage: &Usage,
    ) -> Vec<(&'static str, Value)> {
        let mut events = Vec::new();
        if self.speaks {
            events.push(stop(0));
        }
        for (index, call) in (usize::from(self.speaks)..).zip(calls) {
            let piece = json!({ "type": "input_json_delta", "partial_json": call.arguments });
            events.push(start(index, block(call, json!({}))));
            events.push(delta(index, piece));
            events.push(stop(index));
        }
        let delta = json!({
            "stop_reason": reason(finish), "stop_sequence": null, "stop_details": null, "container": null,
        });
        events.push((
            "message_delta",
            json!({ "type": "message_delta", "delta": delta, "usage": tokens(usage) }),
        ));
        events.push(("message_stop", json!({ "type": "message_stop" })));
        events
    }
}

fn start(index: usize, block: Value) -> (&'static str, Value) {
    let name = "content_block_start";
    (
        name,
        json!({ "type": name, "index": index, "content_block": block }),
    )
}

fn delta(index: usize, delta: Value) -> (&'static str, Value) {
    let name = "content_block_delta";
    (
        name,
        json!({ "type": name, "index": index, "delta": delta }),
    )
}

fn stop(index: usize) -> (&'static str, Value) {
    let name = "content_block_stop";
    (name, json!({ "type": name, "index": index }))
}

fn reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::ToolCalls => "tool_use",
        Finish::Length => "max_tokens",
        Finish::ContentFilter => "refusal",
    }
}

// Anthropic counts cached tokens beside `input_tokens`, not within it.
fn tokens(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input.saturating_sub(usage.cached), "output_tokens": usage.output,
        "cache_read_input_tokens": usage.cached, "cache_creation_input_tokens": usage.stored,
        "output_tokens_details": { "thinking_tokens": usage.reasoning }, "server_tool_use": null,
    })
}

// The usage of a whole message has more fields than that of its last event.
fn usage_of(usage: &Usage) -> Value {
    let mut told = tokens(usage);
    told["cache_creation"] =
        json!({ "ephemeral_5m_input_tokens": usage.stored, "ephemeral_1h_input_tokens": 0 });
    told["inference_geo"] = Value::Null;
    told["service_tier"] = json!("standard");
    told
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
                json!({ "model": "m", "max_tokens": 1, "messages": user, "tools": [{ "name": "" }] }),
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
        let mut events = Events::new(Frame {
            id: "m".into(),
            model: "m".into(),
            created: 7,
            ..Frame::default()
        });
        assert_eq!(
            events.ending(&[], Finish::Length, &usage)[0].1["delta"]["stop_reason"],
            "max_tokens"
        );
    }
}
