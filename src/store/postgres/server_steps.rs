//! The tables that several servers on one database need, created in numbered steps. `quire_schema.server_steps` is the
//! number of steps that have been run. Steps only add tables and columns, so that a server of the previous version
//! keeps working.

use crate::store::connection::Writer;
use crate::store::error::{OpenError, Result};

/// All steps, oldest first. A released step must never be changed.
const STEPS: &[&str] = &[
    include_str!("servers.sql"),
    include_str!("servers_2.sql"),
    include_str!("servers_3.sql"),
];
/// The tables of the first step with their columns. Databases that have these tables but no recorded number of steps
/// date from before the number was recorded.
const FIRST_TABLES: &[(&str, &[&str])] = &[
    ("servers", &["boot", "started", "until"]),
    ("leases", &["name", "server", "number"]),
    (
        "run_commands",
        &["id", "analysis_id", "command", "argument"],
    ),
    ("reservations", &["owner", "server", "cost", "tokens"]),
    (
        "document_bytes",
        &["document_id", "piece", "bytes", "stored"],
    ),
];

/// Runs the steps that have not been run on a database yet. Does nothing if a newer version has run more steps.
///
/// # Errors
/// Returns `Damaged` if a table of the first step has unexpected columns, or another error if the database cannot be
/// written.
pub(super) fn run(db: &Writer) -> std::result::Result<(), OpenError> {
    let columns = db.columns("quire_schema")?;
    let done = match columns.iter().any(|name| name == "server_steps") {
        true => {
            let sql = "SELECT server_steps FROM quire_schema";
            db.query_one(sql, [], |row| row.get::<_, u32>(0))?
        }
        false => {
            let done = uncounted(db)?;
            let sql = "ALTER TABLE quire_schema ADD COLUMN server_steps BIGINT NOT NULL DEFAULT 0";
            db.run_batch(sql)?;
            done
        }
    };
    let missing = STEPS.get(done as usize..).unwrap_or_default();
    if done > 0 && !missing.is_empty() {
        take_tables(db)?;
    }
    for step in missing {
        db.run_batch(step)?;
    }
    if !missing.is_empty() {
        let sql = "UPDATE quire_schema SET server_steps = ?1";
        db.run(sql, [STEPS.len() as i64])?;
    }
    Ok(())
}

/// Locks the tables that running servers use constantly, always in the same order. Waits only briefly, because running
/// servers would queue behind this lock and count as dead.
fn take_tables(db: &Writer) -> Result<()> {
    db.run_batch(
        "SET LOCAL lock_timeout = '500ms'; LOCK TABLE servers, leases IN ACCESS EXCLUSIVE MODE",
    )
}

/// Returns how many steps have been run on a database that does not record their number.
fn uncounted(db: &Writer) -> std::result::Result<u32, OpenError> {
    let found = FIRST_TABLES
        .iter()
        .map(|(table, _)| db.columns(table))
        .collect::<Result<Vec<_>>>()?;
    if found.iter().all(Vec::is_empty) {
        return Ok(0);
    }
    let pairs = FIRST_TABLES.iter().zip(&found);
    let mut other = pairs.filter(|((_, expected), found)| found != expected);
    match other.next() {
        None => Ok(1),
        Some(((table, _), _)) => Err(OpenError::Damaged(format!(
            "its table {table} has other columns than this program's"
        ))),
    }
}
