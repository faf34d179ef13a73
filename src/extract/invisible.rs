//! Removes invisible characters that break up words for search: soft hyphens, zero-width spaces, and word joiners.
//! Keeps the joiners that some scripts need (ZWJ and ZWNJ).

use std::borrow::Cow;

/// Returns whether a character has no width and no meaning of its own.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{AD}' | '\u{200B}' | '\u{2060}' | '\u{FEFF}' | '\u{180E}'
    )
}

/// Returns the text without invisible characters. A soft hyphen at the end of a line joins the two parts of the word.
pub fn remove_invisible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_invisible) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_invisible) {
        out.push_str(&rest[..at]);
        let mut characters = rest[at..].chars();
        let is_hyphen = characters.next() == Some('\u{AD}');
        rest = characters.as_str();
        if is_hyphen && let Some(next) = rest.strip_prefix('\n') {
            let next = next.trim_start_matches([' ', '\t']);
            if next.starts_with(char::is_alphabetic) {
                rest = next;
            }
        }
    }
    out.push_str(rest);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole_and_joiners_stay() {
        for (text, expected) in [
            ("Donau\u{AD}dampf\u{AD}schiff", "Donaudampfschiff"),
            ("infor\u{AD}\n  mation", "information"),
            ("end\u{AD}\n\nNext", "end\n\nNext"),
            ("zero\u{200B}width \u{2060}a\u{FEFF}b", "zerowidth ab"),
            (
                "می\u{200C}خواهم 👩\u{200D}💻",
                "می\u{200C}خواهم 👩\u{200D}💻",
            ),
            ("plain", "plain"),
        ] {
            assert_eq!(remove_invisible(text), expected, "{text:?}");
        }
    }
}
