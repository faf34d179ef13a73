//! Tokens: how many a call read and wrote, as counted by the vendor or estimated from the text.

use serde::{Deserialize, Serialize};

use super::money::MicroDollars;

/// Tokens, as the vendor counted them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read, cached ones included.
    pub input: u64,
    /// Tokens written, reasoning included.
    pub output: u64,
    /// Of `input`, read from the vendor's prompt cache.
    #[serde(default)]
    pub cached: u64,
    /// Of `output`, spent on reasoning.
    #[serde(default)]
    pub reasoning: u64,
    /// Of `input`, written into the vendor's prompt cache, where that has a price of its own.
    #[serde(default, skip_serializing_if = "is_none")]
    pub stored: u64,
    /// True when the vendor said nothing and the counts are our estimate.
    #[serde(default)]
    pub estimated: bool,
    /// What the vendor itself says that it charged, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charged: Option<MicroDollars>,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Usage {
    fn charged_with(&self, other: &Usage) -> Option<MicroDollars> {
        match (self.charged, other.charged) {
            (Some(one), Some(two)) => Some(one.plus(two)),
            // A statement for a part is none for the whole, unless the other part is nothing.
            (Some(one), None) if other.input + other.output == 0 => Some(one),
            (None, Some(two)) if self.input + self.output == 0 => Some(two),
            _ => None,
        }
    }

    /// The sum; estimated as soon as a part is.
    pub fn plus(&self, other: &Usage) -> Usage {
        Usage {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cached: self.cached.saturating_add(other.cached),
            reasoning: self.reasoning.saturating_add(other.reasoning),
            stored: self.stored.saturating_add(other.stored),
            estimated: self.estimated || other.estimated,
            charged: self.charged_with(other),
        }
    }
}

/// A rough count for texts whose tokens no vendor has counted: four bytes of English a token, but at
/// least one a character for scripts that tokenise worse.
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
