//! Errors in requests of clients.

/// An error in a request, with the field at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError {
    /// The field at fault, by the name that clients use.
    pub param: &'static str,
    /// The error message for the client.
    pub reason: String,
}

/// Returns an error about a field.
///
/// # Errors
///
/// Always fails.
pub(super) fn invalid<T>(param: &'static str, why: impl Into<String>) -> Result<T, RequestError> {
    Err(RequestError {
        param,
        reason: why.into(),
    })
}
