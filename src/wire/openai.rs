//! OpenAI's chat completions, which most other providers speak too: request, stream, whole answer, error
//! body, list of models. Encodes and decodes; opens no connection.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::sse::Event;
use super::think::Divider;
use crate::domain::chat::{
    Answer, CallError, CallErrorKind, Delta, Finish, Request, Role, Usage, estimate_tokens,
};

/// Where a provider departs from OpenAI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quirks {
    /// Understands `stream_options.include_usage`.
    pub stream_options: bool,
    /// Wants `max_completion_tokens` where others want `max_tokens`.
    pub max_completion_tokens: bool,
    /// Takes `top_k`.
    pub top_k: bool,
}

/// The request's body. `name` is the model's name at this provider; of the parameters only those in
/// `accepted` are sent, where it is known.
pub fn request(name: &str, request: &Request, accepted: &[String], quirks: Quirks) -> Vec<u8> {
    let message = |message: &crate::domain::chat::Message| {
        let role = match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        json!({ "role": role, "content": message.text })
    };
    let mut body = Map::new();
    body.insert("model".into(), json!(name));
    body.insert(
        "messages".into(),
        request.messages.iter().map(message).collect(),
    );
    body.insert("stream".into(), json!(true));
    if quirks.stream_options {
        body.insert("stream_options".into(), json!({ "include_usage": true }));
    }
    let takes = |name: &str| accepted.is_empty() || accepted.iter().any(|known| known == name);
    let parameters = &request.parameters;
    let limit = if quirks.max_completion_tokens {
        "max_completion_tokens"
    } else {
        "max_tokens"
    };
    for (known, spelled, value) in [
        (
            "temperature",
            "temperature",
            parameters.temperature.map(Value::from),
        ),
        ("top_p", "top_p", parameters.top_p.map(Value::from)),
        (
            "top_k",
            "top_k",
            parameters.top_k.filter(|_| quirks.top_k).map(Value::from),
        ),
        ("max_tokens", limit, parameters.max_tokens.map(Value::from)),
        ("seed", "seed", parameters.seed.map(Value::from)),
        (
            "presence_penalty",
            "presence_penalty",
            parameters.presence_penalty.map(Value::from),
        ),
        (
            "frequency_penalty",
            "frequency_penalty",
            parameters.frequency_penalty.map(Value::from),
        ),
        (
            "reasoning_effort",
            "reasoning_effort",
            parameters.reasoning_effort.clone().map(Value::from),
        ),
        (
            "stop",
            "stop",
            (!parameters.stop.is_empty()).then(|| json!(parameters.stop)),
        ),
    ] {
        if let Some(value) = value.filter(|_| takes(known)) {
            body.insert(spelled.into(), value);
        }
    }
    Value::Object(body).to_string().into_bytes()
}

/// A stream being decoded. Every event goes in; `finish` says what the whole came to.
#[derive(Debug, Default)]
pub struct Stream {
    text: String,
    reasoning: String,
    divider: Divider,
    usage: Option<Usage>,
    finish: Option<Finish>,
    refusal: String,
    fault: Option<CallError>,
    done: bool,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    #[serde(default)]
    usage: Option<WireUsage>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u32,
    #[serde(default, alias = "message")]
    delta: Option<Piece>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize, Default)]
struct Piece {
    #[serde(default)]
    content: Option<Content>,
    #[serde(default)]
    reasoning_content: Option<String>,
    #[serde(default)]
    reasoning: Option<Value>,
    #[serde(default)]
    refusal: Option<String>,
}

// Mistral's reasoning models send parts where others send text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Value>),
}

#[derive(Deserialize)]
struct WireUsage {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
    #[serde(default)]
    prompt_cache_hit_tokens: Option<u64>,
    #[serde(default)]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(default)]
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct CompletionDetails {
    #[serde(default)]
    reasoning_tokens: Option<u64>,
}

impl WireUsage {
    fn usage(&self) -> Usage {
        let cached = self
            .prompt_tokens_details
            .as_ref()
            .and_then(|details| details.cached_tokens);
        Usage {
            input: self.prompt_tokens.unwrap_or(0),
            output: self.completion_tokens.unwrap_or(0),
            cached: cached.or(self.prompt_cache_hit_tokens).unwrap_or(0),
            reasoning: self
                .completion_tokens_details
                .as_ref()
                .and_then(|details| details.reasoning_tokens)
                .unwrap_or(0),
            estimated: false,
        }
    }
}

impl Stream {
    /// Takes an event, gives the pieces of text in it.
    pub fn push(&mut self, event: &Event) -> Vec<Delta> {
        if self.fault.is_some() || self.done {
            return Vec::new();
        }
        if event.data.trim() == "[DONE]" {
            self.done = true;
            return Vec::new();
        }
        self.take(&event.data)
    }

    /// A server that ignores `stream` answers with one JSON object.
    pub fn push_whole(&mut self, body: &str) -> Vec<Delta> {
        let deltas = self.take(body);
        self.done = true;
        deltas
    }

    /// Nothing more will change the answer.
    pub fn is_over(&self) -> bool {
        self.done || self.fault.is_some()
    }

    fn take(&mut self, data: &str) -> Vec<Delta> {
        let Ok(chunk) = serde_json::from_str::<Chunk>(data) else {
            self.fault = Some(CallError::new(
                CallErrorKind::Malformed,
                "the provider sent something that is no chat completion",
            ));
            return Vec::new();
        };
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            self.fault = Some(error_of(&error, None));
            return Vec::new();
        }
        if let Some(usage) = chunk.usage {
            self.usage = Some(usage.usage());
        }
        let mut deltas = Vec::new();
        for choice in chunk
            .choices
            .unwrap_or_default()
            .into_iter()
            .filter(|choice| choice.index == 0)
        {
            self.piece(choice.delta.unwrap_or_default(), &mut deltas);
            if let Some(reason) = choice.finish_reason {
                self.finish = Some(finish_of(&reason));
            }
        }
        self.keep(&deltas);
        deltas
    }

    fn piece(&mut self, piece: Piece, deltas: &mut Vec<Delta>) {
        let reasoning = piece.reasoning_content.or(piece
            .reasoning
            .and_then(|value| value.as_str().map(str::to_owned)));
        if let Some(text) = reasoning.filter(|text| !text.is_empty()) {
            deltas.push(Delta::Reasoning(text));
        }
        match piece.content {
            Some(Content::Text(text)) => self.divider.push(&text, deltas),
            Some(Content::Parts(parts)) => {
                for part in &parts {
                    if let Some(text) = part["text"].as_str() {
                        self.divider.push(text, deltas);
                    }
                    for thought in part["thinking"].as_array().into_iter().flatten() {
                        deltas.extend(
                            thought["text"]
                                .as_str()
                                .map(|text| Delta::Reasoning(text.to_owned())),
                        );
                    }
                }
            }
            None => {}
        }
        self.refusal
            .push_str(piece.refusal.as_deref().unwrap_or_default());
    }

    fn keep(&mut self, deltas: &[Delta]) {
        for delta in deltas {
            match delta {
                Delta::Text(text) => self.text.push_str(text),
                Delta::Reasoning(text) => self.reasoning.push_str(text),
            }
        }
    }

    /// The stream has ended: the answer, and what had been held back of it. A stream that ended without a
    /// finish reason was cut off, whatever it looks like.
    pub fn finish(mut self, request: &Request) -> (Vec<Delta>, Result<Answer, CallError>) {
        let mut held = Vec::new();
        if let Some(fault) = self.fault {
            return (held, Err(fault));
        }
        std::mem::take(&mut self.divider).finish(&mut held);
        self.keep(&held);
        if !self.refusal.is_empty() {
            let detail = format!("the model refused: {}", clean(&self.refusal));
            return (held, Err(CallError::new(CallErrorKind::Rejected, detail)));
        }
        let finish = match self.finish {
            Some(finish) => finish,
            None if self.done && !self.text.is_empty() => Finish::Stop,
            None => {
                return (
                    held,
                    Err(CallError::new(
                        CallErrorKind::Truncated,
                        "the answer broke off before its end",
                    )),
                );
            }
        };
        if self.text.trim().is_empty() {
            let detail = match finish {
                Finish::Length => {
                    "the model used up its tokens before it wrote an answer: raise max_tokens"
                }
                Finish::ContentFilter => "the provider blocked the answer",
                Finish::ToolCalls => "the model asked for a tool instead of answering",
                Finish::Stop => "the model answered with nothing",
            };
            return (held, Err(CallError::new(CallErrorKind::Empty, detail)));
        }
        let usage = self
            .usage
            .unwrap_or_else(|| estimated(request, &self.text, &self.reasoning));
        (
            held,
            Ok(Answer {
                text: self.text,
                reasoning: self.reasoning,
                usage,
                finish,
            }),
        )
    }
}

fn finish_of(reason: &str) -> Finish {
    match reason {
        "length" | "max_tokens" | "model_length" => Finish::Length,
        "content_filter" | "safety" => Finish::ContentFilter,
        "tool_calls" | "function_call" => Finish::ToolCalls,
        _ => Finish::Stop,
    }
}

fn estimated(request: &Request, text: &str, reasoning: &str) -> Usage {
    let input = request
        .messages
        .iter()
        .map(|message| estimate_tokens(&message.text))
        .sum();
    Usage {
        input,
        output: estimate_tokens(text) + estimate_tokens(reasoning),
        estimated: true,
        ..Usage::default()
    }
}

/// What an answer with an error status means. `headers` gives a header by its lower-case name.
pub fn error(status: u16, headers: &dyn Fn(&str) -> Option<String>, body: &str) -> CallError {
    let parsed: Option<Value> = serde_json::from_str(body).ok();
    let inner = parsed.as_ref().map(|value| match value {
        // Gemini's compatible endpoint wraps it in a list.
        Value::Array(items) => items.first().map_or(&Value::Null, |item| &item["error"]),
        value if value["error"].is_null() => value,
        value => &value["error"],
    });
    let mut error = error_of(inner.unwrap_or(&Value::Null), Some(status));
    let seconds = |text: String| {
        text.trim()
            .parse::<f64>()
            .ok()
            .filter(|seconds| (0.0..1e6).contains(seconds))
    };
    error.retry_after_ms = headers("retry-after-ms")
        .and_then(seconds)
        .map(|millis| millis as u64)
        .or_else(|| {
            headers("retry-after")
                .and_then(seconds)
                .map(|seconds| (seconds * 1000.0) as u64)
        });
    error
}

fn error_of(error: &Value, status: Option<u16>) -> CallError {
    let message = error
        .as_str()
        .or_else(|| error["message"].as_str())
        .unwrap_or_default();
    let code = ["code", "type", "status"]
        .iter()
        .filter_map(|name| error[*name].as_str())
        .collect::<Vec<_>>()
        .join(" ");
    // OpenRouter puts the status into the body's code.
    let status = status.or_else(|| {
        error["code"]
            .as_u64()
            .and_then(|code| u16::try_from(code).ok())
    });
    let quota = ["insufficient_quota", "billing", "credit", "payment"]
        .iter()
        .any(|word| code.contains(word));
    let kind = match status {
        _ if quota => CallErrorKind::Money,
        Some(401 | 403) => CallErrorKind::Auth,
        Some(402) => CallErrorKind::Money,
        Some(408 | 504) => CallErrorKind::Timeout,
        Some(429) => CallErrorKind::RateLimited,
        Some(500..) => CallErrorKind::Overloaded,
        Some(_) => CallErrorKind::Rejected,
        None if code.contains("rate_limit") => CallErrorKind::RateLimited,
        None if code.contains("invalid_request") => CallErrorKind::Rejected,
        None => CallErrorKind::Overloaded,
    };
    let what = match kind {
        CallErrorKind::Money => "the provider's account has no credit left",
        CallErrorKind::Auth => "the provider does not accept the key",
        CallErrorKind::Timeout => "the provider gave up waiting",
        CallErrorKind::RateLimited => "the provider is asked too often",
        CallErrorKind::Rejected => "the provider refused the request",
        _ => "the provider has a fault",
    };
    let number = status.map_or_else(String::new, |status| format!(" ({status})"));
    let said = clean(message);
    let detail = if said.is_empty() {
        format!("{what}{number}")
    } else {
        format!("{what}{number}: {said}")
    };
    CallError {
        kind,
        status,
        retry_after_ms: None,
        detail,
    }
}

/// A provider's words, fit to be shown: one line, at most 200 characters, nothing that looks like a key.
pub fn clean(message: &str) -> String {
    let word = |word: &str| {
        let core = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let key = ["sk-", "key-", "gsk_", "xai-", "AIza", "Bearer"]
            .iter()
            .any(|start| core.starts_with(start));
        let random = core.len() >= 24
            && core.chars().any(|c| c.is_ascii_digit())
            && core.chars().any(|c| c.is_ascii_alphabetic())
            && !core.contains('/');
        if key || random {
            "***".to_owned()
        } else {
            word.chars().filter(|c| !c.is_control()).collect()
        }
    };
    let line = message
        .split_whitespace()
        .map(word)
        .collect::<Vec<_>>()
        .join(" ");
    match line.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The names in an answer of `GET /models`, at most a thousand.
pub fn models(body: &str) -> Option<Vec<String>> {
    let value: Value = serde_json::from_str(body).ok()?;
    let list = value["data"].as_array().or_else(|| value.as_array())?;
    Some(
        list.iter()
            .filter_map(|model| model["id"].as_str())
            .filter(|id| !id.is_empty() && id.len() <= 200)
            .take(1000)
            .map(str::to_owned)
            .collect(),
    )
}

#[cfg(test)]
mod tests;
