//! Password reset requests, with the hash of the token if a link has been created. Each user has at most one request: a
//! new one replaces the old one.

use super::connection::{Reader, Writer};
use super::error::Result;
use super::values::optional_timestamp;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;

/// A password reset request, as administrators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetRequest {
    /// The account whose password is to be reset.
    pub user: UserId,
    /// Email address of the user.
    pub email: String,
    /// When the user requested the reset or, without such a request, when an administrator created the link.
    pub requested_at: Timestamp,
    /// When the link expires; `None` if there is no link.
    pub expires_at: Option<Timestamp>,
}

/// Stores a request. If there already is a link, it stays valid.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn request(db: &Writer, user: &UserId, now: Timestamp) -> Result<()> {
    db.run(
        "INSERT INTO password_resets (user_id, requested) VALUES (?1, ?2)
         ON CONFLICT (user_id) DO UPDATE SET requested = excluded.requested",
        (user, now),
    )
    .map(drop)
}

/// Stores a link, replacing an earlier one, which no longer works.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn put(
    db: &Writer,
    user: &UserId,
    hash: &[u8; 32],
    now: Timestamp,
    expires: Timestamp,
) -> Result<()> {
    db.run(
        "INSERT INTO password_resets (user_id, requested, hash, expires) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, expires = excluded.expires",
        (user, now, hash, expires),
    )
    .map(drop)
}

/// Uses up a link. Returns the link's user if the link was valid.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn take(db: &Writer, hash: &[u8; 32], now: Timestamp) -> Result<Option<UserId>> {
    let stored_row: Option<(UserId, Timestamp)> = db.query_optional(
        "SELECT user_id, expires FROM password_resets WHERE hash = ?1",
        [hash],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    // Another server may have used the link in the meantime.
    let is_taken = db.run("DELETE FROM password_resets WHERE hash = ?1", [hash])? > 0;
    let valid = stored_row.filter(|(_, expires)| is_taken && *expires > now);
    Ok(valid.map(|(user, _)| user))
}

/// Lists up to `limit` password reset requests, newest first.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn list(db: &Reader, limit: u32) -> Result<Vec<ResetRequest>> {
    db.all(
        "SELECT r.user_id, u.email, r.requested, r.expires
         FROM password_resets r JOIN users u ON u.id = r.user_id
         ORDER BY r.requested DESC LIMIT ?1",
        [limit],
        |row| {
            Ok(ResetRequest {
                user: row.get("user_id")?,
                email: row.get("email")?,
                requested_at: row.get("requested")?,
                expires_at: optional_timestamp(row, "expires")?,
            })
        },
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, user, with_writer};
    use super::super::users;
    use super::*;

    #[test]
    fn a_link_works_once_and_until_it_expires() {
        with_writer(|db| {
            users::insert(db, &user(1))?;
            let id = user(1).id;
            request(db, &id, at(10))?;
            assert_eq!(
                list(db, 9)?
                    .iter()
                    .map(|reset| reset.expires_at)
                    .collect::<Vec<_>>(),
                [None]
            );
            put(db, &id, &[1; 32], at(20), at(100))?;
            put(db, &id, &[2; 32], at(30), at(100))?;
            let listed_requests = list(db, 9)?;
            assert_eq!(
                (
                    listed_requests[0].requested_at,
                    listed_requests[0].expires_at
                ),
                (at(10), Some(at(100)))
            );
            assert_eq!(take(db, &[1; 32], at(50)), Ok(None), "replaced");
            assert_eq!(take(db, &[2; 32], at(50)), Ok(Some(id.clone())));
            assert_eq!(take(db, &[2; 32], at(50)), Ok(None), "used");
            put(db, &id, &[3; 32], at(30), at(100))?;
            assert_eq!(take(db, &[3; 32], at(100)), Ok(None), "run out");
            assert_eq!(list(db, 9), Ok(vec![]));
            Ok(())
        });
    }
}
