//! A recipe: a pattern, a panel, parameters and a synthesiser under a name. Every save is a version.
//! Whether its models still exist is asked when it is used.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::analysis::Depth;
use super::id::{RecipeId, UserId};
use super::parameters::Parameters;
use super::time::Timestamp;

/// Characters of a name.
pub const MAX_NAME: usize = 60;

/// What a recipe fills in for a request that does not say it itself. Names are kept as they were given.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Body {
    /// Pattern id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The panel.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Who writes the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ultra_model: Option<String>,
    /// For all members.
    pub parameters: Parameters,
    /// For single members.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub model_parameters: BTreeMap<String, Parameters>,
    /// Name of a preset, under the parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// How much of the pattern is run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<Depth>,
    /// First answers that agree this much, 0 to 1, spare the stages before the synthesis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_when_agreed: Option<f64>,
    /// How often one model is asked in the arrangement `self`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<u32>,
    /// In dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_usd: Option<f64>,
    /// What is asked, with `{{question}}` for the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Passages of documents at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passages: Option<u32>,
}

/// Where the question goes in a recipe's prompt.
pub const QUESTION: &str = "{{question}}";

/// Characters of a recipe's prompt.
pub const MAX_PROMPT: usize = 20_000;

/// The prompt with the question in its place. Refuses one that has no place for it.
pub fn prompt(template: &str, question: &str) -> Result<String, &'static str> {
    if !template.contains(QUESTION) {
        return Err("a prompt needs {{question}} where the question goes");
    }
    if template.chars().count() > MAX_PROMPT {
        return Err("a prompt may have at most 20000 characters");
    }
    Ok(template.replace(QUESTION, question))
}

/// A recipe in one of its versions.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Its id.
    pub id: RecipeId,
    /// Whose.
    pub owner: UserId,
    /// Unique among the owner's.
    pub name: String,
    /// Everybody with an account may use it.
    pub shared: bool,
    /// From 1.
    pub version: u32,
    /// What it says.
    pub body: Body,
    /// When the recipe was made.
    pub created: Timestamp,
    /// When this version was.
    pub saved: Timestamp,
}

/// How requests speak of a recipe: by name or id, and where they want one, a version: `brief@3`.
pub fn parse_reference(text: &str) -> (&str, Option<u32>) {
    match text.rsplit_once('@') {
        Some((name, version)) => match version.parse() {
            Ok(version) => (name.trim(), Some(version)),
            Err(_) => (text.trim(), None),
        },
        None => (text.trim(), None),
    }
}

/// A name that can be referred to, or what is wrong with it.
pub fn checked_name(name: &str) -> Result<String, &'static str> {
    let name = name.trim();
    if name.is_empty() {
        return Err("a recipe needs a name");
    }
    if name.chars().count() > MAX_NAME {
        return Err("a name may have at most 60 characters");
    }
    if name.contains('@') || name.chars().any(char::is_control) {
        return Err("a name has no @ and no control characters; after @ stands a version");
    }
    if name.starts_with("recipe_") {
        return Err("a name must not begin with recipe_, as ids do");
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_have_a_name_and_perhaps_a_version() {
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
    fn names_can_be_referred_to() {
        assert_eq!(checked_name("  Legal brief "), Ok("Legal brief".to_owned()));
        for name in ["", "  ", "a@1", "a\nb", "recipe_x", &"x".repeat(61)] {
            assert!(checked_name(name).is_err(), "{name}");
        }
    }
}
