//! Runs one call, from request to result, on its own thread, and records its usage.

use std::sync::Arc;

use super::attempt;
use super::call_request::{CallAttempt, CallRequest, catch_panic};
use super::transport::CancelSlot;
use super::usage_meter::UsageMeter;
use super::{LlmInner, demo, transport_error};
use crate::domain::chat::{Answer, CallBill, CallError, CallErrorKind, Delta, ModelRequest};

/// Runs a call to its end. `send` receives the pieces.
///
/// # Errors
///
/// When the model does not exist, the call is canceled or out of time, or the provider fails.
pub(super) fn run(
    inner: &LlmInner,
    wanted: &CallRequest,
    slot: &Arc<CancelSlot>,
    send: &mut dyn FnMut(Delta),
    bill: &mut CallBill,
) -> Result<Answer, CallError> {
    if slot.is_cancelled() {
        return Err(transport_error::cancelled());
    }
    let mut meter = UsageMeter::new(wanted, send);
    slot.enter();
    let result = catch_panic(|| match wanted.entry {
        Some((entry, name)) => {
            let attempt = CallAttempt {
                inner,
                entry,
                provider: &entry.provider,
                name,
                call: wanted,
                request: wanted.request,
                slot,
            };
            attempt::ask(&attempt, &mut meter)
        }
        None if inner.settings.demo && wanted.request.model.starts_with("demo/") => {
            run_demo(inner, wanted.request, slot, &mut meter)
        }
        None => Err(CallError::new(
            CallErrorKind::Unavailable,
            "the model is no longer configured",
        )),
    });
    CancelSlot::leave();
    *bill = meter.bill();
    // The outcome of a canceled call is arbitrary: "peer disconnected", or even a regular end.
    if slot.is_cancelled() {
        Err(transport_error::cancelled())
    } else {
        result
    }
}

fn run_demo(
    inner: &LlmInner,
    request: &ModelRequest,
    slot: &CancelSlot,
    meter: &mut UsageMeter,
) -> Result<Answer, CallError> {
    meter.begin_attempt();
    let answer = demo::answer(&request.model, request)?;
    for piece in answer.text.split_inclusive([' ', '\n']) {
        if slot.wait_or_cancelled(inner.settings.demo_pause) {
            break;
        }
        meter.add_piece(Delta::Text(piece.to_owned()));
    }
    meter.end_with_answer(&answer.usage);
    Ok(answer)
}
