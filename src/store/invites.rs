//! Invitations to register, identified by the hashes of their tokens.

use super::connection::Writer;
use super::error::Result;
use crate::domain::time::Timestamp;

/// Stores an invitation for an email address, or for anyone who has the link if `email` is empty.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn put(
    db: &Writer,
    hash: &[u8; 32],
    email: &str,
    now: Timestamp,
    expires: Timestamp,
) -> Result<()> {
    db.run(
        "INSERT INTO invites (hash, email, created, expires) VALUES (?1, ?2, ?3, ?4)",
        (hash, email, now, expires),
    )
    .map(drop)
}

/// Uses up an invitation. Returns false if it is unknown, has expired, or is for another address.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn take(db: &Writer, hash: &[u8; 32], email: &str, now: Timestamp) -> Result<bool> {
    let deleted_rows = db.run(
        "DELETE FROM invites WHERE hash = ?1 AND expires > ?3 AND email IN ('', ?2)",
        (hash, email, now),
    )?;
    Ok(deleted_rows > 0)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, with_writer};
    use super::*;

    #[test]
    fn an_invitation_works_once_for_its_address() {
        with_writer(|db| {
            put(db, &[1; 32], "a@b.org", at(1), at(100))?;
            put(db, &[2; 32], "", at(1), at(100))?;
            for (hash, email, now, expected) in [
                (1, "x@y.org", 50, false),
                (1, "a@b.org", 100, false),
                (1, "a@b.org", 50, true),
                (1, "a@b.org", 50, false),
                (2, "x@y.org", 50, true),
                (3, "x@y.org", 50, false),
            ] {
                assert_eq!(
                    take(db, &[hash; 32], email, at(now)),
                    Ok(expected),
                    "{hash} {email} {now}"
                );
            }
            Ok(())
        });
    }
}
