//! `/v1/embeddings`: OpenAI's shape over `app::embeddings`.

use base64::Engine as _;
use hyper::header::HeaderName;
use serde_json::{Value, json};

use super::compatible::under_key;
use super::compatible_shape::refused;
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;
use crate::wire::embed::{self, EmbeddingRequest};

/// Names of ignored fields in the answer's header.
const MAX_IGNORED: usize = 20;

/// POST /v1/embeddings
pub async fn create(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: Value = cx.json().await?;
    let asked = embed::read(&body).map_err(refused)?;
    let request = || format!("Embeddings {body}");
    under_key(&cx, &caller, request, answer(&cx, &caller, asked)).await
}

async fn answer(
    cx: &RequestContext,
    caller: &Caller,
    asked: EmbeddingRequest,
) -> Result<(Reply, String), ApiError> {
    let (model, is_base64) = (asked.model.clone(), asked.is_base64);
    let told = cx.app.embed(caller, asked).await?;
    let ignored = told.ignored.iter().take(MAX_IGNORED).map(String::as_str);
    let ignored = ignored.collect::<Vec<_>>().join(", ");
    let vectors = told.embedded.vectors.iter().enumerate();
    let rows: Vec<Value> = vectors
        .map(|(index, vector)| {
            let vector = match is_base64 {
                true => json!(in_base64(vector)),
                false => json!(vector),
            };
            json!({ "object": "embedding", "index": index, "embedding": vector })
        })
        .collect();
    let usage = json!({ "prompt_tokens": told.tokens, "total_tokens": told.tokens });
    let text =
        json!({ "object": "list", "data": rows, "model": model, "usage": usage }).to_string();
    let mut reply = Reply::bytes(text.clone(), "application/json");
    if let Some(cost) = told.cost {
        let cost = format!("{:.6}", cost.dollars());
        reply = reply.header(HeaderName::from_static("x-quire-cost-usd"), &cost);
    }
    if !ignored.is_empty() {
        reply = reply.header(HeaderName::from_static("x-quire-ignored"), &ignored);
    }
    Ok((reply, text))
}

fn in_base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|one| one.to_le_bytes()).collect();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
