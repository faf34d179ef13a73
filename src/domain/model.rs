//! Models as described by the catalog: names, limits, prices, and capabilities.

use serde::{Deserialize, Serialize};

use super::money::Price;

/// A model as described by the catalog.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Model {
    /// Full ID, `provider/name`.
    pub id: String,
    /// Name shown to users.
    pub name: String,
    /// Provider: the part of the ID before the first slash.
    pub provider: String,
    /// Alternative names by which a request can refer to the model.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Context window in tokens, input and output together; 0 if unknown.
    pub context_window: u64,
    /// Price; `None` if unknown, which is not the same as zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Date of the price, such as `2026-11` or `2026-11-22`; empty without a price.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub price_of: String,
    /// Model family: `gpt`, `claude`, `gemini`, `llama`, … A judge should not be from the family of the models that it
    /// judges.
    #[serde(default)]
    pub family: String,
    /// Whether the model accepts images; `None` if unknown.
    #[serde(default)]
    pub vision: Option<bool>,
    /// How the model can be made to give structured output.
    #[serde(default)]
    pub structured: Structured,
    /// How the model's reasoning is controlled.
    #[serde(default)]
    pub thinking: Thinking,
    /// Accepted effort levels, lowest first; empty if unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub efforts: Vec<String>,
    /// Maximum output in tokens; 0 if unknown.
    #[serde(default)]
    pub max_output: u64,
    /// Names of the accepted parameters, as in `parameters::GLOSSARY`; empty if unknown.
    #[serde(default)]
    pub parameters: Vec<String>,
    /// Free-form labels: `fast`, `offline`, `reasoning`.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whether this is a local demo algorithm instead of a language model.
    #[serde(default)]
    pub mock: bool,
    /// Rank used to choose a model automatically, for example as the synthesizer; higher is stronger.
    #[serde(default)]
    pub strength: u32,
}

impl Model {
    /// Whether the model is known not to accept images. If that is unknown, images are sent to it.
    pub fn rejects_images(&self) -> bool {
        self.vision == Some(false)
    }

    /// Whether `name` is one of the model's aliases.
    pub fn answers_to(&self, name: &str) -> bool {
        let mut aliases = self.aliases.iter();
        aliases.any(|alias| alias.eq_ignore_ascii_case(name))
    }
}

/// How a provider's API controls a model's reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Thinking {
    /// Unknown; the default of the provider's API format is used.
    #[default]
    Unknown,
    /// The model does not reason, or its reasoning cannot be controlled.
    Fixed,
    /// By effort level: `reasoning_effort`, `reasoning.effort`.
    Effort,
    /// Adaptive, with an effort level (Anthropic from 4.6).
    Adaptive,
    /// By token budget (Anthropic up to 4.5, Gemini 2).
    Budget,
    /// By thinking level (Gemini 3).
    Level,
    /// On or off (DeepSeek, GLM, Kimi).
    Toggle,
}

/// Best available method to make a model's output conform to a JSON schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Structured {
    /// The provider enforces the schema. Also used for unknown models. A model that rejects the field is treated as
    /// `Prompt` from then on.
    #[default]
    Native,
    /// A forced tool call, whose arguments are the output.
    Tool,
    /// Instructions in the prompt. The answer is validated and repaired once.
    Prompt,
}

/// Whether a model can be called now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// The model can be called.
    Ready,
    /// The model's provider has no key.
    NeedsKey,
    /// The model's provider was unreachable at the last attempt.
    Unavailable,
    /// The provider's rate limit requires waiting.
    Throttled,
    /// The model's circuit breaker is open after repeated failures.
    CircuitOpen,
}

impl Availability {
    /// Returns the name used in the API.
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
