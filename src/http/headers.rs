//! Common response headers: the security headers of every response, and the headers for CORS.

use hyper::HeaderMap;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    CACHE_CONTROL, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS, X_XSS_PROTECTION,
};

use super::reply::Reply;
use crate::app::App;

/// The content security policy of the web pages: no inline scripts or styles, no other origins, and no framing.
pub const PAGE_CSP: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Name of the header with the request ID, which the client may choose; otherwise, the server generates it.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The values of the common response headers that depend on the request.
#[derive(Default)]
pub struct CommonHeaders {
    hsts: bool,
    origin: Option<HeaderValue>,
    varies: bool,
}

impl CommonHeaders {
    /// Determines the headers for the response to a request.
    pub fn from_request(headers: &HeaderMap, app: &App, https: bool) -> Self {
        let is_allowed = |origin: &&HeaderValue| {
            let text = origin.to_str().unwrap_or_default().to_ascii_lowercase();
            app.config.cors_origins.contains(&text)
        };
        let varies = !app.config.cors_origins.is_empty();
        let origin = varies.then(|| headers.get(ORIGIN)).flatten();
        Self {
            hsts: https || app.config.environment.as_str() == "production",
            origin: origin.filter(is_allowed).cloned(),
            varies,
        }
    }

    /// Adds the common headers to a response.
    pub fn add(self, reply: &mut Reply, request_id: &str) {
        let headers = reply.headers_mut();
        for (name, value) in [
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (X_FRAME_OPTIONS, "DENY"),
            (REFERRER_POLICY, "strict-origin-when-cross-origin"),
            (X_XSS_PROTECTION, "1; mode=block"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if !request_id.is_empty()
            && let Ok(id) = HeaderValue::from_str(request_id)
        {
            headers.insert(REQUEST_ID, id);
        }
        if self.hsts {
            let value = HeaderValue::from_static("max-age=31536000; includeSubDomains");
            headers.insert(STRICT_TRANSPORT_SECURITY, value);
        }
        if self.varies {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = self.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            for (name, value) in [
                (ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
                (
                    ACCESS_CONTROL_EXPOSE_HEADERS,
                    "x-request-id, retry-after, x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset",
                ),
            ] {
                headers.insert(name, HeaderValue::from_static(value));
            }
        } else if headers.contains_key(ACCESS_CONTROL_ALLOW_METHODS) {
            // Without these three headers, the browser rejects the preflight request, because the origin is not
            // allowed.
            headers.remove(ACCESS_CONTROL_ALLOW_METHODS);
            headers.remove(ACCESS_CONTROL_ALLOW_HEADERS);
            headers.remove(ACCESS_CONTROL_MAX_AGE);
        }
    }
}

/// Adds `Cache-Control: no-store`, so that no cache keeps the response.
pub fn forbid_caching(reply: &mut Reply) {
    let headers = reply.headers_mut();
    let current = headers
        .get(CACHE_CONTROL)
        .and_then(|value| value.to_str().ok());
    if !current.is_some_and(|value| value.contains("no-store")) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// Turns a response into the answer to a CORS preflight request with these methods. Without `methods`, returns the
/// response unchanged.
pub fn preflight(reply: Reply, methods: Option<&String>) -> Reply {
    let Some(methods) = methods else {
        return reply;
    };
    reply
        .header(ACCESS_CONTROL_ALLOW_METHODS, methods)
        .header(
            ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, x-api-key, x-request-id, last-event-id",
        )
        .header(ACCESS_CONTROL_MAX_AGE, "600")
}
