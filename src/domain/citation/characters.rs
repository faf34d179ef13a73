//! Classes of special characters: superscripts, subscripts, fractions, units, and scripts without spaces.

use unicode_normalization::UnicodeNormalization;

/// Returns the plain character of a superscript; `None` if the character is not one.
pub(super) fn from_superscript(c: char) -> Option<char> {
    let is_superscript = matches!(c, '²' | '³' | '¹' | 'ª' | 'º' | '\u{2B0}'..='\u{2B8}' | '\u{2E0}'..='\u{2E4}' | '\u{2070}'..='\u{207F}' | '\u{1D2C}'..='\u{1D61}' | '\u{1D9C}'..='\u{1DBF}');
    let plain = is_superscript
        .then(|| std::iter::once(c).nfkc().next())
        .flatten()?;
    Some(if plain == '−' { '-' } else { plain })
}

/// Returns the plain character of a subscript; `None` if the character is not one.
pub(super) fn from_subscript(c: char) -> Option<char> {
    let is_subscript =
        matches!(c, '\u{2080}'..='\u{2089}' | '\u{2090}'..='\u{209C}' | '\u{1D62}'..='\u{1D6A}');
    is_subscript
        .then(|| std::iter::once(c).nfkc().next())
        .flatten()
}

/// Returns the words that a single character stands for: "1", "/", and "2" for ½, "1" for ①, "m^2" for ㎡. They never
/// merge with a number before them (3½ is not 31/2). `None` for any other character.
pub(super) fn split_compound(c: char) -> Option<Vec<String>> {
    let single_word = |text: &str| Some(vec![text.to_owned()]);
    match c {
        '㎟' => return single_word("mm^2"),
        '㎠' => return single_word("cm^2"),
        '㎡' => return single_word("m^2"),
        '㎢' => return single_word("km^2"),
        '㎣' => return single_word("mm^3"),
        '㎤' => return single_word("cm^3"),
        '㎥' => return single_word("m^3"),
        '㎦' => return single_word("km^3"),
        '№' => return single_word("no"),
        '℃' => return Some(vec!["°".to_owned(), "c".to_owned()]),
        '℉' => return Some(vec!["°".to_owned(), "f".to_owned()]),
        _ => {}
    }
    let is_fraction = matches!(c, '¼'..='¾' | '\u{2150}'..='\u{215E}' | '\u{2189}');
    if !is_fraction && !is_enclosed(Some(c)) {
        return None;
    }
    let plain: String = std::iter::once(c).nfkc().collect();
    let mut parts = Vec::new();
    for part in plain.split_inclusive('⁄') {
        let digits: String = part.chars().filter(|c| c.is_alphanumeric()).collect();
        parts.push(digits);
        if part.ends_with('⁄') {
            parts.push("/".to_owned());
        }
    }
    Some(parts)
}

pub(super) fn is_enclosed(c: Option<char>) -> bool {
    c.is_some_and(|c| matches!(c, '\u{2460}'..='\u{249B}' | '\u{24EA}' | '\u{3251}'..='\u{325F}' | '\u{32B1}'..='\u{32BF}'))
}

/// Whether the character belongs to a script written without spaces, in which case it counts as a word.
pub(super) fn is_single_word(c: char) -> bool {
    let is_there = matches!(u32::from(c), 0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3005 | 0x3040..=0x30FF
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0xFF66..=0xFF9F | 0x20000..=0x2FA1F);
    is_there && c.is_alphanumeric()
}
