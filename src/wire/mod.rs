//! Wire formats: decode bytes into values and encode values into bytes, without I/O. Providers use one of five API
//! formats. This module is the common interface of the formats, each of which has its own file.

mod answer_builder;
mod anthropic;
pub mod cache_marks;
pub mod embed;
mod envelope;
mod finish_reasons;
mod gemini;
mod joined_json;
pub mod json_lines;
pub mod json_positions;
pub mod mcp;
mod model_lists;
mod ollama;
pub mod openai;
pub mod passthrough;
mod prompt;
mod reasoning_tags;
mod refusal;
mod refusal_reasons;
mod responses;
mod schema_subset;
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
mod surrogates;
pub mod toml_text;
mod tool_call_builder;
mod usage_counts;

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::domain::chat::{Answer, CallError, Delta, Finish, ModelRequest, Usage};
use crate::domain::model::{Structured, Thinking};
use answer_builder::AnswerBuilder;
pub use model_lists::{ListedModel, parse_models};
pub use openai::ProviderQuirks;
pub use refusal::{
    error, refused_field_among, refused_parameter, rejects_images, sanitize_message,
};
use surrogates::PendingSurrogates;

/// API format of a provider: how requests and answers are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ApiFormat {
    /// OpenAI's chat completions, which most other providers also use.
    #[default]
    OpenAi,
    /// OpenAI's Responses API.
    Responses,
    /// Anthropic's Messages API.
    Anthropic,
    /// Gemini's generateContent API.
    Gemini,
    /// Ollama's native chat API.
    Ollama,
}

impl ApiFormat {
    /// All API formats.
    pub const ALL: [Self; 5] = [
        Self::OpenAi,
        Self::Responses,
        Self::Anthropic,
        Self::Gemini,
        Self::Ollama,
    ];

    /// Returns the name used in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Responses => "responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
        }
    }

    /// Parses a name as returned by `as_str`. Returns `None` if it is unknown.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Returns the headers that this format requires in every request, as pairs of name and value.
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Anthropic => &[("anthropic-version", "2023-06-01")],
            _ => &[],
        }
    }

    /// Returns the path, relative to the base URL, of a provider's model list.
    pub fn models_path(self) -> &'static str {
        match self {
            Self::Ollama => "api/tags",
            Self::Anthropic => "models?limit=1000",
            Self::Gemini => "models?pageSize=1000",
            Self::OpenAi | Self::Responses => "models",
        }
    }

    /// Returns whether streams are newline-delimited JSON instead of server-sent events.
    pub fn sends_lines(self) -> bool {
        self == Self::Ollama
    }
}

/// Known capabilities and request formats of a model.
#[derive(Debug, Clone, Default)]
pub struct ModelCapabilities {
    /// Supported parameters, by their names in the parameter glossary; empty if unknown.
    pub accepted_parameters: Vec<String>,
    /// Fields that the model has refused before, by their names in the API format.
    pub refused_fields: Vec<String>,
    /// How a schema is enforced.
    pub structured: Structured,
    /// How the amount of thinking is set.
    pub thinking: Thinking,
    /// Accepted effort levels, lowest first; empty if unknown.
    pub efforts: Vec<String>,
    /// Context window, in tokens; 0 if unknown.
    pub context_window: u64,
    /// Maximum output, in tokens; 0 if unknown.
    pub max_output: u64,
    /// Fields that the settings add to every request for the model.
    pub body_fields: Map<String, Value>,
}

impl ModelCapabilities {
    /// Returns whether a parameter may be sent. `known` is its name in the parameter glossary, `spelled` its name in
    /// the API format.
    fn accepts_parameter(&self, known: &str, spelled: &str) -> bool {
        let accepted = &self.accepted_parameters;
        (accepted.is_empty() || accepted.iter().any(|name| name == known))
            && !self.has_refused(spelled)
    }

    fn has_refused(&self, spelled: &str) -> bool {
        self.refused_fields.iter().any(|name| name == spelled)
    }

    /// Returns how the schema of an answer is enforced. If the model has refused the best method, the schema becomes
    /// part of the prompt. `native` is the field that contains the schema.
    fn schema_method(&self, native: &str, request: &ModelRequest) -> Structured {
        match self.structured {
            // A forced tool would interfere with the client's own tools.
            Structured::Tool if request.tools.is_some() => Structured::Prompt,
            Structured::Native if self.has_refused(native) => Structured::Prompt,
            Structured::Tool if self.has_refused("tools") || self.has_refused("tool_choice") => {
                Structured::Prompt
            }
            other => other,
        }
    }
}

/// An encoded request to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingRequest {
    /// Path after the base URL, without a leading slash.
    pub path: String,
    /// JSON body.
    pub body: Vec<u8>,
}

/// Builds a request in an API format. `name` is the name that the provider uses for the model.
pub fn request(
    kind: ApiFormat,
    name: &str,
    request: &ModelRequest,
    capabilities: &ModelCapabilities,
    quirks: ProviderQuirks,
) -> OutgoingRequest {
    let (path, mut body) = match kind {
        ApiFormat::OpenAi => (
            "chat/completions".to_owned(),
            openai::request_body(name, request, capabilities, quirks),
        ),
        ApiFormat::Responses => (
            "responses".to_owned(),
            responses::request_body(name, request, capabilities),
        ),
        ApiFormat::Anthropic => (
            "messages".to_owned(),
            anthropic::request_body(name, request, capabilities),
        ),
        ApiFormat::Gemini => (
            gemini::model_path(name),
            gemini::request_body(request, capabilities),
        ),
        ApiFormat::Ollama => (
            "api/chat".to_owned(),
            ollama::request_body(name, request, capabilities),
        ),
    };
    passthrough::add_fields(kind, &mut body, request, capabilities);
    OutgoingRequest {
        path,
        body: body.to_string().into_bytes(),
    }
}

/// Decodes an answer, either from the events of a stream or from a complete response. `finish` returns the result.
#[derive(Debug)]
pub struct AnswerDecoder {
    kind: ApiFormat,
    builder: AnswerBuilder,
    pending_surrogates: PendingSurrogates,
    /// Whether any chunks of a stream have arrived, even unreadable ones.
    is_streamed: bool,
}

/// Properties of a stream that are known before it begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamSettings<'a> {
    /// The name that the provider uses for the model.
    pub model: &'a str,
    /// Whether the prompt template opens the reasoning block, so that the answer only closes it.
    pub expects_close: bool,
    /// Whether pieces that have been sent cannot be retracted; if so, `Delta::Restart` must not be sent.
    pub cannot_retract: bool,
}

impl AnswerDecoder {
    /// Creates a decoder with the default stream settings.
    pub fn new(kind: ApiFormat) -> Self {
        Self::with_settings(kind, StreamSettings::default())
    }

    /// Creates a decoder for a stream with these settings.
    pub fn with_settings(kind: ApiFormat, reading: StreamSettings<'_>) -> Self {
        let mut builder = AnswerBuilder::default();
        if reading.expects_close {
            builder.expect_unopened_reasoning();
        }
        builder.expect_unmarked_channels(reading.model);
        if reading.cannot_retract {
            builder.forbid_retraction();
        }
        Self {
            kind,
            builder,
            pending_surrogates: PendingSurrogates::default(),
            is_streamed: false,
        }
    }

    /// Returns the stream's API format.
    pub fn kind(&self) -> ApiFormat {
        self.kind
    }

    /// Decodes an event and returns the pieces of the answer in it.
    pub fn push(&mut self, event: &sse::SseFrame) -> Vec<Delta> {
        if self.is_over() || is_keep_alive(event) {
            return Vec::new();
        }
        self.is_streamed = true;
        let builder = &mut self.builder;
        let repaired;
        let event = match self.pending_surrogates.join_pairs(&event.data) {
            Cow::Borrowed(_) => event,
            Cow::Owned(data) => {
                repaired = sse::SseFrame {
                    data,
                    ..event.clone()
                };
                &repaired
            }
        };
        match joined_json::split_objects(&event.data) {
            None => decode_event(self.kind, builder, event),
            Some(parts) => {
                for data in parts {
                    let event = event.event.clone();
                    let part = sse::SseFrame {
                        event,
                        data,
                        id: None,
                    };
                    decode_event(self.kind, builder, &part);
                }
            }
        }
        builder.take_deltas()
    }

    /// Decodes a complete response, which is the single JSON object of a server that does not stream.
    pub fn push_complete_response(&mut self, body: &str) -> Vec<Delta> {
        // Some servers send the chunks of a stream one after the other, without framing them as events.
        if let Some(parts) = joined_json::split_objects(body.trim()) {
            let events = parts.into_iter().map(|data| sse::SseFrame {
                data,
                ..sse::SseFrame::default()
            });
            return events.flat_map(|event| self.push(&event)).collect();
        }
        let builder = &mut self.builder;
        let body = self.pending_surrogates.join_pairs(body);
        let value = crate::domain::json::parse(&body).unwrap_or_default();
        match self.kind {
            ApiFormat::OpenAi => openai::read_whole(builder, &value),
            ApiFormat::Responses => responses::read_whole(builder, &value),
            ApiFormat::Anthropic => anthropic::read_whole(builder, &value),
            ApiFormat::Gemini => gemini::read_whole(builder, &value),
            ApiFormat::Ollama => ollama::read_whole(builder, &value),
        }
        builder.take_deltas()
    }

    /// Returns whether the answer has ended, so that no further event can change it.
    pub fn is_over(&self) -> bool {
        self.builder.is_over()
    }

    /// Returns whether the finish reason has arrived. Only usage may follow it.
    pub fn is_complete(&self) -> bool {
        self.builder.is_complete()
    }

    /// Returns the finish reason if the answer ended regularly, otherwise `None`.
    pub fn regular_finish(&self) -> Option<Finish> {
        self.builder.regular_finish()
    }

    /// Returns whether any text, reasoning, or tool call has arrived.
    pub fn has_begun(&self) -> bool {
        self.builder.has_begun()
    }

    /// Returns whether any chunks of a stream have arrived, even unreadable ones.
    pub fn is_streamed(&self) -> bool {
        self.is_streamed
    }

    /// Returns whether the reasoning ended with a closing marker that had no opening marker.
    pub fn was_closed(&self) -> bool {
        self.builder.was_closed()
    }

    /// Ends the stream. Returns the pieces that are still held back, and the complete answer. If the stream has no
    /// documented finish reason, the answer counts as cut off.
    ///
    /// # Errors
    ///
    /// Returns the error that the provider reported, or why the answer is incomplete.
    pub fn finish(self, request: &ModelRequest) -> (Vec<Delta>, Result<Answer, CallError>) {
        self.builder.finish(request)
    }

    /// Like `finish`, but ends the answer early, as a token limit would. Token counts are estimated.
    ///
    /// # Errors
    ///
    /// Returns the error that the provider reported, or why the answer is malformed.
    pub fn cut_off(mut self, request: &ModelRequest) -> (Vec<Delta>, Result<Answer, CallError>) {
        self.builder.cut_off();
        self.builder.finish(request)
    }

    /// Returns the length of the tool calls' arguments so far, in bytes.
    pub fn argument_bytes(&self) -> usize {
        self.builder.argument_bytes()
    }

    /// Returns the usage that the provider has reported so far. Counts are 0 if they are missing or implausibly large.
    pub fn reported_usage(&self) -> Usage {
        self.builder.reported_usage()
    }
}

/// Decodes an event with the decoder of its API format.
fn decode_event(kind: ApiFormat, builder: &mut AnswerBuilder, event: &sse::SseFrame) {
    match kind {
        ApiFormat::OpenAi => openai::read_event(builder, event),
        ApiFormat::Responses => responses::read_event(builder, event),
        ApiFormat::Anthropic => anthropic::read_event(builder, event),
        ApiFormat::Gemini => gemini::read_event(builder, event),
        ApiFormat::Ollama => ollama::read_event(builder, event),
    }
}

/// Returns whether the data is the end-of-stream marker of chat completions.
fn is_done(data: &str) -> bool {
    let data = data.trim().trim_matches('"').trim();
    data.eq_ignore_ascii_case("[DONE]")
}

/// Returns whether an event only keeps the connection alive: it has no data, a comment sent as data, or a ping.
fn is_keep_alive(event: &sse::SseFrame) -> bool {
    const KEEP_ALIVE_WORDS: &[&str] = &[
        "ping",
        "keep-alive",
        "keepalive",
        "heartbeat",
        "processing",
        "null",
        "{}",
    ];
    let data = event.data.trim();
    let is_word = |text: &str| {
        KEEP_ALIVE_WORDS
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word))
    };
    let name = event.event.as_str();
    // If a ping is followed by an incomplete object, the stream is damaged.
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
