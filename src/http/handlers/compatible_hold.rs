//! Holds a stream's headers back until an answer begins: no clock ends the wait, the call's own time limit does.

use std::sync::Arc;

use crate::app::analyses::{PublishedEvent, RunWatch};
use crate::domain::event::StreamDelta;

/// What a stream shows of an event.
pub(super) trait StreamedEvent {
    /// None where it shows nothing.
    fn shown(&self) -> Option<StreamDelta<'_>>;
}

impl StreamedEvent for Arc<PublishedEvent> {
    fn shown(&self) -> Option<StreamDelta<'_>> {
        self.delta()
    }
}

/// Where a run's events come from.
pub(super) trait EventSource {
    /// An event.
    type Event: StreamedEvent;

    /// The next events, at least one; none when the server stops.
    fn next_events(&mut self) -> impl Future<Output = Option<Vec<Self::Event>>> + Send;
}

impl EventSource for RunWatch {
    type Event = Arc<PublishedEvent>;

    async fn next_events(&mut self) -> Option<Vec<Self::Event>> {
        self.next().await.ok().flatten()
    }
}

/// What ended the wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HoldEnd {
    /// The first piece of text or reasoning.
    Begun,
    /// The end of the run, without a piece.
    Over,
    /// The server stops.
    Stopped,
}

/// Takes events into `held` until an answer begins or the run is over.
pub(super) async fn until_begun<S: EventSource>(
    events: &mut S,
    held: &mut Vec<S::Event>,
) -> HoldEnd {
    loop {
        let Some(more) = events.next_events().await else {
            return HoldEnd::Stopped;
        };
        let (mut begins, mut ends) = (false, false);
        for delta in more.iter().filter_map(StreamedEvent::shown) {
            begins |= matches!(delta, StreamDelta::Text(_) | StreamDelta::Reasoning(..));
            ends |= delta == StreamDelta::End;
        }
        held.extend(more);
        match (begins, ends) {
            (true, _) => return HoldEnd::Begun,
            (false, true) => return HoldEnd::Over,
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

    type Shown = Option<StreamDelta<'static>>;

    impl StreamedEvent for Shown {
        fn shown(&self) -> Option<StreamDelta<'_>> {
            self.clone()
        }
    }

    impl EventSource for UnboundedReceiver<Shown> {
        type Event = Shown;

        async fn next_events(&mut self) -> Option<Vec<Shown>> {
            Some(vec![self.recv().await?])
        }
    }

    /// What has ended the wait after each event; none while it goes on.
    fn waited(events: Vec<Shown>) -> Vec<Option<HoldEnd>> {
        // Without timers: a limit of time within the wait panics here.
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.build().unwrap();
        runtime.block_on(async {
            let (send, mut receive) = unbounded_channel();
            let (mut held, mut found) = (Vec::new(), Vec::new());
            let mut waiting = pin!(until_begun(&mut receive, &mut held));
            for event in events {
                send.send(event).unwrap();
                let now = poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))).await;
                match now {
                    Poll::Pending => found.push(None),
                    Poll::Ready(end) => {
                        found.push(Some(end));
                        break;
                    }
                }
            }
            found
        })
    }

    #[test]
    fn headers_wait_for_the_first_piece_and_no_clock_ends_the_wait() {
        let text = || Cow::Borrowed("It is thin.");
        for (last, end) in [
            (StreamDelta::Text(text()), HoldEnd::Begun),
            (StreamDelta::Reasoning(text(), None), HoldEnd::Begun),
            (StreamDelta::End, HoldEnd::Over),
        ] {
            let progress = StreamDelta::Progress("initial …\n".to_owned());
            let events = vec![
                None,
                Some(progress),
                Some(StreamDelta::Restart),
                Some(last.clone()),
            ];
            assert_eq!(waited(events), [None, None, None, Some(end)], "{last:?}");
        }
    }
}
