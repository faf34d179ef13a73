//! Backup handlers: download a copy of the database, list the copies in the backup folder, and write a copy to the
//! folder or the replica.

use hyper::StatusCode;
use hyper::header::CONTENT_DISPOSITION;
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::{no_store, request_origin};
use crate::app::App;
use crate::app::backups::{self, BackupFolder};
use crate::http::auth::Admin;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BackupBody {
    to: Option<BackupTarget>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum BackupTarget {
    Folder,
    Replica,
}

/// `GET /api/admin/backup`: downloads a verified copy of the database.
///
/// # Errors
/// `Unavailable` if the copy cannot be written or verified.
pub async fn download(cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    let copy = cx
        .app
        .backups()
        .download(&admin.caller().user, &request_origin(&cx))
        .await?;
    // The file is deleted while it is being sent, but the open handle keeps its content.
    let reply = Reply::file(copy.path(), "application/vnd.sqlite3").await?;
    let name = format!("attachment; filename=\"{}\"", backups::name_of(cx.now));
    Ok(no_store(reply.header(CONTENT_DISPOSITION, &name)))
}

/// `GET /api/admin/backups`: returns the contents of the backup folder and the state of the replica.
///
/// # Errors
/// Returns an error if the folder cannot be read.
pub async fn list(cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    Ok(no_store(Reply::json(&backup_status(&cx.app).await?)))
}

/// `POST /api/admin/backup`: writes a copy to the target `to`: the backup folder or the replica. The default is the
/// folder, or the replica if that is the only target configured.
///
/// # Errors
/// `Conflict` if the target is not configured or a backup is already running; `Unavailable` if the backup fails;
/// `BadRequest` or `BadInput` for an invalid body.
pub async fn make(mut cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    let body: BackupBody = cx.json_of_any_content_type().await?;
    let default = match (&cx.app.config.backups, cx.app.health().replica()) {
        (None, Some(_)) => BackupTarget::Replica,
        _ => BackupTarget::Folder,
    };
    let actor = &admin.caller().user;
    if body.to.unwrap_or(default) == BackupTarget::Folder {
        let folder = cx
            .app
            .backups()
            .back_up_now(actor, &request_origin(&cx), cx.now)
            .await?;
        let status = json!({"folder": folder_json(&cx.app, Some(&folder)), "replica": replica_json(&cx.app)});
        return Ok(no_store(Reply::json(&status).status(StatusCode::CREATED)));
    }
    cx.app
        .backups()
        .send_snapshot(actor, &request_origin(&cx))
        .await?;
    let status = backup_status(&cx.app).await?;
    Ok(no_store(Reply::json(&status).status(StatusCode::ACCEPTED)))
}

async fn backup_status(app: &App) -> Result<Value, ApiError> {
    let folder = match &app.config.backups {
        None => Value::Null,
        Some(_) => folder_json(app, Some(&app.backups().folder().await?)),
    };
    Ok(json!({ "folder": folder, "replica": replica_json(app) }))
}

fn folder_json(app: &App, folder: Option<&BackupFolder>) -> Value {
    let Some((config, folder)) = app.config.backups.as_ref().zip(folder) else {
        return Value::Null;
    };
    let copies = folder.copies.iter();
    let copies = copies.map(|copy| json!({"name": copy.name, "at": copy.at, "bytes": copy.bytes}));
    let last = folder.last.as_ref().map(|last| {
        json!({
            "at": last.at,
            "rows": last.rows.as_ref().ok(),
            "error": last.rows.as_ref().err(),
        })
    });
    json!({
        "path": config.folder.display().to_string(),
        "every_hours": config.interval.as_secs() / 3600,
        "keep": config.keep,
        "copies": copies.collect::<Vec<_>>(),
        "last": last,
        "error": folder.error,
    })
}

fn replica_json(app: &App) -> Value {
    match app.health().replica() {
        None => Value::Null,
        Some(status) => json!({
            "address": status.display_address, "copied_at": status.snapshot_at, "whole_at": status.replicated_until,
        }),
    }
}
