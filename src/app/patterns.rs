//! Patterns: which there are for whom, and people's own. What a pattern may say is `domain::pattern`'s to
//! judge.

pub mod folder;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use super::accounts::RequestOrigin;
use super::{App, Error, Kind, Result};
use crate::config::Config;
use crate::domain::id::UserId;
use crate::domain::pattern::Pattern;
use crate::domain::pattern::kept::{PatternOrigin, StoredPattern};
use crate::domain::user::{Caller, Role};
use crate::log;
use crate::store::{audit, patterns};

static EMBEDDED: &str = include_str!(concat!(env!("OUT_DIR"), "/patterns.json"));

/// Patterns of one owner, the team being one.
const MOST: i64 = 100;
/// The team's and one's own.
const MOST_SHOWN: u32 = 200;

/// Use cases around patterns.
pub struct Patterns<'a>(pub(super) &'a App);

/// The patterns of the program and of its folder, whose files have the last word; and what is wrong with
/// those that were left out.
pub fn house(config: &Config) -> Result<(Vec<StoredPattern>, Vec<String>)> {
    let embedded: Vec<Pattern> = serde_json::from_str(EMBEDDED).map_err(Error::internal)?;
    let mut all = Vec::new();
    for pattern in embedded {
        pattern
            .check()
            .map_err(|fault| Error::new(Kind::Internal, fault))?;
        all.push(StoredPattern::house(pattern, PatternOrigin::Embedded));
    }
    let named = config.patterns.is_some();
    let path: PathBuf = match &config.patterns {
        Some(path) => path.clone(),
        None => config.data_dir.join("patterns"),
    };
    let (found, faults) = folder::load(&path, named);
    for pattern in found {
        let kept = StoredPattern::house(pattern, PatternOrigin::Folder);
        match all.iter_mut().find(|known| known.id() == kept.id()) {
            Some(known) => *known = kept,
            None => all.push(kept),
        }
    }
    Ok((all, faults))
}

/// The same, with the faults in the log.
pub(super) fn open(config: &Config) -> Result<Vec<StoredPattern>> {
    let (all, faults) = house(config)?;
    for fault in &faults {
        log::warn("a pattern is left out", &[("fault", fault)]);
    }
    Ok(all)
}

impl Patterns<'_> {
    /// All that this person may use: the program's, the folder's, then the team's and their own.
    pub async fn visible(&self, user: Option<&UserId>) -> Result<Vec<StoredPattern>> {
        let mut all = self.0.patterns.clone();
        let Some(user) = user.cloned() else {
            return Ok(all);
        };
        let stored = self
            .0
            .store
            .read(move |db| patterns::visible(db, &user, MOST_SHOWN));
        for kept in stored.await? {
            // A file that came later stands before what is stored under its id.
            if self.in_house(kept.id()).is_none() {
                all.push(kept);
            }
        }
        Ok(all)
    }

    /// The one of this id, if this person may use it.
    pub async fn find(&self, user: Option<&UserId>, id: &str) -> Result<Option<Arc<Pattern>>> {
        let found = self.kept(user, id).await?;
        Ok(found.map(|kept| kept.pattern))
    }

    /// The same, with where it comes from.
    pub async fn kept(&self, user: Option<&UserId>, id: &str) -> Result<Option<StoredPattern>> {
        if let Some(kept) = self.in_house(id) {
            return Ok(Some(kept.clone()));
        }
        let Some(user) = user.cloned() else {
            return Ok(None);
        };
        let id = id.to_owned();
        let found = self.0.store.read(move |db| patterns::by_id(db, &user, &id));
        Ok(found.await?)
    }

    /// The ids of all that this person may use.
    pub async fn ids(&self, user: Option<&UserId>) -> Result<Vec<String>> {
        let visible = self.visible(user).await?;
        Ok(visible.iter().map(|kept| kept.id().to_owned()).collect())
    }

    /// Keeps a pattern: one's own, or with `team` everybody's.
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
        if self.in_house(&pattern.id).is_some() {
            return Err(taken(&pattern.id));
        }
        let owner = (!team).then(|| caller.user.clone());
        let entry = visit.entry(Some(&caller.user), "pattern.added", &pattern.id);
        let (stored, of, now) = (pattern.clone(), owner.clone(), visit.now);
        let written = self.0.store.write(move |db| {
            if patterns::count(db, of.as_ref())? >= MOST {
                return Ok(false);
            }
            patterns::insert(db, &stored, of.as_ref(), now)?;
            audit::append(db, &entry)?;
            Ok(true)
        });
        if !written.await? {
            let why = format!("there are {MOST} patterns already");
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

    /// Puts another text in a pattern's place. Analyses that have begun keep the old one.
    pub async fn change(
        &self,
        caller: &Caller,
        id: &str,
        pattern: Pattern,
        visit: &RequestOrigin,
    ) -> Result<StoredPattern> {
        let kept = self.own(caller, id).await?;
        if pattern.id != id {
            let why = format!("must be {id}: an id stays; add a pattern for another one");
            return Err(Error::field(&["body", "id"], "value_error", why));
        }
        let entry = visit.entry(Some(&caller.user), "pattern.changed", id);
        let (stored, now) = (pattern.clone(), visit.now);
        let written = self.0.store.write(move |db| {
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

    /// Takes a pattern away. Analyses that used it keep what they need of it.
    pub async fn delete(&self, caller: &Caller, id: &str, visit: &RequestOrigin) -> Result<()> {
        self.own(caller, id).await?;
        let entry = visit.entry(Some(&caller.user), "pattern.deleted", id);
        let id = id.to_owned();
        let store = self.0.store.for_freeing();
        let written = store.write(move |db| {
            patterns::delete(db, &id)?;
            audit::append(db, &entry)
        });
        Ok(written.await?)
    }

    /// The one of this id, if this person may change it.
    pub async fn own(&self, caller: &Caller, id: &str) -> Result<StoredPattern> {
        let kept = self.kept(Some(&caller.user), id).await?;
        let kept = kept.ok_or_else(Error::missing)?;
        match kept.origin {
            PatternOrigin::Own => {}
            PatternOrigin::Team => allow_team(caller)?,
            PatternOrigin::Embedded | PatternOrigin::Folder => return Err(fixed(kept.origin)),
        }
        Ok(kept)
    }

    fn in_house(&self, id: &str) -> Option<&StoredPattern> {
        self.0.patterns.iter().find(|kept| kept.id() == id)
    }
}

fn allow_team(caller: &Caller) -> Result<()> {
    match caller.role {
        Role::Admin => Ok(()),
        Role::User => Err(Error::new(
            Kind::Forbidden,
            "only administrators change the team's patterns",
        )
        .resolve("add it for yourself, without team")),
    }
}

fn fixed(origin: PatternOrigin) -> Error {
    let (why, what) = match origin {
        PatternOrigin::Folder => (
            "comes from a file",
            "change the file and start the server again",
        ),
        _ => (
            "is part of the program",
            "add a pattern with an id of its own",
        ),
    };
    Error::new(Kind::Forbidden, format!("this pattern {why}")).resolve(what)
}

fn taken(id: &str) -> Error {
    let why = format!("a pattern with the id {id} is part of this installation");
    Error::new(Kind::Conflict, why).resolve("choose another id")
}
