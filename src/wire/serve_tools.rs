//! Parses the tools that clients of Quire's own APIs declare, and encodes tool calls. Tools that the client runs are
//! passed on. Tools that a vendor would run are omitted, and their names are reported.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::cache_marks;
use super::serve_call;
use super::serve_error::{RequestError, invalid};
use super::serve_functions;
use crate::domain::tools::{MAX_TOOLS, Tool, ToolCall, ToolChoice, Tools};

/// Maximum size of the description and schema of one tool, in bytes.
const MAX_TOOL_BYTES: usize = 200_000;

/// The tools of a request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OfferedTools {
    /// The tools that are passed on, if there are any.
    pub tools: Option<Arc<Tools>>,
    /// Types of the tools that were omitted, which are reported to the client.
    pub left_out: Vec<String>,
}

/// The form of tools in an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolShape {
    /// Chat completions: the function is nested one level deeper than in the other forms.
    Nested,
    /// Responses: the function's fields are at the top level.
    Flat,
    /// Anthropic's messages: the fields are at the top level, and the schema is in `input_schema`.
    Anthropic,
}

/// Parses the tools in a body.
///
/// # Errors
///
/// Returns an error when a tool or the tool choice is malformed, or a tool is too large.
pub fn parse_tools(
    fields: &Map<String, Value>,
    shape: ToolShape,
) -> Result<OfferedTools, RequestError> {
    if shape == ToolShape::Nested && serve_functions::is_legacy(fields) {
        return parse_tools(&serve_functions::to_tools(fields), shape);
    }
    let list = match fields.get("tools") {
        None | Some(Value::Null) => return Ok(OfferedTools::default()),
        Some(Value::Array(list)) => list,
        Some(_) => return invalid("tools", "tools must be a list"),
    };
    if list.len() > MAX_TOOLS {
        return invalid("tools", format!("at most {MAX_TOOLS} tools are passed on"));
    }
    let (mut kept_tools, mut left_out) = (Vec::new(), Vec::new());
    for declaration in list {
        match (declaration["type"].as_str(), shape) {
            (None, ToolShape::Nested) if declaration["function"].is_object() => {
                kept_tools.push(parse_tool(declaration, shape)?)
            }
            (Some("function"), ToolShape::Nested | ToolShape::Flat)
            | (None | Some("custom"), ToolShape::Anthropic) => {
                kept_tools.push(parse_tool(declaration, shape)?)
            }
            (kind, _) => {
                let kind = kind.unwrap_or("a tool without a type");
                left_out.push(format!("tools: {}", truncate_name(kind)));
            }
        }
    }
    let mut declaration = fields.get("tool_choice").unwrap_or(&Value::Null);
    if declaration["type"] == "allowed_tools" {
        // The chat API nests the list of allowed tools one level deeper.
        let allowed = declaration.get("allowed_tools").unwrap_or(declaration);
        kept_tools.retain(|tool| is_allowed(allowed, &tool.name));
        declaration = &allowed["mode"];
    }
    let choice = parse_choice(declaration, shape)?;
    if let ToolChoice::Named(name) = &choice
        && !kept_tools.iter().any(|tool| tool.name == *name)
    {
        return invalid(
            "tool_choice",
            "tool_choice names a tool that is not in tools",
        );
    }
    let parallel = match shape {
        ToolShape::Anthropic => {
            let disables_parallel_use =
                &fields.get("tool_choice").unwrap_or(&Value::Null)["disable_parallel_tool_use"];
            disables_parallel_use
                .as_bool()
                .filter(|disables_parallel_use| *disables_parallel_use)
                .map(|_| false)
        }
        _ => fields.get("parallel_tool_calls").and_then(Value::as_bool),
    };
    let tools = (!kept_tools.is_empty()).then(|| {
        Arc::new(Tools {
            list: kept_tools,
            choice,
            parallel,
        })
    });
    Ok(OfferedTools { tools, left_out })
}

/// Returns whether a list of allowed tools contains the tool with this name.
fn is_allowed(allowed: &Value, name: &str) -> bool {
    let names = { allowed["tools"].as_array().into_iter().flatten() }
        .filter_map(|tool| tool["name"].as_str().or(tool["function"]["name"].as_str()));
    { names }.any(|allowed| allowed == name)
}

fn truncate_name(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_graphic)
        .take(40)
        .collect()
}

fn parse_tool(declaration: &Value, shape: ToolShape) -> Result<Tool, RequestError> {
    // Clients that use both of OpenAI's APIs confuse the two forms.
    let inner = match &declaration["function"] {
        inner @ Value::Object(_) if shape != ToolShape::Anthropic => inner,
        _ => declaration,
    };
    let schema = match shape {
        ToolShape::Nested | ToolShape::Flat => "parameters",
        ToolShape::Anthropic => "input_schema",
    };
    let name = inner["name"].as_str().unwrap_or_default();
    let is_name_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    if name.is_empty() || name.len() > 128 || !name.chars().all(is_name_char) {
        return invalid(
            "tools",
            "a tool's name must be letters, digits, _ and -, 128 at most",
        );
    }
    let description = inner["description"].as_str().unwrap_or_default();
    let parameters = inner[schema].clone();
    if !parameters.is_null() && !parameters.is_object() {
        return invalid(
            "tools",
            format!("the {schema} of {name} must be a JSON schema"),
        );
    }
    if description.len() + parameters.to_string().len() > MAX_TOOL_BYTES {
        return invalid("tools", format!("the description of {name} is too long"));
    }
    Ok(Tool {
        name: name.to_owned(),
        description: description.to_owned(),
        parameters,
        strict: inner["strict"].as_bool(),
        cache_control: cache_marks::block_mark(declaration)?,
    })
}

fn parse_choice(choice: &Value, shape: ToolShape) -> Result<ToolChoice, RequestError> {
    let word = match (choice, shape) {
        (Value::Null, _) => return Ok(ToolChoice::Auto),
        (Value::String(word), ToolShape::Nested | ToolShape::Flat) => word.as_str(),
        (Value::Object(_), _) => choice["type"].as_str().unwrap_or_default(),
        _ => "",
    };
    let name = match shape {
        ToolShape::Nested => &choice["function"]["name"],
        _ => &choice["name"],
    };
    match (word, name.as_str()) {
        ("auto", _) => Ok(ToolChoice::Auto),
        ("none", _) => Ok(ToolChoice::None),
        ("required", _) | ("any", _) => Ok(ToolChoice::Required),
        ("function" | "tool", Some(name)) => Ok(ToolChoice::Named(name.to_owned())),
        _ => invalid(
            "tool_choice",
            "tool_choice must be auto, none, required, or the name of one tool",
        ),
    }
}

/// Parses the calls in a chat message that a client sends back.
///
/// # Errors
///
/// Returns an error when the calls are malformed.
pub fn parse_calls(message: &Value) -> Result<Vec<ToolCall>, RequestError> {
    let calls = message["tool_calls"].as_array();
    let to_call = |tool_call: &Value| {
        let function = &tool_call["function"];
        let mut parsed =
            serve_call::parse_call(&tool_call["id"], &function["name"], &function["arguments"])?;
        let signature = &tool_call["extra_content"]["google"]["thought_signature"];
        parsed.signature = signature.as_str().map(str::to_owned);
        Ok(parsed)
    };
    calls.into_iter().flatten().map(to_call).collect()
}

/// Encodes calls in the chat API's format. In a stream, each call has an index.
pub fn encode_calls(calls: &[ToolCall], is_streamed: bool) -> Value {
    let encode_call = |(index, call): (usize, &ToolCall)| {
        let function = json!({ "name": call.name, "arguments": call.arguments });
        let mut encoded = json!({ "id": call.id, "type": "function", "function": function });
        if is_streamed {
            encoded["index"] = json!(index);
        }
        // Gemini's own OpenAI-compatible API puts the signature in this field too.
        if let Some(signature) = &call.signature {
            encoded["extra_content"] = json!({ "google": { "thought_signature": signature } });
        }
        encoded
    };
    calls.iter().enumerate().map(encode_call).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_offered(body: Value, shape: ToolShape) -> Result<OfferedTools, RequestError> {
        parse_tools(body.as_object().expect("an object"), shape)
    }

    #[test]
    fn all_three_tool_forms_are_equivalent() {
        let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
        let nested = json!({ "tools": [{ "type": "function", "function": { "name": "weather", "description": "d", "parameters": schema } }], "tool_choice": { "type": "function", "function": { "name": "weather" } }, "parallel_tool_calls": false });
        let flat = json!({ "tools": [{ "type": "function", "name": "weather", "description": "d", "parameters": schema }], "tool_choice": { "type": "function", "name": "weather" }, "parallel_tool_calls": false });
        let own = json!({ "tools": [{ "name": "weather", "description": "d", "input_schema": schema }], "tool_choice": { "type": "tool", "name": "weather", "disable_parallel_tool_use": true } });
        let nested_tools = parse_offered(nested, ToolShape::Nested).expect("sound");
        let tools = nested_tools.tools.clone().expect("some");
        assert_eq!(tools.choice, ToolChoice::Named("weather".into()));
        assert_eq!((tools.list.len(), tools.parallel), (1, Some(false)));
        assert_eq!(
            parse_offered(flat, ToolShape::Flat),
            Ok(nested_tools.clone())
        );
        assert_eq!(parse_offered(own, ToolShape::Anthropic), Ok(nested_tools));
    }

    #[test]
    fn vendor_run_tools_are_reported() {
        let body = json!({ "tools": [{ "type": "web_search" }] });
        let offered = parse_offered(body, ToolShape::Flat).expect("sound");
        assert_eq!(offered.tools, None);
        assert_eq!(offered.left_out, ["tools: web_search"]);
    }

    #[test]
    fn malformed_tools_are_rejected() {
        let tools_named =
            |name: &str| json!([{ "type": "function", "function": { "name": name } }]);
        for (body, param) in [
            (json!({ "tools": {} }), "tools"),
            (json!({ "tools": tools_named("") }), "tools"),
            (json!({ "tools": tools_named("a b") }), "tools"),
            (json!({ "functions": [{ "name": "" }] }), "tools"),
            (
                json!({ "tools": [{ "type": "function", "function": { "name": "a", "parameters": 7 } }] }),
                "tools",
            ),
            (
                json!({ "tools": tools_named("a"), "tool_choice": "perhaps" }),
                "tool_choice",
            ),
            (
                json!({ "tools": tools_named("a"), "tool_choice": { "type": "function", "function": { "name": "b" } } }),
                "tool_choice",
            ),
            (
                json!({ "tools": vec![tools_named("a")[0].clone(); MAX_TOOLS + 1] }),
                "tools",
            ),
        ] {
            let refusal = parse_offered(body.clone(), ToolShape::Nested).expect_err("refused");
            assert_eq!(refusal.param, param, "{body}");
        }
        for none in [
            json!({ "tools": [] }),
            json!({ "functions": [], "function_call": "none" }),
        ] {
            assert_eq!(
                parse_offered(none, ToolShape::Nested),
                Ok(OfferedTools::default())
            );
        }
    }

    #[test]
    fn legacy_functions_are_parsed_as_tools() {
        let schema = json!({ "type": "object" });
        let legacy = json!({ "functions": [{ "name": "weather", "parameters": schema }], "function_call": { "name": "weather" } });
        let tools = parse_offered(legacy, ToolShape::Nested)
            .unwrap()
            .tools
            .unwrap();
        assert_eq!(tools.choice, ToolChoice::Named("weather".into()));
        assert_eq!((tools.list.len(), tools.parallel), (1, Some(false)));
    }

    #[test]
    fn calls_round_trip() {
        let call = ToolCall {
            id: "c1".into(),
            name: "weather".into(),
            arguments: "{\"city\":\"Rome\"}".into(),
            signature: Some("s".into()),
        };
        let message = json!({ "tool_calls": encode_calls(std::slice::from_ref(&call), true) });
        assert_eq!(message["tool_calls"][0]["index"], 0);
        assert_eq!(parse_calls(&message), Ok(vec![call]));
        assert!(parse_calls(&json!({ "tool_calls": [{ "id": 7 }] })).is_err());
    }
}
