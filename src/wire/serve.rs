//! Types that Quire's own APIs share: a client's parsed request, and the fields that all chunks of an answer have in
//! common.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::serve_error::{RequestError, invalid};
use super::serve_tools::OfferedTools;
use crate::domain::chat::{Extras, Finish, Message, Passthrough, Usage};
use crate::domain::parameters::Parameters;
use crate::domain::tools::{ToolCall, Tools};

/// A client's parsed request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChatRequest {
    /// The requested model: a model ID, or `quire/` followed by the name of a pattern or recipe.
    pub model: String,
    /// The conversation; its last turn is the question.
    pub turns: Vec<Message>,
    /// Sampling parameters and limits; unset fields use the defaults.
    pub parameters: Parameters,
    /// The schema of the answer, in OpenAI's format.
    pub format: Option<Value>,
    /// The tools that the model may call.
    pub tools: Option<Arc<Tools>>,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether a stream ends with a chunk that contains its token usage.
    pub usage: bool,
    /// Whether a panel's progress is sent as reasoning.
    pub progress: bool,
    /// Names of the fields that were ignored.
    pub ignored_fields: Vec<String>,
    /// Request settings that Responses objects repeat.
    pub settings: Map<String, Value>,
    /// Number of answers requested; 0 means 1.
    pub choices: u32,
    /// Index of this answer among several, from 0. Each answer is an independent sample.
    pub sample: u32,
    /// The prompt that a text completion repeats before its answer.
    pub echo: Option<String>,
    /// Whether the tools were sent as legacy `functions`, so that calls are returned in the same form.
    pub is_legacy: bool,
    /// Whether the client requested `thinking`, a parameter of Anthropic's API.
    pub shows_thinking: bool,
    /// Fields that are passed on unread to a single model. A panel ignores them.
    pub passthrough: Passthrough,
}

impl ChatRequest {
    pub(super) fn add_tools(&mut self, offered: OfferedTools) {
        self.tools = offered.tools;
        self.ignored_fields.extend(offered.left_out);
    }
}

/// Maximum length of the text in a conversation, in bytes.
pub const MAX_TEXT: usize = 2_000_000;

/// Maximum number of turns in a conversation. The result of each tool call is a turn.
const MAX_TURNS: usize = 2_000;

/// Returns the model ID of a request body.
///
/// # Errors
///
/// Returns an error when `model` is missing, empty, not a string, or longer than 200 bytes.
pub(super) fn model_id(fields: &Map<String, Value>) -> Result<String, RequestError> {
    match fields.get("model").and_then(Value::as_str).map(str::trim) {
        Some(model) if !model.is_empty() && model.len() <= 200 => Ok(model.to_owned()),
        _ => invalid("model", "you must provide a model parameter"),
    }
}

/// Validates a conversation.
///
/// # Errors
///
/// Returns an error when the conversation has no turns, too many turns, or too much text, or when it contains neither
/// text nor images nor results of tools.
pub(super) fn check_turns(turns: &[Message]) -> Result<(), RequestError> {
    let characters: usize = turns.iter().map(|turn| turn.text.len()).sum();
    if turns.len() > MAX_TURNS || characters > MAX_TEXT {
        return invalid("messages", "the conversation is too long");
    }
    // Vendors accept a conversation that ends with the model's own turn (a prefill), or that consists only of
    // instructions.
    let has_content = |turn: &Message| {
        !turn.text.trim().is_empty() || !turn.images.is_empty() || turn.result_of.is_some()
    };
    match turns.is_empty() {
        true => invalid("messages", "there is no message"),
        false if turns.iter().any(has_content) => Ok(()),
        false => invalid("messages", "the messages contain neither text nor images"),
    }
}

/// The fields that all chunks of an answer have in common.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChunkFrame {
    /// ID of the answer, in the format of the client's API.
    pub id: String,
    /// Model ID, as the client requested it.
    pub model: String,
    /// Creation time of the answer, in seconds since 1970.
    pub created: i64,
    /// Completion time of the answer, in seconds since 1970.
    pub completed: Option<i64>,
    /// Request settings that Responses objects repeat.
    pub settings: Map<String, Value>,
    /// The prompt that a text completion repeats before its answer.
    pub echo: Option<String>,
    /// Whether calls are encoded as legacy `function_call`.
    pub is_legacy: bool,
    /// Whether the client of Anthropic's API requested `thinking`.
    pub shows_thinking: bool,
}

/// A complete answer, independent of the API in which it is encoded.
#[derive(Debug, Clone, Copy)]
pub struct CompleteAnswer<'a> {
    /// Text of the answer, without its reasoning.
    pub text: &'a str,
    /// Calls of the client's tools; empty if the answer has none.
    pub calls: &'a [ToolCall],
    /// Text of the reasoning before the answer.
    pub reasoning: &'a str,
    /// Further data from the vendor: reasoning items, log probabilities, and the stop sequence.
    pub extras: &'a Extras,
    /// Why the answer ended.
    pub finish_reason: Finish,
    /// Token usage.
    pub usage: &'a Usage,
}
