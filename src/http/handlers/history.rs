//! The list of one's analyses, and what it can be narrowed to. Tells of each what was asked, never what was
//! answered.

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

/// GET /api/analyses, /api/analyze
pub async fn list(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (limit, cursor) = cx.page()?;
    let cursor = read(cursor, "cursor", "not a cursor of this list", |text| {
        AnalysisId::parse(text)
    })?;
    // One more than asked for tells whether there is a next page.
    let query = HistoryQuery {
        limit: limit + 1,
        cursor,
        filter: filter(&cx)?,
    };
    let mut found = cx.app.analyses().list(&caller, query).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found
        .last()
        .filter(|_| more)
        .map(|analysis| analysis.id.clone());
    let items: Vec<Value> = found.iter().map(shape::listed).collect();
    Ok(Reply::json(
        &json!({ "analyses": items, "next_cursor": next }),
    ))
}

fn filter(cx: &RequestContext) -> Result<HistoryFilter, ApiError> {
    let given = |name: &str| cx.query(name).filter(|text| !text.is_empty());
    let states = "must be queued, running, completed, failed or cancelled";
    let moment = "must be a moment in UTC such as 2026-11-23T00:00:00Z";
    Ok(HistoryFilter {
        search: given("q"),
        status: read(cx.query("status"), "status", states, Status::parse)?,
        pattern: given("pattern"),
        model: given("model"),
        from: read(given("from"), "from", moment, Timestamp::parse)?,
        to: read(given("to"), "to", moment, Timestamp::parse)?,
    })
}

fn read<T>(
    given: Option<String>,
    name: &str,
    wanted: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, ApiError> {
    let Some(text) = given else { return Ok(None) };
    match parse(&text) {
        Some(value) => Ok(Some(value)),
        None => Err(Error::field(&["query", name], "value_error", wanted).into()),
    }
}
