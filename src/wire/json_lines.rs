//! Decodes newline-delimited JSON, as Ollama streams it. Takes chunks of any size and returns complete lines.

use std::collections::VecDeque;

use super::sse::{MalformedStream, SseFrame};

/// Decodes bytes into lines. Each line is returned as an event without a name.
#[derive(Debug)]
pub struct LineDecoder {
    limit: usize,
    line: Vec<u8>,
    ready: VecDeque<SseFrame>,
    broken: bool,
}

impl LineDecoder {
    /// Creates a decoder that buffers at most `limit` bytes of an incomplete line.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            ready: VecDeque::new(),
            broken: false,
        }
    }

    /// Adds the next bytes, which may end within a line.
    pub fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.broken || self.line.len() + piece.len() > self.limit {
                self.broken = true;
                return;
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.close();
            }
        }
    }

    /// Ends the stream. Its last line needs no line feed.
    pub fn end(&mut self) {
        self.close();
    }

    /// Returns the next complete line that is not blank. Returns `None` if more bytes are needed.
    ///
    /// # Errors
    ///
    /// `TooLong` when a line exceeds the limit.
    pub fn next_event(&mut self) -> Result<Option<SseFrame>, MalformedStream> {
        match self.ready.pop_front() {
            None if self.broken => Err(MalformedStream::TooLong),
            event => Ok(event),
        }
    }

    fn close(&mut self) {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if !text.is_empty() {
            self.ready.push_back(SseFrame {
                data: text.to_owned(),
                ..SseFrame::default()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]], limit: usize) -> (Vec<String>, bool) {
        let mut decoder = LineDecoder::new(limit);
        let mut json_lines = Vec::new();
        let mut broken = false;
        for piece in pieces {
            decoder.push(piece);
        }
        decoder.end();
        loop {
            match decoder.next_event() {
                Ok(Some(event)) => json_lines.push(event.data),
                Ok(None) => return (json_lines, broken),
                Err(MalformedStream::TooLong) => {
                    broken = true;
                    return (json_lines, broken);
                }
            }
        }
    }

    #[test]
    fn lines_are_complete_wherever_they_are_split() {
        let body = "{\"a\":\"ü\"}\r\n\n{\"b\":2}\n{\"c\":3}".as_bytes();
        let expected = (
            vec![
                "{\"a\":\"ü\"}".to_owned(),
                "{\"b\":2}".to_owned(),
                "{\"c\":3}".to_owned(),
            ],
            false,
        );
        for cut in 0..=body.len() {
            assert_eq!(lines(&[&body[..cut], &body[cut..]], 100), expected, "{cut}");
        }
        assert!(lines(&[b"{\"a\":1}\n", &[b'x'; 60], &[b'x'; 60]], 100).1);
    }
}
