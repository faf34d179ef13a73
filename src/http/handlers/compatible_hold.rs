//! Waits for the answer to start before the headers of a stream are sent. No timer is needed, because the call's
//! timeout also limits this wait.

use std::sync::Arc;

use crate::app::analyses::{PublishedEvent, RunWatch};
use crate::domain::event::StreamDelta;

/// An event of a run, of which clients see only the delta.
pub(super) trait StreamedEvent {
    /// Returns the delta to send, or `None` for an internal event.
    fn visible_delta(&self) -> Option<StreamDelta<'_>>;
}

impl StreamedEvent for Arc<PublishedEvent> {
    fn visible_delta(&self) -> Option<StreamDelta<'_>> {
        self.delta()
    }
}

/// A source of a run's events.
pub(super) trait EventSource {
    /// Type of the source's events.
    type Event: StreamedEvent;

    /// Waits for the next events. Returns at least one, or `None` if the server stops or the events cannot be read.
    fn next_events(&mut self) -> impl Future<Output = Option<Vec<Self::Event>>> + Send;
}

impl EventSource for RunWatch {
    type Event = Arc<PublishedEvent>;

    async fn next_events(&mut self) -> Option<Vec<Self::Event>> {
        self.next().await.ok().flatten()
    }
}

/// Why the wait for the answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HoldResult {
    /// The first text or reasoning has arrived.
    Started,
    /// The run ended before any text or reasoning.
    Ended,
    /// The server is stopping, or the events cannot be read.
    Stopped,
}

/// Waits until the answer starts or the run ends. Moves the events received meanwhile to `held`.
pub(super) async fn wait_for_start<S: EventSource>(
    events: &mut S,
    held: &mut Vec<S::Event>,
) -> HoldResult {
    loop {
        let Some(batch) = events.next_events().await else {
            return HoldResult::Stopped;
        };
        let (mut has_started, mut has_ended) = (false, false);
        for delta in batch.iter().filter_map(StreamedEvent::visible_delta) {
            has_started |= matches!(delta, StreamDelta::Text(_) | StreamDelta::Reasoning(..));
            has_ended |= delta == StreamDelta::End;
        }
        held.extend(batch);
        match (has_started, has_ended) {
            (true, _) => return HoldResult::Started,
            (false, true) => return HoldResult::Ended,
            (false, false) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    type VisibleDelta = Option<StreamDelta<'static>>;

    impl StreamedEvent for VisibleDelta {
        fn visible_delta(&self) -> Option<StreamDelta<'_>> {
            self.clone()
        }
    }

    impl EventSource for UnboundedReceiver<VisibleDelta> {
        type Event = VisibleDelta;

        async fn next_events(&mut self) -> Option<Vec<VisibleDelta>> {
            Some(vec![self.recv().await?])
        }
    }

    /// Returns the state of the wait after each event: its result, or `None` while it continues.
    fn wait_results(events: Vec<VisibleDelta>) -> Vec<Option<HoldResult>> {
        // This runtime has no timers, so a timer in the function under test would panic.
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.build().unwrap();
        runtime.block_on(async {
            let (send, mut receive) = unbounded_channel();
            let (mut held_events, mut results) = (Vec::new(), Vec::new());
            let mut wait = pin!(wait_for_start(&mut receive, &mut held_events));
            for event in events {
                send.send(event).unwrap();
                let now = poll_fn(|context| Poll::Ready(wait.as_mut().poll(context))).await;
                match now {
                    Poll::Pending => results.push(None),
                    Poll::Ready(end) => {
                        results.push(Some(end));
                        break;
                    }
                }
            }
            results
        })
    }

    #[test]
    fn without_a_timeout_headers_wait_for_the_first_piece() {
        let text = || Cow::Borrowed("It is thin.");
        for (last, end) in [
            (StreamDelta::Text(text()), HoldResult::Started),
            (StreamDelta::Reasoning(text(), None), HoldResult::Started),
            (StreamDelta::End, HoldResult::Ended),
        ] {
            let progress = StreamDelta::Progress("initial …\n".to_owned());
            let events = vec![
                None,
                Some(progress),
                Some(StreamDelta::Restart),
                Some(last.clone()),
            ];
            assert_eq!(
                wait_results(events),
                [None, None, None, Some(end)],
                "{last:?}"
            );
        }
    }
}
