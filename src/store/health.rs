//! Whether reads and commits succeed, as the database threads last saw it. Reading it costs nothing.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::error::{Result, StoreError};
use super::room::Room;

/// From the end of one reading of the whole damaged database to the beginning of the next: anybody may poll
/// `/health`, and a large file takes long to read.
const BETWEEN_SCANS: Duration = Duration::from_secs(30);

/// The last reading of the whole database.
#[derive(Default)]
enum Scan {
    #[default]
    Never,
    Running,
    Ended(Instant),
}

fn locked(scan: &Mutex<Scan>) -> MutexGuard<'_, Scan> {
    scan.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What went wrong last and has not gone well since.
#[derive(Default)]
pub(super) struct Health {
    reads_fail: AtomicBool,
    writes_fail: AtomicBool,
    // A page was not what it must be. Only reading the whole database proves that it is sound again.
    is_damaged: AtomicBool,
    scan: Mutex<Scan>,
    /// Watches the disk, in a server.
    pub room: OnceLock<Room>,
}

impl Health {
    /// How a read went.
    pub fn read(&self, went_well: bool) {
        self.reads_fail.store(!went_well, Relaxed);
    }

    /// How a commit went.
    pub fn wrote(&self, went: &Result<()>) {
        if *went == Err(StoreError::Full) {
            // The database is sound: the disk is what is wrong, and has a report of its own.
            match self.room.get() {
                Some(room) => room.failed(),
                None => self.writes_fail.store(true, Relaxed),
            }
            return;
        }
        self.writes_fail.store(went.is_err(), Relaxed);
    }

    /// A commit has put something on the disk.
    pub fn had_room(&self) {
        if let Some(room) = self.room.get() {
            room.succeeded();
        }
    }

    /// Whether a commit has failed for lack of room, and none has put anything on the disk since.
    pub fn lacks_room(&self) -> bool {
        self.room.get().is_some_and(Room::has_failed)
    }

    /// The thread that writes has ended.
    pub fn ended(&self, in_order: bool) {
        self.writes_fail.store(!in_order, Relaxed);
    }

    /// A page was not what it must be.
    pub fn damaged(&self) {
        self.is_damaged.store(true, Relaxed);
    }

    /// Whether the damaged database may be read through now: not while somebody does, and not within
    /// [`BETWEEN_SCANS`] of the last time. Whoever gets true calls [`Health::scanned`] at its end.
    pub fn begin_scan(&self, now: Instant) -> bool {
        let mut scan = locked(&self.scan);
        let is_due = match *scan {
            Scan::Never => true,
            Scan::Running => false,
            Scan::Ended(at) => now.saturating_duration_since(at) >= BETWEEN_SCANS,
        };
        if is_due {
            *scan = Scan::Running;
        }
        is_due
    }

    /// The database was read through.
    pub fn scanned(&self, now: Instant) {
        *locked(&self.scan) = Scan::Ended(now);
    }

    /// The whole database was read, and is sound.
    pub fn repaired(&self) {
        self.is_damaged.store(false, Relaxed);
    }

    /// Whether a page was found that is not what it must be.
    pub fn is_damaged(&self) -> bool {
        self.is_damaged.load(Relaxed)
    }

    /// What is wrong, if anything is.
    ///
    /// # Errors
    /// [`StoreError::Failed`] with what is wrong.
    pub fn check(&self) -> Result<()> {
        let failed = |what: &str| Err(StoreError::Failed(what.into()));
        if self.is_damaged() {
            return failed("the database file is damaged");
        }
        if self.reads_fail.load(Relaxed) {
            return failed("the last read failed");
        }
        if self.writes_fail.load(Relaxed) {
            return failed("the last commit failed");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_database_is_read_through_at_most_every_thirty_seconds() {
        let (health, begun) = (Health::default(), Instant::now());
        let after = |seconds| begun + Duration::from_secs(seconds);
        assert!(health.begin_scan(begun));
        // It takes long: nobody begins another one meanwhile.
        assert!(!health.begin_scan(after(100)));
        health.scanned(after(101));
        let polls = (101..=200).filter(|&second| {
            let begins = health.begin_scan(after(second));
            if begins {
                health.scanned(after(second));
            }
            begins
        });
        assert_eq!(polls.collect::<Vec<_>>(), [131, 161, 191]);
    }
}
