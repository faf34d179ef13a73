//! Handler of `/v1/embeddings`, in OpenAI's format. The rules are in `app::embeddings`.

use base64::Engine as _;
use hyper::header::HeaderName;
use serde_json::{Value, json};

use super::compatible_shape::invalid_field;
use super::idempotent::{OnDisconnect, with_idempotency_key};
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;
use crate::wire::embed::{self, EmbeddingRequest};

/// Maximum number of ignored fields listed in the `x-quire-ignored` header.
const MAX_IGNORED: usize = 20;

/// `POST /v1/embeddings`: answers a request of OpenAI's Embeddings API.
///
/// # Errors
/// `BadRequest` or `BadInput` for an invalid request; `Missing` for an unknown model; `Forbidden` if the API key may
/// not use the model; `BudgetExceeded` if a budget is too small or the price is unknown; and the provider's error.
pub async fn create(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: Value = cx.json().await?;
    let parsed = embed::parse_request(&body).map_err(invalid_field)?;
    let request = || format!("Embeddings {body}");
    let work = respond(&cx, &caller, parsed);
    with_idempotency_key(&cx, &caller, OnDisconnect::Stops, request, work).await
}

/// Computes the embeddings.
async fn respond(
    cx: &RequestContext,
    caller: &Caller,
    request: EmbeddingRequest,
) -> Result<Reply, ApiError> {
    let (model, is_base64) = (request.model.clone(), request.is_base64);
    let result = cx.app.embeddings().embed(caller, request).await?;
    let ignored = result
        .ignored_fields
        .iter()
        .take(MAX_IGNORED)
        .map(String::as_str);
    let ignored = ignored.collect::<Vec<_>>().join(", ");
    let vectors = result.embedded.vectors.iter().enumerate();
    let rows: Vec<Value> = vectors
        .map(|(index, vector)| {
            let vector = match is_base64 {
                true => json!(base64_le(vector)),
                false => json!(vector),
            };
            json!({ "object": "embedding", "index": index, "embedding": vector })
        })
        .collect();
    let usage = json!({ "prompt_tokens": result.tokens, "total_tokens": result.tokens });
    let body = json!({ "object": "list", "data": rows, "model": model, "usage": usage });
    let mut reply = Reply::json(&body);
    if let Some(cost) = result.cost {
        let cost = format!("{:.6}", cost.dollars());
        reply = reply.header(HeaderName::from_static("x-quire-cost-usd"), &cost);
    }
    if !ignored.is_empty() {
        reply = reply.header(HeaderName::from_static("x-quire-ignored"), &ignored);
    }
    Ok(reply)
}

fn base64_le(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
