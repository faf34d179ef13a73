//! Request logging.

use std::time::Instant;

use hyper::Method;

use super::reply::Reply;
use crate::log;

/// Logs one line about a request. The body and the query string are omitted, because they may contain private data.
pub(super) fn log_request(
    method: &Method,
    path: &str,
    reply: &Reply,
    started: Instant,
    id: &str,
    caller: Option<&str>,
) {
    let bytes = match reply.length() {
        _ if method == Method::HEAD => "0".to_owned(),
        Some(length) => length.to_string(),
        None => "stream".to_owned(),
    };
    log::info(
        "request",
        &[
            ("request", &id),
            ("method", method),
            ("path", &path),
            ("status", &reply.code().as_u16()),
            ("ms", &started.elapsed().as_millis()),
            ("bytes", &bytes),
            ("caller", &caller.unwrap_or("-")),
        ],
    );
}
