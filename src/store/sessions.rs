//! Sessions of browsers and API clients. Tokens are stored only as hashes.

use super::connection::{Reader, Writer};
use super::error::Result;
use super::row::Row;
use super::users;
use super::values::optional_timestamp;
use crate::domain::id::{SessionId, UserId};
use crate::domain::time::Timestamp;
use crate::domain::user::{Session, User};

/// SHA-256 of a token.
pub type Hash = [u8; 32];

/// Inserts a session.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn insert(db: &Writer, session: &Session) -> Result<()> {
    let (previous, replaced) = session.previous_refresh_hash.unzip();
    db.run(
        "INSERT INTO sessions (id, user_id, refresh_hash, previous_hash, replaced, created, expires,
                               revoked, client)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        (
            &session.id,
            &session.user,
            session.refresh_hash,
            previous,
            replaced.unwrap_or_default(),
            session.created,
            session.expires_at,
            session.revoked_at.unwrap_or_default(),
            &session.client,
        ),
    )
    .map(drop)
}

/// Returns a session, even if it has ended.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn by_id(db: &Reader, id: &SessionId) -> Result<Option<Session>> {
    db.query_optional("SELECT * FROM sessions WHERE id = ?1", [id], from_row)
}

/// Returns a session with its account, unless the session has been ended or the account is locked. The caller must
/// check whether the session has expired.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn find_active(db: &Reader, id: &SessionId) -> Result<Option<(Session, User)>> {
    // The columns are named and read by position, because a later version may add columns to each table while this one
    // runs.
    db.query_optional(
        "SELECT s.id, s.user_id, s.refresh_hash, s.previous_hash, s.replaced, s.created, s.expires, s.revoked,
             s.client, u.*
         FROM sessions s JOIN users u ON u.id = s.user_id
         WHERE s.id = ?1 AND s.revoked = 0 AND u.disabled = 0",
        [id],
        |row| Ok((from_row(row)?, users::from_columns(row, COLUMNS)?)),
    )
}

/// Returns the session with this refresh token, which may be the current or the previous one. The caller must check
/// which.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn find_by_refresh(db: &Reader, hash: &Hash) -> Result<Option<Session>> {
    let current = db.query_optional(
        "SELECT * FROM sessions WHERE refresh_hash = ?1",
        [hash],
        from_row,
    )?;
    match current {
        None => db.query_optional(
            "SELECT * FROM sessions WHERE previous_hash = ?1",
            [hash],
            from_row,
        ),
        found => Ok(found),
    }
}

/// Replaces the refresh token of a session. The old token becomes the previous one.
///
/// # Errors
/// Returns `Missing` if the session has ended, or another error if the database cannot be written.
pub fn rotate(
    db: &Writer,
    id: &SessionId,
    new_hash: &Hash,
    now: Timestamp,
    expires: Timestamp,
) -> Result<()> {
    db.run_one(
        "UPDATE sessions SET previous_hash = refresh_hash, replaced = ?3, refresh_hash = ?2, expires = ?4
         WHERE id = ?1 AND revoked = 0",
        (id, new_hash, now, expires),
    )
}

/// Ends a session. Returns false if the session does not exist or has already been ended.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn revoke(db: &Writer, id: &SessionId, now: Timestamp) -> Result<bool> {
    let ended_rows = db.run(
        "UPDATE sessions SET revoked = ?2 WHERE id = ?1 AND revoked = 0",
        (id, now),
    )?;
    Ok(ended_rows > 0)
}

/// Ends all sessions of an account, except the one in `kept_session`. Returns the number of sessions ended.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn revoke_all_of(
    db: &Writer,
    user: &UserId,
    now: Timestamp,
    kept_session: Option<&SessionId>,
) -> Result<usize> {
    db.run(
        "UPDATE sessions SET revoked = ?2 WHERE user_id = ?1 AND revoked = 0 AND id <> ?3",
        (user, now, kept_session.map_or("", SessionId::as_str)),
    )
}

/// Lists up to 200 active sessions of an account, newest first.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn list_of(db: &Reader, user: &UserId, now: Timestamp) -> Result<Vec<Session>> {
    db.all(
        "SELECT * FROM sessions WHERE user_id = ?1 AND revoked = 0 AND expires > ?2
         ORDER BY id DESC LIMIT 200",
        (user, now),
        from_row,
    )
}

/// Deletes expired sessions, password resets, and invitations. Returns the number of deleted sessions.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete_expired(db: &Writer, now: Timestamp) -> Result<usize> {
    db.run(
        "DELETE FROM password_resets WHERE hash IS NOT NULL AND expires <= ?1",
        [now],
    )?;
    db.run("DELETE FROM invites WHERE expires <= ?1", [now])?;
    db.run("DELETE FROM sessions WHERE expires <= ?1", [now])
}

/// Number of columns of `sessions`, all of which `from_row` reads.
const COLUMNS: usize = 9;

/// Reads columns by position instead of by name, like `users::from_columns`.
fn from_row(row: &Row<'_>) -> Result<Session> {
    let previous: Option<Hash> = row.get(3)?;
    Ok(Session {
        id: row.get(0)?,
        user: row.get(1)?,
        refresh_hash: row.get(2)?,
        previous_refresh_hash: previous.zip(optional_timestamp(row, 4)?),
        created: row.get(5)?,
        expires_at: row.get(6)?,
        revoked_at: optional_timestamp(row, 7)?,
        client: row.get(8)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, user, with_writer};
    use super::*;

    fn session(n: u8, user: &UserId) -> Session {
        Session {
            id: SessionId::new(at(i64::from(n)), u128::from(n)),
            user: user.clone(),
            refresh_hash: [n; 32],
            previous_refresh_hash: None,
            created: at(100),
            expires_at: at(1_000 + i64::from(n)),
            revoked_at: None,
            client: "curl".into(),
        }
    }

    #[test]
    fn the_previous_token_is_still_found() {
        with_writer(|db| {
            users::insert(db, &user(1))?;
            let stored_session = session(1, &user(1).id);
            insert(db, &stored_session)?;
            assert_eq!(
                by_id(db, &stored_session.id),
                Ok(Some(stored_session.clone()))
            );
            rotate(db, &stored_session.id, &[7; 32], at(200), at(9_000))?;
            let rotated = Session {
                refresh_hash: [7; 32],
                previous_refresh_hash: Some(([1; 32], at(200))),
                expires_at: at(9_000),
                ..stored_session.clone()
            };
            for hash in [[7; 32], [1; 32]] {
                assert_eq!(find_by_refresh(db, &hash), Ok(Some(rotated.clone())));
            }
            rotate(db, &stored_session.id, &[8; 32], at(300), at(9_000))?;
            assert_eq!(find_by_refresh(db, &[1; 32]), Ok(None));
            Ok(())
        });
    }

    #[test]
    fn only_valid_sessions_of_unlocked_accounts_are_active() {
        with_writer(|db| {
            users::insert_bootstrapping_admin(db, &user(1))?;
            users::insert(db, &user(2))?;
            let (one, two) = (session(1, &user(2).id), session(2, &user(2).id));
            insert(db, &one)?;
            insert(db, &two)?;
            assert_eq!(find_active(db, &one.id), Ok(Some((one.clone(), user(2)))));
            assert_eq!(revoke(db, &one.id, at(5)), Ok(true));
            assert_eq!(revoke(db, &one.id, at(6)), Ok(false));
            assert_eq!(find_active(db, &one.id), Ok(None));
            assert!(rotate(db, &one.id, &[9; 32], at(7), at(8)).is_err());
            users::set_disabled(db, &user(2).id, true)?;
            assert_eq!(find_active(db, &two.id), Ok(None));
            users::delete(db, &user(2).id)?;
            assert_eq!(by_id(db, &two.id), Ok(None));
            Ok(())
        });
    }

    #[test]
    fn other_sessions_can_be_ended_and_old_ones_deleted() {
        with_writer(|db| {
            users::insert(db, &user(1))?;
            let id = user(1).id;
            let all = [1, 2, 3].map(|n| session(n, &id));
            all.iter().try_for_each(|session| insert(db, session))?;
            assert_eq!(list_of(db, &id, at(1_001))?.len(), 2);
            assert_eq!(revoke_all_of(db, &id, at(5), Some(&all[1].id)), Ok(2));
            assert_eq!(list_of(db, &id, at(0)), Ok(vec![all[1].clone()]));
            assert_eq!(revoke_all_of(db, &id, at(5), None), Ok(1));
            assert_eq!(delete_expired(db, at(1_002)), Ok(2));
            Ok(())
        });
    }
}
