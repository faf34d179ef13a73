//! Follows the write-ahead log: each read writes the changed pages to a file, which is kept until it has been sent.
//! Whenever it is uncertain whether changes were missed, requests a snapshot.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ltx::{LtxEncoder, LtxHeader};
use super::wal::{self, WalChanges, WalPosition};
use crate::clock;
use crate::store::WalFollower;

/// Maximum total size of the unsent files, in bytes (256 MiB). Above it, they are discarded, and a snapshot is made
/// later.
const MAX_WAITING_BYTES: u64 = 256 * 1024 * 1024;

/// A change whose file has not been sent yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingChange {
    /// Number of the change.
    pub number: u64,
    /// Size of its file, in bytes.
    pub bytes: u64,
}

/// The changes that have not been sent yet, and whether any were missed.
#[derive(Debug, Default)]
pub struct SpoolState {
    /// Number of the last change.
    pub newest_number: u64,
    /// Changes not sent yet, in order.
    pub waiting_changes: VecDeque<WaitingChange>,
    /// Whether a snapshot is needed, because changes were missed or nothing is known about the database yet.
    pub has_lost_changes: bool,
    /// Number of the last change that the newest snapshot includes.
    pub snapshot_position: u64,
    /// Number of files written since the last snapshot was started, and their total size in bytes.
    pub since: (u32, u64),
    /// Why a change could not be spooled.
    pub error: Option<String>,
}

/// State shared by the spool and the replication thread.
#[derive(Debug, Default)]
pub struct SpoolShared(Mutex<SpoolState>);

impl SpoolShared {
    /// Creates the state for a replica whose last change is `newest`. `has_lost_changes` tells whether the database may
    /// differ from the replica.
    pub fn new(newest: u64, has_lost_changes: bool) -> Arc<Self> {
        Arc::new(Self(Mutex::new(SpoolState {
            newest_number: newest,
            has_lost_changes,
            ..SpoolState::default()
        })))
    }

    /// Locks the state.
    pub fn lock(&self) -> MutexGuard<'_, SpoolState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the path of the file of an unsent change.
pub fn change_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016x}.ltx"))
}

/// Follows the write-ahead log and writes each set of new changes to a file.
pub struct WalSpool {
    shared: Arc<SpoolShared>,
    folder: PathBuf,
    position: WalPosition,
}

impl WalSpool {
    /// Creates a spool that writes to this folder.
    pub fn new(shared: Arc<SpoolShared>, folder: PathBuf) -> Self {
        let position = WalPosition::default();
        Self {
            shared,
            folder,
            position,
        }
    }

    /// Spools the new changes in the log. Returns false if changes may have been missed, or if the unsent files take
    /// too much space.
    fn collect(&mut self, log: &Path, foreign: bool) -> io::Result<bool> {
        // Another process may have started a new log, written to it, and truncated it again.
        if foreign && self.position.is_fresh() {
            return Ok(false);
        }
        let log = match File::open(log) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            file => Some(file?),
        };
        let (pages, commit, page_size, next) = match wal::read(log.as_ref(), self.position)? {
            WalChanges::None => return Ok(true),
            WalChanges::Lost => return Ok(false),
            WalChanges::Changes {
                pages,
                commit,
                page_size,
                next,
            } => (pages, commit, page_size, next),
        };
        let Some(log) = log else { return Ok(true) };
        let number = self.shared.lock().newest_number + 1;
        let at = clock::now().millis();
        let header = LtxHeader {
            page_size,
            commit,
            min: number,
            max: number,
            at,
        };
        let path = change_path(&self.folder, number);
        let mut encoder = LtxEncoder::new(BufWriter::new(File::create(&path)?), header)?;
        let mut page = vec![0; page_size as usize];
        for (number, offset) in pages {
            log.read_exact_at(&mut page, offset)?;
            encoder.write_page(number, &page)?;
        }
        let bytes = encoder.finish()?;
        self.position = next;
        let mut state = self.shared.lock();
        state.newest_number = number;
        state
            .waiting_changes
            .push_back(WaitingChange { number, bytes });
        state.since = (state.since.0 + 1, state.since.1 + bytes);
        Ok(state
            .waiting_changes
            .iter()
            .map(|waiting| waiting.bytes)
            .sum::<u64>()
            <= MAX_WAITING_BYTES)
    }
}

impl WalFollower for WalSpool {
    fn read_changes(&mut self, log: &Path, foreign: bool) {
        if self.shared.lock().has_lost_changes {
            return;
        }
        let outcome = self.collect(log, foreign);
        let mut state = self.shared.lock();
        state.error = outcome.as_ref().err().map(io::Error::to_string);
        if !matches!(outcome, Ok(true)) {
            state.has_lost_changes = true;
            let discarded = state.newest_number + 1;
            let all = state
                .waiting_changes
                .drain(..)
                .map(|waiting| waiting.number);
            for number in all.chain([discarded]) {
                let _ = std::fs::remove_file(change_path(&self.folder, number));
            }
        }
    }

    fn mark_emptied(&mut self) {
        self.position = WalPosition::default();
    }

    fn held(&mut self) {
        let mut state = self.shared.lock();
        if state.has_lost_changes || state.newest_number == 0 {
            // The replica lacks a change that leads to the current state, so the snapshot gets a new number.
            state.newest_number += 1;
            state.has_lost_changes = false;
        }
        state.snapshot_position = state.newest_number;
        state.since = (0, 0);
        state.error = None;
    }
}
