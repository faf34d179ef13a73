//! Parses cell references and cell text.

use super::xml::{Xml, XmlPiece};
use crate::extract::raised::{RunBuffer, RunStyle, Script};

/// Maximum size of a cell, in bytes.
pub const MAX_CELL_BYTES: usize = 32 << 10;

/// Appends the text of the runs in the current element, without phonetic readings.
pub fn rich_text(xml: &mut Xml<'_>, into: &mut String) {
    let outside = xml.depth() - 1;
    let max_bytes = into.len() + MAX_CELL_BYTES;
    let (mut inside, mut style, mut runs) = (false, RunStyle::default(), RunBuffer::default());
    while xml.depth() > outside {
        match xml.next() {
            Some(XmlPiece::Open(tag)) => match tag.name() {
                "t" => inside = true,
                "r" => style = RunStyle::default(),
                "vertAlign" => style.script = parse_script(&tag.get("val").unwrap_or_default()),
                "strike" => style.struck = tag.is_on(),
                "rPh" => xml.skip(),
                _ => {}
            },
            Some(XmlPiece::Close(name)) if name == "t" => inside = false,
            Some(XmlPiece::Text(text)) if inside && into.len() < max_bytes => {
                runs.write(style, &decode_escapes(&text), into);
            }
            Some(_) => {}
            None => break,
        }
    }
    runs.flush(into);
}

/// Parses a `vertAlign` value; `None` for text on the baseline.
pub fn parse_script(value: &str) -> Option<Script> {
    match value {
        "superscript" => Some(Script::Superscript),
        "subscript" => Some(Script::Subscript),
        _ => None,
    }
}

/// Decodes escapes such as `_x000D_`, which represent characters that XML does not allow.
pub fn decode_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("_x") {
        let code = rest
            .get(at + 2..at + 6)
            .filter(|_| rest.as_bytes()[at + 2..].get(4) == Some(&b'_'));
        let character = code
            .and_then(|code| u32::from_str_radix(code, 16).ok())
            .and_then(char::from_u32);
        out.push_str(&rest[..at]);
        match character {
            Some(character) => {
                if character == '\n' || !character.is_control() {
                    out.push(character);
                }
                rest = &rest[at + 7..];
            }
            None => {
                out.push_str("_x");
                rest = &rest[at + 2..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// Returns the column of a cell reference such as `AB12`, starting at 0; `None` without letters.
pub fn column_index(reference: &str) -> Option<usize> {
    let letters = reference.bytes().take_while(u8::is_ascii_alphabetic);
    let column = letters.take(4).fold(0usize, |column, letter| {
        column * 26 + usize::from(letter.to_ascii_uppercase() - b'A') + 1
    });
    column.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cell_references_are_parsed() {
        for (place, expected) in [
            ("A1", Some(0)),
            ("Z9", Some(25)),
            ("AA1", Some(26)),
            ("xfd1", Some(16_383)),
            ("1", None),
            ("", None),
            ("AAAAAAAA", Some(18_278)),
        ] {
            assert_eq!(column_index(place), expected, "{place}");
        }
    }

    #[test]
    fn escaped_characters_are_decoded() {
        for (text, expected) in [
            ("a_x000D_\nb", "a\nb"),
            ("_x0041_", "A"),
            ("_x00", "_x00"),
            ("file_x_y", "file_x_y"),
            ("_xé000_", "_xé000_"),
            ("_xD800_", "_xD800_"),
        ] {
            assert_eq!(decode_escapes(text), expected, "{text}");
        }
    }
}
