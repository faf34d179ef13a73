//! Ollama's native chat API: <https://github.com/ollama/ollama/blob/main/docs/api.md>. Streams are newline-delimited
//! JSON. The default context is small, and Ollama silently drops text that does not fit, so each request sets the size
//! of the context.

use serde_json::{Map, Value, json};

use super::answer_builder::AnswerBuilder;
use super::openai::function_tools;
use super::prompt::{accepted_effort, split_instructions, tool_name};
use super::sse::SseFrame;
use super::usage_counts::{self, UsageCounts};
use super::{ModelCapabilities, refusal};
use crate::domain::chat::ModelRequest;
use crate::domain::model::Structured;
use crate::domain::model::Thinking;
use crate::domain::tools::ToolChoice;

/// Number of tokens reserved for the answer if the request has no limit.
const DEFAULT_OUTPUT_TOKENS: u64 = 2_048;
/// Context sizes are multiples of this number of tokens, because Ollama reloads the model whenever the size changes.
const CONTEXT_STEP: u64 = 4_096;
/// Maximum context size, in tokens. A home machine does not have enough memory for more in addition to the model.
const MAX_CONTEXT: u64 = 131_072;

pub(super) fn request_body(
    name: &str,
    request: &ModelRequest,
    capabilities: &ModelCapabilities,
) -> Value {
    // Ollama can enforce a schema for any model.
    let shape = match capabilities.has_refused("format") {
        true => Structured::Prompt,
        false => Structured::Native,
    };
    let (system, turns) = split_instructions(request, shape);
    let mut messages = Vec::new();
    if !system.is_empty() {
        messages.push(json!({ "role": "system", "content": system }));
    }
    for turn in &turns {
        let role = match (turn.is_model, turn.result_of) {
            (_, Some(_)) => "tool",
            (true, None) => "assistant",
            (false, None) => "user",
        };
        let mut message = json!({ "role": role, "content": turn.text });
        if !turn.images.is_empty() {
            message["images"] = turn
                .images
                .iter()
                .map(|image| json!(&*image.base64))
                .collect();
        }
        if let Some(id) = turn.result_of {
            message["tool_name"] = json!(tool_name(request, id));
        }
        if !turn.calls.is_empty() {
            let calls = turn.calls.iter().map(
                |call| json!({ "function": { "name": call.name, "arguments": call.input() } }),
            );
            message["tool_calls"] = calls.collect();
        }
        messages.push(message);
    }
    let mut body = json!({ "model": name, "messages": messages, "stream": true, "options": options(request, capabilities) });
    if let Some(effort) = accepted_effort(request, capabilities, "think")
        && capabilities.thinking != Thinking::Fixed
    {
        body["think"] = match (effort, capabilities.thinking) {
            ("none", _) => json!(false),
            ("low" | "medium" | "high", Thinking::Effort) => json!(effort),
            _ => json!(true),
        };
    }
    if let (Some(format), Structured::Native) = (&request.format, shape) {
        body["format"] = format.schema.clone();
    }
    // Ollama can neither force a call nor prevent parallel calls. To prevent all calls, the tools are omitted.
    if let Some(tools) = (request.tools.as_deref()).filter(|tools| tools.choice != ToolChoice::None)
    {
        body["tools"] = function_tools(tools);
    }
    body
}

fn options(request: &ModelRequest, capabilities: &ModelCapabilities) -> Map<String, Value> {
    let own = &request.parameters;
    let mut options = Map::new();
    for (known, spelled, value) in [
        (
            "temperature",
            "temperature",
            own.temperature.map(Value::from),
        ),
        ("top_p", "top_p", own.top_p.map(Value::from)),
        ("top_k", "top_k", own.top_k.map(Value::from)),
        ("max_tokens", "num_predict", own.max_tokens.map(Value::from)),
        ("seed", "seed", own.seed.map(Value::from)),
        (
            "presence_penalty",
            "presence_penalty",
            own.presence_penalty.map(Value::from),
        ),
        (
            "frequency_penalty",
            "frequency_penalty",
            own.frequency_penalty.map(Value::from),
        ),
        (
            "stop",
            "stop",
            (!own.stop.is_empty()).then(|| json!(own.stop)),
        ),
    ] {
        if let Some(value) = value.filter(|_| capabilities.accepts_parameter(known, spelled)) {
            options.insert(spelled.into(), value);
        }
    }
    let read = request.prompt_tokens();
    let room = own.max_tokens.map_or(DEFAULT_OUTPUT_TOKENS, u64::from);
    // Token estimates are rough, so half the prompt's size is added as a margin.
    let context_size = (read + read / 2 + room)
        .next_multiple_of(CONTEXT_STEP)
        .min(MAX_CONTEXT);
    let known = Some(capabilities.context_window).filter(|window| *window > 0);
    options.insert(
        "num_ctx".into(),
        json!(known.map_or(context_size, |known| context_size.min(known))),
    );
    options
}

pub(super) fn read_event(builder: &mut AnswerBuilder, event: &SseFrame) {
    match crate::domain::json::parse(&event.data) {
        Ok(line) => read_whole(builder, &line),
        Err(_) => builder.handle_unreadable(&event.data, "an Ollama answer"),
    }
}

pub(super) fn read_whole(builder: &mut AnswerBuilder, line: &Value) {
    if let Some(error) = refusal::reported_error(line) {
        return builder.fail(refusal::parse_stream_error(error));
    }
    let message = &line["message"];
    if !message.is_object() && line["done"] != true {
        return builder.fail_as_malformed("an Ollama answer");
    }
    builder.add_reasoning(message["thinking"].as_str().unwrap_or_default());
    builder.add_text(message["content"].as_str().unwrap_or_default());
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        let function = &call["function"];
        let name = function["name"].as_str().unwrap_or_default();
        builder.add_complete_call("", name, &function["arguments"], None);
    }
    if line["done"] == true {
        // The input count is missing if the whole prompt was still cached from the previous call. `AnswerBuilder`
        // estimates it.
        builder.add_counts(UsageCounts {
            input: usage_counts::parse_count(&line["prompt_eval_count"]),
            output: usage_counts::parse_count(&line["eval_count"]),
            ..UsageCounts::default()
        });
        // Before 2024, there was no finish reason, and `done` meant a regular end.
        builder.set_finish_reason(line["done_reason"].as_str().unwrap_or("stop"));
        builder.end();
    }
}
