//! Sends a call's events to its reader. Blocks while the reader is behind, until the call is canceled.

use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::CallEvent;
use super::transport::CancelSlot;
use crate::domain::chat::{Answer, CallBill, CallError, CallErrorKind, Delta};

/// Intervals at which a full channel is polled: the first, and the maximum.
const POLL_INTERVALS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));

/// Sender of one call's events.
#[derive(Clone)]
pub(super) struct EventSink {
    key: u64,
    tell: Sender<(u64, CallEvent)>,
}

impl EventSink {
    pub fn new(key: u64, tell: Sender<(u64, CallEvent)>) -> Self {
        Self { key, tell }
    }

    /// Sends a piece. Drops it if the call is canceled; cancels the call if the reader is gone.
    pub fn send(&self, delta: Delta, slot: &CancelSlot) {
        let mut event = (self.key, CallEvent::Delta(delta));
        let mut interval = POLL_INTERVALS.0;
        loop {
            event = match self.tell.try_send(event) {
                Ok(()) => return,
                Err(TrySendError::Closed(_)) => return slot.cancel(),
                Err(TrySendError::Full(event)) => event,
            };
            if slot.wait_or_cancelled(interval) {
                return;
            }
            interval = (interval * 2).min(POLL_INTERVALS.1);
        }
    }

    /// Sends the end of the call, exactly once, and blocks until the reader has room. Must not be called on the async
    /// runtime.
    pub fn finish(&self, result: Result<Answer, CallError>, bill: CallBill) {
        let (result, bill) = (Box::new(result), Box::new(bill));
        let event = CallEvent::Finished { result, bill };
        let _ = self.tell.blocking_send((self.key, event));
    }

    /// Sends the end of a call that could not start. Never blocks.
    pub fn refuse(self) {
        let error = CallError::new(
            CallErrorKind::Unavailable,
            "too many calls are waiting already",
        );
        let bill = Box::default();
        let result = Box::new(Err(error));
        let event = (self.key, CallEvent::Finished { result, bill });
        if let Err(TrySendError::Full(event)) = self.tell.try_send(event) {
            // If this thread cannot start, the reader sees the channel close.
            let tell = self.tell;
            let _ = std::thread::Builder::new()
                .name("quire-call-end".into())
                .stack_size(64 * 1024)
                .spawn(move || tell.blocking_send(event).is_ok());
        }
    }
}
