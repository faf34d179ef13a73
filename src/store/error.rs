//! Why the store did not do something. SQLite's own words go to the log only: they hold SQL and paths.

use std::fmt;

/// Why a read or write did not happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// The row that was to be changed, or the one it would belong to, is not there.
    Missing,
    /// It is there already; the name says what.
    Conflict(&'static str),
    /// Another process held the database for longer than we wait.
    Busy,
    /// The disk is full.
    Full,
    /// Nothing is stored here any more: the server stops, or another one has taken over.
    Closed,
    /// Anything else. The text is for the log.
    Failed(String),
}

/// The result of a read or write.
pub type Result<T> = std::result::Result<T, StoreError>;

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("not there"),
            Self::Conflict(what) => write!(f, "{what} is there already"),
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
            // The second is what growing the index of the log says.
            (DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => Self::Full,
            // What the row belongs to has gone: deleted while somebody was still working for it.
            (_, ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => Self::Missing,
            (_, ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => {
                Self::Conflict("such a row")
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl StoreError {
    /// The same, with a conflict called by its name.
    pub(super) fn named(self, what: &'static str) -> Self {
        match self {
            Self::Conflict(_) => Self::Conflict(what),
            other => other,
        }
    }
}

/// Why a database could not be opened. Each is a sentence for whoever starts the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// Written by a newer Quire.
    Newer {
        /// The version in the file.
        found: u32,
        /// The newest version this program knows.
        known: u32,
    },
    /// A database, but not ours.
    Foreign,
    /// Not a readable database.
    Damaged(String),
    /// The log beside it belongs to another database.
    OtherLog(String),
    /// Another process holds it.
    Busy,
    /// The file or its folder cannot be used, or a migration or its backup failed.
    Failed(String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { found, known } => write!(
                f,
                "the database was written by a newer quire (its version is {found}, this program knows \
                 {known}): start that one, or restore the backup made before it"
            ),
            Self::Foreign => f.write_str("the file is a database of another program"),
            Self::Damaged(why) => write!(f, "the file is not a sound database: {why}"),
            Self::OtherLog(why) => write!(
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
