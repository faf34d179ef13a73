//! Circuit breaker of a model. After several consecutive failed calls, the model is not called for a while. A single
//! trial call then decides whether calls resume. Failures from only one source do not open the circuit, because they
//! may be that source's fault. Pure: takes the time and returns decisions. (M. Nygard, Release It!, "Circuit Breaker".)

use std::time::Duration;

use crate::domain::chat::CallErrorKind;
use crate::domain::time::Timestamp;

/// Number of consecutive failed calls that open the circuit.
const FAILURES_TO_OPEN: u32 = 5;
/// How long the circuit stays open the first time. Each failed trial call doubles this time.
const INITIAL_PAUSE: Duration = Duration::from_secs(20);
/// Maximum time that the circuit stays open.
const MAX_PAUSE: Duration = Duration::from_secs(300);
/// Maximum duration of a trial call. Without this limit, a trial call whose end is never reported would keep the
/// circuit half-open forever.
const MAX_TRIAL: Duration = Duration::from_secs(600);

/// The circuit breaker of one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct CircuitBreaker {
    failures: u32,
    /// Number of times the circuit has opened since the last success.
    opened_count: u32,
    open_until: Option<Timestamp>,
    /// When the current trial call started, if one is running.
    trial_started: Option<Timestamp>,
    /// The source of the first of these consecutive failures.
    source: Option<u64>,
    /// Whether the failures are not the fault of one source: they came from several sources, or no request can have
    /// caused them.
    is_model_wide: bool,
}

/// State of a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitView {
    /// Calls are admitted.
    Closed,
    /// No call is admitted until this time.
    Open(Timestamp),
    /// One trial call is admitted, or is running.
    HalfOpen,
}

impl CircuitBreaker {
    pub fn circuit(&self, now: Timestamp) -> CircuitView {
        match self.open_until {
            None => CircuitView::Closed,
            Some(until) if now < until => CircuitView::Open(until),
            Some(_) => CircuitView::HalfOpen,
        }
    }

    /// Returns whether a call would be refused.
    pub fn refuses_call(&self, now: Timestamp) -> bool {
        match self.circuit(now) {
            CircuitView::Closed => false,
            CircuitView::Open(_) => true,
            CircuitView::HalfOpen => {
                let trial_started = self.trial_started;
                trial_started.is_some_and(|since| now.since(since) <= MAX_TRIAL)
            }
        }
    }

    /// Decides whether to admit a call. While the circuit is half-open, only one call is admitted.
    pub fn admit(&mut self, now: Timestamp) -> bool {
        if self.refuses_call(now) {
            return false;
        }
        if self.circuit(now) == CircuitView::HalfOpen {
            self.trial_started = Some(now);
        }
        true
    }

    pub fn record_success(&mut self) {
        *self = Self::default();
    }

    /// Records a failed call. Only failures of the model count: a rejected request says nothing about the model's
    /// health, and a rate limit shows that the provider works. `source` identifies what may be at fault instead of the
    /// model: a user or, in a user's own breaker, one of the user's prompts.
    pub fn record_failure(&mut self, now: Timestamp, kind: CallErrorKind, source: u64) {
        let was_trial = self.trial_started.take().is_some();
        if !is_model_failure(kind) {
            if was_trial && !matches!(kind, CallErrorKind::Cancelled) {
                self.record_success();
            }
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let first = *self.source.get_or_insert(source);
        self.is_model_wide |= first != source || kind == CallErrorKind::Connect;
        let is_still_open = matches!(self.circuit(now), CircuitView::Open(_));
        if was_trial || (self.failures >= FAILURES_TO_OPEN && self.is_model_wide && !is_still_open)
        {
            let pause = INITIAL_PAUSE * 2u32.saturating_pow(self.opened_count.min(8));
            self.open_until = Some(now + pause.min(MAX_PAUSE));
            self.opened_count += 1;
        }
    }
}

fn is_model_failure(kind: CallErrorKind) -> bool {
    use CallErrorKind::{Connect, Empty, Malformed, Overloaded, Timeout, Truncated};
    matches!(
        kind,
        Connect | Timeout | Overloaded | Malformed | Truncated | Empty
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use CallErrorKind::{Cancelled, Overloaded, RateLimited, Rejected};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + seconds * 1000)
    }

    fn open_breaker() -> CircuitBreaker {
        let mut breaker = CircuitBreaker::default();
        for source in 0..FAILURES_TO_OPEN {
            assert!(breaker.admit(at(0)));
            breaker.record_failure(at(0), Overloaded, source.into());
        }
        breaker
    }

    #[test]
    fn failures_of_a_single_source_do_not_open_the_circuit() {
        for (sources, kind, is_open) in [
            ([7, 7, 7, 7, 7, 7, 7, 7], Overloaded, false),
            ([7, 7, 7, 7, 7, 7, 7, 8], Overloaded, true),
            ([7, 7, 7, 7, 7, 7, 7, 7], CallErrorKind::Connect, true),
        ] {
            let mut breaker = CircuitBreaker::default();
            for source in sources {
                breaker.record_failure(at(0), kind, source);
            }
            let has_opened = breaker.circuit(at(0)) != CircuitView::Closed;
            assert_eq!(has_opened, is_open, "{sources:?} {kind:?}");
        }
    }

    #[test]
    fn the_circuit_opens_after_failures_and_admits_a_trial_later() {
        let mut breaker = open_breaker();
        assert_eq!(breaker.circuit(at(1)), CircuitView::Open(at(20)));
        assert!(!breaker.admit(at(19)));
        assert!(breaker.admit(at(20)) && !breaker.admit(at(20)));
        breaker.record_failure(at(21), Overloaded, 1);
        assert_eq!(breaker.circuit(at(21)), CircuitView::Open(at(61)));
        assert!(breaker.admit(at(61)));
        breaker.record_success();
        assert_eq!(breaker.circuit(at(61)), CircuitView::Closed);
    }

    #[test]
    fn failures_unrelated_to_health_do_not_count() {
        let mut breaker = CircuitBreaker::default();
        for kind in [RateLimited, Rejected, Cancelled, CallErrorKind::Money] {
            for source in 0..FAILURES_TO_OPEN * 2 {
                breaker.record_failure(at(0), kind, source.into());
            }
        }
        assert_eq!(breaker.circuit(at(0)), CircuitView::Closed);
        // After a canceled trial call, the next call is the trial call.
        let mut breaker = open_breaker();
        assert!(breaker.admit(at(30)));
        breaker.record_failure(at(31), Cancelled, 1);
        assert_eq!(breaker.circuit(at(31)), CircuitView::HalfOpen);
        assert!(breaker.admit(at(31)));
        // A rate limit shows that the model works.
        breaker.record_failure(at(32), RateLimited, 1);
        assert_eq!(breaker.circuit(at(32)), CircuitView::Closed);
    }

    #[test]
    fn running_calls_do_not_extend_the_pause() {
        let mut breaker = open_breaker();
        breaker.record_failure(at(10), Overloaded, 1);
        assert_eq!(breaker.circuit(at(10)), CircuitView::Open(at(20)));
    }

    proptest! {
        #[test]
        fn the_circuit_always_admits_calls_again(steps in prop::collection::vec((0i64..400, 0u8..4), 0..60)) {
            let (mut breaker, mut now) = (CircuitBreaker::default(), 0);
            for (pause, what) in steps {
                now += pause;
                match what {
                    0 => breaker.record_success(),
                    1 => { breaker.admit(at(now)); }
                    2 => breaker.record_failure(at(now), Overloaded, now as u64),
                    _ => breaker.record_failure(at(now), Cancelled, 1),
                }
                if let CircuitView::Open(until) = breaker.circuit(at(now)) {
                    prop_assert!(until.since(at(now)) <= MAX_PAUSE);
                }
            }
            let later = at(now) + MAX_PAUSE + MAX_TRIAL + Duration::from_secs(1);
            prop_assert!(breaker.admit(later));
        }
    }
}
