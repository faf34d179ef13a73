//! Copies of the database over HTTP: one to take away, those in the folder, and a whole one for the replica.

use hyper::StatusCode;
use hyper::header::CONTENT_DISPOSITION;
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::{private, visit};
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

/// GET /api/admin/backup: the database as it is now, read through before it is sent.
pub async fn download(cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    let copy = cx.app.copy(&admin.caller().user, &visit(&cx)).await?;
    // The open file outlives its name.
    let reply = Reply::file(copy.path(), "application/vnd.sqlite3").await?;
    let name = format!("attachment; filename=\"{}\"", backups::name_of(cx.now));
    Ok(private(reply.header(CONTENT_DISPOSITION, &name)))
}

/// GET /api/admin/backups
pub async fn list(cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    Ok(private(Reply::json(&shelf(&cx.app).await?)))
}

/// POST /api/admin/backup: into the folder where one is set, else to the replica, or as `to` says.
pub async fn make(mut cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    let body: BackupBody = cx.json_or_empty().await?;
    let usual = match (&cx.app.config.backups, cx.app.replica()) {
        (None, Some(_)) => BackupTarget::Replica,
        _ => BackupTarget::Folder,
    };
    let by = &admin.caller().user;
    if body.to.unwrap_or(usual) == BackupTarget::Folder {
        let made = cx.app.back_up(by, &visit(&cx), cx.now).await?;
        let told = json!({"folder": shown(&cx.app, Some(&made)), "replica": replica(&cx.app)});
        return Ok(private(Reply::json(&told).status(StatusCode::CREATED)));
    }
    cx.app.copy_to_replica(by, &visit(&cx)).await?;
    let told = shelf(&cx.app).await?;
    Ok(private(Reply::json(&told).status(StatusCode::ACCEPTED)))
}

async fn shelf(app: &App) -> Result<Value, ApiError> {
    let folder = match &app.config.backups {
        None => Value::Null,
        Some(_) => shown(app, Some(&app.shelf().await?)),
    };
    Ok(json!({ "folder": folder, "replica": replica(app) }))
}

fn shown(app: &App, shelf: Option<&BackupFolder>) -> Value {
    let Some((wanted, shelf)) = app.config.backups.as_ref().zip(shelf) else {
        return Value::Null;
    };
    let copies = shelf.copies.iter();
    let copies = copies.map(|copy| json!({"name": copy.name, "at": copy.at, "bytes": copy.bytes}));
    let last = shelf.last.as_ref().map(|last| {
        json!({
            "at": last.at,
            "rows": last.rows.as_ref().ok(),
            "error": last.rows.as_ref().err(),
        })
    });
    json!({
        "path": wanted.folder.display().to_string(),
        "every_hours": wanted.every.as_secs() / 3600,
        "keep": wanted.keep,
        "copies": copies.collect::<Vec<_>>(),
        "last": last,
        "error": shelf.fault,
    })
}

fn replica(app: &App) -> Value {
    match app.replica() {
        None => Value::Null,
        Some(status) => json!({
            "address": status.shown, "copied_at": status.copied_at, "whole_at": status.whole_at,
        }),
    }
}
