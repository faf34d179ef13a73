//! Measures a call while its pieces pass through: attempts, tokens, time to the first token. Counts that the provider
//! does not report are estimated and marked as such.

use std::time::Instant;

use super::call_request::CallRequest;
use crate::clock;
use crate::domain::chat::{
    CallBill, CallError, CallErrorKind, Delta, ModelRequest, Usage, estimate_tokens,
};

pub(super) struct UsageMeter<'a> {
    send: &'a mut dyn FnMut(Delta),
    request: &'a ModelRequest,
    asked: Instant,
    bill: CallBill,
    /// Estimated text tokens of the current attempt.
    text: u64,
    reasoning: u64,
    /// Whether text is held until the whole answer is known to match the schema.
    holds_text: bool,
    shown: bool,
    under_way: bool,
}

impl<'a> UsageMeter<'a> {
    pub fn new(wanted: &'a CallRequest, send: &'a mut dyn FnMut(Delta)) -> Self {
        Self {
            send,
            request: wanted.request,
            asked: wanted.queued_at,
            bill: CallBill::default(),
            text: 0,
            reasoning: 0,
            holds_text: wanted.request.format.is_some(),
            shown: false,
            under_way: false,
        }
    }

    /// Begins an attempt.
    pub fn begin(&mut self) {
        self.bill.tries += 1;
        (self.text, self.reasoning) = (0, 0);
        self.under_way = true;
    }

    /// Counts a piece and passes it on.
    pub fn take(&mut self, delta: Delta) {
        if self.bill.first_token_ms.is_none() {
            self.bill.first_token_ms = Some(self.elapsed());
        }
        match &delta {
            Delta::Text(text) => self.text += estimate_tokens(text),
            Delta::Reasoning(text) => self.reasoning += estimate_tokens(text),
            Delta::Sealed(_) => {}
            // The text turns out to be reasoning, and is sent again.
            Delta::Restart => (self.text, self.reasoning) = (0, 0),
        }
        if !(self.holds_text && matches!(delta, Delta::Text(_))) {
            self.shown = true;
            (self.send)(delta);
        }
    }

    /// Whether any part of an answer was sent.
    pub fn has_shown(&self) -> bool {
        self.shown
    }

    /// Retracts what was sent, because another answer is requested.
    pub fn restart(&mut self) {
        if std::mem::take(&mut self.shown) {
            (self.send)(Delta::Restart);
        }
    }

    /// Ends an attempt with an answer.
    pub fn answered(&mut self, usage: &Usage) {
        self.under_way = false;
        self.bill.usage = self.bill.usage.plus(usage);
    }

    /// Ends an attempt without an answer. A refusal costs nothing; an answer that had begun does.
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

    /// Records the parameters that were omitted.
    pub fn dropped(&mut self, names: Vec<String>) {
        self.bill.dropped = names;
    }

    /// Returns the totals of the call.
    pub fn bill(mut self) -> CallBill {
        // The attempt was interrupted: its prompt may have been processed, and its output was generated.
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
