//! Parses a tool call that a client sends back.

use serde_json::Value;

use super::serve_error::{RequestError, invalid};
use crate::domain::tools::ToolCall;

/// Parses a tool call. The arguments are an object or JSON text. Anything else counts as an empty object.
///
/// # Errors
///
/// Returns an error when the call has no ID or name.
pub fn parse_call(id: &Value, name: &Value, arguments: &Value) -> Result<ToolCall, RequestError> {
    let (Some(id), Some(name)) = (id.as_str(), name.as_str()) else {
        return invalid("messages", "a call of a tool needs an id and a name");
    };
    let arguments = match arguments {
        Value::String(text) => text.clone(),
        Value::Object(_) => arguments.to_string(),
        _ => "{}".to_owned(),
    };
    Ok(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments,
        ..ToolCall::default()
    })
}
