//! Requests with an `Idempotency-Key`: each is carried out at most once, and repetitions get the stored response.

use hyper::StatusCode;
use hyper::header::{HeaderName, LOCATION};

use crate::app::idempotency::IdempotencyLookup;
use crate::clock;
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

/// Request header with the key.
const KEY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Name under which a status other than 200 is stored among the headers.
const STATUS: &str = ":status";

/// What happens to the work of a request whose client disconnects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnDisconnect {
    /// It stops, so the same request may be sent again.
    Stops,
    /// It may continue, so the same request is refused.
    Continues,
}

/// Runs `work` only once per `Idempotency-Key`, and returns the stored response to later requests with the same key.
/// `request` returns a text that differs for different requests. `work` must not return a stream.
///
/// # Errors
/// `BadRequest` if the key is malformed or was used for a different request; `Conflict` if the request with this key is
/// still running or its outcome is unknown; and any error of `work`.
pub(super) async fn with_idempotency_key(
    cx: &RequestContext,
    caller: &Caller,
    on_disconnect: OnDisconnect,
    request: impl FnOnce() -> String,
    work: impl Future<Output = Result<Reply, ApiError>>,
) -> Result<Reply, ApiError> {
    let Some(key) = cx.header(KEY_HEADER) else {
        return work.await;
    };
    let keys = cx.app.idempotency();
    let claim = match keys.claim(caller, key, &request(), cx.now).await? {
        IdempotencyLookup::Claimed(claim) => match on_disconnect {
            OnDisconnect::Stops => claim,
            OnDisconnect::Continues => claim.blocking_on_drop(),
        },
        IdempotencyLookup::StoredResponse(headers, body) => return Ok(replay(&headers, body)),
    };
    let reply = match work.await {
        Ok(reply) => reply,
        Err(error) => {
            match error.is_final() {
                true => keys.block_key(&claim),
                false => keys.release(claim).await,
            }
            return Err(error);
        }
    };
    let body = reply.full_body().unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    let headers = kept_headers(&reply);
    match keys
        .store_response(claim, &headers, body, clock::now())
        .await
    {
        true => Ok(reply),
        // The answer is already paid for, so it is returned even though it cannot be replayed.
        false => {
            let name = HeaderName::from_static("x-quire-idempotency");
            Ok(reply.header(name, "not-stored"))
        }
    }
}

fn kept_headers(reply: &Reply) -> Vec<(String, String)> {
    let headers = reply.headers().iter().filter_map(|(name, value)| {
        let is_kept = name.as_str().starts_with("x-quire-") || name == LOCATION;
        is_kept.then(|| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))?
    });
    let mut headers: Vec<_> = headers.collect();
    if reply.code() != StatusCode::OK {
        headers.push((STATUS.to_owned(), reply.code().as_str().to_owned()));
    }
    headers
}

fn replay(headers: &[(String, String)], body: String) -> Reply {
    let reply = Reply::bytes(body, "application/json")
        .header(HeaderName::from_static("idempotent-replayed"), "true");
    headers.iter().fold(reply, |reply, (name, value)| {
        if name == STATUS {
            return match value.parse() {
                Ok(status) => reply.status(status),
                Err(_) => reply,
            };
        }
        match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) => reply.header(name, value),
            Err(_) => reply,
        }
    })
}
