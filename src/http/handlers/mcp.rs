//! The Model Context Protocol over HTTP. Each request contains one message, and the response is JSON. There are no
//! sessions, and the server initiates no messages. If the client disconnects, the work for its request stops.

use hyper::StatusCode;

use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

/// `POST /mcp`: handles one MCP message.
///
/// # Errors
/// `UnsupportedType`, `BadRequest`, or `TooLarge` for an invalid body. Protocol errors are part of the response.
pub async fn handle(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let message: serde_json::Value = cx.json().await?;
    match cx.app.mcp().answer(&caller, &message.to_string()).await {
        Some(response) => Ok(Reply::json(&response)),
        None => Ok(Reply::empty().status(StatusCode::ACCEPTED)),
    }
}
