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
    /// Whether any count is estimated, because the provider's report is missing or incomplete.
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
    let mut estimate = TokenEstimate::default();
    estimate.add(text);
    estimate.tokens()
}

/// Estimates the tokens of a value as JSON. Writes the JSON nowhere.
pub fn estimate_json_tokens(value: &impl Serialize) -> u64 {
    let mut estimate = TokenEstimate::default();
    // Neither writing to the estimate nor serializing a JSON value can fail.
    let _ = serde_json::to_writer(&mut estimate, value);
    estimate.tokens()
}

/// Estimates the tokens of a text that arrives in pieces. The pieces' sizes make no difference to the estimate.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokenEstimate {
    ascii: u64,
    other: u64,
}

impl TokenEstimate {
    /// Adds a piece of the text.
    pub fn add(&mut self, text: &str) {
        self.add_bytes(text.as_bytes());
    }

    fn add_bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                0..0x80 => self.ascii += 1,
                // These continue a character.
                0x80..0xc0 => {}
                _ => self.other += 1,
            }
        }
    }

    /// Returns the estimated number of tokens so far.
    pub fn tokens(&self) -> u64 {
        self.ascii.div_ceil(4) + self.other
    }
}

impl std::io::Write for TokenEstimate {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.add_bytes(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
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

    #[test]
    fn the_size_of_pieces_makes_no_difference() {
        let text = "a 量 b c d é".repeat(50);
        let mut estimate = TokenEstimate::default();
        for piece in text.split_inclusive(' ') {
            estimate.add(piece);
        }
        assert_eq!(estimate.tokens(), estimate_tokens(&text));
        let value = serde_json::json!({ "text": text });
        let json_text = value.to_string();
        assert_eq!(estimate_json_tokens(&value), estimate_tokens(&json_text));
    }
}
