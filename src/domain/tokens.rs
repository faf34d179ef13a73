//! Token counts of a call, reported by the provider or estimated from the text.

use serde::{Deserialize, Serialize};

use super::money::MicroDollars;

/// Token usage of one or more calls, reported by the provider or estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Input tokens, including cached ones.
    pub input: u64,
    /// Output tokens, including reasoning.
    pub output: u64,
    /// The part of `input` read from the provider's prompt cache.
    #[serde(default)]
    pub cached: u64,
    /// The part of `output` used for reasoning.
    #[serde(default)]
    pub reasoning: u64,
    /// The part of `input` written to the provider's prompt cache; 0 if the provider charges nothing extra for writing
    /// to it.
    #[serde(default, skip_serializing_if = "is_none")]
    pub stored: u64,
    /// Whether the counts are estimated because the provider reported none.
    #[serde(default)]
    pub estimated: bool,
    /// The charge reported by the provider, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charged: Option<MicroDollars>,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Usage {
    fn charged_cost(&self, other: &Usage) -> Option<MicroDollars> {
        match (self.charged, other.charged) {
            (Some(one), Some(two)) => Some(one.saturating_add(two)),
            // If only one of the usages has a charge, that charge covers the sum only if the other usage is empty.
            (Some(one), None) if other.input + other.output == 0 => Some(one),
            (None, Some(two)) if self.input + self.output == 0 => Some(two),
            _ => None,
        }
    }

    /// Returns the sum of both usages; estimated if either is.
    pub fn combined_with(&self, other: &Usage) -> Usage {
        Usage {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cached: self.cached.saturating_add(other.cached),
            reasoning: self.reasoning.saturating_add(other.reasoning),
            stored: self.stored.saturating_add(other.stored),
            estimated: self.estimated || other.estimated,
            charged: self.charged_cost(other),
        }
    }
}

/// Estimates the tokens of a text without a provider's count: four ASCII characters per token, and one token
/// per other character, because other scripts take more tokens.
pub fn estimate_tokens(text: &str) -> u64 {
    let (mut ascii, mut other) = (0u64, 0u64);
    for character in text.chars() {
        if character.is_ascii() {
            ascii += 1
        } else {
            other += 1
        }
    }
    ascii.div_ceil(4) + other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_do_not_starve_other_scripts() {
        assert_eq!(estimate_tokens(""), 0);
        assert_eq!(estimate_tokens("abcdefgh"), 2);
        assert_eq!(estimate_tokens("量子計算"), 4);
    }
}
