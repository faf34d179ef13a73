//! Errors for failed access to originals. Callers do not see the cause, which is logged.

use crate::app::{Error, Kind};
use crate::log;
use crate::objects::target::TargetError;

/// Returns the error for a file that cannot be fetched now, and logs the cause.
pub(super) fn unreachable_error(place: &str, cause: &TargetError) -> Error {
    log::warn("cannot fetch an original", &[("why", cause)]);
    let text = format!("the file is in {place} but cannot be fetched right now");
    with_cause(
        Error::new(Kind::Unavailable, text).resolve("try again in a moment"),
        cause,
    )
}

/// Returns the error for a failed operation on a bucket, and logs the cause.
pub(super) fn store_error(cause: &TargetError) -> Error {
    log::warn("the bucket for documents failed", &[("why", cause)]);
    let text = "the bucket for documents cannot be used right now";
    let error = Error::new(Kind::Unavailable, text)
        .resolve("try again in a moment, or tell an administrator");
    with_cause(error, cause)
}

/// Returns the error for an interrupted download from a bucket.
pub(super) fn interrupted(error: std::io::Error) -> Error {
    unreachable_error("the bucket", &TargetError::Failed(error.to_string()))
}

fn with_cause(mut error: Error, cause: &TargetError) -> Error {
    error.private = Some(cause.to_string());
    error
}
