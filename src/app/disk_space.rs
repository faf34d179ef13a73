//! Refuses new files and runs while free disk space is below the minimum. Deletions are always allowed.

use super::{Error, Kind, Result};
pub use crate::store::DiskState;
use crate::store::Store;

/// The error shown when the reserve file cannot be created, with the remedy.
pub const RESERVE_BLOCKED: &str = "`reserve` in the data folder is not a file, so no space is reserved for a full disk: move it \
                                   elsewhere, and the server creates the file within a few seconds";

/// Refuses work that would use up the remaining disk space.
///
/// # Errors
/// [`Kind::Unavailable`] while less than `MIN_FREE_MB` is free.
pub(super) fn require(store: &Store) -> Result<()> {
    match store.disk() {
        Some(disk) if disk.is_low => {
            let text = format!(
                "the server's disk is full: {} MB are free, and new files and runs need room for {} MB",
                disk.free_bytes >> 20,
                disk.floor >> 20
            );
            Err(Error::new(Kind::Unavailable, text).resolve(
                "delete documents or analyses that are no longer needed, or ask an administrator to free space",
            ))
        }
        _ => Ok(()),
    }
}
