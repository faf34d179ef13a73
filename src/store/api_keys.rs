//! API keys. Only their hashes are stored.

use std::time::Duration;

use super::connection::{Reader, Writer};
use super::error::Result;
use super::row::Row;
use super::totals::Amount;
use super::users;
use super::values::{json, optional_timestamp, to_integer, to_json};
use crate::domain::id::{KeyId, UserId};
use crate::domain::key::KeyLimits;
use crate::domain::money::MicroDollars;
use crate::domain::time::Timestamp;
use crate::domain::usage::CallCharge;
use crate::domain::user::{ApiKey, User};

/// Inserts a key.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn insert(db: &Writer, key: &ApiKey) -> Result<()> {
    db.run(
        "INSERT INTO api_keys (id, user_id, name, prefix, hash, scopes, created, last_used, expires,
             models, day_cost, all_cost)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        (
            &key.id,
            &key.user,
            &key.name,
            &key.prefix,
            key.hash,
            to_json(&key.scopes)?,
            key.created,
            key.last_used.unwrap_or_default(),
            key.expires_at.unwrap_or_default(),
            to_json(&key.limits.models)?,
            key.limits.daily_budget.unwrap_or(NO_LIMIT),
            key.limits.total_budget.unwrap_or(NO_LIMIT),
        ),
    )
    .map(drop)
}

/// Lists a user's keys, newest first, at most 200.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn list_of(db: &Reader, user: &UserId) -> Result<Vec<ApiKey>> {
    db.all(
        "SELECT * FROM api_keys WHERE user_id = ?1 ORDER BY id DESC LIMIT 200",
        [user],
        from_row,
    )
}

/// Finds the key with this hash and its account, unless the account is locked.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn by_hash(db: &Reader, hash: &[u8; 32]) -> Result<Option<(ApiKey, User)>> {
    // The columns are named and read by position, because a later version may add columns to each table while this one
    // runs.
    db.query_optional(
        "SELECT k.id, k.user_id, k.name, k.prefix, k.hash, k.scopes, k.created, k.last_used, k.expires, k.models,
             k.day_cost, k.all_cost, u.*
         FROM api_keys k JOIN users u ON u.id = k.user_id
         WHERE k.hash = ?1 AND u.disabled = 0",
        [hash],
        |row| Ok((from_row(row)?, users::from_columns(row, COLUMNS)?)),
    )
}

/// Records when a key was used, at most once a minute, so that a busy key does not burden the writer.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn record_use(db: &Writer, id: &KeyId, now: Timestamp) -> Result<()> {
    db.run(
        "UPDATE api_keys SET last_used = ?2 WHERE id = ?1 AND last_used <= ?3",
        (id, now, now - Duration::from_secs(60)),
    )
    .map(drop)
}

/// Deletes a key of this user. Returns false if it does not exist.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete(db: &Writer, user: &UserId, id: &KeyId) -> Result<bool> {
    let deleted_rows = db.run(
        "DELETE FROM api_keys WHERE id = ?2 AND user_id = ?1",
        (user, id),
    )?;
    Ok(deleted_rows > 0)
}

/// Deletes all keys of this user and returns their number.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete_all_for_user(db: &Writer, user: &UserId) -> Result<usize> {
    db.run("DELETE FROM api_keys WHERE user_id = ?1", [user])
}

/// Finds a key of this user.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn by_id(db: &Reader, user: &UserId, id: &KeyId) -> Result<Option<ApiKey>> {
    db.query_optional(
        "SELECT * FROM api_keys WHERE user_id = ?1 AND id = ?2",
        (user, id),
        from_row,
    )
}

/// Adds to a key's usage on a day. Does nothing if the key has been deleted.
const ADD_USAGE: &str = "INSERT INTO key_usage (key_id, day, calls, tokens, cost)
     SELECT id, ?2, ?3, ?4, ?5 FROM api_keys WHERE id = ?1
     ON CONFLICT (key_id, day) DO UPDATE SET calls = key_usage.calls + excluded.calls,
         tokens = key_usage.tokens + excluded.tokens, cost = key_usage.cost + excluded.cost";

/// Adds a call to a key's usage on the day of the call. The usage is written at the end of the transaction.
pub fn add_usage(db: &Writer, id: &KeyId, charge: &CallCharge) {
    let used = &charge.bill.usage;
    let MicroDollars(cost) = charge.cost().unwrap_or_default();
    let amounts = [1, to_integer(used.input.saturating_add(used.output)), cost];
    let key = vec![id.as_str().into(), charge.started_at.day().into()];
    db.add_later(ADD_USAGE, key, &amounts.map(Amount::Sum));
}

/// Returns the amounts that a key has spent on a day and in total.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn spent(db: &Reader, id: &KeyId, today: i64) -> Result<(MicroDollars, MicroDollars)> {
    db.query_one(
        "SELECT CAST(coalesce(sum(CASE WHEN day = ?2 THEN cost ELSE 0 END), 0) AS BIGINT) AS today,
             CAST(coalesce(sum(cost), 0) AS BIGINT) AS whole
         FROM key_usage WHERE key_id = ?1",
        (id, today),
        |row| Ok((row.get("today")?, row.get("whole")?)),
    )
}

/// Stored in place of a limit that is not set.
const NO_LIMIT: MicroDollars = MicroDollars(-1);

/// Number of columns of `api_keys` that `from_row` reads.
const COLUMNS: usize = 12;

/// Reads columns by position rather than by name, like `users::from_columns`.
fn from_row(row: &Row<'_>) -> Result<ApiKey> {
    Ok(ApiKey {
        id: row.get(0)?,
        user: row.get(1)?,
        name: row.get(2)?,
        prefix: row.get(3)?,
        hash: row.get(4)?,
        scopes: json(row, 5)?,
        created: row.get(6)?,
        last_used: optional_timestamp(row, 7)?,
        expires_at: optional_timestamp(row, 8)?,
        limits: KeyLimits {
            models: json(row, 9)?,
            daily_budget: limit(row.get(10)?),
            total_budget: limit(row.get(11)?),
        },
    })
}

fn limit(stored: MicroDollars) -> Option<MicroDollars> {
    (stored != NO_LIMIT).then_some(stored)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, user, with_writer};
    use super::*;
    use crate::domain::key::KeyScope;

    #[test]
    fn a_key_works_until_it_is_deleted_or_its_account_locked() {
        with_writer(|db| {
            users::insert_bootstrapping_admin(db, &user(1))?;
            users::insert(db, &user(2))?;
            let owner = user(2).id;
            let key = ApiKey {
                id: KeyId::new(at(5), 5),
                user: owner.clone(),
                name: "ci".into(),
                prefix: "quire_ab".into(),
                hash: [5; 32],
                scopes: vec![KeyScope::Analyze],
                limits: KeyLimits {
                    models: vec!["a/*".into()],
                    daily_budget: Some(MicroDollars(7)),
                    total_budget: None,
                },
                created: at(5),
                last_used: None,
                expires_at: Some(at(900_000)),
            };
            insert(db, &key)?;
            assert_eq!(by_hash(db, &[5; 32]), Ok(Some((key.clone(), user(2)))));
            assert_eq!(by_hash(db, &[6; 32]), Ok(None));

            for (now, noted) in [(100_000, 100_000), (159_000, 100_000), (160_000, 160_000)] {
                record_use(db, &key.id, at(now))?;
                assert_eq!(list_of(db, &owner)?[0].last_used, Some(at(noted)), "{now}");
            }
            users::set_disabled(db, &owner, true)?;
            assert_eq!(by_hash(db, &[5; 32]), Ok(None));
            assert_eq!(
                delete(db, &user(1).id, &key.id),
                Ok(false),
                "another user's"
            );
            assert_eq!(delete(db, &owner, &key.id), Ok(true));
            assert_eq!(list_of(db, &owner), Ok(vec![]));
            Ok(())
        });
    }
}
