//! Keeps room on the disk of the data folder: a reserve file that is given up when the disk is full, so that people
//! can still sign in and delete, and a floor below which nothing large is taken.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The name of the reserve in the data folder.
const RESERVE: &str = "reserve";
/// Bytes: with less free than this, a write may fail at any moment.
const ALMOST_NOTHING: u64 = 1 << 20;

/// The state of the data folder's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Bytes that can be written.
    pub free: u64,
    /// Bytes below which no file and no run is taken.
    pub floor: u64,
    /// There is less than the floor, or the reserve has been given up and not come back.
    pub is_low: bool,
    /// Nothing can be written: a commit failed for lack of room and none has succeeded since, or the next will fail.
    pub is_full: bool,
}

/// Watches the room of one data folder.
pub(super) struct Room {
    folder: PathBuf,
    floor: u64,
    // The reserve has been given up.
    is_spent: AtomicBool,
    // A commit has failed for lack of room, and none has succeeded since. Free bytes do not settle it: inodes or a
    // quota may have run out.
    has_failed: AtomicBool,
}

impl Room {
    /// Of a data folder; makes the reserve, half as large as the floor, where there is room for it.
    pub fn keep(folder: &Path, floor: u64) -> Self {
        let room = Self {
            folder: folder.to_owned(),
            floor,
            is_spent: AtomicBool::new(true),
            has_failed: AtomicBool::new(false),
        };
        room.restock();
        room
    }

    fn reserve(&self) -> u64 {
        self.floor / 2
    }

    fn path(&self) -> PathBuf {
        self.folder.join(RESERVE)
    }

    /// Free bytes; unlimited where the system does not report them.
    fn free(&self) -> u64 {
        rustix::fs::statvfs(&self.folder)
            .map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// The state of the disk now. Costs one system call.
    pub fn disk(&self) -> Disk {
        let free = self.free();
        let spent = self.is_spent.load(Relaxed);
        // As much as the reserve was must be there besides, or making it again would take the last of the room.
        let wanted = self.floor + if spent { self.reserve() } else { 0 };
        Disk {
            free,
            floor: self.floor,
            is_low: self.floor > 0 && free < wanted,
            is_full: self.has_failed() || free < ALMOST_NOTHING.min(self.floor),
        }
    }

    /// Notes that a commit has failed for lack of room.
    pub fn failed(&self) {
        self.has_failed.store(true, Relaxed);
    }

    /// Notes that a commit has put something on the disk.
    pub fn succeeded(&self) {
        self.has_failed.store(false, Relaxed);
    }

    /// Whether a commit has failed for lack of room, and none has succeeded since.
    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Relaxed)
    }

    /// Whether a write that frees nothing must be refused, so that what is left goes to those that do.
    pub fn is_for_freeing_only(&self) -> bool {
        self.is_spent.load(Relaxed) && self.floor > 0 && self.free() < self.reserve()
    }

    /// Gives the reserve up where a write that frees something may not fit.
    pub fn relieve(&self) {
        if self.is_spent.load(Relaxed) || self.free() >= self.reserve() / 2 {
            return;
        }
        // Emptied first: a file that somebody has open keeps its room until it is closed.
        let emptied = File::options().write(true).open(self.path());
        let _ = emptied.and_then(|file| file.set_len(0));
        let _ = fs::remove_file(self.path());
        self.is_spent.store(true, Relaxed);
    }

    /// Whether the reserve has to be made again. Costs no system call.
    pub fn lacks_reserve(&self) -> bool {
        self.floor > 0 && self.is_spent.load(Relaxed)
    }

    /// Makes the reserve again where there is room for it. True where it was made.
    pub fn restock(&self) -> bool {
        let is_whole = fs::metadata(self.path()).is_ok_and(|file| file.len() == self.reserve());
        if self.floor == 0 || is_whole {
            self.is_spent.store(self.floor == 0, Relaxed);
            return false;
        }
        if self.free() < self.floor + self.reserve() {
            return false;
        }
        let made = self.fill();
        if made.is_err() {
            let _ = fs::remove_file(self.path());
        }
        self.is_spent.store(made.is_err(), Relaxed);
        made.is_ok()
    }

    fn fill(&self) -> io::Result<()> {
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(self.path())?;
        let flags = rustix::fs::FallocateFlags::empty();
        if rustix::fs::fallocate(&file, flags, 0, self.reserve()).is_ok() {
            return Ok(());
        }
        // Not every file system can set room aside without writing.
        let zeros = vec![0; 1 << 16];
        let mut left = self.reserve();
        while left > 0 {
            let piece = left.min(zeros.len() as u64);
            file.write_all(&zeros[..piece as usize])?;
            left -= piece;
        }
        file.sync_all()
    }
}
