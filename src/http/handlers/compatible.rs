//! Handlers of the OpenAI- and Anthropic-compatible APIs: they parse the request, run it, and respond in the API's
//! format, as one body or a stream. If the client disconnects, all calls for the request stop.

use hyper::header::HeaderName;
use serde_json::{Value, json};

use super::analyses::THREAD_HEADER;
use super::compatible_shape::{
    ClientApi, add_result_headers, chunk_frame, invalid_field, response_body, vendor_id,
};
use super::compatible_stream::{CompletionStream, StreamDialect};
use super::{compatible_files, compatible_several};
use crate::app::completions::{Completion, estimated_tokens};
use crate::app::idempotency::IdempotencyLookup;
use crate::app::{Error, Kind};
use crate::clock;
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;
use crate::wire::serve_openai::{self as openai, ChatRequest};
use crate::wire::{
    serve_anthropic as anthropic, serve_completions as completions, serve_responses as responses,
};

/// `POST /v1/chat/completions`: answers a request of OpenAI's Chat Completions API.
///
/// # Errors
/// `BadRequest` or `BadInput` for an invalid request; `Missing` for an unknown model; `BudgetExceeded` if the
/// budget is too small; `UpstreamFailed` or `Unavailable` if there is no answer.
pub async fn chat(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body = read_body(&mut cx, &caller).await?;
    let request = openai::parse_request(&body).map_err(invalid_field)?;
    respond(cx, caller, &body, vec![request], ClientApi::Chat).await
}

/// `POST /v1/completions`: answers a request of OpenAI's text completions API.
///
/// # Errors
/// Same as [`chat`].
pub async fn complete(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: Value = cx.json().await?;
    let requests = completions::parse_requests(&body).map_err(invalid_field)?;
    respond(cx, caller, &body, requests, ClientApi::Completions).await
}

/// `POST /v1/responses`: answers a request of OpenAI's Responses API.
///
/// # Errors
/// Same as [`chat`].
pub async fn responses(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body = read_body(&mut cx, &caller).await?;
    let request = responses::parse_request(&body).map_err(invalid_field)?;
    respond(cx, caller, &body, vec![request], ClientApi::Responses).await
}

/// `POST /v1/messages`: answers a request of Anthropic's Messages API.
///
/// # Errors
/// Same as [`chat`].
pub async fn messages(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body = read_body(&mut cx, &caller).await?;
    let request = anthropic::parse_request(&body, true).map_err(invalid_field)?;
    respond(cx, caller, &body, vec![request], ClientApi::Messages).await
}

/// `POST /v1/messages/count_tokens`: estimates the number of input tokens of a request.
///
/// # Errors
/// `BadRequest` or `BadInput` for an invalid request; `Missing` for an unknown model.
pub async fn count_tokens(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body = read_body(&mut cx, &caller).await?;
    let request = anthropic::parse_request(&body, false).map_err(invalid_field)?;
    cx.app.completions().name(&caller, &request.model).await?;
    Ok(Reply::json(
        &json!({ "input_tokens": estimated_tokens(&request) }),
    ))
}

/// Reads the body and replaces the files in it with their text.
async fn read_body(cx: &mut RequestContext, caller: &Caller) -> Result<Value, ApiError> {
    let mut body: Value = cx.json().await?;
    Box::pin(compatible_files::inline(cx, caller, &mut body)).await?;
    Ok(body)
}

/// Runs one or more requests and responds with their answers. Unless they are streamed, an `Idempotency-Key` is
/// respected.
///
/// # Errors
/// Same as [`chat`].
pub(super) async fn respond(
    cx: RequestContext,
    caller: Caller,
    body: &Value,
    requests: Vec<ChatRequest>,
    api: ClientApi,
) -> Result<Reply, ApiError> {
    let requests = compatible_several::split_choices(requests)?;
    let stream = requests.iter().any(|request| request.stream);
    let owner = caller.clone();
    let work = async {
        let single = match <[ChatRequest; 1]>::try_from(requests) {
            Ok([single]) => single,
            Err(several) => {
                return Box::pin(compatible_several::run(&cx, caller, several, api)).await;
            }
        };
        run_one(&cx, caller, single, api).await
    };
    if stream {
        return Ok(work.await?.0);
    }
    with_idempotency_key(&cx, &owner, || format!("{api:?} {body}"), work).await
}

/// Runs `work` only once per `Idempotency-Key`, and returns the stored response to later requests with the same key.
/// Streams are not stored.
///
/// # Errors
/// `BadRequest` if the key is malformed or was used for a different request; `Conflict` if the request with this key is
/// still running or its outcome is unknown; and any error of `work`.
pub(super) async fn with_idempotency_key(
    cx: &RequestContext,
    caller: &Caller,
    request: impl FnOnce() -> String,
    work: impl Future<Output = Result<(Reply, String), ApiError>>,
) -> Result<Reply, ApiError> {
    let Some(key) = cx.header(HeaderName::from_static("idempotency-key")) else {
        return Ok(work.await?.0);
    };
    let claim = match cx
        .app
        .idempotency()
        .claim(caller, key, &request(), cx.now)
        .await?
    {
        IdempotencyLookup::Claimed(claim) => claim,
        IdempotencyLookup::StoredResponse(headers, body) => {
            let reply = Reply::bytes(body, "application/json")
                .header(HeaderName::from_static("idempotent-replayed"), "true");
            let valid = headers.iter().filter_map(|(name, value)| {
                Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value))
            });
            return Ok(valid.fold(reply, |reply, (name, value)| reply.header(name, value)));
        }
    };
    let (reply, text) = match work.await {
        Ok(response) => response,
        Err(error) => {
            match error.is_final() {
                true => cx.app.idempotency().block_key(&claim),
                false => cx.app.idempotency().release(claim).await,
            }
            return Err(error);
        }
    };
    let kept_headers = reply.headers().iter().filter_map(|(name, value)| {
        let name = name.as_str();
        let value = value.to_str().ok()?;
        (name.starts_with("x-quire-")).then(|| (name.to_owned(), value.to_owned()))
    });
    let kept_headers: Vec<_> = kept_headers.collect();
    if cx
        .app
        .idempotency()
        .store_response(claim, &kept_headers, text, clock::now())
        .await
    {
        return Ok(reply);
    }
    // The answer is already paid for, so it is returned even though it cannot be replayed.
    let name = HeaderName::from_static("x-quire-idempotency");
    Ok(reply.header(name, "not-stored"))
}

/// Runs one request. Returns the response and, unless it is a stream, its body.
async fn run_one(
    cx: &RequestContext,
    caller: Caller,
    request: ChatRequest,
    api: ClientApi,
) -> Result<(Reply, String), ApiError> {
    let (stream, usage, progress) = (request.stream, request.usage, request.progress);
    let mut frame = chunk_frame(cx, &request);
    let completions = cx.app.completions();
    let thread = cx.header(THREAD_HEADER);
    let mut started = completions
        .start(&caller, request, thread, clock::now(), None)
        .await?;
    let mut ignored = std::mem::take(&mut started.ignored_fields);
    let analysis = started.run.id.clone();
    frame.id = vendor_id(api, &analysis);
    // Only a panel's answer belongs to a thread.
    let position = match started.is_panel {
        true => {
            cx.app
                .analyses()
                .thread_position(&caller, &analysis)
                .await?
        }
        false => None,
    };
    let with_headers = |reply: Reply, ignored: &[String]| {
        let reply = reply.header(
            HeaderName::from_static("x-quire-analysis"),
            analysis.as_str(),
        );
        let reply = match &position {
            Some(position) => reply.header(THREAD_HEADER, position.thread.as_str()),
            None => reply,
        };
        match ignored.is_empty() {
            true => reply,
            false => reply.header(
                HeaderName::from_static("x-quire-ignored"),
                &ignored.join(", "),
            ),
        }
    };
    if stream {
        let watch = match started.run.run_watch.take() {
            Some(watch) => watch,
            None => cx.app.analyses().watch(Some(&caller), &analysis, 0).await?,
        };
        let dialect = StreamDialect::new(api, frame, usage, progress);
        let mut stream = CompletionStream::new(cx, started, watch, dialect);
        stream.wait_for_first_token().await?;
        return Ok((with_headers(stream.reply(cx), &ignored), String::new()));
    }
    // Held until the run ends. If the client disconnects, this future is dropped with the guard, which stops the run.
    let _guard = started.run.guard;
    let Some(outcome) = started.run.finished.wait_for_outcome().await else {
        let why = "the server is shutting down";
        return Err(Error::new(Kind::Unavailable, why)
            .resolve("try again in a minute")
            .into());
    };
    let completion = Completion::from_outcome(&outcome, started.is_passthrough)?;
    frame.completed = Some(clock::now().millis() / 1_000);
    let text = response_body(api, &frame, &completion).to_string();
    let reply = Reply::bytes(text.clone(), "application/json");
    ignored.extend(
        completion
            .dropped_fields
            .iter()
            .map(|name| openai::sanitize_field_name(name)),
    );
    let reply = add_result_headers(reply, cx, &completion);
    Ok((with_headers(reply, &ignored), text))
}
