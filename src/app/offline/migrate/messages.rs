//! The errors of a migration, worded for the operator.

use super::MigratedTable;
use crate::app::{Error, Kind, Result};
use crate::store::OpenError;
use crate::store::transfer::TransferError;

/// Returns the error for a source that cannot be read.
pub(super) fn source_error(error: &TransferError) -> Error {
    match error {
        TransferError::InUse => Error::new(
            Kind::Conflict,
            "a Quire server is using the database to move",
        )
        .resolve("stop all servers first; one that failed counts for 10 more seconds"),
        TransferError::PendingCommands(count) => Error::new(
            Kind::Conflict,
            format!("commands to runs have not been carried out yet: {count}"),
        )
        .resolve("start a server on the database to move, wait until it has, and stop it"),
        TransferError::Older(_) => Error::new(Kind::Conflict, format!("the source: {error}"))
            .resolve("start this version of the server on it once, which upgrades it, and stop it"),
        TransferError::UnknownTable(name) => Error::new(
            Kind::Conflict,
            format!("the source has a table that is not Quire's: {name}"),
        )
        .resolve("move it elsewhere first, because it would be lost"),
        TransferError::Open(OpenError::Foreign) => Error::new(
            Kind::Missing,
            "the source is not a database of Quire, or it is empty",
        ),
        error => general_error("the source", error),
    }
}

/// Returns the error for a target that cannot be filled.
pub(super) fn target_error(error: &TransferError) -> Error {
    match error {
        TransferError::InUse => Error::new(
            Kind::Conflict,
            "a Quire server is using the target database",
        )
        .resolve("stop all servers first, and use an empty database"),
        TransferError::NotEmpty(table) => Error::new(
            Kind::Conflict,
            format!("the target database is not empty: it has rows in {table}"),
        )
        .resolve("use an empty database"),
        TransferError::Open(OpenError::Foreign) => Error::new(
            Kind::Conflict,
            "the target database contains another program's tables",
        )
        .resolve("create a database only for Quire, or give its user a separate schema"),
        TransferError::Encoding(_) => Error::new(Kind::Conflict, format!("the target: {error}"))
            .resolve("create it with ENCODING 'UTF8', and with TEMPLATE template0 if necessary"),
        TransferError::UnknownCommit => Error::new(
            Kind::Unavailable,
            "the connection was lost at the end, so it is unknown whether the copy was stored",
        )
        .resolve(
            "run the command again: if the target then has rows, it has all of them, verified",
        ),
        error => general_error("the target", error),
    }
}

/// Returns the error for a table that cannot be copied.
pub(super) fn copy_error(table: &str, error: &TransferError) -> Error {
    match error {
        TransferError::UnusableKey(_) => Error::new(
            Kind::Conflict,
            format!("a row of {table} has U+0000 in its key, which PostgreSQL cannot store"),
        ),
        error => general_error(&format!("the table {table}"), error),
    }
}

/// Returns the error for original files that are missing in the source folder and may exist only in its replica.
pub(super) fn only_in_replica(count: usize) -> Error {
    let text = format!("original files that are only in the replica, if anywhere: {count}");
    Error::new(Kind::Conflict, text).resolve(
        "start the server on the source until it has fetched them, or unset QUIRE_REPLICA to move without them",
    )
}

/// Compares a table of the target with what was copied.
///
/// # Errors
/// `Internal` if they differ.
pub(super) fn compare(copied: &MigratedTable, found: &MigratedTable) -> Result<()> {
    if copied == found {
        return Ok(());
    }
    let text = match copied.rows == found.rows {
        true => format!(
            "the copy of {} differs: {} rows with the hash {} in the source, {} in the target",
            copied.name, copied.rows, copied.hash, found.hash
        ),
        false => format!(
            "the copy of {} differs: {} rows in the source, {} in the target",
            copied.name, copied.rows, found.rows
        ),
    };
    Err(Error::new(Kind::Internal, text).resolve("nothing was kept of the copy"))
}

fn general_error(what: &str, error: &TransferError) -> Error {
    if *error == TransferError::Unreachable {
        return Error::new(Kind::Unavailable, format!("{what}: {error}")).resolve(
            "check the address and the password, and make sure that the server is running",
        );
    }
    let kind = match error {
        TransferError::Open(OpenError::Busy) => Kind::Unavailable,
        _ => Kind::Internal,
    };
    Error::new(kind, format!("{what}: {error}"))
}
