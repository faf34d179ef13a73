//! Projects: threads with a name, instructions, and documents that apply to every question in them.

use super::id::{DocumentId, ProjectId, UserId};
use super::time::Timestamp;

/// Maximum length of a name in characters.
pub const MAX_NAME_CHARS: usize = 80;
/// Maximum length of the instructions in characters. Every question in the project pays for their tokens.
pub const MAX_INSTRUCTIONS_CHARS: usize = 8_000;
/// Maximum number of projects per user.
pub const MAX_PROJECTS: u64 = 200;
/// Maximum number of documents of a project; the same as for a question.
pub const MAX_PROJECT_DOCUMENTS: usize = 20;
/// Maximum number of people with whom a project is shared.
pub const MAX_PEOPLE: usize = 50;

/// A set of instructions and documents that questions share, and the people who may use it.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// ID, which does not change when the project is renamed.
    pub id: ProjectId,
    /// The user who created the project.
    pub owner: UserId,
    /// Name given by the owner.
    pub name: String,
    /// Instructions added to every question in the project.
    pub instructions: String,
    /// Documents added to every question in the project if the asking user owns them.
    pub documents: Vec<DocumentId>,
    /// Email addresses of the people with whom the project is shared.
    pub member_emails: Vec<String>,
    /// When the project was created.
    pub created: Timestamp,
    /// When the project was last changed.
    pub changed_at: Timestamp,
}

impl Project {
    /// Whether the name is not empty, and the name and the instructions are within their limits.
    pub fn is_within_limits(&self) -> bool {
        let name = self.name.chars().count();
        (1..=MAX_NAME_CHARS).contains(&name)
            && self.instructions.chars().count() <= MAX_INSTRUCTIONS_CHARS
    }
}
