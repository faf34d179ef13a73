//! A person's archive over HTTP: everything they own as one file, and such a file taken in.

use hyper::header::CONTENT_DISPOSITION;
use serde_json::{Map, Value, json};

use super::accounts::private;
use super::documents::uploaded;
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

/// GET /api/users/me/export
pub async fn export(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let file = cx.app.export(&caller.user).await?;
    // The open file outlives its name.
    let reply = Reply::file(file.path(), "application/gzip").await?;
    let name = "attachment; filename=\"quire-archive.tar.gz\"";
    Ok(private(reply.header(CONTENT_DISPOSITION, name)))
}

/// POST /api/users/me/import
pub async fn import(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (_, received) = uploaded(&mut cx).await?;
    let counts = cx.app.import(&caller.user, received).await?;
    let rows = counts
        .iter()
        .map(|(name, count)| (name.clone(), json!(count)));
    let rows: Map<String, Value> = rows.collect();
    Ok(Reply::json(&json!({ "status": "success", "counts": rows })))
}
