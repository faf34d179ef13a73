//! Patterns: which there are for whom. What a pattern may say is `domain::pattern`'s to judge.

use std::sync::Arc;

use super::{App, Error, Kind, Result};
use crate::domain::id::UserId;
use crate::domain::pattern::Pattern;

static EMBEDDED: &str = include_str!(concat!(env!("OUT_DIR"), "/patterns.json"));

/// Use cases around patterns.
pub struct Patterns<'a>(pub(super) &'a App);

/// The embedded patterns, checked.
pub(super) fn embedded() -> Result<Vec<Arc<Pattern>>> {
    let patterns: Vec<Pattern> = serde_json::from_str(EMBEDDED).map_err(Error::internal)?;
    for pattern in &patterns {
        pattern
            .check()
            .map_err(|fault| Error::new(Kind::Internal, fault))?;
    }
    Ok(patterns.into_iter().map(Arc::new).collect())
}

impl Patterns<'_> {
    /// All that this person may use, in the order of their files.
    pub async fn visible(&self, _user: Option<&UserId>) -> Result<Vec<Arc<Pattern>>> {
        Ok(self.0.patterns.clone())
    }

    /// The one of this id, if this person may use it.
    pub async fn find(&self, _user: Option<&UserId>, id: &str) -> Result<Option<Arc<Pattern>>> {
        let found = self.0.patterns.iter().find(|pattern| pattern.id == id);
        Ok(found.cloned())
    }

    /// The ids of all that this person may use.
    pub async fn ids(&self, user: Option<&UserId>) -> Result<Vec<String>> {
        let visible = self.visible(user).await?;
        Ok(visible.iter().map(|pattern| pattern.id.clone()).collect())
    }
}
