//! Providers that users and administrators have added, with their encrypted keys.

use super::connection::{Reader, Writer};
use super::error::Result;
use super::row::Row;
use super::values::{json, to_json};
use crate::domain::id::{ProviderId, UserId};
use crate::domain::provider::StoredProvider;

/// Inserts a provider.
///
/// # Errors
/// Returns `Conflict` if the owner has a provider of this name, or another error if the database cannot be written.
pub fn insert(db: &Writer, provider: &StoredProvider) -> Result<()> {
    let models = to_json(&provider.models.as_deref().unwrap_or_default())?;
    db.run(
        "INSERT INTO providers (id, user_id, name, kind, base_url, sealed_key, key_end, models,
             concurrency, created, changed)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        (
            &provider.id,
            &provider.user,
            &provider.name,
            &provider.kind,
            provider.base_url.as_deref().unwrap_or_default(),
            &provider.encrypted_key,
            &provider.key_suffix,
            models,
            provider.concurrency.unwrap_or(0) as i64,
            provider.created,
            provider.changed_at,
        ),
    )
    .map(drop)
}

/// Updates a provider, except its owner and name.
///
/// # Errors
/// Returns `Missing` for an unknown provider, or another error if the database cannot be written.
pub fn update(db: &Writer, provider: &StoredProvider) -> Result<()> {
    let models = to_json(&provider.models.as_deref().unwrap_or_default())?;
    db.run_one(
        "UPDATE providers SET kind = ?3, base_url = ?4, sealed_key = ?5, key_end = ?6, models = ?7,
             concurrency = ?8, changed = ?9
         WHERE id = ?1 AND user_id IS NOT DISTINCT FROM ?2",
        (
            &provider.id,
            &provider.user,
            &provider.kind,
            provider.base_url.as_deref().unwrap_or_default(),
            &provider.encrypted_key,
            &provider.key_suffix,
            models,
            provider.concurrency.unwrap_or(0) as i64,
            provider.changed_at,
        ),
    )
}

/// Lists the providers of a user, or the shared ones if `user` is `None`, ordered by name.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn list_of(db: &Reader, user: Option<&UserId>) -> Result<Vec<StoredProvider>> {
    db.all(
        "SELECT * FROM providers WHERE user_id IS NOT DISTINCT FROM ?1 ORDER BY name LIMIT 1000",
        [user],
        from_row,
    )
}

/// Returns a provider of a user, or a shared one if `user` is `None`.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn by_id(
    db: &Reader,
    user: Option<&UserId>,
    id: &ProviderId,
) -> Result<Option<StoredProvider>> {
    db.query_optional(
        "SELECT * FROM providers WHERE id = ?1 AND user_id IS NOT DISTINCT FROM ?2",
        (id, user),
        from_row,
    )
}

/// Lists all providers, for the model registry.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn all(db: &Reader) -> Result<Vec<StoredProvider>> {
    db.all(
        "SELECT * FROM providers ORDER BY id LIMIT 100000",
        [],
        from_row,
    )
}

/// Returns a value that changes whenever the providers do: the number of rows and the time of the last change.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn version(db: &Reader) -> Result<(i64, i64)> {
    db.query_one(
        "SELECT count(*), coalesce(max(changed), 0) FROM providers",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Deletes a provider of a user, or a shared one if `user` is `None`. Returns false if there is no such provider.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete(db: &Writer, user: Option<&UserId>, id: &ProviderId) -> Result<bool> {
    let deleted = db.run(
        "DELETE FROM providers WHERE id = ?1 AND user_id IS NOT DISTINCT FROM ?2",
        (id, user),
    )?;
    Ok(deleted > 0)
}

fn from_row(row: &Row<'_>) -> Result<StoredProvider> {
    let base_url: String = row.get("base_url")?;
    let models: Vec<String> = json(row, "models")?;
    let concurrency: i64 = row.get("concurrency")?;
    Ok(StoredProvider {
        id: row.get("id")?,
        user: row.get("user_id")?,
        name: row.get("name")?,
        kind: row.get("kind")?,
        base_url: Some(base_url).filter(|url| !url.is_empty()),
        encrypted_key: row.get("sealed_key")?,
        key_suffix: row.get("key_end")?,
        models: Some(models).filter(|models| !models.is_empty()),
        concurrency: usize::try_from(concurrency)
            .ok()
            .filter(|max_calls| *max_calls > 0),
        created: row.get("created")?,
        changed_at: row.get("changed")?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::error::StoreError;
    use super::super::tests::{at, user, with_writer};
    use super::super::users;
    use super::*;

    fn provider(number: u128, owner: Option<UserId>, name: &str) -> StoredProvider {
        StoredProvider {
            id: ProviderId::new(at(1), number),
            user: owner,
            name: name.into(),
            kind: "openai".into(),
            base_url: Some("https://example.org/v1".into()),
            encrypted_key: "sealed".into(),
            key_suffix: "cdef".into(),
            models: Some(vec!["m".into()]),
            concurrency: Some(3),
            created: at(1),
            changed_at: at(2),
        }
    }

    #[test]
    fn names_are_unique_per_owner() {
        with_writer(|db| {
            let ada = user(1).id;
            users::insert(db, &user(1))?;
            let (team_provider, own) = (
                provider(1, None, "box"),
                provider(2, Some(ada.clone()), "box"),
            );
            insert(db, &team_provider)?;
            insert(db, &own)?;
            let again = db.attempt(|db| insert(db, &provider(3, None, "box")));
            assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
            assert_eq!(list_of(db, None)?, std::slice::from_ref(&team_provider));
            assert_eq!(by_id(db, Some(&ada), &own.id)?, Some(own.clone()));
            assert_eq!(by_id(db, Some(&ada), &team_provider.id)?, None);
            assert_eq!(by_id(db, None, &own.id)?, None);
            let without_url = StoredProvider {
                base_url: None,
                models: None,
                concurrency: None,
                changed_at: at(5),
                ..own.clone()
            };
            update(db, &without_url)?;
            assert_eq!(all(db)?, [team_provider.clone(), without_url]);
            assert_eq!(version(db)?, (2, at(5).millis()));
            assert!(!delete(db, None, &own.id)? && delete(db, Some(&ada), &own.id)?);
            users::delete(db, &ada)?;
            assert_eq!(all(db)?, [team_provider]);
            Ok(())
        });
    }
}
