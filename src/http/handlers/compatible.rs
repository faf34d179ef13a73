//! The API of OpenAI and Anthropic, for programs that speak it already: bodies to one question, the answer to
//! their shapes, whole or as a stream. The connection is the request: when it closes, every call is stopped.

use hyper::header::HeaderName;
use serde_json::{Value, json};

use super::compatible_shape::{ClientApi, frame_of, id_of, refused, told, whole};
use super::compatible_stream::{CompletionStream, StreamDialect};
use super::{compatible_files, compatible_several};
use crate::app::completions::{Completion, StartedCompletion, count};
use crate::app::repeats::IdempotencyTurn;
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

/// POST /v1/chat/completions
pub async fn chat(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body = body(&mut cx, &caller).await?;
    let asked = openai::read(&body).map_err(refused)?;
    once(cx, caller, &body, vec![asked], ClientApi::Chat).await
}

/// POST /v1/completions
pub async fn complete(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: Value = cx.json().await?;
    let asked = completions::read(&body).map_err(refused)?;
    once(cx, caller, &body, asked, ClientApi::Completions).await
}

/// POST /v1/responses
pub async fn responses(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body = body(&mut cx, &caller).await?;
    let asked = responses::read(&body).map_err(refused)?;
    once(cx, caller, &body, vec![asked], ClientApi::Responses).await
}

/// POST /v1/messages
pub async fn messages(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body = body(&mut cx, &caller).await?;
    let asked = anthropic::read(&body, true).map_err(refused)?;
    once(cx, caller, &body, vec![asked], ClientApi::Messages).await
}

/// POST /v1/messages/count_tokens: an estimate, as everywhere before a vendor has counted.
pub async fn count_tokens(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body = body(&mut cx, &caller).await?;
    let asked = anthropic::read(&body, false).map_err(refused)?;
    cx.app.completions().name(&caller, &asked.model).await?;
    Ok(Reply::json(&json!({ "input_tokens": count(&asked) })))
}

// The body, with the text of its documents in their place.
async fn body(cx: &mut RequestContext, caller: &Caller) -> Result<Value, ApiError> {
    let mut body: Value = cx.json().await?;
    compatible_files::inline(cx, caller, &mut body).await?;
    Ok(body)
}

pub(super) async fn once(
    cx: RequestContext,
    caller: Caller,
    body: &Value,
    asked: Vec<ChatRequest>,
    api: ClientApi,
) -> Result<Reply, ApiError> {
    let all = compatible_several::each(asked)?;
    let stream = all.iter().any(|asked| asked.stream);
    let who = caller.clone();
    let work = async {
        let only = match <[ChatRequest; 1]>::try_from(all) {
            Ok([only]) => only,
            Err(all) => return compatible_several::answer(&cx, caller, all, api).await,
        };
        answer(&cx, caller, only, api).await
    };
    if stream {
        return Ok(work.await?.0);
    }
    under_key(&cx, &who, || format!("{api:?} {body}"), work).await
}

/// A whole answer that was given under this key is given again; streams are not kept.
pub(super) async fn under_key(
    cx: &RequestContext,
    caller: &Caller,
    request: impl FnOnce() -> String,
    work: impl Future<Output = Result<(Reply, String), ApiError>>,
) -> Result<Reply, ApiError> {
    let Some(key) = cx.header(HeaderName::from_static("idempotency-key")) else {
        return Ok(work.await?.0);
    };
    let claim = match cx.app.claim(caller, key, &request(), cx.now).await? {
        IdempotencyTurn::First(claim) => claim,
        IdempotencyTurn::Again(headers, body) => {
            let reply = Reply::bytes(body, "application/json")
                .header(HeaderName::from_static("idempotent-replayed"), "true");
            let named = headers.iter().filter_map(|(name, value)| {
                Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value))
            });
            return Ok(named.fold(reply, |reply, (name, value)| reply.header(name, value)));
        }
    };
    let (reply, text) = match work.await {
        Ok(answered) => answered,
        Err(error) => {
            cx.app.release(claim).await;
            return Err(error);
        }
    };
    let ours = reply.headers().iter().filter_map(|(name, value)| {
        let name = name.as_str();
        let value = value.to_str().ok()?;
        (name.starts_with("x-quire-")).then(|| (name.to_owned(), value.to_owned()))
    });
    let ours: Vec<_> = ours.collect();
    if cx.app.keep_answer(claim, &ours, text, clock::now()).await {
        return Ok(reply);
    }
    // It is paid: better an answer that cannot be given again than none.
    let name = HeaderName::from_static("x-quire-idempotency");
    Ok(reply.header(name, "not-stored"))
}

// The reply, and its text where it is whole.
async fn answer(
    cx: &RequestContext,
    caller: Caller,
    asked: ChatRequest,
    api: ClientApi,
) -> Result<(Reply, String), ApiError> {
    let (stream, usage, progress) = (asked.stream, asked.usage, asked.progress);
    let mut frame = frame_of(cx, &asked);
    let completions = cx.app.completions();
    let started = completions
        .start(&caller, asked, clock::now(), None)
        .await?;
    let StartedCompletion {
        begun,
        mut ignored,
        is_panel,
        passed_on,
    } = started;
    frame.id = id_of(api, &begun.id);
    let analysis = begun.id.clone();
    let named = |reply: Reply, ignored: &[String]| {
        let reply = reply.header(
            HeaderName::from_static("x-quire-analysis"),
            analysis.as_str(),
        );
        match ignored.is_empty() {
            true => reply,
            false => reply.header(
                HeaderName::from_static("x-quire-ignored"),
                &ignored.join(", "),
            ),
        }
    };
    if stream {
        let watch = cx.app.analyses().watch(Some(&caller), &begun.id, 0).await?;
        let tongue = StreamDialect::new(api, frame, usage, progress);
        let mut following = CompletionStream::new(cx, begun, watch, tongue, (is_panel, passed_on));
        following.wait_for_answer().await?;
        return Ok((named(following.reply(cx), &ignored), String::new()));
    }
    // Held until the answer is there: a client that leaves drops this future, and the run with it.
    let _guard = begun.guard;
    let Some(ended) = begun.finished.outcome().await else {
        let why = "the server is shutting down";
        return Err(Error::new(Kind::Unavailable, why)
            .resolve("try again in a minute")
            .into());
    };
    let done = Completion::of(&ended, passed_on)?;
    frame.completed = Some(clock::now().millis() / 1_000);
    let text = whole(api, &frame, &done).to_string();
    let reply = Reply::bytes(text.clone(), "application/json");
    ignored.extend(done.dropped.iter().map(|name| openai::shown(name)));
    Ok((named(told(reply, cx, &done), &ignored), text))
}
