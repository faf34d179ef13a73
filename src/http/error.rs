//! Builds error responses. No other module maps an error kind to a status and code or writes error bodies. Private
//! messages are logged and never sent.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::compatible_paths::intended_path;
use super::head;
use super::rate_limit_status::RateLimitStatus;
use crate::app::{Error, Kind};

/// What caused an error response: an error of the app, or one specific to HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCause {
    /// An error of the app, of this kind.
    App(Kind),
    /// No route has this path.
    UnknownPath,
    /// A route has this path, but not this method.
    MethodNotAllowed,
    /// The client took too long to send its request.
    RequestTimeout,
    /// The request head exceeds the size limit.
    HeadTooLarge,
    /// The HTTP version is not supported.
    UnsupportedVersion,
    /// The requested range is outside the content.
    RangeNotSatisfiable,
}

use ErrorCause::App;

/// One row per cause: the cause, status, error code, OpenAI's error type, and default resolution.
#[rustfmt::skip]
pub static ERROR_TABLE: &[(ErrorCause, u16, &str, &str, &str)] = &[
    (App(Kind::BadRequest),      400, "BAD_REQUEST",            "invalid_request_error", "correct the request"),
    (App(Kind::BadInput),        422, "VALIDATION_ERROR",       "invalid_request_error", "correct the fields named in detail"),
    (App(Kind::SignInNeeded),    401, "UNAUTHENTICATED",        "authentication_error",  "sign in, or send a bearer token or an API key"),
    (App(Kind::Forbidden),       403, "FORBIDDEN",              "permission_error",      "ask an administrator"),
    (App(Kind::Missing),         404, "NOT_FOUND",              "not_found_error",       "check the address"),
    (ErrorCause::UnknownPath,        404, "NOT_FOUND",              "not_found_error",       "check the address"),
    (ErrorCause::MethodNotAllowed,         405, "METHOD_NOT_ALLOWED",     "invalid_request_error", "use a method that the Allow header lists"),
    (ErrorCause::RequestTimeout,                408, "REQUEST_TIMEOUT",        "invalid_request_error", "send the request again"),
    (App(Kind::Conflict),        409, "CONFLICT",               "invalid_request_error", "read the current state, then decide how to proceed"),
    (App(Kind::TooLarge),        413, "PAYLOAD_TOO_LARGE",      "invalid_request_error", "send less"),
    (App(Kind::UnsupportedType), 415, "UNSUPPORTED_MEDIA_TYPE", "invalid_request_error", "send a supported type"),
    (ErrorCause::RangeNotSatisfiable,               416, "RANGE_NOT_SATISFIABLE",  "invalid_request_error", "request a range within the length in Content-Range"),
    (ErrorCause::HeadTooLarge,        431, "HEADERS_TOO_LARGE",      "invalid_request_error", "send fewer or shorter headers"),
    (ErrorCause::UnsupportedVersion,             505, "HTTP_VERSION",           "invalid_request_error", "use HTTP/1.1"),
    (App(Kind::TooFast),         429, "RATE_LIMITED",           "rate_limit_error",      "wait for the time given in Retry-After"),
    (App(Kind::BudgetExceeded),  402, "BUDGET_EXCEEDED",        "insufficient_quota",    "raise the budget, or ask for less"),
    (App(Kind::UpstreamFailed),  502, "UPSTREAM_FAILED",        "api_error",             "try again, or choose another model"),
    (App(Kind::Unavailable),     503, "SERVICE_UNAVAILABLE",    "api_error",             "try again later"),
    (App(Kind::Internal),        500, "INTERNAL_ERROR",         "api_error",             "try again; if it happens again, give an administrator the request ID"),
];

/// The vendor whose error format the client expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorFormat {
    /// Quire's own format.
    Quire,
    /// OpenAI's format.
    OpenAi,
    /// Anthropic's format.
    Anthropic,
    /// Gemini's format.
    Gemini,
}

/// An error to send as a response. Boxed to keep `Result`s small, because most results are successful.
#[derive(Debug)]
pub struct ApiError(Box<ErrorDetails>);

#[derive(Debug)]
pub(super) struct ErrorDetails {
    pub(super) cause: ErrorCause,
    pub(super) error: Error,
    /// The `Allow` header of a 405 response; `None` for other errors.
    pub(super) allow: Option<String>,
    pub(super) rate_limit: Option<RateLimitStatus>,
    /// The length of the content in bytes, for a 416 response; `None` for other errors.
    pub(super) content_length: Option<u64>,
    /// Whether the connection is closed after the response.
    pub(super) closes_connection: bool,
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self::with_cause(App(error.kind), error)
    }
}

impl ApiError {
    /// Creates an error of this kind with a public message.
    pub fn new(kind: Kind, public: impl Into<String>) -> Self {
        Error::new(kind, public).into()
    }
    /// Whether the request must not be repeated, because it has or may have taken effect.
    pub(super) fn is_final(&self) -> bool {
        self.0.error.is_final
    }
    /// Creates a 405 error for a path that exists but does not support the method. `allow` lists the methods that it
    /// supports.
    pub fn method_not_allowed(allow: String) -> Self {
        let text = format!("this path accepts only {allow}");
        let mut error = Self::with_cause(
            ErrorCause::MethodNotAllowed,
            Error::new(Kind::BadRequest, text),
        );
        error.0.allow = Some(allow);
        error
    }
    /// Creates a 404 error for an unknown path. If the client's base URL appears to be wrong, the error suggests the
    /// right path.
    pub(super) fn unknown_path(method: &Method, path: &str) -> Self {
        let excerpt: String = path.chars().filter(|c| !c.is_control()).take(120).collect();
        let intended = intended_path(path);
        let advice = match &intended {
            Some(intended) => format!("use {intended}: the client's base URL is wrong"),
            None if path.starts_with("/v1") => "Quire serves /v1/models, /v1/chat/completions, \
                /v1/completions, /v1/responses, /v1/embeddings, /v1/messages, and /v1beta/models"
                .to_owned(),
            None => String::new(),
        };
        let why = match intended.is_some() || path.starts_with("/v1") {
            true => format!("there is no endpoint {method} {excerpt}"),
            false => "there is nothing at this address".to_owned(),
        };
        Self::with_cause(
            ErrorCause::UnknownPath,
            Error::new(Kind::Missing, why).resolve(advice),
        )
    }
    /// Creates a 408 error for a client that took too long to send `what`. The connection is closed.
    pub fn request_timeout(what: &str) -> Self {
        let text = format!("{what} took too long to arrive");
        Self::with_cause(
            ErrorCause::RequestTimeout,
            Error::new(Kind::BadRequest, text),
        )
        .closing_connection()
    }
    /// Creates the error for a refused request head or a malformed chunked body. The connection is closed after the
    /// response.
    pub(super) fn head_refused(refusal: head::HeadRefusal) -> Self {
        use head::HeadRefusal::{Body, Malformed, TooLarge, Version};
        let (cause, text) = match refusal {
            Malformed(why) => (
                App(Kind::BadRequest),
                format!("the request is malformed: {why}"),
            ),
            Body => (
                App(Kind::BadRequest),
                "the body's chunks are malformed".to_owned(),
            ),
            TooLarge => (
                ErrorCause::HeadTooLarge,
                "the headers are too large".to_owned(),
            ),
            Version => (
                ErrorCause::UnsupportedVersion,
                "this version of HTTP is not supported".to_owned(),
            ),
        };
        Self::with_cause(cause, Error::new(Kind::BadRequest, text)).closing_connection()
    }
    /// Creates a 416 error for a range outside the content. `length` is the length of the content in bytes.
    pub(super) fn range_not_satisfiable(length: u64) -> Self {
        let text = format!("the range is not within the {length} bytes of the content");
        let mut error = Self::with_cause(
            ErrorCause::RangeNotSatisfiable,
            Error::new(Kind::BadRequest, text),
        );
        error.0.content_length = Some(length);
        error
    }
    /// Makes the server close the connection after the response, so that it need not read the rest of the request.
    pub fn closing_connection(mut self) -> Self {
        self.0.closes_connection = true;
        self
    }
    /// Adds the state of the caller's rate limit, which is sent in the `x-ratelimit-*` headers.
    pub(super) fn rate_limit(mut self, status: Option<RateLimitStatus>) -> Self {
        self.0.rate_limit = status;
        self
    }

    pub(super) fn details(&self) -> &ErrorDetails {
        &self.0
    }
    /// Returns the message that is logged but never sent to clients.
    pub fn private_message(&self) -> Option<&str> {
        self.0.error.private.as_deref()
    }
    /// Returns the HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.table_row().1).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
    /// Returns the error body in Quire's own format, which the last event of a failed stream also uses.
    pub fn body(&self, request_id: &str) -> Value {
        let (_, _, code, _, advice) = self.table_row();
        let error = &self.0.error;
        let detail = if error.fields.is_empty() {
            Value::from(error.public.as_str())
        } else {
            let field = |field: &crate::app::error::FieldError| json!({"loc": field.location, "msg": field.message, "type": field.kind});
            error.fields.iter().map(field).collect()
        };
        let resolution = match error.resolution.as_str() {
            "" => advice,
            resolution => resolution,
        };
        json!({
            "status": "error",
            "error_code": code,
            "message": error.public,
            "error": error.public,
            "detail": detail,
            "resolution": resolution,
            "request_id": request_id,
        })
    }

    /// Returns the HTTP status in the formats of vendors: the provider's own status if it sent one, 400 for an invalid
    /// field, 429 for an exhausted budget, and otherwise the same status as in Quire's format.
    pub(super) fn vendor_status(&self) -> StatusCode {
        let upstream = self.0.error.upstream_status;
        if let Some(status) = upstream.and_then(|status| StatusCode::from_u16(status).ok()) {
            return status;
        }
        match self.0.cause {
            App(Kind::BadInput) => StatusCode::BAD_REQUEST,
            App(Kind::BudgetExceeded) => StatusCode::TOO_MANY_REQUESTS,
            _ => self.status(),
        }
    }
    /// Returns the error body in a vendor's format, which the last event of a failed stream also uses.
    pub fn vendor_body(&self, format: ErrorFormat, request_id: &str) -> Value {
        let error = &self.0.error;
        let message = match error.resolution.as_str() {
            "" => error.public.clone(),
            resolution => format!("{}: {resolution}", error.public),
        };
        let (_, _, _, kind, _) = self.table_row();
        if format == ErrorFormat::Anthropic {
            let kind = match (error.upstream_status, self.0.cause) {
                (Some(status), _) => anthropic_kind(status),
                (None, App(Kind::Missing) | ErrorCause::UnknownPath) => "not_found_error",
                (None, App(Kind::TooLarge)) => "request_too_large",
                (None, App(Kind::TooFast | Kind::BudgetExceeded)) => "rate_limit_error",
                (None, App(Kind::Unavailable)) => "overloaded_error",
                _ => kind,
            };
            return json!({
                "type": "error", "error": { "type": kind, "message": message }, "request_id": request_id,
            });
        }
        if format == ErrorFormat::Gemini {
            let code = self.vendor_status().as_u16();
            let status = google_status(code);
            return json!({ "error": { "code": code, "message": message, "status": status } });
        }
        // The provider sends 402 or 429 if the account with it is out of credit, which waiting does not change.
        let is_out_of_credit = self.0.cause == App(Kind::UpstreamFailed)
            && matches!(error.upstream_status, Some(402 | 429));
        let code = match self.0.cause {
            _ if is_out_of_credit => Some("insufficient_quota"),
            App(Kind::Missing) => Some("model_not_found"),
            ErrorCause::UnknownPath => Some("unknown_url"),
            App(Kind::SignInNeeded) => Some("invalid_api_key"),
            App(Kind::TooFast) => Some("rate_limit_exceeded"),
            App(Kind::BudgetExceeded) => Some("insufficient_quota"),
            _ => None,
        };
        let kind = match (error.upstream_status, self.0.cause) {
            _ if is_out_of_credit => "insufficient_quota",
            (Some(429), _) => "rate_limit_error",
            (Some(400..=499), _) => "invalid_request_error",
            (Some(_), _) => "api_error",
            (None, App(Kind::Missing) | ErrorCause::UnknownPath) => "invalid_request_error",
            _ => kind,
        };
        let param = error.fields.first().and_then(|field| field.location.last());
        json!({ "error": { "message": message, "type": kind, "param": param, "code": code } })
    }

    fn with_cause(cause: ErrorCause, error: Error) -> Self {
        Self(Box::new(ErrorDetails {
            cause,
            error,
            allow: None,
            rate_limit: None,
            content_length: None,
            closes_connection: false,
        }))
    }
    fn table_row(&self) -> &'static (ErrorCause, u16, &'static str, &'static str, &'static str) {
        ERROR_TABLE
            .iter()
            .find(|row| row.0 == self.0.cause)
            .expect("every cause has a row, as a test checks")
    }
}

/// Returns Anthropic's error type for an HTTP status code: <https://docs.anthropic.com/en/api/errors>.
fn anthropic_kind(code: u16) -> &'static str {
    match code {
        402 => "billing_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        503 | 529 => "overloaded_error",
        _ => "api_error",
    }
}

/// Returns Google's error code, such as `NOT_FOUND`, for an HTTP status code.
fn google_status(code: u16) -> &'static str {
    match code {
        400 | 413 | 415 | 422 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        402 => "FAILED_PRECONDITION",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        405 | 501 => "UNIMPLEMENTED",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        408 | 504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_every_kind_has_one() {
        let mut codes = BTreeSet::new();
        for row in ERROR_TABLE {
            // Codes must be unique, except that an unknown path and a missing resource share one.
            assert!(
                row.0 == ErrorCause::UnknownPath || codes.insert(row.2),
                "{} twice",
                row.2
            );
            assert!(row.1 >= 400 && StatusCode::from_u16(row.1).is_ok());
            assert!(row.1 >= 500 || !row.4.contains("internal"));
        }
        use Kind::*;
        for kind in [
            BadRequest,
            BadInput,
            SignInNeeded,
            Forbidden,
            Missing,
            Conflict,
            TooLarge,
            UnsupportedType,
            TooFast,
            BudgetExceeded,
            UpstreamFailed,
            Unavailable,
            Internal,
        ] {
            assert!(ERROR_TABLE.iter().any(|row| row.0 == App(kind)), "{kind:?}");
        }
    }

    #[test]
    fn private_messages_stay_private() {
        let error = ApiError::from(Error::internal("disk /var/x is full"));
        assert_eq!(error.private_message(), Some("disk /var/x is full"));
        assert!(!error.body("7").to_string().contains("/var"));
    }

    #[test]
    fn invalid_fields_are_listed() {
        let error = ApiError::from(Error::field(&["body", "email"], "missing", "is needed"));
        assert_eq!(
            error.body("7")["detail"],
            json!([{"loc": ["body", "email"], "msg": "is needed", "type": "missing"}])
        );
        assert_eq!(error.status(), 422);
    }
}
