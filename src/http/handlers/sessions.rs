//! One's own sessions over HTTP: on which devices one is signed in, and signing out there.

use serde_json::{Value, json};

use super::accounts::{done, private, visit};
use crate::domain::user::{Caller, Session};
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

/// GET /api/users/me/sessions
pub async fn list(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let open = cx.app.accounts().open_sessions(&caller, cx.now).await?;
    let shown: Vec<Value> = open.iter().map(|one| shape(one, &caller)).collect();
    Ok(private(Reply::json(
        &json!({"sessions": shown, "next_cursor": null}),
    )))
}

/// DELETE /api/users/me/sessions/{id}
pub async fn end(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let accounts = cx.app.accounts();
    accounts
        .end_one(&caller, cx.param("id"), &visit(&cx))
        .await?;
    done("the session is ended")
}

/// DELETE /api/users/me/sessions: all but the one that asks.
pub async fn end_others(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let ended = cx.app.accounts().end_others(&caller, &visit(&cx)).await?;
    Ok(private(Reply::json(&json!({
        "status": "success", "success": true, "ended": ended,
        "message": format!("{ended} other sessions are ended"),
    }))))
}

/// A session is used whenever its tokens are renewed, which an open page does every quarter of an hour.
fn shape(session: &Session, caller: &Caller) -> Value {
    let used = session.previous.map_or(session.created, |(_, at)| at);
    json!({
        "id": session.id,
        "client": session.client,
        "created_at": session.created,
        "last_used_at": used,
        "expires_at": session.expires,
        "current": caller.session.as_ref() == Some(&session.id),
    })
}
