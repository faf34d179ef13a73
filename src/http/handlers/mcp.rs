//! The Model Context Protocol over HTTP: one message a request, its answer as JSON. Keeps no session and pushes
//! nothing; the connection is the request, and what it began stops with it.

use hyper::StatusCode;

use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

/// POST /mcp
pub async fn answer(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let message: serde_json::Value = cx.json().await?;
    match cx.app.mcp().answer(&caller, &message.to_string()).await {
        Some(answer) => Ok(Reply::json(&answer)),
        None => Ok(Reply::empty().status(StatusCode::ACCEPTED)),
    }
}
