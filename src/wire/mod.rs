//! Formats of the outside world: bytes in, facts out. Pure. Providers speak one of five dialects; this is
//! their common front, each family's own rules are in its file.

mod anthropic;
pub mod cache_marks;
mod calling;
mod counts;
pub mod embed;
mod endings;
mod envelope;
mod gemini;
mod growing;
mod joined;
pub mod lines;
mod listed;
pub mod mcp;
mod ollama;
pub mod openai;
pub mod passthrough;
pub mod places;
mod prompt;
mod reasons;
mod refusal;
mod responses;
pub mod serve;
pub mod serve_anthropic;
mod serve_call;
pub mod serve_completions;
mod serve_content;
pub mod serve_error;
pub mod serve_files;
mod serve_functions;
pub mod serve_gemini;
pub mod serve_models;
pub mod serve_openai;
pub mod serve_parameters;
pub mod serve_responses;
mod serve_settings;
pub mod serve_several;
pub mod serve_tools;
pub mod sse;
mod subset;
mod surrogates;
mod think;
pub mod toml_text;

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::domain::chat::{Answer, CallError, Delta, Finish, ModelRequest};
use crate::domain::model::{Structured, Thinking};
use growing::AnswerBuilder;
pub use listed::{ListedModel, models};
pub use openai::ProviderQuirks;
pub use refusal::{clean, error, shows_no_pictures, unwelcome, unwelcome_among};
use surrogates::PendingSurrogates;

/// A dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ApiFormat {
    /// OpenAI's chat completions, which most others speak too.
    #[default]
    OpenAi,
    /// OpenAI's Responses.
    Responses,
    /// Anthropic's messages.
    Anthropic,
    /// Gemini's generateContent.
    Gemini,
    /// Ollama's own.
    Ollama,
}

impl ApiFormat {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::OpenAi,
        Self::Responses,
        Self::Anthropic,
        Self::Gemini,
        Self::Ollama,
    ];

    /// The name in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Responses => "responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
        }
    }

    /// The inverse of `as_str`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Headers that every request carries.
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Anthropic => &[("anthropic-version", "2023-06-01")],
            _ => &[],
        }
    }

    /// Where a provider lists its models, behind its base URL.
    pub fn models_path(self) -> &'static str {
        match self {
            Self::Ollama => "api/tags",
            Self::Anthropic => "models?limit=1000",
            Self::Gemini => "models?pageSize=1000",
            Self::OpenAi | Self::Responses => "models",
        }
    }

    /// Answers come as lines of JSON instead of events.
    pub fn sends_lines(self) -> bool {
        self == Self::Ollama
    }
}

/// What is known of how a model wants to be asked.
#[derive(Debug, Clone, Default)]
pub struct ModelCapabilities {
    /// Parameters that it takes, by their names in the glossary; empty where it is not known.
    pub accepted: Vec<String>,
    /// Fields by their names on the wire that it has refused before.
    pub refused: Vec<String>,
    /// How it is held to a schema.
    pub structured: Structured,
    /// How it is told how much to think.
    pub thinking: Thinking,
    /// Words for that which it takes, from the least on; empty where that is not known.
    pub efforts: Vec<String>,
    /// Tokens it reads and writes together; 0 where not known.
    pub context_window: u64,
    /// Tokens it writes at most; 0 where not known.
    pub max_output: u64,
    /// Fields that settings add to every request for it.
    pub body: Map<String, Value>,
}

impl ModelCapabilities {
    /// Whether a parameter may be sent: `known` in the glossary, `spelled` on the wire.
    fn takes(&self, known: &str, spelled: &str) -> bool {
        let accepted = &self.accepted;
        (accepted.is_empty() || accepted.iter().any(|name| name == known)) && !self.refuses(spelled)
    }

    fn refuses(&self, spelled: &str) -> bool {
        self.refused.iter().any(|name| name == spelled)
    }

    /// How the answer's shape is asked for; what was refused is not asked for again.
    fn shape(&self, native: &str, request: &ModelRequest) -> Structured {
        match self.structured {
            // A forced tool would stand among the program's own.
            Structured::Tool if request.tools.is_some() => Structured::Prompt,
            Structured::Native if self.refuses(native) => Structured::Prompt,
            Structured::Tool if self.refuses("tools") || self.refuses("tool_choice") => {
                Structured::Prompt
            }
            other => other,
        }
    }
}

/// A request as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingRequest {
    /// Behind the base URL, without a slash in front.
    pub path: String,
    /// JSON.
    pub body: Vec<u8>,
}

/// A call in a dialect. `name` is the model's name at its provider.
pub fn request(
    kind: ApiFormat,
    name: &str,
    request: &ModelRequest,
    taste: &ModelCapabilities,
    quirks: ProviderQuirks,
) -> OutgoingRequest {
    let (path, mut body) = match kind {
        ApiFormat::OpenAi => (
            "chat/completions".to_owned(),
            openai::body(name, request, taste, quirks),
        ),
        ApiFormat::Responses => (
            "responses".to_owned(),
            responses::body(name, request, taste),
        ),
        ApiFormat::Anthropic => ("messages".to_owned(), anthropic::body(name, request, taste)),
        ApiFormat::Gemini => (gemini::path(name), gemini::body(request, taste)),
        ApiFormat::Ollama => ("api/chat".to_owned(), ollama::body(name, request, taste)),
    };
    passthrough::add(kind, &mut body, request, taste);
    OutgoingRequest {
        path,
        body: body.to_string().into_bytes(),
    }
}

/// An answer on its way. Every event goes in; `finish` says what the whole came to.
#[derive(Debug)]
pub struct AnswerDecoder {
    kind: ApiFormat,
    growing: AnswerBuilder,
    halves: PendingSurrogates,
    /// Pieces of an answer have come, readable or not.
    is_streamed: bool,
}

/// What is known before a stream begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamSettings<'a> {
    /// The model's name at its provider.
    pub model: &'a str,
    /// The model opens its reasoning in the prompt and only closes it in its answer.
    pub expects_close: bool,
    /// What has been given out cannot be taken back: no `Delta::Restart`.
    pub keeps_shown: bool,
}

impl AnswerDecoder {
    /// Nothing yet.
    pub fn new(kind: ApiFormat) -> Self {
        Self::reading(kind, StreamSettings::default())
    }

    /// Nothing yet, of a stream of which something is known.
    pub fn reading(kind: ApiFormat, reading: StreamSettings<'_>) -> Self {
        let mut growing = AnswerBuilder::default();
        if reading.expects_close {
            growing.expect_close();
        }
        growing.expect_bare(reading.model);
        if reading.keeps_shown {
            growing.keep_shown();
        }
        Self {
            kind,
            growing,
            halves: PendingSurrogates::default(),
            is_streamed: false,
        }
    }

    /// Its API format.
    pub fn kind(&self) -> ApiFormat {
        self.kind
    }

    /// Takes an event, gives the pieces of text in it.
    pub fn push(&mut self, event: &sse::SseFrame) -> Vec<Delta> {
        if self.is_over() || is_keep_alive(event) {
            return Vec::new();
        }
        self.is_streamed = true;
        let growing = &mut self.growing;
        let mended;
        let event = match self.halves.mend(&event.data) {
            Cow::Borrowed(_) => event,
            Cow::Owned(data) => {
                mended = sse::SseFrame {
                    data,
                    ..event.clone()
                };
                &mended
            }
        };
        match joined::divide(&event.data) {
            None => read(self.kind, growing, event),
            Some(parts) => {
                for data in parts {
                    let event = event.event.clone();
                    let part = sse::SseFrame {
                        event,
                        data,
                        id: None,
                    };
                    read(self.kind, growing, &part);
                }
            }
        }
        growing.take()
    }

    /// A server that does not stream answers with one JSON object.
    pub fn push_whole(&mut self, body: &str) -> Vec<Delta> {
        // Or with its stream's pieces, one behind the other, without the frame of events.
        if let Some(parts) = joined::divide(body.trim()) {
            let events = parts.into_iter().map(|data| sse::SseFrame {
                data,
                ..sse::SseFrame::default()
            });
            return events.flat_map(|event| self.push(&event)).collect();
        }
        let growing = &mut self.growing;
        let body = self.halves.mend(body);
        let value = crate::domain::json::parse(&body).unwrap_or_default();
        match self.kind {
            ApiFormat::OpenAi => openai::whole(growing, &value),
            ApiFormat::Responses => responses::whole(growing, &value),
            ApiFormat::Anthropic => anthropic::whole(growing, &value),
            ApiFormat::Gemini => gemini::whole(growing, &value),
            ApiFormat::Ollama => ollama::whole(growing, &value),
        }
        growing.take()
    }

    /// Nothing more will change the answer.
    pub fn is_over(&self) -> bool {
        self.growing.is_over()
    }

    /// The model has said why it stopped: what may still come is the count of tokens.
    pub fn is_complete(&self) -> bool {
        self.growing.is_complete()
    }

    /// Why the model stopped, where it stopped properly.
    pub fn ended(&self) -> Option<Finish> {
        self.growing.ended()
    }

    /// Something of an answer has come: text, reasoning, or a tool call.
    pub fn has_begun(&self) -> bool {
        self.growing.has_begun()
    }

    /// Pieces of a stream have come, whether or not they could be read.
    pub fn is_streamed(&self) -> bool {
        self.is_streamed
    }

    /// A closing mark that no mark had opened has ended the model's reasoning.
    pub fn was_closed(&self) -> bool {
        self.growing.was_closed()
    }

    /// The stream has ended: what had been held back of the answer, and the answer. A stream that ended
    /// without a documented reason broke off, whatever it looks like.
    ///
    /// # Errors
    /// What the provider reported, or how the answer was less than a whole one.
    pub fn finish(self, request: &ModelRequest) -> (Vec<Delta>, Result<Answer, CallError>) {
        self.growing.finish(request)
    }

    /// The same for an answer that we end here: it ends as by a token limit, and its tokens are estimated.
    pub fn cut_off(mut self, request: &ModelRequest) -> (Vec<Delta>, Result<Answer, CallError>) {
        self.growing.cut_off();
        self.growing.finish(request)
    }

    /// Bytes of the arguments of tool calls so far.
    pub fn argument_bytes(&self) -> usize {
        self.growing.argument_bytes()
    }
}

/// Takes an event of an API format.
fn read(kind: ApiFormat, growing: &mut AnswerBuilder, event: &sse::SseFrame) {
    match kind {
        ApiFormat::OpenAi => openai::read(growing, event),
        ApiFormat::Responses => responses::read(growing, event),
        ApiFormat::Anthropic => anthropic::read(growing, event),
        ApiFormat::Gemini => gemini::read(growing, event),
        ApiFormat::Ollama => ollama::read(growing, event),
    }
}

/// The mark at the end of a stream of chat completions.
fn is_done(data: &str) -> bool {
    let data = data.trim().trim_matches('"').trim();
    data.eq_ignore_ascii_case("[DONE]")
}

/// What is only sent so that a connection does not look idle: an event without data, a comment that was sent as
/// data, or a ping.
fn is_keep_alive(event: &sse::SseFrame) -> bool {
    const WORDS: &[&str] = &[
        "ping",
        "keep-alive",
        "keepalive",
        "heartbeat",
        "processing",
        "null",
        "{}",
    ];
    let data = event.data.trim();
    let is_word = |text: &str| WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    let name = event.event.as_str();
    // A ping with half an object is a stream that is no longer intact.
    let is_whole = |data: &str| {
        !data.starts_with('{') || serde_json::from_str::<serde::de::IgnoredAny>(data).is_ok()
    };
    data.is_empty()
        || data.starts_with(':')
        || is_word(data.trim_matches(['[', ']', '"', '.']))
        || (is_word(name) && !data.contains("error") && is_whole(data))
}

#[cfg(test)]
mod tests;
