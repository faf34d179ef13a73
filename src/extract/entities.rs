//! Decodes HTML character references (`&eacute;`, `&#8211;`), including all HTML5 names. Unknown names are left
//! unchanged.

use std::borrow::Cow;

/// All character reference names of HTML5, sorted. Each is followed by U+001F, the characters that it stands for, and
/// U+001E.
static NAMED_ENTITIES: &str = include_str!(concat!(env!("OUT_DIR"), "/entities.txt"));

/// Length in bytes of the longest name, `CounterClockwiseContourIntegral`.
const MAX_NAME_BYTES: usize = 31;

/// Decodes all character references in `text`.
pub fn decode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let used = match decode_reference(rest) {
            Some((text, used)) => {
                out.push_str(&text);
                used
            }
            None => {
                out.push('&');
                1
            }
        };
        rest = &rest[used..];
    }
    out.push_str(rest);
    out
}

/// Decodes the reference at the start of `text`. Returns its text and its length in bytes, or `None` if it is not a
/// known reference.
fn decode_reference(text: &str) -> Option<(Cow<'static, str>, usize)> {
    let inner = &text[1..];
    if let Some(number) = inner.strip_prefix('#') {
        let (digits, radix, mark) = match number.strip_prefix(['x', 'X']) {
            Some(hex) => (hex, 16, 3),
            None => (number, 10, 2),
        };
        let length = digits
            .find(|c: char| !c.is_digit(radix))
            .unwrap_or(digits.len());
        let value = u32::from_str_radix(&digits[..length], radix)
            .ok()
            .or((length > 8).then_some(u32::MAX))?;
        let semicolon = usize::from(digits[length..].starts_with(';'));
        return Some((
            decode_number(value).to_string().into(),
            mark + length + semicolon,
        ));
    }
    let length = inner
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(inner.len());
    let name = inner
        .get(..length)
        .filter(|name| (2..=MAX_NAME_BYTES).contains(&name.len()))?;
    let is_closed = inner[length..].starts_with(';');
    // Old pages omit the semicolon after these names. Decoding other names without a semicolon would corrupt ordinary
    // words.
    if !is_closed && !["amp", "lt", "gt", "quot", "nbsp", "copy", "reg"].contains(&name) {
        return None;
    }
    let text = match find_entity(name)? {
        "\u{A0}" => " ",
        // Soft hyphens, zero-width spaces, and direction marks would only break up words.
        "\u{AD}" | "\u{200B}" | "\u{200E}" | "\u{200F}" | "\u{2060}" => "",
        text => text,
    };
    Some((text.into(), 1 + length + usize::from(is_closed)))
}

/// Looks up a name by binary search in the sorted list.
fn find_entity(name: &str) -> Option<&'static str> {
    let mut entries = NAMED_ENTITIES;
    while !entries.is_empty() {
        let half = entries.len() / 2;
        let begin = entries.as_bytes()[..half]
            .iter()
            .rposition(|byte| *byte == 0x1E)
            .map_or(0, |end| end + 1);
        let (entry, after) = entries[begin..].split_once('\u{1E}')?;
        let (known, text) = entry.split_once('\u{1F}')?;
        entries = match name.cmp(known) {
            std::cmp::Ordering::Equal => return Some(text),
            std::cmp::Ordering::Less => &entries[..begin],
            std::cmp::Ordering::Greater => after,
        };
    }
    None
}

fn decode_number(value: u32) -> char {
    // Browsers read 128 to 159 as Windows-1252, because that is what authors meant.
    const WINDOWS: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž',
        '\u{8F}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}',
        'ž', 'Ÿ',
    ];
    let character = match value {
        0x80..=0x9F => WINDOWS[value as usize - 0x80],
        _ => char::from_u32(value).unwrap_or('\u{FFFD}'),
    };
    if character.is_control() && !matches!(character, '\n' | '\t') {
        '\u{FFFD}'
    } else {
        character
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_decoded() {
        for (text, expected) in [
            ("a &amp; b", "a & b"),
            ("AT&T &unknown; &", "AT&T &unknown; &"),
            ("&lt;p&gt;", "<p>"),
            ("caf&eacute; &ndash; &#8364;5 &#x20AC;5", "café – €5 €5"),
            ("&#147;x&#148;", "“x”"),
            ("&amp&copy 2026", "&© 2026"),
            ("?a=1&section=2&not=3", "?a=1&section=2&not=3"),
            (
                "&#0;&#xD800;&#99999999999;&#;",
                "\u{FFFD}\u{FFFD}\u{FFFD}&#;",
            ),
            ("&Alpha;&Omega;&ohgr;", "ΑΩ&ohgr;"),
            ("&nbsp;|&é;", " |&é;"),
            (
                "&NotEqualTilde; &CounterClockwiseContourIntegral; &hearts;",
                "≂̸ ∳ ♥",
            ),
            ("Donau&shy;dampf&ZeroWidthSpace;er", "Donaudampfer"),
        ] {
            assert_eq!(decode(text), expected, "{text}");
        }
    }

    #[test]
    fn every_name_is_found() {
        for (name, text) in html_escape::NAMED_ENTITIES {
            let name = std::str::from_utf8(name).expect("names are ASCII");
            assert_eq!(find_entity(name), Some(text), "{name}");
        }
        for unknown in ["", "A", "AEli", "AEligg", "zwnjj", "~"] {
            assert_eq!(find_entity(unknown), None, "{unknown}");
        }
    }
}
