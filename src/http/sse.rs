//! Server-sent events going out: a body that asks its source for the next events, joins what is there
//! into one write, and says something now and then while there is nothing. Keeps no queue: a client that
//! does not read makes its source wait.

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

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// What a client that comes back says it has seen; `None` for an event that cannot be resumed from.
    pub id: Option<u64>,
    /// The `event:` field; left out where it is empty.
    pub name: Cow<'static, str>,
    /// The `data:` field, JSON in one line.
    pub data: String,
}

/// A stream of events as an answer. `next` takes the state and gives some events with the next state, or
/// `None` at the end. It is called again only when the client has taken what came before. The stream
/// also ends when the server stops; a client then comes back with the last id.
pub fn stream<S, F, Fut>(cx: &RequestContext, state: S, next: F) -> Reply
where
    S: Send + 'static,
    F: FnMut(S) -> Fut + Send + 'static,
    Fut: Future<Output = Option<(Vec<SseEvent>, S)>> + Send + 'static,
{
    open(cx, state, next, JOIN)
}

/// The same for a source that joins events itself: each is written as soon as it is there.
pub fn at_once<S, F, Fut>(cx: &RequestContext, state: S, next: F) -> Reply
where
    S: Send + 'static,
    F: FnMut(S) -> Fut + Send + 'static,
    Fut: Future<Output = Option<(Vec<SseEvent>, S)>> + Send + 'static,
{
    open(cx, state, next, Duration::ZERO)
}

fn open<S, F, Fut>(cx: &RequestContext, state: S, next: F, join: Duration) -> Reply
where
    S: Send + 'static,
    F: FnMut(S) -> Fut + Send + 'static,
    Fut: Future<Output = Option<(Vec<SseEvent>, S)>> + Send + 'static,
{
    let events = SseEvents {
        next,
        join,
        source: SseSource::Ready(state),
        // Due at once: the first bytes tell the client, and every proxy, that the stream is open.
        alarm: Box::pin(sleep(Duration::ZERO)),
        shared: cx.shared.clone(),
    };
    Reply::live(events)
        .header(CONTENT_TYPE, "text/event-stream; charset=utf-8")
        .header(CACHE_CONTROL, "no-store, no-transform")
        .header(HeaderName::from_static("x-accel-buffering"), "no")
}

/// A comment this often keeps proxies from closing a silent stream.
const ALIVE: Duration = Duration::from_secs(15);
/// Events that come within this after a write are joined into the next one.
const JOIN: Duration = Duration::from_millis(40);

struct SseEvents<S, F, Fut> {
    next: F,
    join: Duration,
    source: SseSource<S, Fut>,
    alarm: Pin<Box<Sleep>>,
    shared: Arc<SharedState>,
}

enum SseSource<S, Fut> {
    /// To be asked.
    Ready(S),
    /// To be asked when the alarm goes off.
    Resting(S),
    /// Asked.
    Waiting(Pin<Box<Fut>>),
    Ended,
}

// The future is boxed, and nothing else in here is ever pinned.
impl<S, F, Fut> Unpin for SseEvents<S, F, Fut> {}

impl<S, F, Fut> SseEvents<S, F, Fut> {
    fn rest(&mut self, length: Duration) {
        self.alarm.set(sleep(length));
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
            if this.shared.stopping.load(Relaxed) {
                return Poll::Ready(None);
            }
            match std::mem::replace(&mut this.source, SseSource::Ended) {
                SseSource::Ended => return Poll::Ready(None),
                SseSource::Resting(state) => {
                    if this.alarm.as_mut().poll(context).is_pending() {
                        this.source = SseSource::Resting(state);
                        return Poll::Pending;
                    }
                    this.rest(ALIVE);
                    this.source = SseSource::Ready(state);
                }
                SseSource::Ready(state) => {
                    this.source = SseSource::Waiting(Box::pin((this.next)(state)))
                }
                SseSource::Waiting(mut asked) => match asked.as_mut().poll(context) {
                    Poll::Ready(None) => return Poll::Ready(None),
                    Poll::Ready(Some((events, state))) => {
                        this.source = match this.join.is_zero() {
                            true => SseSource::Ready(state),
                            false => SseSource::Resting(state),
                        };
                        this.rest(if this.join.is_zero() {
                            ALIVE
                        } else {
                            this.join
                        });
                        if !events.is_empty() {
                            return Poll::Ready(Some(Ok(Frame::data(written(&events)))));
                        }
                    }
                    Poll::Pending => {
                        this.source = SseSource::Waiting(asked);
                        ready!(this.alarm.as_mut().poll(context));
                        this.rest(ALIVE);
                        return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b":\n\n")))));
                    }
                },
            }
        }
    }
}

fn written(events: &[SseEvent]) -> Bytes {
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
    fn the_wire_format() {
        let event = |id, name: &'static str, data: &str| SseEvent {
            id,
            name: name.into(),
            data: data.to_owned(),
        };
        let events = [event(Some(7), "a.b", "{}"), event(None, "c", "1\r\n2")];
        assert_eq!(
            written(&events),
            "id: 7\nevent: a.b\ndata: {}\n\nevent: c\ndata: 1\ndata: 2\n\n"
        );
    }
}
