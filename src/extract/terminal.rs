//! Converts text to what a terminal would show: without escape sequences, and with each overstrike read once (a letter,
//! a backspace, and the letter again for bold, or an underscore for underlining).

use std::borrow::Cow;

/// Maximum length of an escape sequence in characters; anything longer is text.
const MAX_SEQUENCE_CHARS: usize = 256;

/// Returns the text that a terminal would show.
pub fn strip_control_codes(text: &str) -> Cow<'_, str> {
    if !text.contains(['\u{1B}', '\u{8}', '\u{9B}']) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let next = &rest[character.len_utf8()..];
        rest = match character {
            '\u{1B}' => after_escape(next),
            '\u{9B}' => after_control(next),
            '\u{8}' => overstrike(&mut out, next),
            other => {
                out.push(other);
                next
            }
        };
    }
    out.into()
}

/// Handles a backspace between two characters: keeps the one that stays visible. Returns the text that remains.
fn overstrike<'a>(out: &mut String, next: &'a str) -> &'a str {
    let char_before = out.chars().next_back().filter(|c| !c.is_control());
    let Some(over) = next.chars().next().filter(|c| !c.is_control()) else {
        return next;
    };
    let Some(char_before) = char_before else {
        return next;
    };
    if char_before == '_' || char_before == over || char_before == ' ' {
        out.pop();
        return next;
    }
    if over == '_' {
        return &next[over.len_utf8()..];
    }
    // This is a correction: the later character replaces the earlier one.
    out.pop();
    next
}

/// Returns the text after an escape sequence (ECMA-48). `text` starts after the escape character.
fn after_escape(text: &str) -> &str {
    match text.chars().next() {
        Some('[') => after_control(&text[1..]),
        // Titles and links end with a bell or a string terminator.
        Some(']' | 'P' | '_' | '^' | 'X') => {
            let end = text
                .char_indices()
                .take(4 * MAX_SEQUENCE_CHARS)
                .find(|(at, c)| *c == '\u{7}' || text[*at..].starts_with("\u{1B}\\"));
            match end {
                Some((at, '\u{7}')) => &text[at + 1..],
                Some((at, _)) => &text[at + 2..],
                None => &text[1..],
            }
        }
        Some('(' | ')' | '*' | '+' | '#' | '%') => text.get(2..).unwrap_or_default(),
        Some(c @ ('0'..='9' | '=' | '>' | '<' | 'A'..='Z' | 'a'..='z')) => &text[c.len_utf8()..],
        _ => text,
    }
}

/// Returns the text after a control sequence: parameters followed by one final character.
fn after_control(text: &str) -> &str {
    let end = text
        .char_indices()
        .take(MAX_SEQUENCE_CHARS)
        .find(|(_, c)| !matches!(c, '\u{20}'..='\u{3F}'));
    match end {
        Some((at, '\u{40}'..='\u{7E}')) => &text[at + 1..],
        Some((at, _)) => &text[at..],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_visible_text_is_kept() {
        for (text, expected) in [
            ("\u{1B}[31mERROR\u{1B}[0m disk", "ERROR disk"),
            ("\u{1B}[1;38;5;208mx\u{1B}[K", "x"),
            (
                "\u{1B}]8;;https://a.b\u{1B}\\link\u{1B}]8;;\u{1B}\\",
                "link",
            ),
            ("\u{1B}]0;title\u{7}text", "text"),
            ("N\u{8}NA\u{8}A", "NA"),
            ("_\u{8}a_\u{8}b", "ab"),
            ("a\u{8}_", "a"),
            ("\u{1B}(Bplain", "plain"),
            ("cut \u{1B}[", "cut "),
            ("ü\u{1B}", "ü"),
            ("no escapes", "no escapes"),
        ] {
            assert_eq!(strip_control_codes(text), expected, "{text:?}");
        }
    }
}
