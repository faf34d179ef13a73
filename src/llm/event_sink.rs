//! Sends a call's events to their reader. If the channel is full, waits.

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::CallEvent;
use super::cancel_slot::CancelSlot;
use crate::domain::chat::{Answer, CallBill, CallError, Delta};

/// Sends the events of one call.
pub(super) struct EventSink {
    key: u64,
    events: Sender<(u64, CallEvent)>,
}

impl EventSink {
    pub fn new(key: u64, events: Sender<(u64, CallEvent)>) -> Self {
        Self { key, events }
    }

    /// Sends a piece of the answer. If the reader is gone, cancels the call.
    pub async fn send(&self, delta: Delta, slot: &CancelSlot) {
        let event = (self.key, CallEvent::Delta(delta));
        let is_receiver_gone = match self.events.try_send(event) {
            Ok(()) => false,
            Err(TrySendError::Closed(_)) => true,
            Err(TrySendError::Full(event)) => self.events.send(event).await.is_err(),
        };
        if is_receiver_gone {
            slot.cancel();
        }
    }

    /// Sends the final event of the call, waiting until the channel has room.
    pub async fn finish(self, result: Result<Answer, CallError>, bill: CallBill) {
        let (result, bill) = (Box::new(result), Box::new(bill));
        let event = CallEvent::Finished { result, bill };
        let _ = self.events.send((self.key, event)).await;
    }
}
