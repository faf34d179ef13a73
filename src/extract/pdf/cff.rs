//! The encoding inside a CFF font: the text of each code, from its glyph name. Reads only tables, never outlines.

use super::bytes::u16_at;
use super::encoding::{Base, text_of_glyph};

/// Number of predefined strings in CFF. The first is `.notdef`, and the next 149 are the characters of the standard
/// encoding.
const STANDARD_STRINGS: usize = 391;

/// Returns the text of each code. Returns `None` if the font is damaged, uses a predefined expert encoding, or has
/// character identifiers instead of glyph names.
pub fn encoding(bytes: &[u8]) -> Option<Vec<Option<String>>> {
    // An OpenType font contains the CFF table.
    let bytes = match bytes.get(..4)? {
        b"OTTO" => cff_table(bytes)?,
        _ => bytes,
    };
    let (_, at) = index(bytes, usize::from(*bytes.get(2)?))?;
    let (dictionaries, at) = index(bytes, at)?;
    let (strings, _) = index(bytes, at)?;
    let dictionary = TopDictionary::read(dictionaries.first()?);
    if dictionary.by_identifier {
        return None;
    }
    let (outlines, _) = index(bytes, dictionary.outlines?)?;
    let names = glyph_name_ids(bytes, dictionary.names, outlines.len())?;
    let text = |glyph: usize| {
        let name = *names.get(glyph)?;
        match name.checked_sub(STANDARD_STRINGS) {
            Some(custom) => text_of_glyph(strings.get(custom)?).map(|text| text.into_owned()),
            None => standard_string(name),
        }
    };
    let mut texts = vec![None; 256];
    match dictionary.encoding {
        0 => {
            for (code, slot) in texts.iter_mut().enumerate() {
                *slot = Base::Standard.character(code as u8).map(String::from);
            }
        }
        // Expert fonts (small capitals and old-style figures) are rare.
        1 => return None,
        at => parse_encoding(bytes, at, |code, glyph| {
            if let Some(slot) = texts.get_mut(code) {
                *slot = text(glyph);
            }
        })?,
    }
    Some(texts)
}

fn cff_table(bytes: &[u8]) -> Option<&[u8]> {
    let tables = usize::from(u16_at(bytes, 4)?);
    (0..tables.min(64)).find_map(|index| {
        let at = 12 + 16 * index;
        let start =
            |at| Some(usize::from(u16_at(bytes, at)?) << 16 | usize::from(u16_at(bytes, at + 2)?));
        (bytes.get(at..at + 4)? == b"CFF ").then(|| bytes.get(start(at + 8)?..))?
    })
}

/// Returns the entries of an index, and the offset of its end.
fn index(bytes: &[u8], at: usize) -> Option<(Vec<&[u8]>, usize)> {
    let count = usize::from(u16_at(bytes, at)?);
    if count == 0 {
        return Some((Vec::new(), at + 2));
    }
    let size = usize::from(*bytes.get(at + 2)?);
    if !(1..=4).contains(&size) {
        return None;
    }
    let offset = |number: usize| {
        let from = at + 3 + number * size;
        let digits = bytes.get(from..from + size)?;
        Some(
            digits
                .iter()
                .fold(0usize, |value, &byte| value << 8 | usize::from(byte)),
        )
    };
    let base = at + 2 + (count + 1) * size;
    let mut parts = Vec::with_capacity(count);
    for number in 0..count {
        parts.push(bytes.get(base + offset(number)?..base + offset(number + 1)?)?);
    }
    Some((parts, base + offset(count)?))
}

#[derive(Default)]
struct TopDictionary {
    names: usize,
    encoding: usize,
    outlines: Option<usize>,
    by_identifier: bool,
}

impl TopDictionary {
    fn read(bytes: &[u8]) -> Self {
        let mut top = Self::default();
        let (mut last, mut at) = (0i32, 0);
        while let Some(&byte) = bytes.get(at) {
            at += 1;
            let mut next = || {
                let byte = bytes.get(at).copied().unwrap_or(0xFF);
                at += 1;
                i32::from(byte)
            };
            match byte {
                12 => top.by_identifier |= next() == 30,
                15 => top.names = last.max(0) as usize,
                16 => top.encoding = last.max(0) as usize,
                17 => top.outlines = usize::try_from(last).ok(),
                28 => last = next() << 8 | next(),
                29 => last = next() << 24 | next() << 16 | next() << 8 | next(),
                // Bytes beyond the end of the dictionary count as the end marker of the number.
                30 => while next() & 0xF != 0xF {},
                32..=246 => last = i32::from(byte) - 139,
                247..=250 => last = (i32::from(byte) - 247) * 256 + next() + 108,
                251..=254 => last = -(i32::from(byte) - 251) * 256 - next() - 108,
                _ => {}
            }
        }
        top
    }
}

/// Returns the string number of each glyph's name. Returns `None` for an expert character set or a damaged table.
fn glyph_name_ids(bytes: &[u8], at: usize, glyphs: usize) -> Option<Vec<usize>> {
    if at <= 2 {
        // The offset selects one of three predefined character sets, of which only the first has consecutive strings.
        return (at == 0).then(|| (0..glyphs.min(229)).collect());
    }
    let mut names = vec![0];
    let format = *bytes.get(at)?;
    let mut at = at + 1;
    while names.len() < glyphs {
        let first = usize::from(u16_at(bytes, at)?);
        let extra_count = match format {
            0 => 0,
            1 => usize::from(*bytes.get(at + 2)?),
            2 => usize::from(u16_at(bytes, at + 2)?),
            _ => return None,
        };
        at += 2 + usize::from(format);
        names.extend((first..=first + extra_count).take(glyphs - names.len()));
    }
    Some(names)
}

fn parse_encoding(bytes: &[u8], at: usize, mut record: impl FnMut(usize, usize)) -> Option<()> {
    let format = bytes.get(at)? & 0x7F;
    let count = usize::from(*bytes.get(at + 1)?);
    let mut glyph = 1;
    for index in 0..count {
        match format {
            0 => {
                record(usize::from(*bytes.get(at + 2 + index)?), glyph);
                glyph += 1;
            }
            1 => {
                let first = usize::from(*bytes.get(at + 2 + 2 * index)?);
                let extra_count = usize::from(*bytes.get(at + 3 + 2 * index)?);
                for code in first..=first + extra_count {
                    record(code, glyph);
                    glyph += 1;
                }
            }
            _ => return None,
        }
    }
    Some(())
}

/// Returns a CFF standard string by its number: standard-encoding characters in code order, then mostly Latin-1.
fn standard_string(number: usize) -> Option<String> {
    const LATIN: &str =
        "¹¬µ™ÐÞ½±¼÷¦°þ¾²®−ð×³©ÁÂÄÀÅÃÇÉÊËÈÍÎÏÌÑÓÔÖÒÕŠÚÛÜÙÝŸŽáâäàåãçéêëèíîïìñóôöòõšúûüùýÿž";
    /// Number of the first string after the characters of the standard encoding.
    const FIRST_LATIN: usize = 150;
    let nth_code = |count: usize| {
        (0..=255u8)
            .filter_map(|code| Base::Standard.character(code))
            .nth(count)
    };
    let character = match number {
        0 => None,
        1..FIRST_LATIN => nth_code(number - 1),
        _ => LATIN.chars().nth(number - FIRST_LATIN),
    };
    character.map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_strings_are_resolved() {
        for (number, text) in [
            (1, Some(" ")),
            (8, Some("’")),
            (34, Some("A")),
            (109, Some("ﬁ")),
            (149, Some("ß")),
            (150, Some("¹")),
            (171, Some("Á")),
            (228, Some("ž")),
            (0, None),
            (300, None),
        ] {
            assert_eq!(standard_string(number).as_deref(), text, "{number}");
        }
    }

    #[test]
    fn a_custom_font_encoding_is_read() {
        // Header, names [x], top dictionary, strings [Lcaron], subroutines, charset, encoding, outlines.
        let mut font = b"\x01\0\x04\x01\0\x01\x01\x01\x02x\0\x01\x01\x01\x0A".to_vec();
        let top_offset = font.len();
        font.extend([28, 0, 0, 15, 28, 0, 0, 16, 28]);
        font.extend([0, 0, 17]);
        font[14] = 13;
        font.extend(b"\0\x01\x01\x01\x07Lcaron\0\0");
        let charset = font.len() as u8;
        font.extend([0, 0, 34, 1, 0x87]);
        let encoding_at = font.len() as u8;
        font.extend([0, 2, 0x80, 0x81]);
        let outlines = font.len() as u8;
        font.extend([0, 3, 1, 1, 2, 3, 4, 14, 14, 14]);
        font[top_offset + 2] = charset;
        font[top_offset + 6] = encoding_at;
        font[top_offset + 10] = outlines;
        let texts = encoding(&font).expect("an encoding");
        assert_eq!(texts[0x80].as_deref(), Some("A"));
        assert_eq!(texts[0x81].as_deref(), Some("Ľ"));
        assert_eq!(texts[0x82], None);
        for end in 0..font.len() {
            encoding(&font[..end]);
        }
    }
}
