//! OpenAI's Responses API: <https://platform.openai.com/docs/api-reference/responses>. Nothing is stored at the vendor
//! (`store` is false). Of the events, only those about text, reasoning, tool calls, and the end are read.

use serde_json::{Map, Value, json};

use super::answer_builder::AnswerBuilder;
use super::prompt::{PromptTurn, accepted_effort, is_encrypted_item, split_instructions};
use super::schema_subset::{is_strict, with_object_root};
use super::sse::SseFrame;
use super::tool_call_builder::ToolCallFragment;
use super::usage_counts;
use super::{ModelCapabilities, refusal};
use crate::domain::chat::ModelRequest;
use crate::domain::model::{Structured, Thinking};
use crate::domain::tools::{Tool, ToolChoice, Tools};

pub(super) fn request_body(
    name: &str,
    request: &ModelRequest,
    capabilities: &ModelCapabilities,
) -> Value {
    let shape = capabilities.schema_method("text.format", request);
    let (system, turns) = split_instructions(request, shape);
    let mut body = Map::new();
    body.insert("model".into(), json!(name));
    body.insert("stream".into(), json!(true));
    body.insert("store".into(), json!(false));
    body.insert("input".into(), turns.iter().flat_map(turn_items).collect());
    if !system.is_empty() {
        body.insert("instructions".into(), json!(system));
    }
    let own = &request.parameters;
    for (known, spelled, value) in [
        (
            "temperature",
            "temperature",
            own.temperature.map(Value::from),
        ),
        ("top_p", "top_p", own.top_p.map(Value::from)),
        (
            "max_tokens",
            "max_output_tokens",
            own.max_tokens.map(Value::from),
        ),
    ] {
        if let Some(value) = value.filter(|_| capabilities.accepts_parameter(known, spelled)) {
            body.insert(spelled.into(), value);
        }
    }
    let effort = accepted_effort(request, capabilities, "reasoning.effort");
    let mut reasoning = Map::new();
    if let Some(effort) = effort.filter(|_| capabilities.thinking != Thinking::Fixed) {
        reasoning.insert("effort".into(), json!(effort));
    }
    // Nothing is stored at the vendor, so the reasoning that preceded a tool call is lost unless it is sent back with
    // the result.
    if capabilities.thinking == Thinking::Effort
        && request.tools.is_some()
        && !capabilities.has_refused("include")
    {
        body.insert("include".into(), json!(["reasoning.encrypted_content"]));
    }
    if capabilities.thinking == Thinking::Effort && !capabilities.has_refused("reasoning.summary") {
        reasoning.insert("summary".into(), json!("auto"));
    }
    if !reasoning.is_empty() && !capabilities.has_refused("reasoning") {
        body.insert("reasoning".into(), Value::Object(reasoning));
    }
    match (&request.format, shape) {
        (Some(format), Structured::Native) if format.any => {
            body.insert(
                "text".into(),
                json!({ "format": { "type": "json_object" } }),
            );
        }
        (Some(format), Structured::Native) => {
            let schema_format = json!({ "type": "json_schema", "name": format.name, "schema": with_object_root(&format.schema), "strict": is_strict(format) });
            body.insert("text".into(), json!({ "format": schema_format }));
        }
        (Some(format), Structured::Tool) => {
            body.insert("tools".into(), json!([{ "type": "function", "name": format.name, "parameters": with_object_root(&format.schema), "strict": is_strict(format) }]));
            body.insert(
                "tool_choice".into(),
                json!({ "type": "function", "name": format.name }),
            );
        }
        _ => {}
    }
    if let Some(tools) = &request.tools {
        add_tools(&mut body, tools);
    }
    Value::Object(body)
}

fn add_tools(body: &mut Map<String, Value>, tools: &Tools) {
    let flat = |tool: &Tool| {
        let parameters = match tool.parameters.is_null() {
            true => json!({ "type": "object", "properties": {} }),
            false => tool.parameters.clone(),
        };
        let strict = tool.strict.unwrap_or(false);
        let mut flat = json!({ "type": "function", "name": tool.name, "parameters": parameters, "strict": strict });
        if !tool.description.is_empty() {
            flat["description"] = json!(tool.description);
        }
        flat
    };
    body.insert("tools".into(), tools.list.iter().map(flat).collect());
    let choice = match &tools.choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some(json!("none")),
        ToolChoice::Required => Some(json!("required")),
        ToolChoice::Named(name) => Some(json!({ "type": "function", "name": name })),
    };
    if let Some(choice) = choice {
        body.insert("tool_choice".into(), choice);
    }
    if let Some(parallel) = tools.parallel {
        body.insert("parallel_tool_calls".into(), json!(parallel));
    }
}

// Converts a turn to items. Tool calls and their results are separate items.
fn turn_items(turn: &PromptTurn) -> Vec<Value> {
    if let Some(id) = turn.result_of {
        return vec![json!({ "type": "function_call_output", "call_id": id, "output": turn.text })];
    }
    let thoughts = turn.reasoning_items.iter();
    let mut items: Vec<Value> = thoughts
        .filter(|item| is_encrypted_item(item))
        .cloned()
        .collect();
    if turn.calls.is_empty() || !turn.text.is_empty() {
        items.push(encode_turn(turn));
    }
    items.extend(turn.calls.iter().map(|call| {
        json!({ "type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments })
    }));
    items
}

fn encode_turn(turn: &PromptTurn) -> Value {
    let (role, kind) = if turn.is_model {
        ("assistant", "output_text")
    } else {
        ("user", "input_text")
    };
    let mut parts: Vec<Value> = turn
        .images
        .iter()
        .map(|image| {
            let url = format!("data:{};base64,{}", image.media_type, image.base64);
            json!({ "type": "input_image", "image_url": url })
        })
        .collect();
    parts.push(json!({ "type": kind, "text": turn.text }));
    json!({ "role": role, "content": parts })
}

pub(super) fn read_event(builder: &mut AnswerBuilder, event: &SseFrame) {
    // Some compatible servers end the stream like chat completions do.
    if super::is_done(&event.data) {
        return builder.end();
    }
    let Ok(data) = crate::domain::json::parse(&event.data) else {
        return builder.handle_unreadable(&event.data, "a response");
    };
    let piece = data["delta"].as_str().unwrap_or_default();
    let place = usage_counts::parse_count(&data["output_index"]).unwrap_or(0);
    let name = data["type"].as_str().unwrap_or(&event.event);
    match name {
        "response.output_text.delta" => builder.add_text(piece),
        "response.refusal.delta" => builder.add_refusal(piece),
        "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
            builder.add_reasoning(piece);
        }
        "response.function_call_arguments.delta" => builder.add_call_fragment(ToolCallFragment {
            index: Some(place),
            arguments: piece,
            ..ToolCallFragment::default()
        }),
        "response.output_item.added" | "response.output_item.done"
            if data["item"]["type"] == "function_call" =>
        {
            function_call(builder, place, &data["item"]);
        }
        "response.output_item.done" if data["item"]["type"] == "reasoning" => {
            builder.add_reasoning_block(&data["item"]);
        }
        "response.completed" | "response.incomplete" | "response.failed" => {
            read_end(builder, &data["response"], &name["response.".len()..]);
        }
        _ => {
            if let Some(error) = refusal::reported_error(&data) {
                builder.fail(refusal::parse_stream_error(error));
            }
        }
    }
}

pub(super) fn read_whole(builder: &mut AnswerBuilder, body: &Value) {
    if let Some(error) = refusal::reported_error(body) {
        return builder.fail(refusal::parse_stream_error(error));
    }
    let Some(items) = body["output"].as_array() else {
        return builder.fail_as_malformed("a response");
    };
    for (place, item) in (0..).zip(items) {
        let parts = |name: &str| item[name].as_array().into_iter().flatten();
        for part in parts("summary") {
            builder.add_reasoning(part["text"].as_str().unwrap_or_default());
        }
        for part in parts("content") {
            let text = part["text"].as_str().unwrap_or_default();
            if item["type"] == "reasoning" {
                builder.add_reasoning(text);
            } else {
                builder.add_text(text);
            }
            builder.add_refusal(part["refusal"].as_str().unwrap_or_default());
        }
        match item["type"].as_str() {
            Some("function_call") => function_call(builder, place, item),
            Some("reasoning") => builder.add_reasoning_block(item),
            _ => {}
        }
    }
    read_end(builder, body, "completed");
}

// Adds a tool call. Its item is sent both at its beginning and at its end, and repeated complete arguments count once.
fn function_call(builder: &mut AnswerBuilder, place: u64, item: &Value) {
    let text = |name: &str| item[name].as_str().unwrap_or_default();
    builder.add_call_fragment(ToolCallFragment {
        index: Some(place),
        id: text("call_id"),
        name: text("name"),
        arguments: text("arguments"),
    });
}

fn read_end(builder: &mut AnswerBuilder, response: &Value, status: &str) {
    builder.add_counts(usage_counts::parse_usage(&response["usage"]));
    let status = response["status"].as_str().unwrap_or(status);
    if !response["error"].is_null() || status == "failed" {
        return builder.fail(refusal::parse_stream_error(&response["error"]));
    }
    match response["incomplete_details"]["reason"].as_str() {
        Some(reason) => builder.set_finish_reason(reason),
        // The answer is incomplete, and no reason is given, so the status is used as the reason.
        None => builder.set_finish_reason(status),
    }
    builder.end();
}
