//! Decodes a streamed chat completion chunk by chunk. Tolerates deviations that do not affect the answer.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::plain_chunk::plain_text;
use crate::wire::answer_builder::AnswerBuilder;
use crate::wire::refusal::{error_field, parse_stream_error, reported_error, sanitize_message};
use crate::wire::sse::SseFrame;
use crate::wire::tool_call_builder::ToolCallFragment;
use crate::wire::usage_counts;

pub(in crate::wire) fn read_event(builder: &mut AnswerBuilder, event: &SseFrame) {
    let data = event.data.trim();
    if event.event.is_empty()
        && let Some(plain) = plain_text(data)
    {
        if builder.is_requested_choice(plain.choice) {
            builder.add_text(&plain.text);
        }
        return;
    }
    if crate::wire::is_done(data) {
        return builder.end();
    }
    let Ok(chunk) = crate::domain::json::parse(data) else {
        if event.event == "error" {
            return builder.fail(parse_stream_error(&Value::String(sanitize_message(data))));
        }
        return builder.handle_unreadable(data, "a chat completion");
    };
    if event.event == "error" && reported_error(&chunk).is_none() {
        return builder.fail(parse_stream_error(&chunk));
    }
    read_chunk(builder, &chunk);
}

pub(in crate::wire) fn read_whole(builder: &mut AnswerBuilder, body: &Value) {
    if body["choices"].is_null() && reported_error(body).is_none() {
        return builder.fail_as_malformed("a chat completion");
    }
    read_chunk(builder, body);
    builder.end();
}

/// Decodes a chunk, even if it is in a list, in a string, or in a proxy's envelope.
fn read_chunk(builder: &mut AnswerBuilder, chunk: &Value) {
    match chunk {
        Value::Array(chunks) => chunks
            .iter()
            .for_each(|chunk| read_single_chunk(builder, chunk)),
        Value::String(text) => {
            let inner: Value = crate::domain::json::parse(text).unwrap_or_default();
            read_single_chunk(builder, if inner.is_object() { &inner } else { chunk });
        }
        _ if chunk["choices"].is_null() && chunk["data"]["choices"].is_array() => {
            read_single_chunk(builder, &chunk["data"]);
        }
        _ => read_single_chunk(builder, chunk),
    }
}

fn read_single_chunk(builder: &mut AnswerBuilder, chunk: &Value) {
    let choices = chunk["choices"].as_array();
    let mut choices = choices.into_iter().flatten();
    let first = choices
        .find(|choice| {
            builder.is_requested_choice(usage_counts::parse_count(&choice["index"]).unwrap_or(0))
        })
        .unwrap_or(&Value::Null);
    let nested = || error_field(first).or_else(|| error_field(&first["delta"]));
    if let Some(error) = reported_error(chunk).or_else(nested) {
        return builder.fail(parse_stream_error(error));
    }
    read_counts(builder, chunk, first);
    let (delta, message) = (&first["delta"], &first["message"]);
    // Some servers repeat the whole message after the chunks. Such a `message` is ignored. A `delta` is not ignored,
    // because it may equal all text before it by coincidence.
    let is_repeat = builder.equals_answer_so_far(message["content"].as_str().unwrap_or_default());
    match [delta, message].into_iter().find(|found| found.is_object()) {
        Some(_) if !delta.is_object() && is_repeat => {}
        Some(found) => {
            read_piece(builder, found);
            builder.add_logprobs(&first["logprobs"]);
        }
        // Some servers send text completions instead of messages.
        None => builder.add_text(first["text"].as_str().unwrap_or_default()),
    }
    // vLLM reports the stop sequence in this field. A number is the ID of a token.
    builder.set_stop_sequence(&first["stop_reason"]);
    let places = [
        &first["finish_reason"],
        &first["finishReason"],
        &delta["finish_reason"],
        &chunk["finish_reason"],
    ];
    let mut reasons = places.into_iter().filter_map(finish_reason);
    builder.set_finish_reason(reasons.find(|word| !word.is_empty()).unwrap_or_default());
}

/// Returns the finish reason, which is a string, a list, or an object (SGLang's own format).
fn finish_reason(reason: &Value) -> Option<&str> {
    let reason = reason.get(0).unwrap_or(reason);
    let places = [reason, &reason["type"], &reason["reason"]];
    places.into_iter().find_map(Value::as_str)
}

/// Reads token counts from all places where hosts report them: Groq in a field of its own, Moonshot in the choice,
/// llama.cpp in its timings, Bedrock in its metrics.
fn read_counts(builder: &mut AnswerBuilder, chunk: &Value, choice: &Value) {
    if chunk["timings"].is_object() {
        builder.add_counts(usage_counts::parse_timings(&chunk["timings"]));
    }
    for usage in [
        &chunk["amazon-bedrock-invocationMetrics"],
        &chunk["meta"],
        &chunk["usageMetadata"],
        &chunk["usage"],
        &chunk["usage"][0],
        &chunk["usage"]["usage"],
        &chunk["x_groq"]["usage"],
        &choice["usage"],
        &choice["delta"]["usage"],
        &choice["message"]["usage"],
    ] {
        if usage.is_object() {
            builder.add_counts(usage_counts::parse_usage(usage));
        }
    }
}

/// Names of the field with reasoning. Hosts of the same model use different names. OpenRouter sends two of the fields,
/// and some hosts leave one of them empty.
const REASONING_FIELDS: &[&str] = &[
    "reasoning_content",
    "reasoning",
    "reasoning_text",
    "thinking",
    "thinking_content",
];

fn read_piece(builder: &mut AnswerBuilder, piece: &Value) {
    let mut reasoning = REASONING_FIELDS
        .iter()
        .map(|name| thought_text(&piece[*name]));
    let reasoning = reasoning.find(|text| !text.is_empty());
    builder.add_reasoning(reasoning.unwrap_or_default());
    if let Some(details) = piece["reasoning_details"].as_array() {
        builder.add_reasoning_items(details);
    }
    match &piece["content"] {
        Value::String(text) => builder.add_text(text),
        // Mistral's reasoning models send a list of parts.
        Value::Array(parts) => parts.iter().for_each(|found| read_part(builder, found)),
        found @ Value::Object(_) => read_part(builder, found),
        _ => {}
    }
    builder.add_refusal(piece["refusal"].as_str().unwrap_or_default());
    let calls = [&piece["tool_calls"], &piece["toolCalls"]];
    match calls
        .into_iter()
        .find(|calls| !calls.is_null())
        .unwrap_or(&Value::Null)
    {
        Value::Array(calls) => calls.iter().for_each(|call| read_tool_call(builder, call)),
        call @ Value::Object(_) => read_tool_call(builder, call),
        _ => {}
    }
    // `function_call` is the older form of `tool_calls`: a single call without an ID.
    if piece["function_call"].is_object() {
        read_tool_call(
            builder,
            &json!({ "index": 0, "function": piece["function_call"] }),
        );
    }
}

/// Returns the text of a thought, which is either a string or a field in an object.
fn thought_text(thought: &Value) -> &str {
    let places = [thought, &thought["content"], &thought["text"]];
    let mut texts = places.into_iter().filter_map(Value::as_str);
    texts.find(|text| !text.is_empty()).unwrap_or_default()
}

fn read_tool_call(builder: &mut AnswerBuilder, call: &Value) {
    // Some servers omit the object around a function, or use another name for the arguments.
    let function = match &call["function"] {
        found @ Value::Object(_) => found,
        _ => call,
    };
    let names = ["arguments", "parameters", "input", "args"].map(|name| &function[name]);
    let arguments_field = names
        .into_iter()
        .find(|arguments_field| !arguments_field.is_null());
    let arguments = match arguments_field {
        Some(Value::String(text)) => Cow::Borrowed(text.as_str()),
        Some(arguments_field @ (Value::Object(_) | Value::Array(_))) => {
            Cow::Owned(arguments_field.to_string())
        }
        _ => Cow::Borrowed(""),
    };
    let id = match &call["id"] {
        Value::Number(number) => Cow::Owned(number.to_string()),
        id => Cow::Borrowed(id.as_str().unwrap_or_default()),
    };
    builder.add_call_fragment(ToolCallFragment {
        index: usage_counts::parse_count(&call["index"]),
        id: &id,
        name: function["name"].as_str().unwrap_or_default(),
        arguments: &arguments,
    });
}

fn read_part(builder: &mut AnswerBuilder, part: &Value) {
    let kind = part["type"].as_str().unwrap_or_default();
    if kind.contains("reasoning") || kind.contains("thinking") || part["thought"] == true {
        builder.add_reasoning(thought_text(part));
    } else if let Some(text) = part["text"].as_str() {
        builder.add_text(text);
    }
    builder.add_reasoning(part["thinking"].as_str().unwrap_or_default());
    for thought in part["thinking"].as_array().into_iter().flatten() {
        builder.add_reasoning(thought["text"].as_str().unwrap_or_default());
    }
}
