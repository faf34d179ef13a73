//! Errors of use cases: a kind, a message to send, and a message to log. Independent of
//! HTTP; `http::error` maps each kind to a status and a code.

use std::fmt;
use std::time::Duration;

use crate::domain::chat::{CallError, CallErrorKind};

/// The kinds of errors. `http::error` maps each to an HTTP status and a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request cannot be parsed or is incomplete, for example because of invalid JSON or a missing file.
    BadRequest,
    /// A field is invalid; `Error::fields` names it.
    BadInput,
    /// No credential, or an invalid one.
    SignInNeeded,
    /// The caller is known but lacks permission.
    Forbidden,
    /// The item does not exist or belongs to another user.
    Missing,
    /// The request conflicts with an existing item or state.
    Conflict,
    /// A size limit is exceeded.
    TooLarge,
    /// The content's type is not supported.
    UnsupportedType,
    /// Too many requests; `Error::retry_after` is the time to wait.
    TooFast,
    /// The budget would be exceeded.
    BudgetExceeded,
    /// A provider failed.
    UpstreamFailed,
    /// Temporarily unavailable: all members failed, the server is shutting down, or a queue is full.
    Unavailable,
    /// An internal error. The user sees a fixed message; the log has the details.
    Internal,
}

impl Kind {
    /// Returns the error kind for a failed model call, from which a client sees whether to retry.
    pub(super) fn from_call_error(error: CallErrorKind) -> Self {
        match error {
            CallErrorKind::RateLimited => Self::TooFast,
            CallErrorKind::Rejected | CallErrorKind::TooLarge => Self::BadRequest,
            CallErrorKind::Connect
            | CallErrorKind::Timeout
            | CallErrorKind::Overloaded
            | CallErrorKind::Unavailable
            | CallErrorKind::Cancelled => Self::Unavailable,
            _ => Self::UpstreamFailed,
        }
    }
}

/// A field that is invalid, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the field, such as `["body", "parameters", "temperature"]`.
    pub location: Vec<String>,
    /// The problem, in lowercase.
    pub message: String,
    /// The machine-readable type of the problem: `missing`, `out_of_range`, `unknown_field`, or `value_error`.
    pub kind: &'static str,
}

/// The error of a use case.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    /// Determines the HTTP status and the error code of the response.
    pub kind: Kind,
    /// What happened. Sent to the user.
    pub public: String,
    /// What to do about it; empty if nothing can be done. Sent to the user.
    pub resolution: String,
    /// Details for the log, never sent.
    pub private: Option<String>,
    /// The invalid fields, for `BadInput`.
    pub fields: Vec<FieldError>,
    /// Time to wait before a retry, for `TooFast` and `Unavailable`.
    pub retry_after: Option<Duration>,
    /// The provider's status for a failed call, if a client may receive it as the status of the response: see
    /// [`CallError::client_visible_status`](crate::domain::chat::CallError::client_visible_status).
    pub upstream_status: Option<u16>,
    /// Whether a client that retries must not repeat the request: it was billed and would be billed again, or it may
    /// have been carried out.
    pub is_final: bool,
}

/// The result of a use case.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Creates an error with a message to send.
    pub fn new(kind: Kind, public: impl Into<String>) -> Self {
        Self {
            kind,
            public: public.into(),
            resolution: String::new(),
            private: None,
            fields: Vec::new(),
            retry_after: None,
            upstream_status: None,
            is_final: false,
        }
    }
    /// Creates the error for an item that is missing or belongs to another user; the two must look the same.
    pub fn missing() -> Self {
        Self::new(Kind::Missing, "not found")
    }
    /// Creates the error for a missing credential.
    pub fn sign_in() -> Self {
        Self::new(Kind::SignInNeeded, "sign in first")
            .resolve("send an access token, an API key, or the session cookie")
    }
    /// Creates the error for one invalid field.
    pub fn field(location: &[&str], kind: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        let field = FieldError {
            location: location.iter().map(|&part| part.to_owned()).collect(),
            message,
            kind,
        };
        Self::fields(vec![field])
    }
    /// Creates the error for several invalid fields.
    pub fn fields(fields: Vec<FieldError>) -> Self {
        let public = fields
            .iter()
            .map(|field| format!("{}: {}", field.location.join("."), field.message))
            .collect::<Vec<_>>()
            .join("; ");
        Self {
            fields,
            ..Self::new(Kind::BadInput, public)
        }
    }
    /// Creates an internal error; `private` goes to the log.
    pub fn internal(private: impl fmt::Display) -> Self {
        Self {
            private: Some(private.to_string()),
            ..Self::new(Kind::Internal, "something went wrong on the server")
        }
    }
    /// Reports a failed model call in the provider's words.
    pub(super) fn from_call_error(error: CallError) -> Self {
        let wait = error.retry_after_ms.map(Duration::from_millis);
        let status = error.client_visible_status();
        let mut failure = Self::new(
            Kind::from_call_error(error.kind),
            error.with_upstream_message().detail,
        );
        (failure.retry_after, failure.upstream_status) = (wait, status);
        failure
    }
    /// Adds a resolution: what the user can do about the error.
    pub fn resolve(mut self, resolution: impl Into<String>) -> Self {
        self.resolution = resolution.into();
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.public)
    }
}
