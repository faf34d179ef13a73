//! One request to a provider: sends it in the provider's API format, and receives the streamed answer or an error.
//! Never retries, which is the task of `attempt`.

use std::pin::pin;

use bytes::Bytes;
use hyper::HeaderMap;
use tokio::time::timeout_at;

use super::call_request::{CallAttempt, list_timeout};
use super::plain_body::PlainBody;
use super::provider_client::{ProviderRequest, ProviderResponse};
use super::response_reader::{
    LARGE_TEXT, ResponseTraits, read_error_body, read_to_end, read_whole, receive, without_blocking,
};
use super::transport_error::{self, TransportError};
use super::usage_meter::UsageMeter;
use super::{LlmInner, Provider, rate_limit_headers};
use crate::clock;
use crate::domain::chat::{Answer, CallError, CallErrorKind, Finish, ModelRequest};
use crate::wire::{
    self, AnswerDecoder, ListedModel, ModelCapabilities, OutgoingRequest, StreamSettings,
    passthrough,
};

/// Media types that are accepted as an answer: a stream or a complete answer.
const ANSWER_TYPES: &str = "text/event-stream, application/json";

/// A failed request to a provider.
pub(super) struct FailedExchange {
    pub error: CallError,
    /// The field that the model rejected, if that is why the request failed.
    pub refused_field: Option<String>,
    /// Whether a retry cannot help, regardless of the kind of error.
    pub is_permanent: bool,
    /// Whether the address guard rejected the address (see `address_guard`).
    pub is_not_public: bool,
    /// Whether part of the answer had already arrived.
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

impl From<TransportError> for FailedExchange {
    fn from(error: TransportError) -> Self {
        Self {
            is_permanent: !error.is_retryable(),
            is_not_public: matches!(error, TransportError::NotPublic),
            ..error.to_call_error().into()
        }
    }
}

/// Sends a request once and reads its answer.
///
/// # Errors
///
/// Returns an error if the connection fails, the provider refuses the request, or the answer is incomplete.
pub(super) async fn ask_once(
    attempt: &CallAttempt<'_>,
    capabilities: &ModelCapabilities,
    meter: &mut UsageMeter<'_>,
) -> Result<Answer, FailedExchange> {
    let request = attempt.request;
    if attempt.time_left().is_zero() {
        return Err(transport_error::timed_out().into());
    }
    let kind = attempt.provider.api_format();
    let mut stream = AnswerDecoder::with_settings(
        kind,
        StreamSettings {
            model: attempt.name,
            expects_close: attempt.entry.omits_opening_tag(attempt.name),
            cannot_retract: request.is_live,
        },
    );
    let result = match post(attempt, capabilities).await? {
        Some(response) => {
            let result = read_answer(attempt, response, &mut stream, meter).await;
            if stream.was_closed() {
                attempt.entry.record_missing_opening_tag(attempt.name);
            }
            result
        }
        // The call was cut off before the answer began.
        None => Ok(()),
    };
    let (has_begun, regular_finish) = (stream.has_begun(), stream.regular_finish());
    let is_streamed = stream.is_streamed();
    let result = match result {
        Ok(()) => {
            let (held_deltas, result) = match attempt.slot.is_cut_off() {
                true => stream.cut_off(request),
                false => stream.finish(request),
            };
            if request.tools.is_none() && !held_deltas.is_empty() {
                // The arguments of a tool that Quire has added are the text of the answer.
                meter.forget_arguments();
            }
            for delta in held_deltas {
                meter.add_piece(delta).await;
            }
            result
        }
        Err(error) => Err(error),
    };
    result.map_err(|error| FailedExchange {
        // A model that was blocked, or that used up its token limit on reasoning, would do so again.
        is_permanent: attempt.slot.is_cut_off()
            || (error.kind == CallErrorKind::Empty
                && !matches!(regular_finish, None | Some(Finish::Stop))),
        // If the first chunk of a stream is unreadable, a retry may help. If the response is a web page or a complete
        // body, it does not.
        has_answer_begun: has_begun || (is_streamed && error.kind == CallErrorKind::Malformed),
        ..error.into()
    })
}

/// Sends the request and returns the response if its status is a success. Returns `None` if the call is cut off first.
async fn post(
    attempt: &CallAttempt<'_>,
    capabilities: &ModelCapabilities,
) -> Result<Option<ProviderResponse>, FailedExchange> {
    let (inner, provider) = (attempt.inner, attempt.provider);
    let deadline = clock::instant() + attempt.time_left();
    // Writing a large request waits for a free thread.
    let write_result = tokio::select! {
        biased;
        () = attempt.slot.wait_for_cut_off() => return Ok(None),
        write_result = timeout_at(deadline.into(), write_request(attempt, capabilities)) => write_result,
    };
    let OutgoingRequest { path, body } = write_result.map_err(|_| transport_error::timed_out())?;
    let (now, body) = (clock::instant(), Bytes::from(body));
    // Kept for the case that the provider rejects a field. The copy is freed before the answer arrives, which may take
    // minutes, because the body may contain whole documents.
    let sent_body = body.clone();
    let sending = pin!(inner.client.send(ProviderRequest {
        url: provider.url(&path),
        reach: provider.reach,
        headers: provider.headers(attempt.name)?,
        accept: ANSWER_TYPES,
        body: Some(body),
        deadline,
        first_byte: now + inner.settings.first_token,
    }));
    let response = tokio::select! {
        biased;
        () = attempt.slot.wait_for_cut_off() => return Ok(None),
        sent = sending => sent?,
    };
    let header = |name: &str| header(&response.headers, name);
    let status = response.status;
    if (200..300).contains(&status) {
        if let Some(wait) = rate_limit_headers::pause_after_answer(&header, clock::now()) {
            attempt
                .entry
                .throttle(attempt.name, wait, clock::monotonic_now());
        }
        return Ok(Some(response));
    }
    let mut body = PlainBody::new(response.body);
    let error_body = tokio::select! {
        biased;
        () = attempt.slot.wait_for_cut_off() => return Ok(None),
        error_body = read_error_body(&mut body) => error_body,
    };
    inner.client.release(body.into_source()).await;
    let mut failed = read_refusal(status, &header, &error_body);
    let kind = provider.api_format();
    let names = passthrough::field_names(kind, attempt.request, capabilities);
    let further = || wire::refused_field_among(&error_body, &names);
    failed.refused_field = failed
        .refused_field
        .filter(|field| has_field(&sent_body, field))
        .or_else(|| further().filter(|_| matches!(status, 400 | 422)));
    Err(failed)
}

async fn write_request(
    attempt: &CallAttempt<'_>,
    capabilities: &ModelCapabilities,
) -> OutgoingRequest {
    let (provider, request) = (attempt.provider, attempt.request);
    let (kind, quirks) = (provider.api_format(), provider.quirks());
    let bytes = size_of_texts(request);
    if bytes < LARGE_TEXT {
        return wire::request(kind, attempt.name, request, capabilities, quirks);
    }
    let (name, request) = (attempt.name.to_owned(), request.clone());
    let capabilities = capabilities.clone();
    let writing = move || wire::request(kind, &name, &request, &capabilities, quirks);
    without_blocking(bytes, writing).await
}

/// Returns the approximate size of a request: its texts and images, in bytes.
fn size_of_texts(request: &ModelRequest) -> usize {
    let messages = request.messages.iter();
    messages
        .map(|message| {
            let images = message.images.iter().map(|image| image.base64.len());
            message.text.len() + images.sum::<usize>()
        })
        .sum()
}

async fn read_answer(
    attempt: &CallAttempt<'_>,
    response: ProviderResponse,
    stream: &mut AnswerDecoder,
    meter: &mut UsageMeter<'_>,
) -> Result<(), CallError> {
    let content_type = header(&response.headers, "content-type").unwrap_or_default();
    let traits = ResponseTraits {
        content_type: &content_type.to_ascii_lowercase(),
        idle_timeout: attempt.inner.settings.idle_timeout,
    };
    drop(response.headers);
    let mut body = PlainBody::new(response.body);
    receive(&mut body, stream, &traits, attempt.slot, meter).await?;
    if !attempt.slot.is_cut_off() {
        let mut source = body.into_source();
        read_to_end(&mut source).await;
        attempt.inner.client.release(source).await;
    }
    Ok(())
}

/// Returns whether a body actually contains the field that the provider claims to reject. The provider's claim is not
/// trusted.
fn has_field(body: &[u8], field: &str) -> bool {
    let name = format!("\"{}\":", field.rsplit('.').next().unwrap_or(field));
    body.windows(name.len())
        .any(|window| window == name.as_bytes())
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
        return transport_error::redirect_error(status).into();
    }
    let mut error = wire::error(status, header, body);
    let wait = rate_limit_headers::pause_after_refusal(header, clock::now());
    let millis = wait.map(|wait| wait.as_millis() as u64);
    error.retry_after_ms = millis.or(error.retry_after_ms);
    let rejected_parameter = wire::refused_parameter(body).filter(|_| matches!(status, 400 | 422));
    FailedExchange {
        error,
        refused_field: rejected_parameter,
        is_permanent: false,
        is_not_public: false,
        has_answer_begun: false,
    }
}

/// Requests the model list of a provider once.
///
/// # Errors
///
/// Returns an error if the connection fails, the provider rejects the request, or its list is malformed.
pub(super) async fn list_models_once(
    inner: &LlmInner,
    provider: &Provider,
) -> Result<Vec<ListedModel>, FailedExchange> {
    let kind = provider.api_format();
    let deadline = clock::instant() + list_timeout(inner);
    let text = fetch_complete(
        inner,
        ProviderRequest {
            url: provider.url(kind.models_path()),
            reach: provider.reach,
            headers: provider.headers("")?,
            accept: "*/*",
            body: None,
            deadline,
            first_byte: deadline,
        },
    );
    let text = text.await?.map_err(|refused| refused.into_failure())?;
    let listed_models = without_blocking(text.len(), move || wire::parse_models(kind, &text)).await;
    listed_models.ok_or_else(|| {
        let why = "the provider's list of models cannot be read";
        CallError::new(CallErrorKind::Malformed, why).into()
    })
}

/// A response with an error status.
pub(super) struct Refusal {
    pub status: u16,
    pub body: String,
    headers: HeaderMap,
}

impl Refusal {
    pub fn into_failure(self) -> FailedExchange {
        let header = |name: &str| header(&self.headers, name);
        read_refusal(self.status, &header, &self.body)
    }
}

/// Sends a request and reads the whole response. Returns a response with an error status as a `Refusal`.
///
/// # Errors
///
/// Returns an error if the connection fails, or if the response is empty, too large, or incomplete.
pub(super) async fn fetch_complete(
    inner: &LlmInner,
    request: ProviderRequest,
) -> Result<Result<String, Refusal>, FailedExchange> {
    let response = inner.client.send(request).await?;
    let mut body = PlainBody::new(response.body);
    let fetched = match response.status {
        200 => Ok(read_whole(&mut body).await?),
        status => Err(Refusal {
            status,
            body: read_error_body(&mut body).await,
            headers: response.headers,
        }),
    };
    inner.client.release(body.into_source()).await;
    Ok(fetched)
}
