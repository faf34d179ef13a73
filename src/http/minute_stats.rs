//! Server statistics per minute for the last day, in a ring buffer. Minutes in which the server did not run are
//! missing, so that they are not mistaken for minutes without traffic. Contains only counts, and nothing about
//! individual users.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::stats::RequestStats;
use crate::app::App;
use crate::app::health::{Activity, ProcessStats};
use crate::clock;

/// Capacity of the ring buffer in minutes: one day. It takes up 46 KB.
const MAX_MINUTES: usize = 24 * 60;

/// The statistics of one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MinuteCounts {
    /// The minute, counted from the Unix epoch.
    pub at: u32,
    /// Number of requests, not including health checks and requests for metrics.
    pub requests: u32,
    /// Number of responses with a 5xx status.
    pub failed: u32,
    /// Number of provider calls that were running or queued at the end of the minute.
    pub calls: u32,
    /// Number of analyses that were running or queued at the end of the minute.
    pub runs: u32,
    /// Resident memory at the end of the minute, in KiB.
    pub memory_kib: u32,
    /// Mean duration of a database commit, in microseconds; 0 if there was no commit.
    pub commit_us: u32,
}

/// The ring buffer of the last day's minutes.
#[derive(Default)]
pub struct MinuteStats(Mutex<MinuteRing>);

#[derive(Default)]
struct MinuteRing {
    minutes: VecDeque<MinuteCounts>,
    /// The totals at the end of the previous minute.
    previous_totals: MinuteTotals,
}

#[derive(Debug, Clone, Copy, Default)]
struct MinuteTotals {
    requests: u64,
    failed: u64,
    commits: u64,
    micros: u64,
}

impl MinuteStats {
    /// Returns the recorded minutes from the minute `from` on, which is counted from the Unix epoch.
    pub fn since(&self, from: u32) -> Vec<MinuteCounts> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = ring.minutes.partition_point(|minute| minute.at < from);
        ring.minutes.range(first..).copied().collect()
    }

    /// Records each minute when it ends. Runs until aborted.
    pub async fn run(&self, app: &App, requests: &RequestStats) {
        loop {
            let millis = clock::now().millis().rem_euclid(60_000).unsigned_abs();
            tokio::time::sleep(Duration::from_millis(60_000 - millis)).await;
            self.record(app, requests);
        }
    }

    /// Records the minute that has just ended.
    fn record(&self, app: &App, requests: &RequestStats) {
        let classes = requests.classes();
        // The last class contains health checks and requests for metrics.
        let counted_classes = || classes.iter().take(classes.len() - 1);
        let activity = app.health().activity();
        let totals = MinuteTotals {
            requests: counted_classes().flatten().sum(),
            failed: counted_classes().map(|area| area[4]).sum(),
            commits: activity.commits.count,
            micros: activity.commits.micros,
        };
        let minute = (clock::now().seconds() - 30).div_euclid(60);
        let at = u32::try_from(minute).unwrap_or_default();
        self.add(at, totals, &activity, ProcessStats::now().memory_kib);
    }

    fn add(&self, at: u32, now: MinuteTotals, activity: &Activity, memory_kib: u64) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let saturate = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let previous = std::mem::replace(&mut ring.previous_totals, now);
        let commits = now.commits.saturating_sub(previous.commits);
        let micros = now.micros.saturating_sub(previous.micros);
        let minute = MinuteCounts {
            at,
            requests: saturate(now.requests.saturating_sub(previous.requests)),
            failed: saturate(now.failed.saturating_sub(previous.failed)),
            calls: saturate((activity.calls + activity.calls_waiting) as u64),
            runs: saturate(activity.runs as u64),
            memory_kib: saturate(memory_kib),
            commit_us: saturate(micros.checked_div(commits).unwrap_or_default()),
        };
        if ring.minutes.len() == MAX_MINUTES {
            ring.minutes.pop_front();
        }
        // If the clock was set back, the minute is not recorded, so that minutes stay in order.
        if ring.minutes.back().is_none_or(|last| last.at < at) {
            ring.minutes.push_back(minute);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_day_is_kept_in_order_with_gaps() {
        let hours = MinuteStats::default();
        let totals = |requests| MinuteTotals {
            requests,
            failed: requests / 10,
            commits: requests,
            micros: requests * 7,
        };
        let activity = Activity {
            runs: 2,
            calls: 3,
            calls_waiting: 1,
            ..Activity::default()
        };
        hours.add(100, totals(20), &activity, 4096);
        hours.add(101, totals(20), &activity, 4096);
        // Minutes 102 to 199 are missing. After minute 200, the clock is set back.
        hours.add(200, totals(50), &activity, u64::MAX);
        hours.add(150, totals(51), &activity, 4096);
        let all = hours.since(0);
        assert_eq!(
            all.iter().map(|minute| minute.at).collect::<Vec<_>>(),
            [100, 101, 200]
        );
        let expected = MinuteCounts {
            at: 200,
            requests: 30,
            failed: 3,
            calls: 4,
            runs: 2,
            memory_kib: u32::MAX,
            commit_us: 7,
        };
        assert_eq!(
            (all[1].requests, all[1].commit_us, all[2]),
            (0, 0, expected)
        );
        assert_eq!(hours.since(101).len(), 2);
        for minute in 201..4000 {
            hours.add(minute, totals(60), &activity, 1);
        }
        let all = hours.since(0);
        assert_eq!(
            (all.len(), all[0].at, all[MAX_MINUTES - 1].at),
            (MAX_MINUTES, 4000 - 1440, 3999)
        );
        assert!(size_of::<MinuteCounts>() * MAX_MINUTES < 64 * 1024);
    }
}
