//! Whether a failed call is worth another try, and after how long. Pure; who waits is `call`.

use std::time::Duration;

use super::Settings;
use crate::domain::chat::{CallError, CallErrorKind};

/// A provider that asks for more than this is out for this run: better to go on without its model.
const LONGEST: Duration = Duration::from_secs(30);

/// What another try depends on.
pub(super) struct Failure<'a> {
    pub error: &'a CallError,
    /// Tries before this one.
    pub tries: u32,
    /// Time left for the whole call.
    pub left: Duration,
    /// Told apart by this, members of a panel that were turned away together do not come back together.
    pub spread: u64,
}

/// How long to wait before the next try; none when there should be none.
pub(super) fn pause(failure: &Failure, settings: &Settings) -> Option<Duration> {
    let error = failure.error;
    if failure.tries >= settings.retries || !may_pass(error) {
        return None;
    }
    let own = settings.retry_pause * 3u32.saturating_pow(failure.tries);
    let wait = match (error.retry_after_ms, error.kind) {
        (Some(millis), _) => Duration::from_millis(millis).max(own),
        // A limit by the minute is not over in a second.
        (None, CallErrorKind::RateLimited) => own * 5,
        (None, _) => own,
    };
    let wait = wait + wait / 1024 * (failure.spread % 256) as u32;
    // With less than half the time left a new answer would hardly be whole.
    (wait <= LONGEST && wait * 2 < failure.left).then_some(wait)
}

/// Money, keys and refused requests do not get better by waiting.
fn may_pass(error: &CallError) -> bool {
    match error.kind {
        CallErrorKind::RateLimited
        | CallErrorKind::Overloaded
        | CallErrorKind::Truncated
        | CallErrorKind::Connect => true,
        // The provider's own limit, not ours: ours has used up the time.
        CallErrorKind::Timeout => error.status.is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_try_and_when() {
        use CallErrorKind::*;
        let second = Duration::from_secs(1);
        let settings = Settings {
            retries: 2,
            retry_pause: second,
            ..Settings::default()
        };
        for (kind, status, after, tries, left, expected) in [
            (Overloaded, Some(503), None, 0, 300, Some(1_000)),
            (Overloaded, Some(503), None, 1, 300, Some(3_000)),
            (Overloaded, Some(503), None, 2, 300, None),
            (Overloaded, None, None, 0, 2, None),
            (RateLimited, Some(429), None, 0, 300, Some(5_000)),
            (RateLimited, Some(429), Some(2_500), 0, 300, Some(2_500)),
            (RateLimited, Some(429), Some(10), 0, 300, Some(1_000)),
            (RateLimited, Some(429), Some(40_000), 0, 300, None),
            (RateLimited, Some(429), Some(u64::MAX), 0, 300, None),
            (Truncated, None, None, 0, 300, Some(1_000)),
            (Connect, None, None, 0, 300, Some(1_000)),
            (Timeout, None, None, 0, 300, None),
            (Timeout, Some(504), None, 0, 300, Some(1_000)),
            (Money, Some(429), Some(1_000), 0, 300, None),
            (Auth, Some(401), None, 0, 300, None),
            (Rejected, Some(400), None, 0, 300, None),
            (Malformed, None, None, 0, 300, None),
            (Cancelled, None, None, 0, 300, None),
        ] {
            let mut error = CallError::new(kind, "");
            (error.status, error.retry_after_ms) = (status, after);
            let left = Duration::from_secs(left);
            let failure = Failure {
                error: &error,
                tries,
                left,
                spread: 0,
            };
            let found = pause(&failure, &settings).map(|wait| wait.as_millis() as u64);
            assert_eq!(
                found, expected,
                "{kind:?} {status:?} {after:?} after {tries} in {left:?}"
            );
        }
    }

    #[test]
    fn those_turned_away_together_come_back_apart() {
        let error = CallError::new(CallErrorKind::Overloaded, "");
        let settings = Settings::default();
        let at = |spread| {
            let left = Duration::from_secs(300);
            pause(
                &Failure {
                    error: &error,
                    tries: 0,
                    left,
                    spread,
                },
                &settings,
            )
        };
        assert!(at(0) < at(1) && at(255) < at(0).map(|wait| wait * 5 / 4));
    }
}
