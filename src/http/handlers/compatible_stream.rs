//! The events of a run as the streams of other APIs. Text as it comes; at the end what only the stored result
//! knows. A run that fails is never passed on as a clean end.

use std::sync::Arc;

use serde_json::Value;

use super::compatible_hold::{HoldEnd, until_begun};
use super::compatible_shape::{ClientApi, said};
use crate::app::analyses::{Begun, CancelOnDrop, Finished, PublishedEvent, RunOutcome, RunWatch};
use crate::app::completions::Completion;
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

/// How a stream is written.
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
    Responses(responses::Events),
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
            ClientApi::Responses => Self::Responses(responses::Events::new(frame)),
            ClientApi::Messages => Self::Messages(anthropic::MessageEvents::new(frame)),
            ClientApi::Gemini => Self::Gemini(frame),
        }
    }

    fn opening(&mut self) -> Vec<SseEvent> {
        match self {
            Self::Chat { frame, .. } => vec![bare(&openai::opening(frame))],
            Self::Completions { frame, .. } => vec![bare(&completions::opening(frame))],
            Self::Responses(events) => named(events.opening()),
            Self::Messages(events) => vec![name(events.opening())],
            Self::Gemini(_) => Vec::new(),
        }
    }

    fn text(&mut self, text: &str) -> Vec<SseEvent> {
        match self {
            Self::Chat { frame, .. } => vec![bare(&openai::piece(frame, text))],
            Self::Completions { frame, .. } => vec![bare(&completions::piece(frame, text))],
            Self::Responses(events) => named(events.piece(text)),
            Self::Messages(events) => named(events.piece(text)),
            Self::Gemini(frame) => vec![bare(&gemini::piece(frame, text))],
        }
    }

    // A model's own reasoning always, a panel's progress where it was asked for; and only in the one API whose
    // clients show it without being told how.
    fn thought(&mut self, text: &str, is_own: bool) -> Vec<SseEvent> {
        match self {
            _ if text.is_empty() => Vec::new(),
            Self::Chat {
                frame, progress, ..
            } if *progress || is_own => vec![bare(&openai::thought(frame, text))],
            Self::Responses(events) if is_own => named(events.thought(text)),
            Self::Messages(events) if is_own => named(events.thought(text)),
            Self::Gemini(frame) if is_own => {
                let thought = gemini::thought(frame, text);
                thought.iter().map(bare).collect()
            }
            _ => Vec::new(),
        }
    }

    // The end of a block of reasoning, as its vendor wants it back.
    fn sealed(&mut self, item: &Value) -> Vec<SseEvent> {
        match self {
            Self::Responses(events) => named(events.sealed(item)),
            Self::Messages(events) => named(events.sealed(item)),
            // At the end, all together.
            Self::Chat { .. } | Self::Completions { .. } | Self::Gemini(_) => Vec::new(),
        }
    }

    fn ending(&mut self, done: &Completion) -> Vec<SseEvent> {
        match self {
            Self::Chat { frame, usage, .. } => {
                let behind = openai::behind(frame, &done.calls, &done.extras);
                let mut events: Vec<SseEvent> = behind.iter().map(bare).collect();
                events.push(bare(&openai::ending(frame, done.finish)));
                if *usage {
                    events.push(bare(&openai::counted(frame, &done.usage)));
                }
                events.push(done_event());
                events
            }
            Self::Completions { frame, usage } => {
                let mut events = vec![bare(&completions::ending(frame, done.finish))];
                if *usage {
                    events.push(bare(&completions::counted(frame, &done.usage)));
                }
                events.push(done_event());
                events
            }
            Self::Responses(events) => {
                events.complete_at(clock::now().millis() / 1_000);
                named(events.ending(&said(done)))
            }
            Self::Messages(events) => named(events.ending(&said(done))),
            Self::Gemini(frame) => vec![bare(&gemini::ending(frame, &said(done)))],
        }
    }

    fn failure(&mut self, error: &ApiError, request_id: &str) -> Vec<SseEvent> {
        match self {
            Self::Chat { .. } | Self::Completions { .. } => {
                vec![bare(&error.foreign_body(ErrorFormat::OpenAi, request_id))]
            }
            Self::Gemini(_) => vec![bare(&error.foreign_body(ErrorFormat::Gemini, request_id))],
            Self::Responses(events) => {
                let body = error.foreign_body(ErrorFormat::OpenAi, request_id);
                let text = |name: &str| {
                    body["error"][name]
                        .as_str()
                        .unwrap_or("api_error")
                        .to_owned()
                };
                vec![name(events.failure(&text("type"), &text("message")))]
            }
            Self::Messages(_) => {
                let body = error.foreign_body(ErrorFormat::Anthropic, request_id);
                vec![name(("error", body))]
            }
        }
    }
}

fn done_event() -> SseEvent {
    SseEvent {
        id: None,
        name: "".into(),
        data: "[DONE]".to_owned(),
    }
}

fn bare(body: &Value) -> SseEvent {
    SseEvent {
        id: None,
        name: "".into(),
        data: body.to_string(),
    }
}

fn name((name, body): (&'static str, Value)) -> SseEvent {
    SseEvent {
        id: None,
        name: name.into(),
        data: body.to_string(),
    }
}

fn named(events: Vec<(&'static str, Value)>) -> Vec<SseEvent> {
    events.into_iter().map(name).collect()
}

fn stopped() -> Error {
    let why = "the server stopped before the answer's end";
    Error::new(Kind::Unavailable, why)
}

fn broken_off() -> Error {
    let why = "the answer broke off before its end";
    Error::new(Kind::UpstreamFailed, why)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamPhase {
    Opening,
    Body,
    Over,
}

/// A run that is passed on.
pub(super) struct CompletionStream {
    request_id: Arc<str>,
    watch: RunWatch,
    // Stops the run when the client leaves.
    guard: Option<CancelOnDrop>,
    /// Events that came while the headers were held back.
    held: Vec<Arc<PublishedEvent>>,
    finished: Option<Finished>,
    ended: Option<Arc<RunOutcome>>,
    tongue: StreamDialect,
    is_panel: bool,
    /// The model's own reasoning is shown.
    passed_on: bool,
    phase: StreamPhase,
    said: bool,
}

impl CompletionStream {
    pub fn new(
        cx: &RequestContext,
        Begun {
            finished, guard, ..
        }: Begun,
        watch: RunWatch,
        tongue: StreamDialect,
        (is_panel, passed_on): (bool, bool),
    ) -> Self {
        Self {
            request_id: cx.id.clone(),
            watch,
            guard,
            held: Vec::new(),
            finished: Some(finished),
            ended: None,
            tongue,
            is_panel,
            passed_on,
            phase: StreamPhase::Opening,
            said: false,
        }
    }

    /// Waits for the first piece of a single model's answer, so that a failure before it has a status of its own
    /// instead of a stream's. The call's own time limit ends the wait: a status of 200 that is followed by an error
    /// would keep clients from trying again.
    ///
    /// # Errors
    /// Why there will be no answer.
    pub async fn wait_for_answer(&mut self) -> Result<(), ApiError> {
        if self.is_panel {
            return Ok(());
        }
        match until_begun(&mut self.watch, &mut self.held).await {
            HoldEnd::Begun => Ok(()),
            HoldEnd::Stopped => Err(stopped().into()),
            HoldEnd::Over => {
                let ended = self.ended().await.ok_or_else(stopped)?;
                Completion::of(&ended, self.passed_on)?;
                Ok(())
            }
        }
    }

    /// The stream as an answer.
    pub fn reply(self, cx: &RequestContext) -> Reply {
        // The journal of a run joins what comes within a blink.
        sse::at_once(cx, self, |mut following| async move {
            let events = following.next().await?;
            Some((events, following))
        })
    }

    async fn next(&mut self) -> Option<Vec<SseEvent>> {
        match self.phase {
            StreamPhase::Over => return None,
            StreamPhase::Opening => {
                self.phase = StreamPhase::Body;
                return Some(self.tongue.opening());
            }
            StreamPhase::Body => {}
        }
        loop {
            let held = std::mem::take(&mut self.held);
            // A store that cannot answer, or a run left for the next start, is no clean end.
            let next = match held.is_empty() {
                true => self.watch.next().await.ok().flatten(),
                false => Some(held),
            };
            let Some(events) = next else {
                return Some(self.fail(&stopped().into()));
            };
            let mut told = Vec::new();
            for delta in events.iter().filter_map(|event| event.delta()) {
                match delta {
                    StreamDelta::Text(text) => {
                        self.said |= !text.is_empty();
                        told.extend(self.tongue.text(&text));
                    }
                    StreamDelta::End => {
                        told.extend(self.end().await);
                        return Some(told);
                    }
                    // Another answer starts, and what was sent of this one cannot be retracted.
                    StreamDelta::Restart if self.said => {
                        drop(self.guard.take());
                        told.extend(self.fail(&broken_off().into()));
                        return Some(told);
                    }
                    // After the answer's first text it would cut the answer in two.
                    delta if !self.said => told.extend(self.aside(&delta)),
                    _ => {}
                }
            }
            if !told.is_empty() {
                return Some(told);
            }
        }
    }

    // What is shown before the answer starts.
    fn aside(&mut self, delta: &StreamDelta<'_>) -> Vec<SseEvent> {
        match delta {
            StreamDelta::Reasoning(text, item) if !self.is_panel => {
                let mut told = self.tongue.thought(text, true);
                if let Some(item) = item {
                    told.extend(self.tongue.sealed(item));
                }
                told
            }
            StreamDelta::Progress(line) if self.is_panel => self.tongue.thought(line, false),
            _ => Vec::new(),
        }
    }

    // How the run ended. None when the server stopped first.
    async fn ended(&mut self) -> Option<Arc<RunOutcome>> {
        if let Some(finished) = self.finished.take() {
            self.ended = finished.outcome().await.map(Arc::new);
        }
        self.ended.clone()
    }

    async fn end(&mut self) -> Vec<SseEvent> {
        self.phase = StreamPhase::Over;
        let Some(ended) = self.ended().await else {
            return self.fail(&stopped().into());
        };
        match Completion::of(&ended, self.passed_on) {
            Ok(done) => {
                let mut told = Vec::new();
                // Votes are counted and not written: the answer is there all at once.
                if !self.said && !done.text.is_empty() {
                    told.extend(self.tongue.text(&done.text));
                }
                told.extend(self.tongue.ending(&done));
                told
            }
            Err(error) => self.fail(&error.into()),
        }
    }

    fn fail(&mut self, error: &ApiError) -> Vec<SseEvent> {
        self.phase = StreamPhase::Over;
        self.tongue.failure(error, &self.request_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_no_clean_end() {
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
            let mut tongue = StreamDialect::new(api, frame.clone(), true, false);
            let events = tongue.failure(&error, "7");
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
