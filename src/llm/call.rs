//! One call, from request to result, on a thread of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::exchange::{ask_once, models_once};
use super::retry::{self, Failure};
use super::transport::CancelSlot;
use super::{Inner, Provider, demo, fault};
use crate::clock;
use crate::domain::chat::{Answer, CallError, CallErrorKind, Delta, Request};

/// Fields that a model may refuse one after the other before the call is given up.
const MOST_REFUSALS: usize = 4;

/// A call as it was wanted.
pub(super) struct Wanted<'a> {
    pub request: &'a Request,
    /// When it was wanted: waiting in line counts.
    pub asked: Instant,
    /// The caller's number for it.
    pub key: u64,
}

/// Runs a call to its end. `send` receives the pieces.
pub(super) fn run(
    inner: &Inner,
    wanted: &Wanted,
    slot: &Arc<CancelSlot>,
    send: &mut dyn FnMut(Delta),
) -> Result<Answer, CallError> {
    if slot.is_cancelled() {
        return Err(fault::cancelled());
    }
    let request = wanted.request;
    slot.enter();
    let result = guarded(|| match inner.provider_of(&request.model) {
        Some((provider, name)) => {
            let asking = Asking {
                inner,
                provider,
                name,
                wanted,
                slot,
            };
            ask(&asking, send)
        }
        None if inner.settings.demo && request.model.starts_with("demo/") => {
            play(inner, request, slot, send)
        }
        None => Err(CallError::new(
            CallErrorKind::Unavailable,
            "the model is not configured any more",
        )),
    });
    CancelSlot::leave();
    // What a cancelled call says of itself is chance: "peer disconnected", or even a clean end.
    if slot.is_cancelled() {
        Err(fault::cancelled())
    } else {
        result
    }
}

fn guarded<T>(call: impl FnOnce() -> Result<T, CallError>) -> Result<T, CallError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        Err(CallError::new(
            CallErrorKind::Malformed,
            "the answer could not be read",
        ))
    })
}

fn play(
    inner: &Inner,
    request: &Request,
    slot: &CancelSlot,
    send: &mut dyn FnMut(Delta),
) -> Result<Answer, CallError> {
    let answer = demo::answer(&request.model, request)?;
    for piece in answer.text.split_inclusive([' ', '\n']) {
        if slot.pause(inner.settings.demo_pause) {
            break;
        }
        send(Delta::Text(piece.to_owned()));
    }
    Ok(answer)
}

/// A call at its provider.
pub(super) struct Asking<'a> {
    pub inner: &'a Inner,
    pub provider: &'a Provider,
    pub name: &'a str,
    pub wanted: &'a Wanted<'a>,
    pub slot: &'a Arc<CancelSlot>,
}

impl Asking<'_> {
    pub fn left(&self) -> Duration {
        let gone = clock::instant().saturating_duration_since(self.wanted.asked);
        self.wanted.request.deadline.saturating_sub(gone)
    }
}

/// Models change faster than any table of what they take: a field that one refuses is left out, and the
/// model remembered by it. What may pass is tried again, unless something of the answer has been shown.
fn ask(asking: &Asking, send: &mut dyn FnMut(Delta)) -> Result<Answer, CallError> {
    let inner = asking.inner;
    let mut taste = inner.taste(asking.provider, asking.name);
    let (mut tries, mut shown) = (0, false);
    loop {
        let mut show = |delta| {
            shown = true;
            send(delta);
        };
        let failed = match ask_once(asking, &taste, &mut show) {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        if let Some(field) = failed.unwelcome
            && taste.refused.len() < MOST_REFUSALS
            && !taste.refused.contains(&field)
        {
            inner.remember_refusal(&asking.wanted.request.model, &field);
            taste.refused.push(field);
            continue;
        }
        let mut error = failed.error;
        let (left, spread) = (asking.left(), asking.wanted.key);
        let failure = Failure {
            error: &error,
            tries,
            left,
            spread,
        };
        match retry::pause(&failure, &inner.settings).filter(|_| !shown && !failed.lasting) {
            Some(wait) if !asking.slot.pause(wait) => tries += 1,
            _ => {
                if tries > 0 {
                    error.detail += &format!(" (asked {} times)", tries + 1);
                }
                return Err(error);
            }
        }
    }
}

/// The names of a provider's models, by its own list.
pub(super) fn models(
    inner: &Inner,
    provider: &Provider,
    slot: &Arc<CancelSlot>,
) -> Result<Vec<String>, CallError> {
    slot.enter();
    let begun = clock::instant();
    let mut tries = 0;
    let result = loop {
        let error = match guarded(|| models_once(inner, provider)) {
            Ok(names) => break Ok(names),
            Err(failed) => failed,
        };
        let gone = clock::instant().saturating_duration_since(begun);
        let left = patience(inner).saturating_sub(gone);
        let failure = Failure {
            error: &error,
            tries,
            left,
            spread: 0,
        };
        match retry::pause(&failure, &inner.settings) {
            Some(wait) if !slot.pause(wait) => tries += 1,
            _ => break Err(error),
        }
    };
    CancelSlot::leave();
    result
}

/// For a list of models, which nobody should have to wait for.
pub(super) fn patience(inner: &Inner) -> Duration {
    inner.settings.connect * 2
}
