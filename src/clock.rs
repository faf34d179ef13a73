//! The only place that asks the time. Everything else is handed it.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::domain::time::Timestamp;

/// The wall clock: for what is stored and shown.
pub fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The steady clock: for lengths of time. It does not jump when the machine's time is set.
pub fn instant() -> Instant {
    Instant::now()
}
