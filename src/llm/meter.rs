//! Counts what a call takes while its pieces pass through: tries, tokens, time to the first piece. What no
//! vendor has counted is estimated and marked so.

use std::time::Instant;

use super::asking::CallRequest;
use crate::clock;
use crate::domain::chat::{
    CallBill, CallError, CallErrorKind, Delta, ModelRequest, Usage, estimate_tokens,
};

pub(super) struct UsageMeter<'a> {
    send: &'a mut dyn FnMut(Delta),
    request: &'a ModelRequest,
    asked: Instant,
    bill: CallBill,
    /// Of the try under way.
    text: u64,
    reasoning: u64,
    /// Text waits until the whole answer is known to be of the shape that was wanted.
    holds_text: bool,
    shown: bool,
    under_way: bool,
}

impl<'a> UsageMeter<'a> {
    pub fn new(wanted: &'a CallRequest, send: &'a mut dyn FnMut(Delta)) -> Self {
        Self {
            send,
            request: wanted.request,
            asked: wanted.asked,
            bill: CallBill::default(),
            text: 0,
            reasoning: 0,
            holds_text: wanted.request.format.is_some(),
            shown: false,
            under_way: false,
        }
    }

    /// A try begins.
    pub fn begin(&mut self) {
        self.bill.tries += 1;
        (self.text, self.reasoning) = (0, 0);
        self.under_way = true;
    }

    /// A piece has come.
    pub fn take(&mut self, delta: Delta) {
        if self.bill.first_token_ms.is_none() {
            self.bill.first_token_ms = Some(self.elapsed());
        }
        match &delta {
            Delta::Text(text) => self.text += estimate_tokens(text),
            Delta::Reasoning(text) => self.reasoning += estimate_tokens(text),
            Delta::Sealed(_) => {}
            // What was text turns out to be reasoning, and is given once more.
            Delta::Restart => (self.text, self.reasoning) = (0, 0),
        }
        if !(self.holds_text && matches!(delta, Delta::Text(_))) {
            self.shown = true;
            (self.send)(delta);
        }
    }

    /// Something of an answer was shown.
    pub fn has_shown(&self) -> bool {
        self.shown
    }

    /// What was shown is void: another answer is asked for.
    pub fn restart(&mut self) {
        if std::mem::take(&mut self.shown) {
            (self.send)(Delta::Restart);
        }
    }

    /// The try has ended with an answer.
    pub fn answered(&mut self, usage: &Usage) {
        self.under_way = false;
        self.bill.usage = self.bill.usage.plus(usage);
    }

    /// It has ended without. A refusal costs nothing; an answer that was under way does.
    pub fn failed(&mut self, error: &CallError) {
        self.under_way = false;
        let came = self.text + self.reasoning;
        let was_refused = error.status.is_some()
            || matches!(
                error.kind,
                CallErrorKind::Connect | CallErrorKind::Auth | CallErrorKind::Unavailable
            );
        if came > 0 || !was_refused {
            self.spend();
        }
    }

    fn spend(&mut self) {
        let used = Usage {
            input: self.request.tokens(),
            output: self.text + self.reasoning,
            reasoning: self.reasoning,
            estimated: true,
            ..Usage::default()
        };
        self.bill.usage = self.bill.usage.plus(&used);
    }

    /// These parameters were left out.
    pub fn dropped(&mut self, names: Vec<String>) {
        self.bill.dropped = names;
    }

    /// All of it.
    pub fn bill(mut self) -> CallBill {
        // Left in the middle: what was asked may have been read, and what came was written.
        if self.under_way {
            self.spend();
        }
        self.bill.latency_ms = self.elapsed();
        self.bill.charged = self.bill.usage.charged;
        self.bill
    }

    fn elapsed(&self) -> u64 {
        clock::instant()
            .saturating_duration_since(self.asked)
            .as_millis() as u64
    }
}
