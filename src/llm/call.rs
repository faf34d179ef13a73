//! One call, from request to result, on a thread of its own.

use std::io::Read;
use std::sync::Arc;

use super::threads::guarded;
use super::transport::CancelSlot;
use super::{Inner, Provider, catalogue, demo};
use crate::domain::chat::{Answer, CallError, CallErrorKind, Delta, Finish, Request};
use crate::wire::openai;
use crate::wire::sse;

/// Bytes of an answer: far more than any model writes.
const MAX_ANSWER: usize = 8 << 20;
/// Bytes of one event, and of an error body.
const MAX_EVENT: usize = 1 << 20;

/// Runs a call to its end. `send` receives the pieces.
pub(super) fn run(
    inner: &Inner,
    request: &Request,
    slot: &Arc<CancelSlot>,
    send: &mut dyn FnMut(Delta),
) -> Result<Answer, CallError> {
    slot.enter();
    let result = guarded(|| match inner.provider_of(&request.model) {
        Some((provider, name)) => ask(inner, provider, name, request, slot, send),
        None if inner.settings.demo => play(inner, request, slot, send),
        None => Err(CallError::new(
            CallErrorKind::Unavailable,
            "the model is not configured any more",
        )),
    });
    CancelSlot::leave();
    // What a cancelled call says of itself is chance: "peer disconnected", or even a clean end.
    if slot.is_cancelled() {
        Err(CallError::new(CallErrorKind::Cancelled, "stopped"))
    } else {
        result
    }
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

fn ask(
    inner: &Inner,
    provider: &Provider,
    name: &str,
    request: &Request,
    slot: &CancelSlot,
    send: &mut dyn FnMut(Delta),
) -> Result<Answer, CallError> {
    let accepted = catalogue::describe(provider, name).parameters;
    let body = openai::request(
        name,
        request,
        &openai::Taste {
            accepted,
            refused: Vec::new(),
        },
        provider.quirks(),
    );
    let mut call = inner
        .agent()
        .post(provider.url("chat/completions"))
        .header("content-type", "application/json")
        .header("accept", "text/event-stream");
    if let Some(key) = &provider.api_key {
        call = call.header("authorization", format!("Bearer {key}"));
    }
    let call = call.config().timeout_global(Some(request.deadline)).build();
    let response = call.send(&body[..]).map_err(|error| failed(&error))?;
    let status = response.status().as_u16();
    let (parts, body) = response.into_parts();
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let mut reader = body
        .into_with_config()
        .limit(MAX_ANSWER as u64 + 1)
        .reader();
    if !(200..300).contains(&status) {
        let text = read_some(&mut reader, MAX_EVENT);
        return Err(openai::error(status, &header, &text));
    }
    let content_type = header("content-type")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let mut stream = openai::Stream::default();
    let mut deliver = |deltas: Vec<Delta>| deltas.into_iter().for_each(&mut *send);
    if content_type.contains("json") && !content_type.contains("event-stream") {
        let text = read_whole(&mut reader)?;
        deliver(stream.push_whole(&text));
    } else if content_type.contains("html") {
        return Err(CallError::new(
            CallErrorKind::Malformed,
            "the provider's address answers with a web page: check the base URL",
        ));
    } else {
        read_stream(&mut reader, &mut stream, slot, &mut deliver)?;
    }
    let (held, result) = stream.finish(request);
    deliver(held);
    result.map(|answer| Answer {
        finish: if answer.finish == Finish::ToolCalls {
            Finish::Stop
        } else {
            answer.finish
        },
        ..answer
    })
}

fn read_stream(
    reader: &mut impl Read,
    stream: &mut openai::Stream,
    slot: &CancelSlot,
    deliver: &mut dyn FnMut(Vec<Delta>),
) -> Result<(), CallError> {
    let mut decoder = sse::Decoder::new(MAX_EVENT);
    let mut piece = [0; 8 * 1024];
    let mut total = 0;
    while !stream.is_over() && !slot.is_cancelled() {
        let read = match reader.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) => return Err(interrupted(&error)),
        };
        total += read;
        if total > MAX_ANSWER {
            return Err(CallError::new(
                CallErrorKind::TooLarge,
                "the answer is larger than 8 MB",
            ));
        }
        decoder.push(&piece[..read]);
        loop {
            match decoder.next_event() {
                Ok(Some(event)) => deliver(stream.push(&event)),
                Ok(None) => break,
                Err(sse::Malformed::TooLong) => {
                    return Err(CallError::new(
                        CallErrorKind::Malformed,
                        "the provider did not send a stream of events",
                    ));
                }
            }
        }
    }
    if total == 0 {
        return Err(CallError::new(
            CallErrorKind::Empty,
            "the provider answered with nothing",
        ));
    }
    Ok(())
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
        let limit = inner.settings.connect + inner.settings.connect;
        let response = call
            .config()
            .timeout_global(Some(limit))
            .build()
            .call()
            .map_err(|error| failed(&error))?;
        let status = response.status().as_u16();
        let mut reader = response
            .into_body()
            .into_with_config()
            .limit(MAX_ANSWER as u64)
            .reader();
        if status != 200 {
            let text = read_some(&mut reader, MAX_EVENT);
            return Err(openai::error(status, &|_| None, &text));
        }
        let text = read_whole(&mut reader)?;
        openai::models(&text).ok_or_else(|| {
            CallError::new(
                CallErrorKind::Malformed,
                "the provider's list of models cannot be read",
            )
        })
    });
    CancelSlot::leave();
    result
}

fn read_whole(reader: &mut impl Read) -> Result<String, CallError> {
    let mut bytes = Vec::new();
    reader
        .read_to_end(&mut bytes)
        .map_err(|error| interrupted(&error))?;
    if bytes.is_empty() {
        return Err(CallError::new(
            CallErrorKind::Empty,
            "the provider answered with nothing",
        ));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

// An error body is read as far as it comes; what matters is the status.
fn read_some(reader: &mut impl Read, limit: usize) -> String {
    let mut bytes = Vec::new();
    let _ = reader.take(limit as u64).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

// Before any byte of the answer.
fn failed(error: &ureq::Error) -> CallError {
    use ureq::Timeout;
    match error {
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => CallError::new(
            CallErrorKind::Connect,
            "the provider could not be reached in time",
        ),
        ureq::Error::Timeout(_) => CallError::new(
            CallErrorKind::Timeout,
            "the provider did not answer within the time limit",
        ),
        ureq::Error::HostNotFound => CallError::new(
            CallErrorKind::Connect,
            "the provider's host name is not known",
        ),
        ureq::Error::ConnectionFailed | ureq::Error::Io(_) => CallError::new(
            CallErrorKind::Connect,
            "the provider could not be reached, or closed the connection",
        ),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Pem(_) => CallError::new(
            CallErrorKind::Connect,
            "no secure connection to the provider",
        ),
        ureq::Error::BadUri(_) => CallError::new(
            CallErrorKind::Connect,
            "the provider's base URL is not an address",
        ),
        _ => CallError::new(
            CallErrorKind::Malformed,
            "the provider does not speak HTTP as it should",
        ),
    }
}

// Within the answer.
fn interrupted(error: &std::io::Error) -> CallError {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<ureq::Error>());
    match inner {
        Some(ureq::Error::Timeout(ureq::Timeout::Global)) => CallError::new(
            CallErrorKind::Timeout,
            "the answer took longer than the time limit",
        ),
        Some(ureq::Error::Timeout(_)) => CallError::new(
            CallErrorKind::Timeout,
            "the provider stopped sending in the middle of the answer",
        ),
        Some(ureq::Error::BodyExceedsLimit(_)) => {
            CallError::new(CallErrorKind::TooLarge, "the answer is larger than 8 MB")
        }
        _ if error.kind() == std::io::ErrorKind::TimedOut => CallError::new(
            CallErrorKind::Timeout,
            "the provider stopped sending in the middle of the answer",
        ),
        _ => CallError::new(
            CallErrorKind::Truncated,
            "the connection broke in the middle of the answer",
        ),
    }
}
