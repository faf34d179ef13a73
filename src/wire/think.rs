//! Local models put their reasoning in front of the answer, between marks such as `<think>` and `</think>`.
//! Takes it out of the text while it streams in.

use crate::domain::chat::Delta;

/// The marks that models are known to use; Open WebUI knows the same ones.
const MARKS: &[(&str, &str)] = &[
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<reason>", "</reason>"),
    ("<reasoning>", "</reasoning>"),
    ("<thought>", "</thought>"),
    ("<Thought>", "</Thought>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
];
/// White space looked through for the mark; more than this is the answer's own.
const MOST_SPACE: usize = 1024;

/// Divides a growing text into reasoning and answer.
#[derive(Debug, Default)]
pub(super) enum Divider {
    /// Nothing but white space or a beginning of the mark so far.
    #[default]
    Undecided,
    /// What might be the beginning of the mark.
    Beginning(String),
    /// Within the marks: the closing one, and what might be its beginning.
    Reasoning(&'static str, String),
    /// Behind the closing mark, where nothing but white space has come so far.
    Closed,
    /// Behind them, or there were none.
    Answer,
}

impl Divider {
    /// Takes a piece of text, gives what is sure.
    pub fn push(&mut self, piece: &str, out: &mut Vec<Delta>) {
        match self {
            Self::Answer => text(piece, out),
            Self::Closed => {
                let piece = piece.trim_start();
                if !piece.is_empty() {
                    *self = Self::Answer;
                    text(piece, out);
                }
            }
            Self::Undecided => {
                *self = Self::Beginning(String::new());
                self.push(piece, out);
            }
            Self::Beginning(held) => {
                held.push_str(piece);
                let trimmed = held.trim_start();
                let mark = |&(open, close)| Some((trimmed.strip_prefix(open)?, close));
                if let Some((rest, close)) = MARKS.iter().find_map(mark) {
                    let rest = rest.to_owned();
                    *self = Self::Reasoning(close, String::new());
                    self.push(&rest, out);
                } else if held.len() > MOST_SPACE
                    || MARKS.iter().all(|(open, _)| !open.starts_with(trimmed))
                {
                    let held = std::mem::take(held);
                    *self = Self::Answer;
                    text(&held, out);
                }
            }
            Self::Reasoning(close, held) => {
                let close = *close;
                held.push_str(piece);
                if let Some((reasoning, rest)) = held.split_once(close) {
                    let rest = rest.to_owned();
                    reason(reasoning, out);
                    *self = Self::Closed;
                    self.push(&rest, out);
                    return;
                }
                // All that cannot be the beginning of the closing mark is sure.
                let keep = (1..close.len())
                    .rev()
                    .find(|&length| held.ends_with(&close[..length]))
                    .unwrap_or(0);
                let rest = held.split_off(held.len() - keep);
                reason(&std::mem::replace(held, rest), out);
            }
        }
    }

    /// What was held back when the stream ended.
    pub fn finish(self, out: &mut Vec<Delta>) {
        match self {
            Self::Beginning(held) => text(&held, out),
            Self::Reasoning(_, held) => reason(&held, out),
            Self::Undecided | Self::Closed | Self::Answer => {}
        }
    }
}

fn text(piece: &str, out: &mut Vec<Delta>) {
    if !piece.is_empty() {
        out.push(Delta::Text(piece.to_owned()));
    }
}

fn reason(piece: &str, out: &mut Vec<Delta>) {
    if !piece.is_empty() {
        out.push(Delta::Reasoning(piece.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divide(pieces: &[&str]) -> (String, String) {
        let mut divider = Divider::default();
        let mut out = Vec::new();
        for piece in pieces {
            divider.push(piece, &mut out);
        }
        divider.finish(&mut out);
        let (mut reasoning, mut answer) = (String::new(), String::new());
        for delta in out {
            match delta {
                Delta::Text(text) => answer.push_str(&text),
                Delta::Reasoning(text) => reasoning.push_str(&text),
            }
        }
        (reasoning, answer)
    }

    #[test]
    fn reasoning_is_taken_out_however_it_is_cut() {
        for (whole, reasoning, answer) in [
            ("plain", "", "plain"),
            ("<think>a < b</think>\n\nyes", "a < b", "yes"),
            ("\n<think></think>yes", "", "yes"),
            ("<thinker>", "", "<thinker>"),
            ("<thi", "", "<thi"),
            ("<think>never closed </thin", "never closed </thin", ""),
            ("say <think>no</think>", "", "say <think>no</think>"),
            ("<thinking>a</think></thinking>b", "a</think>", "b"),
            ("<reasoning>a</reasoning> b", "a", "b"),
            ("<Thought>a</Thought>b", "a", "b"),
            ("<|begin_of_thought|>a<|end_of_thought|>b", "a", "b"),
        ] {
            let expected = (reasoning.to_owned(), answer.to_owned());
            assert_eq!(divide(&[whole]), expected, "{whole}");
            for cut in (0..=whole.len()).filter(|&cut| whole.is_char_boundary(cut)) {
                assert_eq!(
                    divide(&[&whole[..cut], &whole[cut..]]),
                    expected,
                    "{whole} at {cut}"
                );
            }
        }
    }
}
