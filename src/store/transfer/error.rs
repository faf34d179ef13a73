//! Why moving a database failed.

use std::fmt;

use crate::store::error::{OpenError, StoreError};

/// Why a transfer failed. Except after `UnknownCommit`, the target has nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferError {
    /// A database cannot be opened.
    Open(OpenError),
    /// The source was written by an older version.
    Older(u32),
    /// A server is using this database.
    InUse,
    /// The target has rows in this table.
    NotEmpty(String),
    /// This many commands to runs have not been carried out yet.
    PendingCommands(u64),
    /// A table of the source is not in the schema.
    UnknownTable(String),
    /// A row of this table has U+0000 in its key, which PostgreSQL cannot store.
    UnusableKey(String),
    /// Rows of a table could not be inserted.
    UnusableRows {
        /// Key of the first of them.
        first: String,
        /// Key of the last of them.
        last: String,
        /// The error of the database.
        why: StoreError,
    },
    /// The target stores texts in this encoding, which does not have all characters.
    Encoding(String),
    /// The server cannot be reached, or refuses the connection.
    Unreachable,
    /// The connection was lost during the commit.
    UnknownCommit,
    /// Reading or writing failed.
    Failed(StoreError),
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => write!(f, "{error}"),
            Self::Older(version) => write!(
                f,
                "the database was written by an older quire (its version is {version})"
            ),
            Self::InUse => f.write_str("a quire server is using the database"),
            Self::NotEmpty(table) => write!(f, "the database has rows in {table}"),
            Self::PendingCommands(count) => {
                write!(f, "commands to runs have not been carried out: {count}")
            }
            Self::UnknownTable(name) => write!(f, "the table {name} is not part of the schema"),
            Self::UnusableKey(table) => write!(f, "a row of {table} has U+0000 in its key"),
            Self::UnusableRows { first, last, why } => {
                write!(
                    f,
                    "a row between the keys {first} and {last} cannot be stored: {why}"
                )
            }
            Self::Unreachable => {
                f.write_str("the PostgreSQL server cannot be reached or refuses the connection")
            }
            Self::Encoding(name) => write!(f, "the database has the encoding {name}, not UTF8"),
            Self::UnknownCommit => f.write_str("the connection was lost during the commit"),
            Self::Failed(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for TransferError {}

impl From<StoreError> for TransferError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<OpenError> for TransferError {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}
