//! Networks from which users have signed in. Their number per user is limited; those used least recently are deleted
//! first.

use super::connection::{Reader, Writer};
use super::error::Result;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;

/// Maximum number of networks per user.
const MAX_PER_USER: u32 = 32;

/// Records a successful sign-in from this network, and deletes the user's least recently used networks above the limit.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn remember(db: &Writer, user: &UserId, network: &str, now: Timestamp) -> Result<()> {
    db.run(
        "INSERT INTO sign_in_networks (user_id, network, last) VALUES (?1, ?2, ?3)
         ON CONFLICT (user_id, network) DO UPDATE SET last = excluded.last",
        (user, network, now),
    )?;
    db.run(
        "DELETE FROM sign_in_networks WHERE user_id = ?1 AND network NOT IN (
             SELECT network FROM sign_in_networks WHERE user_id = ?1
             ORDER BY last DESC, network LIMIT ?2)",
        (user, MAX_PER_USER),
    )
    .map(drop)
}

/// Returns whether the account with this email address has signed in from this network before.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn is_known(db: &Reader, email: &str, network: &str) -> Result<bool> {
    let stored_row = db.query_optional(
        "SELECT 1 FROM users u JOIN sign_in_networks n ON n.user_id = u.id
         WHERE u.email = ?1 AND n.network = ?2",
        (email, network),
        |_| Ok(()),
    )?;
    Ok(stored_row.is_some())
}

/// Deletes all networks of a user, because someone else may have signed in from one of them.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete_all(db: &Writer, user: &UserId) -> Result<()> {
    db.run("DELETE FROM sign_in_networks WHERE user_id = ?1", [user])
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, user, with_writer};
    use super::super::users;
    use super::*;

    #[test]
    fn the_newest_networks_of_each_user_are_kept() {
        with_writer(|db| {
            users::insert_bootstrapping_admin(db, &user(1))?;
            users::insert(db, &user(2))?;
            let (one, two) = (user(1), user(2));
            remember(db, &two.id, "10.0.0.0", at(1))?;
            for n in 0..100 {
                remember(db, &one.id, &format!("10.0.0.{n}"), at(n))?;
            }
            let is_known_network =
                |email: &str, n: i64| is_known(db, email, &format!("10.0.0.{n}"));
            let known: Result<Vec<bool>> =
                (0..100).map(|n| is_known_network(&one.email, n)).collect();
            let first_kept = 100 - i64::from(MAX_PER_USER);
            let expected: Vec<bool> = (0..100).map(|n| n >= first_kept).collect();
            assert_eq!(known, Ok(expected));
            assert_eq!(is_known_network(&two.email, 0), Ok(true));
            delete_all(db, &one.id)?;
            assert_eq!(is_known_network(&one.email, 99), Ok(false));
            users::delete(db, &two.id)?;
            assert_eq!(is_known_network(&two.email, 0), Ok(false));
            Ok(())
        });
    }
}
