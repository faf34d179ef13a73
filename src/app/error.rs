//! Why a use case did not happen: a kind from a closed list, a text to send and a text to log.
//! Knows nothing of HTTP; `http::error` gives each kind its status and code.

use std::fmt;
use std::time::Duration;

/// The closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request cannot be read at all: broken JSON, a missing file.
    BadRequest,
    /// Read, but a field is wrong; `Error::fields` says which.
    BadInput,
    /// No credential, or one that does not hold.
    SignInNeeded,
    /// Known, but not allowed.
    Forbidden,
    /// Not there, or somebody else's.
    Missing,
    /// In the way of something that is there already.
    Conflict,
    /// Over a size limit.
    TooLarge,
    /// A kind of content that is not taken.
    UnsupportedType,
    /// Too many requests; `Error::retry_after` says when again.
    TooFast,
    /// The budget would be exceeded.
    BudgetExceeded,
    /// A provider failed.
    UpstreamFailed,
    /// Not now: all members failed, shutting down, queue full.
    Unavailable,
    /// Ours. The person sees one fixed sentence, the log the rest.
    Internal,
}

/// A field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Where: `["body", "parameters", "temperature"]`.
    pub place: Vec<String>,
    /// What is wrong, in lower case.
    pub message: String,
    /// A short type for programs: `missing`, `out_of_range`, `unknown_field`, `value_error`.
    pub kind: &'static str,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    /// From the closed list.
    pub kind: Kind,
    /// Sent. What happened, for a tired person at midnight.
    pub public: String,
    /// Sent. What to do about it; empty where there is nothing to do.
    pub resolution: String,
    /// Logged, never sent.
    pub private: Option<String>,
    /// For `BadInput`.
    pub fields: Vec<FieldError>,
    /// For `TooFast` and `Unavailable`.
    pub retry_after: Option<Duration>,
    /// The status of a failed call at its provider, where a client may take it for the answer's: see
    /// [`CallError::passed_on_status`](crate::domain::chat::CallError::passed_on_status).
    pub upstream_status: Option<u16>,
}

/// The result of a use case.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error with a text to send.
    pub fn new(kind: Kind, public: impl Into<String>) -> Self {
        Self {
            kind,
            public: public.into(),
            resolution: String::new(),
            private: None,
            fields: Vec::new(),
            retry_after: None,
            upstream_status: None,
        }
    }
    /// Not there, or somebody else's: the two must look alike.
    pub fn missing() -> Self {
        Self::new(Kind::Missing, "not found")
    }
    /// No credential where one is needed.
    pub fn sign_in() -> Self {
        Self::new(Kind::SignInNeeded, "sign in first")
            .resolve("send an access token, an API key or the session cookie")
    }
    /// One wrong field.
    pub fn field(place: &[&str], kind: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        let field = FieldError {
            place: place.iter().map(|&part| part.to_owned()).collect(),
            message,
            kind,
        };
        Self::fields(vec![field])
    }
    /// Several wrong fields.
    pub fn fields(fields: Vec<FieldError>) -> Self {
        let public = fields
            .iter()
            .map(|field| format!("{}: {}", field.place.join("."), field.message))
            .collect::<Vec<_>>()
            .join("; ");
        Self {
            fields,
            ..Self::new(Kind::BadInput, public)
        }
    }
    /// Ours; `private` goes to the log.
    pub fn internal(private: impl fmt::Display) -> Self {
        Self {
            private: Some(private.to_string()),
            ..Self::new(Kind::Internal, "something went wrong on our side")
        }
    }
    /// The same, with what the person can do about it.
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
