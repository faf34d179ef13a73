//! Decides whether and when to retry a failed call. Pure: the pause itself takes place in `attempt`.

use std::time::Duration;

use crate::domain::chat::{CallError, CallErrorKind};

/// Maximum pause that Quire chooses itself. A provider may require a longer one.
const MAX_PAUSE: Duration = Duration::from_secs(20);

/// Minimum ratio between a pause and the maximum of the previous pause.
const MIN_GROWTH: f64 = 1.2;

/// A failed attempt and its circumstances.
pub(super) struct FailedAttempt<'a> {
    pub error: &'a CallError,
    /// Whether the attempt failed in the middle of an answer.
    pub failed_mid_answer: bool,
    /// Number of attempts that preceded this one.
    pub tries: u32,
    /// Maximum number of retries.
    pub retries: u32,
    /// Maximum length of the first pause. Later pauses can be longer.
    pub pause: Duration,
    /// Time that is left for the whole call.
    pub time_left: Duration,
    /// A random number in [0, 1), so that panel members that were refused at the same time do not retry at the same
    /// time.
    pub random: f64,
}

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryDecision {
    /// Retry after this pause.
    Retry(Duration),
    /// A retry would help, but the pause that the provider requires is too long for the call.
    TooLong(Duration),
    /// A retry would not help.
    Never,
}

/// Decides whether to retry, with exponential backoff and jitter (M. Brooker, "Exponential Backoff And Jitter", AWS
/// 2015). The first pause is a random time up to its maximum. The maximum doubles with each retry, and each later pause
/// is longer than the previous maximum, so a struggling server receives fewer and fewer calls. If the provider requires
/// a pause, it is the minimum.
pub(super) fn next(failure: &FailedAttempt) -> RetryDecision {
    let error = failure.error;
    if failure.tries >= failure.retries || !is_retryable(failure) {
        return RetryDecision::Never;
    }
    // A limit per minute is not reset within a second.
    let scale = if error.kind == CallErrorKind::RateLimited {
        4
    } else {
        1
    };
    let ceiling = failure.pause * scale * 2u32.saturating_pow(failure.tries.min(16));
    let floor = match failure.tries {
        0 => Duration::ZERO,
        _ => ceiling.mul_f64(MIN_GROWTH / 2.0).min(MAX_PAUSE),
    };
    let room = ceiling.min(MAX_PAUSE).saturating_sub(floor);
    let jitter = floor + room.mul_f64(failure.random.clamp(0.0, 1.0));
    let requested_wait = error.retry_after_ms.map(Duration::from_millis);
    let wait = requested_wait.map_or(jitter, |requested| requested.saturating_add(jitter / 4));
    // If less than half of the remaining time were left after the pause, the new answer would rarely be complete.
    if wait.saturating_mul(2) < failure.time_left {
        RetryDecision::Retry(wait)
    } else {
        requested_wait.map_or(RetryDecision::Never, RetryDecision::TooLong)
    }
}

/// Returns whether a retry can help. Exhausted budgets, invalid keys, and rejected requests do not change with time.
fn is_retryable(failure: &FailedAttempt) -> bool {
    let is_first = failure.tries == 0;
    match failure.error.kind {
        CallErrorKind::RateLimited
        | CallErrorKind::Overloaded
        | CallErrorKind::Truncated
        | CallErrorKind::Connect => true,
        // If an answer is empty, or if the server stalls or sends invalid data in the middle of one, only the first
        // retry has a chance to succeed.
        CallErrorKind::Empty => is_first,
        CallErrorKind::Malformed => is_first && failure.failed_mid_answer,
        // This is the provider's own timeout. After Quire's timeout, no time would be left for a retry.
        CallErrorKind::Timeout => {
            failure.error.status.is_some() || (is_first && failure.failed_mid_answer)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_and_their_pauses() {
        use CallErrorKind::*;
        let again = |millis| RetryDecision::Retry(Duration::from_millis(millis));
        let too_long = |millis| RetryDecision::TooLong(Duration::from_millis(millis));
        for (kind, status, after, tries, left, expected) in [
            (Overloaded, Some(503), None, 0, 300, again(500)),
            (Overloaded, Some(529), None, 1, 300, again(1_600)),
            (Overloaded, Some(503), None, 2, 300, RetryDecision::Never),
            (Overloaded, None, None, 0, 1, RetryDecision::Never),
            (RateLimited, Some(429), None, 0, 300, again(2_000)),
            (RateLimited, Some(429), Some(2_500), 0, 300, again(3_000)),
            (RateLimited, Some(429), Some(10), 0, 300, again(510)),
            (RateLimited, Some(429), Some(40_000), 0, 300, again(40_500)),
            (
                RateLimited,
                Some(429),
                Some(40_000),
                0,
                60,
                too_long(40_000),
            ),
            (
                RateLimited,
                Some(429),
                Some(u64::MAX),
                0,
                300,
                too_long(u64::MAX),
            ),
            (Truncated, None, None, 0, 300, again(500)),
            (Connect, None, None, 0, 300, again(500)),
            (Timeout, None, None, 0, 300, RetryDecision::Never),
            (Timeout, Some(504), None, 0, 300, again(500)),
            (Money, Some(429), Some(1_000), 0, 300, RetryDecision::Never),
            (Auth, Some(401), None, 0, 300, RetryDecision::Never),
            (Rejected, Some(400), None, 0, 300, RetryDecision::Never),
            (Malformed, None, None, 0, 300, RetryDecision::Never),
            (Empty, None, None, 0, 300, again(500)),
            (Empty, None, None, 1, 300, RetryDecision::Never),
            (Cancelled, None, None, 0, 300, RetryDecision::Never),
        ] {
            let mut error = CallError::new(kind, "");
            (error.status, error.retry_after_ms) = (status, after);
            let failure = FailedAttempt {
                error: &error,
                failed_mid_answer: false,
                tries,
                retries: 2,
                pause: Duration::from_secs(1),
                time_left: Duration::from_secs(left),
                random: 0.5,
            };
            assert_eq!(
                next(&failure),
                expected,
                "{kind:?} {status:?} {after:?} after {tries} with {left} s left"
            );
        }
    }

    #[test]
    fn an_interrupted_answer_is_retried_once() {
        use CallErrorKind::*;
        for kind in [Malformed, Timeout] {
            for (failed_mid_answer, tries, expected) in
                [(true, 0, true), (true, 1, false), (false, 0, false)]
            {
                let error = CallError::new(kind, "");
                let decision = next(&FailedAttempt {
                    error: &error,
                    failed_mid_answer,
                    tries,
                    retries: 2,
                    pause: Duration::from_secs(1),
                    time_left: Duration::from_secs(300),
                    random: 0.5,
                });
                assert_eq!(
                    decision != RetryDecision::Never,
                    expected,
                    "{kind:?} {failed_mid_answer} {tries}"
                );
            }
        }
    }

    #[test]
    fn calls_refused_together_retry_at_different_times() {
        let error = CallError::new(CallErrorKind::Overloaded, "");
        let at = |random| {
            next(&FailedAttempt {
                error: &error,
                failed_mid_answer: false,
                tries: 0,
                retries: 2,
                pause: Duration::from_secs(1),
                time_left: Duration::from_secs(300),
                random,
            })
        };
        assert_eq!(at(0.0), RetryDecision::Retry(Duration::ZERO));
        assert_eq!(at(0.25), RetryDecision::Retry(Duration::from_millis(250)));
        assert_eq!(at(1.0), RetryDecision::Retry(Duration::from_secs(1)));
    }

    #[test]
    fn every_pause_is_longer_than_the_one_before() {
        let error = CallError::new(CallErrorKind::Overloaded, "");
        let at = |tries, random| {
            next(&FailedAttempt {
                error: &error,
                failed_mid_answer: false,
                tries,
                retries: 9,
                pause: Duration::from_secs(1),
                time_left: Duration::from_secs(300),
                random,
            })
        };
        let millis = |next| match next {
            RetryDecision::Retry(wait) => wait.as_millis(),
            other => panic!("{other:?}"),
        };
        for tries in 1..4 {
            let (before, after) = (millis(at(tries - 1, 1.0)), millis(at(tries, 0.0)));
            assert!(after * 10 > before * 11, "{after} ms after {before} ms");
        }
        assert_eq!(millis(at(8, 1.0)), MAX_PAUSE.as_millis());
    }
}
