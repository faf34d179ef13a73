//! Cache handlers: statistics and deletion for administrators, and deletion and lookup results for each user.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::no_store;
use crate::app::Error;
use crate::app::cache::{CacheLookup, CacheMiss, CacheSelection, Savings};
use crate::domain::id::{AnalysisId, UserId};
use crate::domain::user::Caller;
use crate::http::auth::Admin;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

/// Returns what cache hits have saved, as JSON.
pub fn savings_json(savings: &Savings) -> Value {
    json!({ "hits": savings.hits, "cost_usd": savings.cost, "unpriced": savings.unpriced, "tokens": savings.tokens })
}

/// `GET /api/cache/stats`: returns the size of the cache and what it has saved.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub async fn stats(cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    let (stats, sum) = cx.app.cache().stats().await?;
    let config = &cx.app.config;
    Ok(no_store(Reply::json(&json!({
        "status": if config.cache_ttl.is_zero() { "disabled" } else { "ok" },
        "entries": stats.entries, "bytes": stats.bytes, "limit_bytes": config.cache_bytes,
        "ttl_seconds": config.cache_ttl.as_secs(), "sharing": if config.cache_shared { "team" } else { "off" },
        "saved": savings_json(&sum),
    }))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClearBody {
    user: Option<String>,
    model: Option<String>,
    older_than_s: Option<u32>,
}

/// `POST /api/cache/clear`: deletes the cached answers that match a user, a model, and an age. A criterion that is
/// missing matches all answers.
///
/// # Errors
/// `BadRequest` or `BadInput` for an invalid body.
pub async fn clear(mut cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    let body: ClearBody = cx.json_of_any_content_type().await?;
    let user = body.user.map(|id| {
        UserId::parse(&id)
            .ok_or_else(|| Error::field(&["body", "user"], "value_error", "is not a user ID"))
    });
    let selection = CacheSelection {
        user: user.transpose()?,
        model: body.model,
        created_before: (body.older_than_s).map(|age| cx.now - Duration::from_secs(age.into())),
    };
    clear_selection(&cx, selection).await
}

/// `DELETE /api/users/me/cache`: deletes the caller's cached answers.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub async fn clear_own(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let selection = CacheSelection {
        user: Some(caller.user),
        ..CacheSelection::default()
    };
    clear_selection(&cx, selection).await
}

async fn clear_selection(
    cx: &RequestContext,
    selection: CacheSelection,
) -> Result<Reply, ApiError> {
    let count = cx.app.cache().clear(selection).await?;
    Ok(Reply::json(&json!({
        "status": "success", "success": true, "removed": count,
        "message": format!("{count} cached answers have been deleted"),
    })))
}

/// `DELETE /api/cache/{key}`: deletes one cached answer.
///
/// # Errors
/// `Missing` if there is no such answer.
pub async fn delete(cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    cx.app.cache().delete(cx.param("key")).await?;
    Ok(Reply::json(
        &json!({ "success": true, "message": "the cached answer has been deleted" }),
    ))
}

/// `GET /api/analyses/{id}/cache`: explains for each call of an analysis why the cache had an answer or not.
///
/// # Errors
/// `Missing` if the caller has no such analysis.
pub async fn explain(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = AnalysisId::parse(cx.param("id")).ok_or_else(Error::missing)?;
    let lookups = cx.app.cache().explain(&caller, &id).await?;
    let calls: Vec<Value> = lookups.iter().map(lookup_json).collect();
    Ok(no_store(Reply::json(
        &json!({ "analysis_id": id, "calls": calls }),
    )))
}

fn lookup_json(lookup: &CacheLookup) -> Value {
    let (differs, why) = match &lookup.miss_reason {
        None => (None, "given again".to_owned()),
        Some(CacheMiss::NoStoredAnswer) => (None, "nothing was cached at that time".to_owned()),
        Some(CacheMiss::Differs(fields)) if fields.is_empty() => (
            Some(fields),
            "the same request was cached, but the cache was disabled for this call or the entry had expired"
                .to_owned(),
        ),
        Some(CacheMiss::Differs(fields)) => {
            let names = fields.join(", ");
            (
                Some(fields),
                format!("the most similar cached request differs in: {names}"),
            )
        }
    };
    json!({
        "stage": lookup.answer.stage, "model": lookup.answer.model, "hit": lookup.answer.cached, "key": lookup.key,
        "differs": differs, "why": why,
    })
}
