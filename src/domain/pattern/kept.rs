//! A pattern together with where it comes from and whose it is. Who may see it is the app's to say.

use std::sync::Arc;

use serde::Serialize;

use super::Pattern;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;

/// Where a pattern comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The program.
    Embedded,
    /// A file in the folder of patterns.
    Folder,
    /// An admin added it for everyone.
    Team,
    /// Its user added it.
    Own,
}

/// A pattern and its origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The pattern.
    pub pattern: Arc<Pattern>,
    /// Where it comes from.
    pub origin: Origin,
    /// Whose it is, where it is a person's own.
    pub owner: Option<UserId>,
    /// When it was last changed, where it is stored.
    pub changed: Option<Timestamp>,
}

impl Kept {
    /// A pattern that came with the program or its folder.
    pub fn house(pattern: Pattern, origin: Origin) -> Self {
        Self {
            pattern: Arc::new(pattern),
            origin,
            owner: None,
            changed: None,
        }
    }

    /// What requests call it.
    pub fn id(&self) -> &str {
        &self.pattern.id
    }
}
