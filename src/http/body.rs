//! Request bodies: counted, bounded in size and in time. Nothing is believed that a client says about
//! the length of what it sends.

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

/// The size limit of a route's request body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLimit {
    /// At most this many bytes, read into memory.
    Bytes(u64),
    /// The configured size of a document, streamed.
    Upload,
}

/// Why a body did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// Longer than the limit, in bytes.
    TooLarge(u64),
    /// Nothing came for too long.
    Slow,
    /// The client left, or its framing is broken.
    Broken,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::TooLarge(most) => write!(f, "the body is larger than {}", size(*most)),
            BodyError::Slow => f.write_str("the body took too long to arrive"),
            BodyError::Broken => f.write_str("the body ended before it was complete"),
        }
    }
}

impl std::error::Error for BodyError {}

impl From<BodyError> for ApiError {
    fn from(fault: BodyError) -> Self {
        match fault {
            BodyError::TooLarge(_) => Self::new(Kind::TooLarge, fault.to_string()).closing(),
            BodyError::Slow => Self::slow("the body"),
            BodyError::Broken => Self::new(Kind::BadRequest, fault.to_string()).closing(),
        }
    }
}

impl From<multer::Error> for ApiError {
    fn from(error: multer::Error) -> Self {
        if let multer::Error::StreamReadFailed(cause) = &error
            && let Some(fault) = cause.downcast_ref::<BodyError>()
        {
            return (*fault).into();
        }
        let text = format!("the form cannot be read: {error}");
        Self::new(Kind::BadRequest, text).closing()
    }
}

/// A size for a person: whole units where they are whole.
pub fn size(bytes: u64) -> String {
    match bytes {
        _ if bytes >= 1 << 20 => format!("{} MiB", bytes >> 20),
        _ if bytes >= 1 << 10 => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}

/// A body that nobody has asked for yet. Shared by the handler, which may take it, and the server, which
/// reads what no handler wanted: hyper would close the connection over it, at times before the client has
/// seen the answer, and the client's next request would be lost.
#[derive(Clone)]
pub(super) struct UnreadBody(Arc<Mutex<Option<Incoming>>>);

impl UnreadBody {
    pub(super) fn new(body: Incoming) -> Self {
        Self(Arc::new(Mutex::new(Some(body))))
    }
    /// Once.
    pub(super) fn take(&self) -> Option<Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
    /// Reads what was not taken. Not where the client waits to be told to send it.
    pub(super) async fn discard(&self, is_awaited: bool, patience: Duration) {
        if let Some(body) = self.take()
            && !is_awaited
            && !body.is_end_stream()
        {
            CountedBody::new(body, u64::MAX, patience).discard().await;
        }
    }
}

/// A body that counts what comes and gives up on a client that sends nothing.
pub struct CountedBody {
    body: Incoming,
    most: u64,
    seen: u64,
    patience: Duration,
    // Made at the first wait: most bodies are there when they are asked for.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl CountedBody {
    pub(super) fn new(body: Incoming, most: u64, patience: Duration) -> Self {
        Self {
            body,
            most,
            seen: 0,
            patience,
            alarm: None,
        }
    }
    /// The length that the client has announced, when it has.
    pub fn announced(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The refusal of a body that is longer than its limit by its own account.
    pub(super) fn announces_too_much(&self) -> Option<BodyError> {
        let length = self.announced()?;
        (length > self.most).then_some(BodyError::TooLarge(self.most))
    }

    /// Reads on for a moment without keeping anything. A client that is still sending would otherwise
    /// see its connection reset before it sees the answer.
    pub(super) async fn discard(mut self) {
        const MOST: u64 = 64 << 20;
        let rest = async {
            let mut seen = 0;
            while let Some(Ok(frame)) = self.body.frame().await {
                seen += frame.data_ref().map_or(0, |data| data.len() as u64);
                if seen > MOST {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(self.patience.min(Duration::from_secs(2)), rest).await;
    }
}

impl Body for CountedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let most = self.most;
        if let Some(fault) = self.announces_too_much() {
            return Poll::Ready(Some(Err(fault)));
        }
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            let patience = self.patience;
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(patience)));
            ready!(alarm.as_mut().poll(context));
            return Poll::Ready(Some(Err(BodyError::Slow)));
        };
        self.alarm = None;
        let Some(frame) = frame else {
            return Poll::Ready(None);
        };
        let frame = frame.map_err(|_| BodyError::Broken)?;
        self.seen += frame.data_ref().map_or(0, |data| data.len() as u64);
        if self.seen > most {
            return Poll::Ready(Some(Err(BodyError::TooLarge(most))));
        }
        Poll::Ready(Some(Ok(frame)))
    }
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The whole body, when it arrives within `whole`.
pub(super) async fn collect(mut body: CountedBody, whole: Duration) -> Result<Vec<u8>, ApiError> {
    let announced = body.announced().unwrap_or(0).min(body.most);
    let mut bytes = Vec::with_capacity(announced as usize);
    let reading = async {
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                bytes.extend_from_slice(&data);
            }
        }
        Ok(())
    };
    match tokio::time::timeout(whole, reading).await {
        Ok(Ok(())) => Ok(bytes),
        Ok(Err(fault)) => {
            if matches!(fault, BodyError::TooLarge(_)) {
                body.discard().await;
            }
            Err(fault.into())
        }
        Err(_) => Err(BodyError::Slow.into()),
    }
}
