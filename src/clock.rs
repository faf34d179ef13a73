//! The only place that asks the time. Everything else is handed it.
//!
//! Three clocks: `now` is stored and shown, `instant` measures lengths of time, and `steady` is for moments that
//! are compared with each other in memory (deadlines, circuit breakers, rate limits). Only `now` jumps when the
//! machine's time is set.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::time::Timestamp;

/// The wall clock: for what is stored and shown.
pub fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    #[cfg(test)]
    let now = now + jump::of_this_thread();
    now
}

/// The monotonic clock: for lengths of time. It does not jump when the machine's time is set.
pub fn instant() -> Instant {
    Instant::now()
}

/// The monotonic clock as a moment: what the wall clock said at first use, plus the time that has passed since.
/// Never to be stored, and shown only through `shown`.
pub fn steady() -> Timestamp {
    static FIRST: OnceLock<(Timestamp, Instant)> = OnceLock::new();
    let (wall, since) = FIRST.get_or_init(|| (now(), instant()));
    *wall + instant().saturating_duration_since(*since)
}

/// When the wall clock will show a steady moment, if nobody sets it until then.
pub fn shown(moment: Timestamp) -> Timestamp {
    let (wall, steady) = (now(), steady());
    wall + moment.since(steady) - steady.since(moment)
}

/// A clock for one run: the wall clock at its start, plus the time that has passed since. A run's own times fit
/// together, whatever happens to the wall clock meanwhile.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    wall: Timestamp,
    since: Instant,
}

impl Stopwatch {
    /// Starts at the wall clock's time.
    pub fn start() -> Self {
        Self {
            wall: now(),
            since: instant(),
        }
    }

    /// The run's time.
    pub fn now(&self) -> Timestamp {
        self.wall + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        instant().saturating_duration_since(self.since)
    }
}

/// Sets the wall clock forward for one thread, as `date --set` does for a machine.
#[cfg(test)]
pub mod jump {
    use std::cell::Cell;
    use std::time::Duration;

    thread_local! {
        static JUMP: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    /// How far this thread's wall clock is set forward.
    pub fn of_this_thread() -> Duration {
        JUMP.get()
    }

    /// Sets it.
    pub fn by(length: Duration) {
        JUMP.set(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_wall_clock_jumps() {
        let year = Duration::from_secs(365 * 86_400);
        let watch = Stopwatch::start();
        let (wall, first) = (now(), steady());
        jump::by(year);
        assert!(now().since(wall) >= year);
        assert!(steady().since(first) < year && watch.now().since(wall) < year);
        assert!(steady() >= first);
        let soon = steady() + Duration::from_secs(60);
        assert!(shown(soon).since(wall) > year, "shown by the new time");
        jump::by(Duration::ZERO);
    }
}
