//! Archive handlers: export all of an account's data to one file, and import such a file.

use hyper::header::CONTENT_DISPOSITION;
use serde_json::{Map, Value, json};

use super::accounts::no_store;
use super::documents::read_upload;
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

/// `GET /api/users/me/export`: downloads all data of the caller as one archive.
///
/// # Errors
/// Returns an error if the archive cannot be created or read.
pub async fn export(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let file = cx.app.archives().export(&caller.user).await?;
    // The file is deleted while it is being sent, but the open handle keeps its content.
    let reply = Reply::file(file.path(), "application/gzip").await?;
    let name = "attachment; filename=\"quire-archive.tar.gz\"";
    Ok(no_store(reply.header(CONTENT_DISPOSITION, name)))
}

/// `POST /api/users/me/import`: imports an archive into the caller's account.
///
/// # Errors
/// `BadRequest` if the file is not an archive; `TooLarge` if the file or one of its entries exceeds a limit.
pub async fn import(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (_, received) = read_upload(&mut cx).await?;
    let counts = cx.app.archives().import(&caller.user, received).await?;
    let rows = counts
        .iter()
        .map(|(name, count)| (name.clone(), json!(count)));
    let rows: Map<String, Value> = rows.collect();
    Ok(Reply::json(&json!({ "status": "success", "counts": rows })))
}
