//! Transport errors, and their conversion to call errors with messages for users.

use std::error::Error;
use std::io;
use std::time::Duration;

use super::address_guard::NotPublic;
use crate::domain::chat::{CallError, CallErrorKind};

/// Why a request got no response.
#[derive(Debug)]
pub(super) enum TransportError {
    /// The base URL is not an HTTP address.
    BadAddress,
    /// A header contains characters that are not allowed in headers.
    BadHeader,
    /// The host name cannot be resolved.
    UnknownName,
    /// The address guard rejected an address.
    NotPublic,
    /// Resolving the host name or opening the connection took too long.
    ConnectTimeout,
    /// The proxy refused to open a tunnel.
    ProxyRefused,
    /// No answer arrived in time.
    Insecure,
    /// The answer did not arrive in time.
    AnswerTimeout,
    /// The connection broke or could not be opened.
    Io(io::Error),
    /// The provider closed the connection without answering.
    Closed,
    /// The response is not HTTP.
    Protocol,
}

/// Why a response body could not be read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadError {
    /// The whole call took too long.
    OutOfTime,
    /// No data arrived for too long.
    Stalled,
    /// The body exceeds the size limit.
    TooLarge,
    /// The framing is malformed.
    Protocol,
    /// The connection broke, or the compressed data is damaged.
    Broken,
}

impl From<io::Error> for TransportError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<NotPublic> for TransportError {
    fn from(_: NotPublic) -> Self {
        Self::NotPublic
    }
}

impl From<hyper::header::InvalidHeaderValue> for TransportError {
    fn from(_: hyper::header::InvalidHeaderValue) -> Self {
        Self::BadHeader
    }
}

impl From<hyper::Error> for TransportError {
    fn from(error: hyper::Error) -> Self {
        if let Some(io) = io_cause(&error) {
            return Self::Io(io.kind().into());
        }
        // hyper reports "canceled" if the connection ended before the request was sent.
        if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
            return Self::Closed;
        }
        Self::Protocol
    }
}

impl From<hyper::Error> for ReadError {
    fn from(error: hyper::Error) -> Self {
        match io_cause(&error) {
            Some(io) if is_malformed(io) => Self::Protocol,
            _ => Self::Broken,
        }
    }
}

/// Returns whether hyper could not parse the framing. Errors of rustls have the same kinds, and are excluded.
fn is_malformed(error: &io::Error) -> bool {
    let is_kind = matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
    );
    let inner = error.get_ref();
    is_kind && !inner.is_some_and(|inner| inner.is::<rustls::Error>())
}

fn io_cause(error: &hyper::Error) -> Option<&io::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref() {
            return Some(io);
        }
        cause = error.source();
    }
    None
}

impl TransportError {
    /// Returns whether a retry may succeed soon. A server that is restarting refuses or closes connections. A wrong
    /// name, certificate, or address stays wrong, and a slow connection has already used up too much time.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Io(error) => error.kind() != io::ErrorKind::InvalidData,
            Self::Closed => true,
            _ => false,
        }
    }

    /// Returns whether the peer closed the connection.
    pub fn is_disconnect(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match self {
            Self::Closed => true,
            Self::Io(error) => matches!(
                error.kind(),
                BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
            ),
            _ => false,
        }
    }

    /// Converts the error to a [`CallError`].
    pub fn to_call_error(&self) -> CallError {
        use CallErrorKind::{Auth, Connect, Malformed, Timeout};
        let (kind, detail) = match self {
            Self::Io(error) => return io_error_before_answer(error),
            Self::ConnectTimeout => (Connect, "the provider could not be reached in time"),
            Self::AnswerTimeout => (Timeout, "the provider did not answer within the time limit"),
            Self::UnknownName => (Connect, "the provider's host name is not known"),
            Self::Closed => (
                Connect,
                "the provider closed the connection without an answer",
            ),
            Self::ProxyRefused => (Connect, "the proxy on the way to the provider refused"),
            Self::Insecure => (Connect, "no secure connection to the provider"),
            Self::BadAddress => (Connect, "the provider's base URL is not an address"),
            Self::NotPublic => (
                Connect,
                "the provider's address is in a private network, which only an admin may use",
            ),
            // Only the header with the key can be invalid, because Quire itself sets all others.
            Self::BadHeader => (
                Auth,
                "the provider's key holds characters that no key can have",
            ),
            Self::Protocol => (Malformed, "the provider does not speak valid HTTP"),
        };
        CallError::new(kind, detail)
    }
}

impl From<ReadError> for CallError {
    fn from(error: ReadError) -> Self {
        let (kind, detail) = match error {
            ReadError::OutOfTime => return timed_out(),
            ReadError::TooLarge => return too_large(),
            ReadError::Stalled => (
                CallErrorKind::Timeout,
                "the provider stopped sending in the middle of the answer",
            ),
            ReadError::Protocol => (
                CallErrorKind::Malformed,
                "the provider does not speak valid HTTP",
            ),
            ReadError::Broken => (
                CallErrorKind::Truncated,
                "the connection broke in the middle of the answer",
            ),
        };
        Self::new(kind, detail)
    }
}

/// Returns the error for a call that was canceled.
pub(super) fn cancelled() -> CallError {
    CallError::new(CallErrorKind::Cancelled, "stopped")
}

/// Returns the error for a provider whose key can no longer be read.
pub(super) fn key_lost_error(provider: &str) -> CallError {
    CallError::new(
        CallErrorKind::Auth,
        format!(
            "the key of {provider} cannot be read with this installation's secret: enter its key again"
        ),
    )
}

/// Returns the error for a call that finds the queue full.
pub(super) fn queue_full() -> CallError {
    CallError::new(
        CallErrorKind::Unavailable,
        "too many calls are waiting already",
    )
}

/// Returns the error for a model whose circuit is open.
pub(super) fn circuit_open(left: Option<Duration>) -> CallError {
    let retry_text = match left {
        Some(left) => format!(
            "it is called again in {} s",
            left.as_millis().div_ceil(1000)
        ),
        None => "another call is testing whether it works again".to_owned(),
    };
    let mut error = CallError::new(
        CallErrorKind::Unavailable,
        format!("the model failed several times in a row; {retry_text}"),
    );
    error.retry_after_ms = left.map(|left| left.as_millis() as u64);
    error
}

/// Returns the error for a provider that requires a pause longer than the call may take.
pub(super) fn throttled_error(wait: Duration) -> CallError {
    let seconds = wait.as_secs().max(1);
    let mut error = CallError::new(
        CallErrorKind::RateLimited,
        format!(
            "the provider requires a pause of {seconds} s, which is longer than this call may take"
        ),
    );
    error.retry_after_ms = Some(wait.as_millis() as u64);
    error
}

/// Returns the error for a response that is not an event stream.
pub(super) fn not_a_stream() -> CallError {
    CallError::new(
        CallErrorKind::Malformed,
        "the provider did not send a stream of events",
    )
}

/// Returns the error for an event that exceeds the size limit.
pub(super) fn event_too_large() -> CallError {
    CallError::new(
        CallErrorKind::Malformed,
        "the provider sent more than 1 MB in one piece",
    )
}

/// Returns the error for a response that is a web page.
pub(super) fn web_page_error() -> CallError {
    CallError::new(
        CallErrorKind::Malformed,
        "the provider's address answers with a web page: check the base URL",
    )
}

/// Returns the error for a response without a body, although its status is a success.
pub(super) fn empty_body_error() -> CallError {
    CallError::new(CallErrorKind::Empty, "the provider's response is empty")
}

/// Returns the error for an answer that exceeds the size limit.
pub(super) fn too_large() -> CallError {
    CallError::new(CallErrorKind::TooLarge, "the answer is larger than 8 MB")
}

/// Returns the error for a call that exceeds its time limit.
pub(super) fn timed_out() -> CallError {
    CallError::new(
        CallErrorKind::Timeout,
        "the answer took longer than the time limit",
    )
}

/// Returns the error for a redirect, which is not followed because the key would be sent to its target.
pub(super) fn redirect_error(status: u16) -> CallError {
    let mut error = CallError::new(
        CallErrorKind::Rejected,
        format!("the provider's address redirects elsewhere ({status}): check the base URL"),
    );
    error.status = Some(status);
    error
}

fn io_error_before_answer(error: &io::Error) -> CallError {
    use io::ErrorKind::*;
    let (kind, detail) = match error.kind() {
        ConnectionRefused => (
            CallErrorKind::Connect,
            "no server answers at the provider's address",
        ),
        UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe => (
            CallErrorKind::Connect,
            "the provider closed the connection without an answer",
        ),
        TimedOut | WouldBlock => (
            CallErrorKind::Timeout,
            "the provider did not answer within the time limit",
        ),
        // rustls returns this kind of error if it cannot read a record.
        InvalidData => (
            CallErrorKind::Connect,
            "no secure connection to the provider",
        ),
        _ => (CallErrorKind::Connect, "the provider could not be reached"),
    };
    CallError::new(kind, detail)
}
