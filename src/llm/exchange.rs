//! One exchange with a provider: sends a request in its API format and receives the streamed answer or an error.
//! Never retries; `attempt` does.

use std::time::Duration;

use ureq::http::{HeaderMap, Response};

use super::call_request::{CallAttempt, list_timeout};
use super::response_reader::{MAX_ANSWER, read_error_body, read_to_end, read_whole, receive};
use super::{LlmInner, Provider, address_guard, rate_limit_headers, transport_error};
use crate::clock;
use crate::domain::chat::{Answer, CallError, CallErrorKind, Delta, Finish};
use crate::wire::{
    self, AnswerDecoder, ListedModel, ModelCapabilities, StreamSettings, passthrough,
};

/// A failed exchange.
pub(super) struct FailedExchange {
    pub error: CallError,
    /// The field that the model refused, if that was the reason.
    pub refused_field: Option<String>,
    /// Whether a retry cannot help, whatever the kind of error.
    pub is_permanent: bool,
    /// Whether the guard refused the address: see `guard`.
    pub is_not_public: bool,
    /// Whether the answer had begun.
    pub has_answer_begun: bool,
}

impl From<CallError> for FailedExchange {
    fn from(error: CallError) -> Self {
        Self {
            error,
            refused_field: None,
            is_permanent: false,
            is_not_public: false,
            has_answer_begun: false,
        }
    }
}

/// Sends a request once.
///
/// # Errors
///
/// When the connection fails, the provider refuses the request, or the answer is incomplete.
pub(super) fn ask_once(
    attempt: &CallAttempt,
    capabilities: &ModelCapabilities,
    send: &mut dyn FnMut(Delta),
) -> Result<Answer, FailedExchange> {
    let (provider, request) = (attempt.provider, attempt.request);
    if attempt.time_left().is_zero() {
        return Err(transport_error::timed_out().into());
    }
    let kind = provider.api_format();
    let outgoing = wire::request(kind, attempt.name, request, capabilities, provider.quirks());
    let response = post(attempt, &outgoing.path, &outgoing.body)?;
    let status = response.status().as_u16();
    let (parts, body) = response.into_parts();
    let mut reader = body
        .into_with_config()
        .limit(MAX_ANSWER as u64 + 1)
        .reader();
    let header = |name: &str| header(&parts.headers, name);
    if !(200..300).contains(&status) {
        let said = read_error_body(&mut reader);
        let mut failed = read_refusal(status, &header, &said);
        let names = passthrough::field_names(kind, request, capabilities);
        let further = || wire::refused_field_among(&said, &names);
        failed.refused_field = failed
            .refused_field
            .filter(|field| has_field(&outgoing.body, field))
            .or_else(|| further().filter(|_| matches!(status, 400 | 422)));
        return Err(failed);
    }
    if let Some(wait) = rate_limit_headers::pause_after_answer(&header, clock::now()) {
        attempt.entry.throttle(attempt.name, wait, clock::steady());
    }
    let content_type = header("content-type").unwrap_or_default();
    // Free the request now: it may contain whole documents, and the answer may take minutes.
    drop((outgoing, parts));
    let reading = StreamSettings {
        model: attempt.name,
        expects_close: attempt.entry.omits_opening_tag(attempt.name),
        keeps_shown: request.is_live,
    };
    let mut stream = AnswerDecoder::with_settings(kind, reading);
    let content_type = content_type.to_ascii_lowercase();
    let received = receive(&mut reader, &mut stream, &content_type, attempt.slot, send);
    if received.is_ok() {
        read_to_end(&mut reader, attempt.slot);
    }
    if stream.was_closed() {
        attempt.entry.record_missing_opening_tag(attempt.name);
    }
    let (has_begun, ended) = (stream.has_begun(), stream.regular_finish());
    let is_streamed = stream.is_streamed();
    let result = received.and_then(|()| {
        let (held, result) = match attempt.slot.is_cut() {
            true => stream.cut_off(request),
            false => stream.finish(request),
        };
        held.into_iter().for_each(send);
        result
    });
    result.map_err(|error| FailedExchange {
        // A model that reasoned up to its limit or was blocked will do so again.
        is_permanent: attempt.slot.is_cut()
            || (error.kind == CallErrorKind::Empty && !matches!(ended, None | Some(Finish::Stop))),
        // A stream with an unreadable first chunk may be readable next time; a web page or a complete body will not.
        has_answer_begun: has_begun || (is_streamed && error.kind == CallErrorKind::Malformed),
        ..error.into()
    })
}

/// Sends a request. If the provider had closed the pooled connection in the meantime and answered nothing, it is sent
/// once more on a new one: that is not an attempt.
fn post(
    attempt: &CallAttempt,
    path: &str,
    body: &[u8],
) -> Result<Response<ureq::Body>, FailedExchange> {
    let provider = attempt.provider;
    let headers = provider.headers(attempt.name)?;
    let send = |max_idle_age: Option<Duration>| {
        let mut call = attempt
            .inner
            .agent(provider.reach)
            .post(provider.url(path))
            .header("content-type", "application/json")
            .header("accept", "text/event-stream, application/json");
        for (name, value) in &headers {
            call = call.header(name, value);
        }
        let config = call.config().timeout_global(Some(attempt.time_left()));
        let config = match max_idle_age {
            Some(age) => config.max_idle_age(age),
            None => config,
        };
        config.build().send(body)
    };
    let sent = match send(None) {
        Err(error)
            if transport_error::is_disconnect(&error) && attempt.slot.met_stale_connection() =>
        {
            send(Some(Duration::ZERO))
        }
        sent => sent,
    };
    sent.map_err(connection_failure)
}

/// Whether a body has the field that the provider claims to refuse; the claim itself is not trusted.
fn has_field(body: &[u8], field: &str) -> bool {
    let name = format!("\"{}\":", field.rsplit('.').next().unwrap_or(field));
    body.windows(name.len())
        .any(|window| window == name.as_bytes())
}

pub(super) fn connection_failure(error: ureq::Error) -> FailedExchange {
    FailedExchange {
        error: transport_error::error_before_answer(&error),
        refused_field: None,
        is_permanent: !transport_error::is_retryable(&error),
        is_not_public: address_guard::is_refusal(&error),
        has_answer_begun: false,
    }
}

pub(super) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

pub(super) fn read_refusal(
    status: u16,
    header: rate_limit_headers::Header,
    body: &str,
) -> FailedExchange {
    if (300..400).contains(&status) {
        return transport_error::redirected(status).into();
    }
    let mut error = wire::error(status, header, body);
    let wait = rate_limit_headers::pause_after_refusal(header, clock::now());
    let millis = wait.map(|wait| wait.as_millis() as u64);
    error.retry_after_ms = millis.or(error.retry_after_ms);
    let unwelcome = wire::refused_parameter(body).filter(|_| matches!(status, 400 | 422));
    FailedExchange {
        error,
        refused_field: unwelcome,
        is_permanent: false,
        is_not_public: false,
        has_answer_begun: false,
    }
}

/// Requests a provider's model list once.
///
/// # Errors
///
/// When the connection fails, the provider refuses, or its list is malformed.
pub(super) fn list_models_once(
    inner: &LlmInner,
    provider: &Provider,
) -> Result<Vec<ListedModel>, FailedExchange> {
    let kind = provider.api_format();
    let mut call = inner
        .agent(provider.reach)
        .get(provider.url(kind.models_path()));
    for (name, value) in &provider.headers("")? {
        call = call.header(name, value);
    }
    let config = call.config().timeout_global(Some(list_timeout(inner)));
    // A new connection: the provider may have closed a pooled one, and the list is not requested again.
    let config = config.max_idle_age(Duration::ZERO);
    let response = config.build().call().map_err(connection_failure)?;
    let status = response.status().as_u16();
    let (parts, body) = response.into_parts();
    let mut reader = body.into_with_config().limit(MAX_ANSWER as u64).reader();
    if status != 200 {
        let header = |name: &str| header(&parts.headers, name);
        return Err(read_refusal(status, &header, &read_error_body(&mut reader)));
    }
    wire::parse_models(kind, &read_whole(&mut reader)?).ok_or_else(|| {
        let why = "the provider's list of models cannot be read";
        CallError::new(CallErrorKind::Malformed, why).into()
    })
}
