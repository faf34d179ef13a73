//! Detects the format and size of images from their first bytes. Images are for vision models; no text is extracted.

/// Image properties from the file header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageHeader {
    /// Media type: `image/png`, `image/jpeg`, `image/gif`, or `image/webp`, which all providers accept.
    pub content_type: &'static str,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

const PNG: &[u8] = b"\x89PNG\r\n\x1A\n";

/// Returns the media type, based only on the first bytes; `None` for any other format.
pub fn content_type(bytes: &[u8]) -> Option<&'static str> {
    let is_webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    [
        (bytes.starts_with(PNG), "image/png"),
        (bytes.starts_with(b"\xFF\xD8\xFF"), "image/jpeg"),
        (
            bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a"),
            "image/gif",
        ),
        (is_webp, "image/webp"),
    ]
    .into_iter()
    .find_map(|(is_match, name)| is_match.then_some(name))
}

/// Parses the header of an image. Returns `None` for another format or an invalid header.
pub fn parse_header(bytes: &[u8]) -> Option<ImageHeader> {
    let content_type = content_type(bytes)?;
    let (width, height) = match content_type {
        "image/png" => png_size(bytes),
        "image/jpeg" => jpeg_size(bytes),
        "image/gif" => Some((little_endian(bytes, 6, 2)?, little_endian(bytes, 8, 2)?)),
        _ => webp_size(bytes),
    }?;
    (width > 0 && height > 0).then_some(ImageHeader {
        content_type,
        width,
        height,
    })
}

fn big_endian(bytes: &[u8], at: usize, count: usize) -> Option<u32> {
    let part = bytes.get(at..at.checked_add(count)?)?;
    Some(part.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte)))
}

fn little_endian(bytes: &[u8], at: usize, count: usize) -> Option<u32> {
    let part = bytes.get(at..at.checked_add(count)?)?;
    let sum = |sum, &byte: &u8| sum << 8 | u32::from(byte);
    Some(part.iter().rev().fold(0, sum))
}

// Reads the first chunk, IHDR (W3C PNG, 11.2.1).
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    (bytes.get(12..16)? == b"IHDR")
        .then_some((big_endian(bytes, 16, 4)?, big_endian(bytes, 20, 4)?))
}

// Skips segments up to the frame header (ITU T.81, B.2.2), whose marker is C0 to CF except C4, C8, and CC.
fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    loop {
        while *bytes.get(at)? == 0xFF && *bytes.get(at + 1)? == 0xFF {
            at += 1;
        }
        let marker = (*bytes.get(at)? == 0xFF).then_some(*bytes.get(at + 1)?)?;
        if matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC) {
            return Some((big_endian(bytes, at + 7, 2)?, big_endian(bytes, at + 5, 2)?));
        }
        let is_standalone = matches!(marker, 0x01 | 0xD0..=0xD8);
        let length = if is_standalone {
            0
        } else {
            big_endian(bytes, at + 2, 2).filter(|length| *length >= 2)?
        };
        at += 2 + length as usize;
    }
}

// Reads the first chunk: VP8X, VP8L, or VP8 (followed by a space) (RFC 9649).
fn webp_size(bytes: &[u8]) -> Option<(u32, u32)> {
    match bytes.get(12..16)? {
        b"VP8X" => Some((
            little_endian(bytes, 24, 3)? + 1,
            little_endian(bytes, 27, 3)? + 1,
        )),
        b"VP8L" if bytes.get(20) == Some(&0x2F) => {
            let bits = little_endian(bytes, 21, 4)?;
            Some(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
        }
        b"VP8 " if bytes.get(23..26) == Some(b"\x9D\x01\x2A") => Some((
            little_endian(bytes, 26, 2)? & 0x3FFF,
            little_endian(bytes, 28, 2)? & 0x3FFF,
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JPEG: &[u8] =
        b"\xFF\xD8\xFF\xE0\0\x04\0\0\xFF\xFF\xC4\0\x03\0\xFF\xC2\0\x0B\x08\0\x20\0\x40";
    const EXTENDED_WEBP: &[u8] = b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0\x0F\0\0\x07\0\0";
    const LOSSLESS_WEBP: &[u8] = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2F\x0F\xC0\x01\0";
    const LOSSY_WEBP: &[u8] = b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9D\x01\x2A\x10\0\x08\0";
    const PNG_FILE: &[u8] = include_bytes!("../../tests/data/screenshot.png");

    #[test]
    fn size_and_format_come_from_the_header() {
        for (bytes, expected) in [
            (JPEG, Some(("image/jpeg", 64, 32))),
            (b"GIF89a\x10\0\x08\0", Some(("image/gif", 16, 8))),
            (EXTENDED_WEBP, Some(("image/webp", 16, 8))),
            (LOSSLESS_WEBP, Some(("image/webp", 16, 8))),
            (LOSSY_WEBP, Some(("image/webp", 16, 8))),
            (b"GIF89a\0\0\x08\0", None),
            (b"\x89PNG\r\n\x1A\n", None),
            (b"RIFF\0\0\0\0WAVE", None),
            (b"plain", None),
            (b"", None),
        ] {
            let header_facts = parse_header(bytes)
                .map(|header| (header.content_type, header.width, header.height));
            assert_eq!(header_facts, expected, "{bytes:?}");
        }
        assert_eq!(
            parse_header(PNG_FILE).map(|header| header.content_type),
            Some("image/png")
        );
    }

    #[test]
    fn a_truncated_header_is_rejected() {
        for header in [
            JPEG,
            EXTENDED_WEBP,
            LOSSLESS_WEBP,
            LOSSY_WEBP,
            &PNG_FILE[..24],
        ] {
            for end in 0..header.len() {
                assert_eq!(parse_header(&header[..end]), None, "{end} of {header:?}");
            }
        }
    }
}
