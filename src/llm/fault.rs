//! What ureq's errors mean for a call, in words for the person who waits for it.

use std::io;
use std::time::Duration;

use crate::domain::chat::{CallError, CallErrorKind};

/// We stopped it.
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

/// As many calls wait as may.
pub(super) fn busy() -> CallError {
    CallError::new(
        CallErrorKind::Unavailable,
        "too many calls are waiting already",
    )
}

/// The model's circuit is open.
pub(super) fn open(left: Option<Duration>) -> CallError {
    let when = match left {
        Some(left) => format!("it is asked again in {} s", left.as_secs().max(1)),
        None => "another call is finding out whether it is well again".to_owned(),
    };
    CallError::new(
        CallErrorKind::Unavailable,
        format!("the model failed several times in a row; {when}"),
    )
}

/// The provider wants a longer pause than this call has time for.
pub(super) fn throttled(wait: Duration) -> CallError {
    let seconds = wait.as_secs().max(1);
    let mut error = CallError::new(
        CallErrorKind::RateLimited,
        format!("the provider wants no call for {seconds} s, which is more than this one has"),
    );
    error.retry_after_ms = Some(wait.as_millis() as u64);
    error
}

/// What came is no stream of events.
pub(super) fn no_events() -> CallError {
    CallError::new(
        CallErrorKind::Malformed,
        "the provider did not send a stream of events",
    )
}

/// One piece of the answer is larger than any provider sends.
pub(super) fn huge_event() -> CallError {
    CallError::new(
        CallErrorKind::Malformed,
        "the provider sent more than 1 MB in one piece",
    )
}

/// What came is a page for people.
pub(super) fn web_page() -> CallError {
    CallError::new(
        CallErrorKind::Malformed,
        "the provider's address answers with a web page: check the base URL",
    )
}

/// A good status and nothing behind it.
pub(super) fn nothing() -> CallError {
    CallError::new(CallErrorKind::Empty, "the provider answered with nothing")
}

/// More than any model writes.
pub(super) fn too_large() -> CallError {
    CallError::new(CallErrorKind::TooLarge, "the answer is larger than 8 MB")
}

/// The time was over before the answer was.
pub(super) fn too_late() -> CallError {
    CallError::new(
        CallErrorKind::Timeout,
        "the answer took longer than the time limit",
    )
}

/// A redirect. Following it would carry the key to wherever it points.
pub(super) fn elsewhere(status: u16) -> CallError {
    let mut error = CallError::new(
        CallErrorKind::Rejected,
        format!("the provider's address sends us elsewhere ({status}): check the base URL"),
    );
    error.status = Some(status);
    error
}

/// Before any byte of the answer.
pub(super) fn before(error: &ureq::Error) -> CallError {
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
        Error::Io(error) => return before_io(error),
        Error::ConnectionFailed => (Connect, "the provider could not be reached"),
        Error::ConnectProxyFailed(_) | Error::InvalidProxyUrl => {
            (Connect, "the proxy on the way to the provider refused")
        }
        Error::Tls(_) | Error::Rustls(_) | Error::Pem(_) | Error::TlsRequired => {
            (Connect, "no secure connection to the provider")
        }
        Error::BadUri(_) => (Connect, "the provider's base URL is not an address"),
        // The only header that is not ours is the key.
        Error::Http(_) => (
            Auth,
            "the provider's key holds characters that no key can have",
        ),
        _ => (Malformed, "the provider does not speak HTTP as it should"),
    };
    CallError::new(kind, detail)
}

fn before_io(error: &io::Error) -> CallError {
    use io::ErrorKind::*;
    let (kind, detail) = match error.kind() {
        ConnectionRefused => (
            CallErrorKind::Connect,
            "nobody answers at the provider's address",
        ),
        UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe => (
            CallErrorKind::Connect,
            "the provider closed the connection without an answer",
        ),
        TimedOut | WouldBlock => (
            CallErrorKind::Timeout,
            "the provider did not answer within the time limit",
        ),
        // Our own resolver says so.
        PermissionDenied => (
            CallErrorKind::Connect,
            "the provider's address is in a private network, which only an admin may use",
        ),
        // rustls says so when a certificate does not convince it.
        InvalidData => (
            CallErrorKind::Connect,
            "no secure connection to the provider",
        ),
        _ => (CallErrorKind::Connect, "the provider could not be reached"),
    };
    CallError::new(kind, detail)
}

/// Whether the same call may fare better in a moment: a server that restarts refuses or hangs up, but a
/// name, a certificate and an address stay wrong, and a connection that was slow has cost enough.
pub(super) fn may_pass(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Io(error) if !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::PermissionDenied))
}

/// Within the answer.
pub(super) fn within(error: &io::Error) -> CallError {
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
        Some(Error::Timeout(Timeout::Global)) => too_late(),
        Some(Error::Timeout(_)) => stalled(),
        Some(Error::BodyExceedsLimit(_)) => too_large(),
        Some(Error::Protocol(_)) => CallError::new(
            CallErrorKind::Malformed,
            "the provider does not speak HTTP as it should",
        ),
        _ if error.kind() == io::ErrorKind::TimedOut => stalled(),
        _ => CallError::new(
            CallErrorKind::Truncated,
            "the connection broke in the middle of the answer",
        ),
    }
}
