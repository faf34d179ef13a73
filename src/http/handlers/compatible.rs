//! Handlers of the OpenAI- and Anthropic-compatible APIs: they parse the request, run it, and respond in the API's
//! format, as one body or a stream. If the client disconnects, all calls for the request stop.

use hyper::header::HeaderName;
use serde_json::{Value, json};

use super::analyses::THREAD_HEADER;
use super::compatible_shape::{
    ClientApi, add_result_headers, chunk_frame, invalid_field, response_body, vendor_id,
};
use super::compatible_stream::{CompletionStream, StreamDialect};
use super::idempotent::{OnDisconnect, with_idempotency_key};
use super::{compatible_files, compatible_several};
use crate::app::completions::{Completion, estimated_tokens};
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
        return work.await;
    }
    let request = || format!("{api:?} {body}");
    // Boxed, so that a stream does not need its memory.
    Box::pin(with_idempotency_key(
        &cx,
        &owner,
        OnDisconnect::Stops,
        request,
        work,
    ))
    .await
}

/// Runs one request.
async fn run_one(
    cx: &RequestContext,
    caller: Caller,
    request: ChatRequest,
    api: ClientApi,
) -> Result<Reply, ApiError> {
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
        return Ok(with_headers(stream.reply(cx), &ignored));
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
    let reply = Reply::json(&response_body(api, &frame, &completion));
    ignored.extend(
        completion
            .dropped_fields
            .iter()
            .map(|name| openai::sanitize_field_name(name)),
    );
    let reply = add_result_headers(reply, cx, &completion);
    Ok(with_headers(reply, &ignored))
}
