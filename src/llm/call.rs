//! One call, from request to result, on a thread of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::http::HeaderMap;

use super::receive::{MAX_ANSWER, read_some, read_whole, receive};
use super::transport::CancelSlot;
use super::{Inner, Provider, demo, fault};
use crate::clock;
use crate::domain::chat::{Answer, CallError, CallErrorKind, Delta, Request};
use crate::wire::openai;

/// Fields that a model may refuse one after the other before the call is given up.
const MOST_REFUSALS: usize = 4;

/// Runs a call to its end. `asked` is when it was wanted: waiting in line counts. `send` receives the
/// pieces.
pub(super) fn run(
    inner: &Inner,
    request: &Request,
    asked: Instant,
    slot: &Arc<CancelSlot>,
    send: &mut dyn FnMut(Delta),
) -> Result<Answer, CallError> {
    if slot.is_cancelled() {
        return Err(fault::cancelled());
    }
    slot.enter();
    let result = guarded(|| match inner.provider_of(&request.model) {
        Some((provider, name)) => ask(
            &Asking {
                inner,
                provider,
                name,
                request,
                asked,
                slot,
            },
            send,
        ),
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

struct Asking<'a> {
    inner: &'a Inner,
    provider: &'a Provider,
    name: &'a str,
    request: &'a Request,
    asked: Instant,
    slot: &'a Arc<CancelSlot>,
}

/// A call that came to nothing, and the field that the model does not take, if that was why.
struct Failed {
    error: CallError,
    unwelcome: Option<String>,
}

impl From<CallError> for Failed {
    fn from(error: CallError) -> Self {
        Self {
            error,
            unwelcome: None,
        }
    }
}

/// Models change faster than any table of what they take: a field that one refuses is left out, and the
/// model remembered by it.
fn ask(asking: &Asking, send: &mut dyn FnMut(Delta)) -> Result<Answer, CallError> {
    let inner = asking.inner;
    let mut taste = inner.taste(asking.provider, asking.name);
    loop {
        match ask_once(asking, &taste, send) {
            Ok(answer) => return Ok(answer),
            Err(Failed {
                unwelcome: Some(field),
                ..
            }) if taste.refused.len() < MOST_REFUSALS && !taste.refused.contains(&field) => {
                inner.remember_refusal(&asking.request.model, &field);
                taste.refused.push(field);
            }
            Err(Failed { error, .. }) => return Err(error),
        }
    }
}

fn ask_once(
    asking: &Asking,
    taste: &openai::Taste,
    send: &mut dyn FnMut(Delta),
) -> Result<Answer, Failed> {
    let Asking {
        inner,
        provider,
        request,
        slot,
        ..
    } = asking;
    let left = left(asking.asked, request.deadline)?;
    let body = openai::request(asking.name, request, taste, provider.quirks());
    let mut call = inner
        .agent()
        .post(provider.url("chat/completions"))
        .header("content-type", "application/json")
        .header("accept", "text/event-stream");
    if let Some(key) = &provider.api_key {
        call = call.header("authorization", format!("Bearer {key}"));
    }
    let call = call.config().timeout_global(Some(left)).build();
    let response = call
        .send(&body[..])
        .map_err(|error| fault::before(&error))?;
    let status = response.status().as_u16();
    let (parts, body) = response.into_parts();
    let mut reader = body
        .into_with_config()
        .limit(MAX_ANSWER as u64 + 1)
        .reader();
    if !(200..300).contains(&status) {
        return Err(refusal(status, &parts.headers, &read_some(&mut reader)));
    }
    let content_type = header(&parts.headers, "content-type").unwrap_or_default();
    let mut stream = openai::Stream::default();
    receive(
        &mut reader,
        &mut stream,
        &content_type.to_ascii_lowercase(),
        slot,
        send,
    )?;
    let (held, result) = stream.finish(request);
    held.into_iter().for_each(send);
    Ok(result?)
}

fn left(asked: Instant, deadline: Duration) -> Result<Duration, CallError> {
    let left = deadline.saturating_sub(clock::instant().saturating_duration_since(asked));
    if left.is_zero() {
        Err(fault::too_late())
    } else {
        Ok(left)
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

fn refusal(status: u16, headers: &HeaderMap, body: &str) -> Failed {
    if (300..400).contains(&status) {
        return fault::elsewhere(status).into();
    }
    let error = openai::error(status, &|name| header(headers, name), body);
    let unwelcome = openai::unwelcome(body).filter(|_| matches!(status, 400 | 422));
    Failed { error, unwelcome }
}

/// The names of a provider's models, by its own list.
pub(super) fn models(
    inner: &Inner,
    provider: &Provider,
    slot: &Arc<CancelSlot>,
) -> Result<Vec<String>, CallError> {
    slot.enter();
    let result = guarded(|| {
        let mut call = inner.agent().get(provider.url("models"));
        if let Some(key) = &provider.api_key {
            call = call.header("authorization", format!("Bearer {key}"));
        }
        let limit = inner.settings.connect * 2;
        let call = call.config().timeout_global(Some(limit)).build();
        let response = call.call().map_err(|error| fault::before(&error))?;
        let status = response.status().as_u16();
        let (parts, body) = response.into_parts();
        let mut reader = body.into_with_config().limit(MAX_ANSWER as u64).reader();
        if status != 200 {
            return Err(refusal(status, &parts.headers, &read_some(&mut reader)).error);
        }
        openai::models(&read_whole(&mut reader)?).ok_or_else(|| {
            CallError::new(
                CallErrorKind::Malformed,
                "the provider's list of models cannot be read",
            )
        })
    });
    CancelSlot::leave();
    result
}
