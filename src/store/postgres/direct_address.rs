//! The second address of the database, which leads to it without a pooler. Checks that both addresses lead to the same
//! database.

use crate::store::connection::{Reader, Writer};
use crate::store::error::{OpenError, Result, StoreError};

/// Returns a random number for a lock that nobody else takes.
const LOCK_NUMBER: &str = "SELECT CAST(random() * 9000000000000000000 AS BIGINT)";
const LOCK: &str = "SELECT pg_advisory_xact_lock(?1)";
const IS_LOCKED: &str = "SELECT CASE WHEN pg_try_advisory_xact_lock(?1) THEN 0 ELSE 1 END";
const SCHEMA: &str = "SELECT CAST(coalesce(current_schema(), '') AS TEXT)";

/// Returns the error for a direct address that cannot be parsed.
pub(in crate::store) fn not_valid(why: OpenError) -> OpenError {
    OpenError::DirectAddress(format!("is not valid: {why}"))
}

/// Returns the error for a direct address to which no session can be opened.
pub(in crate::store) fn not_reached(why: StoreError) -> OpenError {
    OpenError::DirectAddress(match why {
        StoreError::Busy => "cannot be reached or refuses the connection".into(),
        why => format!("cannot be used: {why}"),
    })
}

/// Checks that two sessions use the same schema of the same database, by testing whether one session sees a lock that
/// the other takes. Comparing names and identifiers would not suffice: a copy of the database, such as one that was
/// made from a backup for tests, has the same ones.
///
/// # Errors
/// Returns `DirectAddress` if they do not, or another error if a server cannot be reached.
pub(in crate::store) fn check_same(
    db: &Writer,
    direct: &Writer,
) -> std::result::Result<(), OpenError> {
    db.run_control("BEGIN")?;
    let is_same = share_a_lock(db, direct);
    db.run_control("ROLLBACK")?;
    match is_same? && schema(db)? == schema(direct)? {
        true => Ok(()),
        false => Err(OpenError::DirectAddress(
            "leads to another database, or to another schema of it".into(),
        )),
    }
}

fn share_a_lock(db: &Writer, direct: &Writer) -> Result<bool> {
    let number: i64 = db.query_one(LOCK_NUMBER, [], |row| row.get(0))?;
    db.query_one(LOCK, [number], |_| Ok(()))?;
    direct.query_one(IS_LOCKED, [number], |row| row.get(0))
}

fn schema(db: &Reader) -> Result<String> {
    db.query_one(SCHEMA, [], |row| row.get(0))
}
