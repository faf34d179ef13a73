//! The cancellation state of a call, through which any holder can end the call at any time, no matter what it is
//! waiting for. It does not know about sockets: when a call ends early, its connection is dropped with it.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// The cancellation state and the output limit of a call.
#[derive(Default)]
pub(super) struct CancelSlot {
    cancelled: AtomicBool,
    is_cut_off: AtomicBool,
    /// Maximum number of output tokens; 0 means no limit.
    max_output: AtomicU64,
    changed: Notify,
}

impl CancelSlot {
    /// Cancels the call.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// Ends the call as soon as more than this many output tokens have arrived.
    pub fn limit_output(&self, tokens: u64) {
        self.max_output.store(tokens.max(1), Ordering::SeqCst);
    }

    /// Returns whether this number of output tokens is within the limit.
    pub fn allows(&self, tokens: u64) -> bool {
        let max_output = self.max_output.load(Ordering::SeqCst);
        max_output == 0 || tokens <= max_output
    }

    /// Ends the call and keeps the text received so far: the answer is truncated instead of discarded.
    pub fn cut_off(&self) {
        self.is_cut_off.store(true, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// Returns whether [`Self::cut_off`] was called.
    pub fn is_cut_off(&self) -> bool {
        self.is_cut_off.load(Ordering::SeqCst)
    }

    /// Completes when [`Self::cut_off`] is called.
    pub async fn wait_for_cut_off(&self) {
        self.wait_until(Self::is_cut_off).await;
    }

    /// Runs a future to completion. If the call is canceled first, drops the future and returns `None`.
    pub async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.wait_until(Self::is_cancelled) => None,
            done = work => Some(done),
        }
    }

    /// Sleeps for this long, or until the call is cut off. Returns whether the call was cut off.
    pub async fn pause(&self, length: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.wait_for_cut_off() => true,
            () = tokio::time::sleep(length) => false,
        }
    }

    async fn wait_until(&self, reached: impl Fn(&Self) -> bool) {
        loop {
            // Created before the flag is read, so that a notification between the two is not missed.
            let change_signal = self.changed.notified();
            if reached(self) {
                return;
            }
            change_signal.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const LONG_TIMEOUT: Duration = Duration::from_secs(600);

    #[tokio::test]
    async fn canceled_work_is_dropped() {
        let slot = Arc::new(CancelSlot::default());
        let other = slot.clone();
        let waiting_task =
            tokio::spawn(async move { other.unless_cancelled(other.pause(LONG_TIMEOUT)).await });
        tokio::task::yield_now().await;
        slot.cancel();
        assert_eq!(waiting_task.await.unwrap(), None);
        // The call has been canceled already, so the future never runs.
        assert_eq!(slot.unless_cancelled(async { 1 }).await, None);
    }

    #[tokio::test]
    async fn a_pause_ends_when_the_call_is_cut_off() {
        let slot = Arc::new(CancelSlot::default());
        let other = slot.clone();
        let waiting_task =
            tokio::spawn(async move { other.unless_cancelled(other.pause(LONG_TIMEOUT)).await });
        tokio::task::yield_now().await;
        slot.cut_off();
        assert_eq!(waiting_task.await.unwrap(), Some(true));
        assert!(!CancelSlot::default().pause(Duration::ZERO).await);
    }
}
