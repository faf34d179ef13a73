//! The disk of the data folder: its free space, and the reserve that is released when the disk is full.

use super::Store;
use super::disk_reserve::{DiskState, DiskWatch};

impl Store {
    /// Starts to reserve disk space. With fewer than `floor` free bytes, nothing large is accepted; half of `floor` is
    /// kept in reserve for [`Store::with_reserve`]. 0 reserves nothing. Blocks.
    pub fn reserve_disk_space(&self, floor: u64) {
        if let Some(folder) = self.0.path.parent() {
            let _ = self
                .0
                .health
                .disk_watch
                .set(DiskWatch::watch(folder, floor));
        }
    }

    /// Returns the state of the disk, or `None` if it is not monitored.
    pub fn disk(&self) -> Option<DiskState> {
        self.0.health.disk_watch.get().map(DiskWatch::disk)
    }

    /// Returns whether the reserve has been released and not yet restored.
    pub fn needs_reserve(&self) -> bool {
        let room = self.0.health.disk_watch.get();
        room.is_some_and(DiskWatch::needs_reserve)
    }

    /// Restores a released reserve if there is enough space. Returns whether it was restored. Blocks.
    pub fn restore_reserve(&self) -> bool {
        self.0
            .health
            .disk_watch
            .get()
            .is_some_and(DiskWatch::restore_reserve)
    }
}
