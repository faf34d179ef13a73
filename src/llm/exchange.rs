//! One exchange with a provider: a request in its dialect, its answer as it streams in, or why there is
//! none. Tries nothing twice; that is `call`'s.

use ureq::http::HeaderMap;

use super::attempt::{Asking, patience};
use super::receive::{MAX_ANSWER, read_some, read_whole, receive};
use super::{Inner, Provider, fault, pace};
use crate::clock;
use crate::domain::chat::{Answer, CallError, CallErrorKind, Delta};
use crate::wire::openai;

/// A call that came to nothing.
pub(super) struct Failed {
    pub error: CallError,
    /// The field that the model does not take, if that was why.
    pub unwelcome: Option<String>,
    /// It will not pass, whatever its kind.
    pub lasting: bool,
}

impl From<CallError> for Failed {
    fn from(error: CallError) -> Self {
        Self {
            error,
            unwelcome: None,
            lasting: false,
        }
    }
}

/// Asks once.
pub(super) fn ask_once(
    asking: &Asking,
    taste: &openai::Taste,
    send: &mut dyn FnMut(Delta),
) -> Result<Answer, Failed> {
    let Asking {
        inner,
        provider,
        slot,
        ..
    } = asking;
    let request = asking.wanted.request;
    let left = asking.left();
    if left.is_zero() {
        return Err(fault::too_late().into());
    }
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
    let response = call.send(&body[..]).map_err(|error| Failed {
        error: fault::before(&error),
        unwelcome: None,
        lasting: !fault::may_pass(&error),
    })?;
    let status = response.status().as_u16();
    let (parts, body) = response.into_parts();
    let mut reader = body
        .into_with_config()
        .limit(MAX_ANSWER as u64 + 1)
        .reader();
    let header = |name: &str| header(&parts.headers, name);
    if !(200..300).contains(&status) {
        return Err(refusal(status, &header, &read_some(&mut reader)));
    }
    if let Some(wait) = pace::after_answer(&header, clock::now()) {
        asking.entry.hold_back(asking.name, wait, clock::now());
    }
    let content_type = header("content-type").unwrap_or_default();
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

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

fn refusal(status: u16, header: pace::Header, body: &str) -> Failed {
    if (300..400).contains(&status) {
        return fault::elsewhere(status).into();
    }
    let mut error = openai::error(status, header, body);
    let wait = pace::after_refusal(header, clock::now());
    error.retry_after_ms = wait.map(|wait| wait.as_millis() as u64);
    let unwelcome = openai::unwelcome(body).filter(|_| matches!(status, 400 | 422));
    Failed {
        error,
        unwelcome,
        lasting: false,
    }
}

/// The names of a provider's models, by its own list.
pub(super) fn models_once(inner: &Inner, provider: &Provider) -> Result<Vec<String>, CallError> {
    let mut call = inner.agent().get(provider.url("models"));
    if let Some(key) = &provider.api_key {
        call = call.header("authorization", format!("Bearer {key}"));
    }
    let call = call.config().timeout_global(Some(patience(inner))).build();
    let response = call.call().map_err(|error| fault::before(&error))?;
    let status = response.status().as_u16();
    let (parts, body) = response.into_parts();
    let mut reader = body.into_with_config().limit(MAX_ANSWER as u64).reader();
    if status != 200 {
        let header = |name: &str| header(&parts.headers, name);
        return Err(refusal(status, &header, &read_some(&mut reader)).error);
    }
    openai::models(&read_whole(&mut reader)?).ok_or_else(|| {
        CallError::new(
            CallErrorKind::Malformed,
            "the provider's list of models cannot be read",
        )
    })
}
