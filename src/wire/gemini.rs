//! Gemini's generateContent API: <https://ai.google.dev/api/generate-content>. Each event has the form of a complete
//! response, and no event marks the end. Thinking tokens are counted separately from the tokens of the candidates.

use serde_json::{Map, Value, json};

use super::answer_builder::AnswerBuilder;
use super::prompt::{PromptTurn, accepted_effort, split_instructions, thinking_budget, tool_name};
use super::sse::SseFrame;
use super::usage_counts::{self, UsageCounts};
use super::{ModelCapabilities, refusal, schema_subset};
use crate::domain::chat::{CallError, CallErrorKind, ModelRequest};
use crate::domain::model::{Structured, Thinking};
use crate::domain::tools::{Tool, ToolChoice, Tools};

pub(super) fn model_path(name: &str) -> String {
    format!("models/{}:streamGenerateContent?alt=sse", escape_name(name))
}

/// Removes the prefix `models/` from a model name, and all characters that are not allowed in a segment of a URL path.
pub(super) fn escape_name(name: &str) -> String {
    let name = name.strip_prefix("models/").unwrap_or(name);
    // The name must not change the rest of the path.
    name.chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'))
        .collect()
}

pub(super) fn request_body(request: &ModelRequest, capabilities: &ModelCapabilities) -> Value {
    let shape = capabilities.schema_method("responseJsonSchema", request);
    let (system, turns) = split_instructions(request, shape);
    let mut body = Map::new();
    let contents = turns.iter().map(|turn| encode_turn(request, turn));
    body.insert("contents".into(), contents.collect());
    if !system.is_empty() {
        body.insert(
            "systemInstruction".into(),
            json!({ "parts": [{ "text": system }] }),
        );
    }
    let mut config = sampling_config(request, capabilities);
    if let Some(thinking) = thinking_config(request, capabilities) {
        config.insert("thinkingConfig".into(), thinking);
    }
    match (&request.format, shape) {
        (Some(format), Structured::Native) => {
            config.insert("responseMimeType".into(), json!("application/json"));
            // Gemini refuses a schema with an empty list of required properties.
            if !format.any {
                let schema = schema_subset::gemini_subset(&format.schema);
                config.insert("responseJsonSchema".into(), schema);
            }
        }
        (Some(format), Structured::Tool) => {
            body.insert("tools".into(), json!([{ "functionDeclarations": [{ "name": format.name, "description": "Gives the answer.", "parametersJsonSchema": schema_subset::gemini_subset(&format.schema) }] }]));
            let tool_config = json!({ "mode": "ANY", "allowedFunctionNames": [format.name] });
            body.insert(
                "toolConfig".into(),
                json!({ "functionCallingConfig": tool_config }),
            );
        }
        _ => {}
    }
    if let Some(tools) = &request.tools {
        add_tools(&mut body, tools);
    }
    if !config.is_empty() {
        body.insert("generationConfig".into(), Value::Object(config));
    }
    Value::Object(body)
}

fn add_tools(body: &mut Map<String, Value>, tools: &Tools) {
    let declared = |tool: &Tool| {
        let mut declared = json!({ "name": tool.name, "description": tool.description });
        if !tool.parameters.is_null() {
            declared["parametersJsonSchema"] = tool.parameters.clone();
        }
        declared
    };
    let all: Vec<Value> = tools.list.iter().map(declared).collect();
    body.insert("tools".into(), json!([{ "functionDeclarations": all }]));
    let mode = match &tools.choice {
        ToolChoice::Auto => return,
        ToolChoice::None => json!({ "mode": "NONE" }),
        ToolChoice::Required => json!({ "mode": "ANY" }),
        ToolChoice::Named(name) => json!({ "mode": "ANY", "allowedFunctionNames": [name] }),
    };
    body.insert(
        "toolConfig".into(),
        json!({ "functionCallingConfig": mode }),
    );
}

fn encode_turn(request: &ModelRequest, turn: &PromptTurn) -> Value {
    if let Some(id) = turn.result_of {
        let response =
            json!({ "name": tool_name(request, id), "response": { "result": turn.text } });
        return json!({ "role": "user", "parts": [{ "functionResponse": response }] });
    }
    let role = if turn.is_model { "model" } else { "user" };
    let mut parts: Vec<Value> = turn
        .images
        .iter()
        .map(|image| json!({ "inlineData": { "mimeType": image.media_type, "data": &*image.base64 } }))
        .collect();
    if turn.calls.is_empty() || !turn.text.is_empty() {
        parts.push(json!({ "text": turn.text }));
    }
    parts.extend(turn.calls.iter().map(|call| {
        let mut part = json!({ "functionCall": { "name": call.name, "args": call.input() } });
        if let Some(signature) = &call.signature {
            part["thoughtSignature"] = json!(signature);
        }
        part
    }));
    json!({ "role": role, "parts": parts })
}

fn sampling_config(request: &ModelRequest, capabilities: &ModelCapabilities) -> Map<String, Value> {
    let own = &request.parameters;
    let mut config = Map::new();
    for (known, spelled, value) in [
        (
            "temperature",
            "temperature",
            own.temperature.map(Value::from),
        ),
        ("top_p", "topP", own.top_p.map(Value::from)),
        ("top_k", "topK", own.top_k.map(Value::from)),
        (
            "max_tokens",
            "maxOutputTokens",
            own.max_tokens.map(Value::from),
        ),
        ("seed", "seed", own.seed.map(Value::from)),
        (
            "presence_penalty",
            "presencePenalty",
            own.presence_penalty.map(Value::from),
        ),
        (
            "frequency_penalty",
            "frequencyPenalty",
            own.frequency_penalty.map(Value::from),
        ),
        (
            "stop",
            "stopSequences",
            (!own.stop.is_empty()).then(|| json!(own.stop)),
        ),
    ] {
        if let Some(value) = value.filter(|_| capabilities.accepts_parameter(known, spelled)) {
            config.insert(spelled.into(), value);
        }
    }
    config
}

/// Returns the thinking settings: either a level or a budget, because the API refuses both together.
fn thinking_config(request: &ModelRequest, capabilities: &ModelCapabilities) -> Option<Value> {
    if matches!(capabilities.thinking, Thinking::Fixed | Thinking::Unknown)
        && request.parameters.reasoning_effort.is_none()
    {
        return None;
    }
    if capabilities.has_refused("thinkingConfig") || capabilities.thinking == Thinking::Fixed {
        return None;
    }
    let effort = accepted_effort(request, capabilities, "thinkingLevel");
    let mut config = json!({ "includeThoughts": true });
    match (effort, capabilities.thinking) {
        (None, _) => {}
        (Some(effort), Thinking::Budget) => {
            config["thinkingBudget"] = json!(thinking_budget(effort).min(24_576));
            if effort == "none" {
                config["includeThoughts"] = json!(false);
            }
        }
        (Some(effort), _) => {
            let level = match effort {
                "none" | "minimal" => "minimal",
                "low" => "low",
                "medium" => "medium",
                _ => "high",
            };
            config["thinkingLevel"] = json!(level);
        }
    }
    Some(config)
}

pub(super) fn read_event(builder: &mut AnswerBuilder, event: &SseFrame) {
    match crate::domain::json::parse(&event.data) {
        Ok(frame) => read_frame(builder, &frame),
        Err(_) => builder.handle_unreadable(&event.data, "a Gemini answer"),
    }
}

/// Parses a complete response: one frame, or a list of frames if the server ignores `alt=sse`.
pub(super) fn read_whole(builder: &mut AnswerBuilder, body: &Value) {
    let frames = body
        .as_array()
        .map_or(std::slice::from_ref(body), Vec::as_slice);
    for frame in frames {
        read_frame(builder, frame);
    }
    if !frames.iter().any(is_frame) {
        builder.fail_as_malformed("a Gemini answer");
    }
    builder.end();
}

fn is_frame(frame: &Value) -> bool {
    ["candidates", "promptFeedback", "usageMetadata"]
        .iter()
        .any(|name| !frame[*name].is_null())
}

fn read_frame(builder: &mut AnswerBuilder, frame: &Value) {
    if let Some(error) = refusal::reported_error(frame) {
        return builder.fail(refusal::parse_stream_error(error));
    }
    if let Some(reason) = frame["promptFeedback"]["blockReason"].as_str() {
        return builder.fail(CallError::new(
            CallErrorKind::Rejected,
            format!(
                "the provider blocked the question ({})",
                reason.to_ascii_lowercase()
            ),
        ));
    }
    let candidate = &frame["candidates"][0];
    for part in candidate["content"]["parts"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let text = part["text"].as_str().unwrap_or_default();
        if part["thought"] == true {
            builder.add_reasoning(text);
        } else {
            builder.add_text(text);
        }
        let call = &part["functionCall"];
        if call.is_object() {
            let (id, name) = (call["id"].as_str(), call["name"].as_str());
            let args = match &call["args"] {
                // The arguments are an object, or a string that contains one.
                args @ (Value::Object(_) | Value::String(_)) => args.clone(),
                _ => json!({}),
            };
            let (id, name) = (id.unwrap_or_default(), name.unwrap_or_default());
            builder.add_complete_call(id, name, &args, part["thoughtSignature"].as_str());
        }
    }
    read_usage(builder, &frame["usageMetadata"]);
    if let Some(reason) = candidate["finishReason"].as_str() {
        read_finish_reason(builder, reason);
    }
}

/// Finish reasons that mean that the model's output is unusable.
const UNUSABLE_REASONS: &[&str] = &[
    "MALFORMED_FUNCTION_CALL",
    "MALFORMED_RESPONSE",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
];

fn read_finish_reason(builder: &mut AnswerBuilder, reason: &str) {
    if UNUSABLE_REASONS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(reason))
    {
        let why = reason.to_ascii_lowercase();
        return builder.fail(CallError::new(
            CallErrorKind::Malformed,
            format!("the model's answer was unusable ({why})"),
        ));
    }
    builder.set_finish_reason(reason);
}

fn read_usage(builder: &mut AnswerBuilder, usage: &Value) {
    if !usage.is_object() {
        return;
    }
    let count = |name: &str| usage_counts::parse_count(&usage[name]);
    let sum = |left: Option<u64>, right: Option<u64>| match (left, right) {
        (None, None) => None,
        (left, right) => Some(left.unwrap_or(0).saturating_add(right.unwrap_or(0))),
    };
    let reasoning = count("thoughtsTokenCount");
    let input = sum(count("promptTokenCount"), count("toolUsePromptTokenCount"));
    let output = sum(count("candidatesTokenCount"), reasoning);
    // Some servers report the total but not the output count, which is then the rest.
    let rest = || count("totalTokenCount")?.checked_sub(input?);
    builder.add_counts(UsageCounts {
        input,
        output: output.filter(|&output| output > 0).or_else(rest).or(output),
        cached: count("cachedContentTokenCount"),
        reasoning,
        ..UsageCounts::default()
    });
}
