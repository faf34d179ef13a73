//! Server-sent event streams: a response body that polls its source for events, coalesces them into fewer writes, and
//! sends keep-alive comments while there are none. Events are not queued: while a client does not read, its source is
//! not polled.

use std::borrow::Cow;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use tokio::time::{Sleep, sleep};

use super::context::RequestContext;
use super::reply::Reply;
use super::shared::SharedState;

/// One server-sent event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// The `id:` field, which the client sends as `Last-Event-ID` when it reconnects. `None` if the stream cannot be
    /// resumed after this event.
    pub id: Option<u64>,
    /// The `event:` field, which is omitted if the name is empty.
    pub name: Cow<'static, str>,
    /// The `data:` field, one line of JSON.
    pub data: String,
}

/// Creates a response that streams events, coalesced over 40 ms. `next` takes a state and returns the next events with
/// a new state, or `None` at the end. It is called again only after the client has read the previous events. The stream
/// also ends when the server begins to stop; clients then reconnect with the last ID.
pub fn stream<S, F, Fut>(cx: &RequestContext, state: S, next: F) -> Reply
where
    S: Send + 'static,
    F: FnMut(S) -> Fut + Send + 'static,
    Fut: Future<Output = Option<(Vec<SseEvent>, S)>> + Send + 'static,
{
    response(cx, state, next, COALESCE_WINDOW, true)
}

/// Creates a response that streams events without coalescing them, for a source that already coalesces them, to a client
/// that cannot resume the stream. While the server is stopping, the stream continues until the shutdown timeout: if it
/// ended regularly, the client would take an incomplete answer for a complete one.
pub fn stream_immediately<S, F, Fut>(cx: &RequestContext, state: S, next: F) -> Reply
where
    S: Send + 'static,
    F: FnMut(S) -> Fut + Send + 'static,
    Fut: Future<Output = Option<(Vec<SseEvent>, S)>> + Send + 'static,
{
    response(cx, state, next, Duration::ZERO, false)
}

fn response<S, F, Fut>(
    cx: &RequestContext,
    state: S,
    next: F,
    coalesce: Duration,
    ends_at_stop: bool,
) -> Reply
where
    S: Send + 'static,
    F: FnMut(S) -> Fut + Send + 'static,
    Fut: Future<Output = Option<(Vec<SseEvent>, S)>> + Send + 'static,
{
    let events = SseEvents {
        next_event: next,
        coalesce,
        ends_at_stop,
        source: SseSource::Ready(state),
        // The timer expires immediately. The first bytes are then sent at once and show the client and every proxy that
        // the stream is open.
        timer: Box::pin(sleep(Duration::ZERO)),
        shared: cx.shared.clone(),
    };
    Reply::streaming(events)
        .header(CONTENT_TYPE, "text/event-stream; charset=utf-8")
        .header(CACHE_CONTROL, "no-store, no-transform")
        .header(HeaderName::from_static("x-accel-buffering"), "no")
}

/// Interval of keep-alive comments, which prevent proxies from closing an idle stream.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// Events that arrive within this time after a write are coalesced into the next write.
const COALESCE_WINDOW: Duration = Duration::from_millis(40);

struct SseEvents<S, F, Fut> {
    next_event: F,
    coalesce: Duration,
    /// Whether the stream ends when the server begins to stop.
    ends_at_stop: bool,
    source: SseSource<S, Fut>,
    timer: Pin<Box<Sleep>>,
    shared: Arc<SharedState>,
}

enum SseSource<S, Fut> {
    /// The source may be polled now.
    Ready(S),
    /// The source is polled when the coalescing window ends.
    Coalescing(S),
    /// The source is being polled.
    Polling(Pin<Box<Fut>>),
    Ended,
}

// Moving the struct is safe, because the future is boxed and no other field is pinned.
impl<S, F, Fut> Unpin for SseEvents<S, F, Fut> {}

impl<S, F, Fut> SseEvents<S, F, Fut> {
    fn reset_timer(&mut self, delay: Duration) {
        self.timer.set(sleep(delay));
    }
}

impl<S, F, Fut> Body for SseEvents<S, F, Fut>
where
    F: FnMut(S) -> Fut,
    Fut: Future<Output = Option<(Vec<SseEvent>, S)>>,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        loop {
            if this.ends_at_stop && this.shared.stopping.load(Relaxed) {
                return Poll::Ready(None);
            }
            match std::mem::replace(&mut this.source, SseSource::Ended) {
                SseSource::Ended => return Poll::Ready(None),
                SseSource::Coalescing(state) => {
                    if this.timer.as_mut().poll(context).is_pending() {
                        this.source = SseSource::Coalescing(state);
                        return Poll::Pending;
                    }
                    this.reset_timer(KEEP_ALIVE_INTERVAL);
                    this.source = SseSource::Ready(state);
                }
                SseSource::Ready(state) => {
                    this.source = SseSource::Polling(Box::pin((this.next_event)(state)))
                }
                SseSource::Polling(mut pending) => match pending.as_mut().poll(context) {
                    Poll::Ready(None) => return Poll::Ready(None),
                    Poll::Ready(Some((events, state))) => {
                        this.source = match this.coalesce.is_zero() {
                            true => SseSource::Ready(state),
                            false => SseSource::Coalescing(state),
                        };
                        this.reset_timer(if this.coalesce.is_zero() {
                            KEEP_ALIVE_INTERVAL
                        } else {
                            this.coalesce
                        });
                        if !events.is_empty() {
                            return Poll::Ready(Some(Ok(Frame::data(encode(&events)))));
                        }
                    }
                    Poll::Pending => {
                        this.source = SseSource::Polling(pending);
                        ready!(this.timer.as_mut().poll(context));
                        this.reset_timer(KEEP_ALIVE_INTERVAL);
                        return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b":\n\n")))));
                    }
                },
            }
        }
    }
}

fn encode(events: &[SseEvent]) -> Bytes {
    let size = events.iter().map(|event| event.data.len() + 64).sum();
    let mut text = String::with_capacity(size);
    for event in events {
        if let Some(id) = event.id {
            text.push_str(&format!("id: {id}\n"));
        }
        if !event.name.is_empty() {
            text.push_str(&format!("event: {}\n", event.name));
        }
        for line in event.data.split('\n') {
            text.push_str("data: ");
            text.push_str(line.trim_end_matches('\r'));
            text.push('\n');
        }
        text.push('\n');
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_the_sse_format() {
        let event = |id, name: &'static str, data: &str| SseEvent {
            id,
            name: name.into(),
            data: data.to_owned(),
        };
        let events = [event(Some(7), "a.b", "{}"), event(None, "c", "1\r\n2")];
        assert_eq!(
            encode(&events),
            "id: 7\nevent: a.b\ndata: {}\n\nevent: c\ndata: 1\ndata: 2\n\n"
        );
    }
}
