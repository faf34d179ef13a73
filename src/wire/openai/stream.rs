//! A streamed chat completion being put together. Lenient about what does not matter, strict about the
//! end: an answer that was cut off never passes for a whole one.

use serde_json::Value;

use super::super::sse::Event;
use super::super::think::Divider;
use super::error::{clean, in_band};
use crate::domain::chat::{
    Answer, CallError, CallErrorKind, Delta, Finish, Request, Usage, estimate_tokens,
};

/// Every event goes in; `finish` says what the whole came to.
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

impl Stream {
    /// Takes an event, gives the pieces of text in it.
    pub fn push(&mut self, event: &Event) -> Vec<Delta> {
        if self.is_over() {
            return Vec::new();
        }
        let data = event.data.trim();
        if data == "[DONE]" {
            self.done = true;
            return Vec::new();
        }
        let Ok(chunk) = serde_json::from_str::<Value>(data) else {
            return self.fail(if event.event == "error" {
                in_band(&Value::String(clean(data)))
            } else {
                CallError::new(
                    CallErrorKind::Malformed,
                    "the provider sent something that is no chat completion",
                )
            });
        };
        if event.event == "error" && chunk["error"].is_null() {
            return self.fail(in_band(&chunk));
        }
        self.take(&chunk)
    }

    /// A server that ignores `stream` answers with one JSON object.
    pub fn push_whole(&mut self, body: &str) -> Vec<Delta> {
        let chunk: Value = serde_json::from_str(body).unwrap_or_default();
        let has = |name: &str| chunk.get(name).is_some_and(|value| !value.is_null());
        if !has("choices") && !has("error") {
            return self.fail(CallError::new(
                CallErrorKind::Malformed,
                "the provider's answer is no chat completion",
            ));
        }
        let deltas = self.take(&chunk);
        self.done = true;
        deltas
    }

    /// Nothing more will change the answer.
    pub fn is_over(&self) -> bool {
        self.done || self.fault.is_some()
    }

    /// The model has said why it stopped: what may still come is the count of tokens.
    pub fn is_complete(&self) -> bool {
        self.finish.is_some()
    }

    fn fail(&mut self, fault: CallError) -> Vec<Delta> {
        self.fault = Some(fault);
        Vec::new()
    }

    fn take(&mut self, chunk: &Value) -> Vec<Delta> {
        let first = chunk["choices"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|choice| choice["index"].as_u64().unwrap_or(0) == 0)
            .unwrap_or(&Value::Null);
        for error in [&chunk["error"], &first["error"]] {
            if !error.is_null() {
                return self.fail(in_band(error));
            }
        }
        if chunk["usage"].is_object() {
            self.usage = Some(usage_of(&chunk["usage"]));
        }
        let mut deltas = Vec::new();
        let piece = [&first["delta"], &first["message"]];
        if let Some(piece) = piece.into_iter().find(|piece| piece.is_object()) {
            self.piece(piece, &mut deltas);
        }
        if let Some(reason) = first["finish_reason"]
            .as_str()
            .filter(|text| !text.is_empty())
        {
            self.finish = Some(finish_of(reason));
        }
        self.keep(&deltas);
        deltas
    }

    fn piece(&mut self, piece: &Value, deltas: &mut Vec<Delta>) {
        // Hosts of the same models disagree about the name; OpenRouter sends both.
        let reasoning = piece["reasoning_content"]
            .as_str()
            .or(piece["reasoning"].as_str());
        if let Some(text) = reasoning.filter(|text| !text.is_empty()) {
            deltas.push(Delta::Reasoning(text.to_owned()));
        }
        match &piece["content"] {
            Value::String(text) => self.divider.push(text, deltas),
            // Mistral's reasoning models send parts where others send text.
            Value::Array(parts) => parts.iter().for_each(|part| self.part(part, deltas)),
            _ => {}
        }
        self.refusal
            .push_str(piece["refusal"].as_str().unwrap_or_default());
    }

    fn part(&mut self, part: &Value, deltas: &mut Vec<Delta>) {
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

    fn keep(&mut self, deltas: &[Delta]) {
        for delta in deltas {
            match delta {
                Delta::Text(text) => self.text.push_str(text),
                Delta::Reasoning(text) => self.reasoning.push_str(text),
            }
        }
    }

    /// The stream has ended: what had been held back of the answer, and the answer. A stream that ended
    /// without a finish reason was cut off, whatever it looks like.
    pub fn finish(mut self, request: &Request) -> (Vec<Delta>, Result<Answer, CallError>) {
        let mut held = Vec::new();
        if let Some(fault) = self.fault.take() {
            return (held, Err(fault));
        }
        std::mem::take(&mut self.divider).finish(&mut held);
        self.keep(&held);
        let result = self.answer(request);
        (held, result)
    }

    fn answer(self, request: &Request) -> Result<Answer, CallError> {
        if !self.refusal.is_empty() {
            let detail = format!("the model refused: {}", clean(&self.refusal));
            return Err(CallError::new(CallErrorKind::Rejected, detail));
        }
        let blank = self.text.trim().is_empty();
        let finish = match self.finish {
            Some(finish) => finish,
            // Some local servers end properly without a reason.
            None if self.done && !blank => Finish::Stop,
            None => {
                return Err(CallError::new(
                    CallErrorKind::Truncated,
                    "the answer broke off before its end",
                ));
            }
        };
        if blank {
            return Err(CallError::new(CallErrorKind::Empty, emptiness(finish)));
        }
        let usage = self
            .usage
            .unwrap_or_else(|| estimated(request, &self.text, &self.reasoning));
        Ok(Answer {
            text: self.text,
            reasoning: self.reasoning,
            usage,
            finish,
        })
    }
}

fn emptiness(finish: Finish) -> &'static str {
    match finish {
        Finish::Length => {
            "the model used up its tokens before it wrote an answer: raise max_tokens"
        }
        Finish::ContentFilter => "the provider blocked the answer",
        Finish::ToolCalls => "the model asked for a tool instead of answering",
        Finish::Stop => "the model answered with nothing",
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

fn usage_of(usage: &Value) -> Usage {
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let input = count(&usage["prompt_tokens"]);
    let mut output = count(&usage["completion_tokens"]);
    let reasoning = count(&usage["completion_tokens_details"]["reasoning_tokens"]);
    let cached = usage["prompt_tokens_details"]["cached_tokens"].as_u64();
    // xAI counts reasoning beside the answer's tokens, the others within; the total tells which.
    let sum = input
        .checked_add(output)
        .and_then(|sum| sum.checked_add(reasoning));
    if reasoning > 0 && sum.is_some() && usage["total_tokens"].as_u64() == sum {
        output += reasoning;
    }
    Usage {
        input,
        output,
        cached: cached.unwrap_or_else(|| count(&usage["prompt_cache_hit_tokens"])),
        reasoning,
        estimated: false,
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
        reasoning: estimate_tokens(reasoning),
        estimated: true,
        ..Usage::default()
    }
}
