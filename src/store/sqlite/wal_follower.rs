//! Lets a replica follow the write-ahead log. The follower reads the log before it is truncated, on the writer thread,
//! so that nothing is missed. A snapshot is read from the file while a read transaction keeps it unchanged.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::store::connection::{Reader, Writer};
use crate::store::error::{Result, StoreError};

/// Log size in bytes above which the log is checkpointed after the follower has read it. SQLite does this automatically
/// if there is no follower.
const LARGE_LOG_BYTES: u64 = 4 * 1024 * 1024;

/// Follows the log. Called between changes, while the log does not change. Must be fast, because every change waits for
/// it.
pub trait WalFollower: Send {
    /// Reads the log entries added since the last call. `foreign` is whether another process has changed the database
    /// since then.
    fn read_changes(&mut self, log: &Path, foreign: bool);
    /// Called after the log has been truncated, which always follows a `read_changes`.
    fn mark_emptied(&mut self);
    /// Called when a [`HeldSnapshot`] is about to be returned. The log is empty at this point.
    fn held(&mut self);
}

/// A snapshot of the database. While this is held, the database file does not change.
pub struct HeldSnapshot {
    // The transaction ends when its connection is closed.
    _transaction: Reader,
    file: Arc<File>,
    /// Page size in bytes.
    pub page_size: u32,
    /// Size of the database in pages.
    pub pages: u32,
}

impl HeldSnapshot {
    /// Returns the database file, for positioned reads. Do not open it again, because closing it would release SQLite's
    /// locks.
    pub fn file(&self) -> &File {
        &self.file
    }
}

/// The log and its follower.
pub(in crate::store) struct WalLog {
    database: PathBuf,
    path: PathBuf,
    follower: Option<Box<dyn WalFollower>>,
    data_version: Option<i64>,
    // Opened once and kept open: POSIX releases all locks that a process holds on a file when any handle to it is
    // closed.
    file: Option<Arc<File>>,
}

impl WalLog {
    pub(in crate::store) fn new(
        database: &Path,
        db: &Writer,
        follower: Option<Box<dyn WalFollower>>,
    ) -> Self {
        let path = PathBuf::from(format!("{}-wal", database.display()));
        let version = data_version(db).ok();
        let database = database.to_owned();
        let file = None;
        Self {
            database,
            path,
            follower,
            data_version: version,
            file,
        }
    }

    /// Lets the follower read the log.
    pub(in crate::store) fn read_changes(&mut self, db: &Writer) {
        let Some(follower) = &mut self.follower else {
            return;
        };
        let now = data_version(db).ok();
        let foreign = now.is_none() || now != self.data_version;
        self.data_version = now;
        follower.read_changes(&self.path, foreign);
    }

    /// Lets the follower read the log, and then checkpoints it if it is large.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(in crate::store) fn read_and_checkpoint(&mut self, db: &Writer) -> Result<()> {
        self.read_changes(db);
        let length = std::fs::metadata(&self.path).map_or(0, |data| data.len());
        match length > LARGE_LOG_BYTES {
            true => self.empty_log(db),
            false => Ok(()),
        }
    }

    /// Checkpoints the whole log.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(in crate::store) fn checkpoint(&mut self, db: &Writer) -> Result<()> {
        self.read_changes(db);
        self.empty_log(db)
    }

    fn empty_log(&mut self, db: &Writer) -> Result<()> {
        if db.query_one("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
            row.get::<_, bool>(0)
        })? {
            return Err(StoreError::Busy);
        }
        if let Some(follower) = &mut self.follower {
            follower.mark_emptied();
        }
        Ok(())
    }

    /// Empties the log and keeps the file in that state.
    ///
    /// # Errors
    /// Returns `Busy` while another connection uses the log, or another error if the database cannot be read or
    /// written.
    pub(in crate::store) fn hold_file(&mut self, db: &Writer) -> Result<HeldSnapshot> {
        self.read_changes(db);
        self.empty_log(db)?;
        let failed = |error: std::io::Error| StoreError::Failed(error.to_string());
        let reader = Reader::open_sqlite(&self.database)?;
        reader.run_batch("BEGIN")?;
        // With an empty log, this reads from the file itself, and then no checkpoint can change the file.
        let number = |sql| reader.query_one(sql, [], |row| row.get::<_, u32>(0));
        number("SELECT count(*) FROM sqlite_schema")?;
        let (page_size, pages) = (number("PRAGMA page_size")?, number("PRAGMA page_count")?);
        if std::fs::metadata(&self.path).is_ok_and(|data| data.len() > 0) {
            // Another process has written in the meantime.
            return Err(StoreError::Busy);
        }
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => Arc::new(File::open(&self.database).map_err(failed)?),
        };
        self.file = Some(Arc::clone(&file));
        // Comes last: if anything above fails, there is no snapshot, and later changes would have nothing to build
        // on.
        if let Some(follower) = &mut self.follower {
            follower.held();
        }
        Ok(HeldSnapshot {
            _transaction: reader,
            file,
            page_size,
            pages,
        })
    }
}

/// Returns a number that changes whenever another connection has changed the database.
fn data_version(db: &Writer) -> Result<i64> {
    db.query_one("PRAGMA data_version", [], |row| row.get(0))
}
