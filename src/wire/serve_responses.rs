//! Quire's Responses-compatible API: parses bodies, and encodes response objects and the events of their streams. The
//! API is stateless: a request cannot refer to an earlier one.

mod events;

use serde_json::{Map, Value, json};

use super::prompt::is_signed_thought;
use super::serve::{ChatRequest, ChunkFrame, CompleteAnswer, check_turns, model_id};
use super::serve_call;
use super::serve_content::parse_content;
use super::serve_error::{RequestError, invalid};
use super::serve_parameters::{parse_flag, parse_parameters};
use super::serve_settings::response_settings;
use super::serve_tools::{self, ToolShape};
use super::{ApiFormat, envelope, passthrough};
use crate::domain::chat::{Finish, Message, MessageRole};
use crate::domain::tools::ToolCall;
pub use events::ResponseEvents;

const KNOWN_FIELDS: &[&str] = &[
    "model",
    "input",
    "instructions",
    "stream",
    "temperature",
    "top_p",
    "max_output_tokens",
    "text",
    "reasoning",
    "store",
    "user",
    "metadata",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "include",
    "safety_identifier",
    "prompt_cache_key",
    "truncation",
    "service_tier",
    "previous_response_id",
    "stream_options",
    "max_tokens",
    "seed",
    "stop",
];

/// Known fields that only the provider uses. They are passed on unread.
const PROVIDER_FIELDS: &[&str] = &[
    "user",
    "metadata",
    "prompt_cache_key",
    "service_tier",
    "truncation",
];

/// Parses a body of `/v1/responses`.
///
/// # Errors
///
/// Returns an error that names the field when a field is missing, malformed, or not supported, or when it refers to
/// stored data.
pub fn parse_request(body: &Value) -> Result<ChatRequest, RequestError> {
    let Some(fields) = body.as_object() else {
        return invalid("body", "the body must be a JSON object");
    };
    reject_stored_references(fields)?;
    let mut request = ChatRequest {
        model: model_id(fields)?,
        stream: parse_flag(fields, "stream")?,
        usage: true,
        parameters: parse_parameters(fields)?,
        format: parse_format(&fields.get("text").cloned().unwrap_or_default()["format"]),
        ..ChatRequest::default()
    };
    let instructions = fields.get("instructions").and_then(Value::as_str);
    if let Some(text) = instructions.filter(|text| !text.is_empty()) {
        request.turns.push(Message::new(MessageRole::System, text));
    }
    match fields.get("input") {
        Some(Value::String(text)) => request
            .turns
            .push(Message::new(MessageRole::User, text.as_str())),
        Some(Value::Array(items)) => {
            for item in items {
                add_item(&mut request.turns, item).map_err(with_input_param)?;
            }
        }
        _ => return invalid("input", "input must be a string or a list of items"),
    }
    check_turns(&request.turns).map_err(with_input_param)?;
    let offered = serve_tools::parse_tools(fields, ToolShape::Flat)?;
    request.settings = response_settings(fields, &offered);
    request.add_tools(offered);
    request.passthrough =
        passthrough::read_fields(ApiFormat::Responses, fields, KNOWN_FIELDS, PROVIDER_FIELDS)?;
    Ok(request)
}

/// Refuses references to data stored at a vendor. Without that data, the answer would be different.
fn reject_stored_references(fields: &Map<String, Value>) -> Result<(), RequestError> {
    let is_given = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
    let advice = "responses are not stored: send the whole conversation as input";
    for (name, why) in [
        ("previous_response_id", advice),
        ("conversation", advice),
        (
            "prompt",
            "prompts are not stored: send it as instructions and input",
        ),
    ] {
        if is_given(name) {
            return invalid(name, why);
        }
    }
    match parse_flag(fields, "background")? {
        true => invalid(
            "background",
            "responses are not stored: leave out background",
        ),
        false => Ok(()),
    }
}

/// Replaces the name of the field at fault with its name in this API.
fn with_input_param(mut error: RequestError) -> RequestError {
    if error.param == "messages" {
        error.param = "input";
    }
    error
}

// Converts the requested format to the format of the chat API, which nests the schema one level deeper.
fn parse_format(format: &Value) -> Option<Value> {
    match format["type"].as_str()? {
        "json_schema" => Some(json!({
            "type": "json_schema", "json_schema": { "name": format["name"], "schema": format["schema"], "strict": format["strict"] },
        })),
        "json_object" => Some(json!({ "type": "json_object" })),
        _ => None,
    }
}

/// Item types of tools that a vendor has run. Only that vendor can read them.
const VENDOR_ITEM_TYPES: &[&str] = &[
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "image_generation_call",
    "mcp_call",
    "mcp_list_tools",
];

/// Parses a call that the client has run: a function call, or a call with its own item type, such as `custom_tool_call`
/// with a text or `local_shell_call` with an action. Calls of the latter kind become function calls with one argument.
fn parse_call(kind: &str, item: &Value) -> Result<ToolCall, RequestError> {
    if kind == "function_call" {
        return serve_call::parse_call(&item["call_id"], &item["name"], &item["arguments"]);
    }
    let own = json!(kind.trim_end_matches("_call"));
    let name = match item["name"].is_string() {
        true => &item["name"],
        false => &own,
    };
    let input_field = ["input", "action", "operation"].into_iter();
    let input_field = { input_field }.find(|name| !item[*name].is_null());
    let arguments = input_field.map_or(json!({}), |name| json!({ name: item[name] }));
    serve_call::parse_call(&item["call_id"], name, &arguments)
}

// Adds an item to the conversation. A tool call is added to the model's turn before it.
fn add_item(turns: &mut Vec<Message>, item: &Value) -> Result<(), RequestError> {
    let kind = item["type"].as_str().unwrap_or_default();
    match kind {
        "reasoning" => add_reasoning(turns, item),
        _ if VENDOR_ITEM_TYPES.contains(&kind) => {}
        _ if kind.ends_with("_call") => {
            let call = parse_call(kind, item)?;
            model_turn(turns).calls.push(call);
        }
        _ if kind.ends_with("_call_output") => {
            let Some(id) = item["call_id"].as_str() else {
                return invalid("input", "a tool's result needs its call_id");
            };
            let (text, images) = parse_content(&item["output"])?;
            turns.push(Message {
                images,
                result_of: Some(id.to_owned()),
                ..Message::new(MessageRole::User, text)
            });
        }
        _ => add_turn(turns, parse_turn(item)?),
    }
    Ok(())
}

// Returns the model's turn at the end of the conversation. Creates one if there is none.
fn model_turn(turns: &mut Vec<Message>) -> &mut Message {
    match turns.pop_if(|last| last.role == MessageRole::Assistant) {
        Some(last) => turns.push(last),
        None => turns.push(Message::new(MessageRole::Assistant, "")),
    }
    turns.last_mut().expect("it was pushed above")
}

// Adds reasoning to the model's turn. Because reasoning precedes text and calls, a new turn is begun if the last turn
// already contains text or calls.
fn add_reasoning(turns: &mut Vec<Message>, item: &Value) {
    let parts = |name: &str| item[name].as_array().into_iter().flatten();
    let texts = parts("summary").chain(parts("content"));
    let texts: Vec<&str> = texts.filter_map(|part| part["text"].as_str()).collect();
    let has_content = |last: &Message| !last.text.is_empty() || !last.calls.is_empty();
    if turns.last().is_some_and(has_content) {
        turns.push(Message::new(MessageRole::Assistant, ""));
    }
    let turn = model_turn(turns);
    turn.reasoning += &texts.join("\n\n");
    let block = envelope::unwrap_block(item);
    turn.reasoning_items
        .push(block.unwrap_or_else(|| item.clone()));
}

// Adds a turn. The model's text after its reasoning is joined to the same turn.
fn add_turn(turns: &mut Vec<Message>, message: Message) {
    let is_bare = |last: &mut Message| {
        last.role == MessageRole::Assistant && last.text.is_empty() && last.calls.is_empty()
    };
    let thought = match message.role {
        MessageRole::Assistant => turns.pop_if(is_bare),
        _ => None,
    };
    turns.push(match thought {
        Some(thought) => Message {
            reasoning: thought.reasoning,
            reasoning_items: thought.reasoning_items,
            ..message
        },
        None => message,
    });
}

fn parse_turn(item: &Value) -> Result<Message, RequestError> {
    match item["type"].as_str() {
        None | Some("message") => {}
        Some(other) => {
            return invalid("input", format!("{other} is not accepted: send messages"));
        }
    }
    let role = match item["role"].as_str() {
        Some("system" | "developer") => MessageRole::System,
        Some("user") => MessageRole::User,
        Some("assistant") => MessageRole::Assistant,
        _ => {
            return invalid(
                "input",
                "each message needs a role: system, developer, user or assistant",
            );
        }
    };
    let (text, images) = parse_content(&item["content"])?;
    Ok(Message {
        images,
        ..Message::new(role, text)
    })
}

/// Encodes a response object with the status `state`. `answer` is `None` until the answer is complete.
pub fn encode_response(frame: &ChunkFrame, state: &str, answer: Option<&CompleteAnswer>) -> Value {
    let is_truncated = answer.is_some_and(|answer| answer.finish_reason == Finish::Length);
    let usage = answer.map(|CompleteAnswer { usage, .. }| {
        json!({
            "input_tokens": usage.input, "input_tokens_details": { "cached_tokens": usage.cached },
            "output_tokens": usage.output,
            "output_tokens_details": { "reasoning_tokens": usage.reasoning },
            "total_tokens": usage.input.saturating_add(usage.output),
        })
    });
    let output = answer.map_or_else(Vec::new, |answer| output_items(frame, answer));
    let mut response = json!({
        "id": frame.id, "object": "response", "created_at": frame.created, "model": frame.model,
        "completed_at": frame.completed.filter(|_| state == "completed"),
        "status": if is_truncated { "incomplete" } else { state },
        "error": null, "incomplete_details": is_truncated.then(|| json!({ "reason": "max_output_tokens" })),
        "output": output, "usage": usage,
    });
    for (name, value) in &frame.settings {
        response[name] = value.clone();
    }
    response
}

fn output_items(frame: &ChunkFrame, answer: &CompleteAnswer) -> Vec<Value> {
    let mut output = reasoning_items(frame, answer);
    if answer.calls.is_empty() || !answer.text.is_empty() {
        output.push(message_item(frame, "completed", Some(answer.text)));
    }
    let calls = answer.calls.iter();
    output.extend(calls.map(|call| call_item(call, "completed")));
    output
}

/// Encodes the reasoning as items: the vendor's own items or blocks or, if there are none, a single item with the text
/// of the reasoning.
fn reasoning_items(frame: &ChunkFrame, answer: &CompleteAnswer) -> Vec<Value> {
    let mut items: Vec<Value> = Vec::new();
    let own = answer.extras.reasoning.iter();
    let has_readable_block = own
        .clone()
        .any(|item| is_responses_item(item) || is_signed_thought(item));
    if !has_readable_block && !answer.reasoning.is_empty() {
        items.push(reasoning_item(frame, 0, &[summary_part(answer.reasoning)]));
    }
    for block in own {
        items.extend(vendor_item(frame, items.len(), block));
    }
    items
}

/// Converts a vendor's reasoning block to an item. Returns `None` if the vendor does not accept the block back.
fn vendor_item(frame: &ChunkFrame, number: usize, block: &Value) -> Option<Value> {
    match is_responses_item(block) {
        true => Some(block.clone()),
        false => envelope::wrap_block(&reasoning_id(frame, number), block),
    }
}

fn is_responses_item(item: &Value) -> bool {
    item["type"] == "reasoning"
}

/// Returns the ID of the answer's reasoning item with this number, counted from 0.
fn reasoning_id(frame: &ChunkFrame, number: usize) -> String {
    match number {
        0 => format!("rs_{}", frame.id),
        number => format!("rs_{}_{number}", frame.id),
    }
}

fn reasoning_item(frame: &ChunkFrame, number: usize, summary: &[Value]) -> Value {
    json!({ "id": reasoning_id(frame, number), "type": "reasoning", "summary": summary })
}

fn summary_part(text: &str) -> Value {
    json!({ "type": "summary_text", "text": text })
}

fn message_item(frame: &ChunkFrame, state: &str, text: Option<&str>) -> Value {
    let content: Vec<Value> = text.map(text_part).into_iter().collect();
    json!({
        "id": format!("msg_{}", frame.id), "type": "message", "role": "assistant", "status": state,
        "content": content,
    })
}

fn call_item(call: &ToolCall, state: &str) -> Value {
    let arguments = match state {
        "completed" => call.arguments.as_str(),
        _ => "",
    };
    json!({
        "id": format!("fc_{}", call.id), "type": "function_call", "status": state, "call_id": call.id,
        "name": call.name, "arguments": arguments,
    })
}

fn text_part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_of_several_shapes_are_parsed() {
        for (input, turns) in [
            (json!("Why?"), 2),
            (json!([{ "role": "user", "content": "a" }]), 2),
            (
                json!([
                    { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "a" }] },
                    { "type": "reasoning", "summary": [] },
                    { "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "b" }] },
                    { "role": "user", "content": "c" },
                ]),
                4,
            ),
        ] {
            let body = json!({ "model": "m", "input": input, "instructions": "Be brief." });
            assert_eq!(
                parse_request(&body).expect("sound").turns.len(),
                turns,
                "{body}"
            );
        }
        let body = json!({ "model": "m", "input": "a", "text": { "format": { "type": "json_schema", "name": "n", "schema": {} } } });
        assert_eq!(
            parse_request(&body).expect("sound").format.expect("one")["json_schema"]["name"],
            "n"
        );
        for (body, param) in [
            (json!({ "model": "m" }), "input"),
            (
                json!({ "model": "m", "input": "a", "previous_response_id": "r" }),
                "previous_response_id",
            ),
            (
                json!({ "model": "m", "input": [{ "type": "function_call_output" }] }),
                "input",
            ),
        ] {
            assert_eq!(parse_request(&body).expect_err("refused").param, param);
        }
    }
}
