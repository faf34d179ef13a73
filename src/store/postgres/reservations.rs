//! Budget reservations of all servers on one database: one row per server and owner (a user or an API key).

use crate::domain::money::MicroDollars;
use crate::domain::usage::UsageAmount;
use crate::store::connection::{Reader, Writer};
use crate::store::error::{Result, StoreError};

/// Prevents other servers from reserving for this owner before the end of the transaction.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn lock_owner(db: &Writer, owner: &str) -> Result<()> {
    db.lock(owner)
}

/// Returns what other servers have reserved for an owner. Read this before the amount spent: a charge that is recorded
/// in between then counts twice, but is never missed.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn reserved_elsewhere(db: &Reader, owner: &str, boot: &str) -> Result<UsageAmount> {
    db.query_one(
        "SELECT CAST(coalesce(sum(cost), 0) AS BIGINT), CAST(coalesce(sum(tokens), 0) AS BIGINT)
         FROM reservations WHERE owner = ?1 AND server <> ?2",
        (owner, boot),
        |row| {
            Ok(UsageAmount {
                cost: MicroDollars(row.get(0)?),
                tokens: row.get::<_, i64>(1)?.unsigned_abs(),
            })
        },
    )
}

/// Stores the total that a server has reserved for an owner, replacing the previous one.
///
/// # Errors
/// `Busy` if the server no longer counts as alive; another error if the database cannot be written.
pub fn put(db: &Writer, owner: &str, boot: &str, amount: UsageAmount) -> Result<()> {
    if amount == UsageAmount::default() {
        let sql = "DELETE FROM reservations WHERE owner = ?1 AND server = ?2";
        return db.run(sql, (owner, boot)).map(drop);
    }
    let tokens = i64::try_from(amount.tokens).unwrap_or(i64::MAX / 2);
    let rows = db.run(
        "INSERT INTO reservations (owner, server, cost, tokens)
         SELECT ?1, boot, ?3, ?4 FROM servers WHERE boot = ?2 FOR KEY SHARE
         ON CONFLICT (owner, server) DO UPDATE SET cost = excluded.cost, tokens = excluded.tokens",
        (owner, boot, amount.cost.0, tokens),
    )?;
    match rows {
        0 => Err(StoreError::Busy),
        _ => Ok(()),
    }
}
