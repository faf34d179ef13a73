//! Store errors. The engines' own messages are only logged, because they contain SQL and paths.

use std::fmt;

/// Why a read or write failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// The row to change, or its parent, does not exist.
    Missing,
    /// The change conflicts with what is stored, for example because an object already exists. The text names the
    /// object.
    Conflict(&'static str),
    /// Another process has locked the database for too long, or the database server cannot be reached.
    Busy,
    /// The connection was lost during the commit, and whether the change was made is unknown.
    Unknown,
    /// The disk is full.
    Full,
    /// A number does not fit in its column.
    OutOfRange,
    /// The store is closed, because this server is stopping or another one has taken over.
    Closed,
    /// Any other failure. The text is only logged.
    Failed(String),
}

/// The result of a read or write.
pub type Result<T> = std::result::Result<T, StoreError>;

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("not there"),
            Self::Conflict(what) => write!(f, "{what} exists already"),
            Self::Busy => f.write_str("the database is busy"),
            Self::Unknown => f.write_str("it is unknown whether the change was stored"),
            Self::Full => f.write_str("the disk is full"),
            Self::OutOfRange => f.write_str("a number is too large to be stored"),
            Self::Closed => f.write_str("the store is closed"),
            Self::Failed(why) => write!(f, "the database failed: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl StoreError {
    /// Replaces the subject of a [`Self::Conflict`]; returns other errors unchanged.
    pub(super) fn with_subject(self, what: &'static str) -> Self {
        match self {
            Self::Conflict(_) => Self::Conflict(what),
            other => other,
        }
    }
}

/// Why a database could not be opened. The messages are for the operator who starts the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// The database was written by a newer version of Quire.
    Newer {
        /// Schema version of the database.
        found: u32,
        /// The newest schema version that this program supports.
        known: u32,
    },
    /// The database belongs to another program.
    Foreign,
    /// The file is not a readable database.
    Damaged(String),
    /// The write-ahead log next to the file belongs to another database.
    ForeignLog(String),
    /// Another process has locked the database.
    Busy,
    /// The direct address, which bypasses the pooler, cannot be used or leads to a different database.
    DirectAddress(String),
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
            Self::DirectAddress(why) => write!(f, "the direct address of the database {why}"),
            Self::Failed(why) => write!(f, "the database cannot be opened: {why}"),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Busy => Self::Busy,
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::Busy,
            error => Self::Failed(error.to_string()),
        }
    }
}
