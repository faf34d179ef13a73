//! Errors of requests that programs send.

/// What is wrong with a request, and which field it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError {
    /// The field.
    pub param: &'static str,
    /// What is wrong.
    pub why: String,
}

/// Refuses a request because of one of its fields.
///
/// # Errors
/// Always: the error is what it makes.
pub(super) fn fault<T>(param: &'static str, why: impl Into<String>) -> Result<T, RequestError> {
    Err(RequestError {
        param,
        why: why.into(),
    })
}
