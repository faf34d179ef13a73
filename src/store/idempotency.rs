//! Claims on idempotency keys, and the responses stored for them. `app` decides which requests are idempotent, and for
//! how long.

use super::connection::Writer;
use super::error::Result;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;

/// Maximum number of responses stored per user.
const MAX_ANSWERS: u32 = 1_000;

/// A stored response, with the request that it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResponse {
    /// SHA-256 of the request that was answered.
    pub request: [u8; 32],
    /// Header names and values as JSON. In a claim, this is the ID of the process that made it.
    pub headers: String,
    /// Response body, as JSON.
    pub body: String,
}

/// What is known about a key when a request tries to claim it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyLookup {
    /// The key was not in use and has been claimed.
    Claimed,
    /// A request with this key has already been answered.
    Answered(StoredResponse),
    /// Another request has claimed the key but has not been answered yet.
    Claim {
        /// SHA-256 of the request that claimed the key.
        request: [u8; 32],
        /// The process that claimed the key.
        process: String,
    },
}

/// Claims a key for a request before anything is charged, unless the key has been used since the time `since`.
///
/// # Errors
/// Returns an error if the database cannot be read or written.
pub fn claim(
    db: &Writer,
    (user, key): (&UserId, &str),
    request: [u8; 32],
    process: &str,
    (since, now): (Timestamp, Timestamp),
) -> Result<KeyLookup> {
    // Two servers may receive the same request at the same time.
    db.lock(&format!("idempotency {} {key}", user.as_str()))?;
    let stored_row = db.query_optional(
        "SELECT request, headers, body, status FROM idempotency
         WHERE user_id = ?1 AND key = ?2 AND created > ?3",
        (user, key, since),
        |row| {
            let stored_response = StoredResponse {
                request: row.get(0)?,
                headers: row.get(1)?,
                body: text_of(row.bytes(2)?),
            };
            Ok((stored_response, row.get::<_, u16>(3)?))
        },
    )?;
    match stored_row {
        Some((stored_response, 200)) => return Ok(KeyLookup::Answered(stored_response)),
        Some((claim, _)) => {
            return Ok(KeyLookup::Claim {
                request: claim.request,
                process: claim.headers,
            });
        }
        None => {}
    }
    take_over(db, (user, key), request, process, now)?;
    Ok(KeyLookup::Claimed)
}

fn text_of(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

/// Claims a key even if it is in use.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn take_over(
    db: &Writer,
    (user, key): (&UserId, &str),
    request: [u8; 32],
    process: &str,
    now: Timestamp,
) -> Result<()> {
    db.run(
        "INSERT INTO idempotency (user_id, key, request, status, headers, created)
         VALUES (?1, ?2, ?3, 0, ?4, ?5)
         ON CONFLICT (user_id, key) DO UPDATE SET request = excluded.request, status = excluded.status,
             headers = excluded.headers, body = excluded.body, created = excluded.created",
        (user, key, request, process, now),
    )
    .map(drop)
}

/// Releases a key that this process has claimed, because its request failed and may be sent again.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn release(db: &Writer, user: &UserId, key: &str, process: &str) -> Result<()> {
    db.run(
        "DELETE FROM idempotency WHERE user_id = ?1 AND key = ?2 AND headers = ?3 AND status = 0",
        (user, key, process),
    )
    .map(drop)
}

/// Stores a response, replacing any earlier one with the same key.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn store_response(
    db: &Writer,
    user: &UserId,
    key: &str,
    response: &StoredResponse,
    now: Timestamp,
) -> Result<()> {
    db.run(
        "INSERT INTO idempotency (user_id, key, request, status, headers, body, created)
         VALUES (?1, ?2, ?3, 200, ?4, ?5, ?6)
         ON CONFLICT (user_id, key) DO UPDATE SET request = excluded.request, status = excluded.status,
             headers = excluded.headers, body = excluded.body, created = excluded.created",
        (user, key, response.request, &response.headers, response.body.as_bytes(), now),
    )?;
    db.run(
        "DELETE FROM idempotency WHERE user_id = ?1 AND key IN
             (SELECT key FROM idempotency WHERE user_id = ?1 ORDER BY created DESC LIMIT 1000000 OFFSET ?2)",
        (user, MAX_ANSWERS),
    )
    .map(drop)
}

/// Deletes entries that are not newer than this time and returns their number.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete_before(db: &Writer, before: Timestamp) -> Result<usize> {
    db.run("DELETE FROM idempotency WHERE created <= ?1", [before])
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, user, with_writer};
    use super::super::users;
    use super::*;

    #[test]
    fn a_stored_response_belongs_to_its_owner_until_it_expires() {
        with_writer(|db| {
            users::insert_bootstrapping_admin(db, &user(1))?;
            users::insert(db, &user(2))?;
            let (owner, other) = (user(1).id, user(2).id);
            let response_of = |number: u8| StoredResponse {
                request: [number; 32],
                headers: "[]".into(),
                body: "{\"a\":1}".into(),
            };
            let find = |user: &UserId, key: &str, since: i64| {
                let first_claim = claim(db, (user, key), [9; 32], "p", (at(since), at(20)))?;
                if first_claim == KeyLookup::Claimed {
                    release(db, user, key, "p")?;
                }
                Ok::<_, super::super::error::StoreError>(match first_claim {
                    KeyLookup::Answered(response) => Some(response),
                    _ => None,
                })
            };
            store_response(db, &owner, "k", &response_of(1), at(5))?;
            assert_eq!(find(&owner, "k", 4), Ok(Some(response_of(1))));
            assert_eq!(find(&owner, "other", 4), Ok(None));
            assert_eq!(find(&other, "k", 4), Ok(None), "another user's");
            store_response(db, &owner, "k", &response_of(2), at(9))?;
            assert_eq!(find(&owner, "k", 8), Ok(Some(response_of(2))));
            for number in 0..MAX_ANSWERS {
                store_response(db, &owner, &number.to_string(), &response_of(3), at(10))?;
            }
            assert_eq!(find(&owner, "k", 4), Ok(None), "the oldest went");
            assert_eq!(delete_before(db, at(10)), Ok(MAX_ANSWERS as usize));
            Ok(())
        });
    }

    #[test]
    fn a_claim_holds_until_answered_released_or_expired() {
        with_writer(|db| {
            users::insert_bootstrapping_admin(db, &user(1))?;
            let owner = user(1).id;
            let ask = |request: u8, process: &str, since: i64| {
                let times = (at(since), at(10));
                claim(db, (&owner, "k"), [request; 32], process, times)
            };
            assert_eq!(ask(1, "a", 0), Ok(KeyLookup::Claimed));
            let first_claim = KeyLookup::Claim {
                request: [1; 32],
                process: "a".into(),
            };
            assert_eq!(ask(2, "b", 0), Ok(first_claim.clone()));
            release(db, &owner, "k", "b")?;
            assert_eq!(ask(2, "b", 0), Ok(first_claim), "not its own");
            release(db, &owner, "k", "a")?;
            assert_eq!(ask(2, "b", 0), Ok(KeyLookup::Claimed));
            assert_eq!(
                ask(3, "c", 10),
                Ok(KeyLookup::Claimed),
                "the other was too old"
            );
            let response = StoredResponse {
                request: [3; 32],
                headers: "[]".into(),
                body: "{}".into(),
            };
            store_response(db, &owner, "k", &response, at(11))?;
            release(db, &owner, "k", "c")?;
            assert_eq!(ask(3, "c", 0), Ok(KeyLookup::Answered(response)));
            Ok(())
        });
    }
}
