//! Receives a provider's response: a stream of events, one complete answer, or an invalid body.

use std::io::Read;
use std::time::Duration;

use flate2::read::{MultiGzDecoder, ZlibDecoder};

use super::output_estimate::AnswerProgress;
use super::transport::CancelSlot;
use super::transport_error;
use crate::clock;
use crate::domain::chat::{CallError, Delta};
use crate::wire::sse::{self, MalformedStream, SseFrame};
use crate::wire::{AnswerDecoder, json_lines};

/// Maximum size of an answer, in bytes: far more than any model writes.
pub(super) const MAX_ANSWER: usize = 8 << 20;
/// Maximum size of one event, and of an error body, in bytes.
pub(super) const MAX_EVENT: usize = 1 << 20;

/// First bytes of every gzip stream, and of no text.
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

/// First bytes of a zlib stream (`deflate` in HTTP), and of no UTF-8 text.
const ZLIB_MAGIC: [&[u8]; 2] = [&[0x78, 0x9c], &[0x78, 0xda]];

/// Whether bytes are compressed. Quire does not request compression, but some servers send it anyway.
fn is_compressed(first: &[u8]) -> bool {
    first.starts_with(GZIP_MAGIC) || ZLIB_MAGIC.iter().any(|mark| first.starts_with(mark))
}

/// Decompresses a body.
fn decompress<'a>(first: &'a [u8], rest: impl Read + 'a) -> Box<dyn Read + 'a> {
    let packed = first.chain(rest);
    match first.starts_with(GZIP_MAGIC) {
        true => Box::new(MultiGzDecoder::new(packed)),
        false => Box::new(ZlibDecoder::new(packed)),
    }
}

/// Reads until the answer is complete. `send` receives its pieces; pieces that arrive together are joined.
///
/// # Errors
///
/// When the connection breaks, the call is canceled or out of time, or the response is not an answer.
pub(super) fn receive(
    reader: &mut dyn Read,
    stream: &mut AnswerDecoder,
    content_type: &str,
    slot: &CancelSlot,
    send: &mut dyn FnMut(Delta),
) -> Result<(), CallError> {
    if content_type.contains("html") {
        return Err(transport_error::web_page());
    }
    let mut buffer = [0; 4 * 1024];
    let mut decoder = FrameDecoder::of(stream);
    let (mut total, mut gauge) = (0, AnswerProgress::default());
    while !stream.is_over() && !slot.is_cancelled() && !slot.is_cut() {
        let read = match read_piece(reader, &mut buffer, total) {
            Ok(0) => break,
            Ok(read) => read,
            // Only usage was still missing.
            Err(_) if stream.is_complete() || slot.is_cut() => break,
            Err(error) => return Err(transport_error::io_error_in_answer(&error)),
        };
        let piece = &buffer[..read];
        if total == 0 {
            if is_compressed(piece) {
                let mut text = decompress(piece, reader).take(MAX_ANSWER as u64 + 1);
                return receive(&mut text, stream, content_type, slot, send);
            }
            // Servers set wrong content types; the first character is reliable.
            match piece.iter().find(|byte| !byte.is_ascii_whitespace()) {
                Some(b'{' | b'[') if decoder.are_events() => {
                    return read_whole_answer(piece, reader, stream, send);
                }
                Some(b'<') => return Err(transport_error::web_page()),
                _ => {}
            }
        }
        total += read;
        if total > MAX_ANSWER {
            return Err(transport_error::too_large());
        }
        decoder.push(piece);
        let mut joined = JoinedDeltas::default();
        while let Some(event) = decoder
            .next_event()
            .map_err(|_| transport_error::event_too_large())?
        {
            for delta in stream.push(&event) {
                gauge.add(&delta);
                joined.add(delta, send);
            }
            if !slot.allows(gauge.tokens(stream.argument_bytes())) {
                slot.cut_off();
                break;
            }
        }
        joined.flush(send);
    }
    if slot.is_cut() && !slot.is_cancelled() {
        return Ok(());
    }
    decoder.end();
    while let Some(event) = decoder
        .next_event()
        .map_err(|_| transport_error::event_too_large())?
    {
        stream.push(&event).into_iter().for_each(&mut *send);
    }
    match total {
        _ if slot.is_cancelled() => Err(transport_error::cancelled()),
        0 => Err(transport_error::empty_body()),
        _ if !decoder.looks_like_stream() => Err(transport_error::not_a_stream()),
        _ => Ok(()),
    }
}

/// How long the end of a response may take after the end of the answer in it: usually both come together.
const END_TIMEOUT: Duration = Duration::from_millis(10);
/// Maximum number of bytes read after the answer.
const MAX_END: usize = 16 * 1024;

/// Reads the rest of a response, so that its connection can be reused. One that does not end soon is closed instead.
pub(super) fn read_to_end(reader: &mut dyn Read, slot: &CancelSlot) {
    let mut buffer = [0; 1024];
    let mut left = MAX_END;
    slot.set_read_deadline(clock::instant() + END_TIMEOUT);
    while left > 0 && !slot.is_cancelled() && !slot.is_cut() {
        match reader.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(read) => left = left.saturating_sub(read),
        }
    }
}

/// Reads the next bytes; at the beginning, enough to recognize compression.
fn read_piece(reader: &mut dyn Read, buffer: &mut [u8], total: usize) -> std::io::Result<usize> {
    let read = reader.read(buffer)?;
    if total == 0 && read == 1 && matches!(buffer[0], 0x1f | 0x78) {
        return Ok(read + reader.read(&mut buffer[1..])?);
    }
    Ok(read)
}

/// Splits a response into frames, by API format.
enum FrameDecoder {
    Events(sse::SseDecoder),
    Lines(json_lines::LineDecoder),
}

impl FrameDecoder {
    fn of(stream: &AnswerDecoder) -> Self {
        match stream.kind().sends_lines() {
            true => Self::Lines(json_lines::LineDecoder::new(MAX_EVENT)),
            false => Self::Events(sse::SseDecoder::new(MAX_EVENT)),
        }
    }

    fn are_events(&self) -> bool {
        matches!(self, Self::Events(_))
    }

    fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Events(decoder) => decoder.push(bytes),
            Self::Lines(decoder) => decoder.push(bytes),
        }
    }

    fn end(&mut self) {
        match self {
            Self::Events(decoder) => decoder.end(),
            Self::Lines(decoder) => decoder.end(),
        }
    }

    fn next_event(&mut self) -> Result<Option<SseFrame>, MalformedStream> {
        match self {
            Self::Events(decoder) => decoder.next_event(),
            Self::Lines(decoder) => decoder.next_event(),
        }
    }

    /// Whether the response looks like a stream of this format.
    fn looks_like_stream(&self) -> bool {
        match self {
            Self::Events(decoder) => decoder.is_sensible(),
            // An invalid line is detected when it is parsed.
            Self::Lines(_) => true,
        }
    }
}

fn read_whole_answer(
    first: &[u8],
    reader: &mut dyn Read,
    stream: &mut AnswerDecoder,
    send: &mut dyn FnMut(Delta),
) -> Result<(), CallError> {
    let text = read_whole(&mut first.chain(reader))?;
    stream.push_whole(&text).into_iter().for_each(send);
    Ok(())
}

/// Reads a complete body, which must not be empty.
///
/// # Errors
///
/// When the body is empty or too large, or the connection breaks.
pub(super) fn read_whole(reader: &mut dyn Read) -> Result<String, CallError> {
    let mut bytes = Vec::new();
    let limited = &mut reader.take(MAX_ANSWER as u64 + 1);
    let read = limited.read_to_end(&mut bytes);
    read.map_err(|error| transport_error::io_error_in_answer(&error))?;
    let mut text = Vec::new();
    if is_compressed(&bytes) {
        let read = decompress(&bytes, std::io::empty())
            .take(MAX_ANSWER as u64 + 1)
            .read_to_end(&mut text);
        read.map_err(|error| transport_error::io_error_in_answer(&error))?;
        bytes = text;
    }
    if bytes.is_empty() {
        return Err(transport_error::empty_body());
    }
    if bytes.len() > MAX_ANSWER {
        return Err(transport_error::too_large());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads an error body as far as possible: only the status is essential.
pub(super) fn read_error_body(reader: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = reader.take(MAX_EVENT as u64).read_to_end(&mut bytes);
    let mut text = Vec::new();
    if is_compressed(&bytes) {
        let _ = decompress(&bytes, std::io::empty())
            .take(MAX_EVENT as u64)
            .read_to_end(&mut text);
        bytes = text;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Joins adjacent pieces of one kind: a provider that sends forty events at once must not cause forty wake-ups.
#[derive(Default)]
struct JoinedDeltas(Option<Delta>);

impl JoinedDeltas {
    fn add(&mut self, delta: Delta, send: &mut dyn FnMut(Delta)) {
        match (&mut self.0, delta) {
            (Some(Delta::Text(held)), Delta::Text(more))
            | (Some(Delta::Reasoning(held)), Delta::Reasoning(more)) => held.push_str(&more),
            (held, delta) => {
                if let Some(before) = held.replace(delta) {
                    send(before);
                }
            }
        }
    }

    fn flush(self, send: &mut dyn FnMut(Delta)) {
        self.0.into_iter().for_each(send);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::chat::CallErrorKind;
    use crate::wire::ApiFormat;

    fn receive_all(body: &[u8], content_type: &str) -> (Vec<Delta>, Result<(), CallErrorKind>) {
        let mut deltas = Vec::new();
        let mut body = body;
        let result = receive(
            &mut body,
            &mut AnswerDecoder::new(ApiFormat::OpenAi),
            content_type,
            &CancelSlot::default(),
            &mut |delta| deltas.push(delta),
        );
        (deltas, result.map_err(|error| error.kind))
    }

    const RECORDED_EVENTS: &str = include_str!("../../tests/data/streams/deepseek-reasoning.sse");

    #[test]
    fn pieces_that_arrive_together_are_joined() {
        let (deltas, result) = receive_all(RECORDED_EVENTS.as_bytes(), "text/event-stream");
        assert_eq!(result, Ok(()));
        // One piece per read of 4 KiB, and one more where reasoning turns into text.
        assert!(
            deltas.len() <= RECORDED_EVENTS.len() / 4096 + 2,
            "{}",
            deltas.len()
        );
        let text: String = deltas
            .iter()
            .filter_map(|delta| match delta {
                Delta::Text(text) => Some(text.as_str()),
                Delta::Reasoning(_) | Delta::ReasoningBlock(_) | Delta::Restart => None,
            })
            .collect();
        assert_eq!(text, "Hello there! 😊 How can I help you today?");
    }

    #[test]
    fn non_stream_responses_are_recognized() {
        use CallErrorKind::*;
        let mut endless = vec![b'x'; MAX_EVENT + 1];
        endless.extend(b"\n\n");
        for (name, body, kind, expected) in [
            (
                "events, whatever they are called",
                RECORDED_EVENTS.as_bytes(),
                "application/json",
                Ok(()),
            ),
            ("nothing", b"".as_slice(), "text/event-stream", Err(Empty)),
            ("a page", b"\n <!doctype html>", "", Err(Malformed)),
            (
                "a page by name",
                b"data: x\n\n",
                "text/html; charset=utf-8",
                Err(Malformed),
            ),
            (
                "prose",
                b"Hello, I am a server.\n\nBye.\n",
                "text/plain",
                Err(Malformed),
            ),
            ("bytes", &[0, 159, 146, 150], "", Err(Malformed)),
            ("a line without end", &endless, "", Err(Malformed)),
            ("only comments", b": processing\n\n", "", Ok(())),
            (
                "one JSON object",
                b" {\"choices\":[]}",
                "text/plain",
                Ok(()),
            ),
        ] {
            assert_eq!(receive_all(body, kind).1, expected, "{name}");
        }
    }

    #[test]
    fn a_complete_answer_ends_without_the_end_of_the_stream() {
        let event = format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
            "x".repeat(4000)
        );
        let endless = event.repeat(MAX_ANSWER / event.len() + 1);
        assert_eq!(
            receive_all(endless.as_bytes(), "").1,
            Err(CallErrorKind::TooLarge)
        );
    }
}
