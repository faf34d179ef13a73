//! An answer being put together, whoever's dialect it comes in: each family tells what it found, this keeps
//! it and says at the end what the whole came to. An answer that was cut off never passes for a whole one.

use serde_json::Value;

use super::refusal::clean;
use super::think::Divider;
use crate::domain::chat::{
    Answer, CallError, CallErrorKind, Delta, Finish, Request, Usage, estimate_tokens,
};
use crate::domain::tools::{self, ToolCall};

/// Text, reasoning, tokens and the end.
#[derive(Debug, Default)]
pub(super) struct Growing {
    text: String,
    reasoning: String,
    /// Tools that the model wants to call, each under its place in the vendor's count.
    calls: Vec<(u64, ToolCall)>,
    divider: Divider,
    pub usage: Option<Usage>,
    pub finish: Option<Finish>,
    refusal: String,
    fault: Option<CallError>,
    done: bool,
    fresh: Vec<Delta>,
}

impl Growing {
    /// Visible text; local models put their reasoning in front of it.
    pub fn text(&mut self, piece: &str) {
        self.divider.push(piece, &mut self.fresh);
    }

    pub fn reasoning(&mut self, piece: &str) {
        if !piece.is_empty() {
            self.fresh.push(Delta::Reasoning(piece.to_owned()));
        }
    }

    /// A piece of a call of a tool: what is known of it for the first time, and more of its arguments.
    pub fn call(&mut self, place: u64, id: &str, name: &str, arguments: &str) {
        let known = self.calls.iter().position(|(own, _)| *own == place);
        if known.is_none() && self.calls.len() > tools::MOST {
            return;
        }
        let at = known.unwrap_or_else(|| {
            let call = ToolCall {
                id: String::new(),
                name: String::new(),
                arguments: String::new(),
                signature: None,
            };
            self.calls.push((place, call));
            self.calls.len() - 1
        });
        let call = &mut self.calls[at].1;
        for (field, told) in [(&mut call.id, id), (&mut call.name, name)] {
            if field.is_empty() {
                field.push_str(told);
            }
        }
        call.arguments.push_str(arguments);
    }

    /// A whole call, behind those that are known.
    pub fn whole_call(&mut self, id: &str, name: &str, arguments: &Value, signature: Option<&str>) {
        let place = self.last_place().map_or(0, |place| place.saturating_add(1));
        self.call(place, id, name, &arguments.to_string());
        if let (Some((_, call)), Some(signature)) = (self.calls.last_mut(), signature) {
            call.signature = Some(signature.to_owned());
        }
    }

    /// The place of the last call.
    pub fn last_place(&self) -> Option<u64> {
        self.calls.last().map(|(place, _)| *place)
    }

    /// Whether anything is known of this call's arguments.
    pub fn has_arguments(&self, place: u64) -> bool {
        let mut calls = self.calls.iter();
        calls.any(|(own, call)| *own == place && !call.arguments.is_empty())
    }

    /// The model's own words for why it does not answer.
    pub fn refuse(&mut self, words: &str) {
        self.refusal.push_str(words);
    }

    /// The answer ends here, badly.
    pub fn fail(&mut self, fault: CallError) {
        self.fault.get_or_insert(fault);
    }

    pub fn malformed(&mut self, what: &str) {
        self.fail(CallError::new(
            CallErrorKind::Malformed,
            format!("the provider sent something that is no {what}"),
        ));
    }

    /// The stream has come to its proper end.
    pub fn end(&mut self) {
        self.done = true;
    }

    /// Nothing more will change the answer.
    pub fn is_over(&self) -> bool {
        self.done || self.fault.is_some()
    }

    /// The model has said why it stopped: what may still come is the count of tokens.
    pub fn is_complete(&self) -> bool {
        self.finish.is_some()
    }

    /// The pieces that have come since the last time.
    pub fn take(&mut self) -> Vec<Delta> {
        let fresh = std::mem::take(&mut self.fresh);
        for delta in &fresh {
            match delta {
                Delta::Text(text) => self.text.push_str(text),
                Delta::Reasoning(text) => self.reasoning.push_str(text),
            }
        }
        fresh
    }

    /// Ends the answer here, as by a token limit. What the provider has counted so far is not the count of the end.
    pub fn cut_off(&mut self, request: &Request) {
        self.take();
        let known = self.usage.map_or(0, |usage| usage.input);
        let arguments = self
            .calls
            .iter()
            .map(|(_, call)| estimate_tokens(&call.arguments));
        let counted = estimated(request, &self.text, &self.reasoning, &[]);
        self.usage = Some(Usage {
            input: if known > 0 { known } else { counted.input },
            output: counted.output + arguments.sum::<u64>(),
            ..counted
        });
        self.finish = Some(Finish::Length);
        self.done = true;
    }

    /// Bytes of the arguments of tool calls so far.
    pub fn argument_bytes(&self) -> usize {
        self.calls
            .iter()
            .map(|(_, call)| call.arguments.len())
            .sum()
    }

    /// What had been held back of the answer, and the answer.
    pub fn finish(mut self, request: &Request) -> (Vec<Delta>, Result<Answer, CallError>) {
        if let Some(fault) = self.fault.take() {
            return (Vec::new(), Err(fault));
        }
        std::mem::take(&mut self.divider).finish(&mut self.fresh);
        // Where a shape was wanted the tool was ours: what it would be called with is the answer.
        let arguments = (self.calls.first_mut())
            .filter(|_| request.tools.is_none() && request.format.is_some())
            .map(|(_, call)| std::mem::take(&mut call.arguments));
        if let Some(arguments) = arguments.filter(|arguments| !arguments.is_empty())
            && self.text.trim().is_empty()
        {
            self.fresh.push(Delta::Text(arguments));
            self.finish = self.finish.map(|finish| match finish {
                Finish::ToolCalls => Finish::Stop,
                other => other,
            });
        }
        let held = self.take();
        (held, self.answer(request))
    }

    fn answer(mut self, request: &Request) -> Result<Answer, CallError> {
        if !self.refusal.is_empty() {
            let detail = format!("the model refused: {}", clean(&self.refusal));
            return Err(CallError::new(CallErrorKind::Rejected, detail));
        }
        let calls = match request.tools {
            Some(_) => called(std::mem::take(&mut self.calls), request, self.finish)?,
            None => Vec::new(),
        };
        let blank = self.text.trim().is_empty() && calls.is_empty();
        let finish = match self.finish {
            // Some say "stop" behind a call.
            Some(Finish::Stop) if !calls.is_empty() => Finish::ToolCalls,
            Some(finish) => finish,
            // Some local servers end properly without a reason.
            None if self.done && !calls.is_empty() => Finish::ToolCalls,
            None if self.done && !blank => Finish::Stop,
            None => {
                return Err(CallError::new(
                    CallErrorKind::Truncated,
                    "the answer broke off before its end",
                ));
            }
        };
        if blank {
            let kind = match finish {
                Finish::ContentFilter => CallErrorKind::Rejected,
                _ => CallErrorKind::Empty,
            };
            return Err(CallError::new(kind, emptiness(finish)));
        }
        let usage = self
            .usage
            .filter(is_plausible)
            .unwrap_or_else(|| estimated(request, &self.text, &self.reasoning, &calls));
        Ok(Answer {
            text: self.text,
            reasoning: self.reasoning,
            usage,
            finish,
            calls,
        })
    }
}

/// The calls as they are passed on: each with an id, a name and an object. What a limit has cut off is none.
fn called(
    calls: Vec<(u64, ToolCall)>,
    request: &Request,
    finish: Option<Finish>,
) -> Result<Vec<ToolCall>, CallError> {
    let earlier = request.messages.iter().map(|message| message.calls.len());
    let mut number: usize = earlier.sum();
    let mut told = Vec::new();
    for (_, mut call) in calls {
        if call.arguments.trim().is_empty() {
            "{}".clone_into(&mut call.arguments);
        }
        let value: Value = crate::domain::json::parse(&call.arguments).unwrap_or_default();
        if call.name.is_empty() || !value.is_object() {
            if finish == Some(Finish::Length) {
                continue;
            }
            let why = "the model called a tool in a way that cannot be read";
            return Err(CallError::new(CallErrorKind::Malformed, why));
        }
        number += 1;
        if call.id.is_empty() {
            call.id = format!("call_{number}");
        }
        told.push(call);
    }
    told.truncate(tools::MOST);
    Ok(told)
}

/// No call reads or writes more tokens than this; a count beyond it would spoil a month's budget.
const MOST_TOKENS: u64 = 50_000_000;

fn is_plausible(usage: &Usage) -> bool {
    usage.input <= MOST_TOKENS && usage.output <= MOST_TOKENS
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

fn estimated(request: &Request, text: &str, reasoning: &str, calls: &[ToolCall]) -> Usage {
    let calls: u64 = calls
        .iter()
        .map(|call| estimate_tokens(&call.name) + estimate_tokens(&call.arguments))
        .sum();
    let input = request.tokens();
    Usage {
        input,
        output: estimate_tokens(text) + estimate_tokens(reasoning) + calls,
        reasoning: estimate_tokens(reasoning),
        estimated: true,
        ..Usage::default()
    }
}
