//! Anthropic's Messages API: <https://docs.anthropic.com/en/api/messages>. `input_tokens` excludes the tokens of the
//! prompt cache, and the output count in each `message_delta` is cumulative.

use serde_json::{Map, Value, json};

use super::answer_builder::AnswerBuilder;
use super::prompt::{
    PromptTurn, accepted_effort, has_tool_results, is_signed_thought, split_instructions,
    thinking_budget,
};
use super::sse::SseFrame;
use super::tool_call_builder::ToolCallFragment;
use super::usage_counts::{self, UsageCounts};
use super::{ApiFormat, ModelCapabilities, cache_marks, refusal, schema_subset};
use crate::domain::chat::{ModelRequest, estimate_tokens};
use crate::domain::model::{Structured, Thinking};
use crate::domain::tools::{Tool, ToolChoice, Tools};

/// Default output limit, in tokens, if the request has no limit and the model's own limit is unknown. The API requires
/// a limit.
const DEFAULT_OUTPUT: u64 = 8_192;
/// Maximum default output limit, in tokens. A higher limit must be requested explicitly, because a runaway answer would
/// take very long.
const MAX_DEFAULT_OUTPUT: u64 = 32_000;
/// Minimum length of a prompt that Anthropic's models cache, in tokens.
const MIN_CACHED_PROMPT: u64 = 1_024;
/// Minimum thinking budget that the API accepts, in tokens.
const MIN_THINKING_BUDGET: u64 = 1_024;

pub(super) fn request_body(
    name: &str,
    request: &ModelRequest,
    capabilities: &ModelCapabilities,
) -> Value {
    let enforced_schema = (request.format.as_ref())
        .and_then(|format| schema_subset::anthropic_subset(&format.schema));
    let shape = match capabilities.schema_method("output_config", request) {
        Structured::Native if enforced_schema.is_none() => Structured::Prompt,
        shape => shape,
    };
    let (system, mut turns) = split_instructions(request, shape);
    let mut marks = cache_marks::instruction_marks(&request.messages);
    if capabilities.has_refused(cache_marks::CACHE_FIELD) {
        marks.clear();
        turns.iter_mut().for_each(|turn| turn.cache_marks.clear());
    }
    let mut body = Map::new();
    body.insert("model".into(), json!(name));
    body.insert("stream".into(), json!(true));
    body.insert("messages".into(), messages(&turns));
    if !system.is_empty() {
        // A marked prompt is cached for five minutes, and reading it again costs a tenth of the price. Without a mark,
        // a prompt is never cached.
        let is_kept = request.is_prefix_reused && estimate_tokens(&system) >= MIN_CACHED_PROMPT;
        let system = match is_kept {
            _ if !marks.is_empty() => json!(cache_marks::split_at_marks(&system, &marks)),
            true => {
                json!([{ "type": "text", "text": system, "cache_control": { "type": "ephemeral" } }])
            }
            false => json!(system),
        };
        body.insert("system".into(), system);
    }
    let mut output_limit = max_tokens(request, capabilities);
    let is_forced = request.format.is_some() && shape == Structured::Tool;
    // The API accepts either a forced tool call or thinking, but not both.
    let is_thinking =
        !is_forced && add_thinking(&mut body, request, capabilities, &mut output_limit);
    body.insert("max_tokens".into(), json!(output_limit));
    add_sampling(&mut body, request, capabilities, is_thinking);
    if let Some(format) = &request.format {
        match shape {
            Structured::Native => {
                let output_format = json!({ "type": "json_schema", "schema": enforced_schema });
                output_config(&mut body).insert("format".into(), output_format);
            }
            Structured::Tool => {
                body.insert("tools".into(), json!([{ "name": format.name, "description": "Gives the answer.", "input_schema": schema_subset::with_object_root(&format.schema) }]));
                body.insert(
                    "tool_choice".into(),
                    json!({ "type": "tool", "name": format.name }),
                );
            }
            Structured::Prompt => {}
        }
    }
    if let Some(tools) = &request.tools {
        let accepts_marks = !capabilities.has_refused(cache_marks::CACHE_FIELD);
        add_tools(&mut body, tools, is_thinking, accepts_marks);
    }
    Value::Object(body)
}

fn add_tools(body: &mut Map<String, Value>, tools: &Tools, is_thinking: bool, accepts_marks: bool) {
    let tool = |tool: &Tool| {
        let schema = match tool.parameters.is_null() {
            true => json!({ "type": "object", "properties": {} }),
            false => tool.parameters.clone(),
        };
        let mut encoded = json!({ "name": tool.name, "input_schema": schema });
        if !tool.description.is_empty() {
            encoded["description"] = json!(tool.description);
        }
        if let Some(mark) = tool.cache_control.as_ref().filter(|_| accepts_marks) {
            encoded[cache_marks::CACHE_FIELD] = mark.clone();
        }
        encoded
    };
    body.insert("tools".into(), tools.list.iter().map(tool).collect());
    let mut choice = match &tools.choice {
        ToolChoice::None => json!({ "type": "none" }),
        // A model cannot be forced to call a tool while it thinks.
        ToolChoice::Required if !is_thinking => json!({ "type": "any" }),
        ToolChoice::Named(name) if !is_thinking => json!({ "type": "tool", "name": name }),
        _ => json!({ "type": "auto" }),
    };
    if tools.parallel == Some(false) && tools.choice != ToolChoice::None {
        choice["disable_parallel_tool_use"] = json!(true);
    }
    body.insert("tool_choice".into(), choice);
}

// Converts turns to messages. The results of all calls in a turn must be in the next turn, before any text.
fn messages(turns: &[PromptTurn]) -> Value {
    let mut messages: Vec<Value> = Vec::new();
    let mut last_is_tool_results = false;
    for turn in turns {
        let joins_previous = last_is_tool_results && !turn.is_model;
        last_is_tool_results = turn.result_of.is_some();
        let last = messages.last_mut().filter(|_| joins_previous);
        match last.and_then(|last| last["content"].as_array_mut()) {
            Some(parts) => {
                parts.extend(content_blocks(turn));
                last_is_tool_results = true;
            }
            None => messages.push(encode_turn(turn)),
        }
    }
    Value::Array(messages)
}

fn encode_turn(turn: &PromptTurn) -> Value {
    let role = if turn.is_model { "assistant" } else { "user" };
    let is_plain = turn.images.is_empty()
        && turn.calls.is_empty()
        && turn.result_of.is_none()
        && turn.cache_marks.is_empty();
    if is_plain && !turn.reasoning_items.iter().any(is_signed_thought) {
        return json!({ "role": role, "content": turn.text });
    }
    json!({ "role": role, "content": content_blocks(turn) })
}

fn content_blocks(turn: &PromptTurn) -> Vec<Value> {
    let mut parts: Vec<Value> = turn
        .images
        .iter()
        .map(|image| {
            let source =
                json!({ "type": "base64", "media_type": image.media_type, "data": &*image.base64 });
            json!({ "type": "image", "source": source })
        })
        .collect();
    if let Some(id) = turn.result_of {
        parts.push(json!({ "type": "text", "text": turn.text }));
        let mut result = [json!({ "type": "tool_result", "tool_use_id": id, "content": parts })];
        cache_marks::mark_last(&mut result, &turn.cache_marks);
        return result.into();
    }
    let thoughts = turn.reasoning_items.iter();
    parts.extend(thoughts.filter(|item| is_signed_thought(item)).cloned());
    if turn.calls.is_empty() || !turn.text.is_empty() {
        parts.extend(cache_marks::split_at_marks(&turn.text, &turn.cache_marks));
    }
    parts.extend(turn.calls.iter().map(|call| {
        json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": call.input() })
    }));
    cache_marks::mark_last(&mut parts, &turn.cache_marks);
    parts
}

fn max_tokens(request: &ModelRequest, capabilities: &ModelCapabilities) -> u64 {
    let own = request.parameters.max_tokens.map(u64::from);
    let known_limit = Some(capabilities.max_output).filter(|model_limit| *model_limit > 0);
    let model_limit = own.unwrap_or_else(|| {
        known_limit.map_or(DEFAULT_OUTPUT, |model_limit| {
            model_limit.min(MAX_DEFAULT_OUTPUT)
        })
    });
    known_limit
        .map_or(model_limit, |limit| model_limit.min(limit))
        .max(1)
}

fn output_config(body: &mut Map<String, Value>) -> &mut Map<String, Value> {
    let config = body
        .entry("output_config")
        .or_insert_with(|| Value::Object(Map::new()));
    config.as_object_mut().expect("it was made an object above")
}

/// Returns whether a client of Anthropic's API has requested adaptive thinking, which means that the model decides how
/// much it thinks. Without an effort, this is about the same as high effort.
fn is_adaptive(request: &ModelRequest) -> bool {
    let passthrough = request.passthrough.as_deref();
    passthrough.is_some_and(|passthrough| {
        let thinking = passthrough.fields.get("thinking");
        passthrough.format == ApiFormat::Anthropic.as_str()
            && thinking.is_some_and(|thinking| thinking["type"] == "adaptive")
    })
}

/// Returns the thinking budget that a client of Anthropic's API has set, if any.
fn client_budget(request: &ModelRequest) -> Option<&Value> {
    let passthrough = request.passthrough.as_deref()?;
    let thinking = passthrough.fields.get("thinking")?;
    let is_budget =
        passthrough.format == ApiFormat::Anthropic.as_str() && thinking["type"] == "enabled";
    is_budget.then_some(thinking)
}

/// Returns whether the request contains tool results but lacks the thinking blocks before the calls, which the model
/// requires.
fn lacks_thinking_blocks(request: &ModelRequest) -> bool {
    let mut messages = request.messages.iter().rev();
    let last = messages.find(|message| !message.calls.is_empty());
    has_tool_results(request)
        && !last.is_some_and(|message| message.reasoning_items.iter().any(is_signed_thought))
}

/// Adds the thinking settings to the body, and raises the output limit by the thinking budget. Returns whether thinking
/// is on.
fn add_thinking(
    body: &mut Map<String, Value>,
    request: &ModelRequest,
    capabilities: &ModelCapabilities,
    output_limit: &mut u64,
) -> bool {
    let adaptive =
        || (is_adaptive(request) && !capabilities.has_refused("thinking")).then_some("high");
    let Some(effort) = accepted_effort(request, capabilities, "thinking").or_else(adaptive) else {
        return false;
    };
    if effort == "none"
        || capabilities.thinking == Thinking::Fixed
        || lacks_thinking_blocks(request)
    {
        return false;
    }
    // If the model's capabilities are unknown, the client's own setting is used.
    if capabilities.thinking == Thinking::Unknown
        && let Some(own) = client_budget(request)
    {
        body.insert("thinking".into(), own.clone());
        return true;
    }
    if capabilities.thinking != Thinking::Budget {
        body.insert("thinking".into(), json!({ "type": "adaptive" }));
        if !capabilities.has_refused("output_config") {
            let word = if effort == "minimal" { "low" } else { effort };
            output_config(body).insert("effort".into(), json!(word));
        }
        return true;
    }
    let budget = thinking_budget(effort).max(MIN_THINKING_BUDGET);
    if request.parameters.max_tokens.is_none() {
        // Thinking counts toward the output limit, so the limit is raised by the budget to leave room for the answer.
        let known_limit = Some(capabilities.max_output).filter(|output_limit| *output_limit > 0);
        *output_limit = (*output_limit + budget).min(known_limit.unwrap_or(u64::MAX));
    }
    let granted = budget.min(output_limit.saturating_sub(1));
    if granted < MIN_THINKING_BUDGET {
        return false;
    }
    body.insert(
        "thinking".into(),
        json!({ "type": "enabled", "budget_tokens": granted }),
    );
    true
}

fn add_sampling(
    body: &mut Map<String, Value>,
    request: &ModelRequest,
    capabilities: &ModelCapabilities,
    is_thinking: bool,
) {
    let own = &request.parameters;
    let mut set = |name: &str, spelled: &str, value: Option<Value>| {
        if let Some(value) = value.filter(|_| capabilities.accepts_parameter(name, spelled)) {
            body.insert(spelled.into(), value);
        }
    };
    let stop = (!own.stop.is_empty()).then(|| json!(own.stop));
    set("stop", "stop_sequences", stop);
    if is_thinking {
        return;
    }
    // The temperature must not exceed 1, and the API does not accept both `temperature` and `top_p`.
    let temperature = own.temperature.map(|value| json!(value.min(1.0)));
    let top_p = own.top_p.filter(|_| temperature.is_none());
    set("temperature", "temperature", temperature);
    set("top_p", "top_p", top_p.map(Value::from));
    set("top_k", "top_k", own.top_k.map(Value::from));
}

pub(super) fn read_event(builder: &mut AnswerBuilder, event: &SseFrame) {
    let Ok(data) = crate::domain::json::parse(&event.data) else {
        return builder.handle_unreadable(&event.data, "an Anthropic message");
    };
    let place = usage_counts::parse_count(&data["index"]).unwrap_or(0);
    match data["type"].as_str().unwrap_or(&event.event) {
        "message_start" => read_usage(builder, &data["message"]["usage"]),
        "content_block_start" => {
            let mut block = data["content_block"].clone();
            read_block(builder, place, &block, false);
            if is_thought(&block) {
                block["index"] = json!(place);
                builder.add_reasoning_items(&[block]);
            }
        }
        "content_block_stop" => builder.complete_reasoning(place),
        "content_block_delta" => {
            let delta = &data["delta"];
            builder.add_text(delta["text"].as_str().unwrap_or_default());
            builder.add_reasoning(delta["thinking"].as_str().unwrap_or_default());
            for name in ["thinking", "signature"] {
                if let Some(piece) = delta[name].as_str() {
                    let mut thinking_block = json!({ "type": "thinking", "index": place });
                    thinking_block[name] = json!(piece);
                    builder.add_reasoning_items(&[thinking_block]);
                }
            }
            if let Some(arguments) = delta["partial_json"].as_str() {
                builder.add_call_fragment(ToolCallFragment {
                    index: Some(place),
                    arguments,
                    ..ToolCallFragment::default()
                });
            }
        }
        "message_delta" => {
            read_usage(builder, &data["usage"]);
            read_stop_reason(builder, &data["delta"]);
        }
        "message_stop" => builder.end(),
        // These are `ping`, the ends of blocks, and events that the vendor may add later.
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
    let Some(blocks) = body["content"].as_array() else {
        return builder.fail_as_malformed("an Anthropic message");
    };
    for (place, part) in (0..).zip(blocks) {
        read_block(builder, place, part, true);
        if is_thought(part) {
            builder.add_reasoning_block(part);
        }
    }
    read_usage(builder, &body["usage"]);
    read_stop_reason(builder, body);
    builder.end();
}

fn is_thought(block: &Value) -> bool {
    block["type"] == "thinking" || block["type"] == "redacted_thinking"
}

fn read_block(builder: &mut AnswerBuilder, place: u64, block: &Value, is_whole: bool) {
    builder.add_text(block["text"].as_str().unwrap_or_default());
    builder.add_reasoning(block["thinking"].as_str().unwrap_or_default());
    if block["type"] == "tool_use" {
        let text = |name: &str| block[name].as_str().unwrap_or_default();
        // Some compatible servers send the complete input when the block starts.
        let input = &block["input"];
        let is_given = is_whole || input.as_object().is_some_and(|input| !input.is_empty());
        let input = match is_given {
            true => input.to_string(),
            false => String::new(),
        };
        builder.add_call_fragment(ToolCallFragment {
            index: Some(place),
            id: text("id"),
            name: text("name"),
            arguments: &input,
        });
    }
}

fn read_stop_reason(builder: &mut AnswerBuilder, stop: &Value) {
    let Some(reason) = stop["stop_reason"].as_str() else {
        return;
    };
    if reason.eq_ignore_ascii_case("refusal") {
        let why = stop["stop_details"]["explanation"].as_str();
        builder.add_refusal(why.unwrap_or("its vendor's rules do not allow an answer"));
    }
    builder.set_stop_sequence(&stop["stop_sequence"]);
    builder.set_finish_reason(reason);
}

/// Reads usage, whose counts are cumulative. If an answer was generated in several steps, each step is listed and
/// billed separately, so the counts of the steps are summed.
fn read_usage(builder: &mut AnswerBuilder, usage: &Value) {
    let steps = usage["iterations"]
        .as_array()
        .filter(|steps| !steps.is_empty());
    let parts = steps.map_or(std::slice::from_ref(usage), Vec::as_slice);
    let sum = |name: &str| {
        let counts = parts
            .iter()
            .filter_map(|part| usage_counts::parse_count(&part[name]));
        counts.reduce(u64::saturating_add)
    };
    let input = sum("input_tokens");
    if input.is_none() && sum("output_tokens").is_none() {
        // Some compatible servers report usage in the format of chat completions.
        return builder.add_counts(usage_counts::parse_usage(usage));
    }
    builder.add_counts(UsageCounts {
        input,
        output: sum("output_tokens"),
        cached: sum("cache_read_input_tokens"),
        stored: sum("cache_creation_input_tokens"),
        reasoning: usage_counts::parse_count(&usage["output_tokens_details"]["thinking_tokens"]),
        charged: None,
        excludes_cached: true,
    });
}
