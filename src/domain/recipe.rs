//! Recipes: named sets of pattern, panel, parameters, and synthesizer. Every save creates a version. Models are checked
//! when a recipe is used, not in this module.

use super::id::{RecipeId, UserId};
use super::request::Request;
use super::time::Timestamp;

/// Maximum length of a name in characters.
pub const MAX_NAME: usize = 60;

/// Placeholder for the question in a recipe's prompt.
pub const QUESTION_PLACEHOLDER: &str = "{{question}}";

/// Maximum length of a recipe's prompt in characters.
pub const MAX_PROMPT: usize = 20_000;

/// Inserts the question into a prompt template.
///
/// # Errors
/// Returns an error if the template lacks the placeholder or is too long.
pub fn fill_prompt(template: &str, question: &str) -> Result<String, &'static str> {
    if !template.contains(QUESTION_PLACEHOLDER) {
        return Err("a prompt needs {{question}} where the question goes");
    }
    if template.chars().count() > MAX_PROMPT {
        return Err("a prompt can have at most 20000 characters");
    }
    Ok(template.replace(QUESTION_PLACEHOLDER, question))
}

/// A saved version of a recipe, which supplies the settings that a request omits.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// ID, which all versions of the recipe share.
    pub id: RecipeId,
    /// The user who owns the recipe.
    pub owner: UserId,
    /// Name, unique among the owner's recipes.
    pub name: String,
    /// Whether every user with an account may use it.
    pub is_shared: bool,
    /// Version number, from 1.
    pub version: u32,
    /// Values for the fields that a request omits. Its `prompt` is a template for `fill_prompt`, or empty.
    pub settings: Request,
    /// Creation time of the recipe.
    pub created: Timestamp,
    /// Creation time of this version.
    pub saved_at: Timestamp,
}

/// Parses a reference to a recipe: a name or ID with an optional version, such as `brief@3`.
pub fn parse_reference(text: &str) -> (&str, Option<u32>) {
    match text.rsplit_once('@') {
        Some((name, version)) => match version.parse() {
            Ok(version) => (name.trim(), Some(version)),
            Err(_) => (text.trim(), None),
        },
        None => (text.trim(), None),
    }
}

/// Validates and trims a recipe name.
///
/// # Errors
/// Returns an error if the name is empty or too long, contains `@` or control characters, or looks like an ID.
pub fn checked_name(name: &str) -> Result<String, &'static str> {
    let name = name.trim();
    if name.is_empty() {
        return Err("a recipe needs a name");
    }
    if name.chars().count() > MAX_NAME {
        return Err("a name can have at most 60 characters");
    }
    if name.contains('@') || name.chars().any(char::is_control) {
        return Err("a name cannot contain control characters or @, which precedes a version");
    }
    if name.starts_with("recipe_") {
        return Err("a name cannot start with recipe_, which is reserved for IDs");
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_have_a_name_and_an_optional_version() {
        for (text, expected) in [
            ("brief", ("brief", None)),
            ("brief@3", ("brief", Some(3))),
            (" my brief @12", ("my brief", Some(12))),
            ("brief@new", ("brief@new", None)),
            ("brief@", ("brief@", None)),
        ] {
            assert_eq!(parse_reference(text), expected, "{text}");
        }
    }

    #[test]
    fn names_are_validated() {
        assert_eq!(checked_name("  Legal brief "), Ok("Legal brief".to_owned()));
        for name in ["", "  ", "a@1", "a\nb", "recipe_x", &"x".repeat(61)] {
            assert!(checked_name(name).is_err(), "{name}");
        }
    }
}
