//! Measures a call as its pieces pass through: attempts, tokens, and the time to the first token. Counts that the
//! provider does not report are estimated and marked as estimates.

use std::time::Instant;

use super::call_request::CallRequest;
use super::cancel_slot::CancelSlot;
use super::event_sink::EventSink;
use super::response_reader::DeltaSink;
use crate::clock;
use crate::domain::chat::{
    CallBill, CallError, CallErrorKind, Delta, ModelRequest, Usage, estimate_tokens,
};

pub(super) struct UsageMeter<'a> {
    sink: &'a EventSink,
    slot: &'a CancelSlot,
    request: &'a ModelRequest,
    started_at: Instant,
    bill: CallBill,
    /// Estimated number of text tokens in the current attempt.
    text: u64,
    reasoning: u64,
    /// Whether text is held back until the answer is complete and has been found to match the schema.
    holds_text_back: bool,
    has_sent: bool,
    is_in_attempt: bool,
}

impl<'a> UsageMeter<'a> {
    pub fn new(wanted: &'a CallRequest, sink: &'a EventSink, slot: &'a CancelSlot) -> Self {
        Self {
            sink,
            slot,
            request: wanted.request,
            started_at: wanted.queued_at,
            bill: CallBill::default(),
            text: 0,
            reasoning: 0,
            holds_text_back: wanted.request.format.is_some(),
            has_sent: false,
            is_in_attempt: false,
        }
    }

    /// Begins a new attempt: counts it, and resets the token counts of the previous one.
    pub fn begin_attempt(&mut self) {
        self.bill.tries += 1;
        (self.text, self.reasoning) = (0, 0);
        self.is_in_attempt = true;
    }

    /// Counts a piece and passes it on to the reader. May wait for a slow client.
    pub async fn add_piece(&mut self, delta: Delta) {
        if self.bill.first_token_ms.is_none() {
            self.bill.first_token_ms = Some(self.elapsed_millis());
        }
        match &delta {
            Delta::Text(text) => self.text += estimate_tokens(text),
            Delta::Reasoning(text) => self.reasoning += estimate_tokens(text),
            Delta::ReasoningBlock(_) => {}
            // The text was in fact reasoning, and will be sent again as such.
            Delta::Restart => (self.text, self.reasoning) = (0, 0),
        }
        if !(self.holds_text_back && matches!(delta, Delta::Text(_))) {
            self.has_sent = true;
            self.sink.send(delta, self.slot).await;
        }
    }

    /// Returns whether any part of an answer has been sent.
    pub fn has_sent_output(&self) -> bool {
        self.has_sent
    }

    /// Tells the reader to discard the text sent so far, because another answer will be requested.
    pub async fn restart(&mut self) {
        if std::mem::take(&mut self.has_sent) {
            self.sink.send(Delta::Restart, self.slot).await;
        }
    }

    /// Ends an attempt that returned an answer.
    pub fn end_with_answer(&mut self, usage: &Usage) {
        self.is_in_attempt = false;
        self.bill.usage = self.bill.usage.combined_with(usage);
    }

    /// Ends an attempt that failed. A rejected request costs nothing, but an answer that has begun does.
    pub fn end_with_failure(&mut self, error: &CallError) {
        self.is_in_attempt = false;
        let output_so_far = self.text + self.reasoning;
        let was_refused = error.status.is_some()
            || matches!(
                error.kind,
                CallErrorKind::Connect | CallErrorKind::Auth | CallErrorKind::Unavailable
            );
        if output_so_far > 0 || !was_refused {
            self.charge_attempt();
        }
    }

    fn charge_attempt(&mut self) {
        let used = Usage {
            input: self.request.tokens(),
            output: self.text + self.reasoning,
            reasoning: self.reasoning,
            estimated: true,
            ..Usage::default()
        };
        self.bill.usage = self.bill.usage.combined_with(&used);
    }

    /// Records the names of the parameters that were not sent to the model.
    pub fn record_omitted(&mut self, names: Vec<String>) {
        self.bill.dropped = names;
    }

    /// Returns the totals of the call.
    pub fn bill(mut self) -> CallBill {
        // The current attempt was interrupted. Its prompt may have been processed, and some output may have been
        // generated.
        if self.is_in_attempt {
            self.charge_attempt();
        }
        self.bill.latency_ms = self.elapsed_millis();
        self.bill.charged = self.bill.usage.charged;
        self.bill
    }

    fn elapsed_millis(&self) -> u64 {
        clock::instant()
            .saturating_duration_since(self.started_at)
            .as_millis() as u64
    }
}

impl DeltaSink for UsageMeter<'_> {
    async fn take(&mut self, delta: Delta) {
        self.add_piece(delta).await;
    }
}
