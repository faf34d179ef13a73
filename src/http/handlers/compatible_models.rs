//! Model lists of the compatible APIs: in OpenAI's format with OpenRouter's fields, or in Anthropic's format for
//! Anthropic's SDK.

use hyper::header::HeaderName;
use serde_json::{Value, json};

use crate::app::Error;
use crate::app::completions::ModelName;
use crate::domain::user::Caller;
use crate::http::RequestContext;
use crate::http::error::ApiError;
use crate::http::percent::decode;
use crate::http::reply::Reply;
use crate::wire::serve_models::{self as wire, ServedModel};

/// `GET /v1/models`: lists the models in OpenAI's format, or in Anthropic's format for Anthropic's SDK.
///
/// # Errors
/// `BadInput` for an invalid limit.
pub async fn list(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let names = cx.app.completions().names(&caller).await?;
    if !is_anthropic(&cx) {
        let rows: Vec<Value> = names
            .iter()
            .map(|name| wire::openai_row(&served_model(&cx, name)))
            .collect();
        return Ok(Reply::json(&json!({ "object": "list", "data": rows })));
    }
    let limit = cx.query_number("limit", 1, 1_000, 20)? as usize;
    let (after_id, before_id) = (cx.query("after_id"), cx.query("before_id"));
    let rows = names
        .iter()
        .map(|name| wire::anthropic_row(&served_model(&cx, name)));
    let page = wire::anthropic_page(
        rows.collect(),
        limit,
        after_id.as_deref(),
        before_id.as_deref(),
    );
    Ok(Reply::json(&page))
}

/// `GET /v1/models/{name*}`: returns one model.
///
/// # Errors
/// `Missing` if there is no such model.
pub async fn show(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    // Some clients send the slash in a model ID as is, others as %2F.
    let id = decode(cx.param("name"), false).ok_or_else(Error::missing)?;
    let name = cx.app.completions().name(&caller, &id).await?;
    let model = served_model(&cx, &name);
    let row = match is_anthropic(&cx) {
        true => wire::anthropic_row(&model),
        false => wire::openai_row(&model),
    };
    Ok(Reply::json(&row))
}

/// Whether the client uses Anthropic's SDK, which is the only one that sends `anthropic-version`.
fn is_anthropic(cx: &RequestContext) -> bool {
    cx.header(HeaderName::from_static("anthropic-version"))
        .is_some()
}

fn served_model<'a>(cx: &RequestContext, name: &'a ModelName) -> ServedModel<'a> {
    ServedModel {
        id: &name.id,
        owner: &name.owner,
        created: name.created.unwrap_or(cx.app.started),
        model: name.model.as_ref(),
        retired: (name.retired.as_ref()).map(|retired| retired.successor.as_deref()),
        retired_members: &name.retired_members,
    }
}
