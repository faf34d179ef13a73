//! Prevents servers of an earlier version without leases from running at the same time. Such a server holds an advisory
//! lock exclusively; current servers hold the same lock in shared mode.

use crate::store::connection::Writer;
use crate::store::error::{Result, StoreError};

/// First number of the advisory lock; the second is a hash of the schema's name.
const SERVER_LOCK: i32 = 0x5175_6972;
/// Name of the conflict with a running server of an earlier version.
pub const EARLIER_SERVER: &str = "a server of an earlier version";

/// Prevents a server of a version without leases from starting while this session lasts. Through a pooler, no lock
/// outlasts a transaction, so this only checks that no such server is running.
///
/// # Errors
/// Returns `Conflict` with [`EARLIER_SERVER`] if one is running, or another error if the database cannot be read.
pub(in crate::store) fn exclude(db: &Writer) -> Result<()> {
    let sql = match db.is_pooled() {
        false => {
            "SELECT CASE WHEN pg_try_advisory_lock_shared(?1, hashtext(current_schema())) THEN 1 ELSE 0 END"
        }
        true => {
            "SELECT CASE WHEN pg_try_advisory_xact_lock_shared(?1, hashtext(current_schema())) THEN 1 ELSE 0 END"
        }
    };
    match db.query_one(sql, [SERVER_LOCK], |row| row.get::<_, bool>(0))? {
        true => Ok(()),
        false => Err(StoreError::Conflict(EARLIER_SERVER)),
    }
}
