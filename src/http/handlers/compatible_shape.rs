//! Requests and responses of the compatible APIs in the format of each vendor.

use hyper::header::HeaderName;
use serde_json::Value;

use super::analyses;
use crate::app::Error;
use crate::app::completions::Completion;
use crate::clock;
use crate::domain::id::AnalysisId;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;
use crate::wire::serve_openai::{self as openai, ChatRequest, ChunkFrame, RequestError, Told};
use crate::wire::{
    serve_anthropic as anthropic, serve_completions as completions, serve_gemini as gemini,
    serve_responses as responses,
};

/// The API that a request uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientApi {
    /// Chat completions.
    Chat,
    /// Text completions.
    Completions,
    /// Responses.
    Responses,
    /// Anthropic's messages.
    Messages,
    /// Gemini's generateContent.
    Gemini,
}

/// The fields that all parts of a response share, without its ID.
pub(super) fn frame_of(cx: &RequestContext, asked: &ChatRequest) -> ChunkFrame {
    ChunkFrame {
        id: String::new(),
        created: cx.now.millis() / 1_000,
        model: asked.model.clone(),
        completed: None,
        settings: asked.settings.clone(),
        echo: asked.echo.clone(),
        is_legacy: asked.is_legacy,
        shows_thinking: asked.shows_thinking,
    }
}

/// A complete response body in the format of an API.
pub(super) fn whole(api: ClientApi, frame: &ChunkFrame, done: &Completion) -> Value {
    let told = said(done);
    match api {
        ClientApi::Chat => openai::completion(frame, &told),
        ClientApi::Completions => {
            completions::completion(frame, told.text, told.finish, told.usage)
        }
        ClientApi::Responses => responses::response(frame, "completed", Some(&told)),
        ClientApi::Messages => anthropic::message(frame, &told),
        ClientApi::Gemini => gemini::answer(frame, &told),
    }
}

/// An answer's contents, for the formats of the APIs.
pub(super) fn said(done: &Completion) -> Told<'_> {
    Told {
        text: &done.text,
        calls: &done.calls,
        reasoning: &done.reasoning,
        extras: &done.extras,
        finish: done.finish,
        usage: &done.usage,
    }
}

/// Adds the headers with cost, cache use, models, and duration.
pub(super) fn told(reply: Reply, cx: &RequestContext, done: &Completion) -> Reply {
    let took = clock::instant()
        .saturating_duration_since(cx.started)
        .as_millis();
    let reply = analyses::stored(reply, done.is_stored);
    // A price that is not known is not 0.
    let reply = match done.cost {
        Some(cost) => reply.header(
            HeaderName::from_static("x-quire-cost-usd"),
            &format!("{:.6}", cost.dollars()),
        ),
        None => reply,
    };
    reply
        .header(
            HeaderName::from_static("x-quire-cache"),
            if done.cached { "hit" } else { "miss" },
        )
        .header(
            HeaderName::from_static("x-quire-panel"),
            &done.panel.join(", "),
        )
        .header(
            HeaderName::from_static("openai-processing-ms"),
            &took.to_string(),
        )
}

/// An ID in the vendor's form: its prefix and the unique part of ours.
pub(super) fn id_of(api: ClientApi, id: &AnalysisId) -> String {
    let own = id.as_str().rsplit('_').next().unwrap_or_default();
    match api {
        ClientApi::Chat => format!("chatcmpl-{own}"),
        ClientApi::Completions => format!("cmpl-{own}"),
        ClientApi::Responses => format!("resp_{own}"),
        ClientApi::Messages => format!("msg_{own}"),
        ClientApi::Gemini => own.to_owned(),
    }
}

/// The error for a field that is not accepted.
pub(super) fn refused(fault: RequestError) -> ApiError {
    Error::field(&[fault.param], "value_error", fault.why).into()
}
