//! Projects: threads with a name, instructions, and documents that every question in them carries.

use super::id::{DocumentId, ProjectId, UserId};
use super::time::Timestamp;

/// Maximum length of a name in characters.
pub const MAX_NAME: usize = 80;
/// Maximum length of the instructions in characters: each question of the project pays for them.
pub const MAX_INSTRUCTIONS: usize = 8_000;
/// Maximum number of projects of a user.
pub const MAX_PROJECTS: u64 = 200;
/// Maximum number of documents of a project, as of a question.
pub const MAX_PROJECT_DOCUMENTS: usize = 20;
/// Maximum number of people a project is shared with.
pub const MAX_PEOPLE: usize = 50;

/// A project.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// The user who created it.
    pub owner: UserId,
    /// Name.
    pub name: String,
    /// Instructions that every question in it carries.
    pub instructions: String,
    /// Documents that every question in it carries, as far as the asking user owns them.
    pub documents: Vec<DocumentId>,
    /// People it is shared with, by email address.
    pub people: Vec<String>,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub changed: Timestamp,
}

impl Project {
    /// Whether its texts are within their limits.
    pub fn is_bounded(&self) -> bool {
        let name = self.name.chars().count();
        (1..=MAX_NAME).contains(&name) && self.instructions.chars().count() <= MAX_INSTRUCTIONS
    }
}
