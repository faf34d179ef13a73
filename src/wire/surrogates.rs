//! Repairs JSON in which a server has split escaped surrogate pairs (`\ud83d\ude00`) between two chunks. The two halves
//! are joined, and a half without a partner becomes U+FFFD.

use std::borrow::Cow;
use std::collections::VecDeque;

/// High surrogates at the ends of strings, in the order of the strings. They wait for their low surrogates in the next
/// chunk.
#[derive(Debug, Default)]
pub(super) struct PendingSurrogates(VecDeque<u16>);

/// Maximum number of strings per chunk that may wait for a low surrogate.
const MAX_WAITING: usize = 8;

impl PendingSurrogates {
    /// Joins the surrogate pairs that were split between the previous chunk and this one. Returns the repaired JSON.
    pub fn join_pairs<'t>(&mut self, text: &'t str) -> Cow<'t, str> {
        let is_escaped = |at: &str| text.contains(at);
        if self.0.is_empty() && !is_escaped("\\ud") && !is_escaped("\\uD") {
            return Cow::Borrowed(text);
        }
        let mut waiting = std::mem::take(&mut self.0);
        let mut out = String::with_capacity(text.len() + 8);
        let mut rest = text;
        while let Some(at) = rest.find('\\') {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let length_consumed = match surrogate(rest) {
                Some(first @ 0xD800..=0xDBFF) => match surrogate(&rest[6..]) {
                    Some(0xDC00..=0xDFFF) => {
                        out.push_str(&rest[..12]);
                        12
                    }
                    // If the string ends here, the next chunk may contain the low surrogate.
                    _ if rest[6..].starts_with('"') && self.0.len() < MAX_WAITING => {
                        self.0.push_back(first);
                        6
                    }
                    _ => push_unpaired(&mut out),
                },
                Some(second @ 0xDC00..=0xDFFF) => match waiting.pop_front() {
                    Some(first) if out.ends_with('"') => {
                        out.push_str(&format!("\\u{first:04x}\\u{second:04x}"));
                        6
                    }
                    _ => push_unpaired(&mut out),
                },
                _ => {
                    // Any other escape is skipped as a whole, because the character after its backslash cannot begin
                    // another escape.
                    let length = rest.chars().take(2).map(char::len_utf8).sum();
                    out.push_str(&rest[..length]);
                    length
                }
            };
            rest = &rest[length_consumed..];
        }
        out.push_str(rest);
        Cow::Owned(out)
    }
}

fn push_unpaired(out: &mut String) -> usize {
    out.push_str("\\ufffd");
    6
}

/// Returns the surrogate or other character code of the escape with which a text begins.
fn surrogate(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn join_chunks(chunks: &[&str]) -> Vec<String> {
        let mut halves = PendingSurrogates::default();
        let read = |text: &&str| {
            let joined = halves.join_pairs(text);
            let value: Value = serde_json::from_str(&joined).unwrap();
            value[0].as_str().unwrap().to_owned()
        };
        chunks.iter().map(read).collect()
    }

    #[test]
    fn surrogates_split_between_chunks_are_joined() {
        for (chunks, expected) in [
            (
                &[r#"["Seven \ud83d"]"#, r#"["\ude00 twelve"]"#] as &[&str],
                &["Seven ", "😀 twelve"] as &[&str],
            ),
            (&[r#"["\uD83D\uDE00"]"#], &["😀"]),
            (&[r#"["a\ud83d"]"#, r#"["b"]"#], &["a", "b"]),
            (
                &[r#"["a\ud83db"]"#, r#"["c\ude00"]"#],
                &["a\u{FFFD}b", "c\u{FFFD}"],
            ),
            (
                &[r#"["\\ud83d"]"#, r#"["\\\\ude00"]"#],
                &["\\ud83d", "\\\\ude00"],
            ),
            (&[r#"["é\n\u00e9"]"#], &["é\né"]),
        ] {
            assert_eq!(join_chunks(chunks), expected, "{chunks:?}");
        }
    }

    proptest! {
        #[test]
        fn complete_json_is_unchanged(text in any::<String>()) {
            let json = serde_json::to_string(&[&text]).unwrap();
            prop_assert_eq!(join_chunks(&[&json]), vec![text]);
        }

        #[test]
        fn arbitrary_text_never_panics(text in r#"(\\|u|d83d|de00|"|é|x){0,20}"#) {
            let mut halves = PendingSurrogates::default();
            halves.join_pairs(&text);
            halves.join_pairs(&text);
        }
    }
}
