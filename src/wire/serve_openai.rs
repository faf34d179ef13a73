//! Quire's OpenAI-compatible chat API: parses requests, and encodes answers and chunks. Ignores unknown fields and
//! reports their names, but refuses fields that must not be ignored silently. Every special case comes from a client
//! that failed without it.

mod chunk;

use serde_json::{Map, Value, json};

pub(super) use chunk::CHUNK_OBJECT;
pub use chunk::{
    ChatChunk, finish_chunk, first_chunk, reasoning_chunk, text_chunk, trailing_chunks, usage_chunk,
};

pub use super::serve::{ChatRequest, ChunkFrame, CompleteAnswer, MAX_TEXT};
use super::serve::{check_turns, model_id};
use super::serve_content::parse_marked_content;
pub use super::serve_error::RequestError;
use super::serve_error::invalid;
use super::serve_functions;
use super::serve_parameters::{parse_count, parse_flag, parse_parameters};
use super::serve_tools::{self, ToolShape};
use super::{ApiFormat, passthrough};
use crate::domain::chat::{Extras, Finish, Message, MessageRole, Usage};

/// Parses the body of a chat completion. Also accepts a body in the format of Responses (`input` instead of
/// `messages`).
///
/// # Errors
///
/// Returns an error that names the field when a field is missing, malformed, or not supported.
pub fn parse_request(body: &Value) -> Result<ChatRequest, RequestError> {
    let Some(fields) = body.as_object() else {
        return invalid("body", "the body must be a JSON object");
    };
    if !fields.contains_key("messages") && fields.contains_key("input") {
        return super::serve_responses::parse_request(body);
    }
    let mut request = ChatRequest {
        model: model_id(fields)?,
        stream: parse_flag(fields, "stream")?,
        usage: fields
            .get("stream_options")
            .is_some_and(|options| options["include_usage"] == json!(true)),
        progress: parse_flag(fields, "include_reasoning")?,
        parameters: parse_parameters(fields)?,
        format: requested_format(fields.get("response_format")),
        ..ChatRequest::default()
    };
    let Some(messages) = fields.get("messages").and_then(Value::as_array) else {
        return invalid("messages", "messages must be a list");
    };
    for message in messages {
        let turn = parse_turn(message, &request.turns)?;
        request.turns.push(turn);
    }
    check_turns(&request.turns)?;
    request.choices = requested_choices(fields)?;
    request.is_legacy = serve_functions::is_legacy(fields);
    request.add_tools(serve_tools::parse_tools(fields, ToolShape::Nested)?);
    request.passthrough =
        passthrough::read_fields(ApiFormat::OpenAi, fields, KNOWN_FIELDS, PROVIDER_FIELDS)?;
    Ok(request)
}

/// Returns the requested schema, or `None` if the field does not request one.
fn requested_format(format: Option<&Value>) -> Option<Value> {
    let format = format.filter(|format| !format.is_null() && **format != json!({}))?;
    // Together, Fireworks, and llama.cpp accept this form.
    let schema = format.get("schema").filter(|schema| schema.is_object());
    Some(match schema {
        Some(schema) if format["type"] == "json_object" => {
            json!({ "type": "json_schema", "json_schema": { "name": "answer", "schema": schema } })
        }
        _ => format.clone(),
    })
}

/// Maximum number of answers to one request.
pub const MAX_CHOICES: u32 = 16;

/// Returns the number of answers requested: `n`, or 1 by default.
///
/// # Errors
///
/// Returns an error when `n` is not an integer from 1 to 16.
pub(super) fn requested_choices(fields: &Map<String, Value>) -> Result<u32, RequestError> {
    let n = parse_count(fields.get("n"), "n")?.unwrap_or(1);
    match u32::try_from(n) {
        Ok(n @ 1..=MAX_CHOICES) => Ok(n),
        _ => invalid("n", format!("n must be from 1 to {MAX_CHOICES}")),
    }
}

/// Fields that Quire reads or that are known to be harmless.
const KNOWN_FIELDS: &[&str] = &[
    "model",
    "messages",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "n",
    "response_format",
    "reasoning_effort",
    "reasoning",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "metadata",
    "include_reasoning",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "store",
    "functions",
    "function_call",
    "top_k",
];

/// Sanitizes the name of a field for use in a response header.
pub fn sanitize_field_name(name: &str) -> String {
    let visible = name.chars().filter(char::is_ascii_graphic);
    visible.take(40).collect()
}

/// Known fields that only the provider uses. They are passed on unread.
const PROVIDER_FIELDS: &[&str] = &[
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "metadata",
    "store",
];

fn parse_turn(message: &Value, earlier: &[Message]) -> Result<Message, RequestError> {
    let role = match message["role"].as_str() {
        Some("system" | "developer") => MessageRole::System,
        Some("user") => MessageRole::User,
        Some("assistant") => MessageRole::Assistant,
        Some("tool" | "function") => MessageRole::User,
        _ => {
            return invalid(
                "messages",
                "each message needs a role: system, developer, user, assistant or tool",
            );
        }
    };
    let marked_content = parse_marked_content(&message["content"])?;
    let result_of = match message["role"].as_str() {
        Some("tool") => match message["tool_call_id"].as_str() {
            Some(id) => Some(id.to_owned()),
            None => return invalid("messages", "a tool's result needs its tool_call_id"),
        },
        Some("function") => Some(serve_functions::result_call_id(message, earlier)?),
        _ => None,
    };
    let (mut calls, mut reasoning_items) = (Vec::new(), Vec::new());
    if role == MessageRole::Assistant {
        calls = serve_tools::parse_calls(message)?;
        calls.extend(serve_functions::parse_call(message, earlier.len())?);
        let details = message["reasoning_details"].as_array();
        reasoning_items = details.cloned().unwrap_or_default();
    }
    Ok(Message {
        images: marked_content.images,
        cache_marks: marked_content.cache_marks,
        calls,
        reasoning: returned_reasoning(message).to_owned(),
        reasoning_items,
        result_of,
        name: speaker_name(message)?,
        ..Message::new(role, marked_content.text)
    })
}

/// Maximum length of a speaker's name, in bytes. OpenAI accepts 64 characters.
const MAX_NAME_BYTES: usize = 256;

/// Returns the speaker's name in a message. If its role is `function`, the field contains the name of the function
/// instead.
fn speaker_name(message: &Value) -> Result<Option<String>, RequestError> {
    match &message["name"] {
        _ if message["role"] == "function" => Ok(None),
        Value::Null => Ok(None),
        Value::String(name) if name.len() <= MAX_NAME_BYTES => {
            Ok(Some(name.clone()).filter(|name| !name.is_empty()))
        }
        _ => invalid(
            "messages",
            format!("a name must be a text of at most {MAX_NAME_BYTES} bytes"),
        ),
    }
}

/// Encodes a complete answer as a chat completion.
pub fn encode_completion(frame: &ChunkFrame, answer: &CompleteAnswer) -> Value {
    let CompleteAnswer { text, calls, .. } = *answer;
    let mut message =
        json!({ "role": "assistant", "content": text, "refusal": null, "annotations": [] });
    if let Some(call) = calls.first() {
        match frame.is_legacy {
            true => message["function_call"] = serve_functions::encode_call(call),
            false => message["tool_calls"] = serve_tools::encode_calls(calls, false),
        }
        if text.is_empty() {
            message["content"] = Value::Null;
        }
    }
    if !answer.reasoning.is_empty() {
        message["reasoning_content"] = json!(answer.reasoning);
    }
    add_details(&mut message, answer.extras);
    json!({
        "id": frame.id, "object": "chat.completion", "created": frame.created, "model": frame.model,
        "choices": [{
            "index": 0, "finish_reason": finish_reason(frame, answer.finish_reason),
            "logprobs": answer.extras.logprobs, "message": message,
        }],
        "usage": encode_usage(answer.usage),
    })
}

/// Returns the reasoning that a client sends back, under either name of the field.
fn returned_reasoning(message: &Value) -> &str {
    let mut reasoning_texts = ["reasoning_content", "reasoning"]
        .iter()
        .filter_map(|name| message[*name].as_str());
    reasoning_texts
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

/// Adds the reasoning items, in the vendor's own format, that a client must send back with the turn.
fn add_details(message: &mut Value, extras: &Extras) {
    if !extras.reasoning.is_empty() {
        message["reasoning_details"] = json!(extras.reasoning);
    }
}

/// Returns OpenAI's name for a finish reason.
pub(super) fn finish_reason(frame: &ChunkFrame, finish: Finish) -> &'static str {
    match finish {
        Finish::ToolCalls if frame.is_legacy => "function_call",
        Finish::Stop => "stop",
        Finish::ToolCalls => "tool_calls",
        Finish::Length => "length",
        Finish::ContentFilter => "content_filter",
    }
}

/// Encodes token usage in OpenAI's format.
pub fn encode_usage(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.input, "completion_tokens": usage.output,
        "total_tokens": usage.input.saturating_add(usage.output),
        "prompt_tokens_details": { "cached_tokens": usage.cached },
        "completion_tokens_details": { "reasoning_tokens": usage.reasoning },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_conversations_are_parsed() {
        let request = parse_request(&json!({
            "model": "quire/gut", "stream": true, "stream_options": { "include_usage": true },
            "max_completion_tokens": 50, "temperature": 0.2, "stop": "END", "logit_bias": {}, "user": "u",
            "messages": [
                { "role": "developer", "content": "Be brief." },
                { "role": "user", "content": [
                    { "type": "text", "text": "What is this?" },
                    { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } },
                ]},
                { "role": "assistant", "content": "A dot." },
                { "role": "user", "content": "Sure?" },
            ],
        }))
        .expect("a conversation");
        assert_eq!(request.turns.len(), 4);
        assert_eq!(
            (request.turns[0].role, request.turns[1].images.len()),
            (MessageRole::System, 1)
        );
        assert_eq!(
            (request.parameters.max_tokens, request.parameters.stop.len()),
            (Some(50), 1)
        );
        assert!(request.stream && request.usage && !request.progress);
        let passed_on: Vec<&String> = request.passthrough.fields.keys().collect();
        assert_eq!(passed_on, ["logit_bias", "user"]);
    }

    #[test]
    fn fields_that_would_be_silently_dropped_are_rejected() {
        let user = json!([{ "role": "user", "content": "a" }]);
        for (body, param) in [
            (json!([]), "body"),
            (json!({ "messages": user }), "model"),
            (json!({ "model": "m" }), "messages"),
            (json!({ "model": "m", "messages": [] }), "messages"),
            (
                json!({ "model": "m", "messages": [{ "role": "user", "content": " " }] }),
                "messages",
            ),
            (
                json!({ "model": "m", "messages": [{ "role": "king", "content": "a" }] }),
                "messages",
            ),
            (
                json!({ "model": "m", "messages": [{ "role": "user", "content": [{ "type": "input_audio" }] }] }),
                "messages",
            ),
            (
                json!({ "model": "m", "messages": [{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "https://a.example/x.png" } }] }] }),
                "messages",
            ),
            (json!({ "model": "m", "messages": user, "n": 0 }), "n"),
            (json!({ "model": "m", "messages": user, "n": 17 }), "n"),
            (
                json!({ "model": "m", "messages": user, "tools": [{ "type": "function" }] }),
                "tools",
            ),
            (
                json!({ "model": "m", "messages": [{ "role": "tool", "content": "7" }] }),
                "messages",
            ),
            (json!({ "model": "m", "messages": user, "stop": 7 }), "stop"),
        ] {
            assert_eq!(
                parse_request(&body).expect_err("refused").param,
                param,
                "{body}"
            );
        }
        assert!(
            parse_request(&json!({ "model": "m", "messages": user, "tools": [], "n": 1 })).is_ok()
        );
    }
}
