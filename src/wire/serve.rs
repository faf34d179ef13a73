//! What the APIs for programs have in common: a parsed request, and what every chunk of an answer repeats.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::serve_error::{RequestError, fault};
use super::serve_tools::OfferedTools;
use crate::domain::chat::{Extras, Finish, Message, Passthrough, Usage};
use crate::domain::parameters::Parameters;
use crate::domain::tools::{ToolCall, Tools};

/// A parsed request of a client.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChatRequest {
    /// A model's id, or `quire/` and a pattern's or recipe's.
    pub model: String,
    /// The conversation; its last turn is the question.
    pub turns: Vec<Message>,
    /// As far as they were given.
    pub parameters: Parameters,
    /// The shape of the answer, as OpenAI writes it.
    pub format: Option<Value>,
    /// What the model may call.
    pub tools: Option<Arc<Tools>>,
    /// Piece by piece.
    pub stream: bool,
    /// Tokens are told at the end of a stream.
    pub usage: bool,
    /// The panel's progress is told as reasoning.
    pub progress: bool,
    /// Fields that were not understood.
    pub ignored: Vec<String>,
    /// Request settings that a Responses object repeats.
    pub settings: Map<String, Value>,
    /// How many answers are wanted; 0 and 1 are one.
    pub choices: u32,
    /// Which of several answers this is, from 0: each is a sample of its own.
    pub sample: u32,
    /// The prompt that a text completion repeats before its answer.
    pub echo: Option<String>,
    /// Tools came as legacy `functions`, and calls go back in that form.
    pub is_legacy: bool,
    /// `thinking` was asked for, as Anthropic's API has it.
    pub shows_thinking: bool,
    /// Fields that are passed on to a single model unread; a panel ignores them.
    pub passthrough: Passthrough,
}

impl ChatRequest {
    pub(super) fn offer(&mut self, offered: OfferedTools) {
        self.tools = offered.tools;
        self.ignored.extend(offered.left_out);
    }
}

/// Maximum length of a conversation in bytes.
pub const MOST_TEXT: usize = 2_000_000;

/// Maximum number of turns of a conversation.
const MOST_TURNS: usize = 2_000;

pub(super) fn model(fields: &Map<String, Value>) -> Result<String, RequestError> {
    match fields.get("model").and_then(Value::as_str).map(str::trim) {
        Some(model) if !model.is_empty() && model.len() <= 200 => Ok(model.to_owned()),
        _ => fault("model", "you must provide a model parameter"),
    }
}

pub(super) fn check_turns(turns: &[Message]) -> Result<(), RequestError> {
    let characters: usize = turns.iter().map(|turn| turn.text.len()).sum();
    if turns.len() > MOST_TURNS || characters > MOST_TEXT {
        return fault("messages", "the conversation is too long");
    }
    // Vendors take a conversation that ends with the model's own turn (a prefill), or with instructions alone.
    let says = |turn: &Message| {
        !turn.text.trim().is_empty() || !turn.images.is_empty() || turn.result_of.is_some()
    };
    match turns.is_empty() {
        true => fault("messages", "there is no message"),
        false if turns.iter().any(says) => Ok(()),
        false => fault("messages", "the messages hold neither text nor pictures"),
    }
}

/// What stays the same over all chunks of an answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChunkFrame {
    /// Of the answer.
    pub id: String,
    /// As it was asked for.
    pub model: String,
    /// Seconds since 1970.
    pub created: i64,
    /// When the answer was complete, in seconds since 1970.
    pub completed: Option<i64>,
    /// Request settings that a Responses object repeats.
    pub settings: Map<String, Value>,
    /// The prompt that a text completion repeats before its answer.
    pub echo: Option<String>,
    /// Calls are written as legacy `function_call`.
    pub is_legacy: bool,
    /// The client has asked Anthropic's API for `thinking`.
    pub shows_thinking: bool,
}

/// What an answer says, whichever API it is told in.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The answer.
    pub text: &'a str,
    /// Tools that the model wants called.
    pub calls: &'a [ToolCall],
    /// The reasoning before it.
    pub reasoning: &'a str,
    /// What else the vendor sent.
    pub extras: &'a Extras,
    /// Why it ended.
    pub finish: Finish,
    /// Its tokens.
    pub usage: &'a Usage,
}
