//! The cache over HTTP: figures and brooms for admins, one's own for everybody.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::private;
use crate::app::Error;
use crate::app::cache::{CacheLookup, CacheMiss, CacheSelection, Savings};
use crate::domain::id::{AnalysisId, UserId};
use crate::domain::user::Caller;
use crate::http::auth::Admin;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

/// What hits have spared.
pub fn saved(saved: &Savings) -> Value {
    json!({ "hits": saved.hits, "cost_usd": saved.cost, "unpriced": saved.unpriced, "tokens": saved.tokens })
}

/// GET /api/cache/stats
pub async fn stats(cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    let (stats, sum) = cx.app.cache().stats().await?;
    let config = &cx.app.config;
    Ok(private(Reply::json(&json!({
        "status": if config.cache_ttl.is_zero() { "disabled" } else { "ok" },
        "entries": stats.entries, "bytes": stats.bytes, "limit_bytes": config.cache_bytes,
        "ttl_seconds": config.cache_ttl.as_secs(), "sharing": if config.cache_shared { "team" } else { "off" },
        "saved": saved(&sum),
    }))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClearBody {
    user: Option<String>,
    model: Option<String>,
    older_than_s: Option<u32>,
}

/// POST /api/cache/clear
pub async fn clear(mut cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    let body: ClearBody = cx.json_or_empty().await?;
    let user = body.user.map(|id| {
        UserId::parse(&id)
            .ok_or_else(|| Error::field(&["body", "user"], "value_error", "not a person's id"))
    });
    let which = CacheSelection {
        user: user.transpose()?,
        model: body.model,
        before: (body.older_than_s).map(|age| cx.now - Duration::from_secs(age.into())),
    };
    cleared(&cx, which).await
}

/// DELETE /api/users/me/cache
pub async fn clear_own(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let which = CacheSelection {
        user: Some(caller.user),
        ..CacheSelection::default()
    };
    cleared(&cx, which).await
}

async fn cleared(cx: &RequestContext, which: CacheSelection) -> Result<Reply, ApiError> {
    let count = cx.app.cache().clear(which).await?;
    Ok(Reply::json(&json!({
        "status": "success", "success": true, "removed": count,
        "message": format!("{count} stored answers were removed"),
    })))
}

/// DELETE /api/cache/{key}
pub async fn delete(cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    cx.app.cache().delete(cx.param("key")).await?;
    Ok(Reply::json(
        &json!({ "success": true, "message": "the stored answer is removed" }),
    ))
}

/// GET /api/analyses/{id}/cache
pub async fn explain(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = AnalysisId::parse(cx.param("id")).ok_or_else(Error::missing)?;
    let looks = cx.app.cache().explain(&caller, &id).await?;
    let calls: Vec<Value> = looks.iter().map(call).collect();
    Ok(private(Reply::json(
        &json!({ "analysis_id": id, "calls": calls }),
    )))
}

fn call(look: &CacheLookup) -> Value {
    let (differs, why) = match &look.miss {
        None => (None, "given again".to_owned()),
        Some(CacheMiss::NothingKept) => (None, "nothing was kept then".to_owned()),
        Some(CacheMiss::Differs(fields)) if fields.is_empty() => (
            Some(fields),
            "the same had been kept, but the cache was not to be used, or it had run out"
                .to_owned(),
        ),
        Some(CacheMiss::Differs(fields)) => {
            let names = fields.join(", ");
            (
                Some(fields),
                format!("the nearest one that was kept differs in: {names}"),
            )
        }
    };
    json!({
        "stage": look.answer.stage, "model": look.answer.model, "hit": look.answer.cached, "key": look.key,
        "differs": differs, "why": why,
    })
}
