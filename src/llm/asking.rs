//! A call as requested, and one attempt of it at a provider.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::registry::{CallOrigin, RegisteredProvider};
use super::transport::CancelSlot;
use super::{Inner, Provider};
use crate::clock;
use crate::domain::chat::{CallError, CallErrorKind, ModelRequest};

/// One attempt of a call at its provider.
pub(super) struct CallAttempt<'a> {
    pub inner: &'a Inner,
    pub entry: &'a RegisteredProvider,
    pub provider: &'a Provider,
    pub name: &'a str,
    pub wanted: &'a CallRequest<'a>,
    /// What is asked: the wanted request, or one to mend its answer.
    pub request: &'a ModelRequest,
    pub slot: &'a Arc<CancelSlot>,
}

impl CallAttempt<'_> {
    pub fn left(&self) -> Duration {
        self.wanted.left()
    }
}

/// How long listing models may take: shorter than a call.
pub(super) fn patience(inner: &Inner) -> Duration {
    inner.settings.connect * 2
}

/// A call as it was requested.
pub(super) struct CallRequest<'a> {
    pub request: &'a ModelRequest,
    /// When it was wanted: waiting in line counts.
    pub asked: Instant,
    /// Who wants it, and what it asks.
    pub origin: CallOrigin,
    /// Who is to be asked, and the model's name there; none for demo models and for those that are gone.
    pub entry: Option<(&'a RegisteredProvider, &'a str)>,
}

/// Runs a call and turns a panic into an error, so that a bug in reading one answer does not affect others.
///
/// # Errors
/// The call's own, or `Malformed` after a panic.
pub(super) fn guarded<T>(call: impl FnOnce() -> Result<T, CallError>) -> Result<T, CallError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        Err(CallError::new(
            CallErrorKind::Malformed,
            "the answer could not be read",
        ))
    })
}

impl CallRequest<'_> {
    /// What is left of the time that the whole call may take.
    pub fn left(&self) -> Duration {
        let gone = clock::instant().saturating_duration_since(self.asked);
        self.request.deadline.saturating_sub(gone)
    }
}
