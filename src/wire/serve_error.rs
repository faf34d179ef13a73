//! Errors in clients' requests.

/// An error in a request, and the field at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError {
    /// Name of the field at fault, as clients write it.
    pub param: &'static str,
    /// What is wrong with the field, worded for the client.
    pub reason: String,
}

/// Returns an error about one field.
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
