//! Whether reads and commits succeed, as the database threads last saw it. Reading it costs nothing.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::error::{Result, StoreError};
use super::room::Room;

/// What went wrong last and has not gone well since.
#[derive(Default)]
pub(super) struct Health {
    reads_fail: AtomicBool,
    writes_fail: AtomicBool,
    // A page was not what it must be. Only reading the whole database proves that it is sound again.
    is_damaged: AtomicBool,
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

    /// The thread that writes has ended.
    pub fn ended(&self, in_order: bool) {
        self.writes_fail.store(!in_order, Relaxed);
    }

    /// A page was not what it must be.
    pub fn damaged(&self) {
        self.is_damaged.store(true, Relaxed);
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
