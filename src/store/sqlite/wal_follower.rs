//! Lets a replica follow the write-ahead log. On the writer thread, the follower reads the log before each truncation,
//! so that it misses nothing. A snapshot is read from the database file, which a read transaction keeps unchanged.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::store::connection::{Reader, Writer};
use crate::store::error::{Result, StoreError};

/// Size of the log, in bytes, above which it is checkpointed after the follower has read it. Without a follower, SQLite
/// checkpoints automatically.
const LARGE_LOG_BYTES: u64 = 4 * 1024 * 1024;

/// A follower of the log. Its methods are called between changes, while the log does not change. They must be fast,
/// because every change waits for them.
pub trait WalFollower: Send {
    /// Reads the entries added to the log since the last call. `foreign` tells whether another process has changed the
    /// database since then.
    fn read_changes(&mut self, log: &Path, foreign: bool);
    /// Called after the log has been truncated, which happens only after `read_changes`.
    fn mark_emptied(&mut self);
    /// Called while the log is empty, just before a [`HeldSnapshot`] is returned.
    fn held(&mut self);
}

/// A snapshot of the database. The database file does not change while this exists.
pub struct HeldSnapshot {
    // Closing the connection ends the transaction.
    _transaction: Reader,
    file: Arc<File>,
    /// Size of a page, in bytes.
    pub page_size: u32,
    /// Size of the database, in pages.
    pub pages: u32,
}

impl HeldSnapshot {
    /// Returns the database file, for positioned reads. The file must not be opened again, because closing it would
    /// release SQLite's locks.
    pub fn file(&self) -> &File {
        &self.file
    }
}

/// The write-ahead log, and its follower if there is one.
pub(in crate::store) struct WalLog {
    database: PathBuf,
    path: PathBuf,
    follower: Option<Box<dyn WalFollower>>,
    data_version: Option<i64>,
    // Opened once and kept open: when a process closes any handle to a file, POSIX releases all of the process's locks
    // on that file.
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

    /// Lets the follower read the log, and checkpoints the log if it is large.
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

    /// Lets the follower read the log, and then checkpoints and truncates the log.
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

    /// Truncates the log, and returns a snapshot during whose lifetime the database file does not change.
    ///
    /// # Errors
    /// Returns `Busy` if another connection is using the log, or another error if the database cannot be read or
    /// written.
    pub(in crate::store) fn hold_file(&mut self, db: &Writer) -> Result<HeldSnapshot> {
        self.read_changes(db);
        self.empty_log(db)?;
        let failed = |error: std::io::Error| StoreError::Failed(error.to_string());
        let reader = Reader::open_sqlite(&self.database)?;
        reader.run_batch("BEGIN")?;
        // Because the log is empty, this reads from the file itself. From then on, no checkpoint can change the file.
        let number = |sql| reader.query_one(sql, [], |row| row.get::<_, u32>(0));
        number("SELECT count(*) FROM sqlite_schema")?;
        let (page_size, pages) = (number("PRAGMA page_size")?, number("PRAGMA page_count")?);
        if std::fs::metadata(&self.path).is_ok_and(|data| data.len() > 0) {
            // Another process has written to the database in the meantime.
            return Err(StoreError::Busy);
        }
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => Arc::new(File::open(&self.database).map_err(failed)?),
        };
        self.file = Some(Arc::clone(&file));
        // This comes last: if a step above failed, later changes would have no snapshot to build on.
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

/// Returns a number that changes whenever another connection changes the database.
fn data_version(db: &Writer) -> Result<i64> {
    db.query_one("PRAGMA data_version", [], |row| row.get(0))
}
