//! Measures a call as its pieces pass through: attempts, tokens, and the time to the first token. Counts that the
//! provider does not report are estimated and marked as estimates.

use std::time::Instant;

use super::call_request::CallRequest;
use super::cancel_slot::CancelSlot;
use super::event_sink::EventSink;
use super::response_reader::{AnswerSink, StreamProgress};
use crate::clock;
use crate::domain::chat::{
    CallBill, CallError, CallErrorKind, Delta, ModelRequest, TokenEstimate, Usage,
};

pub(super) struct UsageMeter<'a> {
    sink: &'a EventSink,
    slot: &'a CancelSlot,
    request: &'a ModelRequest,
    started_at: Instant,
    bill: CallBill,
    /// The text of the current attempt so far.
    text: TokenEstimate,
    reasoning: TokenEstimate,
    progress: StreamProgress,
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
            text: TokenEstimate::default(),
            reasoning: TokenEstimate::default(),
            progress: StreamProgress::default(),
            holds_text_back: wanted.request.format.is_some(),
            has_sent: false,
            is_in_attempt: false,
        }
    }

    /// Begins a new attempt: counts it, and resets the token counts of the previous one.
    pub fn begin_attempt(&mut self) {
        self.bill.tries += 1;
        (self.text, self.reasoning) = Default::default();
        self.progress = StreamProgress::default();
        self.is_in_attempt = true;
    }

    /// Counts a piece and passes it on to the reader. May wait for a slow client.
    pub async fn add_piece(&mut self, delta: Delta) {
        if self.bill.first_token_ms.is_none() {
            self.bill.first_token_ms = Some(self.elapsed_millis());
        }
        match &delta {
            Delta::Text(text) => self.text.add(text),
            Delta::Reasoning(text) => self.reasoning.add(text),
            Delta::ReasoningBlock(_) => {}
            // The text was in fact reasoning, and will be sent again as such.
            Delta::Restart => (self.text, self.reasoning) = Default::default(),
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
        let reported = self.progress.reported;
        let has_used_tokens = self.estimated_output() + reported.input + reported.output > 0;
        let was_refused = error.status.is_some()
            || matches!(
                error.kind,
                CallErrorKind::Connect | CallErrorKind::Auth | CallErrorKind::Unavailable
            );
        if has_used_tokens || !was_refused {
            self.charge_attempt();
        }
    }

    /// Charges an attempt that did not end with an answer: what the provider has reported, and estimates for the rest.
    /// Providers report the prompt first and the output at the end, so the estimate of the output counts if it is more.
    fn charge_attempt(&mut self) {
        let reported = self.progress.reported;
        let used = match self.progress.is_final {
            true => reported,
            false => self.with_estimates(reported),
        };
        self.bill.usage = self.bill.usage.combined_with(&used);
    }

    fn with_estimates(&self, reported: Usage) -> Usage {
        let output = self.estimated_output();
        Usage {
            input: match reported.input {
                0 => self.request.tokens(),
                input => input,
            },
            output: reported.output.max(output),
            reasoning: reported.reasoning.max(self.reasoning.tokens()),
            estimated: true,
            charged: reported.charged.filter(|_| reported.output >= output),
            ..reported
        }
    }

    /// Stops counting the arguments of tool calls, because they are about to be sent as text.
    pub fn forget_arguments(&mut self) {
        self.progress.argument_bytes = 0;
    }

    fn estimated_output(&self) -> u64 {
        let arguments = self.progress.argument_bytes as u64;
        self.text.tokens() + self.reasoning.tokens() + arguments.div_ceil(4)
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

impl AnswerSink for UsageMeter<'_> {
    fn record_progress(&mut self, progress: StreamProgress) {
        self.progress = progress;
    }

    async fn take(&mut self, delta: Delta) {
        self.add_piece(delta).await;
    }
}
