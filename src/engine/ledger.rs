//! Tracks a run's calls and their cost. Every call that starts is recorded here and produces exactly one charge,
//! however it ends. Makes no budget decisions.

use std::collections::BTreeMap;

use super::answer_cache::{CacheKey, LeaderGuard};
use crate::domain::chat::{CallBill, CallErrorKind, Delta, ModelRequest, TokenEstimate, Usage};
use crate::domain::event::RunTotals;
use crate::domain::money::{MicroDollars, Price};
use crate::domain::pattern::{CallId, CallReservation};
use crate::domain::time::Timestamp;
use crate::domain::usage::{CallCharge, CallEnd, cost};
use crate::llm::RunningCall;

/// Number of output tokens to reserve at a time for an answer without its own limit.
const OUTPUT_RESERVATION_STEP: u64 = 1_000;

/// The calls of one run.
#[derive(Default)]
pub(super) struct CallLedger {
    /// The last call number. Numbers are never reused, because late events of a stopped call must not be attributed to
    /// a later call.
    last_number: u64,
    // Boxed, because each node of the map allocates room for eleven entries.
    open_calls: BTreeMap<u64, Box<OpenCall>>,
    charges: Vec<CallCharge>,
    stopped_usage: StoppedCallUsage,
}

/// A call in progress, or a stopped call that has not been billed yet.
pub(super) struct OpenCall {
    pub call: CallId,
    pub model: String,
    /// Cache key, if the answer may be cached.
    pub key: Option<CacheKey>,
    /// Held as long as other callers may wait for the result of the same call.
    pub leader: Option<LeaderGuard>,
    /// Cancels the call when dropped. `None` once the call has been stopped, after which the state machine ignores it.
    running_call: Option<RunningCall>,
    price: Option<Price>,
    own_key: bool,
    started_at: Timestamp,
    /// Estimated input tokens. Like the output below, they are used if no bill arrives.
    input: u64,
    text: TokenEstimate,
    reasoning: TokenEstimate,
    first_token_ms: Option<u64>,
    /// Number of reserved output tokens; `None` if the reservation need not grow with the output.
    reserved_output: Option<u64>,
}

/// Usage of stopped calls, which the state machine does not count.
#[derive(Default)]
struct StoppedCallUsage {
    calls: u32,
    usage: Usage,
    cost: MicroDollars,
    incomplete: bool,
}

impl CallLedger {
    /// Returns a new call number, which identifies a call within the run.
    pub fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Registers a started call.
    pub fn open(&mut self, number: u64, open: OpenCall) {
        self.open_calls.insert(number, Box::new(open));
    }

    /// Counts a streamed piece. Returns the piece's call, or `None` if the call was stopped.
    pub fn count_piece(&mut self, number: u64, delta: &Delta, now: Timestamp) -> Option<CallId> {
        let open_call = self.open_calls.get_mut(&number)?;
        match delta {
            Delta::Text(text) => open_call.text.add(text),
            Delta::Reasoning(text) => open_call.reasoning.add(text),
            Delta::ReasoningBlock(_) | Delta::Restart => {}
        }
        let since = now.since(open_call.started_at).as_millis() as u64;
        open_call.first_token_ms.get_or_insert(since);
        open_call.running_call.is_some().then_some(open_call.call)
    }

    /// Returns the additional reservation ([`OUTPUT_RESERVATION_STEP`] output tokens) that a running call needs if its
    /// output exceeds the current reservation; `None` if it does not.
    pub fn needed_reservation(&self, number: u64) -> Option<CallReservation> {
        let open_call = self.open_calls.get(&number)?;
        let is_over = open_call
            .reserved_output
            .is_some_and(|max_output| open_call.progress().output > max_output);
        if !is_over || open_call.running_call.is_none() {
            return None;
        }
        let extra_usage = Usage {
            output: OUTPUT_RESERVATION_STEP,
            ..Usage::default()
        };
        Some(CallReservation {
            call: open_call.call,
            model: open_call.model.clone(),
            input_tokens: 0,
            output_tokens: OUTPUT_RESERVATION_STEP,
            cost: open_call.price.map(|price| price.cost(&extra_usage)),
        })
    }

    /// Records that additional output has been reserved for a call.
    pub fn extend(&mut self, number: u64, output: u64) {
        if let Some(open) = self.open_calls.get_mut(&number) {
            open.reserved_output = open
                .reserved_output
                .map(|max_output| max_output.saturating_add(output));
        }
    }

    /// Ends a call with the text received so far, because no budget has room for more.
    pub fn cut_off(&mut self, number: u64) {
        if let Some(open) = self.open_calls.get_mut(&number) {
            open.reserved_output = None;
            if let Some(running) = &open.running_call {
                running.cut_off();
            }
        }
    }

    /// Stops a call. Its bill will arrive later.
    pub fn stop(&mut self, call: CallId) {
        for open in self
            .open_calls
            .values_mut()
            .filter(|open| open.call == call)
        {
            drop(open.running_call.take());
        }
    }

    /// Stops all calls that are still running.
    pub fn stop_all(&mut self) {
        for open in self.open_calls.values_mut() {
            drop(open.running_call.take());
        }
    }

    /// Returns whether all bills have arrived.
    pub fn is_settled(&self) -> bool {
        self.open_calls.is_empty()
    }

    /// Ends a call and records its charge. Returns the call, unless it was stopped before.
    pub fn close(
        &mut self,
        number: u64,
        error: Option<CallErrorKind>,
        bill: &CallBill,
    ) -> Option<OpenCall> {
        let open_call = self.open_calls.remove(&number)?;
        let stopped = open_call.running_call.is_none();
        let call_end = match error {
            _ if stopped => CallEnd::Cancelled,
            None => CallEnd::Answered,
            Some(CallErrorKind::Cancelled) => CallEnd::Cancelled,
            Some(_) => CallEnd::Failed,
        };
        self.charge(&open_call, call_end, bill.clone());
        (!stopped).then_some(*open_call)
    }

    /// Charges calls without a bill according to Quire's own token count, and marks the charges as estimated.
    pub fn estimate_missing(&mut self, now: Timestamp) {
        for open in std::mem::take(&mut self.open_calls).into_values() {
            let bill = CallBill {
                usage: open.progress(),
                tries: 1,
                latency_ms: now.since(open.started_at).as_millis() as u64,
                first_token_ms: open.first_token_ms,
                ..CallBill::default()
            };
            self.charge(&open, CallEnd::Cancelled, bill);
        }
    }

    fn charge(&mut self, open: &OpenCall, ended: CallEnd, bill: CallBill) {
        if open.running_call.is_none() && bill.tries > 0 {
            self.stopped_usage.calls += 1;
            self.stopped_usage.usage = self.stopped_usage.usage.combined_with(&bill.usage);
            match cost(&bill, open.price) {
                Some(cost) => {
                    self.stopped_usage.cost = self.stopped_usage.cost.saturating_add(cost)
                }
                None => self.stopped_usage.incomplete = true,
            }
        }
        self.charges.push(CallCharge {
            call: open.call,
            model: open.model.clone(),
            started_at: open.started_at,
            outcome: ended,
            bill,
            price: open.price,
            own_key: open.own_key,
        });
    }

    /// Takes the recorded charges in order to store them.
    pub fn take_charges(&mut self) -> Vec<CallCharge> {
        std::mem::take(&mut self.charges)
    }

    /// Adds the usage of stopped calls to a run's totals.
    pub fn add_stopped_usage(&self, totals: &mut RunTotals) {
        let stopped_usage_total = &self.stopped_usage;
        totals.usage = totals.usage.combined_with(&stopped_usage_total.usage);
        totals.cost_usd = totals.cost_usd.saturating_add(stopped_usage_total.cost);
        totals.cost_incomplete |= stopped_usage_total.incomplete;
        if stopped_usage_total.usage.input + stopped_usage_total.usage.output > 0 {
            let calls = match stopped_usage_total.calls {
                1 => "a call that was".to_owned(),
                calls => format!("{calls} calls that were"),
            };
            totals
                .notes
                .push(format!("what {calls} stopped midway took is counted"));
        }
    }
}

impl OpenCall {
    /// Creates the record of a call that is about to start.
    pub fn new(call: CallId, request: &ModelRequest, now: Timestamp) -> Self {
        Self {
            call,
            model: request.model.clone(),
            key: None,
            leader: None,
            running_call: None,
            price: None,
            own_key: false,
            started_at: now,
            input: request.tokens(),
            text: TokenEstimate::default(),
            reasoning: TokenEstimate::default(),
            first_token_ms: None,
            reserved_output: None,
        }
    }

    /// Returns the estimated tokens so far.
    fn progress(&self) -> Usage {
        let reasoning = self.reasoning.tokens();
        Usage {
            input: self.input,
            output: self.text.tokens() + reasoning,
            reasoning,
            estimated: true,
            ..Usage::default()
        }
    }

    /// Sets the handle that cancels the call when dropped.
    pub fn with_running_call(self, running: RunningCall) -> Self {
        Self {
            running_call: Some(running),
            ..self
        }
    }

    /// Makes the call stop after this many output tokens.
    pub fn limit_output(&mut self, tokens: u64) {
        if let Some(running) = &self.running_call {
            running.limit_output(tokens);
        }
    }

    /// Requires an additional reservation once the call has produced this many output tokens.
    pub fn watch_output(&mut self, tokens: u64) {
        self.reserved_output = Some(tokens);
    }

    /// Sets the price per token, and whether the user's own provider key pays.
    pub fn with_price(self, price: Option<Price>, own_key: bool) -> Self {
        Self {
            price,
            own_key,
            ..self
        }
    }

    /// Sets the cache key, and the leader guard whose release other callers wait for.
    pub fn with_cache_key(self, key: Option<CacheKey>, seat: Option<LeaderGuard>) -> Self {
        Self {
            key,
            leader: seat,
            ..self
        }
    }
}
