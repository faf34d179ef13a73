//! Streams a run's events in the formats of the compatible APIs: first the text as it arrives, then the usage and
//! finish reason from the result. The stream of a failed run ends with an error event.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::compatible_hold::{HoldResult, wait_for_start};
use super::compatible_shape::{ClientApi, complete_answer};
use crate::app::analyses::{CancelOnDrop, Finished, PublishedEvent, RunOutcome, RunWatch};
use crate::app::completions::{Completion, StartedCompletion};
use crate::app::{Error, Kind};
use crate::clock;
use crate::domain::event::StreamDelta;
use crate::http::context::RequestContext;
use crate::http::error::{ApiError, ErrorFormat};
use crate::http::reply::Reply;
use crate::http::sse::{self, SseEvent};
use crate::wire::serve_openai::{self as openai, ChunkFrame};
use crate::wire::{
    serve_anthropic as anthropic, serve_completions as completions, serve_gemini as gemini,
    serve_responses as responses,
};

/// The stream format of an API, and the state of the encoder.
pub(super) enum StreamDialect {
    Chat {
        frame: ChunkFrame,
        usage: bool,
        progress: bool,
    },
    Completions {
        frame: ChunkFrame,
        usage: bool,
    },
    Responses(responses::ResponseEvents),
    Messages(anthropic::MessageEvents),
    Gemini(ChunkFrame),
}

impl StreamDialect {
    pub fn new(api: ClientApi, frame: ChunkFrame, usage: bool, progress: bool) -> Self {
        match api {
            ClientApi::Chat => Self::Chat {
                frame,
                usage,
                progress,
            },
            ClientApi::Completions => Self::Completions { frame, usage },
            ClientApi::Responses => Self::Responses(responses::ResponseEvents::new(frame)),
            ClientApi::Messages => Self::Messages(anthropic::MessageEvents::new(frame)),
            ClientApi::Gemini => Self::Gemini(frame),
        }
    }

    /// Returns the events at the start of a stream.
    fn start_events(&mut self) -> Vec<SseEvent> {
        match self {
            Self::Chat { frame, .. } => vec![unnamed_event(&openai::first_chunk(frame))],
            Self::Completions { frame, .. } => {
                vec![unnamed_event(&completions::first_chunk(frame))]
            }
            Self::Responses(events) => named_events(events.start_events()),
            Self::Messages(events) => vec![named_event(events.start_event())],
            Self::Gemini(_) => Vec::new(),
        }
    }

    fn text(&mut self, text: &str) -> Vec<SseEvent> {
        match self {
            Self::Chat { frame, .. } => vec![unnamed_event(&openai::text_chunk(frame, text))],
            Self::Completions { frame, .. } => {
                vec![unnamed_event(&completions::text_chunk(frame, text))]
            }
            Self::Responses(events) => named_events(events.text_events(text)),
            Self::Messages(events) => named_events(events.text_events(text)),
            Self::Gemini(frame) => vec![unnamed_event(&gemini::text_frame(frame, text))],
        }
    }

    /// Returns the events for reasoning text. A model's own reasoning (`is_own`) is sent in every format that supports
    /// it. A panel's progress is sent as reasoning only if requested, and only in chat completions, whose clients
    /// display it without configuration.
    fn reasoning(&mut self, text: &str, is_own: bool) -> Vec<SseEvent> {
        match self {
            _ if text.is_empty() => Vec::new(),
            Self::Chat {
                frame, progress, ..
            } if *progress || is_own => vec![unnamed_event(&openai::reasoning_chunk(frame, text))],
            Self::Responses(events) if is_own => named_events(events.reasoning_events(text)),
            Self::Messages(events) if is_own => named_events(events.reasoning_events(text)),
            Self::Gemini(frame) if is_own => {
                let reasoning = gemini::reasoning_frame(frame, text);
                reasoning.iter().map(unnamed_event).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the events at the end of a reasoning block. They contain the signature that the vendor requires in the
    /// next turn.
    fn reasoning_end(&mut self, item: &Value) -> Vec<SseEvent> {
        match self {
            Self::Responses(events) => named_events(events.reasoning_end_events(item)),
            Self::Messages(events) => named_events(events.reasoning_end_events(item)),
            // In these formats, the signature is part of the end of the stream.
            Self::Chat { .. } | Self::Completions { .. } | Self::Gemini(_) => Vec::new(),
        }
    }

    /// Returns the events at the end of a successful stream: tool calls, finish reason, and usage.
    fn end_events(&mut self, completion: &Completion) -> Vec<SseEvent> {
        match self {
            Self::Chat { frame, usage, .. } => {
                let trailing =
                    openai::trailing_chunks(frame, &completion.calls, &completion.extras);
                let mut events: Vec<SseEvent> = trailing.iter().map(unnamed_event).collect();
                events.push(unnamed_event(&openai::finish_chunk(
                    frame,
                    completion.finish_reason,
                )));
                if *usage {
                    events.push(unnamed_event(&openai::usage_chunk(
                        frame,
                        &completion.usage,
                    )));
                }
                events.push(done_event());
                events
            }
            Self::Completions { frame, usage } => {
                let mut events = vec![unnamed_event(&completions::finish_chunk(
                    frame,
                    completion.finish_reason,
                ))];
                if *usage {
                    events.push(unnamed_event(&completions::usage_chunk(
                        frame,
                        &completion.usage,
                    )));
                }
                events.push(done_event());
                events
            }
            Self::Responses(events) => {
                events.complete_at(clock::now().millis() / 1_000);
                named_events(events.end_events(&complete_answer(completion)))
            }
            Self::Messages(events) => named_events(events.end_events(&complete_answer(completion))),
            Self::Gemini(frame) => vec![unnamed_event(&gemini::end_frame(
                frame,
                &complete_answer(completion),
            ))],
        }
    }

    /// Returns the events at the end of a failed stream.
    fn error_events(&mut self, error: &ApiError, request_id: &str) -> Vec<SseEvent> {
        match self {
            Self::Chat { .. } | Self::Completions { .. } => {
                vec![unnamed_event(
                    &error.vendor_body(ErrorFormat::OpenAi, request_id),
                )]
            }
            Self::Gemini(_) => vec![unnamed_event(
                &error.vendor_body(ErrorFormat::Gemini, request_id),
            )],
            Self::Responses(events) => {
                let body = error.vendor_body(ErrorFormat::OpenAi, request_id);
                let text = |field: &str| {
                    body["error"][field]
                        .as_str()
                        .unwrap_or("api_error")
                        .to_owned()
                };
                vec![named_event(
                    events.failure_event(&text("type"), &text("message")),
                )]
            }
            Self::Messages(_) => {
                let body = error.vendor_body(ErrorFormat::Anthropic, request_id);
                vec![named_event(("error", body))]
            }
        }
    }
}

/// Returns the `[DONE]` event, which ends OpenAI's streams.
fn done_event() -> SseEvent {
    SseEvent {
        id: None,
        name: "".into(),
        data: "[DONE]".to_owned(),
    }
}

fn unnamed_event(body: &impl Serialize) -> SseEvent {
    SseEvent {
        id: None,
        name: "".into(),
        data: encode_data(body),
    }
}

fn encode_data(body: &impl Serialize) -> String {
    // Serializing texts, numbers, and JSON values cannot fail.
    serde_json::to_string(body).unwrap_or_default()
}

fn named_event((name, body): (&'static str, Value)) -> SseEvent {
    SseEvent {
        id: None,
        name: name.into(),
        data: encode_data(&body),
    }
}

fn named_events(events: Vec<(&'static str, Value)>) -> Vec<SseEvent> {
    events.into_iter().map(named_event).collect()
}

/// Returns the error for a stream that is still running when the server stops.
fn server_stopped_error() -> Error {
    let why = "the server stopped before the answer was complete";
    Error::new(Kind::Unavailable, why)
}

fn interrupted_error() -> Error {
    let why = "the answer was cut off";
    Error::new(Kind::UpstreamFailed, why)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamPhase {
    Opening,
    Body,
    Ended,
}

/// The stream of a run to a client.
pub(super) struct CompletionStream {
    request_id: Arc<str>,
    watch: RunWatch,
    /// Stops the run when the client disconnects.
    guard: Option<CancelOnDrop>,
    /// Events received while the response headers were held back.
    held: Vec<Arc<PublishedEvent>>,
    run: Option<Finished>,
    outcome: Option<Arc<RunOutcome>>,
    dialect: StreamDialect,
    is_panel: bool,
    /// Whether the request goes to a single model unchanged. That model's own reasoning is then forwarded.
    is_passthrough: bool,
    phase: StreamPhase,
    /// Whether any text of the answer has been sent.
    text_sent: bool,
}

impl CompletionStream {
    pub fn new(
        cx: &RequestContext,
        started: StartedCompletion,
        watch: RunWatch,
        dialect: StreamDialect,
    ) -> Self {
        Self {
            request_id: cx.id.clone(),
            watch,
            guard: started.run.guard,
            held: Vec::new(),
            run: Some(started.run.finished),
            outcome: None,
            dialect,
            is_panel: started.is_panel,
            is_passthrough: started.is_passthrough,
            phase: StreamPhase::Opening,
            text_sent: false,
        }
    }

    /// Waits for the first token of a single model, so that a failure before it gets a response with its own status:
    /// clients do not retry a stream that starts with status 200 and ends with an error. The call's timeout limits the
    /// wait. For a panel, returns immediately.
    ///
    /// # Errors
    /// Returns the run's error if it ends without an answer; `Unavailable` if the server stops.
    pub async fn wait_for_first_token(&mut self) -> Result<(), ApiError> {
        if self.is_panel {
            return Ok(());
        }
        match wait_for_start(&mut self.watch, &mut self.held).await {
            HoldResult::Started => Ok(()),
            HoldResult::Stopped => Err(server_stopped_error().into()),
            HoldResult::Ended => {
                let outcome = self
                    .wait_for_outcome()
                    .await
                    .ok_or_else(server_stopped_error)?;
                Completion::from_outcome(&outcome, self.is_passthrough)?;
                Ok(())
            }
        }
    }

    /// Returns the stream as a response.
    pub fn reply(self, cx: &RequestContext) -> Reply {
        // Events are sent immediately, because the run's journal already coalesces them.
        sse::stream_immediately(cx, self, |mut stream| async move {
            let events = stream.next().await?;
            Some((events, stream))
        })
    }

    async fn next(&mut self) -> Option<Vec<SseEvent>> {
        match self.phase {
            StreamPhase::Ended => return None,
            StreamPhase::Opening => {
                self.phase = StreamPhase::Body;
                return Some(self.dialect.start_events());
            }
            StreamPhase::Body => {}
        }
        loop {
            let held_events = std::mem::take(&mut self.held);
            // The stream fails if the events cannot be read, or if the run will be resumed after a restart.
            let next = match held_events.is_empty() {
                true => self.watch.next().await.ok().flatten(),
                false => Some(held_events),
            };
            let Some(next_event) = next else {
                return Some(self.fail_stream(&server_stopped_error().into()));
            };
            let mut events = Vec::new();
            for delta in next_event.iter().filter_map(|event| event.delta()) {
                match delta {
                    StreamDelta::Text(text) => {
                        self.text_sent |= !text.is_empty();
                        events.extend(self.dialect.text(&text));
                    }
                    StreamDelta::End => {
                        events.extend(self.end_stream().await);
                        return Some(events);
                    }
                    // A new answer starts, but the text already sent cannot be retracted.
                    StreamDelta::Restart if self.text_sent => {
                        drop(self.guard.take());
                        events.extend(self.fail_stream(&interrupted_error().into()));
                        return Some(events);
                    }
                    // Reasoning and progress are sent only before the first text, because they would interrupt the
                    // answer.
                    delta if !self.text_sent => events.extend(self.preamble(&delta)),
                    _ => {}
                }
            }
            if !events.is_empty() {
                return Some(events);
            }
        }
    }

    /// Returns the events for reasoning or progress, which are sent before the answer.
    fn preamble(&mut self, delta: &StreamDelta<'_>) -> Vec<SseEvent> {
        match delta {
            StreamDelta::Reasoning(text, item) if !self.is_panel => {
                let mut events = self.dialect.reasoning(text, true);
                if let Some(item) = item {
                    events.extend(self.dialect.reasoning_end(item));
                }
                events
            }
            StreamDelta::Progress(line) if self.is_panel => self.dialect.reasoning(line, false),
            _ => Vec::new(),
        }
    }

    /// Waits for the run's outcome. Returns `None` if the server stops before there is one.
    async fn wait_for_outcome(&mut self) -> Option<Arc<RunOutcome>> {
        if let Some(finished) = self.run.take() {
            self.outcome = finished.wait_for_outcome().await.map(Arc::from);
        }
        self.outcome.clone()
    }

    async fn end_stream(&mut self) -> Vec<SseEvent> {
        self.phase = StreamPhase::Ended;
        let Some(outcome) = self.wait_for_outcome().await else {
            return self.fail_stream(&server_stopped_error().into());
        };
        match Completion::from_outcome(&outcome, self.is_passthrough) {
            Ok(completion) => {
                let mut events = Vec::new();
                // A vote sends no text before its result, so the whole answer is sent here.
                if !self.text_sent && !completion.text.is_empty() {
                    events.extend(self.dialect.text(&completion.text));
                }
                events.extend(self.dialect.end_events(&completion));
                events
            }
            Err(error) => self.fail_stream(&error.into()),
        }
    }

    fn fail_stream(&mut self, error: &ApiError) -> Vec<SseEvent> {
        self.phase = StreamPhase::Ended;
        self.dialect.error_events(error, &self.request_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_does_not_look_like_a_regular_end() {
        let frame = ChunkFrame {
            id: "x".into(),
            model: "m".into(),
            created: 1,
            ..ChunkFrame::default()
        };
        let error: ApiError = Error::new(Kind::TooFast, "slow down").into();
        for (api, name, words) in [
            (ClientApi::Chat, "", "rate_limit_exceeded"),
            (ClientApi::Responses, "response.failed", "slow down"),
            (ClientApi::Messages, "error", "rate_limit_error"),
        ] {
            let mut dialect = StreamDialect::new(api, frame.clone(), true, false);
            let events = dialect.error_events(&error, "7");
            let last = events.last().expect("one");
            assert_eq!(last.name, name);
            assert!(
                last.data.contains(words) && !last.data.contains("[DONE]"),
                "{last:?}"
            );
            assert_eq!(events.len(), 1);
        }
    }
}
