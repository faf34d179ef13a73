//! Recognizes names that look like settings but are not, such as OPENAI_KEY.

use super::options::{SETTINGS, setting};
use crate::domain::closest::closest;

/// Names that people use by mistake, with the settings that they mean.
#[rustfmt::skip]
static MISTAKEN_NAMES: &[(&str, &str)] = &[
    ("OPENAI_KEY", "OPENAI_API_KEY"),
    ("OPENAI_TOKEN", "OPENAI_API_KEY"),
    ("OPEN_AI_API_KEY", "OPENAI_API_KEY"),
    ("OPENAI_APIKEY", "OPENAI_API_KEY"),
    ("ANTHROPIC_KEY", "ANTHROPIC_API_KEY"),
    ("ANTHROPIC_APIKEY", "ANTHROPIC_API_KEY"),
    ("CLAUDE_API_KEY", "ANTHROPIC_API_KEY"),
    ("CLAUDE_KEY", "ANTHROPIC_API_KEY"),
    ("GOOGLE_KEY", "GOOGLE_API_KEY"),
    ("GEMINI_KEY", "GOOGLE_API_KEY"),
    ("DEEPSEEK_KEY", "DEEPSEEK_API_KEY"),
    ("OPENROUTER_KEY", "OPENROUTER_API_KEY"),
    ("MISTRAL_KEY", "MISTRAL_API_KEY"),
    ("GROQ_KEY", "GROQ_API_KEY"),
    ("XAI_KEY", "XAI_API_KEY"),
    ("GROK_API_KEY", "XAI_API_KEY"),
    ("TOGETHER_KEY", "TOGETHER_API_KEY"),
    ("OLLAMA_HOST_URL", "OLLAMA_BASE_URL"),
    ("OPENAI_URL", "OPENAI_BASE_URL"),
];

/// Environment variables that begin with `QUIRE_` but are not settings.
const RESERVED_NAMES: &[&str] = &[
    "QUIRE_API_KEY",
    "QUIRE_COMMIT",
    "QUIRE_BUILD",
    "QUIRE_TARGET",
    "QUIRE_RUSQLITE",
];

/// Returns the setting that an unknown name probably means; `None` if the name is a setting or belongs to another
/// program.
pub(super) fn intended_setting(name: &str) -> Option<&'static str> {
    if let Some((_, intended)) = MISTAKEN_NAMES
        .iter()
        .find(|(mistaken, _)| *mistaken == name)
    {
        return Some(intended);
    }
    let is_ours = name.starts_with("QUIRE_") && !RESERVED_NAMES.contains(&name);
    if !is_ours || setting(name).is_some() {
        return None;
    }
    let bare_name = name.strip_prefix("QUIRE_").unwrap_or(name);
    let exact_match = setting(bare_name).map(|row| row.name);
    let names = || SETTINGS.iter().map(|row| row.name);
    exact_match.or_else(|| closest(name, names()))
}
