//! Reads a provider's response, which may be an event stream, a complete answer, or something invalid.

use std::pin::pin;
use std::time::Duration;

use super::cancel_slot::CancelSlot;
use super::output_estimate::AnswerProgress;
use super::plain_body::{MAX_ANSWER, PieceSource, PlainBody};
use super::transport_error;
use crate::domain::chat::{CallError, Delta, Usage};
use crate::wire::sse::{self, MalformedStream, SseFrame};
use crate::wire::{AnswerDecoder, json_lines};

/// Maximum size of an event or an error body, in bytes.
pub(super) const MAX_EVENT_BYTES: usize = 1 << 20;
/// Minimum size, in bytes, of a text that is processed on another thread, because parsing it takes milliseconds.
pub(super) const LARGE_TEXT: usize = 256 << 10;

/// What has arrived of an answer besides its text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct StreamProgress {
    /// Length of the tool calls' arguments, in bytes.
    pub argument_bytes: usize,
    /// Usage as reported by the provider; 0 where it has reported nothing.
    pub reported: Usage,
    /// Whether the answer is complete and its usage has been reported, so that no estimate is needed.
    pub is_final: bool,
}

impl StreamProgress {
    fn of(stream: &AnswerDecoder) -> Self {
        let reported = stream.reported_usage();
        Self {
            argument_bytes: stream.argument_bytes(),
            reported,
            is_final: stream.is_complete() && reported.input > 0 && reported.output > 0,
        }
    }
}

/// Receives an answer as it arrives.
pub(super) trait AnswerSink {
    /// Records the progress of the answer, in case the call does not end regularly.
    fn record_progress(&mut self, progress: StreamProgress);
    /// Passes on a piece of the answer. May wait for a slow client.
    fn take(&mut self, delta: Delta) -> impl Future<Output = ()> + Send;
}

/// What is known about a response before its body is read.
pub(super) struct ResponseTraits<'a> {
    /// The media type, in lowercase.
    pub content_type: &'a str,
    /// Maximum time between the pieces of the answer.
    pub idle_timeout: Duration,
}

/// Reads a response until the answer is complete or the call is cut off. Passes the pieces of the answer to `sink`.
/// Pieces that arrive together are joined.
///
/// # Errors
///
/// Returns an error if the connection breaks, the call times out, or the response is not an answer.
pub(super) async fn receive(
    body: &mut PlainBody<impl PieceSource + Send>,
    stream: &mut AnswerDecoder,
    traits: &ResponseTraits<'_>,
    slot: &CancelSlot,
    sink: &mut (impl AnswerSink + Send),
) -> Result<(), CallError> {
    if traits.content_type.contains("html") {
        return Err(transport_error::web_page_error());
    }
    let mut piece = Vec::new();
    let mut decoder = FrameDecoder::of(stream);
    let (mut total, mut progress) = (0, AnswerProgress::default());
    let mut cut_signal = pin!(slot.wait_for_cut_off());
    while !stream.is_over() && !slot.is_cut_off() {
        let read = tokio::select! {
            biased;
            () = &mut cut_signal => break,
            read = body.read_piece(&mut piece) => read,
        };
        match read {
            Ok(0) => break,
            Ok(_) => {}
            // The answer is complete, and only its token usage was still missing.
            Err(_) if stream.is_complete() => break,
            Err(error) => return Err(error.into()),
        }
        if total == 0 {
            // Servers send wrong content types, but the first character of the body is reliable.
            match piece.iter().find(|byte| !byte.is_ascii_whitespace()) {
                Some(b'{' | b'[') if decoder.are_events() => {
                    return receive_complete(piece, (body, slot), stream, sink).await;
                }
                Some(b'<') => return Err(transport_error::web_page_error()),
                _ => {}
            }
        }
        total += piece.len();
        if total > MAX_ANSWER {
            return Err(transport_error::too_large());
        }
        decoder.push(&piece);
        if push_events(&mut decoder, stream, &mut progress, slot, sink).await? {
            // Time spent waiting for a slow client must not count as silence of the provider.
            body.allow(traits.idle_timeout);
        }
    }
    if slot.is_cut_off() {
        return Ok(());
    }
    decoder.end();
    push_events(&mut decoder, stream, &mut progress, slot, sink).await?;
    match total {
        0 => Err(transport_error::empty_body_error()),
        _ if !decoder.looks_like_stream() => Err(transport_error::not_a_stream()),
        _ => Ok(()),
    }
}

/// Passes on the pieces of the events that have arrived completely, and returns whether there were any. Cuts the call
/// off if the pieces exceed its limit.
///
/// # Errors
///
/// Returns an error if an event is too large.
async fn push_events(
    decoder: &mut FrameDecoder,
    stream: &mut AnswerDecoder,
    progress: &mut AnswerProgress,
    slot: &CancelSlot,
    sink: &mut (impl AnswerSink + Send),
) -> Result<bool, CallError> {
    let mut joined = JoinedDeltas::default();
    while let Some(event) = decoder.next_event()? {
        for delta in stream.push(&event) {
            progress.add(&delta);
            if let Some(before) = joined.add(delta) {
                // Recorded first, because the call may be canceled while it waits for its client.
                sink.record_progress(StreamProgress::of(stream));
                sink.take(before).await;
            }
        }
        if !slot.allows(progress.tokens(stream.argument_bytes())) {
            slot.cut_off();
            break;
        }
    }
    sink.record_progress(StreamProgress::of(stream));
    let Some(last) = joined.0 else {
        return Ok(false);
    };
    sink.take(last).await;
    Ok(true)
}

/// How long to wait for the end of a response after the end of its answer. Both usually arrive together.
const END_TIMEOUT: Duration = Duration::from_millis(10);
/// Maximum number of bytes to read after the answer.
const MAX_BYTES_AFTER_ANSWER: usize = 16 * 1024;

/// Reads the rest of a response, so that its connection can be reused. Gives up if the response does not end soon; its
/// connection is then closed.
pub(super) async fn read_to_end(source: &mut impl PieceSource) {
    let mut piece = Vec::new();
    source.allow(END_TIMEOUT);
    while piece.len() < MAX_BYTES_AFTER_ANSWER {
        match source.read_piece(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// Splits a response into frames, according to its API format.
enum FrameDecoder {
    Events(sse::SseDecoder),
    Lines(json_lines::LineDecoder),
}

impl FrameDecoder {
    fn of(stream: &AnswerDecoder) -> Self {
        match stream.kind().sends_lines() {
            true => Self::Lines(json_lines::LineDecoder::new(MAX_EVENT_BYTES)),
            false => Self::Events(sse::SseDecoder::new(MAX_EVENT_BYTES)),
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

    fn next_event(&mut self) -> Result<Option<SseFrame>, CallError> {
        let event = match self {
            Self::Events(decoder) => decoder.next_event(),
            Self::Lines(decoder) => decoder.next_event(),
        };
        event.map_err(|MalformedStream::TooLong| transport_error::event_too_large())
    }

    /// Returns whether the response looks like a stream in this format.
    fn looks_like_stream(&self) -> bool {
        match self {
            Self::Events(decoder) => decoder.looks_like_event_stream(),
            // An invalid line is detected later, when it is parsed.
            Self::Lines(_) => true,
        }
    }
}

async fn receive_complete(
    first: Vec<u8>,
    (body, slot): (&mut PlainBody<impl PieceSource + Send>, &CancelSlot),
    stream: &mut AnswerDecoder,
    sink: &mut (impl AnswerSink + Send),
) -> Result<(), CallError> {
    let text = tokio::select! {
        biased;
        () = slot.wait_for_cut_off() => return Ok(()),
        text = read_whole_after(first, body) => text?,
    };
    let mut decoder = std::mem::replace(stream, AnswerDecoder::new(stream.kind()));
    let (decoder, deltas) = without_blocking(text.len(), move || {
        let deltas = decoder.push_complete_response(&text);
        (decoder, deltas)
    })
    .await;
    *stream = decoder;
    sink.record_progress(StreamProgress::of(stream));
    for delta in deltas {
        sink.take(delta).await;
    }
    Ok(())
}

/// Reads a body to its end.
///
/// # Errors
///
/// Returns an error if the body is empty or too large, or if the connection breaks.
pub(super) async fn read_whole(
    body: &mut PlainBody<impl PieceSource + Send>,
) -> Result<String, CallError> {
    read_whole_after(Vec::new(), body).await
}

async fn read_whole_after(
    mut bytes: Vec<u8>,
    body: &mut PlainBody<impl PieceSource + Send>,
) -> Result<String, CallError> {
    let mut piece = Vec::new();
    while body.read_piece(&mut piece).await? > 0 {
        if bytes.len() + piece.len() > MAX_ANSWER {
            return Err(transport_error::too_large());
        }
        bytes.extend_from_slice(&piece);
    }
    match bytes.is_empty() {
        true => Err(transport_error::empty_body_error()),
        false => Ok(into_text(bytes)),
    }
}

/// Reads as much of an error body as possible. Read errors are ignored, because the status alone is enough.
pub(super) async fn read_error_body(body: &mut PlainBody<impl PieceSource + Send>) -> String {
    let (mut bytes, mut piece) = (Vec::new(), Vec::new());
    while bytes.len() < MAX_EVENT_BYTES
        && body.read_piece(&mut piece).await.is_ok_and(|read| read > 0)
    {
        bytes.extend_from_slice(&piece);
    }
    bytes.truncate(MAX_EVENT_BYTES);
    into_text(bytes)
}

fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Runs `work`, which processes a text of this many bytes. If the text is large, the work is done on another thread, so
/// that other calls are not delayed.
pub(super) async fn without_blocking<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if bytes < LARGE_TEXT {
        return work();
    }
    let work_result = tokio::task::spawn_blocking(work).await;
    work_result.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// Joins adjacent pieces of the same kind. Otherwise, forty events that were sent at once would cause forty wake-ups.
#[derive(Default)]
struct JoinedDeltas(Option<Delta>);

impl JoinedDeltas {
    /// Adds a piece. If the pending piece is of another kind, returns the pending one.
    fn add(&mut self, delta: Delta) -> Option<Delta> {
        match (&mut self.0, delta) {
            (Some(Delta::Text(held)), Delta::Text(more))
            | (Some(Delta::Reasoning(held)), Delta::Reasoning(more)) => {
                held.push_str(&more);
                None
            }
            (held, delta) => held.replace(delta),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::chat::CallErrorKind;
    use crate::llm::transport_error::ReadError;
    use crate::wire::ApiFormat;

    impl PieceSource for &[u8] {
        async fn read_piece(&mut self, piece: &mut Vec<u8>) -> Result<usize, ReadError> {
            let read = self.len().min(4096);
            piece.extend_from_slice(&self[..read]);
            *self = &self[read..];
            Ok(read)
        }

        fn allow(&mut self, _time: Duration) {}
    }

    impl AnswerSink for Vec<Delta> {
        fn record_progress(&mut self, _progress: StreamProgress) {}

        async fn take(&mut self, delta: Delta) {
            self.push(delta);
        }
    }

    async fn receive_all(
        body: &[u8],
        content_type: &str,
    ) -> (Vec<Delta>, Result<(), CallErrorKind>) {
        let mut deltas = Vec::new();
        let result = receive(
            &mut PlainBody::new(body),
            &mut AnswerDecoder::new(ApiFormat::OpenAi),
            &ResponseTraits {
                content_type,
                idle_timeout: Duration::ZERO,
            },
            &CancelSlot::default(),
            &mut deltas,
        )
        .await;
        (deltas, result.map_err(|error| error.kind))
    }

    /// A body that begins like a complete answer but never ends.
    struct EndlessAnswer(bool);

    impl PieceSource for EndlessAnswer {
        async fn read_piece(&mut self, piece: &mut Vec<u8>) -> Result<usize, ReadError> {
            if std::mem::replace(&mut self.0, true) {
                return std::future::pending().await;
            }
            piece.push(b'{');
            Ok(1)
        }

        fn allow(&mut self, _time: Duration) {}
    }

    #[tokio::test]
    async fn a_whole_answer_is_cut_off_before_its_end() {
        let (slot, mut deltas) = (CancelSlot::default(), Vec::new());
        let mut body = PlainBody::new(EndlessAnswer(false));
        let mut stream = AnswerDecoder::new(ApiFormat::OpenAi);
        let traits = ResponseTraits {
            content_type: "application/json",
            idle_timeout: Duration::ZERO,
        };
        let (received, ()) = tokio::join!(
            receive(&mut body, &mut stream, &traits, &slot, &mut deltas),
            async {
                tokio::task::yield_now().await;
                slot.cut_off();
            }
        );
        assert_eq!(received, Ok(()));
        assert!(deltas.is_empty());
    }

    const RECORDED_EVENTS: &str = include_str!("../../tests/data/streams/deepseek-reasoning.sse");

    #[tokio::test]
    async fn pieces_that_arrive_together_are_joined() {
        let (deltas, result) = receive_all(RECORDED_EVENTS.as_bytes(), "text/event-stream").await;
        assert_eq!(result, Ok(()));
        // One piece is expected per 4 KiB read, and one more where reasoning turns into text.
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

    #[tokio::test]
    async fn non_stream_responses_are_recognized() {
        use CallErrorKind::*;
        let mut endless = vec![b'x'; MAX_EVENT_BYTES + 1];
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
            assert_eq!(receive_all(body, kind).await.1, expected, "{name}");
        }
    }

    #[tokio::test]
    async fn a_complete_answer_ends_without_the_end_of_the_stream() {
        let event = format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
            "x".repeat(4000)
        );
        let endless = event.repeat(MAX_ANSWER / event.len() + 1);
        assert_eq!(
            receive_all(endless.as_bytes(), "").await.1,
            Err(CallErrorKind::TooLarge)
        );
    }
}
