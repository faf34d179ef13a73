//! Session handlers: list the devices on which the caller is signed in, and sign them out.

use serde_json::{Value, json};

use super::accounts::{no_store, request_origin, success_reply};
use crate::domain::user::{Caller, Session};
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

/// `GET /api/users/me/sessions`: lists the caller's open sessions.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub async fn list(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let sessions = cx.app.accounts().open_sessions(&caller, cx.now).await?;
    let items: Vec<Value> = sessions
        .iter()
        .map(|session| session_json(session, &caller))
        .collect();
    Ok(no_store(Reply::json(
        &json!({"sessions": items, "next_cursor": null}),
    )))
}

/// `DELETE /api/users/me/sessions/{id}`: ends one session.
///
/// # Errors
/// `Missing` if there is no such session; `Forbidden` if the caller uses an API key.
pub async fn end(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let accounts = cx.app.accounts();
    accounts
        .end_session_by_id(&caller, cx.param("id"), &request_origin(&cx))
        .await?;
    success_reply("the session has ended")
}

/// `DELETE /api/users/me/sessions`: ends all sessions except the current one.
///
/// # Errors
/// `Forbidden` if the caller uses an API key.
pub async fn end_other_sessions_of_caller(
    cx: RequestContext,
    caller: Caller,
) -> Result<Reply, ApiError> {
    let ended_count = cx
        .app
        .accounts()
        .end_other_sessions(&caller, &request_origin(&cx))
        .await?;
    Ok(no_store(Reply::json(&json!({
        "status": "success", "success": true, "ended": ended_count,
        "message": format!("{ended_count} other sessions have ended"),
    }))))
}

/// Returns a session as JSON. Its time of last use is the time of its last token refresh; an open page refreshes every
/// 15 minutes.
fn session_json(session: &Session, caller: &Caller) -> Value {
    let used = session
        .previous_refresh_hash
        .map_or(session.created, |(_, at)| at);
    json!({
        "id": session.id,
        "client": session.client,
        "created_at": session.created,
        "last_used_at": used,
        "expires_at": session.expires_at,
        "current": caller.session.as_ref() == Some(&session.id),
    })
}
