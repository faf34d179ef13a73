//! Free space on the disk: below the floor, new files and runs are refused; what frees space is always allowed.

use super::{App, Error, Kind, Result};
use crate::log;
pub use crate::store::DiskState;
use crate::store::Store;

/// What is wrong where the reserve cannot be made, and what to do.
pub const RESERVE_BLOCKED: &str = "reserve in the data folder is not a file, so no space is kept for a full disk: move it \
                                   elsewhere, and the server makes the file within a few seconds";

/// Refuses work that would use up the last free space on the disk.
///
/// # Errors
/// [`Kind::Unavailable`] while less than `MIN_FREE_MB` is free.
pub(super) fn require(store: &Store) -> Result<()> {
    match store.disk() {
        Some(disk) if disk.is_low => {
            let text = format!(
                "the server's disk is full: {} MB are free, and new files and runs need room for {} MB",
                disk.free >> 20,
                disk.floor >> 20
            );
            Err(Error::new(Kind::Unavailable, text).resolve(
                "delete documents or analyses that are no longer needed, or have an administrator make room",
            ))
        }
        _ => Ok(()),
    }
}

impl App {
    /// The state of the data folder's disk. Costs one system call.
    pub fn disk(&self) -> Option<DiskState> {
        self.store.disk()
    }

    /// Keeps the reserve on the disk: makes it again once there is room. The server does it every few seconds.
    pub async fn restock(&self) {
        // Work every few seconds would keep every idle thread of the pool alive.
        if !self.store.lacks_reserve() {
            return;
        }
        let store = self.store.clone();
        if matches!(
            tokio::task::spawn_blocking(move || store.restock()).await,
            Ok(true)
        ) {
            log::info("the disk has room again: its reserve is back", &[]);
        }
    }
}
