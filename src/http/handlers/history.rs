//! Handler that lists the caller's analyses, optionally filtered. The list contains the requests, but not the answers.

use serde_json::{Value, json};

use super::analysis_shape as shape;
use crate::app::Error;
use crate::app::analyses::{HistoryFilter, HistoryQuery};
use crate::domain::analysis::Status;
use crate::domain::id::AnalysisId;
use crate::domain::time::Timestamp;
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

/// `GET /api/analyses`, `/api/analyze`: lists the caller's analyses that match the filters, newest first.
///
/// # Errors
/// `BadInput` for an invalid limit, cursor, or filter.
pub async fn list(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (limit, cursor) = cx.page()?;
    let cursor = parse_param(cursor, "cursor", "is not a cursor for this list", |text| {
        AnalysisId::parse(text)
    })?;
    // One more than the limit is requested, to see whether there is a next page.
    let query = HistoryQuery {
        limit: limit + 1,
        cursor,
        filter: parse_filter(&cx)?,
    };
    let mut analyses = cx.app.analyses().list(&caller, query).await?;
    let has_more = analyses.len() > limit as usize;
    analyses.truncate(limit as usize);
    let next = analyses
        .last()
        .filter(|_| has_more)
        .map(|analysis| analysis.id.clone());
    let items: Vec<Value> = analyses.iter().map(shape::list_item_json).collect();
    Ok(Reply::json(
        &json!({ "analyses": items, "next_cursor": next }),
    ))
}

/// Parses the filters of an analysis list from the query.
///
/// # Errors
/// `BadInput` for an unknown status or an invalid time.
pub(super) fn parse_filter(cx: &RequestContext) -> Result<HistoryFilter, ApiError> {
    let non_empty_query = |name: &str| cx.query(name).filter(|text| !text.is_empty());
    let status_message = "must be queued, running, completed, failed, or cancelled";
    let time_message = "must be a time in UTC such as 2026-11-23T00:00:00Z";
    Ok(HistoryFilter {
        search: non_empty_query("q"),
        status: parse_param(cx.query("status"), "status", status_message, Status::parse)?,
        pattern: non_empty_query("pattern"),
        model: non_empty_query("model"),
        from: parse_param(
            non_empty_query("from"),
            "from",
            time_message,
            Timestamp::parse,
        )?,
        to: parse_param(non_empty_query("to"), "to", time_message, Timestamp::parse)?,
    })
}

/// Parses an optional query parameter. `expected` is the error message if the value is invalid.
fn parse_param<T>(
    value: Option<String>,
    name: &str,
    expected: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, ApiError> {
    let Some(text) = value else { return Ok(None) };
    match parse(&text) {
        Some(value) => Ok(Some(value)),
        None => Err(Error::field(&["query", name], "value_error", expected).into()),
    }
}
