//! Builds the responses of the compatible APIs in each vendor's format.

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
use crate::wire::serve_openai::{
    self as openai, ChatRequest, ChunkFrame, CompleteAnswer, RequestError,
};
use crate::wire::{
    serve_anthropic as anthropic, serve_completions as completions, serve_gemini as gemini,
    serve_responses as responses,
};

/// The compatible API that a request uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientApi {
    /// OpenAI's Chat Completions API.
    Chat,
    /// OpenAI's text completions API.
    Completions,
    /// OpenAI's Responses API.
    Responses,
    /// Anthropic's Messages API.
    Messages,
    /// Gemini's `generateContent` method.
    Gemini,
}

/// Returns the fields that all chunks of a response share. The ID is empty; it is set once it is known.
pub(super) fn chunk_frame(cx: &RequestContext, request: &ChatRequest) -> ChunkFrame {
    ChunkFrame {
        id: String::new(),
        created: cx.now.millis() / 1_000,
        model: request.model.clone(),
        completed: None,
        settings: request.settings.clone(),
        echo: request.echo.clone(),
        is_legacy: request.is_legacy,
        shows_thinking: request.shows_thinking,
    }
}

/// Returns a complete response body in the format of an API.
pub(super) fn response_body(api: ClientApi, frame: &ChunkFrame, completion: &Completion) -> Value {
    let result = complete_answer(completion);
    match api {
        ClientApi::Chat => openai::encode_completion(frame, &result),
        ClientApi::Completions => {
            completions::encode_completion(frame, result.text, result.finish_reason, result.usage)
        }
        ClientApi::Responses => responses::encode_response(frame, "completed", Some(&result)),
        ClientApi::Messages => anthropic::encode_message(frame, &result),
        ClientApi::Gemini => gemini::encode_answer(frame, &result),
    }
}

/// Borrows a completion as the type that the API encoders take.
pub(super) fn complete_answer(completion: &Completion) -> CompleteAnswer<'_> {
    CompleteAnswer {
        text: &completion.text,
        calls: &completion.calls,
        reasoning: &completion.reasoning,
        extras: &completion.extras,
        finish_reason: completion.finish_reason,
        usage: &completion.usage,
    }
}

/// Adds headers with the cost, cache use, models, and duration of an answer.
pub(super) fn add_result_headers(
    reply: Reply,
    cx: &RequestContext,
    completion: &Completion,
) -> Reply {
    let duration = clock::instant()
        .saturating_duration_since(cx.started)
        .as_millis();
    let reply = analyses::with_unstored_header(reply, completion.is_stored);
    // An unknown cost is omitted instead of being reported as 0.
    let reply = match completion.cost {
        Some(cost) => reply.header(
            HeaderName::from_static("x-quire-cost-usd"),
            &format!("{:.6}", cost.dollars()),
        ),
        None => reply,
    };
    let reply = match &completion.vote {
        Some(vote) => reply.header(HeaderName::from_static("x-quire-vote"), vote),
        None => reply,
    };
    reply
        .header(
            HeaderName::from_static("x-quire-cache"),
            if completion.is_cached { "hit" } else { "miss" },
        )
        .header(
            HeaderName::from_static("x-quire-panel"),
            &completion.panel.join(", "),
        )
        .header(
            HeaderName::from_static("openai-processing-ms"),
            &duration.to_string(),
        )
}

/// Returns an ID in the vendor's format: the vendor's prefix and the unique part of Quire's ID.
pub(super) fn vendor_id(api: ClientApi, id: &AnalysisId) -> String {
    let unique = id.as_str().rsplit('_').next().unwrap_or_default();
    match api {
        ClientApi::Chat => format!("chatcmpl-{unique}"),
        ClientApi::Completions => format!("cmpl-{unique}"),
        ClientApi::Responses => format!("resp_{unique}"),
        ClientApi::Messages => format!("msg_{unique}"),
        ClientApi::Gemini => unique.to_owned(),
    }
}

/// Returns the error for a request field whose value is not accepted.
pub(super) fn invalid_field(error: RequestError) -> ApiError {
    Error::field(&[error.param], "value_error", error.reason).into()
}
