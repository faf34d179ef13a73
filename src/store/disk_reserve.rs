//! Keeps space free on the data folder's disk. A reserve file is deleted when the disk is full, so that users can still
//! sign in and delete data. Below a floor of free space, nothing large is accepted.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Name of the reserve file in the data folder.
const RESERVE_FILE: &str = "reserve";
/// Number of free bytes below which any write may fail.
const MIN_FREE_BYTES: u64 = 1 << 20;

/// State of the data folder's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskState {
    /// Free space available to this process, in bytes.
    pub free_bytes: u64,
    /// Number of free bytes below which no files and no runs are accepted.
    pub floor: u64,
    /// Whether free space is below the floor, or the reserve has been released and not yet restored.
    pub is_low: bool,
    /// Whether writes fail: a commit has failed for lack of space and none has succeeded since, or the next commit is
    /// expected to fail.
    pub is_full: bool,
    /// Whether something other than a regular file has the reserve's name, so that there can be no reserve.
    pub is_reserve_blocked: bool,
}

/// Monitors the free space of a data folder.
pub(super) struct DiskWatch {
    folder: PathBuf,
    floor: u64,
    // Whether there is no reserve now, because it was released or could not be created.
    is_spent: AtomicBool,
    // Whether a commit has failed for lack of space and none has succeeded since. Free bytes alone do not show this,
    // because inodes or a quota may be exhausted.
    has_failed: AtomicBool,
}

/// Returns the state of a data folder's disk without creating a reserve, for programs that only inspect the folder.
pub fn inspect_disk(folder: &Path, floor: u64) -> DiskState {
    let watch = DiskWatch::new(folder, floor);
    watch.is_spent.store(!watch.has_reserve(), Relaxed);
    watch.disk()
}

impl DiskWatch {
    fn new(folder: &Path, floor: u64) -> Self {
        Self {
            folder: folder.to_owned(),
            floor,
            is_spent: AtomicBool::new(true),
            has_failed: AtomicBool::new(false),
        }
    }

    /// Starts to monitor a data folder. If there is enough space, creates the reserve, which is half as large as the
    /// floor.
    pub fn watch(folder: &Path, floor: u64) -> Self {
        let room = Self::new(folder, floor);
        room.restore_reserve();
        room
    }

    fn reserve_bytes(&self) -> u64 {
        self.floor / 2
    }

    fn path(&self) -> PathBuf {
        self.folder.join(RESERVE_FILE)
    }

    /// Returns the number of free bytes, or `u64::MAX` if the system does not report it.
    fn free_bytes(&self) -> u64 {
        rustix::fs::statvfs(&self.folder)
            .map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Returns the state of the disk. Makes one system call, or two without a reserve.
    pub fn disk(&self) -> DiskState {
        let free = self.free_bytes();
        let is_spent = self.is_spent.load(Relaxed);
        // The size of a released reserve must be free as well, because restoring it takes that much.
        let required_bytes = self.floor + if is_spent { self.reserve_bytes() } else { 0 };
        DiskState {
            free_bytes: free,
            floor: self.floor,
            is_low: self.floor > 0 && free < required_bytes,
            is_full: self.has_failed() || free < MIN_FREE_BYTES.min(self.floor),
            is_reserve_blocked: self.floor > 0
                && is_spent
                && fs::metadata(self.path()).is_ok_and(|entry| !entry.is_file()),
        }
    }

    /// Records a commit that failed for lack of space.
    pub fn record_full(&self) {
        self.has_failed.store(true, Relaxed);
    }

    /// Records a commit that has reached the disk.
    pub fn record_success(&self) {
        self.has_failed.store(false, Relaxed);
    }

    /// Returns whether a commit has failed for lack of space and none has succeeded since.
    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Relaxed)
    }

    /// Returns whether to refuse writes that free no space, which leaves the remaining space to those that do.
    pub fn is_for_freeing_only(&self) -> bool {
        self.is_spent.load(Relaxed) && self.floor > 0 && self.free_bytes() < self.reserve_bytes()
    }

    /// Releases the reserve if a write that frees space might otherwise not fit.
    pub fn release_reserve(&self) {
        if self.is_spent.load(Relaxed) || self.free_bytes() >= self.reserve_bytes() / 2 {
            return;
        }
        // Truncated before it is unlinked, because an unlinked file keeps its space while it is open.
        if self.is_ours() {
            let emptied = File::options().write(true).open(self.path());
            let _ = emptied.and_then(|file| file.set_len(0));
        }
        let _ = fs::remove_file(self.path());
        self.is_spent.store(true, Relaxed);
    }

    /// Returns whether the reserve has been released and not yet restored. Makes no system call.
    pub fn needs_reserve(&self) -> bool {
        self.floor > 0 && self.is_spent.load(Relaxed)
    }

    /// Returns whether the reserve exists in its full size.
    fn has_reserve(&self) -> bool {
        let about = fs::symlink_metadata(self.path());
        self.is_ours() && about.is_ok_and(|file| file.len() == self.reserve_bytes())
    }

    /// Restores the reserve if there is enough space. Returns whether it was restored.
    pub fn restore_reserve(&self) -> bool {
        if self.floor == 0 || self.has_reserve() {
            self.is_spent.store(self.floor == 0, Relaxed);
            return false;
        }
        if self.free_bytes() < self.floor + self.reserve_bytes() {
            return false;
        }
        let result = self.write_reserve();
        if result.is_err() {
            let _ = fs::remove_file(self.path());
        }
        self.is_spent.store(result.is_err(), Relaxed);
        result.is_ok()
    }

    /// Returns whether the reserve is a regular file with no other hard links.
    fn is_ours(&self) -> bool {
        let about = fs::symlink_metadata(self.path());
        about.is_ok_and(|entry| entry.is_file() && entry.nlink() == 1)
    }

    fn write_reserve(&self) -> io::Result<()> {
        // Removed instead of truncated: the name may be a link, and truncating would empty the file to which it points.
        match fs::remove_file(self.path()) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = File::options();
        options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(self.path())?;
        let flags = rustix::fs::FallocateFlags::empty();
        if rustix::fs::fallocate(&file, flags, 0, self.reserve_bytes()).is_ok() {
            return Ok(());
        }
        // The zeros are written because not every file system can preallocate.
        let zeros = vec![0; 1 << 16];
        let mut left = self.reserve_bytes();
        while left > 0 {
            let piece = left.min(zeros.len() as u64);
            file.write_all(&zeros[..piece as usize])?;
            left -= piece;
        }
        file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_of_a_link_is_not_truncated() {
        let folder = std::env::temp_dir().join(format!("quire-room-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let (kept_file, reserve) = (folder.join("kept"), folder.join(RESERVE_FILE));
        for is_hard_link in [true, false] {
            // The target of the link may or may not have the size of the reserve.
            for size in [4096, 7] {
                fs::write(&kept_file, vec![b'x'; size]).expect("written");
                match is_hard_link {
                    true => fs::hard_link(&kept_file, &reserve),
                    false => std::os::unix::fs::symlink(&kept_file, &reserve),
                }
                .expect("linked");
                let watch = DiskWatch::watch(&folder, 8192);
                let length = |path: &Path| fs::symlink_metadata(path).expect("there").len();
                assert_eq!((length(&kept_file), length(&reserve)), (size as u64, 4096));
                assert_eq!(fs::metadata(&reserve).expect("there").nlink(), 1);
                drop(watch);
                fs::remove_file(&reserve).expect("removed");
            }
        }
        fs::remove_dir_all(folder).expect("removed");
    }
}
