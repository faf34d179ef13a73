//! Handlers of the Gemini-compatible API: `generateContent`, `streamGenerateContent`, `countTokens`, and the model
//! list. The last part of the path contains both the model and the method, such as `gemini-pro:countTokens`.

use serde_json::{Value, json};

use super::compatible::respond;
use super::compatible_shape::{ClientApi, invalid_field};
use crate::app::completions::estimated_tokens;
use crate::app::{Error, Kind};
use crate::domain::user::Caller;
use crate::http::RequestContext;
use crate::http::error::ApiError;
use crate::http::percent::decode;
use crate::http::reply::Reply;
use crate::wire::serve_gemini as gemini;

/// `POST /v1beta/models/{name*}`, `/v1/models/{name*}`: calls a model's method `generateContent`,
/// `streamGenerateContent`, or `countTokens`.
///
/// # Errors
/// `BadRequest` or `BadInput` for an invalid request; `Missing` for an unknown model or method; `BudgetExceeded` if
/// the budget is too small; `UpstreamFailed` or `Unavailable` if there is no answer.
pub async fn call_method(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let target = decode(cx.param("name"), false).ok_or_else(Error::missing)?;
    // A model's name may contain a colon too, as in `llama3:8b:generateContent`.
    let (model, method) = target.rsplit_once(':').unwrap_or((&target, ""));
    let model = model.strip_prefix("models/").unwrap_or(model);
    let stream = match method {
        "generateContent" | "countTokens" => false,
        "streamGenerateContent" if cx.query("alt").as_deref() == Some("sse") => true,
        "streamGenerateContent" => {
            let why = "streams are available only as server-sent events";
            let error = Error::new(Kind::BadRequest, why);
            return Err(error.resolve("add ?alt=sse to the URL").into());
        }
        _ => return Err(unknown_method(method)),
    };
    let mut body: Value = cx.json().await?;
    if method == "countTokens" {
        let inner = body["generateContentRequest"].take();
        let body = if inner.is_object() { inner } else { body };
        let request = gemini::parse_request(model, &body, false).map_err(invalid_field)?;
        cx.app.completions().name(&caller, model).await?;
        return Ok(Reply::json(
            &json!({ "totalTokens": estimated_tokens(&request) }),
        ));
    }
    let request = gemini::parse_request(model, &body, stream).map_err(invalid_field)?;
    // Idempotency keys are compared with the request body, so the body must contain the model.
    body["model"] = json!(model);
    respond(cx, caller, &body, vec![request], ClientApi::Gemini).await
}

fn unknown_method(method: &str) -> ApiError {
    let excerpt: String = method
        .chars()
        .filter(|c| !c.is_control())
        .take(40)
        .collect();
    let why = format!("models have no method {excerpt:?}");
    Error::new(Kind::Missing, why)
        .resolve("use generateContent, streamGenerateContent?alt=sse, or countTokens")
        .into()
}

/// `GET /v1beta/models`: lists the models in Gemini's format.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub async fn list(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let names = cx.app.completions().names(&caller).await?;
    let rows = names.iter().map(|name| {
        let model = name.model.as_ref();
        let display_name = model.map_or(&name.id, |model| &model.name);
        let tokens = |count: Option<u64>| count.filter(|count| *count > 0);
        json!({
            "name": format!("models/{}", name.id), "baseModelId": name.id, "displayName": display_name,
            "inputTokenLimit": tokens(model.map(|model| model.context_window)),
            "outputTokenLimit": tokens(model.map(|model| model.max_output)),
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        })
    });
    let rows: Vec<Value> = rows.collect();
    Ok(Reply::json(&json!({ "models": rows })))
}
