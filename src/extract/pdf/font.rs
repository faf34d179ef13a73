//! A font of a page: splits the bytes of a shown string into characters, each with its text and width. Does not draw
//! anything; reads the font program only if nothing else maps the codes to text.

use std::collections::HashMap;

use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GBK, SHIFT_JIS, UTF_8};
use hayro_syntax::object::{Array, Dict, Name, Number, Object, Stream, String as Bytes};

use super::cmap::CMap;
use super::collections::CharacterCollection;
use super::encoding::{Base, text_of_glyph};
use super::program;
use super::widths::Family;

/// Maximum number of widths to read from a composite font; further codes have the default width.
const MAX_WIDTHS: usize = 70_000;

/// A single character of a shown string.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownGlyph {
    /// The character's text; empty if unknown.
    pub text: String,
    /// Advance along the line, in multiples of the font size.
    pub width: f64,
    /// Whether the character is the single byte 32, to which word spacing applies.
    pub is_space: bool,
}

/// Mapping from a font's codes to text and widths.
pub struct Font {
    /// The file's own map from codes to text, which takes precedence.
    to_unicode: Option<CMap>,
    kind: FontKind,
    /// Whether the text runs from top to bottom.
    pub vertical: bool,
}

enum FontKind {
    Simple(Box<Simple>),
    Composite(Box<Composite>),
}

struct Simple {
    text: Vec<Option<String>>,
    widths: Vec<f64>,
}

struct Composite {
    code: CodeSpace,
    /// Mapping from glyph numbers to text, from the font program.
    glyphs: HashMap<u32, char>,
    /// The collection that numbers the characters, if the file does not define its codes.
    collection: Option<CharacterCollection>,
    /// Mapping from character identifiers to glyph numbers, if they differ.
    glyph_of: Option<Vec<u8>>,
    widths: HashMap<u32, f64>,
    default_width: f64,
}

/// How the strings of a composite font are split into codes.
enum CodeSpace {
    /// Two bytes each; the code is the character identifier itself.
    Identity,
    /// Big-endian UTF-16.
    Unicode,
    /// A legacy text encoding that predates Unicode.
    Legacy(&'static Encoding),
    /// Two bytes of 7 bits each, as in the Japanese standard JIS X 0208.
    Jis,
    /// The file's own code map.
    Map(Box<CMap>),
}

impl Font {
    /// Reads a font dictionary; missing or damaged entries get default values.
    pub fn read(dict: &Dict<'_>) -> Self {
        let to_unicode = dict
            .get::<Stream<'_>>("ToUnicode")
            .and_then(|stream| stream.decoded_data().ok())
            .map(|bytes| CMap::parse(&bytes))
            .filter(|map| !map.is_empty());
        let subtype = dict.get::<Name<'_>>("Subtype");
        if subtype.as_deref() == Some(b"Type0") {
            let (composite, vertical) = Composite::read(dict, to_unicode.is_some());
            return Self {
                to_unicode,
                kind: FontKind::Composite(Box::new(composite)),
                vertical,
            };
        }
        Self {
            kind: FontKind::Simple(Box::new(Simple::read(
                dict,
                subtype.as_deref().unwrap_or(b""),
            ))),
            to_unicode,
            vertical: false,
        }
    }

    /// Splits a string into characters and passes them to `take` one by one.
    pub fn show(&self, bytes: &[u8], take: &mut dyn FnMut(ShownGlyph)) {
        match &self.kind {
            FontKind::Simple(simple) => {
                for &byte in bytes {
                    let text = self.mapped_text(u32::from(byte));
                    take(ShownGlyph {
                        text: text
                            .or_else(|| simple.text[usize::from(byte)].clone())
                            .unwrap_or_default(),
                        width: simple.widths[usize::from(byte)],
                        is_space: byte == b' ',
                    });
                }
            }
            FontKind::Composite(composite) => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    let (code, length) = composite.split_code(rest);
                    let (head, tail) = rest.split_at(length.clamp(1, rest.len()));
                    let id = composite.character_id(code);
                    take(ShownGlyph {
                        text: self
                            .mapped_text(code)
                            .or_else(|| composite.text(head, id))
                            .unwrap_or_default(),
                        width: composite.width(id, length),
                        is_space: head == b" ",
                    });
                    rest = tail;
                }
            }
        }
    }

    fn mapped_text(&self, code: u32) -> Option<String> {
        let text = self.to_unicode.as_ref()?.decode_utf16(code)?;
        // Some programs map unknown characters to U+FFFD.
        (!text.contains(['\u{FFFD}', '\u{FFFF}'])).then_some(text)
    }
}

impl Simple {
    fn read(dict: &Dict<'_>, subtype: &[u8]) -> Self {
        let name = dict.get::<Name<'_>>("BaseFont");
        let name = name.as_ref().map_or("", |name| name.as_str());
        let descriptor = dict.get::<Dict<'_>>("FontDescriptor").unwrap_or_default();
        let text = code_texts(dict, &descriptor, subtype, name);
        let scale = match dict.get::<Array<'_>>("FontMatrix") {
            Some(matrix) if subtype == b"Type3" => {
                numbers(&matrix).first().copied().unwrap_or(0.001)
            }
            _ => 0.001,
        };
        let family = Family::from_font_name(name);
        let declared_widths = dict.get::<Array<'_>>("Widths").map(|array| numbers(&array));
        let first = dict.get::<u32>("FirstChar").unwrap_or(0) as usize;
        let missing = descriptor.get::<f32>("MissingWidth").map(f64::from);
        let widths = (0..256)
            .map(|code: usize| {
                let from_table = || {
                    let character = text[code].as_ref().and_then(|text| text.chars().next());
                    family.width(character.unwrap_or('0'))
                };
                let width = match &declared_widths {
                    Some(widths) => code
                        .checked_sub(first)
                        .and_then(|index| widths.get(index).copied())
                        .or(missing)
                        .unwrap_or(0.0),
                    None => missing
                        .filter(|width| *width > 0.0)
                        .unwrap_or_else(from_table),
                };
                (width * scale).clamp(-10.0, 10.0)
            })
            .collect();
        Self { text, widths }
    }
}

/// Returns the text of each code of a simple font.
fn code_texts(
    dict: &Dict<'_>,
    descriptor: &Dict<'_>,
    subtype: &[u8],
    name: &str,
) -> Vec<Option<String>> {
    let encoding = dict.get::<Object<'_>>("Encoding");
    let (base, differences) = match encoding {
        Some(Object::Name(name)) => (Base::from_name(&name), None),
        Some(Object::Dict(dict)) => (
            dict.get::<Name<'_>>("BaseEncoding")
                .and_then(|name| Base::from_name(&name)),
            dict.get::<Array<'_>>("Differences"),
        ),
        _ => (None, None),
    };
    let program_encoding = match base {
        Some(_) => None,
        None => program::encoding(descriptor),
    };
    let base = base.or_else(|| match program_encoding {
        Some(_) => None,
        None => default_encoding(name, subtype),
    });
    let mut texts: Vec<Option<String>> = (0..=255u8)
        .map(|code| match (&program_encoding, base) {
            (Some(program_encoding), _) => program_encoding[usize::from(code)].clone(),
            (None, Some(base)) => base.character(code).map(String::from),
            (None, None) => None,
        })
        .collect();
    let mut code = 0usize;
    for object in differences
        .iter()
        .flat_map(|array| array.iter::<Object<'_>>())
    {
        match object {
            Object::Number(number) => code = number.as_i64().clamp(0, 256) as usize,
            Object::Name(name) => {
                if let Some(text) = texts.get_mut(code) {
                    *text = text_of_glyph(&name)
                        .map(|text| text.into_owned())
                        .or_else(|| text_of_numbered_name(&name).filter(|_| subtype == b"Type3"));
                }
                code += 1;
            }
            _ => {}
        }
    }
    texts
}

/// Returns the character for a glyph name such as `a65` in TeX's bitmap fonts. The number is the character code; codes
/// from 0x21 to 0x7E are ASCII, and all others are ignored.
fn text_of_numbered_name(name: &[u8]) -> Option<String> {
    let digits = std::str::from_utf8(name).ok()?.strip_prefix('a')?;
    let code: u8 = digits.parse().ok()?;
    (0x21..0x7F)
        .contains(&code)
        .then(|| char::from(code).to_string())
}

/// Returns the default encoding of a font that does not declare one; `None` for a Type 3 font, which has no default.
fn default_encoding(name: &str, subtype: &[u8]) -> Option<Base> {
    if name.contains("ZapfDingbats") {
        return Some(Base::Dingbats);
    }
    if name.ends_with("Symbol") {
        return Some(Base::Symbol);
    }
    match subtype {
        b"Type3" => None,
        b"TrueType" => Some(Base::Windows),
        _ => Some(Base::Standard),
    }
}

impl Composite {
    fn read(dict: &Dict<'_>, mapped: bool) -> (Self, bool) {
        let descendant = dict
            .get::<Array<'_>>("DescendantFonts")
            .and_then(|array| array.iter::<Dict<'_>>().next())
            .unwrap_or_default();
        let (code, vertical) = code_space_of(dict);
        let (mut glyphs, mut glyph_of, mut collection) = (HashMap::new(), None, None);
        if !mapped && matches!(code, CodeSpace::Identity | CodeSpace::Map(_)) {
            let descriptor = descendant
                .get::<Dict<'_>>("FontDescriptor")
                .unwrap_or_default();
            glyphs = program::characters(&descriptor);
            let system = descendant.get::<Dict<'_>>("CIDSystemInfo");
            let ordering = system.and_then(|system| system.get::<Bytes<'_>>("Ordering"));
            collection =
                ordering.and_then(|name| CharacterCollection::from_ordering(name.as_bytes()));
            glyph_of = descendant
                .get::<Stream<'_>>("CIDToGIDMap")
                .and_then(|stream| Some(stream.decoded_data().ok()?.into_owned()));
        }
        let widths = descendant
            .get::<Array<'_>>("W")
            .map(|array| parse_widths(&array));
        let default_width = descendant.get::<f32>("DW").map_or(1_000.0, f64::from);
        let composite = Self {
            code,
            glyphs,
            collection,
            glyph_of,
            widths: widths.unwrap_or_default(),
            default_width: default_width.clamp(0.0, 10_000.0),
        };
        (composite, vertical)
    }

    fn split_code(&self, bytes: &[u8]) -> (u32, usize) {
        let pair = |length: usize| {
            let length = length.min(bytes.len()).max(1);
            let code = bytes[..length]
                .iter()
                .fold(0, |code, &byte| code << 8 | u32::from(byte));
            (code, length)
        };
        match &self.code {
            CodeSpace::Identity | CodeSpace::Jis => pair(2),
            CodeSpace::Unicode if (0xD8..0xDC).contains(&bytes[0]) => pair(4),
            CodeSpace::Unicode => pair(2),
            CodeSpace::Legacy(encoding) => pair(legacy_length(encoding, bytes)),
            CodeSpace::Map(map) => map.code(bytes, 2),
        }
    }

    fn character_id(&self, code: u32) -> u32 {
        match &self.code {
            CodeSpace::Map(map) => map.number(code).unwrap_or(code),
            _ => code,
        }
    }

    fn text(&self, bytes: &[u8], id: u32) -> Option<String> {
        match &self.code {
            CodeSpace::Unicode => {
                let units = bytes.as_chunks::<2>().0;
                let units = units.iter().map(|&pair| u16::from_be_bytes(pair));
                char::decode_utf16(units)
                    .collect::<Result<String, _>>()
                    .ok()
            }
            CodeSpace::Legacy(encoding) => encoding
                .decode_without_bom_handling_and_without_replacement(bytes)
                .map(|text| text.into_owned()),
            CodeSpace::Jis => {
                let high: Vec<u8> = bytes.iter().map(|byte| byte | 0x80).collect();
                EUC_JP
                    .decode_without_bom_handling_and_without_replacement(&high)
                    .map(|text| text.into_owned())
            }
            CodeSpace::Identity | CodeSpace::Map(_) => {
                let drawn = self.drawn_character(id);
                let known = drawn.or_else(|| self.collection?.character(id));
                known.map(|character| character.to_string())
            }
        }
    }

    // Returns the character that the font program assigns to a character identifier.
    fn drawn_character(&self, id: u32) -> Option<char> {
        let glyph = match &self.glyph_of {
            Some(map) => {
                let pair = map.as_chunks::<2>().0.get(id as usize)?;
                u32::from(u16::from_be_bytes(*pair))
            }
            None => id,
        };
        self.glyphs.get(&glyph).copied()
    }

    fn width(&self, id: u32, length: usize) -> f64 {
        let default_width = match &self.code {
            // Widths are listed by character identifier, and the map from codes to identifiers is not in the file.
            // Single-byte characters are half as wide as others.
            CodeSpace::Legacy(_) => return if length == 1 { 0.5 } else { 1.0 },
            _ => self.default_width,
        };
        self.widths.get(&id).copied().unwrap_or(default_width) / 1_000.0
    }
}

/// Returns the length in bytes of the code at the start of `bytes`.
fn legacy_length(encoding: &'static Encoding, bytes: &[u8]) -> usize {
    let first = bytes[0];
    match bytes.get(1) {
        _ if first < 0x80 => 1,
        _ if encoding == SHIFT_JIS && (0xA0..0xE0).contains(&first) => 1,
        _ if encoding == UTF_8 => first.leading_ones().clamp(1, 4) as usize,
        // In GB 18030, a digit as the second byte means that the code has four bytes.
        Some(b'0'..=b'9') if encoding == GBK => 4,
        _ => 2,
    }
}

/// Names of the predefined code maps for the Japanese standard JIS X 0208.
const JIS_CODE_MAPS: [&str; 8] = [
    "H", "V", "Ext-H", "Ext-V", "Add-H", "Add-V", "NWP-H", "NWP-V",
];

/// Returns the code space of a composite font, and whether its text runs from top to bottom.
fn code_space_of(dict: &Dict<'_>) -> (CodeSpace, bool) {
    match dict.get::<Object<'_>>("Encoding") {
        Some(Object::Name(name)) => {
            let name = name.as_str();
            let name_contains = |words: &[&str]| words.iter().any(|word| name.contains(word));
            let code = if name_contains(&["UCS2", "UTF16"]) {
                CodeSpace::Unicode
            } else if name_contains(&["UTF8"]) {
                CodeSpace::Legacy(UTF_8)
            } else if name_contains(&["RKSJ"]) {
                CodeSpace::Legacy(SHIFT_JIS)
            } else if name_contains(&["GBK", "GBpc", "GB-EUC"]) {
                CodeSpace::Legacy(GBK)
            } else if name_contains(&["B5", "ETen", "HKscs"]) {
                CodeSpace::Legacy(BIG5)
            } else if name_contains(&["KSC"]) {
                CodeSpace::Legacy(EUC_KR)
            } else if name_contains(&["EUC"]) {
                CodeSpace::Legacy(EUC_JP)
            } else if JIS_CODE_MAPS.contains(&name) {
                CodeSpace::Jis
            } else {
                CodeSpace::Identity
            };
            (code, name == "V" || name.ends_with("-V"))
        }
        Some(Object::Stream(stream)) => {
            let bytes = stream.decoded_data().unwrap_or_default();
            let map = CMap::parse(&bytes);
            let vertical = map.vertical;
            (CodeSpace::Map(Box::new(map)), vertical)
        }
        _ => (CodeSpace::Identity, false),
    }
}

/// Parses `W`: runs of the form `first [widths]` and `first last width`.
fn parse_widths(array: &Array<'_>) -> HashMap<u32, f64> {
    let mut widths = HashMap::new();
    let mut pending_numbers: Vec<f64> = Vec::new();
    for object in array.iter::<Object<'_>>() {
        match object {
            Object::Number(number) => pending_numbers.push(number.as_f64()),
            Object::Array(list) => {
                let first = pending_numbers.pop().unwrap_or(0.0).max(0.0) as u32;
                for (index, width) in numbers(&list).into_iter().enumerate() {
                    widths.insert(first.saturating_add(index as u32), width);
                }
                pending_numbers.clear();
            }
            _ => pending_numbers.clear(),
        }
        if let [first, last, width] = pending_numbers[..] {
            let (first, last) = (first.max(0.0) as u32, last.clamp(0.0, 65_535.0) as u32);
            for id in first..=last {
                widths.insert(id, width);
            }
            pending_numbers.clear();
        }
        if widths.len() > MAX_WIDTHS {
            break;
        }
    }
    widths
}

fn numbers(array: &Array<'_>) -> Vec<f64> {
    array
        .iter::<Number>()
        .take(65_536)
        .map(|number| number.as_f64())
        .collect()
}
