//! Server-sent events: decoder and encoder. The decoder takes chunks of any size and returns complete events. The
//! format is <https://html.spec.whatwg.org/multipage/server-sent-events.html>. A complete JSON object is recognized as
//! the end of an event, even if the blank line is missing. Knows nothing about sockets or providers.

use std::borrow::Cow;
use std::collections::VecDeque;

/// A server-sent event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SseFrame {
    /// The `event:` field; empty if there was none.
    pub event: String,
    /// The `data:` lines, joined by line feeds.
    pub data: String,
    /// The `id:` field, if there was one.
    pub id: Option<String>,
}

/// Why bytes cannot be decoded as a stream of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MalformedStream {
    /// A line or an event exceeds the limit.
    TooLong,
}

const FIELD_NAMES: [&[u8]; 4] = [b"event", b"data", b"id", b"retry"];

/// Decodes bytes into events.
#[derive(Debug)]
pub struct SseDecoder {
    limit: usize,
    line: Vec<u8>,
    event: SseFrame,
    has_data: bool,
    ready: VecDeque<SseFrame>,
    skip_line_feed: bool,
    first_line: bool,
    broken: bool,
    has_known_field: bool,
    /// An `event:` line after complete data, which may belong to this event or to the next one.
    pending_line: Option<String>,
}

impl SseDecoder {
    /// Creates a decoder that buffers at most `limit` bytes of an incomplete line or event.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            event: SseFrame::default(),
            has_data: false,
            ready: VecDeque::new(),
            skip_line_feed: false,
            first_line: true,
            broken: false,
            has_known_field: false,
            pending_line: None,
        }
    }

    /// Adds the next bytes, which may end anywhere, even within a character.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.broken {
            // A CRLF may be split between two chunks.
            if std::mem::take(&mut self.skip_line_feed) && rest[0] == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let end = memchr::memchr2(b'\n', b'\r', rest);
            let piece = &rest[..end.unwrap_or(rest.len())];
            let held_bytes = self.line.len() + self.event.event.len() + self.event.data.len();
            if held_bytes + piece.len() > self.limit {
                self.broken = true;
                return;
            }
            let Some(end) = end else {
                self.line.extend_from_slice(piece);
                return;
            };
            self.skip_line_feed = rest[end] == b'\r';
            rest = &rest[end + 1..];
            if self.line.is_empty() {
                self.take_line(piece);
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(piece);
                self.take_line(&line);
                // The buffer is kept, so that its memory is reused for the next line.
                line.clear();
                self.line = line;
            }
        }
    }

    /// Ends the stream. The standard drops a final event without a blank line, but this decoder returns it if its data
    /// is complete.
    pub fn end(&mut self) {
        if self.broken {
            return;
        }
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.take_line(&line);
        }
        if self.is_complete() || super::joined_json::split_objects(&self.event.data).is_some() {
            self.finish_event();
        }
    }

    /// Returns whether the bytes so far contain a line, or the beginning of a line, that occurs only in event streams
    /// and not in web pages or plain text.
    pub fn looks_like_event_stream(&self) -> bool {
        let starts_field = |field: &[u8]| self.line.starts_with(field);
        self.has_known_field
            || FIELD_NAMES.iter().any(|field| starts_field(field))
            || starts_field(b":")
    }

    /// Returns the next complete event. Returns `None` if more bytes are needed.
    ///
    /// # Errors
    ///
    /// `TooLong` when a line or an event exceeds the limit.
    pub fn next_event(&mut self) -> Result<Option<SseFrame>, MalformedStream> {
        match self.ready.pop_front() {
            Some(event) => Ok(Some(event)),
            None if self.broken => Err(MalformedStream::TooLong),
            None => Ok(None),
        }
    }

    fn take_line(&mut self, line: &[u8]) {
        let line = if std::mem::take(&mut self.first_line) {
            line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line)
        } else {
            line
        };
        // The standard ignores an indented line, but the line can only be meant as a field.
        let trimmed = line.trim_ascii_start();
        let is_indented = trimmed.len() < line.len();
        let line = match is_indented
            && (trimmed.starts_with(b"data:") || trimmed.starts_with(b"event:"))
        {
            true => trimmed,
            false => line,
        };
        if line.is_empty() {
            if let Some(event) = self.pending_line.take() {
                self.event.event = event;
            }
            self.finish_event();
            return;
        }
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        // For valid UTF-8, this is several times as fast as `from_utf8_lossy`.
        let valid = std::str::from_utf8(value).map(Cow::Borrowed);
        let value = valid.unwrap_or_else(|_| String::from_utf8_lossy(value));
        // A name in another case or with a space before the colon is accepted, because it is unambiguous.
        let field = line[..colon].trim_ascii_end();
        let field_name = FIELD_NAMES
            .into_iter()
            .find(|name| field.eq_ignore_ascii_case(name));
        self.has_known_field |= colon == 0 || field_name.is_some();
        match field_name.unwrap_or(field) {
            b"event" if self.has_data && self.is_complete() => {
                self.pending_line = Some(value.into_owned());
            }
            b"event" => self.event.event = value.into_owned(),
            b"data" => {
                // Some servers omit the blank lines. After complete data, a new event begins.
                if self.has_data && self.is_complete() {
                    self.finish_event();
                }
                if let Some(event) = self.pending_line.take() {
                    self.event.event = event;
                }
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(&value);
            }
            b"id" if !value.contains('\0') => self.event.id = Some(value.into_owned()),
            // Comments, `retry`, and unknown fields are ignored.
            _ => {}
        }
    }
}

impl SseDecoder {
    fn finish_event(&mut self) {
        let event = std::mem::take(&mut self.event);
        if std::mem::take(&mut self.has_data) {
            self.ready.push_back(event);
        }
    }

    /// Returns whether the data is complete: a whole JSON object, or the end-of-stream marker.
    fn is_complete(&self) -> bool {
        let data = self.event.data.trim();
        let is_object = data.starts_with('{')
            && data.ends_with('}')
            && serde_json::from_str::<serde::de::IgnoredAny>(data).is_ok();
        is_object || data == "[DONE]"
    }
}

/// Appends an encoded event to `out`. Lines end with LF, and `data` may consist of several lines.
pub fn encode(out: &mut Vec<u8>, id: u64, event: &str, data: &str) {
    out.extend_from_slice(format!("id: {id}\nevent: {event}\n").as_bytes());
    for line in data.split('\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut decoder = SseDecoder::new(1 << 20);
        let mut events = Vec::new();
        for piece in pieces {
            decoder.push(piece);
            while let Ok(Some(event)) = decoder.next_event() {
                events.push((event.event, event.data));
            }
        }
        events
    }

    #[test]
    fn handles_the_cases_in_the_standard() {
        let data = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| (String::new(), (*text).to_owned()))
                .collect::<Vec<_>>()
        };
        for (stream, expected) in [
            ("data: a\n\n", data(&["a"])),
            ("data:a\r\rdata: b\r\n\r\n", data(&["a", "b"])),
            ("data: one\ndata:  two\n\n", data(&["one\n two"])),
            (": comment\n\ndata\n\n", data(&[""])),
            ("\u{FEFF}data: x\n\n", data(&["x"])),
            ("data: cut off", data(&[])),
            ("data: cut off\n", data(&[])),
            ("retry: 10\nunknown: 1\ndata: x\n\n", data(&["x"])),
            ("event: ping\n\ndata: x\n\n", data(&["x"])),
            (" data: x\n\n\t data: y\n\n", data(&["x", "y"])),
            (" date: x\n\n", data(&[])),
        ] {
            assert_eq!(decode(&[stream.as_bytes()]), expected, "{stream:?}");
        }
    }

    #[test]
    fn events_without_their_blank_line_end_where_their_data_is_complete() {
        let decode_whole = |stream: &str| {
            let mut decoder = SseDecoder::new(1 << 20);
            decoder.push(stream.as_bytes());
            decoder.end();
            let next = std::iter::from_fn(|| decoder.next_event().ok().flatten());
            next.map(|event| (event.event, event.data))
                .collect::<Vec<_>>()
        };
        let to_owned_events = |events: &[(&str, &str)]| {
            let owned = events
                .iter()
                .map(|(name, data)| ((*name).to_owned(), (*data).to_owned()));
            owned.collect::<Vec<_>>()
        };
        for (stream, expected) in [
            (
                "data: {\"a\":1}\ndata: {\"b\":2}\ndata: [DONE]\n",
                to_owned_events(&[("", "{\"a\":1}"), ("", "{\"b\":2}"), ("", "[DONE]")]),
            ),
            (
                "event: a\ndata: {}\nevent: b\ndata: {}\n",
                to_owned_events(&[("a", "{}"), ("b", "{}")]),
            ),
            ("data: {}\nevent: a\n\n", to_owned_events(&[("a", "{}")])),
            (
                "data: {\ndata: \"a\": 1}\n\n",
                to_owned_events(&[("", "{\n\"a\": 1}")]),
            ),
            ("data: {\"a\":1}", to_owned_events(&[("", "{\"a\":1}")])),
            ("data: {}\n\ndata: {\"a\":", to_owned_events(&[("", "{}")])),
            ("data: [DONE]", to_owned_events(&[("", "[DONE]")])),
            ("data: words", to_owned_events(&[])),
        ] {
            assert_eq!(decode_whole(stream), expected, "{stream:?}");
        }
    }

    #[test]
    fn split_characters_are_joined() {
        assert_eq!(decode(&[b"data: \xC3", b"\xA9\n\n"])[0].1, "é");
    }

    #[test]
    fn an_endless_line_is_rejected() {
        let mut decoder = SseDecoder::new(100);
        decoder.push(b"data: ok\n\n");
        decoder.push(&[b'x'; 200]);
        assert_eq!(
            decoder
                .next_event()
                .map(|event| event.map(|event| event.data)),
            Ok(Some("ok".into()))
        );
        assert_eq!(decoder.next_event(), Err(MalformedStream::TooLong));
        let mut endless = SseDecoder::new(100);
        for _ in 0..100 {
            endless.push(b"data: xxxxxxxxxx\n");
        }
        assert_eq!(endless.next_event(), Err(MalformedStream::TooLong));
    }

    proptest! {
        #[test]
        fn splits_change_nothing(text in "((data|event|id|x)?:? ?[a-zä]{0,5}(\n|\r|\r\n)){0,20}", cuts in prop::collection::vec(0usize..200, 0..8)) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&bytes[from..cut]);
                from = cut;
            }
            pieces.push(&bytes[from..]);
            prop_assert_eq!(decode(&pieces), decode(&[bytes]));
        }

        #[test]
        fn events_round_trip(name in "[a-z.]{1,20}", data in "[^\r]{0,100}") {
            let mut bytes = Vec::new();
            encode(&mut bytes, 7, &name, &data);
            prop_assert_eq!(decode(&[&bytes]), vec![(name, data)]);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            decode(&[&bytes]);
        }
    }
}
