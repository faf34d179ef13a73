//! Answers kept for requests that may be sent again. Which requests those are, and for how long, `app` decides.

use super::connection::{Reader, Writer};
use super::error::Result;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;

/// The most that is kept of one person.
const MOST: u32 = 1_000;

/// An answer, and the request that it is to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// SHA-256 of the request.
    pub request: [u8; 32],
    /// Names and values, as JSON.
    pub headers: String,
    /// The body, JSON.
    pub body: String,
}

/// What was answered under this key since then.
pub fn find(db: &Reader, user: &UserId, key: &str, since: Timestamp) -> Result<Option<Kept>> {
    db.maybe(
        "SELECT request, headers, CAST(body AS TEXT) FROM idempotency
         WHERE user_id = ?1 AND key = ?2 AND created > ?3 AND status = 200",
        (user, key, since),
        |row| {
            Ok(Kept {
                request: row.get(0)?,
                headers: row.get(1)?,
                body: row.get(2)?,
            })
        },
    )
}

/// Keeps an answer, instead of an older one under the same key.
pub fn keep(db: &Writer, user: &UserId, key: &str, kept: &Kept, now: Timestamp) -> Result<()> {
    db.run(
        "INSERT OR REPLACE INTO idempotency (user_id, key, request, status, headers, body, created)
         VALUES (?1, ?2, ?3, 200, ?4, CAST(?5 AS BLOB), ?6)",
        (user, key, kept.request, &kept.headers, &kept.body, now),
    )?;
    db.run(
        "DELETE FROM idempotency WHERE user_id = ?1 AND key IN
             (SELECT key FROM idempotency WHERE user_id = ?1 ORDER BY created DESC LIMIT -1 OFFSET ?2)",
        (user, MOST),
    )
    .map(drop)
}

/// Forgets what is older.
pub fn delete_before(db: &Writer, before: Timestamp) -> Result<usize> {
    db.run("DELETE FROM idempotency WHERE created <= ?1", [before])
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, user, with_writer};
    use super::super::users;
    use super::*;

    #[test]
    fn an_answer_is_its_owner_s_for_its_time() {
        with_writer(|db| {
            users::insert_first_is_admin(db, &user(1))?;
            users::insert(db, &user(2))?;
            let (owner, other) = (user(1).id, user(2).id);
            let kept = |number: u8| Kept {
                request: [number; 32],
                headers: "[]".into(),
                body: "{\"a\":1}".into(),
            };
            keep(db, &owner, "k", &kept(1), at(5))?;
            assert_eq!(find(db, &owner, "k", at(4)), Ok(Some(kept(1))));
            assert_eq!(find(db, &owner, "k", at(5)), Ok(None), "too old");
            assert_eq!(find(db, &owner, "other", at(4)), Ok(None));
            assert_eq!(find(db, &other, "k", at(4)), Ok(None), "somebody else's");
            keep(db, &owner, "k", &kept(2), at(9))?;
            assert_eq!(find(db, &owner, "k", at(8)), Ok(Some(kept(2))));
            for number in 0..MOST {
                keep(db, &owner, &number.to_string(), &kept(3), at(10))?;
            }
            assert_eq!(find(db, &owner, "k", at(4)), Ok(None), "the oldest went");
            assert_eq!(delete_before(db, at(10)), Ok(MOST as usize));
            Ok(())
        });
    }
}
