//! Errors that can occur while a database is moved.

use std::fmt;

use crate::store::error::{OpenError, StoreError};

/// Why a transfer failed. Only after `UnknownCommit` may anything have been stored in the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferError {
    /// A database cannot be opened.
    Open(OpenError),
    /// The source was written by an older version, which has this schema version.
    Older(u32),
    /// A Quire server is using the database.
    InUse,
    /// The target already has rows in the table of this name.
    NotEmpty(String),
    /// This many commands for runs have not been executed yet.
    PendingCommands(u64),
    /// The source contains a table of this name, which is not in the schema.
    UnknownTable(String),
    /// A row in the table of this name has U+0000 in its key, which PostgreSQL cannot store.
    UnusableKey(String),
    /// The target rejected a batch of rows of a table.
    UnusableRows {
        /// Primary key of the first row in the rejected batch.
        first: String,
        /// Primary key of the last row in the rejected batch.
        last: String,
        /// Why the rows were rejected.
        why: StoreError,
    },
    /// The target uses this text encoding, which lacks some characters.
    Encoding(String),
    /// The server cannot be reached or refuses the connection.
    Unreachable,
    /// The connection was lost during the commit, so whether the target is complete is unknown.
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
