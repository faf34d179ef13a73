//! Decodes bytes in any common encoding to clean text. Detects the encoding by the byte order mark, a declaration in
//! the text, or the content. Rejects binary data and counts replaced bytes.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::Unreadable;
use super::terminal;

/// Decoded text, its encoding, and what was lost.
#[derive(Debug, PartialEq)]
pub struct DecodedText {
    /// The text, with `\n` line endings and no control characters except tab and form feed.
    pub text: String,
    /// The encoding's name in lowercase.
    pub encoding: String,
    /// Number of byte sequences that are invalid in the encoding and were replaced by U+FFFD.
    pub replaced: usize,
    /// Number of control characters removed.
    pub dropped_count: usize,
    /// Number of non-UTF-8 bytes in text that is otherwise UTF-8; they were read as Windows-1252.
    pub stray_byte_count: usize,
}

/// Number of bytes at the start of a file that are searched for an encoding declaration.
const MAX_DECLARATION_BYTES: usize = 1_024;
/// Number of bytes used to detect the encoding: half a megabyte takes up to 70 ms.
const MAX_DETECTION_BYTES: usize = 256 * 1024;

/// Returns the canonical lowercase name of the encoding with this label.
pub fn canonical_name(label: &str) -> Option<String> {
    let encoding = Encoding::for_label(label.trim().as_bytes())?;
    Some(encoding.name().to_lowercase())
}

/// Decodes `bytes` in the encoding with the label `chosen`. Without a known label, detects the encoding.
///
/// # Errors
/// Returns [`Unreadable::Binary`] if the bytes contain too many NULs, or the decoded text too many control or
/// replacement characters.
pub fn decode(bytes: &[u8], chosen: Option<&str>) -> Result<DecodedText, Unreadable> {
    if let Some(encoding) = chosen.and_then(|label| Encoding::for_label(label.as_bytes())) {
        return decode_as(encoding, bytes);
    }
    if let Some((name, text)) = decode_utf32(bytes) {
        return clean_text(&text, name, 0);
    }
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return decode_as(encoding, &bytes[mark..]);
    }
    if let Some(encoding) = detect_utf16_without_bom(bytes) {
        return decode_as(encoding, bytes);
    }
    let nul_count = bytes.iter().filter(|&&byte| byte == 0).count();
    if nul_count * 1_000 > bytes.len() {
        return Err(Unreadable::Binary);
    }
    if std::str::from_utf8(bytes).is_ok() {
        return decode_as(UTF_8, bytes);
    }
    if let Some(mixed) = decode_mixed(bytes) {
        return mixed;
    }
    if let Some(encoding) = declared_encoding(bytes)
        && !encoding.decode_without_bom_handling(bytes).1
    {
        return decode_as(encoding, bytes);
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(&bytes[..bytes.len().min(MAX_DETECTION_BYTES)], true);
    decode_as(detector.guess(None, Utf8Detection::Allow), bytes)
}

fn decode_as(encoding: &'static Encoding, bytes: &[u8]) -> Result<DecodedText, Unreadable> {
    let (text, had_errors) = encoding.decode_without_bom_handling(bytes);
    // This count includes any U+FFFD in the original text, because telling these apart from replacements would require
    // a second decoder.
    let replaced = if had_errors {
        text.matches('\u{FFFD}').count()
    } else {
        0
    };
    clean_text(&text, &encoding.name().to_lowercase(), replaced)
}

/// Normalizes line endings and drops control characters. Fails if there are too many control characters or replaced
/// bytes, which indicate binary data.
fn clean_text(text: &str, encoding: &str, replaced: usize) -> Result<DecodedText, Unreadable> {
    let mut out = String::with_capacity(text.len());
    let (mut characters, mut dropped) = (0usize, 0usize);
    let terminal = terminal::strip_control_codes(text);
    let mut rest = terminal.chars().peekable();
    while let Some(character) = rest.next() {
        characters += 1;
        match character {
            '\r' => {
                if rest.peek() != Some(&'\n') {
                    out.push('\n');
                }
            }
            '\n' | '\t' | '\u{C}' => out.push(character),
            '\u{B}' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            // Remnants of escape sequences and overstrikes are dropped, but do not count as evidence of binary data.
            '\u{8}' | '\u{1B}' | '\u{FEFF}' => {}
            // This is the end-of-file marker of DOS.
            '\u{1A}' if rest.peek().is_none() => {}
            control if control.is_control() => dropped += 1,
            other => out.push(other),
        }
    }
    if dropped * 100 > characters || replaced * 20 > characters {
        return Err(Unreadable::Binary);
    }
    Ok(DecodedText {
        text: out,
        encoding: encoding.to_owned(),
        replaced,
        dropped_count: dropped,
        stray_byte_count: 0,
    })
}

/// Decodes UTF-32, detected by its byte order mark or its zero bytes. encoding_rs omits UTF-32 because the web does not
/// use it.
fn decode_utf32(bytes: &[u8]) -> Option<(&'static str, String)> {
    let read = |big: bool, bytes: &[u8]| -> Option<String> {
        let (units, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() || units.is_empty() {
            return None;
        }
        let value = |unit: &[u8; 4]| {
            if big {
                u32::from_be_bytes(*unit)
            } else {
                u32::from_le_bytes(*unit)
            }
        };
        units
            .iter()
            .map(|unit| char::from_u32(value(unit)).filter(|&c| c != '\0'))
            .collect()
    };
    if let Some(rest) = bytes.strip_prefix(b"\xFF\xFE\0\0") {
        return Some(("utf-32le", read(false, rest)?));
    }
    if let Some(rest) = bytes.strip_prefix(b"\0\0\xFE\xFF") {
        return Some(("utf-32be", read(true, rest)?));
    }
    match bytes {
        [0, 0, 0 | 1, _, ..] => Some(("utf-32be", read(true, bytes)?)),
        [_, _, 0 | 1, 0, ..] => Some(("utf-32le", read(false, bytes)?)),
        _ => None,
    }
}

/// Detects UTF-16 without a byte order mark: in European text, every other byte is zero; in other scripts, spaces and
/// newlines still have a zero byte. Binary data has zeros at both even and odd positions.
fn detect_utf16_without_bom(bytes: &[u8]) -> Option<&'static Encoding> {
    let (units, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() || units.len() < 2 {
        return None;
    }
    let sample = &units[..units.len().min(32 * 1024)];
    let first = sample.iter().filter(|unit| unit[0] == 0).count();
    let second = sample.iter().filter(|unit| unit[1] == 0).count();
    let (encoding, zeros, others) = if second > first {
        (UTF_16LE, second, first)
    } else {
        (UTF_16BE, first, second)
    };
    let is_plausible = zeros * 33 > sample.len() && others * 50 < zeros;
    (is_plausible && !encoding.decode_without_bom_handling(bytes).1).then_some(encoding)
}

/// Decodes text that is UTF-8 except for some bytes: each run of such bytes is read as Windows-1252 if that yields
/// letters and symbols, and is replaced otherwise. Returns `None` if less than half of the non-ASCII characters are
/// UTF-8, because the text is then in another encoding.
fn decode_mixed(bytes: &[u8]) -> Option<Result<DecodedText, Unreadable>> {
    let (mut valid_count, mut invalid_count) = (0usize, 0usize);
    let mut text = String::with_capacity(bytes.len());
    let (mut stray, mut replaced) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        valid_count += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        text.push_str(chunk.valid());
        let invalid = chunk.invalid();
        if invalid.is_empty() {
            continue;
        }
        invalid_count += 1;
        let (read, is_malformed) = WINDOWS_1252.decode_without_bom_handling(invalid);
        if is_malformed || read.chars().any(char::is_control) {
            replaced += 1;
            text.push('\u{FFFD}');
        } else {
            stray += invalid.len();
            text.push_str(&read);
        }
    }
    if valid_count == 0 || valid_count < invalid_count {
        return None;
    }
    let decoded = clean_text(&text, "utf-8", replaced);
    Some(decoded.map(|decoded| DecodedText {
        stray_byte_count: stray,
        ..decoded
    }))
}

/// Returns the encoding that an HTML, XML, or source file declares near its start.
fn declared_encoding(bytes: &[u8]) -> Option<&'static Encoding> {
    let head =
        String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_DECLARATION_BYTES)]).to_lowercase();
    ["charset=", "encoding=", "coding:", "coding="]
        .iter()
        .find_map(|key| {
            let value = &head[head.find(key)? + key.len()..];
            let value = value.trim_start_matches(['"', '\'', ' ']);
            let end = value
                .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.')))
                .unwrap_or(value.len());
            Encoding::for_label(&value.as_bytes()[..end])
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: &str, encoding: &str) {
        let decoded = decode(bytes, None).expect("readable");
        assert_eq!(
            (decoded.text.as_str(), decoded.encoding.as_str()),
            (expected, encoding),
            "{bytes:?}"
        );
    }

    fn encode_wide(text: &str, mark: bool, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let text = if mark {
            format!("\u{FEFF}{text}")
        } else {
            text.to_owned()
        };
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn byte_order_marks_and_wide_encodings_are_detected() {
        let text = "Grüße, Käse und 量子\nzweite Zeile";
        check(text.as_bytes(), text, "utf-8");
        check(&[b"\xEF\xBB\xBF", text.as_bytes()].concat(), text, "utf-8");
        check(&encode_wide(text, true, u16::to_le_bytes), text, "utf-16le");
        check(&encode_wide(text, true, u16::to_be_bytes), text, "utf-16be");
        check(
            &encode_wide(text, false, u16::to_le_bytes),
            text,
            "utf-16le",
        );
        check(
            &encode_wide(text, false, u16::to_be_bytes),
            text,
            "utf-16be",
        );
        let utf32: Vec<u8> = text
            .chars()
            .flat_map(|c| u32::from(c).to_le_bytes())
            .collect();
        check(&utf32, text, "utf-32le");
        check(&[b"\xFF\xFE\0\0", &utf32[..]].concat(), text, "utf-32le");
        let utf32: Vec<u8> = text
            .chars()
            .flat_map(|c| u32::from(c).to_be_bytes())
            .collect();
        check(&[b"\0\0\xFE\xFF", &utf32[..]].concat(), text, "utf-32be");
    }

    #[test]
    fn legacy_encodings_are_detected() {
        let encode = |label: &str, text: &str| {
            Encoding::for_label(label.as_bytes())
                .expect("a label")
                .encode(text)
                .0
                .into_owned()
        };
        let german = "Die Prüfung der Verträge läuft über größere Zeiträume, schließlich müssen alle zustimmen.";
        check(&encode("windows-1252", german), german, "windows-1252");
        let russian =
            "Договор вступает в силу с момента подписания обеими сторонами и действует один год.";
        check(&encode("windows-1251", russian), russian, "windows-1251");
        check(&encode("koi8-r", russian), russian, "koi8-u");
        let japanese = "契約は署名の日から効力を生じ、一年間有効とする。";
        check(&encode("shift_jis", japanese), japanese, "shift_jis");
        check(&encode("euc-jp", japanese), japanese, "euc-jp");
        let korean = "계약은 서명한 날부터 효력이 발생하며 일 년간 유효하다.";
        check(&encode("euc-kr", korean), korean, "euc-kr");
        let chinese = "本合同自双方签字之日起生效，有效期为一年。";
        check(&encode("gb18030", chinese), chinese, "gbk");
    }

    #[test]
    fn a_declaration_overrides_detection() {
        let page = b"<meta charset=\"iso-8859-5\"><p>\xBF\xE0\xD8";
        assert_eq!(decode(page, None).expect("readable").encoding, "iso-8859-5");
    }

    #[test]
    fn damage_is_replaced_and_counted() {
        let decoded = decode(
            "äöü ÄÖÜ ßéèê ñçåø → and more plain text "
                .repeat(3)
                .as_bytes(),
            None,
        );
        assert_eq!(decoded.expect("readable").replaced, 0);
        let mut damaged = "äöü ÄÖÜ ßéèê ñçåø → and more plain text "
            .repeat(3)
            .into_bytes();
        damaged.insert(40, 0xFF);
        let decoded = decode(&damaged, None).expect("readable");
        assert_eq!(
            (decoded.encoding.as_str(), decoded.stray_byte_count),
            ("utf-8", 1)
        );
        assert!(decoded.text.contains('ÿ'));
        let decoded = decode(b"Gr\xC3\xBC\xC3\x9Fe aus der Stadt K\xF6ln \x81", None);
        let decoded = decoded.expect("readable");
        assert_eq!(
            (decoded.text.as_str(), decoded.replaced),
            ("Grüße aus der Stadt Köln \u{FFFD}", 1)
        );
    }

    #[test]
    fn line_ends_and_control_characters_are_normalized() {
        check(b"a\r\nb\rc\nd\x0Ce\x1A", "a\nb\nc\nd\x0Ce", "utf-8");
        check(b"\x1B[31mred\x1B[0m", "red", "utf-8");
        check(b"", "", "utf-8");
    }

    #[test]
    fn binary_data_is_rejected() {
        let noise: Vec<u8> = (0..4_096u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        for bytes in [
            &b"\0\0\0\0\0\0\0"[..],
            b"abc\0def\0\0\0gh",
            b"\x01\x02\x03\x04text",
            &noise,
        ] {
            assert_eq!(
                decode(bytes, None),
                Err(Unreadable::Binary),
                "{:?}",
                &bytes[..7]
            );
        }
    }
}
