//! Where a call's pieces and its one end go. Holds the call back while its reader is behind, and lets go
//! when the call is cancelled meanwhile.

use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::CallEvent;
use super::transport::CancelSlot;
use crate::domain::chat::{Answer, CallBill, CallError, CallErrorKind, Delta};

/// Between two looks whether the reader has made room: the first, and the longest.
const LOOKS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));

/// One call's way to its reader.
#[derive(Clone)]
pub(super) struct EventSink {
    key: u64,
    tell: Sender<(u64, CallEvent)>,
}

impl EventSink {
    pub fn new(key: u64, tell: Sender<(u64, CallEvent)>) -> Self {
        Self { key, tell }
    }

    /// Passes a piece on. Of a cancelled call nothing is; a reader that is gone cancels it.
    pub fn pass(&self, delta: Delta, slot: &CancelSlot) {
        let mut event = (self.key, CallEvent::Delta(delta));
        let mut look = LOOKS.0;
        loop {
            event = match self.tell.try_send(event) {
                Ok(()) => return,
                Err(TrySendError::Closed(_)) => return slot.cancel(),
                Err(TrySendError::Full(event)) => event,
            };
            if slot.pause(look) {
                return;
            }
            look = (look * 2).min(LOOKS.1);
        }
    }

    /// Passes the end on, however long the reader takes: it comes exactly once. Not for the runtime.
    pub fn finish(&self, result: Result<Answer, CallError>, bill: CallBill) {
        let bill = Box::new(bill);
        let event = CallEvent::Finished { result, bill };
        let _ = self.tell.blocking_send((self.key, event));
    }

    /// The end of a call that could not begin. Never blocks.
    pub fn refuse(self) {
        let error = CallError::new(
            CallErrorKind::Unavailable,
            "too many calls are waiting already",
        );
        let bill = Box::default();
        let result = Err(error);
        let event = (self.key, CallEvent::Finished { result, bill });
        if let Err(TrySendError::Full(event)) = self.tell.try_send(event) {
            // Without even this thread the reader sees the channel close instead.
            let tell = self.tell;
            let _ = std::thread::Builder::new()
                .name("quire-call-end".into())
                .stack_size(64 * 1024)
                .spawn(move || tell.blocking_send(event).is_ok());
        }
    }
}
