//! Store errors. SQLite's own messages go only to the log, because they contain SQL and paths.

use std::fmt;

/// Why a read or write failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// The row to change, or its parent, does not exist.
    Missing,
    /// It already exists; the text names the object.
    Conflict(&'static str),
    /// Another process locked the database for longer than Quire waits.
    Busy,
    /// The disk is full.
    Full,
    /// The store is closed: the server is stopping, or another one has taken over.
    Closed,
    /// Anything else. The text is for the log.
    Failed(String),
}

/// Result of a read or write.
pub type Result<T> = std::result::Result<T, StoreError>;

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("not there"),
            Self::Conflict(what) => write!(f, "{what} exists already"),
            Self::Busy => f.write_str("the database is busy"),
            Self::Full => f.write_str("the disk is full"),
            Self::Closed => f.write_str("the store is closed"),
            Self::Failed(why) => write!(f, "the database failed: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull};
        use rusqlite::ffi;
        let Some(cause) = error.sqlite_error() else {
            return match error {
                rusqlite::Error::QueryReturnedNoRows => Self::Missing,
                other => Self::Failed(other.to_string()),
            };
        };
        match (cause.code, cause.extended_code) {
            (DatabaseBusy | DatabaseLocked, _) => Self::Busy,
            // `SQLITE_IOERR_SHMSIZE`: the WAL index could not grow.
            (DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => Self::Full,
            // The parent row is gone: deleted while work for it was still running.
            (_, ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => Self::Missing,
            (_, ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => {
                Self::Conflict("such a row")
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl StoreError {
    /// Names the object of a conflict.
    pub(super) fn with_subject(self, what: &'static str) -> Self {
        match self {
            Self::Conflict(_) => Self::Conflict(what),
            other => other,
        }
    }
}

/// Why a database could not be opened. Each message is for the operator who starts the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// Written by a newer version of Quire.
    Newer {
        /// Schema version of the file.
        found: u32,
        /// Newest version this program knows.
        known: u32,
    },
    /// A database of another program.
    Foreign,
    /// Not a readable database.
    Damaged(String),
    /// The log next to it belongs to another database.
    ForeignLog(String),
    /// Another process has locked it.
    Busy,
    /// The file or its folder is unusable, or a migration or its backup failed.
    Failed(String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { found, known } => write!(
                f,
                "the database was written by a newer quire (its version is {found}, this program knows \
                 {known}): start that version, or restore the backup made before the upgrade"
            ),
            Self::Foreign => f.write_str("the file is a database of another program"),
            Self::Damaged(why) => write!(f, "the file is not a sound database: {why}"),
            Self::ForeignLog(why) => write!(
                f,
                "quire.db and quire.db-wal, the log beside it, do not belong together: {why}"
            ),
            Self::Busy => f.write_str("another process is holding the database"),
            Self::Failed(why) => write!(f, "the database cannot be opened: {why}"),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseCorrupt, DatabaseLocked, NotADatabase};
        match error.sqlite_error_code() {
            Some(DatabaseBusy | DatabaseLocked) => Self::Busy,
            Some(DatabaseCorrupt | NotADatabase) => Self::Damaged(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}
