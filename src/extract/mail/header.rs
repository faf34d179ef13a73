//! Headers of emails and MIME parts: fields, parameters, encoded words, and transfer encodings (RFC 5322, 2045, 2047,
//! and 2231). Tolerates common deviations from the standards.

use crate::extract::charset;

/// Maximum number of header fields read.
const MAX_FIELDS: usize = 2_000;
/// Maximum size of one field's value, in bytes.
const MAX_VALUE_BYTES: usize = 64 << 10;

/// A header field, including its continuation lines.
pub struct MailField<'a> {
    name: &'a [u8],
    /// The value as written, without decoding.
    pub value: &'a [u8],
}

impl MailField<'_> {
    /// Returns whether the field has this name, ignoring case.
    pub fn has_name(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// Splits a part into header fields and body. A part without fields consists only of a body.
pub fn split(bytes: &[u8]) -> (Vec<MailField<'_>>, &[u8]) {
    let mut fields: Vec<MailField<'_>> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let line = &bytes[at..];
        let length = line
            .iter()
            .position(|&byte| byte == b'\n')
            .map_or(line.len(), |end| end + 1);
        let content = line[..length].trim_ascii_end();
        if content.is_empty() {
            return (fields, &bytes[at + length..]);
        }
        if matches!(content.first(), Some(b' ' | b'\t')) {
            if let Some(last) = fields.last_mut() {
                // A folded value and its first line form a single slice.
                let start = last.value.as_ptr() as usize - bytes.as_ptr() as usize;
                last.value = &bytes[start..at + content.len()];
            }
        } else if let Some(colon) = content.iter().position(|&byte| byte == b':')
            && content[..colon].iter().all(|byte| byte.is_ascii_graphic())
            && colon > 0
        {
            if fields.len() >= MAX_FIELDS {
                break;
            }
            let value = content[colon + 1..].trim_ascii_start();
            fields.push(MailField {
                name: &content[..colon],
                value,
            });
        } else if !(fields.is_empty()
            && (content.starts_with(b"From ") || content.starts_with(b">From ")))
        {
            // This line is not a field: the body starts without an empty line before it.
            return (fields, line);
        }
        at += length;
    }
    (fields, &[])
}

/// A value with its parameters: `text/plain; charset=utf-8`.
#[derive(Default)]
pub struct MimeParameters {
    /// The value in lowercase.
    pub value: String,
    parameters: Vec<(String, String)>,
}

impl MimeParameters {
    /// Returns the parameter's value, unless it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let parameter = self.parameters.iter().find(|(known, _)| known == name)?;
        Some(parameter.1.as_str()).filter(|value| !value.is_empty())
    }
}

/// Returns the value and parameters of the first field with this name, empty if there is none. Parameters that continue
/// in several parts are joined and decoded.
pub fn parameters(fields: &[MailField<'_>], name: &str) -> MimeParameters {
    let Some(field) = fields.iter().find(|field| field.has_name(name)) else {
        return MimeParameters::default();
    };
    let text = decode_value(field.value);
    let mut pieces = split_parameters(&text).into_iter();
    let value = pieces.next().unwrap_or_default().trim().to_lowercase();
    let mut result = MimeParameters {
        value,
        parameters: Vec::new(),
    };
    for piece in pieces {
        let Some((key, value)) = piece.split_once('=') else {
            continue;
        };
        let key = key.trim().to_lowercase();
        let value = value.trim();
        let plain = value.strip_prefix('"').map_or_else(
            || value.to_owned(),
            |inner| {
                inner
                    .strip_suffix('"')
                    .unwrap_or(inner)
                    .replace("\\\"", "\"")
                    .replace("\\\\", "\\")
            },
        );
        // `name*0*=UTF-8''…` and `name*1=…` are parts of the same value, some of them escaped (RFC 2231).
        let base = key.split('*').next().unwrap_or_default().to_owned();
        let first = key == base || !result.parameters.iter().any(|(known, _)| *known == base);
        let piece = match key.ends_with('*') {
            true => decode_extended(&plain, first),
            false if key == base => decode_words(plain.as_bytes()),
            false => plain,
        };
        match result
            .parameters
            .iter_mut()
            .find(|(known, _)| *known == base)
        {
            Some((_, whole)) if key != base => whole.push_str(&piece),
            Some(_) => {}
            None => result.parameters.push((base, piece)),
        }
    }
    result
}

/// Splits at semicolons outside quotes.
fn split_parameters(text: &str) -> Vec<String> {
    let (mut pieces, mut quoted, mut escaped) = (vec![String::new()], false, false);
    for character in text.chars() {
        match character {
            ';' if !quoted => {
                pieces.push(String::new());
                continue;
            }
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = character == '\\' && !escaped;
        if let Some(piece) = pieces.last_mut() {
            piece.push(character);
        }
    }
    pieces
}

/// Decodes an extended value such as `UTF-8''a%20b`.
fn decode_extended(text: &str, first: bool) -> String {
    let mut parts = text.splitn(3, '\'');
    let (label, rest) = match (first, parts.next(), parts.next(), parts.next()) {
        (true, Some(label), Some(_), Some(rest)) => (label, rest),
        _ => ("utf-8", text),
    };
    let bytes = decode_hex_escapes(rest.as_bytes(), b'%');
    let label = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap_or(encoding_rs::UTF_8);
    label.decode_without_bom_handling(&bytes).0.into_owned()
}

fn decode_value(value: &[u8]) -> String {
    let value = &value[..value.len().min(MAX_VALUE_BYTES)];
    match charset::decode(value, None) {
        Ok(decoded) => decoded.text.replace('\n', " "),
        Err(_) => String::from_utf8_lossy(value).replace(['\n', '\r'], " "),
    }
}

/// Returns a value on a single line, with encoded words decoded.
pub fn decode_words(value: &[u8]) -> String {
    let text = decode_value(value);
    let (mut out, mut rest) = (String::new(), text.as_str());
    // Adjacent words in the same encoding are decoded together, because a character may be split between them.
    let mut pending: Option<(String, Vec<u8>)> = None;
    while let Some(at) = rest.find("=?") {
        let Some((label, bytes, length)) = parse_encoded_word(&rest[at..]) else {
            flush(&mut out, &mut pending);
            out.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
            continue;
        };
        let between = &rest[..at];
        if pending.is_none() || !between.trim().is_empty() {
            flush(&mut out, &mut pending);
            out.push_str(between);
        }
        match &mut pending {
            Some((known, all)) if known.eq_ignore_ascii_case(label) => all.extend(bytes),
            _ => {
                flush(&mut out, &mut pending);
                pending = Some((label.to_owned(), bytes));
            }
        }
        rest = &rest[at + length..];
    }
    flush(&mut out, &mut pending);
    out.push_str(rest);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn flush(out: &mut String, pending: &mut Option<(String, Vec<u8>)>) {
    if let Some((label, bytes)) = pending.take() {
        // A language may follow the encoding's name.
        let label = label.split('*').next().unwrap_or_default();
        let encoding =
            encoding_rs::Encoding::for_label(label.as_bytes()).unwrap_or(encoding_rs::UTF_8);
        out.push_str(&encoding.decode_without_bom_handling(&bytes).0);
    }
}

/// Parses an encoded word such as `=?utf-8?Q?caf=C3=A9?=` into its encoding, its bytes, and its length in
/// bytes.
fn parse_encoded_word(text: &str) -> Option<(&str, Vec<u8>, usize)> {
    let inner = text.strip_prefix("=?")?;
    let (label, rest) = inner.split_once('?')?;
    let (method, rest) = rest.split_once('?')?;
    let end = rest.find("?=")?;
    let bytes = match method {
        "B" | "b" => base64(&rest.as_bytes()[..end]),
        "Q" | "q" => decode_hex_escapes(rest[..end].replace('_', " ").as_bytes(), b'='),
        _ => return None,
    };
    let length = text.len() - rest.len() + end + 2;
    (label.len() < 60).then_some((label, bytes, length))
}

/// Decodes escapes that consist of the character `mark` and two hex digits.
fn decode_hex_escapes(bytes: &[u8], mark: u8) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|&byte| char::from(byte).to_digit(16));
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        match (digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (Some(high), Some(low)) if byte == mark => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// Returns the body with its transfer encoding decoded.
pub fn decode_body(fields: &[MailField<'_>], body: &[u8]) -> Vec<u8> {
    match parameters(fields, "content-transfer-encoding")
        .value
        .as_str()
    {
        "base64" => base64(body),
        "quoted-printable" => quoted_printable(body),
        _ => body.to_vec(),
    }
}

/// Decodes quoted-printable text.
pub fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|&byte| byte == b'\n') {
        let content = line.trim_ascii_end();
        match content.strip_suffix(b"=") {
            Some(continued) => joined.extend_from_slice(continued),
            None => {
                joined.extend_from_slice(content);
                joined.extend_from_slice(if line.ends_with(b"\n") { b"\n" } else { b"" });
            }
        }
    }
    decode_hex_escapes(&joined, b'=')
}

/// Decodes base64. Skips anything that is not a base64 digit, even padding in the middle, because emails are often
/// assembled from pieces.
fn base64(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for &byte in body {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => {
                (bits, count) = (0, 0);
                continue;
            }
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    out
}
