//! Models as the catalogue knows them: names, limits, prices, what they accept.

use serde::{Deserialize, Serialize};

use super::money::Price;

/// A model that a panel may contain.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Model {
    /// Full id, `provider/name`.
    pub id: String,
    /// For people.
    pub name: String,
    /// The part of the id before the first slash.
    pub provider: String,
    /// Other ids it answers to.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Tokens it can read and write together.
    pub context_window: u64,
    /// Unknown prices are unknown, not zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// When the price was looked up, as `2026-11` or `2026-11-22`; empty where there is no price.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub price_of: String,
    /// Who made it: `gpt`, `claude`, `gemini`, `llama` … A judge should not be of its author's family.
    #[serde(default)]
    pub family: String,
    /// Whether it reads pictures; none where that is not known.
    #[serde(default)]
    pub vision: Option<bool>,
    /// How it can be held to a JSON schema.
    #[serde(default)]
    pub structured: Structured,
    /// How it is told how much to think.
    #[serde(default)]
    pub thinking: Thinking,
    /// Words for how hard to think that it takes, from the least on; empty where that is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub efforts: Vec<String>,
    /// Tokens it writes at most; 0 where that is not known.
    #[serde(default)]
    pub max_output: u64,
    /// Names from the parameter glossary that it accepts; empty where it is not known.
    #[serde(default)]
    pub parameters: Vec<String>,
    /// Loose labels: `fast`, `offline`, `reasoning`.
    #[serde(default)]
    pub tags: Vec<String>,
    /// A local demo algorithm, not a language model.
    #[serde(default)]
    pub mock: bool,
    /// Rough rank for being chosen unasked, as the synthesiser: the higher the better for its price.
    #[serde(default)]
    pub strength: u32,
}

impl Model {
    /// Whether it is known not to read pictures. What is not known is tried.
    pub fn is_blind(&self) -> bool {
        self.vision == Some(false)
    }

    /// Whether this is one of its other names.
    pub fn answers_to(&self, name: &str) -> bool {
        let mut aliases = self.aliases.iter();
        aliases.any(|alias| alias.eq_ignore_ascii_case(name))
    }
}

/// How a model is told how much to think, in its vendor's own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Thinking {
    /// Not known: as its provider's dialect usually says it.
    #[default]
    Unknown,
    /// It does not think, or cannot be told how much.
    Fixed,
    /// By a word: `reasoning_effort`, `reasoning.effort`.
    Effort,
    /// It decides itself, and takes a word for how hard (Anthropic from 4.6 on).
    Adaptive,
    /// By a number of tokens (Anthropic up to 4.5, Gemini 2).
    Budget,
    /// By a level (Gemini 3).
    Level,
    /// On or off (DeepSeek, GLM, Kimi).
    Toggle,
}

/// The best way to hold a model to a JSON schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Structured {
    /// The vendor enforces a schema. Also tried where nothing is known of a model: one that refuses the
    /// field is asked in words from then on.
    #[default]
    Native,
    /// By a tool that it is forced to call.
    Tool,
    /// By asking; the answer is checked and repaired once.
    Prompt,
}

/// Whether a model can be asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// Yes.
    Ready,
    /// Its provider has no key.
    NeedsKey,
    /// Its provider could not be reached when last asked.
    Unavailable,
    /// Its provider has told us to wait.
    Throttled,
    /// It failed too often: it is not asked before a pause is over.
    CircuitOpen,
}

impl Availability {
    /// The name in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::NeedsKey => "needs_key",
            Self::Unavailable => "unavailable",
            Self::Throttled => "throttled",
            Self::CircuitOpen => "circuit_open",
        }
    }
}
