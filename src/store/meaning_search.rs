//! The embedding models that users have chosen for semantic search. For users without a row, passages are ranked by
//! keywords only.

use super::connection::{Reader, Writer};
use super::error::Result;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;

/// Returns the embedding model that a user has chosen, if any.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn model_for_user(db: &Reader, user: &UserId) -> Result<Option<String>> {
    db.query_optional(
        "SELECT model FROM meaning_search WHERE user_id = ?1",
        [user],
        |row| row.get(0),
    )
}

/// Lists the users who have chosen an embedding model, each with the model. Locked accounts are omitted.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn all(db: &Reader) -> Result<Vec<(UserId, String)>> {
    db.all(
        "SELECT m.user_id, m.model FROM meaning_search m JOIN users u ON u.id = m.user_id
         WHERE u.disabled = 0 ORDER BY m.user_id",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Stores the embedding model that a user has chosen.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn set(db: &Writer, user: &UserId, model: &str, now: Timestamp) -> Result<()> {
    db.run(
        "INSERT INTO meaning_search (user_id, model, chosen) VALUES (?1, ?2, ?3)
         ON CONFLICT (user_id) DO UPDATE SET model = excluded.model, chosen = excluded.chosen",
        (user, model, now),
    )
    .map(drop)
}

/// Removes a user's choice, which turns semantic search off.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn remove(db: &Writer, user: &UserId) -> Result<()> {
    db.run("DELETE FROM meaning_search WHERE user_id = ?1", [user])
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{user, with_writer};
    use super::super::users;
    use super::*;

    #[test]
    fn each_user_chooses_a_model() {
        with_writer(|db| {
            users::insert(db, &user(1))?;
            users::insert(db, &user(2))?;
            let (one, other) = (user(1).id, user(2).id);
            let now = Timestamp::from_millis(5);
            assert_eq!(model_for_user(db, &one), Ok(None));
            set(db, &one, "p/small", now)?;
            set(db, &one, "p/large", now)?;
            set(db, &other, "p/small", now)?;
            assert_eq!(model_for_user(db, &one), Ok(Some("p/large".into())));
            assert_eq!(
                all(db)?,
                [
                    (one.clone(), "p/large".to_owned()),
                    (other.clone(), "p/small".to_owned())
                ]
            );
            remove(db, &one)?;
            assert_eq!(model_for_user(db, &one), Ok(None));
            db.run("UPDATE users SET disabled = 1", [])?;
            assert_eq!(all(db)?, []);
            Ok(())
        });
    }
}
