//! Whether reads and commits succeed, as last observed by the database threads. Reading this state costs nothing.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::disk_reserve::DiskWatch;
use super::error::{Result, StoreError};

/// Minimum time between two scans of a damaged database: anyone may poll `/health`, and reading a large file takes
/// long.
const SCAN_INTERVAL: Duration = Duration::from_secs(30);

/// State of the scan of the whole database.
#[derive(Default)]
enum IntegrityScan {
    #[default]
    Never,
    Running,
    Ended(Instant),
}

fn lock_scan(scan: &Mutex<IntegrityScan>) -> MutexGuard<'_, IntegrityScan> {
    scan.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The failures of a store that have not been followed by a success.
#[derive(Default)]
pub(super) struct StoreHealth {
    are_reads_failing: AtomicBool,
    are_writes_failing: AtomicBool,
    // Whether a damaged page has been read. Only a scan of the whole database can clear this.
    is_damaged: AtomicBool,
    scan: Mutex<IntegrityScan>,
    /// Monitors the disk; set only in a server.
    pub disk_watch: OnceLock<DiskWatch>,
}

impl StoreHealth {
    /// Records whether a read has succeeded.
    pub fn record_read(&self, is_success: bool) {
        self.are_reads_failing.store(!is_success, Relaxed);
    }

    /// Records the result of a commit.
    pub fn record_commit(&self, result: &Result<()>) {
        if *result == Err(StoreError::Full) {
            // Lack of space is the disk's problem, not the database's, and is reported separately.
            match self.disk_watch.get() {
                Some(room) => room.record_full(),
                None => self.are_writes_failing.store(true, Relaxed),
            }
            return;
        }
        self.are_writes_failing.store(result.is_err(), Relaxed);
    }

    /// Records that a commit has reached the disk.
    pub fn record_successful_commit(&self) {
        if let Some(room) = self.disk_watch.get() {
            room.record_success();
        }
    }

    /// Returns whether a commit has failed for lack of space and none has reached the disk since.
    pub fn is_out_of_space(&self) -> bool {
        self.disk_watch.get().is_some_and(DiskWatch::has_failed)
    }

    /// Records whether the writer thread has ended normally.
    pub fn record_writer_end(&self, is_regular: bool) {
        self.are_writes_failing.store(!is_regular, Relaxed);
    }

    /// Records that a damaged page has been read.
    pub fn record_damage(&self) {
        self.is_damaged.store(true, Relaxed);
    }

    /// Returns whether the caller must scan the damaged database now, and then call [`StoreHealth::record_scan`].
    /// Returns false while another scan is running and within [`SCAN_INTERVAL`] of the last one.
    pub fn begin_scan(&self, now: Instant) -> bool {
        let mut scan = lock_scan(&self.scan);
        let is_due = match *scan {
            IntegrityScan::Never => true,
            IntegrityScan::Running => false,
            IntegrityScan::Ended(at) => now.saturating_duration_since(at) >= SCAN_INTERVAL,
        };
        if is_due {
            *scan = IntegrityScan::Running;
        }
        is_due
    }

    /// Records that a scan has ended.
    pub fn record_scan(&self, now: Instant) {
        *lock_scan(&self.scan) = IntegrityScan::Ended(now);
    }

    /// Records that a scan of the whole database has found no damage.
    pub fn record_repair(&self) {
        self.is_damaged.store(false, Relaxed);
    }

    /// Returns whether a damaged page has been read and no scan has found the database to be intact since.
    pub fn is_damaged(&self) -> bool {
        self.is_damaged.load(Relaxed)
    }

    /// Checks that no failure is recorded.
    ///
    /// # Errors
    /// Returns [`StoreError::Failed`] with a description of the recorded failure.
    pub fn check(&self) -> Result<()> {
        let failed = |what: &str| Err(StoreError::Failed(what.into()));
        if self.is_damaged() {
            return failed("the database file is damaged");
        }
        if self.are_reads_failing.load(Relaxed) {
            return failed("the last read failed");
        }
        if self.are_writes_failing.load(Relaxed) {
            return failed("the last commit failed");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_database_is_scanned_at_most_every_thirty_seconds() {
        let (health, started_at) = (StoreHealth::default(), Instant::now());
        let after = |seconds| started_at + Duration::from_secs(seconds);
        assert!(health.begin_scan(started_at));
        // While a scan is running, no other one starts, however long it takes.
        assert!(!health.begin_scan(after(100)));
        health.record_scan(after(101));
        let polls = (101..=200).filter(|&second| {
            let begins = health.begin_scan(after(second));
            if begins {
                health.record_scan(after(second));
            }
            begins
        });
        assert_eq!(polls.collect::<Vec<_>>(), [131, 161, 191]);
    }
}
