//! Characters of symbol fonts (Symbol, Wingdings), which office files store by their code in the font, usually in
//! the private-use area. Form check boxes are written as `[x]` and `[ ]`.

use super::pdf;

/// Offset of the codes in the private-use area.
const PRIVATE_USE_START: u32 = 0xF000;

/// Returns the text for a code in a symbol font; `None` if it is unknown.
pub fn text(font: &str, code: u32) -> Option<String> {
    let low = u8::try_from(if code >= PRIVATE_USE_START {
        code - PRIVATE_USE_START
    } else {
        code
    })
    .ok()?;
    let font = font.to_ascii_lowercase();
    let replacement = match font.trim() {
        "symbol" => return pdf::symbol(low).map(String::from),
        "wingdings 2" => lookup(WINGDINGS_2, low),
        "webdings" => lookup(WEBDINGS, low),
        font if font.starts_with("wingdings") => lookup(WINGDINGS, low),
        // The codes of the usual bullets and boxes are unambiguous even without a font.
        _ if low == 0xB7 => Some("•"),
        _ => lookup(WINGDINGS, low).filter(|_| low >= 0x6C),
    };
    replacement.map(str::to_owned)
}

/// Replaces the private-use characters in a text set in this font. Returns the text and the number of unknown
/// characters, which are omitted.
pub fn replace_symbols(font: &str, text: &str) -> (String, usize) {
    let mut out = String::with_capacity(text.len());
    let mut unknown_count = 0;
    for character in text.chars() {
        match u32::from(character) {
            code @ 0xF020..=0xF0FF => match self::text(font, code) {
                Some(known) => out.push_str(&known),
                None => unknown_count += 1,
            },
            0xE000..=0xF8FF => unknown_count += 1,
            _ => out.push(character),
        }
    }
    (out, unknown_count)
}

fn lookup(table: &[(u8, &'static str)], code: u8) -> Option<&'static str> {
    let at = table
        .binary_search_by_key(&code, |(known, _)| *known)
        .ok()?;
    Some(table[at].1)
}

const WINGDINGS: &[(u8, &str)] = &[
    (0x20, " "),
    (0x21, "✏"),
    (0x22, "✂"),
    (0x28, "☎"),
    (0x2A, "✉"),
    (0x45, "☜"),
    (0x46, "☞"),
    (0x4A, "☺"),
    (0x4C, "☹"),
    (0x6C, "●"),
    (0x6E, "■"),
    (0x6F, "[ ]"),
    (0x70, "[ ]"),
    (0x71, "[ ]"),
    (0x72, "[ ]"),
    (0x73, "◆"),
    (0x74, "◆"),
    (0x75, "◆"),
    (0x76, "❖"),
    (0x78, "[x]"),
    (0x80, "⓪"),
    (0x81, "①"),
    (0x82, "②"),
    (0x83, "③"),
    (0x84, "④"),
    (0x85, "⑤"),
    (0x86, "⑥"),
    (0x87, "⑦"),
    (0x88, "⑧"),
    (0x89, "⑨"),
    (0x8A, "⑩"),
    (0x9F, "•"),
    (0xA0, "▪"),
    (0xA1, "○"),
    (0xA7, "▪"),
    (0xA8, "[ ]"),
    (0xAB, "★"),
    (0xD8, "➢"),
    (0xDF, "←"),
    (0xE0, "→"),
    (0xE1, "↑"),
    (0xE2, "↓"),
    (0xE7, "←"),
    (0xE8, "→"),
    (0xE9, "↑"),
    (0xEA, "↓"),
    (0xEF, "⇦"),
    (0xF0, "⇨"),
    (0xF1, "⇧"),
    (0xF2, "⇩"),
    (0xF3, "⇔"),
    (0xFB, "✗"),
    (0xFC, "✓"),
    (0xFD, "[x]"),
    (0xFE, "[x]"),
];
const WINGDINGS_2: &[(u8, &str)] = &[
    (0x20, " "),
    (0x2A, "[ ]"),
    (0x4F, "✗"),
    (0x50, "✓"),
    (0x51, "[x]"),
    (0x52, "[x]"),
    (0x53, "[x]"),
    (0x54, "[x]"),
    (0x96, "•"),
    (0x97, "●"),
    (0xA2, "■"),
    (0xA3, "[ ]"),
    (0xA4, "[ ]"),
];
const WEBDINGS: &[(u8, &str)] = &[
    (0x20, " "),
    (0x61, "✓"),
    (0x63, "[ ]"),
    (0x67, "■"),
    (0x6E, "●"),
    (0x72, "✗"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_symbol_fonts_have_a_text() {
        for table in [WINGDINGS, WINGDINGS_2, WEBDINGS] {
            assert!(table.is_sorted_by_key(|(code, _)| *code));
        }
        for (font, code, expected) in [
            ("Wingdings", 0xF0FE, Some("[x]")),
            ("Wingdings", 0xA8, Some("[ ]")),
            ("Wingdings 2", 0xF052, Some("[x]")),
            ("Symbol", 0xF0B3, Some("≥")),
            ("Symbol", 0x6D, Some("μ")),
            ("", 0xF0B7, Some("•")),
            ("", 0xF021, None),
            ("Wingdings", 0x1F0FE, None),
        ] {
            assert_eq!(text(font, code).as_deref(), expected, "{font} {code:x}");
        }
        assert_eq!(
            replace_symbols("Symbol", "a \u{F0B3} \u{E123}b"),
            ("a ≥ b".to_owned(), 1)
        );
    }
}
