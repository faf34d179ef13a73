//! Character information in a font program: the encoding of a Type 1 or CFF font, and the character of each TrueType
//! glyph. Reads tables, never outlines.

use std::collections::HashMap;

use hayro_syntax::object::{Dict, Stream};

use super::bytes::{u16_at, u32_at};
use super::encoding::{Base, text_of_glyph};

/// Returns the text of each code, using the encoding in the font program; `None` if there is no readable one.
pub fn encoding(descriptor: &Dict<'_>) -> Option<Vec<Option<String>>> {
    if let Some(stream) = descriptor.get::<Stream<'_>>("FontFile") {
        return parse_type1_encoding(&stream.decoded_data().ok()?);
    }
    let stream = descriptor.get::<Stream<'_>>("FontFile3")?;
    super::cff::encoding(&stream.decoded_data().ok()?)
}

/// Parses `/Encoding … dup 65 /A put … readonly def` in the cleartext part of a Type 1 program.
fn parse_type1_encoding(bytes: &[u8]) -> Option<Vec<Option<String>>> {
    let clear = &bytes[..find(bytes, b"eexec").unwrap_or(bytes.len())];
    let clear = &clear[find(clear, b"/Encoding")? + 9..];
    let text: String = clear
        .iter()
        .take(64 << 10)
        .map(|&byte| char::from(byte))
        .collect();
    let mut words = text.split_ascii_whitespace().peekable();
    let mut texts = vec![None; 256];
    if words.peek() == Some(&"StandardEncoding") {
        return Some(
            (0..=255)
                .map(|code| Base::Standard.character(code).map(String::from))
                .collect(),
        );
    }
    let mut has_encoding = false;
    while let Some(word) = words.next() {
        match word {
            "def" | "readonly" if has_encoding => break,
            "dup" => {
                let code = words.next().and_then(|word| word.parse::<usize>().ok());
                let name = words.next().and_then(|word| word.strip_prefix('/'));
                if let (Some(code), Some(name)) = (code, name)
                    && let Some(slot) = texts.get_mut(code)
                {
                    *slot = text_of_glyph(name.as_bytes()).map(|text| text.into_owned());
                    has_encoding = true;
                }
            }
            _ => {}
        }
    }
    has_encoding.then_some(texts)
}

fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).position(|window| window == word)
}

/// Returns the character of each glyph in an embedded TrueType font, from its `cmap` table.
pub fn characters(descriptor: &Dict<'_>) -> HashMap<u32, char> {
    let stream = descriptor
        .get::<Stream<'_>>("FontFile2")
        .or_else(|| descriptor.get::<Stream<'_>>("FontFile3"));
    let bytes = stream.and_then(|stream| Some(stream.decoded_data().ok()?.into_owned()));
    bytes
        .and_then(|bytes| unicode_table(&bytes))
        .unwrap_or_default()
}

fn unicode_table(font: &[u8]) -> Option<HashMap<u32, char>> {
    let tables = usize::from(u16_at(font, 4)?);
    let cmap = (0..tables.min(64)).find_map(|index| {
        let at = 12 + 16 * index;
        (font.get(at..at + 4)? == b"cmap").then(|| u32_at(font, at + 8))?
    })? as usize;
    let subtables = usize::from(u16_at(font, cmap + 2)?);
    let mut characters = HashMap::new();
    for index in 0..subtables.min(32) {
        let at = cmap + 4 + 8 * index;
        let (platform, kind) = (u16_at(font, at)?, u16_at(font, at + 2)?);
        let start = cmap.checked_add(u32_at(font, at + 4)? as usize)?;
        if !matches!((platform, kind), (0, _) | (3, 1 | 10)) {
            continue;
        }
        match u16_at(font, start)? {
            4 => read_format_4(font, start, &mut characters),
            12 => read_format_12(font, start, &mut characters),
            _ => None,
        };
    }
    Some(characters)
}

/// Reads format 4: ranges of characters with an offset to their glyphs, or a list of glyphs.
fn read_format_4(font: &[u8], start: usize, characters: &mut HashMap<u32, char>) -> Option<()> {
    let double_count = usize::from(u16_at(font, start + 6)?) & !1;
    for index in (0..double_count).step_by(2) {
        let end = u16_at(font, start + 14 + index)?;
        let first = u16_at(font, start + 16 + double_count + index)?;
        let delta = u16_at(font, start + 16 + 2 * double_count + index)?;
        let at = start + 16 + 3 * double_count + index;
        let offset = usize::from(u16_at(font, at)?);
        for code in first..=end.min(0xFFFE) {
            let glyph = match offset {
                0 => code.wrapping_add(delta),
                _ => match u16_at(font, at + offset + 2 * usize::from(code - first)) {
                    Some(glyph) if glyph != 0 => glyph.wrapping_add(delta),
                    _ => continue,
                },
            };
            record_character(characters, u32::from(glyph), u32::from(code));
        }
    }
    Some(())
}

/// Reads format 12: ranges of characters with consecutive glyphs.
fn read_format_12(font: &[u8], start: usize, characters: &mut HashMap<u32, char>) -> Option<()> {
    let count = u32_at(font, start + 12)?.min(10_000) as usize;
    for index in 0..count {
        let at = start + 16 + 12 * index;
        let (first, last, glyph) = (
            u32_at(font, at)?,
            u32_at(font, at + 4)?,
            u32_at(font, at + 8)?,
        );
        for code in first..=last.min(first.saturating_add(65_535)) {
            record_character(characters, glyph.wrapping_add(code - first), code);
        }
    }
    Some(())
}

/// Records the character of a glyph, unless it already has one: a plain character precedes its variants.
fn record_character(characters: &mut HashMap<u32, char>, glyph: u32, code: u32) {
    if glyph != 0
        && characters.len() < 65_536
        && let Some(character) = char::from_u32(code)
        && !matches!(code, 0xE000..=0xF8FF)
    {
        characters.entry(glyph).or_insert(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_of_a_type_1_font_is_read() {
        let texts = parse_type1_encoding(
            b"%!PS-AdobeFont-1.0\n/Encoding 256 array 0 1 255 {1 index exch /.notdef put} for\n\
              dup 11 /ff put\ndup 65 /Alpha put\ndup 300 /B put readonly def\ncurrentfile eexec dup 66 /B put",
        )
        .expect("an encoding");
        assert_eq!(texts[11].as_deref(), Some("ff"));
        assert_eq!(texts[65].as_deref(), Some("Α"));
        assert_eq!(texts[66], None);
        let standard =
            parse_type1_encoding(b"/Encoding StandardEncoding def").expect("an encoding");
        assert_eq!(standard[39].as_deref(), Some("’"));
        assert_eq!(parse_type1_encoding(b"no encoding"), None);
    }

    #[test]
    fn the_characters_of_a_truetype_font_are_read() {
        let mut font = b"\0\x01\0\0\0\x01\0\0\0\0\0\0cmap\0\0\0\0\0\0\0\x1C\0\0\0\x40".to_vec();
        font.extend(b"\0\0\0\x01\0\x03\0\x01\0\0\0\x0C");
        // Format 4 with the characters A to C as glyphs 3 to 5, and the end marker.
        for value in [
            4u16,
            32,
            0,
            4,
            0,
            0,
            0,
            67,
            0xFFFF,
            0,
            65,
            0xFFFF,
            3u16.wrapping_sub(65),
            1,
            0,
            0,
        ] {
            font.extend(value.to_be_bytes());
        }
        let characters = unicode_table(&font).expect("a table");
        assert_eq!(characters.get(&3), Some(&'A'));
        assert_eq!(characters.get(&5), Some(&'C'));
        assert_eq!(characters.len(), 3);
        for end in 0..font.len() {
            unicode_table(&font[..end]);
        }
    }
}
