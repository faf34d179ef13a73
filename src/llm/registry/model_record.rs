//! The recorded state of a model: circuit breakers, recent failures, and pauses, both on this server and on others.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::chat::CallError;
use crate::domain::id::UserId;
use crate::domain::model::Availability;
use crate::domain::time::Timestamp;
use crate::llm::breaker::{CircuitBreaker, CircuitView};
use crate::llm::call_origin::{CallOrigin, hash_of};
use crate::llm::recent_failures::RecentFailures;
use crate::llm::shared_blocks::SharedBlocks;

/// Maximum number of users per model who have their own circuit breaker.
const MAX_USER_BREAKERS: usize = 128;

/// The recorded state of a model.
#[derive(Default)]
pub(super) struct ModelRecord {
    /// The circuit breaker for all users. It opens only if the failures affect more than one user.
    pub breaker: CircuitBreaker,
    /// The circuit breakers of single users, by a hash of the user. Each opens only if several of the user's prompts
    /// fail.
    pub user_breakers: BTreeMap<u64, CircuitBreaker>,
    pub failures: RecentFailures,
    /// Whether the prompt template opens the reasoning block, so that the answer only ends it.
    pub omits_opening_tag: bool,
    /// When the provider's rate limit ends.
    pub throttled_until: Option<Timestamp>,
    /// The blocks that other servers have reported.
    pub shared: SharedBlocks,
    /// Fields that the model has rejected, by their names in requests.
    pub refused_fields: Vec<String>,
}

impl ModelRecord {
    /// Records a failed call. Returns the circuits that the failure has opened: for each, the hash of its user (`None`
    /// for the circuit of all users) and how long it stays open.
    pub fn record_failure(
        &mut self,
        origin: CallOrigin,
        error: &CallError,
        now: Timestamp,
    ) -> [Option<(Option<u64>, Duration)>; 2] {
        let user = origin.user_hash;
        self.failures.record_failure(user, error.kind, now);
        let of_all = record_in(&mut self.breaker, error, user, now);
        if self.user_breakers.len() >= MAX_USER_BREAKERS && !self.user_breakers.contains_key(&user)
        {
            self.user_breakers.clear();
        }
        let own = self.user_breakers.entry(user).or_default();
        let of_user = record_in(own, error, origin.prompt_hash, now);
        if *own == CircuitBreaker::default() {
            self.user_breakers.remove(&user);
        }
        [
            of_all.map(|length| (None, length)),
            of_user.map(|length| (Some(user), length)),
        ]
    }

    pub fn reset_blocks(&mut self) {
        (self.breaker, self.throttled_until) = (CircuitBreaker::default(), None);
        self.user_breakers.clear();
        self.shared = SharedBlocks::default();
        self.failures.clear();
    }

    /// Returns when the provider's rate limit ends, according to this server or to others.
    pub fn throttled_until(&self, now: Timestamp) -> Option<Timestamp> {
        let own = self.throttled_until.filter(|until| *until > now);
        own.max(self.shared.paused_until(now))
    }

    pub fn circuit(&self, user: Option<&UserId>, now: Timestamp) -> CircuitView {
        let user = hash_of(user);
        let own = self.user_breakers.get(&user);
        let own = own.map_or(CircuitView::Closed, |own| own.circuit(now));
        let here = match self.breaker.circuit(now) {
            CircuitView::Closed => own,
            open => open,
        };
        match (here, self.shared.circuit_open_until(user, now)) {
            (CircuitView::Open(_), _) | (_, None) => here,
            (_, Some(until)) => CircuitView::Open(until),
        }
    }

    pub fn availability(&self, user: Option<&UserId>, now: Timestamp) -> Availability {
        if matches!(self.circuit(user, now), CircuitView::Open(_)) {
            Availability::CircuitOpen
        } else if self.throttled_until(now).is_some() {
            Availability::Throttled
        } else {
            Availability::Ready
        }
    }
}

/// Records a failed call. If the failure opens the circuit, returns how long it stays open.
fn record_in(
    breaker: &mut CircuitBreaker,
    error: &CallError,
    source: u64,
    now: Timestamp,
) -> Option<Duration> {
    let before = breaker.circuit(now);
    breaker.record_failure(now, error.kind, source);
    match breaker.circuit(now) {
        CircuitView::Open(until) if before != CircuitView::Open(until) => Some(until.since(now)),
        _ => None,
    }
}
