//! A histogram of commit times, made of counters that only increase. Each commit costs one atomic addition per counter.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the buckets, in ms. Longer commits are counted only in `count`.
pub const BUCKET_BOUNDS_MS: [u64; 9] = [1, 2, 5, 10, 25, 50, 100, 500, 2500];

/// The counters of a store's commits, updated atomically.
#[derive(Debug, Default)]
pub(super) struct CommitTimes {
    buckets: [AtomicU64; BUCKET_BOUNDS_MS.len()],
    count: AtomicU64,
    micros: AtomicU64,
}

/// A snapshot of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommitTimesSnapshot {
    /// Number of commits in each bucket: those longer than the previous bound and at most as long as this one.
    pub buckets: [u64; BUCKET_BOUNDS_MS.len()],
    /// Number of commits.
    pub count: u64,
    /// Sum of the times of all commits, in microseconds.
    pub micros: u64,
}

impl CommitTimes {
    pub fn add(&self, took: Duration) {
        let fits = |bound: &u64| took <= Duration::from_millis(*bound);
        if let Some(at) = BUCKET_BOUNDS_MS.iter().position(fits) {
            self.buckets[at].fetch_add(1, Relaxed);
        }
        self.count.fetch_add(1, Relaxed);
        self.micros.fetch_add(took.as_micros() as u64, Relaxed);
    }

    pub fn snapshot(&self) -> CommitTimesSnapshot {
        CommitTimesSnapshot {
            buckets: std::array::from_fn(|at| self.buckets[at].load(Relaxed)),
            count: self.count.load(Relaxed),
            micros: self.micros.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_counted_in_buckets() {
        let times = CommitTimes::default();
        for micros in [0, 1000, 1001, 9000, 3_000_000] {
            times.add(Duration::from_micros(micros));
        }
        let snapshot = times.snapshot();
        assert_eq!(snapshot.buckets, [2, 1, 0, 1, 0, 0, 0, 0, 0]);
        assert_eq!((snapshot.count, snapshot.micros), (5, 3_011_001));
    }
}
