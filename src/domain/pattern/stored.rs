//! A pattern with its origin and owner. The app decides who may see it.

use std::sync::Arc;

use serde::Serialize;

use super::Pattern;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;

/// Origin of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PatternOrigin {
    /// Built into the program.
    Embedded,
    /// A file in the patterns folder.
    Folder,
    /// Added by an administrator for everyone.
    Team,
    /// Added by its user.
    Own,
}

/// A pattern with its origin.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredPattern {
    /// The validated pattern.
    pub pattern: Arc<Pattern>,
    /// Where the pattern comes from.
    pub origin: PatternOrigin,
    /// Owner, for a user's own pattern.
    pub owner: Option<UserId>,
    /// Time of the last change, for a stored pattern.
    pub changed_at: Option<Timestamp>,
}

impl StoredPattern {
    /// Wraps a pattern that is built in or comes from the patterns folder.
    pub fn without_owner(pattern: Pattern, origin: PatternOrigin) -> Self {
        Self {
            pattern: Arc::new(pattern),
            origin,
            owner: None,
            changed_at: None,
        }
    }

    /// Returns the pattern's ID.
    pub fn id(&self) -> &str {
        &self.pattern.id
    }
}
