//! Tools of a client program: the functions that a model may call, and its calls. Quire passes them through
//! and executes none.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tokens::{estimate_json_tokens, estimate_tokens};

/// Maximum number of tools per request, and of calls per answer.
pub const MAX_TOOLS: usize = 128;

/// A function that a model may call.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Tool {
    /// Name of the tool: letters, digits, `_`, and `-`.
    pub name: String,
    /// Description, from the client.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// JSON schema of the arguments; null if there are none.
    #[serde(default)]
    pub parameters: Value,
    /// Whether the provider enforces the schema strictly; `None` if the client did not specify it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// Mark for the vendor's prompt cache; `None` if the client did not set one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<Value>,
}

/// Which tools the model may or must call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// No tool may be called.
    None,
    /// At least one tool must be called.
    Required,
    /// This tool must be called.
    Named(String),
}

/// Tools offered to a model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Tools {
    /// Tools in the client's order.
    pub list: Vec<Tool>,
    /// Which tools the model may or must call.
    #[serde(default)]
    pub choice: ToolChoice,
    /// Whether several tools may be called at once; `None` if the client did not specify it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<bool>,
}

impl Tools {
    /// Returns the estimated token count of the tool descriptions and schemas.
    pub fn tokens(&self) -> u64 {
        let tools = self.list.iter();
        tools
            .map(|tool| estimate_tokens(&tool.description) + estimate_json_tokens(&tool.parameters))
            .sum()
    }
}

/// A tool call requested by a model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ToolCall {
    /// ID that links the call to its result; unique within a conversation.
    pub id: String,
    /// Name of the tool to call.
    pub name: String,
    /// Arguments: a JSON object as text, as the model wrote it.
    pub arguments: String,
    /// Opaque provider data that must be sent back with the call; `None` if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

impl ToolCall {
    /// Returns the parsed arguments; an empty object if they are not a JSON object.
    pub fn input(&self) -> Value {
        let value: Value = super::json::parse(&self.arguments).unwrap_or_default();
        match value.is_object() {
            true => value,
            false => Value::Object(serde_json::Map::new()),
        }
    }

    /// Formats the call as text, for models without tools.
    pub fn as_text(&self) -> String {
        format!("(called {} with {})", self.name, self.arguments)
    }
}
