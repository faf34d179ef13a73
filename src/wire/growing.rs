//! An answer being put together, whoever's dialect it comes in: each family tells what it found, this keeps
//! it and says at the end what the whole came to. An answer that was cut off never passes for a whole one.

use super::refusal::clean;
use super::think::Divider;
use crate::domain::chat::{
    Answer, CallError, CallErrorKind, Delta, Finish, Request, Usage, estimate_tokens,
};

/// Text, reasoning, tokens and the end.
#[derive(Debug, Default)]
pub(super) struct Growing {
    text: String,
    reasoning: String,
    /// Arguments of a tool that the model wants to call.
    arguments: String,
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

    pub fn arguments(&mut self, piece: &str) {
        self.arguments.push_str(piece);
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

    /// What had been held back of the answer, and the answer.
    pub fn finish(mut self, request: &Request) -> (Vec<Delta>, Result<Answer, CallError>) {
        if let Some(fault) = self.fault.take() {
            return (Vec::new(), Err(fault));
        }
        std::mem::take(&mut self.divider).finish(&mut self.fresh);
        // Where a shape was wanted the tool was ours: what it would be called with is the answer.
        if request.format.is_some() && self.text.trim().is_empty() && !self.arguments.is_empty() {
            self.fresh
                .push(Delta::Text(std::mem::take(&mut self.arguments)));
            self.finish = self.finish.map(|finish| match finish {
                Finish::ToolCalls => Finish::Stop,
                other => other,
            });
        }
        let held = self.take();
        (held, self.answer(request))
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
            let kind = match finish {
                Finish::ContentFilter => CallErrorKind::Rejected,
                _ => CallErrorKind::Empty,
            };
            return Err(CallError::new(kind, emptiness(finish)));
        }
        let usage = self
            .usage
            .filter(is_plausible)
            .unwrap_or_else(|| estimated(request, &self.text, &self.reasoning));
        Ok(Answer {
            text: self.text,
            reasoning: self.reasoning,
            usage,
            finish,
        })
    }
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
