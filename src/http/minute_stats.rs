//! What the server did in the last day, minute by minute: a ring that forgets the oldest. A minute in which the
//! program did not run is not in it, so that a gap never looks like calm. Counts only, and nobody's.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::stats::RequestStats;
use crate::app::App;
use crate::app::health::{Activity, ProcessStats};
use crate::clock;

/// Minutes that are kept: 46 KB when a day is full.
const KEPT: usize = 24 * 60;

/// A minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MinuteCounts {
    /// Which, in minutes of Unix time.
    pub at: u32,
    /// Requests answered, those for the health left out.
    pub requests: u32,
    /// Answered with a status of 500 and above.
    pub failed: u32,
    /// Calls to providers at its end, under way or waiting.
    pub calls: u32,
    /// Analyses at its end, under way or waiting.
    pub runs: u32,
    /// Resident memory at its end, in kibibytes.
    pub memory_kib: u32,
    /// How long a commit took on average, in microseconds; 0 where there was none.
    pub commit_us: u32,
}

/// The ring.
#[derive(Default)]
pub struct MinuteStats(Mutex<MinuteRing>);

#[derive(Default)]
struct MinuteRing {
    minutes: VecDeque<MinuteCounts>,
    // What the counters said a minute ago.
    before: MinuteTotals,
}

#[derive(Debug, Clone, Copy, Default)]
struct MinuteTotals {
    requests: u64,
    failed: u64,
    commits: u64,
    micros: u64,
}

impl MinuteStats {
    /// The minutes from this one on.
    pub fn since(&self, from: u32) -> Vec<MinuteCounts> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = ring.minutes.partition_point(|minute| minute.at < from);
        ring.minutes.range(first..).copied().collect()
    }

    /// Adds a minute at the end of each. Runs until it is aborted.
    pub async fn keep(&self, app: &App, requests: &RequestStats) {
        loop {
            let millis = clock::now().millis().rem_euclid(60_000).unsigned_abs();
            tokio::time::sleep(Duration::from_millis(60_000 - millis)).await;
            self.note(app, requests);
        }
    }

    /// Adds the minute that has just ended.
    fn note(&self, app: &App, requests: &RequestStats) {
        let classes = requests.classes();
        // The last of the areas is the health's own.
        let counted = || classes.iter().take(classes.len() - 1);
        let pulse = app.pulse();
        let totals = MinuteTotals {
            requests: counted().flatten().sum(),
            failed: counted().map(|area| area[4]).sum(),
            commits: pulse.commits.count,
            micros: pulse.commits.micros,
        };
        let minute = (clock::now().seconds() - 30).div_euclid(60);
        let at = u32::try_from(minute).unwrap_or_default();
        self.add(at, totals, &pulse, ProcessStats::now().memory_kib);
    }

    fn add(&self, at: u32, now: MinuteTotals, pulse: &Activity, memory_kib: u64) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let before = std::mem::replace(&mut ring.before, now);
        let commits = now.commits.saturating_sub(before.commits);
        let micros = now.micros.saturating_sub(before.micros);
        let minute = MinuteCounts {
            at,
            requests: small(now.requests.saturating_sub(before.requests)),
            failed: small(now.failed.saturating_sub(before.failed)),
            calls: small((pulse.calls + pulse.calls_waiting) as u64),
            runs: small(pulse.runs as u64),
            memory_kib: small(memory_kib),
            commit_us: small(micros.checked_div(commits).unwrap_or_default()),
        };
        if ring.minutes.len() == KEPT {
            ring.minutes.pop_front();
        }
        // A clock that was set back must not put minutes out of order.
        if ring.minutes.back().is_none_or(|last| last.at < at) {
            ring.minutes.push_back(minute);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_and_no_more_in_order_with_its_gaps() {
        let hours = MinuteStats::default();
        let totals = |requests| MinuteTotals {
            requests,
            failed: requests / 10,
            commits: requests,
            micros: requests * 7,
        };
        let pulse = Activity {
            runs: 2,
            calls: 3,
            calls_waiting: 1,
            ..Activity::default()
        };
        hours.add(100, totals(20), &pulse, 4096);
        hours.add(101, totals(20), &pulse, 4096);
        // Asleep from 102 to 199; then the clock is set back.
        hours.add(200, totals(50), &pulse, u64::MAX);
        hours.add(150, totals(51), &pulse, 4096);
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
            hours.add(minute, totals(60), &pulse, 1);
        }
        let all = hours.since(0);
        assert_eq!(
            (all.len(), all[0].at, all[KEPT - 1].at),
            (KEPT, 4000 - 1440, 3999)
        );
        assert!(size_of::<MinuteCounts>() * KEPT < 64 * 1024);
    }
}
