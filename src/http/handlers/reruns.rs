//! Handlers that run a stored analysis again: with some fields changed, or as it was.

use serde_json::{Map, Value};

use super::analyses::{accepted_reply, id_param};
use super::analysis_shape as shape;
use super::idempotent::{OnDisconnect, with_idempotency_key};
use crate::app::Error;
use crate::clock;
use crate::domain::request::Request;
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

/// `POST /api/analyses/{id}/rerun`: starts a detached run of an analysis with some fields changed. With `dry_run`, only
/// estimates the cost.
///
/// # Errors
/// `Missing` if the caller has no such analysis; otherwise, same as [`start`](super::analyses::start).
pub async fn rerun(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let mut changes: Map<String, Value> = cx.json().await?;
    let is_dry_run = match changes.remove("dry_run") {
        None => false,
        Some(Value::Bool(value)) => value,
        Some(_) => {
            let message = "must be true or false";
            return Err(Error::field(&["body", "dry_run"], "bool_type", message).into());
        }
    };
    let id = id_param(&cx)?;
    let analyses = cx.app.analyses();
    let fields = Value::Object(changes.clone()).to_string();
    let changed_request = async {
        let old = analyses.show(&caller, &id).await?.analysis.request;
        let request: Request = crate::http::json::from_value(old.merged(changes))?;
        Ok::<_, ApiError>(Request {
            detached: true,
            ..request
        })
    };
    if is_dry_run {
        let request = changed_request.await?;
        let forecast = analyses.estimate_rerun(&caller, &id, request).await?;
        return Ok(Reply::json(&shape::rerun_forecast_json(&forecast)));
    }
    let work = async {
        let request = changed_request.await?;
        let started = analyses.rerun(&caller, &id, request, clock::now()).await?;
        accepted_reply(&cx, Some(&caller), &started.id).await
    };
    let request = || format!("rerun {id} {fields}");
    with_idempotency_key(&cx, &caller, OnDisconnect::Continues, request, work).await
}

/// `POST /api/analyses/{id}/retry`: starts a detached run of an analysis without changes.
///
/// # Errors
/// `Missing` if the caller has no such analysis; otherwise, same as [`start`](super::analyses::start).
pub async fn retry(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = id_param(&cx)?;
    let work = async {
        let started = cx.app.analyses().retry(&caller, &id, clock::now()).await?;
        accepted_reply(&cx, Some(&caller), &started.id).await
    };
    let request = || format!("retry {id}");
    with_idempotency_key(&cx, &caller, OnDisconnect::Continues, request, work).await
}
