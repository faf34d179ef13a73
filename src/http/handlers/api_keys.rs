//! API key handlers: create, list, and delete. The key itself is returned only when it is created.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::{no_store, request_origin, success_reply};
use crate::app::api_keys::NewKey;
use crate::domain::user::{ApiKey, Caller};
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyBody {
    name: Option<String>,
    scopes: Option<Vec<String>>,
    expires_in_days: Option<u32>,
    models: Option<Vec<String>>,
    day_budget_usd: Option<f64>,
    budget_usd: Option<f64>,
}

/// `POST /api/users/me/api-keys`: creates an API key and returns it. The key cannot be retrieved later.
///
/// # Errors
/// `Forbidden` if the caller uses an API key; `BadInput` for an invalid body; `Conflict` if there are too many
/// keys.
pub async fn create(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: KeyBody = cx.json_of_any_content_type().await?;
    let params = NewKey {
        name: body.name.unwrap_or_default(),
        days: body.expires_in_days,
        scopes: body.scopes.unwrap_or_default(),
        models: body.models.unwrap_or_default(),
        daily_budget_usd: body.day_budget_usd,
        total_budget_usd: body.budget_usd,
    };
    let accounts = cx.app.accounts();
    let (key, stored_key) = accounts
        .create_key(&caller, params, &request_origin(&cx))
        .await?;
    let reply =
        Reply::json(&json!({"status": "success", "key": key, "api_key": key_json(&stored_key)}));
    Ok(no_store(reply.status(StatusCode::CREATED)))
}

/// `GET /api/users/me/api-keys`: lists the caller's API keys.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub async fn list(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let keys = cx.app.accounts().keys(&caller).await?;
    let keys: Vec<Value> = keys.iter().map(key_json).collect();
    Ok(no_store(Reply::json(
        &json!({"api_keys": keys, "next_cursor": null}),
    )))
}

/// `DELETE /api/users/me/api-keys/{id}`: deletes an API key.
///
/// # Errors
/// `Missing` if there is no such key; `Forbidden` if the caller uses another API key without the scope `keys`.
pub async fn delete(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    cx.app
        .accounts()
        .delete_key(&caller, cx.param("id"), &request_origin(&cx))
        .await?;
    success_reply("the key has been deleted")
}

fn key_json(key: &ApiKey) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "created_at": key.created,
        "last_used_at": key.last_used,
        "expires_at": key.expires_at,
        "scopes": key.scopes,
        "models": key.limits.models,
        "day_budget_usd": key.limits.daily_budget,
        "budget_usd": key.limits.total_budget,
    })
}
