//! Answers: a status, headers and a body that is whole, a file, or a stream of events.
//! Knows nothing of routes or callers.

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CONNECTION, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
    IF_RANGE, RANGE, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE,
};
use hyper::{HeaderMap, Response, StatusCode};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncSeekExt, ReadBuf};

use super::connection::BusyGuard;
use super::error::{ApiError, ErrorCause, ErrorFormat};
use super::etag;
use super::range::{RangePart, part};
use crate::app::{Error, Kind};

/// An answer being put together.
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: ReplyBody,
}

impl Reply {
    /// 200 without a body.
    pub fn empty() -> Self {
        Self::of(Bytes::new())
    }
    /// 200 with this as JSON.
    pub fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(text) => Self::bytes(text, "application/json"),
            // Only a map with keys that are no text fails, and no answer of ours has one.
            Err(_) => Self::empty().status(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
    /// 200 with these bytes.
    pub fn bytes(bytes: impl Into<Bytes>, content_type: &'static str) -> Self {
        let mut reply = Self::of(bytes.into());
        reply
            .headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        reply
    }
    /// 200 with the bytes of a file, read as the client takes them.
    pub async fn file(path: &Path, content_type: &str) -> Result<Self, ApiError> {
        let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
        let length = file.metadata().await.map_err(unreadable)?.len();
        let body = FileBody {
            file,
            left: length,
            piece: BytesMut::new(),
        };
        Ok(Self::live(body).header(CONTENT_TYPE, content_type))
    }
    /// The bytes of a file that a client asks for in its headers: all (200), a part (206), or none because it
    /// has them already (304). `etag` is strong and in quotes.
    ///
    /// # Errors
    /// When the file cannot be read, or the range is outside it.
    pub async fn file_for(
        headers: &HeaderMap,
        path: &Path,
        content_type: &str,
        etag: &str,
    ) -> Result<Self, ApiError> {
        let described = |reply: Self| reply.header(ETAG, etag).header(ACCEPT_RANGES, "bytes");
        if etag::matches(headers, etag) {
            return Ok(described(Self::empty().status(StatusCode::NOT_MODIFIED)));
        }
        let mut file = tokio::fs::File::open(path).await.map_err(unreadable)?;
        let length = file.metadata().await.map_err(unreadable)?.len();
        let said = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let bytes = match part(said(RANGE), said(IF_RANGE), etag, length) {
            RangePart::Nothing => return Err(ApiError::range(length)),
            RangePart::Whole => None,
            RangePart::Bytes(bytes) => Some(bytes),
        };
        if let Some(bytes) = &bytes {
            let start = std::io::SeekFrom::Start(bytes.start);
            file.seek(start).await.map_err(unreadable)?;
        }
        let left = bytes
            .as_ref()
            .map_or(length, |bytes| bytes.end - bytes.start);
        let piece = BytesMut::new();
        let reply = described(Self::live(FileBody { file, left, piece }));
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
    /// 200 with a body of ours that is not whole yet.
    pub(super) fn live(
        body: impl HttpBody<Data = Bytes, Error = std::io::Error> + Send + 'static,
    ) -> Self {
        Self {
            status: StatusCode::OK,
            headers: room(),
            body: ReplyBody {
                content: ReplyContent::Live(Box::pin(body)),
                busy: None,
            },
        }
    }
    /// Breaks a body off that is not whole yet when `end` is ready.
    pub(super) fn until(mut self, end: impl Future<Output = ()> + Send + 'static) -> Self {
        if let ReplyContent::Live(body) = self.body.content {
            let until = TruncatingBody {
                body,
                end: Box::pin(end),
            };
            self.body.content = ReplyContent::Live(Box::pin(until));
        }
        self
    }
    /// Another status.
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }
    /// A header; it replaces one of the same name. A value that cannot stand in a header is left out.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
    /// One more `Set-Cookie`.
    pub fn cookie(mut self, cookie: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(cookie) {
            self.headers.append(SET_COOKIE, value);
        }
        self
    }
    /// The headers so far.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }
    pub(super) fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }
    pub(super) fn code(&self) -> StatusCode {
        self.status
    }
    /// The length of the body, where it is known.
    pub(super) fn length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }
    pub(super) fn into_response(mut self, busy: BusyGuard) -> Response<ReplyBody> {
        self.body.busy = Some(busy);
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }

    fn of(bytes: Bytes) -> Self {
        Self {
            status: StatusCode::OK,
            headers: room(),
            body: ReplyBody {
                content: ReplyContent::Whole(bytes),
                busy: None,
            },
        }
    }
}

impl ApiError {
    /// The response with Quire's own error body.
    pub fn reply(&self, request_id: &str) -> Reply {
        let details = self.details();
        let mut reply = Reply::json(&self.body(request_id)).status(self.status());
        if self.status() == StatusCode::UNAUTHORIZED {
            reply = reply.header(WWW_AUTHENTICATE, "Bearer");
        }
        if let Some(length) = details.error.retry_after {
            let seconds = length.as_millis().div_ceil(1000).max(1);
            reply = reply.header(RETRY_AFTER, &seconds.to_string());
        }
        if let Some(allow) = &details.allow {
            reply = reply.header(ALLOW, allow);
        }
        if let Some(length) = details.length {
            reply = reply.header(CONTENT_RANGE, &format!("bytes */{length}"));
        }
        if let Some(status) = details.rate_limit {
            status.add_headers(reply.headers_mut());
        }
        if details.close {
            reply = reply.header(CONNECTION, "close");
        }
        reply
    }
    /// The response in the format of another vendor's API.
    pub fn reply_as(&self, dialect: ErrorFormat, request_id: &str) -> Reply {
        let mut reply = self.reply(request_id);
        if dialect == ErrorFormat::Ours {
            return reply;
        }
        let status = self.foreign_status();
        let mut plain = Reply::json(&self.foreign_body(dialect, request_id)).status(status);
        std::mem::swap(plain.headers_mut(), reply.headers_mut());
        let headers = plain.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let ErrorCause::App(Kind::BudgetExceeded | Kind::UpstreamFailed) = self.details().cause {
            // Asking again would spend again, and change nothing.
            let name = HeaderName::from_static("x-should-retry");
            headers.insert(name, HeaderValue::from_static("false"));
        }
        plain
    }
}

/// Sized once: growing the map header by header costs more than all of them.
fn room() -> HeaderMap {
    HeaderMap::with_capacity(12)
}

fn unreadable(error: std::io::Error) -> ApiError {
    match error.kind() {
        std::io::ErrorKind::NotFound => ApiError::new(Kind::Missing, "the file is not there"),
        _ => Error::internal(format!("cannot read a file to send: {error}")).into(),
    }
}

/// The one body type of all answers. While it lives, its connection counts as busy.
pub struct ReplyBody {
    content: ReplyContent,
    busy: Option<BusyGuard>,
}

enum ReplyContent {
    Whole(Bytes),
    Live(LiveBody),
}

type LiveBody = Pin<Box<dyn HttpBody<Data = Bytes, Error = std::io::Error> + Send>>;

impl HttpBody for ReplyBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match &mut self.content {
            ReplyContent::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            ReplyContent::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            ReplyContent::Live(body) => body.as_mut().poll_frame(context),
        }
    }
    fn is_end_stream(&self) -> bool {
        match &self.content {
            ReplyContent::Whole(bytes) => bytes.is_empty(),
            ReplyContent::Live(body) => body.is_end_stream(),
        }
    }
    fn size_hint(&self) -> SizeHint {
        match &self.content {
            ReplyContent::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            ReplyContent::Live(body) => body.size_hint(),
        }
    }
}

/// A body that ends early, with an error, so that nobody takes what came for the whole.
struct TruncatingBody {
    body: LiveBody,
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

const PIECE: usize = 64 << 10;

struct FileBody {
    file: tokio::fs::File,
    left: u64,
    piece: BytesMut,
}

impl HttpBody for FileBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let this = &mut *self;
        let wanted = this.left.min(PIECE as u64) as usize;
        this.piece.resize(wanted, 0);
        let mut buffer = ReadBuf::new(&mut this.piece);
        ready!(Pin::new(&mut this.file).poll_read(context, &mut buffer))?;
        let read = buffer.filled().len();
        if read == 0 {
            // The length has been promised: a file cut short must not look like a whole one.
            return Poll::Ready(Some(Err(std::io::ErrorKind::UnexpectedEof.into())));
        }
        this.left -= read as u64;
        let frame = this.piece.split_to(read).freeze();
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }
    fn is_end_stream(&self) -> bool {
        self.left == 0
    }
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_wait_is_rounded_up_to_seconds() {
        let mut error = Error::new(Kind::TooFast, "too many requests");
        error.retry_after = Some(Duration::from_millis(1001));
        let reply = ApiError::from(error).reply("7");
        assert_eq!(reply.headers()[RETRY_AFTER], "2");
    }
}
