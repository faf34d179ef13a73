//! OpenAI's legacy `functions`: the form of tools before November 2023, which older clients still use. They are parsed
//! as tools, and the answer is encoded in the legacy form.

use serde_json::{Map, Value, json};

use super::serve_call;
use super::serve_error::{RequestError, invalid};
use crate::domain::chat::Message;
use crate::domain::tools::ToolCall;

/// Returns whether a body declares tools in the legacy form.
pub(super) fn is_legacy(fields: &Map<String, Value>) -> bool {
    let is_filled = |name: &str| {
        fields
            .get(name)
            .and_then(Value::as_array)
            .is_some_and(|list| !list.is_empty())
    };
    is_filled("functions") && !is_filled("tools")
}

/// Converts the legacy fields of a body to `tools` and `tool_choice`. Parallel calls are turned off, because the legacy
/// form cannot express them.
pub(super) fn to_tools(fields: &Map<String, Value>) -> Map<String, Value> {
    let functions = fields.get("functions").and_then(Value::as_array);
    let tools: Vec<Value> = functions
        .into_iter()
        .flatten()
        .map(|function| json!({ "type": "function", "function": function }))
        .collect();
    let mut fields = fields.clone();
    match fields.get("function_call").cloned() {
        Some(word @ Value::String(_)) => fields.insert("tool_choice".into(), word),
        Some(Value::Object(function)) => {
            let choice = json!({ "type": "function", "function": function });
            fields.insert("tool_choice".into(), choice)
        }
        _ => None,
    };
    fields.insert("tools".into(), Value::Array(tools));
    fields.insert("parallel_tool_calls".into(), json!(false));
    fields
}

/// Parses the call in a message that a client sends back, if there is one. The legacy form has no IDs, so the call's ID
/// is derived from the position of the message.
///
/// # Errors
///
/// Returns an error when the call has no name.
pub(super) fn parse_call(
    message: &Value,
    position: usize,
) -> Result<Option<ToolCall>, RequestError> {
    let function_call = &message["function_call"];
    if function_call.is_null() {
        return Ok(None);
    }
    let id = json!(format!("call_{position}"));
    serve_call::parse_call(&id, &function_call["name"], &function_call["arguments"]).map(Some)
}

/// Returns the ID of the call whose result a message with the role `function` contains: the last call of the function
/// with this name.
///
/// # Errors
///
/// Returns an error when no function with this name was called.
pub(super) fn result_call_id(message: &Value, turns: &[Message]) -> Result<String, RequestError> {
    let name = message["name"].as_str().unwrap_or_default();
    let calls = turns.iter().rev().flat_map(|turn| turn.calls.iter().rev());
    match calls.into_iter().find(|call| call.name == name) {
        Some(call) => Ok(call.id.clone()),
        None => invalid(
            "messages",
            "a function's result needs the name of a function that was called before it",
        ),
    }
}

/// Encodes a call in the legacy form.
pub(super) fn encode_call(call: &ToolCall) -> Value {
    json!({ "name": call.name, "arguments": call.arguments })
}
