//! Maps ureq's errors to call errors, with messages for users.

use std::io;
use std::time::Duration;

use crate::domain::chat::{CallError, CallErrorKind};

/// Quire canceled the call.
pub(super) fn cancelled() -> CallError {
    CallError::new(CallErrorKind::Cancelled, "stopped")
}

/// The provider's key cannot be read.
pub(super) fn key_lost(provider: &str) -> CallError {
    CallError::new(
        CallErrorKind::Auth,
        format!(
            "the key of {provider} cannot be read with this installation's secret: enter its key again"
        ),
    )
}

/// The queue of calls is full.
pub(super) fn queue_full() -> CallError {
    CallError::new(
        CallErrorKind::Unavailable,
        "too many calls are waiting already",
    )
}

/// The model's circuit is open.
pub(super) fn circuit_open(left: Option<Duration>) -> CallError {
    let when = match left {
        Some(left) => format!("it is called again in {} s", left.as_secs().max(1)),
        None => "another call is testing whether it works again".to_owned(),
    };
    CallError::new(
        CallErrorKind::Unavailable,
        format!("the model failed several times in a row; {when}"),
    )
}

/// The provider requires a longer pause than the call has time for.
pub(super) fn throttled(wait: Duration) -> CallError {
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

/// The response is not a stream of events.
pub(super) fn not_a_stream() -> CallError {
    CallError::new(
        CallErrorKind::Malformed,
        "the provider did not send a stream of events",
    )
}

/// One event of the answer is larger than any provider sends.
pub(super) fn event_too_large() -> CallError {
    CallError::new(
        CallErrorKind::Malformed,
        "the provider sent more than 1 MB in one piece",
    )
}

/// The response is a web page.
pub(super) fn web_page() -> CallError {
    CallError::new(
        CallErrorKind::Malformed,
        "the provider's address answers with a web page: check the base URL",
    )
}

/// The response has a success status but no body.
pub(super) fn empty_body() -> CallError {
    CallError::new(CallErrorKind::Empty, "the provider's response is empty")
}

/// The answer is longer than any model writes.
pub(super) fn too_large() -> CallError {
    CallError::new(CallErrorKind::TooLarge, "the answer is larger than 8 MB")
}

/// The call timed out before the answer was complete.
pub(super) fn timed_out() -> CallError {
    CallError::new(
        CallErrorKind::Timeout,
        "the answer took longer than the time limit",
    )
}

/// The provider redirects. Following the redirect would send the key to its target.
pub(super) fn redirected(status: u16) -> CallError {
    let mut error = CallError::new(
        CallErrorKind::Rejected,
        format!("the provider's address redirects elsewhere ({status}): check the base URL"),
    );
    error.status = Some(status);
    error
}

/// An error before the first byte of the answer.
pub(super) fn error_before_answer(error: &ureq::Error) -> CallError {
    use CallErrorKind::{Auth, Connect, Malformed};
    use ureq::{Error, Timeout};
    let (kind, detail) = match error {
        Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            (Connect, "the provider could not be reached in time")
        }
        Error::Timeout(_) => (
            CallErrorKind::Timeout,
            "the provider did not answer within the time limit",
        ),
        Error::HostNotFound => (Connect, "the provider's host name is not known"),
        Error::Io(error) => return io_error_before_answer(error),
        Error::ConnectionFailed => (Connect, "the provider could not be reached"),
        Error::ConnectProxyFailed(_) | Error::InvalidProxyUrl => {
            (Connect, "the proxy on the way to the provider refused")
        }
        Error::Tls(_) | Error::Rustls(_) | Error::Pem(_) | Error::TlsRequired => {
            (Connect, "no secure connection to the provider")
        }
        Error::BadUri(_) => (Connect, "the provider's base URL is not an address"),
        // The key's header is the only one that can be invalid: Quire sets the others.
        Error::Http(_) => (
            Auth,
            "the provider's key holds characters that no key can have",
        ),
        _ => (Malformed, "the provider does not speak valid HTTP"),
    };
    CallError::new(kind, detail)
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
        // Returned by Quire's own resolver.
        PermissionDenied => (
            CallErrorKind::Connect,
            "the provider's address is in a private network, which only an admin may use",
        ),
        // rustls returns this for a certificate that it does not accept.
        InvalidData => (
            CallErrorKind::Connect,
            "no secure connection to the provider",
        ),
        _ => (CallErrorKind::Connect, "the provider could not be reached"),
    };
    CallError::new(kind, detail)
}

/// Whether a retry may succeed soon: a restarting server refuses or closes connections, but a wrong name,
/// certificate, or address stays wrong, and a slow connection has already cost enough time.
pub(super) fn is_retryable(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Io(error) if !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::PermissionDenied))
}

/// Whether the peer closed the connection.
pub(super) fn is_disconnect(error: &ureq::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error, ureq::Error::Io(error)
        if matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof))
}

/// Converts an I/O error while reading a response body to a [`CallError`].
pub(super) fn io_error_in_answer(error: &io::Error) -> CallError {
    use ureq::{Error, Timeout};
    let stalled = || {
        CallError::new(
            CallErrorKind::Timeout,
            "the provider stopped sending in the middle of the answer",
        )
    };
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>())
    {
        Some(Error::Timeout(Timeout::Global)) => timed_out(),
        Some(Error::Timeout(_)) => stalled(),
        Some(Error::BodyExceedsLimit(_)) => too_large(),
        Some(Error::Protocol(_)) => CallError::new(
            CallErrorKind::Malformed,
            "the provider does not speak valid HTTP",
        ),
        _ if error.kind() == io::ErrorKind::TimedOut => stalled(),
        _ => CallError::new(
            CallErrorKind::Truncated,
            "the connection broke in the middle of the answer",
        ),
    }
}
