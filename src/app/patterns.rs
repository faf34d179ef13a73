//! Patterns: those available to a user, and storage of custom ones. `domain::pattern` validates their content.

pub mod folder;
pub mod house;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use house::HousePatterns;

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

/// The pattern use cases.
#[derive(Clone, Copy)]
pub struct Patterns<'a> {
    pub(super) store: &'a Store,
    /// Built-in patterns and those from the folder.
    pub(super) house: &'a HousePatterns,
}

/// Loads the patterns from the folder, and logs any problems.
pub(super) fn open(config: &Config) -> HousePatterns {
    let (house, problems) = HousePatterns::open(config);
    for problem in &problems {
        log::warn("a pattern is left out", &[("fault", problem)]);
    }
    house
}

impl Patterns<'_> {
    /// Returns all patterns available to this user: built-in, from the folder, the team's, and the user's own.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn visible(&self, user: Option<&UserId>) -> Result<Vec<StoredPattern>> {
        let mut all = self.house.all().to_vec();
        let Some(user) = user.cloned() else {
            return Ok(all);
        };
        let stored = self
            .store
            .read(move |db| patterns::visible(db, &user, MAX_LISTED));
        for kept in stored.await? {
            // A file added later overrides a stored pattern with the same ID.
            if self.find_house_pattern(kept.id()).is_none() {
                all.push(kept);
            }
        }
        Ok(all)
    }

    /// Returns the pattern with this ID, if it is available to this user.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn find(&self, user: Option<&UserId>, id: &str) -> Result<Option<Arc<Pattern>>> {
        let found = self.find_stored(user, id).await?;
        Ok(found.map(|kept| kept.pattern))
    }

    /// Like [`Self::find`], with its origin.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn find_stored(
        &self,
        user: Option<&UserId>,
        id: &str,
    ) -> Result<Option<StoredPattern>> {
        if let Some(kept) = self.find_house_pattern(id) {
            return Ok(Some(kept.clone()));
        }
        let Some(user) = user.cloned() else {
            return Ok(None);
        };
        let id = id.to_owned();
        let found = self.store.read(move |db| patterns::by_id(db, &user, &id));
        Ok(found.await?)
    }

    /// Returns the IDs of all patterns available to this user.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn ids(&self, user: Option<&UserId>) -> Result<Vec<String>> {
        let visible = self.visible(user).await?;
        Ok(visible.iter().map(|kept| kept.id().to_owned()).collect())
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
        visit: &RequestOrigin,
    ) -> Result<StoredPattern> {
        if team {
            allow_team(caller)?;
        }
        if self.find_house_pattern(&pattern.id).is_some() {
            return Err(id_taken_error(&pattern.id));
        }
        let owner = (!team).then(|| caller.user.clone());
        let entry = visit.entry(Some(&caller.user), "pattern.added", &pattern.id);
        let (stored, of, now) = (pattern.clone(), owner.clone(), visit.now);
        let written = self.store.write(move |db| {
            if patterns::count(db, of.as_ref())? >= MAX_PER_OWNER {
                return Ok(false);
            }
            patterns::insert(db, &stored, of.as_ref(), now)?;
            audit::append(db, &entry)?;
            Ok(true)
        });
        if !written.await? {
            let why = format!("there are {MAX_PER_OWNER} patterns already");
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
            changed: Some(visit.now),
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
        visit: &RequestOrigin,
    ) -> Result<StoredPattern> {
        let kept = self.find_own(caller, id).await?;
        if pattern.id != id {
            let why = format!("must be {id}: an id stays; add a pattern for another one");
            return Err(Error::field(&["body", "id"], "value_error", why));
        }
        let entry = visit.entry(Some(&caller.user), "pattern.changed", id);
        let (stored, now) = (pattern.clone(), visit.now);
        let written = self.store.write(move |db| {
            patterns::change(db, &stored, now)?;
            audit::append(db, &entry)
        });
        written.await?;
        Ok(StoredPattern {
            pattern: Arc::new(pattern),
            changed: Some(visit.now),
            ..kept
        })
    }

    /// Deletes a pattern. Analyses that used it keep the data they need from it.
    ///
    /// # Errors
    /// `Missing` if there is no such pattern; `Forbidden` if the caller may not change it.
    pub async fn delete(&self, caller: &Caller, id: &str, visit: &RequestOrigin) -> Result<()> {
        self.find_own(caller, id).await?;
        let entry = visit.entry(Some(&caller.user), "pattern.deleted", id);
        let id = id.to_owned();
        let store = self.store.for_freeing();
        let written = store.write(move |db| {
            patterns::delete(db, &id)?;
            audit::append(db, &entry)
        });
        Ok(written.await?)
    }

    /// Returns the pattern with this ID, if this user may change it.
    ///
    /// # Errors
    /// `Missing` if there is no such pattern; `Forbidden` if the caller may not change it.
    pub async fn find_own(&self, caller: &Caller, id: &str) -> Result<StoredPattern> {
        let kept = self.find_stored(Some(&caller.user), id).await?;
        let kept = kept.ok_or_else(Error::missing)?;
        match kept.origin {
            PatternOrigin::Own => {}
            PatternOrigin::Team => allow_team(caller)?,
            PatternOrigin::Embedded | PatternOrigin::Folder => {
                return Err(read_only_error(kept.origin));
            }
        }
        Ok(kept)
    }

    fn find_house_pattern(&self, id: &str) -> Option<&StoredPattern> {
        self.house.all().iter().find(|kept| kept.id() == id)
    }
}

fn allow_team(caller: &Caller) -> Result<()> {
    match caller.role {
        Role::Admin => Ok(()),
        Role::User | Role::Guest => Err(Error::new(
            Kind::Forbidden,
            "only administrators change the team's patterns",
        )
        .resolve("add it for yourself, without team")),
    }
}

fn read_only_error(origin: PatternOrigin) -> Error {
    let (why, what) = match origin {
        PatternOrigin::Folder => (
            "comes from a file",
            "change the file and start the server again",
        ),
        _ => (
            "is part of the program",
            "add a pattern with a different id",
        ),
    };
    Error::new(Kind::Forbidden, format!("this pattern {why}")).resolve(what)
}

fn id_taken_error(id: &str) -> Error {
    let why = format!("a pattern with the id {id} is part of this installation");
    Error::new(Kind::Conflict, why).resolve("choose another id")
}
