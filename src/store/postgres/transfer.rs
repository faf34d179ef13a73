//! A PostgreSQL database as the source or the target of a transfer.

use super::{migrate, search, servers};
use crate::store::connection::{Reader, Writer};
use crate::store::error::{OpenError, Result};
use crate::store::transfer::error::TransferError;
use crate::store::version::VERSION;

/// Lists the tables.
pub(in crate::store) const TABLES_QUERY: &str =
    "SELECT CAST(table_name AS TEXT) FROM information_schema.tables
    WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'";

/// Lists the columns of a table's primary key, in the key's order.
pub(in crate::store) const KEY_QUERY: &str = "SELECT CAST(k.column_name AS TEXT)
    FROM information_schema.key_column_usage k
    JOIN information_schema.table_constraints c
      ON c.constraint_schema = k.constraint_schema AND c.constraint_name = k.constraint_name
    WHERE c.constraint_type = 'PRIMARY KEY' AND k.table_schema = current_schema()
      AND CAST(k.table_name AS TEXT) = ?1 ORDER BY k.ordinal_position";

/// Tables that exist only in PostgreSQL and are not copied: derived data, the state of running servers, and files,
/// which are copied separately.
pub(in crate::store) const OWN_TABLES: &[&str] = &[
    "quire_schema",
    "passage_words",
    "turn_words",
    "servers",
    "leases",
    "run_commands",
    "reservations",
    "document_bytes",
    "upload_bytes",
];

/// What other sessions cannot do while the tables are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum LockMode {
    /// Other sessions cannot write.
    KeepUnchanged,
    /// Other sessions can neither write nor lock rows.
    KeepOut,
}

/// Begins a transaction without time limits, because it waits while the other database is read or written.
///
/// # Errors
/// Returns an error if the server cannot be reached.
pub(in crate::store) fn begin(db: &Writer) -> Result<()> {
    db.run_control("BEGIN")?;
    db.expect_growth()?;
    db.run_batch(
        "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0",
    )
}

/// Checks that a database has the current schema.
///
/// # Errors
/// `Older` if the schema is older or lacks the tables for several servers; `Open` if the database is newer, empty, or
/// another program's.
pub(in crate::store) fn check_version(db: &Writer) -> std::result::Result<(), TransferError> {
    match migrate::version(db)? {
        Some(VERSION)
            if migrate::has_table(db, "servers")? && migrate::has_table(db, "upload_bytes")? =>
        {
            Ok(())
        }
        Some(found) if found <= VERSION => Err(TransferError::Older(found)),
        Some(found) => Err(OpenError::Newer {
            found,
            known: VERSION,
        }
        .into()),
        None => Err(OpenError::Foreign.into()),
    }
}

/// Checks that the encoding of a database is UTF-8, so that it can store every text.
///
/// # Errors
/// `Encoding` if it is not; another error if the database cannot be read.
pub(in crate::store) fn check_encoding(db: &Writer) -> std::result::Result<(), TransferError> {
    let sql = "SELECT CAST(current_setting('server_encoding') AS TEXT)";
    let name: String = db.query_one(sql, [], |row| row.get(0))?;
    match name == "UTF8" {
        true => Ok(()),
        false => Err(TransferError::Encoding(name)),
    }
}

/// Checks that no server uses the database and no command waits to be carried out.
///
/// # Errors
/// `InUse` if a server uses it; `PendingCommands` if a command waits; another error if the database cannot be read.
pub(in crate::store) fn check_unused(db: &Writer) -> std::result::Result<(), TransferError> {
    if count_alive(db)? > 0 {
        return Err(TransferError::InUse);
    }
    let sql = "SELECT count(*) FROM run_commands";
    match db.query_one(sql, [], |row| row.get::<_, i64>(0))? {
        0 => Ok(()),
        count => Err(TransferError::PendingCommands(count.unsigned_abs())),
    }
}

/// Returns the number of servers that count as alive.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub(in crate::store) fn count_alive(db: &Reader) -> Result<u64> {
    servers::count_alive(db)
}

/// Locks these tables and those for several servers until the end of the transaction. A server that starts in the
/// meantime cannot register, and fails to start.
///
/// # Errors
/// `Busy` if another transaction uses one of the tables for too long; another error if the user may not lock them.
pub(in crate::store) fn lock_tables(db: &Writer, names: &[&str], mode: LockMode) -> Result<()> {
    let mode = match mode {
        LockMode::KeepUnchanged => "SHARE",
        LockMode::KeepOut => "EXCLUSIVE",
    };
    let names = names.join(", ");
    let own = "servers, leases, run_commands, reservations, document_bytes, upload_bytes";
    db.run_batch(&format!("LOCK TABLE {own}, {names} IN {mode} MODE"))
}

/// Creates the tables in an empty database. Succeeds if it already has Quire's tables.
///
/// # Errors
/// Returns the same errors as [`migrate::migrate`].
pub(in crate::store) fn create_tables(
    db: &Writer,
    sqlite_schema: &str,
) -> std::result::Result<(), OpenError> {
    match migrate::create_locked(db, sqlite_schema)? {
        true => Ok(()),
        false => Err(OpenError::Busy),
    }
}

/// Builds the full-text index, and sets the sequences of generated keys to continue after the highest keys.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub(in crate::store) fn complete(db: &Writer) -> Result<()> {
    search::index_all(db)?;
    let generated: Vec<(String, String)> = db.all(
        "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) FROM information_schema.columns
         WHERE table_schema = current_schema() AND is_identity = 'YES'",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    for (table, column) in &generated {
        let sql = format!("SELECT max({column}) FROM {table}");
        let highest: Option<i64> = db.query_one(&sql, [], |row| row.get(0))?;
        if let Some(highest) = highest {
            let sql = "SELECT setval(pg_get_serial_sequence(?1, ?2), ?3)";
            db.query_one(sql, (table, column, highest), |_| Ok(()))?;
        }
    }
    Ok(())
}
