//! Maps font codes and glyph names to text, using the encodings predefined in PDF and Adobe's glyph list. `glyphs.txt`
//! omits scripts whose fonts do not use the names of that list. Never guesses.

use std::borrow::Cow;

use encoding_rs::{Encoding, MACINTOSH, WINDOWS_1252};

/// A predefined encoding that a PDF can refer to by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// Adobe's standard encoding, the default of most fonts.
    Standard,
    /// Mac Roman.
    Mac,
    /// Windows-1252.
    Windows,
    /// The encoding of the Symbol font.
    Symbol,
    /// The encoding of the ZapfDingbats font.
    Dingbats,
}

impl Base {
    /// Returns the encoding with this name in a font's `Encoding`.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"StandardEncoding" => Some(Self::Standard),
            b"MacRomanEncoding" => Some(Self::Mac),
            b"WinAnsiEncoding" | b"PDFDocEncoding" => Some(Self::Windows),
            _ => None,
        }
    }

    /// Returns the character that a byte stands for; `None` if the encoding does not define it.
    pub fn character(self, code: u8) -> Option<char> {
        if code < 0x20 || code == 0x7F {
            return None;
        }
        match self {
            Self::Standard => standard_character(code),
            Self::Mac => decode_byte(MACINTOSH, code),
            // Viewers draw undefined codes as bullets.
            Self::Windows => decode_byte(WINDOWS_1252, code).map(|character| match character {
                '\u{80}'..='\u{9F}' => '•',
                _ => character,
            }),
            Self::Symbol if code == 0x20 => Some(' '),
            Self::Symbol if code < 0x7F => SYMBOL.chars().nth(usize::from(code) - 0x21),
            Self::Symbol if code > 0xA0 => SYMBOL_HIGH.chars().nth(usize::from(code) - 0xA1),
            Self::Symbol => None,
            Self::Dingbats => dingbat_character(code),
        }
    }
}

const SYMBOL: &str = "!∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼";
const SYMBOL_HIGH: &str = "ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊⟨®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪€⟩∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭";

fn decode_byte(encoding: &'static Encoding, code: u8) -> Option<char> {
    let bytes = [code];
    let (text, _) = encoding.decode_without_bom_handling(&bytes);
    text.chars().next()
}

fn standard_character(code: u8) -> Option<char> {
    const HIGH: [(u8, &str); 8] = [
        (0xA1, "¡¢£⁄¥ƒ§¤'“«‹›ﬁﬂ"),
        (0xB1, "–†‡·"),
        (0xB6, "¶•‚„”»…‰"),
        (0xBF, "¿"),
        (0xC1, "`´ˆ˜¯˘˙¨"),
        (0xCA, "˚¸"),
        (0xCD, "˝˛ˇ—"),
        (0xE1, "Æ"),
    ];
    const OTHER_CODES: [(u8, char); 10] = [
        (0xE3, 'ª'),
        (0xE8, 'Ł'),
        (0xE9, 'Ø'),
        (0xEA, 'Œ'),
        (0xEB, 'º'),
        (0xF1, 'æ'),
        (0xF5, 'ı'),
        (0xF8, 'ł'),
        (0xF9, 'ø'),
        (0xFA, 'œ'),
    ];
    match code {
        b'\'' => Some('’'),
        b'`' => Some('‘'),
        0x20..=0x7E => Some(char::from(code)),
        0xFB => Some('ß'),
        _ => HIGH
            .iter()
            .find_map(|&(first, text)| text.chars().nth(usize::from(code.checked_sub(first)?)))
            .or_else(|| Some(OTHER_CODES.iter().find(|(at, _)| *at == code)?.1)),
    }
}

fn dingbat_character(code: u8) -> Option<char> {
    let dingbat = match code {
        0x20 => ' ',
        0x25 => '☎',
        0x2A => '☛',
        0x2B => '☞',
        0x48 => '★',
        0x6C => '●',
        0x6E => '■',
        0x73 => '▲',
        0x74 => '▼',
        0x75 => '◆',
        0x77 => '◗',
        0x21..=0x7E => char::from_u32(0x2700 + u32::from(code) - 0x20)?,
        _ => return None,
    };
    Some(dingbat)
}

/// Adobe's glyph list, one name per line, sorted by bytes.
const GLYPH_LIST: &str = include_str!("glyphs.txt");

/// Returns the text for a glyph name, by the rules of Adobe's glyph list; `None` if the name is unknown.
pub fn text_of_glyph(name: &[u8]) -> Option<Cow<'static, str>> {
    let name = std::str::from_utf8(name).ok()?;
    let base = name.split('.').next().filter(|base| !base.is_empty())?;
    if let Some(text) = find_in_glyph_list(base) {
        return Some(Cow::Borrowed(text));
    }
    let mut text = String::new();
    for part in base.split('_').take(8) {
        match find_in_glyph_list(part) {
            Some(known) => text.push_str(known),
            None => text.push_str(&text_of_code_name(part)?),
        }
    }
    Some(Cow::Owned(text))
}

fn find_in_glyph_list(name: &str) -> Option<&'static str> {
    let (mut low, mut high) = (0, GLYPH_LIST.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let bytes = GLYPH_LIST.as_bytes();
        // Newlines are ASCII, so the slice between two of them is valid UTF-8.
        let start = bytes[..middle]
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        let end = bytes[middle..]
            .iter()
            .position(|&byte| byte == b'\n')
            .map_or(GLYPH_LIST.len(), |at| middle + at);
        let (key, text) = GLYPH_LIST[start..end].split_once(' ')?;
        match key.cmp(name) {
            // The list contains `␠` for a space, because editors strip spaces at the end of a line.
            std::cmp::Ordering::Equal => return Some(if text == "␠" { " " } else { text }),
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    None
}

/// Returns the text for a glyph name that contains Unicode code points, such as `uni20AC` or `u1F600`.
fn text_of_code_name(name: &str) -> Option<String> {
    let is_hex = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let text = |digits: &str| char::from_u32(u32::from_str_radix(digits, 16).ok()?);
    if let Some(digits) = name.strip_prefix("uni")
        && digits.len() >= 4
        && digits.len() % 4 == 0
        && digits.len() <= 32
        && is_hex(digits)
    {
        return (0..digits.len() / 4)
            .map(|index| text(&digits[4 * index..4 * index + 4]))
            .collect();
    }
    let digits = name.strip_prefix('u')?;
    ((4..=6).contains(&digits.len()) && is_hex(digits))
        .then(|| text(digits).map(String::from))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glyph_names_are_resolved() {
        for (name, text) in [
            ("A", Some("A")),
            ("zukatakana", None),
            ("eacute", Some("é")),
            ("space", Some(" ")),
            ("zero.oldstyle", Some("0")),
            ("f_f_i", Some("ffi")),
            ("uni20AC", Some("€")),
            ("uni00410042", Some("AB")),
            ("u1F600", Some("😀")),
            ("afii10017", Some("А")),
            ("g12", None),
            (".notdef", None),
            ("uniD800", None),
            ("unié234", None),
            ("", None),
        ] {
            assert_eq!(text_of_glyph(name.as_bytes()).as_deref(), text, "{name}");
        }
        let lines: Vec<&str> = GLYPH_LIST
            .lines()
            .filter_map(|line| Some(line.split_once(' ')?.0))
            .collect();
        assert!(lines.len() > 1_500 && lines.is_sorted());
        assert!(lines.iter().all(|name| find_in_glyph_list(name).is_some()));
    }

    #[test]
    fn predefined_encodings_are_applied() {
        assert_eq!(SYMBOL.chars().count(), 94);
        assert_eq!(SYMBOL_HIGH.chars().count(), 94);
        for (base, code, character) in [
            (Base::Standard, b'\'', Some('’')),
            (Base::Standard, 0xAE, Some('ﬁ')),
            (Base::Standard, 0xB5, None),
            (Base::Standard, 0xFA, Some('œ')),
            (Base::Mac, 0x8E, Some('é')),
            (Base::Windows, 0x80, Some('€')),
            (Base::Windows, 0x81, Some('•')),
            (Base::Symbol, b'a', Some('α')),
            (Base::Symbol, 0xA3, Some('≤')),
            (Base::Symbol, 0xF1, Some('⟩')),
            (Base::Dingbats, 0x6C, Some('●')),
            (Base::Windows, 7, None),
        ] {
            assert_eq!(base.character(code), character, "{base:?} {code:x}");
        }
    }
}
