//! Lists the patterns available to a user, and stores custom ones. `domain::pattern` validates their content.

pub mod folder;
pub mod installation;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use installation::InstallationPatterns;

use super::accounts::RequestOrigin;
use super::{Error, Kind, Result};
use crate::config::Config;
use crate::domain::id::UserId;
use crate::domain::pattern::Pattern;
use crate::domain::pattern::stored::{PatternOrigin, StoredPattern};
use crate::domain::user::{Caller, Role};
use crate::log;
use crate::store::{Store, audit, patterns};

/// Maximum number of stored patterns per owner; the team counts as one owner.
const MAX_PER_OWNER: i64 = 100;
/// Maximum number of stored patterns listed: the team's and the user's own.
const MAX_LISTED: u32 = 200;

/// Use cases for patterns: list, find, add, change, and delete.
#[derive(Clone, Copy)]
pub struct Patterns<'a> {
    pub(super) store: &'a Store,
    /// Built-in patterns and those from the folder.
    pub(super) installation: &'a InstallationPatterns,
}

/// Loads the patterns from the folder, and logs any problems.
pub(super) fn open(config: &Config) -> InstallationPatterns {
    let (installation, problems) = InstallationPatterns::open(config);
    for problem in &problems {
        log::warn("a pattern was skipped", &[("fault", problem)]);
    }
    installation
}

impl Patterns<'_> {
    /// Returns all patterns available to this user: built-in, from the folder, the team's, and the user's own.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn visible(&self, user: Option<&UserId>) -> Result<Vec<StoredPattern>> {
        let mut all = self.installation.all().to_vec();
        let Some(user) = user.cloned() else {
            return Ok(all);
        };
        let stored_patterns = self
            .store
            .read(move |db| patterns::visible(db, &user, MAX_LISTED));
        for stored_pattern in stored_patterns.await? {
            // A file added later overrides a stored pattern with the same ID.
            if self.find_installed_pattern(stored_pattern.id()).is_none() {
                all.push(stored_pattern);
            }
        }
        Ok(all)
    }

    /// Returns the pattern with this ID, if it is available to this user.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn find(&self, user: Option<&UserId>, id: &str) -> Result<Option<Arc<Pattern>>> {
        let stored_pattern = self.find_stored(user, id).await?;
        Ok(stored_pattern.map(|stored| stored.pattern))
    }

    /// Like [`Self::find`], but also returns the pattern's origin.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn find_stored(
        &self,
        user: Option<&UserId>,
        id: &str,
    ) -> Result<Option<StoredPattern>> {
        if let Some(installed) = self.find_installed_pattern(id) {
            return Ok(Some(installed.clone()));
        }
        let Some(user) = user.cloned() else {
            return Ok(None);
        };
        let id = id.to_owned();
        let lookup = self.store.read(move |db| patterns::by_id(db, &user, &id));
        Ok(lookup.await?)
    }

    /// Returns the IDs of all patterns available to this user.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn ids(&self, user: Option<&UserId>) -> Result<Vec<String>> {
        let visible = self.visible(user).await?;
        Ok(visible
            .iter()
            .map(|stored| stored.id().to_owned())
            .collect())
    }

    /// Stores a pattern: the user's own or, with `team`, everyone's.
    ///
    /// # Errors
    /// `Forbidden` if the caller may not change the team's patterns; `Conflict` if the ID is taken or there are
    /// too many patterns.
    pub async fn add(
        &self,
        caller: &Caller,
        pattern: Pattern,
        team: bool,
        origin: &RequestOrigin,
    ) -> Result<StoredPattern> {
        if team {
            allow_team(caller)?;
        }
        if self.find_installed_pattern(&pattern.id).is_some() {
            return Err(id_taken_error(&pattern.id));
        }
        let owner = (!team).then(|| caller.user.clone());
        let entry = origin.audit_entry(Some(&caller.user), "pattern.added", &pattern.id);
        let (stored_pattern, count_owner, now) = (pattern.clone(), owner.clone(), origin.now);
        let pending_write = self.store.write(move |db| {
            if patterns::count(db, count_owner.as_ref())? >= MAX_PER_OWNER {
                return Ok(false);
            }
            patterns::insert(db, &stored_pattern, count_owner.as_ref(), now)?;
            audit::append(db, &entry)?;
            Ok(true)
        });
        if !pending_write.await? {
            let why = format!("there are already {MAX_PER_OWNER} patterns, the maximum");
            return Err(Error::new(Kind::Conflict, why).resolve("delete one first"));
        }
        Ok(StoredPattern {
            pattern: Arc::new(pattern),
            origin: if team {
                PatternOrigin::Team
            } else {
                PatternOrigin::Own
            },
            owner,
            changed_at: Some(origin.now),
        })
    }

    /// Replaces a pattern's text. Analyses that have already started keep the old one.
    ///
    /// # Errors
    /// `Missing` if there is no such pattern; `Forbidden` if the caller may not change it; `BadInput` if the ID
    /// differs.
    pub async fn change(
        &self,
        caller: &Caller,
        id: &str,
        pattern: Pattern,
        origin: &RequestOrigin,
    ) -> Result<StoredPattern> {
        let current = self.find_own(caller, id).await?;
        if pattern.id != id {
            let why = format!(
                "must be {id}, because an ID cannot change; to use another ID, create a new pattern"
            );
            return Err(Error::field(&["body", "id"], "value_error", why));
        }
        let entry = origin.audit_entry(Some(&caller.user), "pattern.changed", id);
        let (stored_pattern, now) = (pattern.clone(), origin.now);
        let pending_write = self.store.write(move |db| {
            patterns::change(db, &stored_pattern, now)?;
            audit::append(db, &entry)
        });
        pending_write.await?;
        Ok(StoredPattern {
            pattern: Arc::new(pattern),
            changed_at: Some(origin.now),
            ..current
        })
    }

    /// Deletes a pattern. Analyses that used it keep the data they need from it.
    ///
    /// # Errors
    /// `Missing` if there is no such pattern; `Forbidden` if the caller may not change it.
    pub async fn delete(&self, caller: &Caller, id: &str, origin: &RequestOrigin) -> Result<()> {
        self.find_own(caller, id).await?;
        let entry = origin.audit_entry(Some(&caller.user), "pattern.deleted", id);
        let id = id.to_owned();
        let store = self.store.with_reserve();
        let pending_write = store.write(move |db| {
            patterns::delete(db, &id)?;
            audit::append(db, &entry)
        });
        Ok(pending_write.await?)
    }

    /// Returns the pattern with this ID, if this user may change it.
    ///
    /// # Errors
    /// `Missing` if there is no such pattern; `Forbidden` if the caller may not change it.
    pub async fn find_own(&self, caller: &Caller, id: &str) -> Result<StoredPattern> {
        let stored_pattern = self.find_stored(Some(&caller.user), id).await?;
        let stored_pattern = stored_pattern.ok_or_else(Error::missing)?;
        match stored_pattern.origin {
            PatternOrigin::Own => {}
            PatternOrigin::Team => allow_team(caller)?,
            PatternOrigin::Embedded | PatternOrigin::Folder => {
                return Err(read_only_error(stored_pattern.origin));
            }
        }
        Ok(stored_pattern)
    }

    fn find_installed_pattern(&self, id: &str) -> Option<&StoredPattern> {
        self.installation
            .all()
            .iter()
            .find(|stored| stored.id() == id)
    }
}

fn allow_team(caller: &Caller) -> Result<()> {
    match caller.role {
        Role::Admin => Ok(()),
        Role::User | Role::Guest => Err(Error::new(
            Kind::Forbidden,
            "only administrators can change the team's patterns",
        )
        .resolve("create it for yourself, without team")),
    }
}

fn read_only_error(origin: PatternOrigin) -> Error {
    let (why, remedy) = match origin {
        PatternOrigin::Folder => (
            "comes from a file",
            "change the file and restart the server",
        ),
        _ => ("is built in", "create a pattern with a different ID"),
    };
    Error::new(Kind::Forbidden, format!("this pattern {why}")).resolve(remedy)
}

fn id_taken_error(id: &str) -> Error {
    let why = format!("this installation already has a pattern with the ID {id}");
    Error::new(Kind::Conflict, why).resolve("choose another ID")
}
