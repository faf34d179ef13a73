//! Tools of a program that asks: what a model may call, and what it has called. Quire passes them on and runs
//! none itself.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tokens::estimate_tokens;

/// Tools in one request, and calls in one answer.
pub const MOST: usize = 128;

/// A function that a model may call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// Letters, digits, `_` and `-`.
    pub name: String,
    /// What it is for, in the program's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// A JSON schema of its arguments; null where it takes none.
    #[serde(default)]
    pub parameters: Value,
    /// Whether the vendor shall hold the model to the schema, where somebody has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// Whether tools are called.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// As the model likes.
    #[default]
    Auto,
    /// None of them.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(String),
}

/// What a model is offered.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Tools {
    /// In the program's order.
    pub list: Vec<Tool>,
    /// Whether they are called.
    #[serde(default)]
    pub choice: Choice,
    /// Whether several may be called at once, where somebody has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<bool>,
}

impl Tools {
    /// About how many tokens their descriptions have.
    pub fn tokens(&self) -> u64 {
        let tools = self.list.iter();
        tools
            .map(|tool| {
                estimate_tokens(&tool.description) + estimate_tokens(&tool.parameters.to_string())
            })
            .sum()
    }
}

/// A call that a model wants.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ToolCall {
    /// By which its result is told apart from others'; unique within a conversation.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// A JSON object, as the model wrote it.
    pub arguments: String,
    /// What the vendor wants to see again beside the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// OpenRouter's `reasoning_details` of the turn, on its first call: opaque, and sent back unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_details: Option<Value>,
}

impl ToolCall {
    /// The arguments as a value; an empty object where they are none.
    pub fn input(&self) -> Value {
        let value: Value = super::json::parse(&self.arguments).unwrap_or_default();
        match value.is_object() {
            true => value,
            false => Value::Object(serde_json::Map::new()),
        }
    }

    /// The call in words, for models that are not offered tools.
    pub fn in_words(&self) -> String {
        format!("(called {} with {})", self.name, self.arguments)
    }
}
