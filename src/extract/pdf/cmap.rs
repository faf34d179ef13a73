//! Parses the character maps of a font, which map codes to text (`ToUnicode`) or to glyph numbers (`Encoding` of a
//! composite font). Uses only the file's own content and follows no external maps.

/// Maximum number of entries to read; the largest real maps have about 30,000.
const MAX_ENTRIES: usize = 100_000;
/// Maximum number of characters that one code may represent.
const MAX_CODE_CHARS: usize = 16;

/// What a range of codes maps to.
#[derive(Debug, Clone, PartialEq)]
enum CMapTarget {
    /// The number of the first code. Each further code has the next number.
    Number(u32),
    /// The text of a single code.
    Text(Box<str>),
    /// The text before the last character, and the last character, which increases with the code.
    Counting(Box<str>, u32),
}

#[derive(Debug, Clone)]
struct Range {
    low: u32,
    high: u32,
    target: CMapTarget,
}

/// A character map, from codes to text or to glyph numbers.
#[derive(Debug, Clone, Default)]
pub struct CMap {
    /// Code spaces: the number of bytes per code, and the lowest and highest code.
    code_spaces: Vec<(u8, u32, u32)>,
    ranges: Vec<Range>,
    /// Whether the text runs from top to bottom.
    pub vertical: bool,
}

impl CMap {
    /// Parses a map as far as possible; entries that are damaged are missing.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut map = Self::default();
        let tokens = CMapTokens { bytes, position: 0 };
        let mut stack: Vec<CMapToken> = Vec::new();
        for token in tokens {
            let CMapToken::Word(word) = token else {
                if stack.len() < MAX_ENTRIES {
                    stack.push(token);
                }
                continue;
            };
            match word {
                b"endcodespacerange" => map.add_code_spaces(&stack),
                b"endbfchar" => map.add_pairs(&stack, text_target),
                b"endcidchar" => {
                    map.add_pairs(&stack, |token| token.number().map(CMapTarget::Number))
                }
                b"endbfrange" => map.add_ranges(&stack),
                b"endcidrange" => map.add_ranges(&stack),
                b"def" => {
                    if let [.., CMapToken::Name(b"WMode"), CMapToken::Number(1)] = stack.as_slice()
                    {
                        map.vertical = true;
                    }
                }
                _ => {}
            }
            stack.clear();
        }
        // Later entries take precedence, as in other readers.
        map.ranges.reverse();
        map.ranges.sort_by_key(|range| range.low);
        map
    }

    /// Returns whether the map has no entries.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Returns the code at the start of `bytes`, and its length in bytes. If the map defines no code that fits, the
    /// length is `default_length`.
    pub fn code(&self, bytes: &[u8], default_length: usize) -> (u32, usize) {
        let mut code = 0;
        for (index, &byte) in bytes.iter().take(4).enumerate() {
            code = code << 8 | u32::from(byte);
            let fits = |&(length, low, high): &(u8, u32, u32)| {
                usize::from(length) == index + 1
                    && (0..=index).all(|part| {
                        let byte = |value: u32| value >> (8 * part) & 0xFF;
                        (byte(low)..=byte(high)).contains(&byte(code))
                    })
            };
            if self.code_spaces.iter().any(fits) {
                return (code, index + 1);
            }
        }
        let length = default_length.clamp(1, 4).min(bytes.len());
        let code = bytes[..length]
            .iter()
            .fold(0, |code, &byte| code << 8 | u32::from(byte));
        (code, length.max(1))
    }

    /// Returns the text of a code; `None` if the map does not contain it.
    pub fn decode_utf16(&self, code: u32) -> Option<String> {
        let range = self.find_range(code)?;
        match &range.target {
            CMapTarget::Text(text) => Some(text.to_string()),
            CMapTarget::Counting(head, last) => {
                let last = char::from_u32(last.checked_add(code - range.low)?)?;
                Some(format!("{head}{last}"))
            }
            CMapTarget::Number(_) => None,
        }
    }

    /// Returns the glyph number of a code; `None` if the map does not contain it.
    pub fn number(&self, code: u32) -> Option<u32> {
        let range = self.find_range(code)?;
        match range.target {
            CMapTarget::Number(first) => first.checked_add(code - range.low),
            _ => None,
        }
    }

    fn find_range(&self, code: u32) -> Option<&Range> {
        let end = self.ranges.partition_point(|range| range.low <= code);
        // Ranges may overlap, so one that starts earlier may contain the code. Checking the nearest few is enough for
        // real maps.
        self.ranges[..end]
            .iter()
            .rev()
            .take(8)
            .find(|range| code <= range.high)
    }

    fn push(&mut self, low: u32, high: u32, target: CMapTarget) {
        if low <= high && self.ranges.len() < MAX_ENTRIES {
            self.ranges.push(Range { low, high, target });
        }
    }

    fn add_code_spaces(&mut self, stack: &[CMapToken]) {
        for pair in stack.as_chunks::<2>().0 {
            if let [CMapToken::Hex(low), CMapToken::Hex(high)] = pair
                && (1..=4).contains(&low.len())
                && self.code_spaces.len() < 100
            {
                self.code_spaces
                    .push((low.len() as u8, number(low), number(high)));
            }
        }
    }

    fn add_pairs(
        &mut self,
        stack: &[CMapToken],
        target: impl Fn(&CMapToken) -> Option<CMapTarget>,
    ) {
        for [code, value] in stack.as_chunks::<2>().0 {
            if let (Some(code), Some(target)) = (code.number(), target(value)) {
                self.push(code, code, target);
            }
        }
    }

    fn add_ranges(&mut self, stack: &[CMapToken]) {
        let mut rest = stack.iter();
        while let (Some(low), Some(high), Some(value)) = (rest.next(), rest.next(), rest.next()) {
            let (Some(low), Some(high)) = (low.number(), high.number()) else {
                continue;
            };
            match value {
                CMapToken::Open => {
                    let mut code = low;
                    for token in rest.by_ref() {
                        if *token == CMapToken::Close {
                            break;
                        }
                        if let Some(target) = text_target(token) {
                            self.push(code, code, target);
                        }
                        code = code.saturating_add(1);
                    }
                }
                CMapToken::Hex(bytes) => {
                    if let Some(target) = counting_target(bytes, low == high) {
                        self.push(low, high, target);
                    }
                }
                CMapToken::Number(first) => self.push(low, high, CMapTarget::Number(*first)),
                _ => {}
            }
        }
    }
}

fn text_target(token: &CMapToken) -> Option<CMapTarget> {
    match token {
        CMapToken::Hex(bytes) => decode_utf16(bytes).map(|text| CMapTarget::Text(text.into())),
        CMapToken::Name(name) => {
            super::encoding::text_of_glyph(name).map(|text| CMapTarget::Text(text.into()))
        }
        _ => None,
    }
}

fn counting_target(bytes: &[u8], single: bool) -> Option<CMapTarget> {
    let text = decode_utf16(bytes)?;
    if single {
        return Some(CMapTarget::Text(text.into()));
    }
    let last = text.chars().next_back()?;
    let head = &text[..text.len() - last.len_utf8()];
    Some(CMapTarget::Counting(head.into(), u32::from(last)))
}

/// Decodes big-endian UTF-16. A single byte is a character of its own.
fn decode_utf16(bytes: &[u8]) -> Option<String> {
    if let [byte] = bytes {
        return Some(char::from(*byte).to_string());
    }
    let units = bytes.as_chunks::<2>().0;
    let units = units.iter().map(|&pair| u16::from_be_bytes(pair));
    let text: String = char::decode_utf16(units)
        .map_while(Result::ok)
        .filter(|&character| character != '\0')
        .take(MAX_CODE_CHARS)
        .collect();
    (!text.is_empty()).then_some(text)
}

fn number(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .take(4)
        .fold(0, |value, &byte| value << 8 | u32::from(byte))
}

#[derive(Debug, PartialEq, Clone)]
enum CMapToken<'a> {
    Hex(Vec<u8>),
    Number(u32),
    Name(&'a [u8]),
    Word(&'a [u8]),
    Open,
    Close,
}

impl CMapToken<'_> {
    fn number(&self) -> Option<u32> {
        match self {
            Self::Hex(bytes) if (1..=4).contains(&bytes.len()) => Some(number(bytes)),
            Self::Number(value) => Some(*value),
            _ => None,
        }
    }
}

struct CMapTokens<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Iterator for CMapTokens<'a> {
    type Item = CMapToken<'a>;

    fn next(&mut self) -> Option<CMapToken<'a>> {
        loop {
            let byte = *self.bytes.get(self.position)?;
            self.position += 1;
            match byte {
                b'%' => {
                    self.take_while(|byte| byte != b'\n' && byte != b'\r');
                }
                b'[' => return Some(CMapToken::Open),
                b']' => return Some(CMapToken::Close),
                b'<' if self.bytes.get(self.position) != Some(&b'<') => {
                    return Some(self.next_hex());
                }
                b'/' => return Some(CMapToken::Name(self.take_while(is_regular))),
                b'(' => {
                    self.take_while(|byte| byte != b')');
                }
                _ if is_regular(byte) => {
                    self.position -= 1;
                    let word = self.take_while(is_regular);
                    let digits = std::str::from_utf8(word)
                        .ok()
                        .and_then(|text| text.parse().ok());
                    return Some(digits.map_or(CMapToken::Word(word), CMapToken::Number));
                }
                b'<' => self.position += 1,
                _ => {}
            }
        }
    }
}

impl<'a> CMapTokens<'a> {
    fn take_while(&mut self, accepts: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = &self.bytes[self.position..];
        let length = rest
            .iter()
            .position(|&byte| !accepts(byte))
            .unwrap_or(rest.len());
        self.position += length;
        &rest[..length]
    }

    fn next_hex(&mut self) -> CMapToken<'a> {
        let digits: Vec<u8> = self
            .take_while(|byte| byte != b'>')
            .iter()
            .filter_map(|&byte| char::from(byte).to_digit(16).map(|digit| digit as u8))
            .collect();
        self.position += 1;
        let bytes = digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0))
            .take(4 * MAX_CODE_CHARS)
            .collect();
        CMapToken::Hex(bytes)
    }
}

fn is_regular(byte: u8) -> bool {
    !byte.is_ascii_whitespace() && !b"\0()<>[]{}/%".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_codes_to_text_and_numbers() {
        let map = CMap::parse(
            b"/WMode 1 def 1 begincodespacerange <00> <7F> <8000> <FFFF> endcodespacerange\n\
              2 beginbfchar <01> <00660069> <8001> <D835DC00> endbfchar % ligature\n\
              2 beginbfrange <10> <12> <0041> <20> <21> [<0061> /eacute] endbfrange\n\
              1 begincidrange <9000> <90FF> 500 endcidrange",
        );
        for (code, text) in [
            (0x01, Some("fi")),
            (0x8001, Some("\u{1D400}")),
            (0x12, Some("C")),
            (0x13, None),
            (0x20, Some("a")),
            (0x21, Some("é")),
        ] {
            assert_eq!(map.decode_utf16(code).as_deref(), text, "{code:x}");
        }
        assert_eq!(map.number(0x9002), Some(502));
        assert!(map.vertical);
        assert_eq!(map.code(&[0x20, 0x80], 2), (0x20, 1));
        assert_eq!(map.code(&[0x80, 0x01], 1), (0x8001, 2));
    }

    #[test]
    fn damaged_maps_have_fewer_entries() {
        for bytes in [
            &b"beginbfchar <01> endbfchar"[..],
            b"1 beginbfrange <05> <01> <0041> endbfrange",
            b"beginbfrange <01> <02> [<0041> <0042>",
            b"<zz> <",
            b"(unclosed",
            b"",
        ] {
            let map = CMap::parse(bytes);
            assert!(map.is_empty(), "{bytes:?}");
            assert_eq!(map.code(&[7], 2), (7, 1));
        }
    }
}
