//! Chooses each member's context mode: whole documents, relevant passages, fewer passages, notes on every part, or
//! nothing for lack of space. The choice depends only on lengths, context windows, and the budget, and is made before
//! any model is called.

use serde::{Deserialize, Serialize};

/// How much of the documents the prompts should contain, as requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContextMode {
    /// Whole documents if they are short for the member's context window, otherwise relevant passages.
    #[default]
    Auto,
    /// Whole documents for every member whose context window can hold them, even if that is expensive.
    Whole,
    /// Passages retrieved for the question. Very short documents are still included whole.
    Passages,
    /// Notes on all parts: one member reads each part, and its notes go to all members.
    Parts,
}

/// Context given to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// All documents are in the prompt as a whole.
    Whole,
    /// Passages retrieved for the question.
    Passages,
    /// Fewer passages than usual, because the context window is small.
    Trimmed,
    /// Notes that a model wrote on each part of the documents.
    Parts,
    /// Nothing, because there is no room; the member is not called.
    Cannot,
}

/// The context of a member, as shown to users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberFit {
    /// Full model ID.
    pub model: String,
    /// The kind of context that the member gets.
    pub fit: Fit,
    /// Why the member does not get whole documents; empty if it does or if passages were requested.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// Combined length of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DocumentSizes {
    /// Total number of characters in all documents.
    pub chars: u64,
    /// Total number of UTF-8 bytes in all documents.
    pub bytes: u64,
}

impl DocumentSizes {
    /// Returns the estimated token count, like `chat::estimate_tokens` but from lengths alone. Non-ASCII characters
    /// have two to four bytes; three are assumed.
    pub fn tokens(self) -> u64 {
        let other = self.bytes.saturating_sub(self.chars) / 2;
        let other = other.min(self.chars);
        (self.chars - other).div_ceil(4) + other
    }

    // Returns the number of characters that fit into this many tokens.
    fn chars_for_tokens(self, tokens: u64) -> usize {
        let tokens_per_char = (self.tokens() as f64 / self.chars.max(1) as f64).max(0.25);
        (tokens as f64 / tokens_per_char) as usize
    }
}

/// Maximum number of characters of passages in a prompt (about 6,000 tokens) if passages were requested or the context
/// window is unknown. Otherwise, a large window raises the maximum. A small window always lowers it.
pub const PASSAGES_BUDGET: usize = 24_000;
/// Documents of up to this many characters (about 24,000 tokens) are included whole by default, if the context window
/// is known and has room for them.
pub const DEFAULT_MAX_FULL_TEXT_CHARS: u64 = 96_000;
/// The context window divided by this is the default token budget for documents.
const WINDOW_DIVISOR: u64 = 4;
/// Maximum number of characters of documents in a prompt, because their text is stored with the analysis.
pub const MAX_CHARS: u64 = 2_000_000;
/// Possible limits on passages for members with smaller context windows, in characters; the largest that fits is used.
const FIT_STEPS: [usize; 4] = [12_000, 6_000, 3_000, 1_500];
/// Number of tokens reserved for the panel's rules and a stage's prompt.
const RESERVED_PROMPT_TOKENS: u64 = 1_200;
/// Minimum and maximum length of a part, in characters. Below the minimum, notes would be longer than their source;
/// above the maximum, models overlook text in the middle.
const PART_CHARS_RANGE: (usize, usize) = (3_000, 60_000);

/// The size of a member's context window and what it must hold, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemberNeeds {
    /// Size of the context window, in tokens; 0 if unknown.
    pub window: u64,
    /// Maximum number of output tokens.
    pub output: u64,
    /// Number of tokens of the question.
    pub question: u64,
    /// Number of tokens of other members' texts in the prompt.
    pub peers: u64,
    /// Maximum number of document tokens that the request's budget allows; `None` without a budget.
    pub affordable_tokens: Option<u64>,
}

impl MemberNeeds {
    /// Returns the number of tokens left for documents; `None` if the size of the window is unknown.
    pub fn available_tokens(self) -> Option<u64> {
        let needed = self.output + self.question + self.peers + RESERVED_PROMPT_TOKENS;
        (self.window > 0).then(|| self.window.saturating_sub(needed))
    }

    /// Returns the default number of tokens for documents: a share of the window, limited by the available space and
    /// the budget. `None` if the size of the window is unknown.
    fn default_budget(self) -> Option<u64> {
        let share = self.available_tokens()?.min(self.window / WINDOW_DIVISOR);
        Some(share.min(self.affordable_tokens.unwrap_or(u64::MAX)))
    }
}

/// The context chosen for a member, with its size limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextChoice {
    /// The kind of context that the member gets.
    pub fit: Fit,
    /// Maximum number of characters of document text.
    pub chars: usize,
    /// Why the member does not get whole documents; empty if it does or if passages were requested.
    pub reason: String,
}

/// Chooses the context of one member. Never chooses `Parts`, because that is a decision for the whole panel.
pub fn choose_fit(
    requested: ContextMode,
    size: DocumentSizes,
    needs: MemberNeeds,
) -> ContextChoice {
    let room = needs.available_tokens();
    let choice = |fit, chars, why: String| ContextChoice {
        fit,
        chars,
        reason: why,
    };
    let unknown = PASSAGES_BUDGET as u64;
    let max_chars = match (requested, room) {
        (ContextMode::Whole, _) => MAX_CHARS,
        (ContextMode::Passages, _) => 0,
        (_, None) => unknown,
        (_, Some(_)) => {
            let share = needs
                .default_budget()
                .map_or(0, |share| size.chars_for_tokens(share));
            DEFAULT_MAX_FULL_TEXT_CHARS.max(share as u64).min(MAX_CHARS)
        }
    };
    let fits = room.is_none_or(|room| size.tokens() <= room);
    if size.chars <= max_chars.max(FIT_STEPS[3] as u64) && fits {
        return choice(Fit::Whole, size.chars as usize, String::new());
    }
    let why = match room {
        Some(room) if requested != ContextMode::Passages && !fits => format!(
            "its context window of {} tokens has space for {room} of the documents' {} tokens",
            needs.window,
            size.tokens()
        ),
        _ if requested == ContextMode::Passages => String::new(),
        None if requested == ContextMode::Auto => "its context window is unknown".to_owned(),
        _ => format!(
            "the documents have {} characters, more than the limit of {max_chars} for whole documents{}",
            size.chars,
            if requested == ContextMode::Auto {
                " by default"
            } else {
                ""
            }
        ),
    };
    let chars = room.map_or(PASSAGES_BUDGET, |room| size.chars_for_tokens(room));
    if chars >= PASSAGES_BUDGET {
        let share = match requested {
            // A client that requests passages wants little text, no matter how large the window is.
            ContextMode::Passages => PASSAGES_BUDGET,
            _ => needs
                .default_budget()
                .map_or(0, |share| size.chars_for_tokens(share)),
        };
        let chars = share.clamp(PASSAGES_BUDGET, chars.min(MAX_CHARS as usize));
        return choice(Fit::Passages, chars, why);
    }
    match FIT_STEPS.into_iter().find(|&step| step <= chars) {
        Some(step) => choice(Fit::Trimmed, step, why),
        None => choice(Fit::Cannot, 0, why),
    }
}

/// Returns the size of a part in characters: as much as all of these members can read, at most 60,000. `None` if a
/// member has room for fewer than 3,000, or if there are no members.
pub fn part_size(size: DocumentSizes, members: &[MemberNeeds]) -> Option<usize> {
    let room = |needs: &MemberNeeds| {
        needs
            .available_tokens()
            .map_or(PASSAGES_BUDGET, |room| size.chars_for_tokens(room))
    };
    let smallest = members.iter().map(room).min()?;
    (smallest >= PART_CHARS_RANGE.0).then(|| smallest.min(PART_CHARS_RANGE.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latin_sizes(chars: u64) -> DocumentSizes {
        DocumentSizes {
            chars,
            bytes: chars,
        }
    }

    fn member_needs(window: u64) -> MemberNeeds {
        MemberNeeds {
            window,
            output: 1_000,
            question: 100,
            peers: 0,
            affordable_tokens: None,
        }
    }

    #[test]
    fn tokens_are_estimated_from_lengths() {
        let chinese = DocumentSizes {
            chars: 1_000,
            bytes: 3_000,
        };
        for (volume, tokens) in [
            (latin_sizes(4_000), 1_000),
            (chinese, 1_000),
            (latin_sizes(0), 0),
        ] {
            assert_eq!(volume.tokens(), tokens);
        }
    }

    #[test]
    fn each_member_gets_the_context_that_fits() {
        use ContextMode as Wish;
        use Fit::{Cannot, Passages, Trimmed, Whole};
        for (mode, chars, window, fit, budget) in [
            (Wish::Auto, 90_000, 200_000, Whole, 90_000),
            (Wish::Auto, 100_000, 200_000, Whole, 100_000),
            (Wish::Auto, 300_000, 200_000, Passages, 200_000),
            (Wish::Auto, 300_000, 400_000, Whole, 300_000),
            (Wish::Auto, 100_000, 64_000, Passages, 64_000),
            (Wish::Whole, 100_000, 200_000, Whole, 100_000),
            (Wish::Whole, 900_000, 200_000, Passages, 200_000),
            (Wish::Whole, 3_000_000, 2_000_000, Passages, 2_000_000),
            (Wish::Passages, 90_000, 200_000, Passages, PASSAGES_BUDGET),
            (Wish::Auto, 90_000, 8_192, Trimmed, 12_000),
            (Wish::Auto, 90_000, 4_096, Trimmed, 6_000),
            (Wish::Auto, 90_000, 2_400, Cannot, 0),
            (Wish::Auto, 90_000, 0, Passages, PASSAGES_BUDGET),
            (Wish::Auto, 20_000, 0, Whole, 20_000),
            (Wish::Whole, 90_000, 0, Whole, 90_000),
            (Wish::Passages, 900, 8_192, Whole, 900),
        ] {
            let choice = choose_fit(mode, latin_sizes(chars), member_needs(window));
            assert_eq!(
                (choice.fit, choice.chars),
                (fit, budget),
                "{mode:?} {chars} {window}"
            );
            let has_reason = !choice.reason.is_empty();
            assert_eq!(
                has_reason,
                fit != Whole && mode != Wish::Passages,
                "{}",
                choice.reason
            );
        }
    }

    #[test]
    fn a_budget_bounds_the_share_of_the_window() {
        let low_budget_needs = MemberNeeds {
            affordable_tokens: Some(10_000),
            ..member_needs(400_000)
        };
        let choice = choose_fit(ContextMode::Auto, latin_sizes(300_000), low_budget_needs);
        assert_eq!((choice.fit, choice.chars), (Fit::Passages, 40_000));
        // However small the budget is, passages get `PASSAGES_BUDGET` characters.
        let no_budget_needs = MemberNeeds {
            affordable_tokens: Some(1),
            ..member_needs(400_000)
        };
        let choice = choose_fit(ContextMode::Auto, latin_sizes(300_000), no_budget_needs);
        assert_eq!((choice.fit, choice.chars), (Fit::Passages, PASSAGES_BUDGET));
    }

    #[test]
    fn parts_fit_the_smallest_reader() {
        for (windows, expected) in [
            (&[200_000, 8_192][..], Some(23_568)),
            (&[200_000, 2_400], None),
            (&[200_000], Some(60_000)),
            (&[0], Some(PASSAGES_BUDGET)),
            (&[], None),
        ] {
            let seats: Vec<MemberNeeds> =
                windows.iter().map(|&window| member_needs(window)).collect();
            assert_eq!(
                part_size(latin_sizes(500_000), &seats),
                expected,
                "{windows:?}"
            );
        }
    }
}
