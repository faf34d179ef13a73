//! The only module that reads the time; everything else receives it as an argument.
//!
//! There are three clocks: the times of `now` are stored and shown, `instant` measures durations, and the
//! times of `monotonic_now` are compared in memory (deadlines, circuit breakers, rate limits). Only `now`
//! jumps when the machine's time is set.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::time::Timestamp;

/// Returns the wall-clock time, for moments that are stored or shown.
pub fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    #[cfg(any(test, feature = "testing"))]
    let now = now + jump::offset();
    now
}

/// Returns the monotonic time, for durations. Does not jump when the machine's time is set.
pub fn instant() -> Instant {
    Instant::now()
}

/// Returns the monotonic time as a timestamp: the wall-clock time at the first use plus the time elapsed
/// since. Never store it, and display it only through [`to_wall_clock`].
pub fn monotonic_now() -> Timestamp {
    static CLOCK_ORIGIN: OnceLock<(Timestamp, Instant)> = OnceLock::new();
    let (wall, since) = CLOCK_ORIGIN.get_or_init(|| (now(), instant()));
    *wall + instant().saturating_duration_since(*since)
}

/// Converts a time from [`monotonic_now`] to wall-clock time, assuming that the wall clock is not set in between.
pub fn to_wall_clock(moment: Timestamp) -> Timestamp {
    let (wall, monotonic) = (now(), monotonic_now());
    wall + moment.since(monotonic) - monotonic.since(moment)
}

/// Clock of one run: the wall-clock time at its start plus the time elapsed since. A run's times stay consistent
/// whatever happens to the wall clock.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    started_at: Timestamp,
    since: Instant,
}

impl Stopwatch {
    /// Starts a clock at the current wall-clock time.
    pub fn start() -> Self {
        Self {
            started_at: now(),
            since: instant(),
        }
    }

    /// Returns the wall-clock time at the start plus the time elapsed since.
    pub fn now(&self) -> Timestamp {
        self.started_at + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        instant().saturating_duration_since(self.since)
    }
}

/// Moves the wall clock forward for one thread, as `date --set` does for a machine.
#[cfg(any(test, feature = "testing"))]
pub mod jump {
    use std::cell::Cell;
    use std::time::Duration;

    thread_local! {
        static OFFSET: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    /// Returns the offset of this thread's wall clock.
    pub fn offset() -> Duration {
        OFFSET.get()
    }

    /// Sets how far this thread's wall clock is ahead of the real time.
    pub fn set_offset(length: Duration) {
        OFFSET.set(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_wall_clock_jumps() {
        let year = Duration::from_secs(365 * 86_400);
        let watch = Stopwatch::start();
        let (wall, first) = (now(), monotonic_now());
        jump::set_offset(year);
        assert!(now().since(wall) >= year);
        assert!(monotonic_now().since(first) < year && watch.now().since(wall) < year);
        assert!(monotonic_now() >= first);
        let soon = monotonic_now() + Duration::from_secs(60);
        assert!(
            to_wall_clock(soon).since(wall) > year,
            "shown by the new time"
        );
        jump::set_offset(Duration::ZERO);
    }
}
