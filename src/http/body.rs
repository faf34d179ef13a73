//! Request bodies, limited in size and time. The bytes received are counted, because a declared length cannot be
//! trusted.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

use super::error::ApiError;
use crate::app::Kind;

/// The maximum size of a route's request body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLimit {
    /// This number of bytes; the body is read into memory.
    Bytes(u64),
    /// The configured size limit of documents; the body is streamed.
    Upload,
}

/// Why a request body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// The body exceeds the limit, in bytes.
    TooLarge(u64),
    /// The client sent nothing for too long.
    TimedOut,
    /// The client disconnected, or the body's framing is invalid.
    Broken,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::TooLarge(max_bytes) => {
                write!(f, "the body is larger than {}", format_size(*max_bytes))
            }
            BodyError::TimedOut => f.write_str("the body took too long to arrive"),
            BodyError::Broken => f.write_str("the body ended before it was complete"),
        }
    }
}

impl std::error::Error for BodyError {}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge(_) => {
                Self::new(Kind::TooLarge, error.to_string()).closing_connection()
            }
            BodyError::TimedOut => Self::request_timeout("the body"),
            BodyError::Broken => {
                Self::new(Kind::BadRequest, error.to_string()).closing_connection()
            }
        }
    }
}

impl From<multer::Error> for ApiError {
    fn from(error: multer::Error) -> Self {
        if let multer::Error::StreamReadFailed(cause) = &error
            && let Some(error) = cause.downcast_ref::<BodyError>()
        {
            return (*error).into();
        }
        let text = format!("the form cannot be read: {error}");
        Self::new(Kind::BadRequest, text).closing_connection()
    }
}

/// Formats a size in bytes, KiB, or MiB, rounded down.
pub fn format_size(bytes: u64) -> String {
    match bytes {
        _ if bytes >= 1 << 20 => format!("{} MiB", bytes >> 20),
        _ if bytes >= 1 << 10 => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}

/// A body that has not been read yet. The handler may take it; otherwise, the dispatcher discards it. If it stayed
/// unread, hyper would close the connection, sometimes before the client has read the response, and the client's next
/// request would be lost.
#[derive(Clone)]
pub(super) struct UnreadBody(Arc<Mutex<Option<Incoming>>>);

impl UnreadBody {
    pub(super) fn new(body: Incoming) -> Self {
        Self(Arc::new(Mutex::new(Some(body))))
    }
    /// Takes the body. Returns `None` if it has already been taken.
    pub(super) fn take(&self) -> Option<Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
    /// Reads and drops the body unless it was taken. With `expects_continue`, there is nothing to read, because the
    /// client has not sent the body yet.
    pub(super) async fn discard(&self, expects_continue: bool, timeout: Duration) {
        if let Some(body) = self.take()
            && !expects_continue
            && !body.is_end_stream()
        {
            CountedBody::new(body, u64::MAX, timeout).discard().await;
        }
    }
}

/// A body that enforces a size limit and a timeout between reads.
pub struct CountedBody {
    body: Incoming,
    max_bytes: u64,
    received_bytes: u64,
    timeout: Duration,
    // Created only when reading has to wait. Most bodies arrive before they are read.
    timer: Option<Pin<Box<Sleep>>>,
}

impl CountedBody {
    pub(super) fn new(body: Incoming, max_bytes: u64, timeout: Duration) -> Self {
        Self {
            body,
            max_bytes,
            received_bytes: 0,
            timeout,
            timer: None,
        }
    }
    /// Returns the length in bytes that `Content-Length` declares, if any.
    pub fn content_length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// Checks the body's declared length against the limit, before anything is read.
    ///
    /// # Errors
    /// `TooLarge` if the declared length exceeds the limit.
    pub(super) fn check_content_length(&self) -> Result<(), BodyError> {
        match self.content_length() {
            Some(length) if length > self.max_bytes => Err(BodyError::TooLarge(self.max_bytes)),
            _ => Ok(()),
        }
    }

    /// Reads and drops up to 64 MiB of the body, for at most 2 seconds. Without this, a client that is still sending
    /// would have its connection reset before it reads the response.
    pub(super) async fn discard(mut self) {
        // Maximum number of bytes to drop.
        const MAX_DISCARDED: u64 = 64 << 20;
        let rest = async {
            let mut received = 0;
            while let Some(Ok(frame)) = self.body.frame().await {
                received += frame.data_ref().map_or(0, |data| data.len() as u64);
                if received > MAX_DISCARDED {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(self.timeout.min(Duration::from_secs(2)), rest).await;
    }
}

impl Body for CountedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let max_bytes = self.max_bytes;
        self.check_content_length()?;
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            let timeout = self.timeout;
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
            ready!(timer.as_mut().poll(context));
            return Poll::Ready(Some(Err(BodyError::TimedOut)));
        };
        self.timer = None;
        let Some(frame) = frame else {
            return Poll::Ready(None);
        };
        let frame = frame.map_err(|_| BodyError::Broken)?;
        self.received_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        if self.received_bytes > max_bytes {
            return Poll::Ready(Some(Err(BodyError::TooLarge(max_bytes))));
        }
        Poll::Ready(Some(Ok(frame)))
    }
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Reads the whole body into memory. If the body exceeds its limit, discards the rest before failing.
///
/// # Errors
/// `TooLarge` if the body exceeds its limit; `RequestTimeout` if it does not arrive within `timeout` or stalls;
/// `BadRequest` if it ends early.
pub(super) async fn collect(mut body: CountedBody, timeout: Duration) -> Result<Vec<u8>, ApiError> {
    let length = body.content_length().unwrap_or(0).min(body.max_bytes);
    let mut bytes = Vec::with_capacity(length as usize);
    let reading = async {
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                bytes.extend_from_slice(&data);
            }
        }
        Ok(())
    };
    match tokio::time::timeout(timeout, reading).await {
        Ok(Ok(())) => Ok(bytes),
        Ok(Err(error)) => {
            if matches!(error, BodyError::TooLarge(_)) {
                body.discard().await;
            }
            Err(error.into())
        }
        Err(_) => Err(BodyError::TimedOut.into()),
    }
}
