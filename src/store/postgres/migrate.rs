//! Creates the tables of the current schema in an empty database, or adds tables that an existing one lacks. Refuses a
//! database that is newer or belongs to another program.

use std::time::Duration;

use super::{schema, server_steps};
use crate::store::connection::Writer;
use crate::store::error::{OpenError, Result, StoreError};
use crate::store::version::VERSION;

/// Key of the advisory lock for creating the schema, the same for every Quire server.
const SCHEMA_LOCK: i64 = 0x5175_6972_6501;
/// Pause between two attempts to take the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(200);
/// Maximum number of attempts, which take at least one minute in total.
const LOCK_ATTEMPTS: u32 = 300;

/// Creates missing tables under a lock, so that servers that start at the same time create them only once.
///
/// # Errors
/// Returns `Newer`, `Foreign`, or `Damaged` for a database that must not be changed, or another error if another
/// process keeps the lock or the database cannot be written.
pub(in crate::store) fn migrate(
    db: &Writer,
    sqlite_schema: &str,
) -> std::result::Result<(), OpenError> {
    for _ in 0..LOCK_ATTEMPTS {
        db.run_control("BEGIN")?;
        match db.end_transaction(create_locked(db, sqlite_schema)) {
            Ok(true) => return Ok(()),
            // Tries again instead of waiting for the lock, so that no transaction stays open while another process
            // works.
            Ok(false) => {}
            Err(OpenError::Busy) if !db.is_broken() => {}
            Err(error) => return Err(error),
        }
        std::thread::sleep(LOCK_PAUSE);
    }
    Err(OpenError::Failed(
        "another program, such as pg_dump or `quire migrate`, has locked its tables: start Quire when it has finished"
            .into(),
    ))
}

/// Creates missing tables in the current transaction, which holds the lock until its end. Returns false if another
/// process has the lock.
///
/// # Errors
/// Returns the same errors as [`migrate`].
pub(super) fn create_locked(
    db: &Writer,
    sqlite_schema: &str,
) -> std::result::Result<bool, OpenError> {
    let sql = "SELECT CASE WHEN pg_try_advisory_xact_lock(?1) THEN 1 ELSE 0 END";
    match db.query_one(sql, [SCHEMA_LOCK], |row| row.get::<_, bool>(0))? {
        true => create(db, sqlite_schema).map(|()| true),
        false => Ok(false),
    }
}

fn create(db: &Writer, sqlite_schema: &str) -> std::result::Result<(), OpenError> {
    match version(db)? {
        Some(VERSION) => server_steps::run(db),
        Some(found) if found > VERSION => Err(OpenError::Newer {
            found,
            known: VERSION,
        }),
        Some(found) => Err(OpenError::Damaged(format!(
            "it claims to have version {found}"
        ))),
        None if has_tables(db)? => Err(OpenError::Foreign),
        None => {
            db.run_batch(&schema::translated(sqlite_schema))?;
            db.run_batch("CREATE TABLE quire_schema (version BIGINT NOT NULL)")?;
            db.run(
                "INSERT INTO quire_schema (version) VALUES (?1)",
                [i64::from(VERSION)],
            )?;
            server_steps::run(db)
        }
    }
}

/// Returns the version of the schema; `None` if the database has no table of Quire's version.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub(super) fn version(db: &Writer) -> Result<Option<u32>> {
    match has_table(db, "quire_schema")? {
        false => Ok(None),
        true => db.query_optional("SELECT version FROM quire_schema", [], |row| row.get(0)),
    }
}

/// Returns whether there is a table with this name.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub(super) fn has_table(db: &Writer, name: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM information_schema.tables
               WHERE table_schema = current_schema() AND CAST(table_name AS TEXT) = ?1";
    Ok(db.query_optional(sql, [name], |_| Ok(()))?.is_some())
}

fn has_tables(db: &Writer) -> Result<bool> {
    let sql =
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()";
    db.query_one(sql, [], |row| Ok(row.get::<_, i64>(0)? > 0))
}

/// Returns the server version, for example `PostgreSQL 15.18`.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub(in crate::store) fn server_version(db: &Writer) -> Result<String> {
    let sql = "SELECT current_setting('server_version')";
    let version: String = db.query_one(sql, [], |row| row.get(0))?;
    let number = version.split(' ').next().map(str::to_owned);
    number
        .map(|number| format!("PostgreSQL {number}"))
        .ok_or_else(|| StoreError::Failed("the server has no version".into()))
}
