//! Models as the catalogue knows them: names, limits, prices, what they accept.

use serde::{Deserialize, Serialize};

use super::money::Price;

/// A model that a panel may contain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Names from the parameter glossary that it accepts.
    #[serde(default)]
    pub parameters: Vec<String>,
    /// Loose labels: `fast`, `offline`, `reasoning`.
    #[serde(default)]
    pub tags: Vec<String>,
    /// A local demo algorithm, not a language model.
    #[serde(default)]
    pub mock: bool,
    /// Rough rank for choosing a default synthesiser; higher is stronger.
    #[serde(default)]
    pub strength: u32,
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
}

impl Availability {
    /// The name in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::NeedsKey => "needs_key",
            Self::Unavailable => "unavailable",
        }
    }
}
