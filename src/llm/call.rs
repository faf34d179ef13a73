//! One call, from request to result, on a thread of its own, and what it took.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::attempt::{self, CallAttempt};
use super::meter::UsageMeter;
use super::registry::{CallOrigin, RegisteredProvider};
use super::transport::CancelSlot;
use super::{Inner, demo, fault};
use crate::clock;
use crate::domain::chat::{Answer, CallBill, CallError, CallErrorKind, Delta, ModelRequest};

/// A call as it was wanted.
pub(super) struct CallRequest<'a> {
    pub request: &'a ModelRequest,
    /// When it was wanted: waiting in line counts.
    pub asked: Instant,
    /// Who wants it, and what it asks.
    pub origin: CallOrigin,
    /// Who is to be asked, and the model's name there; none for demo models and for those that are gone.
    pub entry: Option<(&'a RegisteredProvider, &'a str)>,
}

/// Runs a call to its end. `send` receives the pieces.
pub(super) fn run(
    inner: &Inner,
    wanted: &CallRequest,
    slot: &Arc<CancelSlot>,
    send: &mut dyn FnMut(Delta),
    bill: &mut CallBill,
) -> Result<Answer, CallError> {
    if slot.is_cancelled() {
        return Err(fault::cancelled());
    }
    let mut meter = UsageMeter::new(wanted, send);
    slot.enter();
    let result = guarded(|| match wanted.entry {
        Some((entry, name)) => {
            let asking = CallAttempt {
                inner,
                entry,
                provider: &entry.provider,
                name,
                wanted,
                request: wanted.request,
                slot,
            };
            attempt::ask(&asking, &mut meter)
        }
        None if inner.settings.demo && wanted.request.model.starts_with("demo/") => {
            play(inner, wanted.request, slot, &mut meter)
        }
        None => Err(CallError::new(
            CallErrorKind::Unavailable,
            "the model is not configured any more",
        )),
    });
    CancelSlot::leave();
    *bill = meter.bill();
    // What a cancelled call says of itself is chance: "peer disconnected", or even a clean end.
    if slot.is_cancelled() {
        Err(fault::cancelled())
    } else {
        result
    }
}

/// A fault of ours in one answer must not take others with it.
pub(super) fn guarded<T>(call: impl FnOnce() -> Result<T, CallError>) -> Result<T, CallError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        Err(CallError::new(
            CallErrorKind::Malformed,
            "the answer could not be read",
        ))
    })
}

fn play(
    inner: &Inner,
    request: &ModelRequest,
    slot: &CancelSlot,
    meter: &mut UsageMeter,
) -> Result<Answer, CallError> {
    meter.begin();
    let answer = demo::answer(&request.model, request)?;
    for piece in answer.text.split_inclusive([' ', '\n']) {
        if slot.pause(inner.settings.demo_pause) {
            break;
        }
        meter.take(Delta::Text(piece.to_owned()));
    }
    meter.answered(&answer.usage);
    Ok(answer)
}

impl CallRequest<'_> {
    /// What is left of the time that the whole call may take.
    pub fn left(&self) -> Duration {
        let gone = clock::instant().saturating_duration_since(self.asked);
        self.request.deadline.saturating_sub(gone)
    }
}
