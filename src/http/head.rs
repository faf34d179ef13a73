//! Validates request heads before hyper parses them, and tracks bodies to find where the next head begins. To prevent
//! request smuggling, refuses anything that another server on the way could parse differently: bare LF, folded lines,
//! more than one length or host, and transfer codings other than a single `chunked` (RFC 9112, sections 2.2, 3.2, 5, 6,
//! 7.1). Does no I/O.

use hyper::Uri;

use super::host;

/// Maximum size of a request head, in bytes. A larger head is refused with 431.
pub(super) const MAX_HEAD_BYTES: usize = 16 << 10;
/// Maximum number of header lines, which is hyper's limit too.
const MAX_FIELDS: usize = 100;
/// Maximum number of decimal digits in `Content-Length`. Every number of 18 digits fits in a `u64`.
const MAX_LENGTH_DIGITS: usize = 18;
/// Maximum number of hexadecimal digits in a chunk size. With 15 digits, adding to the size cannot overflow a `u64`.
const MAX_CHUNK_DIGITS: u8 = 15;

/// Why a request head or body is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadRefusal {
    /// The head is malformed, with the reason (status 400).
    Malformed(&'static str),
    /// The head is too long or has too many lines (status 431).
    TooLarge,
    /// The HTTP version is neither 1.0 nor 1.1 (status 505).
    Version,
    /// The framing of a chunked body is malformed, so the start of the next request is unknown.
    Body,
}

use HeadRefusal::Malformed;

/// Incremental validator of the bytes received on one connection.
pub struct HeadGuard {
    state: HeadState,
    /// An incomplete head, held back from hyper.
    held: Vec<u8>,
}

enum HeadState {
    Head(HeadReader),
    /// A body of which this many bytes are still to come.
    Body(u64),
    Chunked(ChunkState),
}

/// An incremental parser of one request head.
#[derive(Default)]
struct HeadReader {
    /// Offset of the first line that has not been received completely.
    line_start: usize,
    line_count: usize,
    is_1_1: bool,
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
}

/// The parser's position within a chunked body.
enum ChunkState {
    Size { digits: u8, size: u64 },
    Extension { size: u64, seen: usize },
    SizeEnd { size: u64 },
    Data(u64),
    DataEnd,
    DataLineEnd,
    Trailer { is_empty: bool, seen: usize },
    TrailerEnd { is_empty: bool, seen: usize },
}

impl HeadGuard {
    /// Creates a guard for a new connection.
    pub fn new() -> Self {
        Self {
            state: HeadState::Head(HeadReader::default()),
            held: Vec::new(),
        }
    }

    /// Whether an incomplete head is held back.
    pub fn has_partial_head(&self) -> bool {
        !self.held.is_empty()
    }

    /// Takes the bytes held back. The caller must pass them to `scan` again, followed by the newly received bytes.
    pub fn take_partial_head(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    /// Returns how many of these bytes may be passed on to hyper. The remaining bytes are refused, or are held back
    /// because they are the start of a head.
    pub fn scan(&mut self, bytes: &[u8]) -> (usize, Option<HeadRefusal>) {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match &mut self.state {
                HeadState::Head(head) => match head.read(rest) {
                    Ok(Some((used, next))) => {
                        at += used;
                        self.state = next;
                    }
                    Ok(None) => {
                        self.held = rest.to_vec();
                        return (at, None);
                    }
                    Err(refusal) => return (at, Some(refusal)),
                },
                HeadState::Body(remaining) => {
                    let length = (*remaining).min(rest.len() as u64);
                    *remaining -= length;
                    at += length as usize;
                    if *remaining == 0 {
                        self.state = HeadState::Head(HeadReader::default());
                    }
                }
                HeadState::Chunked(chunk) => {
                    let (used, result) = chunk.read(rest);
                    at += used;
                    match result {
                        Ok(false) => {}
                        Ok(true) => self.state = HeadState::Head(HeadReader::default()),
                        Err(refusal) => return (at, Some(refusal)),
                    }
                }
            }
        }
        (at, None)
    }
}

impl HeadReader {
    /// Parses the head at the start of `bytes`. Returns its length in bytes and the state after it, or `None` if the
    /// head is incomplete.
    fn read(&mut self, bytes: &[u8]) -> Result<Option<(usize, HeadState)>, HeadRefusal> {
        loop {
            // Another protocol is refused at its first byte, so that the outcome does not depend on packet sizes.
            let first = bytes.get(self.line_start);
            let is_start = |byte: &u8| is_token(*byte) || matches!(byte, b'\r' | b'\n');
            if self.line_count == 0 && first.is_some_and(|byte| !is_start(byte)) {
                return Err(Malformed("this is not an HTTP request"));
            }
            let Some(length) = bytes[self.line_start..]
                .iter()
                .position(|byte| *byte == b'\n')
            else {
                break;
            };
            let line = &bytes[self.line_start..self.line_start + length];
            self.line_start += length + 1;
            if self.line_start > MAX_HEAD_BYTES {
                return Err(HeadRefusal::TooLarge);
            }
            let Some(line) = line.strip_suffix(b"\r") else {
                return Err(Malformed("a line does not end with CR LF"));
            };
            match (self.line_count, line.is_empty()) {
                // Skip an empty line before the head, because some clients send one after a body.
                (0, true) => continue,
                (0, false) => self.request_line(line)?,
                (_, true) => return Ok(Some((self.line_start, self.framing()?))),
                (_, false) => self.field(line)?,
            }
            self.line_count += 1;
            if self.line_count > MAX_FIELDS + 1 {
                return Err(HeadRefusal::TooLarge);
            }
        }
        match bytes.len() > MAX_HEAD_BYTES {
            true => Err(HeadRefusal::TooLarge),
            false => Ok(None),
        }
    }

    fn request_line(&mut self, line: &[u8]) -> Result<(), HeadRefusal> {
        let mut parts = line.split(|byte| *byte == b' ');
        let (method, target, version) = (parts.next(), parts.next(), parts.next());
        let (Some(method), Some(target), Some(version), None) =
            (method, target, version, parts.next())
        else {
            return Err(Malformed("the request line does not have three parts"));
        };
        if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
            return Err(Malformed("the method is not a token"));
        }
        match version {
            b"HTTP/1.1" => self.is_1_1 = true,
            b"HTTP/1.0" => {}
            other if other.starts_with(b"HTTP/") => return Err(HeadRefusal::Version),
            _ => return Err(Malformed("the request line has no HTTP version")),
        }
        match is_valid_target(method, target) {
            true => Ok(()),
            false => Err(Malformed("the address is malformed")),
        }
    }

    fn field(&mut self, line: &[u8]) -> Result<(), HeadRefusal> {
        if line[0] == b' ' || line[0] == b'\t' {
            return Err(Malformed("a header is split over several lines"));
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return Err(Malformed("a header line has no colon"));
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(Malformed("a header name is not a token"));
        }
        if value
            .iter()
            .any(|byte| byte.is_ascii_control() && *byte != b'\t')
        {
            return Err(Malformed("a header value contains a control character"));
        }
        if name.eq_ignore_ascii_case(b"host") {
            self.hosts += 1;
            if !host::is_valid(value) {
                return Err(Malformed("the Host header is malformed"));
            }
        } else if name.eq_ignore_ascii_case(b"content-length") {
            if self.length.is_some() {
                return Err(Malformed("there is more than one Content-Length"));
            }
            self.length = Some(digits(value).ok_or(Malformed("Content-Length is not a number"))?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Malformed("Transfer-Encoding is not chunked"));
            }
            self.chunked = true;
        }
        Ok(())
    }

    fn framing(&self) -> Result<HeadState, HeadRefusal> {
        if self.hosts > 1 || (self.is_1_1 && self.hosts == 0) {
            return Err(Malformed("there must be exactly one Host header"));
        }
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Malformed(
                "both Content-Length and Transfer-Encoding are present",
            )),
            (true, None) if !self.is_1_1 => {
                Err(Malformed("HTTP/1.0 does not support Transfer-Encoding"))
            }
            (true, None) => Ok(HeadState::Chunked(ChunkState::START)),
            (false, Some(length)) if length > 0 => Ok(HeadState::Body(length)),
            (false, _) => Ok(HeadState::Head(HeadReader::default())),
        }
    }
}

impl ChunkState {
    const START: Self = Self::Size { digits: 0, size: 0 };

    /// Returns how many of these bytes belong to the body, and whether the body ends after them or the next byte is
    /// refused. The bytes before a refused one are counted, so that the result does not depend on packet sizes.
    fn read(&mut self, bytes: &[u8]) -> (usize, Result<bool, HeadRefusal>) {
        let mut at = 0;
        while at < bytes.len() {
            if let Self::Data(remaining) = self {
                let length = (*remaining).min((bytes.len() - at) as u64);
                *remaining -= length;
                at += length as usize;
                if *remaining == 0 {
                    *self = Self::DataEnd;
                }
                continue;
            }
            match self.step(bytes[at]) {
                Ok(Some(next)) => *self = next,
                Ok(None) => return (at + 1, Ok(true)),
                Err(refusal) => return (at, Err(refusal)),
            }
            at += 1;
        }
        (at, Ok(false))
    }

    /// Returns the state after this byte, or `None` if the byte ends the body.
    fn step(&self, byte: u8) -> Result<Option<Self>, HeadRefusal> {
        let within = |length: usize| match length < MAX_HEAD_BYTES {
            true => Ok(length + 1),
            false => Err(HeadRefusal::Body),
        };
        Ok(Some(match (self, byte) {
            (&Self::Size { digits, size }, _) if byte.is_ascii_hexdigit() => {
                if digits >= MAX_CHUNK_DIGITS {
                    return Err(HeadRefusal::Body);
                }
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                Self::Size {
                    digits: digits + 1,
                    size: size * 16 + u64::from(digit),
                }
            }
            (&Self::Size { digits: 1.., size }, b'\r') => Self::SizeEnd { size },
            (&Self::Size { digits: 1.., size }, b';' | b' ' | b'\t') => {
                Self::Extension { size, seen: 0 }
            }
            (&Self::Extension { size, .. }, b'\r') => Self::SizeEnd { size },
            (&Self::Extension { size, seen: length }, _) if byte != b'\n' => Self::Extension {
                size,
                seen: within(length)?,
            },
            (Self::SizeEnd { size: 0 }, b'\n') => Self::Trailer {
                is_empty: true,
                seen: 0,
            },
            (&Self::SizeEnd { size }, b'\n') => Self::Data(size),
            (Self::DataEnd, b'\r') => Self::DataLineEnd,
            (Self::DataLineEnd, b'\n') => Self::START,
            (
                &Self::Trailer {
                    is_empty,
                    seen: length,
                },
                b'\r',
            ) => Self::TrailerEnd {
                is_empty,
                seen: length,
            },
            (&Self::Trailer { seen: length, .. }, _) if byte != b'\n' => Self::Trailer {
                is_empty: false,
                seen: within(length)?,
            },
            (Self::TrailerEnd { is_empty: true, .. }, b'\n') => return Ok(None),
            (&Self::TrailerEnd { seen: length, .. }, b'\n') => Self::Trailer {
                is_empty: true,
                seen: length,
            },
            _ => return Err(HeadRefusal::Body),
        }))
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether a request target has one of the four forms in RFC 9112, section 3.2, and its form is allowed for the method.
fn is_valid_target(method: &[u8], target: &[u8]) -> bool {
    match target {
        _ if method == b"CONNECT" => host::is_valid(target),
        [b'/', ..] => is_path(target),
        b"*" => method == b"OPTIONS",
        _ => is_absolute(target),
    }
}

/// Whether a path is valid. Common characters are accepted directly; for others, hyper's parser decides.
fn is_path(target: &[u8]) -> bool {
    let is_common =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"/._~%?&=+-:,@!$'()*;".contains(byte);
    // Clients must not send a fragment, and servers differ in whether they remove it.
    let is_unambiguous = || target.is_ascii() && !target.contains(&b'#');
    target.iter().all(is_common) || is_unambiguous() && Uri::try_from(target).is_ok()
}

/// Whether a target is in absolute form, which clients send to proxies. Its authority takes precedence over `Host` (RFC
/// 9112, section 3.2.2).
fn is_absolute(target: &[u8]) -> bool {
    let strip_scheme = |scheme: &[u8]| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    let Some(rest) = strip_scheme(b"http://").or_else(|| strip_scheme(b"https://")) else {
        return false;
    };
    let is_end = |byte: &u8| b"/?#".contains(byte);
    let end = rest.iter().position(is_end).unwrap_or(rest.len());
    host::is_valid(&rest[..end]) && !rest.contains(&b'#') && Uri::try_from(target).is_ok()
}

fn digits(value: &[u8]) -> Option<u64> {
    let is_number =
        (1..=MAX_LENGTH_DIGITS).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    is_number.then(|| {
        value
            .iter()
            .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests;
