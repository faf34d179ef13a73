//! Quire's Anthropic-compatible API: parses bodies of `/v1/messages`, and encodes messages and the events of their
//! streams.

use serde_json::{Value, json};

use super::prompt::is_signed_thought;
use super::serve::{ChatRequest, ChunkFrame, CompleteAnswer, check_turns, model_id};
use super::serve_call;
use super::serve_content::{parse_content, parse_marked_content};
use super::serve_error::{RequestError, invalid};
use super::serve_parameters::{parse_flag, parse_parameters};
use super::serve_tools::{self, ToolShape};
use super::{ApiFormat, cache_marks, passthrough};
use crate::domain::chat::{Finish, Message, MessageRole, Usage};
use crate::domain::tools::ToolCall;

const KNOWN_FIELDS: &[&str] = &[
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

/// Known fields that only the provider uses. They are passed on unread.
const PROVIDER_FIELDS: &[&str] = &["metadata", "service_tier"];

/// Parses a body of `/v1/messages`. `needs_limit` is false for `count_tokens`, which does not require `max_tokens`.
///
/// # Errors
///
/// Returns an error that names the field when a field is missing, malformed, or not supported.
pub fn parse_request(body: &Value, needs_limit: bool) -> Result<ChatRequest, RequestError> {
    let Some(fields) = body.as_object() else {
        return invalid("body", "the body must be a JSON object");
    };
    let mut request = ChatRequest {
        model: model_id(fields)?,
        stream: parse_flag(fields, "stream")?,
        usage: true,
        parameters: parse_parameters(fields)?,
        shows_thinking: fields
            .get("thinking")
            .is_some_and(|thinking| thinking.is_object() && thinking["type"] != "disabled"),
        ..ChatRequest::default()
    };
    let format = fields.get("output_config").map(|config| &config["format"]);
    request.format = format.and_then(wanted_format);
    if needs_limit && request.parameters.max_tokens.is_none() {
        return invalid("max_tokens", "max_tokens is required");
    }
    let system = parse_marked_content(fields.get("system").unwrap_or(&Value::Null))?;
    if !system.text.is_empty() {
        request.turns.push(Message {
            cache_marks: system.cache_marks,
            ..Message::new(MessageRole::System, system.text)
        });
    }
    let Some(messages) = fields.get("messages").and_then(Value::as_array) else {
        return invalid("messages", "messages must be a list");
    };
    if messages.is_empty() {
        return invalid("messages", "at least one message is required");
    }
    for message in messages {
        let role = match message["role"].as_str() {
            Some("user") => MessageRole::User,
            Some("assistant") => MessageRole::Assistant,
            Some("system") => MessageRole::System,
            _ => return invalid("messages", "each message needs a role: user or assistant"),
        };
        add_message(&mut request.turns, role, &message["content"])?;
    }
    check_turns(&request.turns)?;
    request.add_tools(serve_tools::parse_tools(fields, ToolShape::Anthropic)?);
    request.passthrough =
        passthrough::read_fields(ApiFormat::Anthropic, fields, KNOWN_FIELDS, PROVIDER_FIELDS)?;
    // An effort level can express neither adaptive thinking nor an exact number of tokens, so the field is passed on as
    // it is.
    let is_exact = |it: &&Value| it["type"] == "adaptive" || it["type"] == "enabled";
    if let Some(thinking) = fields.get("thinking").filter(is_exact) {
        let further = &mut request.passthrough.fields;
        further.insert("thinking".into(), thinking.clone());
    }
    Ok(request)
}

// Converts the requested format to the format of the chat API, which requires a name for a schema.
fn wanted_format(format: &Value) -> Option<Value> {
    (format["type"] == "json_schema").then(|| {
        let inner = json!({ "name": "answer", "schema": format["schema"], "strict": true });
        json!({ "type": "json_schema", "json_schema": inner })
    })
}

// Adds a message. If it contains interleaved thinking, it is split into turns that each begin with thinking blocks. The
// vendor joins these turns again.
fn add_message(
    turns: &mut Vec<Message>,
    role: MessageRole,
    message: &Value,
) -> Result<(), RequestError> {
    let mut blocks = message.as_array().map_or(&[][..], Vec::as_slice);
    while let Some(at) = (1..blocks.len()).find(|&at| {
        role == MessageRole::Assistant && is_block(&blocks[at]) && !is_block(&blocks[at - 1])
    }) {
        parse_turn(turns, role, &json!(blocks[..at]))?;
        blocks = &blocks[at..];
    }
    match message {
        Value::Array(_) => parse_turn(turns, role, &json!(blocks)),
        _ => parse_turn(turns, role, message),
    }
}

// Adds a turn. In this API, calls are blocks of the model's turn, and results are blocks of the user's turn.
// Internally, each result is a separate turn.
fn parse_turn(
    turns: &mut Vec<Message>,
    role: MessageRole,
    message: &Value,
) -> Result<(), RequestError> {
    let blocks = message.as_array().map_or(&[][..], Vec::as_slice);
    let is_kind = |block: &Value, kind: &str| block["type"] == kind;
    let (mut rest, mut calls, mut thoughts) = (Vec::new(), Vec::new(), Vec::new());
    let mut call_mark = None;
    for block in blocks {
        if is_kind(block, "tool_use") && role == MessageRole::Assistant {
            calls.push(serve_call::parse_call(
                &block["id"],
                &block["name"],
                &block["input"],
            )?);
            call_mark = cache_marks::parse_mark_after(block)?.or(call_mark);
        } else if role == MessageRole::Assistant
            && (is_kind(block, "thinking") || is_kind(block, "redacted_thinking"))
        {
            thoughts.push(block.clone());
        } else if is_kind(block, "tool_result") && role == MessageRole::User {
            let Some(id) = block["tool_use_id"].as_str() else {
                return invalid("messages", "a tool's result needs its tool_use_id");
            };
            let (mut text, images) = parse_content(&block["content"])?;
            if block["is_error"] == true {
                text.insert_str(0, "the tool failed: ");
            }
            turns.push(Message {
                images,
                result_of: Some(id.to_owned()),
                cache_marks: cache_marks::parse_mark_after(block)?.into_iter().collect(),
                ..Message::new(role, text)
            });
        } else {
            rest.push(block.clone());
        }
    }
    let is_plain = message.is_string() || rest.len() == blocks.len();
    if is_plain || !rest.is_empty() || !calls.is_empty() || !thoughts.is_empty() {
        let content = Value::Array(rest);
        let mut marked_content = parse_marked_content(if is_plain { message } else { &content })?;
        marked_content.cache_marks.extend(call_mark);
        // Signed blocks are Anthropic's own. Unsigned blocks come from the models of other vendors.
        let unsigned = |block: &&Value| block["signature"].as_str().is_none_or(str::is_empty);
        let unsigned = thoughts.iter().filter(unsigned);
        let words = unsigned.filter_map(|block| block["thinking"].as_str());
        turns.push(Message {
            images: marked_content.images,
            cache_marks: marked_content.cache_marks,
            calls,
            reasoning: words.collect::<Vec<_>>().join("\n\n"),
            reasoning_items: thoughts,
            ..Message::new(role, marked_content.text)
        });
    }
    Ok(())
}

/// Encodes a complete answer as a message.
pub fn encode_message(frame: &ChunkFrame, answer: &CompleteAnswer) -> Value {
    let CompleteAnswer { text, calls, .. } = *answer;
    let mut content = reasoning_blocks(answer);
    if !frame.shows_thinking {
        content.retain(is_signed_thought);
    }
    if calls.is_empty() || !text.is_empty() {
        content.push(json!({ "type": "text", "text": text, "citations": null }));
    }
    content.extend(calls.iter().map(|call| tool_use_block(call, call.input())));
    let sequence = &answer.extras.stop_sequence;
    json!({
        "id": frame.id, "type": "message", "role": "assistant", "model": frame.model, "content": content,
        "stop_reason": stop_reason(answer), "stop_sequence": sequence, "stop_details": null, "container": null,
        "usage": final_usage(answer.usage),
    })
}

/// Encodes the reasoning as blocks: the vendor's own blocks or, if there are none, an unsigned block with the text of
/// the reasoning.
fn reasoning_blocks(answer: &CompleteAnswer) -> Vec<Value> {
    let own = answer.extras.reasoning.iter();
    let own: Vec<Value> = own.filter(|item| is_block(item)).cloned().collect();
    if !own.is_empty() || answer.reasoning.is_empty() {
        return own;
    }
    vec![thinking_block(answer.reasoning)]
}

fn is_block(item: &Value) -> bool {
    item["type"] == "thinking" || item["type"] == "redacted_thinking"
}

fn thinking_block(text: &str) -> Value {
    json!({ "type": "thinking", "thinking": text, "signature": "" })
}

fn tool_use_block(call: &ToolCall, input: Value) -> Value {
    // The caller is the model itself, as opposed to code that the vendor runs.
    json!({
        "type": "tool_use", "id": call.id, "name": call.name, "input": input, "caller": { "type": "direct" },
    })
}

/// Encodes an answer as the events of a stream.
#[derive(Debug)]
pub struct MessageEvents {
    frame: ChunkFrame,
    /// Index of the open block, or of the next one.
    index: usize,
    open_block: Option<MessageBlock>,
    /// Number of signed reasoning blocks already sent.
    signed_count: usize,
}

/// A block that has begun but has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MessageBlock {
    Thinking,
    Text,
}

type NamedEvent = (&'static str, Value);

impl MessageEvents {
    /// Creates an encoder for one message.
    pub fn new(frame: ChunkFrame) -> Self {
        Self {
            frame,
            index: 0,
            open_block: None,
            signed_count: 0,
        }
    }

    /// Returns the `message_start` event. Its usage is zero; the input tokens follow in `message_delta`, once the
    /// vendor has counted them.
    pub fn start_event(&self) -> NamedEvent {
        let message = json!({
            "id": self.frame.id, "type": "message", "role": "assistant", "model": self.frame.model,
            "content": [], "stop_reason": null, "stop_sequence": null, "stop_details": null, "container": null,
            "usage": final_usage(&Usage::default()),
        });
        (
            "message_start",
            json!({ "type": "message_start", "message": message }),
        )
    }

    /// Encodes a piece of reasoning for a client that has requested reasoning. Other clients receive only complete
    /// signed blocks, because these must be sent back to the vendor.
    pub fn reasoning_events(&mut self, text: &str) -> Vec<NamedEvent> {
        if !self.frame.shows_thinking {
            return Vec::new();
        }
        let mut events = self.open_block(MessageBlock::Thinking);
        let piece = json!({ "type": "thinking_delta", "thinking": text });
        events.push(block_delta(self.index, piece));
        events
    }

    /// Ends a reasoning block, and adds its signature.
    pub fn reasoning_end_events(&mut self, item: &Value) -> Vec<NamedEvent> {
        if !is_block(item) || !(self.frame.shows_thinking || is_signed_thought(item)) {
            return Vec::new();
        }
        self.signed_count += usize::from(is_signed_thought(item));
        if item["type"] == "redacted_thinking" {
            let mut events = self.close_block();
            events.push(block_start(self.index, item.clone()));
            events.push(block_stop(self.index));
            self.index += 1;
            return events;
        }
        let mut events = self.open_block(MessageBlock::Thinking);
        let text = item["thinking"].as_str().unwrap_or_default();
        if !self.frame.shows_thinking && !text.is_empty() {
            let piece = json!({ "type": "thinking_delta", "thinking": text });
            events.push(block_delta(self.index, piece));
        }
        let signature = json!({ "type": "signature_delta", "signature": item["signature"] });
        events.push(block_delta(self.index, signature));
        events.extend(self.close_block());
        events
    }

    /// Encodes a piece of the answer's text. Opens a text block if none is open.
    pub fn text_events(&mut self, text: &str) -> Vec<NamedEvent> {
        let mut events = self.open_block(MessageBlock::Text);
        let piece = json!({ "type": "text_delta", "text": text });
        events.push(block_delta(self.index, piece));
        events
    }

    /// Encodes the end of the answer: its tool calls, stop reason, and usage.
    pub fn end_events(&mut self, answer: &CompleteAnswer) -> Vec<NamedEvent> {
        let mut events = self.close_block();
        if !answer.calls.is_empty() {
            events.extend(self.trailing_blocks(&answer.extras.reasoning));
        }
        for (index, call) in (self.index..).zip(answer.calls) {
            let piece = json!({ "type": "input_json_delta", "partial_json": call.arguments });
            events.push(block_start(index, tool_use_block(call, json!({}))));
            events.push(block_delta(index, piece));
            events.push(block_stop(index));
        }
        let delta = json!({
            "stop_reason": stop_reason(answer), "stop_sequence": answer.extras.stop_sequence, "stop_details": null,
            "container": null,
        });
        events.push((
            "message_delta",
            json!({ "type": "message_delta", "delta": delta, "usage": start_usage(answer.usage) }),
        ));
        events.push(("message_stop", json!({ "type": "message_stop" })));
        events
    }

    /// Encodes signed blocks that arrived after the answer had begun, because the vendor requires them together with
    /// the results of the calls.
    fn trailing_blocks(&mut self, blocks: &[Value]) -> Vec<NamedEvent> {
        let signed = blocks.iter().filter(|block| is_signed_thought(block));
        let mut events = Vec::new();
        for block in signed.skip(self.signed_count) {
            if self.frame.shows_thinking && !block["thinking"].is_null() {
                events.extend(self.open_block(MessageBlock::Thinking));
                let piece = json!({ "type": "thinking_delta", "thinking": block["thinking"] });
                events.push(block_delta(self.index, piece));
            }
            events.extend(self.reasoning_end_events(block));
        }
        events
    }

    fn open_block(&mut self, block: MessageBlock) -> Vec<NamedEvent> {
        if self.open_block == Some(block) {
            return Vec::new();
        }
        let mut events = self.close_block();
        self.open_block = Some(block);
        let start_block = match block {
            MessageBlock::Thinking => thinking_block(""),
            MessageBlock::Text => json!({ "type": "text", "text": "", "citations": null }),
        };
        events.push(block_start(self.index, start_block));
        events
    }

    fn close_block(&mut self) -> Vec<NamedEvent> {
        let Some(_) = self.open_block.take() else {
            return Vec::new();
        };
        self.index += 1;
        vec![block_stop(self.index - 1)]
    }
}

fn block_start(index: usize, block: Value) -> (&'static str, Value) {
    let name = "content_block_start";
    (
        name,
        json!({ "type": name, "index": index, "content_block": block }),
    )
}

fn block_delta(index: usize, delta: Value) -> (&'static str, Value) {
    let name = "content_block_delta";
    (
        name,
        json!({ "type": name, "index": index, "delta": delta }),
    )
}

fn block_stop(index: usize) -> (&'static str, Value) {
    let name = "content_block_stop";
    (name, json!({ "type": name, "index": index }))
}

fn stop_reason(answer: &CompleteAnswer) -> &'static str {
    match answer.finish_reason {
        Finish::Stop if answer.extras.stop_sequence.is_some() => "stop_sequence",
        Finish::Stop => "end_turn",
        Finish::ToolCalls => "tool_use",
        Finish::Length => "max_tokens",
        Finish::ContentFilter => "refusal",
    }
}

// Encodes the usage fields that all events contain. Anthropic counts cached tokens separately from `input_tokens`.
fn start_usage(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input.saturating_sub(usage.cached), "output_tokens": usage.output,
        "cache_read_input_tokens": usage.cached, "cache_creation_input_tokens": usage.stored,
        "output_tokens_details": { "thinking_tokens": usage.reasoning }, "server_tool_use": null,
    })
}

// Encodes the usage of a complete message, which has more fields than that of its last event.
fn final_usage(usage: &Usage) -> Value {
    let mut fields = start_usage(usage);
    fields["cache_creation"] =
        json!({ "ephemeral_5m_input_tokens": usage.stored, "ephemeral_1h_input_tokens": 0 });
    fields["inference_geo"] = Value::Null;
    fields["service_tier"] = json!("standard");
    fields
}

#[cfg(test)]
mod tests;
