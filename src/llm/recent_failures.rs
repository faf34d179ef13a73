//! Tracks the users whose last call to a model has failed recently. Such a model can still be called, but is shown as
//! failing and is not selected by default. Pure: takes the time as a parameter.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::chat::CallErrorKind;
use crate::domain::time::Timestamp;

/// How long a failure counts as recent.
const FAILURE_AGE: Duration = Duration::from_secs(600);
/// Maximum number of users per model. If there are more, all entries are dropped.
const MAX_USERS: usize = 128;

/// When each user's last call to a model failed, by a hash of the user. A successful call removes the entry.
#[derive(Default)]
pub(super) struct RecentFailures(BTreeMap<u64, Timestamp>);

impl RecentFailures {
    pub fn record_failure(&mut self, user: u64, kind: CallErrorKind, now: Timestamp) {
        if !is_likely_to_recur(kind) {
            return;
        }
        if self.0.len() >= MAX_USERS && !self.0.contains_key(&user) {
            self.0.clear();
        }
        self.0.insert(user, now);
    }

    pub fn record_success(&mut self, user: u64) {
        self.0.remove(&user);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns whether the user's last call failed within the last ten minutes.
    pub fn has_failed_recently(&self, user: u64, now: Timestamp) -> bool {
        self.0
            .get(&user)
            .is_some_and(|failed| now.since(*failed) < FAILURE_AGE)
    }
}

/// Returns whether the next call will probably fail too, because the failure was caused neither by the request nor by a
/// temporary limit nor by Quire itself.
fn is_likely_to_recur(kind: CallErrorKind) -> bool {
    use CallErrorKind::{
        Auth, Connect, Empty, Malformed, Money, Overloaded, Timeout, Truncated, Unavailable,
    };
    matches!(
        kind,
        Connect | Timeout | Auth | Money | Overloaded | Malformed | Truncated | Empty | Unavailable
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + seconds * 1000)
    }

    #[test]
    fn a_failure_counts_for_its_user_until_a_success_or_for_ten_minutes() {
        let mut failures = RecentFailures::default();
        failures.record_failure(1, CallErrorKind::Auth, at(0));
        assert!(failures.has_failed_recently(1, at(599)));
        assert!(
            !failures.has_failed_recently(1, at(600)) && !failures.has_failed_recently(2, at(0))
        );
        failures.record_success(1);
        assert!(!failures.has_failed_recently(1, at(1)));
        for harmless in [
            CallErrorKind::Cancelled,
            CallErrorKind::Rejected,
            CallErrorKind::RateLimited,
        ] {
            failures.record_failure(1, harmless, at(0));
        }
        assert!(!failures.has_failed_recently(1, at(1)));
    }
}
