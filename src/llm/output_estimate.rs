//! Estimates the number of output tokens as they arrive. The estimate must never be too high, because calls are cut off
//! based on it.

use crate::domain::chat::Delta;

/// Maximum average number of ASCII characters per token. No tokenizer in use exceeds this for running text.
const ASCII_CHARS_PER_TOKEN: u64 = 5;
/// Maximum average number of ideographs per token.
const IDEOGRAPHS_PER_TOKEN: u64 = 2;
/// Maximum average number of other characters per token.
const OTHER_CHARS_PER_TOKEN: u64 = 4;
/// First of the characters that are counted as ideographs.
const FIRST_IDEOGRAPH: char = '\u{2e80}';

/// Counts the characters of one answer as they arrive.
#[derive(Debug, Default)]
pub(super) struct AnswerProgress {
    ascii: u64,
    ideographs: u64,
    other_count: u64,
    last_char: Option<char>,
}

impl AnswerProgress {
    /// Counts a piece of text or reasoning.
    pub fn add(&mut self, delta: &Delta) {
        let text = match delta {
            Delta::Text(text) | Delta::Reasoning(text) => text,
            Delta::ReasoningBlock(_) => return,
            // The text so far was reasoning, and will be sent again as such.
            Delta::Restart => {
                *self = Self::default();
                return;
            }
        };
        for character in text.chars() {
            // Tokenizers merge long runs of the same character (spaces, dashes) into one token.
            if self.last_char.replace(character) == Some(character) {
                continue;
            }
            match character {
                _ if character.is_ascii() => self.ascii += 1,
                FIRST_IDEOGRAPH.. => self.ideographs += 1,
                _ => self.other_count += 1,
            }
        }
    }

    /// Returns the minimum number of output tokens so far, including `argument_bytes` bytes of arguments of tool calls.
    pub fn tokens(&self, argument_bytes: usize) -> u64 {
        (self.ascii + argument_bytes as u64) / ASCII_CHARS_PER_TOKEN
            + self.ideographs / IDEOGRAPHS_PER_TOKEN
            + self.other_count / OTHER_CHARS_PER_TOKEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_no_more_than_a_tokenizer_would() {
        for (text, max_estimate) in [
            // The expected counts were computed with the tokenizer o200k_base.
            ("", 0),
            ("The paper is thin, and it tears easily when it is wet.", 14),
            ("Бумага тонкая и легко рвётся, когда намокнет.", 14),
            ("紙は薄くて、濡れると簡単に破れます。", 16),
            ("    return self.value\n", 5),
            ("----------------------------------------", 2),
        ] {
            let mut progress = AnswerProgress::default();
            for piece in text.split_inclusive(' ') {
                progress.add(&Delta::Text(piece.to_owned()));
            }
            assert!(
                progress.tokens(0) <= max_estimate,
                "{text}: {}",
                progress.tokens(0)
            );
        }
    }

    #[test]
    fn counts_text_reasoning_and_arguments() {
        let mut progress = AnswerProgress::default();
        progress.add(&Delta::Text("word ".repeat(100)));
        progress.add(&Delta::Reasoning("word ".repeat(10)));
        assert_eq!(progress.tokens(50), 120);
    }
}
