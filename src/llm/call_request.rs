//! A requested call, and one attempt to make it.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::call_origin::CallOrigin;
use super::cancel_slot::CancelSlot;
use super::registry::RegisteredProvider;
use super::{LlmInner, Provider};
use crate::clock;
use crate::domain::chat::{CallError, CallErrorKind, ModelRequest};

/// One attempt to send a call to its provider.
pub(super) struct CallAttempt<'a> {
    pub inner: &'a LlmInner,
    pub entry: &'a RegisteredProvider,
    pub provider: &'a Provider,
    pub name: &'a str,
    pub call: &'a CallRequest<'a>,
    /// The request of this attempt: the original one, or one that asks for a corrected answer.
    pub request: &'a Arc<ModelRequest>,
    pub slot: &'a CancelSlot,
}

impl CallAttempt<'_> {
    pub fn time_left(&self) -> Duration {
        self.call.time_left()
    }
}

/// Returns the timeout for listing a provider's models, which is shorter than the timeout of a call.
pub(super) fn list_timeout(inner: &LlmInner) -> Duration {
    inner.settings.connect * 2
}

/// A call to be made: the model, the messages, and the limits that apply.
pub(super) struct CallRequest<'a> {
    pub request: &'a Arc<ModelRequest>,
    /// When the call was requested. Time spent in the queue counts toward the deadline.
    pub queued_at: Instant,
    /// Hashes of the user and the prompt, for the circuit breaker.
    pub origin: CallOrigin,
    /// The provider and its name for the model; `None` for demo models and for models that no longer exist.
    pub entry: Option<(&'a RegisteredProvider, &'a str)>,
}

/// Runs a call and converts a panic to an error, so that a bug in parsing one answer does not affect other calls.
///
/// # Errors
///
/// Returns the call's own error, or `Malformed` after a panic.
pub(super) async fn catch_panic<T>(
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let mut call = pin!(call);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(unreadable_error())))
    })
    .await
}

/// Returns the error for an answer that Quire cannot read.
pub(super) fn unreadable_error() -> CallError {
    CallError::new(CallErrorKind::Malformed, "the answer could not be read")
}

impl CallRequest<'_> {
    /// Returns the time that is left for the whole call.
    pub fn time_left(&self) -> Duration {
        let elapsed = clock::instant().saturating_duration_since(self.queued_at);
        self.request.deadline.saturating_sub(elapsed)
    }
}
