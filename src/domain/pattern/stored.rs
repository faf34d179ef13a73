//! A pattern with its origin and owner. The app decides who may see a pattern.

use std::sync::Arc;

use serde::Serialize;

use super::Pattern;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;

/// The built-in patterns, as one JSON list that the build script makes of `assets/patterns`.
pub static EMBEDDED_PATTERNS: &str = include_str!(concat!(env!("OUT_DIR"), "/patterns.json"));

/// Where a pattern comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PatternOrigin {
    /// It is built into the program.
    Embedded,
    /// It is a file in the patterns folder.
    Folder,
    /// An administrator added it for everyone.
    Team,
    /// The user added it.
    Own,
}

/// A pattern with its origin, owner, and time of change.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredPattern {
    /// The pattern, which has passed validation.
    pub pattern: Arc<Pattern>,
    /// Where the pattern comes from.
    pub origin: PatternOrigin,
    /// Owner of a user's own pattern; `None` for any other.
    pub owner: Option<UserId>,
    /// Time of the last change; `None` if the pattern is built in or comes from a file.
    pub changed_at: Option<Timestamp>,
}

impl StoredPattern {
    /// Creates an entry for a pattern that is built in or comes from the patterns folder.
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
