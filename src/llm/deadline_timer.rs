//! A single timer for all deadlines of a connection. Deadlines usually move later, so the timer stays set to an earlier
//! one, and is set again when it fires. A new chunk of an answer thus needs no timer operation.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::Sleep;

use crate::clock;

/// A timer for successive deadlines.
pub(super) struct DeadlineTimer(Option<Pin<Box<Sleep>>>);

impl DeadlineTimer {
    /// Creates a timer that is not set.
    pub fn new() -> Self {
        Self(None)
    }

    /// Completes once the deadline has passed.
    pub fn poll_until(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self
            .0
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into())));
        if deadline < sleep.deadline().into_std() {
            sleep.as_mut().reset(deadline.into());
        }
        loop {
            match sleep.as_mut().poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) if clock::instant() >= deadline => return Poll::Ready(()),
                Poll::Ready(()) => sleep.as_mut().reset(deadline.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Waker;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn deadlines_may_move_both_ways() {
        let start = clock::instant();
        let long = start + Duration::from_secs(600);
        let mut timer = DeadlineTimer::new();
        let mut context = Context::from_waker(Waker::noop());
        assert!(timer.poll_until(long, &mut context).is_pending());
        let short = start + Duration::from_millis(20);
        poll_fn(|context| timer.poll_until(short, context)).await;
        assert!(clock::instant() >= short);
        assert!(timer.poll_until(long, &mut context).is_pending());
        let past = start;
        poll_fn(|context| timer.poll_until(past, context)).await;
    }
}
