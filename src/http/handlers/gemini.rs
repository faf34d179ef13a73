//! Gemini's own API for programs that speak it already: `generateContent`, its stream, `countTokens`, and the list of
//! models. The address names the model and what is wanted of it.

use serde_json::{Value, json};

use super::compatible::once;
use super::compatible_shape::{ClientApi, refused};
use crate::app::completions::count;
use crate::app::{Error, Kind};
use crate::domain::user::Caller;
use crate::http::RequestContext;
use crate::http::error::ApiError;
use crate::http::percent::decode;
use crate::http::reply::Reply;
use crate::wire::serve_gemini as gemini;

/// POST /v1beta/models/{name*}, /v1/models/{name*}
pub async fn act(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let address = decode(cx.param("name"), false).ok_or_else(Error::missing)?;
    // A model's own name may have a colon: `llama3:8b:generateContent`.
    let (model, action) = address.rsplit_once(':').unwrap_or((&address, ""));
    let model = model.strip_prefix("models/").unwrap_or(model);
    let stream = match action {
        "generateContent" | "countTokens" => false,
        "streamGenerateContent" if cx.query("alt").as_deref() == Some("sse") => true,
        "streamGenerateContent" => {
            let why = "a stream is sent as events only";
            let error = Error::new(Kind::BadRequest, why);
            return Err(error.resolve("add ?alt=sse to the address").into());
        }
        _ => return Err(unknown(action)),
    };
    let mut body: Value = cx.json().await?;
    if action == "countTokens" {
        let inner = body["generateContentRequest"].take();
        let body = if inner.is_object() { inner } else { body };
        let asked = gemini::read(model, &body, false).map_err(refused)?;
        cx.app.completions().name(&caller, model).await?;
        return Ok(Reply::json(&json!({ "totalTokens": count(&asked) })));
    }
    let asked = gemini::read(model, &body, stream).map_err(refused)?;
    // An answer that is kept under an idempotency key is that of this model.
    body["model"] = json!(model);
    once(cx, caller, &body, vec![asked], ClientApi::Gemini).await
}

fn unknown(action: &str) -> ApiError {
    let shown: String = action
        .chars()
        .filter(|c| !c.is_control())
        .take(40)
        .collect();
    let why = format!("there is no method {shown:?} of a model");
    Error::new(Kind::Missing, why)
        .resolve("use generateContent, streamGenerateContent?alt=sse, or countTokens")
        .into()
}

/// GET /v1beta/models
pub async fn list(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let names = cx.app.completions().names(&caller).await?;
    let rows = names.iter().map(|name| {
        let model = name.model.as_ref();
        let shown = model.map_or(&name.id, |model| &model.name);
        let tokens = |count: Option<u64>| count.filter(|count| *count > 0);
        json!({
            "name": format!("models/{}", name.id), "baseModelId": name.id, "displayName": shown,
            "inputTokenLimit": tokens(model.map(|model| model.context_window)),
            "outputTokenLimit": tokens(model.map(|model| model.max_output)),
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        })
    });
    let rows: Vec<Value> = rows.collect();
    Ok(Reply::json(&json!({ "models": rows })))
}
