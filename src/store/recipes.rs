//! Recipes and their versions. A version never changes.

use super::connection::{Reader, Writer};
use super::error::Result;
use super::row::Row;
use super::values::{json, to_json};
use crate::domain::id::{RecipeId, UserId};
use crate::domain::recipe::Recipe;
use crate::domain::time::Timestamp;

/// Lists the user's own recipes and the shared ones, each in its newest version, ordered by name.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn visible(db: &Reader, user: &UserId, limit: u32) -> Result<Vec<Recipe>> {
    db.all(
        "SELECT r.*, v.version, v.body, v.created AS saved
         FROM recipes r JOIN recipe_versions v ON v.recipe_id = r.id
         WHERE (r.user_id = ?1 OR r.shared = 1)
           AND v.version = (SELECT MAX(version) FROM recipe_versions WHERE recipe_id = r.id)
         ORDER BY r.name, r.id LIMIT ?2",
        (user, limit),
        from_row,
    )
}

/// Returns the recipes with this name or ID that the user may see, each in its newest version. The user's own come
/// first.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn by_name_or_id(db: &Reader, user: &UserId, name: &str) -> Result<Vec<Recipe>> {
    db.all(
        "SELECT r.*, v.version, v.body, v.created AS saved
         FROM recipes r JOIN recipe_versions v ON v.recipe_id = r.id
         WHERE (r.name = ?2 OR r.id = ?2) AND (r.user_id = ?1 OR r.shared = 1)
           AND v.version = (SELECT MAX(version) FROM recipe_versions WHERE recipe_id = r.id)
         ORDER BY r.user_id <> ?1, r.id LIMIT 10",
        (user, name),
        from_row,
    )
}

/// Lists the versions of a recipe, newest first.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn versions(db: &Reader, id: &RecipeId, limit: u32) -> Result<Vec<Recipe>> {
    db.all(
        "SELECT r.*, v.version, v.body, v.created AS saved
         FROM recipes r JOIN recipe_versions v ON v.recipe_id = r.id
         WHERE r.id = ?1 ORDER BY v.version DESC LIMIT ?2",
        (id, limit),
        from_row,
    )
}

/// Returns one version of a recipe, if it exists.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn version(db: &Reader, id: &RecipeId, version: u32) -> Result<Option<Recipe>> {
    db.query_optional(
        "SELECT r.*, v.version, v.body, v.created AS saved
         FROM recipes r JOIN recipe_versions v ON v.recipe_id = r.id
         WHERE r.id = ?1 AND v.version = ?2",
        (id, version),
        from_row,
    )
}

/// Counts a user's recipes.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn count(db: &Reader, user: &UserId) -> Result<i64> {
    db.query_one(
        "SELECT COUNT(*) FROM recipes WHERE user_id = ?1",
        [user],
        |row| row.get(0),
    )
}

/// Inserts a recipe with its first version.
///
/// # Errors
/// Returns `Conflict` if the owner already has a recipe of this name, or another error if the database cannot be
/// written.
pub fn insert(db: &Writer, recipe: &Recipe) -> Result<()> {
    db.run(
        "INSERT INTO recipes (id, user_id, name, shared, created) VALUES (?1, ?2, ?3, ?4, ?5)",
        (
            &recipe.id,
            &recipe.owner,
            &recipe.name,
            recipe.is_shared,
            recipe.created,
        ),
    )
    .map_err(|error| error.with_subject("a recipe of this name"))?;
    add_version(db, recipe)
}

/// Inserts a new version of an existing recipe.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn add_version(db: &Writer, recipe: &Recipe) -> Result<()> {
    db.run(
        "INSERT INTO recipe_versions (recipe_id, version, body, created) VALUES (?1, ?2, ?3, ?4)",
        (
            &recipe.id,
            recipe.version,
            to_json(&recipe.settings)?,
            recipe.saved_at,
        ),
    )
    .map(drop)
    .map_err(|error| error.with_subject("this version"))
}

/// Renames, shares, or unshares a recipe.
///
/// # Errors
/// Returns `Missing` for an unknown recipe, `Conflict` if the name is taken, or another error if the database cannot be
/// written.
pub fn change(db: &Writer, id: &RecipeId, name: &str, shared: bool) -> Result<()> {
    db.run_one(
        "UPDATE recipes SET name = ?2, shared = ?3 WHERE id = ?1",
        (id, name, shared),
    )
    .map_err(|error| error.with_subject("a recipe of this name"))
}

/// Returns a user's default recipe, which fills in fields that are missing from requests.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn default_recipe_of(db: &Reader, user: &UserId) -> Result<Option<RecipeId>> {
    let recipe = db.query_optional("SELECT recipe FROM users WHERE id = ?1", [user], |row| {
        let id: String = row.get(0)?;
        Ok(RecipeId::parse(&id))
    })?;
    Ok(recipe.flatten())
}

/// Sets a user's default recipe. `None` removes it.
///
/// # Errors
/// Returns `Missing` for an unknown user, or another error if the database cannot be written.
pub fn set_default(db: &Writer, user: &UserId, id: Option<&RecipeId>) -> Result<()> {
    db.run_one(
        "UPDATE users SET recipe = ?2 WHERE id = ?1",
        (user, id.map_or("", RecipeId::as_str)),
    )
}

/// Deletes a recipe with all its versions. Users for whom it was the default no longer have a default.
///
/// # Errors
/// Returns `Missing` for an unknown recipe, or another error if the database cannot be written.
pub fn delete(db: &Writer, id: &RecipeId) -> Result<()> {
    db.run("UPDATE users SET recipe = '' WHERE recipe = ?1", [id])?;
    db.run_one("DELETE FROM recipes WHERE id = ?1", [id])
}

fn from_row(row: &Row<'_>) -> Result<Recipe> {
    let created: Timestamp = row.get("created")?;
    Ok(Recipe {
        id: row.get("id")?,
        owner: row.get("user_id")?,
        name: row.get("name")?,
        is_shared: row.get("shared")?,
        version: row.get("version")?,
        settings: json(row, "body")?,
        created,
        saved_at: row.get("saved")?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::StoreError;
    use super::super::tests::{at, user, with_writer};
    use super::super::users;
    use super::*;
    use crate::domain::request::Request;

    fn recipe(n: u32, owner: u32, name: &str, shared: bool) -> Recipe {
        Recipe {
            id: RecipeId::new(at(n.into()), n.into()),
            owner: user(owner).id,
            name: name.into(),
            is_shared: shared,
            version: 1,
            settings: Request {
                pattern: Some("gut".into()),
                ..Request::default()
            },
            created: at(n.into()),
            saved_at: at(n.into()),
        }
    }

    #[test]
    fn versions_accumulate_and_own_recipes_come_first() {
        with_writer(|db| {
            users::insert(db, &user(1))?;
            users::insert(db, &user(2))?;
            let (ada, bob) = (user(1).id, user(2).id);
            let mut first = recipe(1, 2, "brief", true);
            insert(db, &first)?;
            insert(db, &recipe(2, 1, "brief", false))?;
            let again = db.attempt(|db| insert(db, &recipe(3, 1, "brief", false)));
            assert_eq!(again, Err(StoreError::Conflict("a recipe of this name")));
            first.version = 2;
            first.saved_at = at(50);
            first.settings.pattern = Some("critique".into());
            add_version(db, &first)?;
            let twice = db.attempt(|db| add_version(db, &first));
            assert_eq!(twice, Err(StoreError::Conflict("this version")));
            let of_ada = by_name_or_id(db, &ada, "brief")?;
            assert_eq!(of_ada.len(), 2);
            assert_eq!(of_ada[0].owner, ada);
            assert_eq!((of_ada[1].version, of_ada[1].saved_at), (2, at(50)));
            assert_eq!(by_name_or_id(db, &bob, "brief")?.len(), 1);
            assert_eq!(by_name_or_id(db, &ada, first.id.as_str())?, [first.clone()]);
            let old = version(db, &first.id, 1)?.expect("the first version");
            assert_eq!(old.settings.pattern.as_deref(), Some("gut"));
            assert!(version(db, &first.id, 3)?.is_none());
            let numbers: Vec<u32> = versions(db, &first.id, 9)?
                .iter()
                .map(|recipe| recipe.version)
                .collect();
            assert_eq!(numbers, [2, 1]);
            change(db, &first.id, "notes", false)?;
            assert!(by_name_or_id(db, &ada, first.id.as_str())?.is_empty());
            assert_eq!(
                (visible(db, &ada, 9)?.len(), visible(db, &bob, 9)?.len()),
                (1, 1)
            );
            delete(db, &first.id)?;
            assert!(versions(db, &first.id, 9)?.is_empty());
            assert_eq!(count(db, &bob)?, 0);
            Ok(())
        });
    }
}
