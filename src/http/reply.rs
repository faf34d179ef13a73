//! HTTP responses: a status, headers, and a body, which is in memory, a file, or a stream. Independent of routes and
//! callers.

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CONNECTION, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderName, HeaderValue, IF_RANGE, RANGE, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE,
};
use hyper::{HeaderMap, Response, StatusCode};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncSeekExt, ReadBuf};

use super::connection::BusyGuard;
use super::error::{ApiError, ErrorCause, ErrorFormat};
use super::etag;
use super::range::{RangePart, part};
use crate::app::{Error, Kind};

/// An HTTP response under construction.
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: ReplyBody,
}

impl Reply {
    /// Creates a 200 response without a body.
    pub fn empty() -> Self {
        Self::from_bytes(Bytes::new())
    }
    /// Creates a 200 response with a JSON body.
    pub fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(text) => Self::bytes(text, "application/json"),
            // Serialization fails only for maps whose keys are not strings, and no response contains such a map.
            Err(_) => Self::empty().status(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
    /// Creates a 200 response with these bytes as its body.
    pub fn bytes(bytes: impl Into<Bytes>, content_type: &'static str) -> Self {
        let mut reply = Self::from_bytes(bytes.into());
        reply
            .headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        reply
    }
    /// Creates a 200 response that streams the content of a file.
    ///
    /// # Errors
    /// `Missing` if the file does not exist; `Internal` if it cannot be read.
    pub async fn file(path: &Path, content_type: &str) -> Result<Self, ApiError> {
        let file = tokio::fs::File::open(path)
            .await
            .map_err(unreadable_error)?;
        let length = file.metadata().await.map_err(unreadable_error)?.len();
        let body = FileBody {
            file,
            remaining: length,
            buffer: BytesMut::new(),
        };
        Ok(Self::streaming(body).header(CONTENT_TYPE, content_type))
    }
    /// Creates the response to a conditional or range request for a file: the whole file (200), a part of it (206), or
    /// nothing if the client's copy is current (304). `etag` is the file's strong entity tag, including its quotes.
    ///
    /// # Errors
    /// `Missing` if the file does not exist; `Internal` if it cannot be read; 416 if the range is outside the file.
    pub async fn file_for(
        headers: &HeaderMap,
        path: &Path,
        content_type: &str,
        etag: &str,
    ) -> Result<Self, ApiError> {
        let with_etag = |reply: Self| reply.header(ETAG, etag).header(ACCEPT_RANGES, "bytes");
        if etag::etag_matches(headers, etag) {
            return Ok(with_etag(Self::empty().status(StatusCode::NOT_MODIFIED)));
        }
        let mut file = tokio::fs::File::open(path)
            .await
            .map_err(unreadable_error)?;
        let length = file.metadata().await.map_err(unreadable_error)?.len();
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let bytes = match part(header(RANGE), header(IF_RANGE), etag, length) {
            RangePart::NotSatisfiable => return Err(ApiError::range_not_satisfiable(length)),
            RangePart::Whole => None,
            RangePart::Bytes(bytes) => Some(bytes),
        };
        if let Some(bytes) = &bytes {
            let start = std::io::SeekFrom::Start(bytes.start);
            file.seek(start).await.map_err(unreadable_error)?;
        }
        let remaining = bytes
            .as_ref()
            .map_or(length, |bytes| bytes.end - bytes.start);
        let buffer = BytesMut::new();
        let body = FileBody {
            file,
            remaining,
            buffer,
        };
        let reply = with_etag(Self::streaming(body));
        let reply = reply.header(CONTENT_TYPE, content_type);
        Ok(match bytes {
            None => reply,
            Some(bytes) => {
                let range = format!("bytes {}-{}/{length}", bytes.start, bytes.end - 1);
                let partial = reply.status(StatusCode::PARTIAL_CONTENT);
                partial.header(CONTENT_RANGE, &range)
            }
        })
    }
    /// Creates a 200 response that streams its body.
    pub(super) fn streaming(
        body: impl HttpBody<Data = Bytes, Error = std::io::Error> + Send + 'static,
    ) -> Self {
        Self {
            status: StatusCode::OK,
            headers: header_map(),
            body: ReplyBody {
                content: ReplyContent::Stream(Box::pin(body)),
                guard: None,
            },
        }
    }
    /// Makes a streamed body end with an error as soon as `end` completes. Has no effect on a body in memory.
    pub(super) fn abort_when(mut self, end: impl Future<Output = ()> + Send + 'static) -> Self {
        if let ReplyContent::Stream(body) = self.body.content {
            let truncating = TruncatingBody {
                body,
                end: Box::pin(end),
            };
            self.body.content = ReplyContent::Stream(Box::pin(truncating));
        }
        self
    }
    /// Sets the status.
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }
    /// Sets a header, replacing any header of the same name. An invalid value is ignored.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
    /// Adds a `Set-Cookie` header.
    pub fn cookie(mut self, cookie: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(cookie) {
            self.headers.append(SET_COOKIE, value);
        }
        self
    }
    /// Returns the body, if it is JSON, in memory, and not compressed.
    pub(super) fn json_body(&self) -> Option<Bytes> {
        let kind = self.headers.get(CONTENT_TYPE)?.as_bytes();
        let is_plain = !self.headers.contains_key(CONTENT_ENCODING);
        let is_json = is_plain && kind.starts_with(b"application/json");
        self.full_body().filter(|_| is_json)
    }
    /// Returns the body if it is in memory, or `None` if it is streamed.
    pub(super) fn full_body(&self) -> Option<Bytes> {
        match &self.body.content {
            ReplyContent::Full(bytes) => Some(bytes.clone()),
            ReplyContent::Stream(_) => None,
        }
    }
    /// Replaces the body with these bytes and keeps the headers.
    pub(super) fn with_body(mut self, bytes: Bytes) -> Self {
        self.body.content = ReplyContent::Full(bytes);
        self
    }
    /// Returns the headers set so far.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }
    pub(super) fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }
    pub(super) fn code(&self) -> StatusCode {
        self.status
    }
    /// Returns the length of the body in bytes, or `None` for a stream whose length is unknown.
    pub(super) fn length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }
    pub(super) fn into_response(mut self, guard: BusyGuard) -> Response<ReplyBody> {
        self.body.guard = Some(guard);
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }

    fn from_bytes(bytes: Bytes) -> Self {
        Self {
            status: StatusCode::OK,
            headers: header_map(),
            body: ReplyBody {
                content: ReplyContent::Full(bytes),
                guard: None,
            },
        }
    }
}

impl ApiError {
    /// Returns the error response in Quire's own format.
    pub fn reply(&self, request_id: &str) -> Reply {
        let details = self.details();
        let mut reply = Reply::json(&self.body(request_id)).status(self.status());
        if self.status() == StatusCode::UNAUTHORIZED {
            reply = reply.header(WWW_AUTHENTICATE, "Bearer");
        }
        if let Some(delay) = details.error.retry_after {
            let seconds = delay.as_millis().div_ceil(1000).max(1);
            reply = reply.header(RETRY_AFTER, &seconds.to_string());
        }
        if let Some(allow) = &details.allow {
            reply = reply.header(ALLOW, allow);
        }
        if let Some(length) = details.content_length {
            reply = reply.header(CONTENT_RANGE, &format!("bytes */{length}"));
        }
        if let Some(status) = details.rate_limit {
            status.add_headers(reply.headers_mut());
        }
        if details.closes_connection {
            reply = reply.header(CONNECTION, "close");
        }
        reply
    }
    /// Returns the error response in a vendor's format.
    pub fn reply_as(&self, format: ErrorFormat, request_id: &str) -> Reply {
        let mut reply = self.reply(request_id);
        if format == ErrorFormat::Quire {
            return reply;
        }
        let status = self.vendor_status();
        let mut vendor_reply = Reply::json(&self.vendor_body(format, request_id)).status(status);
        std::mem::swap(vendor_reply.headers_mut(), reply.headers_mut());
        let headers = vendor_reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let details = self.details();
        let is_costly = matches!(
            details.cause,
            ErrorCause::App(Kind::BudgetExceeded | Kind::UpstreamFailed)
        );
        if is_costly || details.error.is_final {
            // A retry would cost money again without changing the outcome.
            let name = HeaderName::from_static("x-should-retry");
            headers.insert(name, HeaderValue::from_static("false"));
        }
        vendor_reply
    }
}

/// Returns an empty map with room for 12 headers, because growing a map for each header costs more than filling it.
fn header_map() -> HeaderMap {
    HeaderMap::with_capacity(12)
}

fn unreadable_error(error: std::io::Error) -> ApiError {
    match error.kind() {
        std::io::ErrorKind::NotFound => ApiError::new(Kind::Missing, "the file does not exist"),
        _ => Error::internal(format!("cannot read a file to send: {error}")).into(),
    }
}

/// The body type of all responses. It holds the guard that keeps the connection in the responding state.
pub struct ReplyBody {
    content: ReplyContent,
    guard: Option<BusyGuard>,
}

enum ReplyContent {
    Full(Bytes),
    Stream(BoxedBody),
}

type BoxedBody = Pin<Box<dyn HttpBody<Data = Bytes, Error = std::io::Error> + Send>>;

impl HttpBody for ReplyBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match &mut self.content {
            ReplyContent::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            ReplyContent::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            ReplyContent::Stream(body) => body.as_mut().poll_frame(context),
        }
    }
    fn is_end_stream(&self) -> bool {
        match &self.content {
            ReplyContent::Full(bytes) => bytes.is_empty(),
            ReplyContent::Stream(body) => body.is_end_stream(),
        }
    }
    fn size_hint(&self) -> SizeHint {
        match &self.content {
            ReplyContent::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            ReplyContent::Stream(body) => body.size_hint(),
        }
    }
}

/// A body that ends with an error when `end` completes, so that the client does not mistake it for a complete one.
struct TruncatingBody {
    body: BoxedBody,
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl HttpBody for TruncatingBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.end.as_mut().poll(context).is_ready() {
            let why = std::io::Error::other("the account was locked or deleted");
            return Poll::Ready(Some(Err(why)));
        }
        self.body.as_mut().poll_frame(context)
    }
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Number of bytes per read from a file.
const READ_SIZE: usize = 64 << 10;

struct FileBody {
    file: tokio::fs::File,
    remaining: u64,
    buffer: BytesMut,
}

impl HttpBody for FileBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        let this = &mut *self;
        let size = this.remaining.min(READ_SIZE as u64) as usize;
        this.buffer.resize(size, 0);
        let mut read_buffer = ReadBuf::new(&mut this.buffer);
        ready!(Pin::new(&mut this.file).poll_read(context, &mut read_buffer))?;
        let read = read_buffer.filled().len();
        if read == 0 {
            // `Content-Length` has already been sent, so a file that has become shorter must not look complete.
            return Poll::Ready(Some(Err(std::io::ErrorKind::UnexpectedEof.into())));
        }
        this.remaining -= read as u64;
        let frame = this.buffer.split_to(read).freeze();
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }
    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn retry_after_is_rounded_up_to_seconds() {
        let mut error = Error::new(Kind::TooFast, "too many requests");
        error.retry_after = Some(Duration::from_millis(1001));
        let reply = ApiError::from(error).reply("7");
        assert_eq!(reply.headers()[RETRY_AFTER], "2");
    }
}
