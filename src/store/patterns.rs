//! Patterns that users have created for themselves or the team. IDs are unique on the server, so no one can take the ID
//! of an existing pattern.

use std::sync::Arc;

use super::connection::{Reader, Writer};
use super::error::Result;
use super::row::Row;
use super::values::{json, to_json};
use crate::domain::id::UserId;
use crate::domain::pattern::Pattern;
use crate::domain::pattern::stored::{PatternOrigin, StoredPattern};
use crate::domain::time::Timestamp;

/// Lists the patterns of the team and of this user, ordered by ID.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn visible(db: &Reader, user: &UserId, limit: u32) -> Result<Vec<StoredPattern>> {
    db.all(
        "SELECT * FROM patterns WHERE user_id IS NULL OR user_id = ?1 ORDER BY id LIMIT ?2",
        (user, limit),
        from_row,
    )
}

/// Returns a pattern of the team or of this user, or `None` if there is no such pattern.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn by_id(db: &Reader, user: &UserId, id: &str) -> Result<Option<StoredPattern>> {
    db.query_optional(
        "SELECT * FROM patterns WHERE id = ?2 AND (user_id IS NULL OR user_id = ?1)",
        (user, id),
        from_row,
    )
}

/// Counts the patterns of a user, or of the team if `owner` is `None`.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn count(db: &Reader, owner: Option<&UserId>) -> Result<i64> {
    db.query_one(
        "SELECT COUNT(*) FROM patterns WHERE user_id IS NOT DISTINCT FROM ?1",
        [owner],
        |row| row.get(0),
    )
}

/// Inserts a pattern.
///
/// # Errors
/// Returns `Conflict` if the ID is taken, or another error if the database cannot be written.
pub fn insert(
    db: &Writer,
    pattern: &Pattern,
    owner: Option<&UserId>,
    now: Timestamp,
) -> Result<()> {
    db.run(
        "INSERT INTO patterns (id, user_id, body, created, changed) VALUES (?1, ?2, ?3, ?4, ?4)",
        (&pattern.id, owner, to_json(pattern)?, now),
    )
    .map(drop)
    .map_err(|error| error.with_subject("a pattern of this id"))
}

/// Replaces the content of a pattern.
///
/// # Errors
/// Returns `Missing` for an unknown ID, or another error if the database cannot be written.
pub fn change(db: &Writer, pattern: &Pattern, now: Timestamp) -> Result<()> {
    db.run_one(
        "UPDATE patterns SET body = ?2, changed = ?3 WHERE id = ?1",
        (&pattern.id, to_json(pattern)?, now),
    )
}

/// Deletes a pattern.
///
/// # Errors
/// Returns `Missing` for an unknown ID, or another error if the database cannot be written.
pub fn delete(db: &Writer, id: &str) -> Result<()> {
    db.run_one("DELETE FROM patterns WHERE id = ?1", [id])
}

fn from_row(row: &Row<'_>) -> Result<StoredPattern> {
    let owner: Option<UserId> = row.get("user_id")?;
    Ok(StoredPattern {
        pattern: Arc::new(json(row, "body")?),
        origin: match owner {
            Some(_) => PatternOrigin::Own,
            None => PatternOrigin::Team,
        },
        owner,
        changed_at: Some(row.get("changed")?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::StoreError;
    use super::super::tests::{at, user, with_writer};
    use super::super::users;
    use super::*;

    fn pattern(id: &str, name: &str) -> Pattern {
        let tree = serde_json::json!({ "id": id, "name": name, "stages": [
            { "name": "initial", "prompt": "{question}" }, { "name": "ultra", "prompt": "{peers}" },
        ] });
        crate::domain::pattern::file::parse_pattern(&tree).expect("a pattern")
    }

    #[test]
    fn users_see_team_patterns_and_their_own() {
        with_writer(|db| {
            users::insert(db, &user(1))?;
            users::insert(db, &user(2))?;
            let (ada, bob) = (user(1).id, user(2).id);
            insert(db, &pattern("team", "T"), None, at(1))?;
            insert(db, &pattern("adas", "A"), Some(&ada), at(2))?;
            let duplicate = db.attempt(|db| insert(db, &pattern("adas", "B"), Some(&bob), at(3)));
            assert_eq!(duplicate, Err(StoreError::Conflict("a pattern of this id")));
            let ids = |user: &UserId| -> Result<Vec<String>> {
                let patterns = visible(db, user, 10)?;
                Ok(patterns.iter().map(|kept| kept.id().to_owned()).collect())
            };
            assert_eq!(
                (ids(&ada)?, ids(&bob)?),
                (
                    vec!["adas".to_owned(), "team".to_owned()],
                    vec!["team".to_owned()]
                )
            );
            assert!(by_id(db, &bob, "adas")?.is_none());
            assert_eq!((count(db, None)?, count(db, Some(&ada))?), (1, 1));
            change(db, &pattern("adas", "New"), at(9))?;
            let stored = by_id(db, &ada, "adas")?.expect("ada's own");
            assert_eq!(
                (
                    stored.pattern.name.as_str(),
                    stored.origin,
                    stored.changed_at,
                    stored.owner
                ),
                ("New", PatternOrigin::Own, Some(at(9)), Some(ada.clone()))
            );
            delete(db, "adas")?;
            assert_eq!(delete(db, "adas"), Err(StoreError::Missing));
            assert_eq!(
                change(db, &pattern("none", "x"), at(9)),
                Err(StoreError::Missing)
            );
            Ok(())
        });
    }
}
