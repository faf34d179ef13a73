//! Compresses JSON responses, and omits bodies of which the client already has a copy. Streams are never changed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{CONTENT_ENCODING, ETAG, HeaderValue, VARY};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, StatusCode};

use super::assets::accepts_gzip;
use super::etag;
use super::reply::Reply;

/// Minimum size of a body to compress, in bytes. A smaller body fits into one packet anyway.
const MIN_BYTES: usize = 1024;
/// Maximum size of a body that is compressed on the async runtime's own thread, in bytes. This takes about a
/// millisecond.
const MAX_INLINE_BYTES: usize = 64 * 1024;
/// Compression level, from 1 to 9. Level 3 compresses a typical result from 36 KB to 8 KB in half the time of the
/// default level.
const GZIP_LEVEL: u32 = 3;

/// How a response is encoded for the client that requested it.
#[derive(Debug)]
pub struct ResponseCoding {
    gzip: bool,
    /// The request's headers, to compare with the response's entity tag; `None` if the response gets no tag.
    known_etag: Option<HeaderMap>,
}

impl ResponseCoding {
    /// Determines the encoding from a request. Only responses to GET and HEAD requests and to paths below `/api/` are
    /// compressed. Model answers under `/v1` are not: most clients are on the same network, and compressing an answer
    /// would take longer than sending it.
    pub fn from_request(request: &Parts, has_tag: bool) -> Self {
        let is_read = matches!(request.method, Method::GET | Method::HEAD);
        let is_compressed = is_read || request.uri.path().starts_with("/api/");
        Self {
            gzip: is_compressed && accepts_gzip(&request.headers),
            known_etag: has_tag.then(|| request.headers.clone()),
        }
    }

    /// Omits a body of which the client already has a copy, and compresses a JSON body of at least 1 KiB if the client
    /// accepts gzip.
    pub async fn apply(self, mut reply: Reply) -> Reply {
        let Some(body) = reply.json_body().filter(|body| body.len() >= MIN_BYTES) else {
            return self.revalidate(reply);
        };
        // Also without the body, and for clients that do not accept gzip: otherwise, a cache may send a response to
        // clients that cannot read it.
        add_vary(reply.headers_mut());
        let mut reply = self.revalidate(reply);
        if reply.code() == StatusCode::NOT_MODIFIED {
            return reply;
        }
        let compressed = match self.gzip {
            false => None,
            true if body.len() <= MAX_INLINE_BYTES => gzip(&body),
            true => {
                let task = tokio::task::spawn_blocking(move || gzip(&body));
                task.await.ok().flatten()
            }
        };
        match compressed {
            Some(compressed) => {
                let gzip = HeaderValue::from_static("gzip");
                reply.headers_mut().insert(CONTENT_ENCODING, gzip);
                reply.with_body(compressed)
            }
            None => reply,
        }
    }

    fn revalidate(&self, reply: Reply) -> Reply {
        match &self.known_etag {
            Some(headers) => revalidate(reply, headers),
            None => reply,
        }
    }
}

/// Names `Accept-Encoding` in `Vary`, as a single header line, because some caches read only the first.
fn add_vary(headers: &mut HeaderMap) {
    const NAME: &str = "accept-encoding";
    let others = headers.get(VARY).and_then(|value| value.to_str().ok());
    let mut names = others.unwrap_or_default().split(',').map(str::trim);
    if names.any(|name| name.eq_ignore_ascii_case(NAME) || name == "*") {
        return;
    }
    let vary = others.map(|others| format!("{others}, {NAME}"));
    let vary = vary.and_then(|vary| HeaderValue::from_str(&vary).ok());
    headers.insert(VARY, vary.unwrap_or(HeaderValue::from_static(NAME)));
}

fn gzip(body: &[u8]) -> Option<Bytes> {
    let compressed = Vec::with_capacity(body.len() / 3);
    let mut encoder = GzEncoder::new(compressed, Compression::new(GZIP_LEVEL));
    encoder.write_all(body).ok()?;
    Some(encoder.finish().ok()?.into())
}

/// Adds a weak entity tag to a successful JSON response. If the client already has a copy of the body, returns 304
/// instead.
fn revalidate(reply: Reply, request: &HeaderMap) -> Reply {
    let Some(body) = reply.json_body().filter(|_| reply.code() == StatusCode::OK) else {
        return reply;
    };
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    let reply = reply.header(ETAG, &format!("W/{tag}"));
    match etag::etag_matches(request, &tag) {
        true => reply
            .with_body(Bytes::new())
            .status(StatusCode::NOT_MODIFIED),
        false => reply,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use hyper::header::IF_NONE_MATCH;
    use serde_json::json;

    use super::*;

    fn compress_reply(gzip: bool, reply: Reply) -> Reply {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let coding = ResponseCoding {
            gzip,
            known_etag: None,
        };
        runtime.block_on(coding.apply(reply))
    }

    fn encoding(reply: &Reply) -> &str {
        let value = reply.headers().get(CONTENT_ENCODING);
        value.map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn only_large_json_is_compressed_and_only_for_clients_that_accept_it() {
        let large = || Reply::json(&json!({ "text": "thin paper ".repeat(20_000) }));
        let reply = compress_reply(true, large());
        assert_eq!(encoding(&reply), "gzip");
        assert_eq!(reply.headers()[VARY], "accept-encoding");
        let response_bytes = reply.full_body().unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(&response_bytes[..])
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text.as_bytes(), large().json_body().unwrap());
        let plain = compress_reply(false, large());
        assert_eq!(encoding(&plain), "");
        // Even an uncompressed response must have `Vary`, so that caches do not send it to clients that would get a
        // compressed one.
        assert_eq!(plain.headers()[VARY], "accept-encoding");
        for other in [
            Reply::json(&json!({ "text": "thin" })),
            Reply::bytes(vec![b' '; 4_000], "text/plain"),
        ] {
            assert_eq!(encoding(&compress_reply(true, other)), "");
        }
    }

    #[test]
    fn a_response_without_its_body_says_what_it_varies_with() {
        let reply = || Reply::json(&json!({ "text": "thin paper ".repeat(200) }));
        let mut headers = HeaderMap::new();
        headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
        let coding = ResponseCoding {
            gzip: true,
            known_etag: Some(headers),
        };
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.build().unwrap();
        let known = runtime.block_on(coding.apply(reply().header(VARY, "accept-encoding")));
        assert_eq!(known.code(), StatusCode::NOT_MODIFIED);
        assert_eq!(encoding(&known), "");
        let vary: Vec<_> = known.headers().get_all(VARY).iter().collect();
        assert_eq!(vary, ["accept-encoding"]);
    }

    #[test]
    fn a_head_request_gets_the_headers_of_a_get_request() {
        for (method, path, gzip) in [
            (Method::GET, "/v1/models", true),
            (Method::HEAD, "/v1/models", true),
            (Method::POST, "/api/analyze", true),
            (Method::POST, "/v1/chat/completions", false),
        ] {
            let request = hyper::Request::builder().method(&method).uri(path);
            let request = request.header("accept-encoding", "gzip").body(()).unwrap();
            let coding = ResponseCoding::from_request(&request.into_parts().0, false);
            assert_eq!(coding.gzip, gzip, "{method} {path}");
        }
    }

    #[test]
    fn a_known_body_is_not_sent_again() {
        let reply = || Reply::json(&json!({ "patterns": ["gut"] }));
        let first = revalidate(reply(), &HeaderMap::new());
        assert_eq!(first.code(), StatusCode::OK);
        let mut headers = HeaderMap::new();
        headers.insert(IF_NONE_MATCH, first.headers()[ETAG].clone());
        let again = revalidate(reply(), &headers);
        assert_eq!(again.code(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.length(), Some(0));
        let other = revalidate(Reply::json(&json!({ "patterns": ["vote"] })), &headers);
        assert_eq!(other.code(), StatusCode::OK);
    }
}
