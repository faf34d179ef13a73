//! API keys over HTTP: make (shown once), list, delete.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::{done, private, visit};
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

/// POST /api/users/me/api-keys
pub async fn create(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: KeyBody = cx.json_or_empty().await?;
    let wanted = NewKey {
        name: body.name.unwrap_or_default(),
        days: body.expires_in_days,
        scopes: body.scopes.unwrap_or_default(),
        models: body.models.unwrap_or_default(),
        day_usd: body.day_budget_usd,
        all_usd: body.budget_usd,
    };
    let accounts = cx.app.accounts();
    let (key, known) = accounts.create_key(&caller, wanted, &visit(&cx)).await?;
    let reply = Reply::json(&json!({"status": "success", "key": key, "api_key": shape(&known)}));
    Ok(private(reply.status(StatusCode::CREATED)))
}

/// GET /api/users/me/api-keys
pub async fn list(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let keys = cx.app.accounts().keys(&caller).await?;
    let keys: Vec<Value> = keys.iter().map(shape).collect();
    Ok(private(Reply::json(
        &json!({"api_keys": keys, "next_cursor": null}),
    )))
}

/// DELETE /api/users/me/api-keys/{id}
pub async fn delete(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    cx.app
        .accounts()
        .delete_key(&caller, cx.param("id"), &visit(&cx))
        .await?;
    done("the key is deleted")
}

fn shape(key: &ApiKey) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "created_at": key.created,
        "last_used_at": key.last_used,
        "expires_at": key.expires,
        "scopes": key.scopes,
        "models": key.confines.models,
        "day_budget_usd": key.confines.day_cost,
        "budget_usd": key.confines.all_cost,
    })
}
