//! Error bodies: the only place that gives a kind its status and code, and the only one that writes
//! an error body. Private texts end in the log, never in a body.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::compatible_paths::intended_path;
use super::head;
use super::rate_limit_status::RateLimitStatus;
use crate::app::{Error, Kind};

/// Why a request was refused: what the app says, or one of the two reasons that only HTTP knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCause {
    /// From the app's closed list.
    App(Kind),
    /// The path is unknown.
    WrongAddress,
    /// The path is known, the method is not.
    WrongMethod,
    /// The client took too long to send.
    Slow,
    /// The head of the request is too large.
    HeadTooLarge,
    /// An unsupported version of HTTP.
    Version,
    /// The requested range is outside the content.
    Range,
}

use ErrorCause::App;

/// One row a cause: status, code, OpenAI's type for it, what to do where the error itself does not say.
#[rustfmt::skip]
pub static KINDS: &[(ErrorCause, u16, &str, &str, &str)] = &[
    (App(Kind::BadRequest),      400, "BAD_REQUEST",            "invalid_request_error", "correct the request"),
    (App(Kind::BadInput),        422, "VALIDATION_ERROR",       "invalid_request_error", "correct the fields named in detail"),
    (App(Kind::SignInNeeded),    401, "UNAUTHENTICATED",        "authentication_error",  "sign in, or send a bearer token or an API key"),
    (App(Kind::Forbidden),       403, "FORBIDDEN",              "permission_error",      "ask an administrator"),
    (App(Kind::Missing),         404, "NOT_FOUND",              "not_found_error",       "check the address"),
    (ErrorCause::WrongAddress,        404, "NOT_FOUND",              "not_found_error",       "check the address"),
    (ErrorCause::WrongMethod,         405, "METHOD_NOT_ALLOWED",     "invalid_request_error", "use a method that the Allow header lists"),
    (ErrorCause::Slow,                408, "REQUEST_TIMEOUT",        "invalid_request_error", "send the request again, faster"),
    (App(Kind::Conflict),        409, "CONFLICT",               "invalid_request_error", "read it again and decide"),
    (App(Kind::TooLarge),        413, "PAYLOAD_TOO_LARGE",      "invalid_request_error", "send less"),
    (App(Kind::UnsupportedType), 415, "UNSUPPORTED_MEDIA_TYPE", "invalid_request_error", "send a supported type"),
    (ErrorCause::Range,               416, "RANGE_NOT_SATISFIABLE",  "invalid_request_error", "ask for a range within the length that Content-Range states"),
    (ErrorCause::HeadTooLarge,        431, "HEADERS_TOO_LARGE",      "invalid_request_error", "send fewer or shorter headers"),
    (ErrorCause::Version,             505, "HTTP_VERSION",           "invalid_request_error", "use HTTP/1.1"),
    (App(Kind::TooFast),         429, "RATE_LIMITED",           "rate_limit_error",      "wait as long as Retry-After says"),
    (App(Kind::BudgetExceeded),  402, "BUDGET_EXCEEDED",        "insufficient_quota",    "raise the budget, or ask for less"),
    (App(Kind::UpstreamFailed),  502, "UPSTREAM_FAILED",        "api_error",             "try again, or choose another model"),
    (App(Kind::Unavailable),     503, "SERVICE_UNAVAILABLE",    "api_error",             "try again later"),
    (App(Kind::Internal),        500, "INTERNAL_ERROR",         "api_error",             "try again; if it stays, give an administrator the request id"),
];

/// Whose way of refusing a client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorFormat {
    /// The contract's.
    Ours,
    /// OpenAI's.
    OpenAi,
    /// Anthropic's.
    Anthropic,
    /// Gemini's.
    Gemini,
}

/// A refusal on its way out. Boxed: results are moved about far more often than they fail.
#[derive(Debug)]
pub struct ApiError(Box<ErrorDetails>);

#[derive(Debug)]
pub(super) struct ErrorDetails {
    pub(super) cause: ErrorCause,
    pub(super) error: Error,
    /// The methods of the path, for a wrong method.
    pub(super) allow: Option<String>,
    pub(super) rate_limit: Option<RateLimitStatus>,
    /// The length of the content in bytes, for a range outside it.
    pub(super) length: Option<u64>,
    /// Whether the connection ends with the response.
    pub(super) close: bool,
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self::of(App(error.kind), error)
    }
}

impl ApiError {
    /// A refusal of a kind of the app's, with a text to send.
    pub fn new(kind: Kind, public: impl Into<String>) -> Self {
        Error::new(kind, public).into()
    }
    /// The path exists, but not for this method.
    pub fn wrong_method(allow: String) -> Self {
        let text = format!("this path answers {allow}");
        let mut refusal = Self::of(ErrorCause::WrongMethod, Error::new(Kind::BadRequest, text));
        refusal.0.allow = Some(allow);
        refusal
    }
    /// There is no such path. Names the right one where a client's base URL is wrong.
    pub(super) fn wrong_address(method: &Method, path: &str) -> Self {
        let shown: String = path.chars().filter(|c| !c.is_control()).take(120).collect();
        let right = intended_path(path);
        let advice = match &right {
            Some(right) => format!("use {right}: the client's base URL is wrong"),
            None if path.starts_with("/v1") => "Quire answers /v1/models, /v1/chat/completions, \
                /v1/completions, /v1/responses, /v1/embeddings, /v1/messages and /v1beta/models"
                .to_owned(),
            None => String::new(),
        };
        let why = match right.is_some() || path.starts_with("/v1") {
            true => format!("there is nothing at {method} {shown}"),
            false => "there is nothing at this address".to_owned(),
        };
        Self::of(
            ErrorCause::WrongAddress,
            Error::new(Kind::Missing, why).resolve(advice),
        )
    }
    /// The client took too long.
    pub fn slow(what: &str) -> Self {
        let text = format!("{what} took too long to arrive");
        Self::of(ErrorCause::Slow, Error::new(Kind::BadRequest, text)).closing()
    }
    /// The head of the request, or the framing of its body, was refused.
    pub(super) fn head(refusal: head::HeadRefusal) -> Self {
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
                ErrorCause::Version,
                "this version of HTTP is not supported".to_owned(),
            ),
        };
        Self::of(cause, Error::new(Kind::BadRequest, text)).closing()
    }
    /// Nothing of a content of this length is in the range that was asked for.
    pub(super) fn range(length: u64) -> Self {
        let text = format!("the range is not within the {length} bytes of the content");
        let mut refusal = Self::of(ErrorCause::Range, Error::new(Kind::BadRequest, text));
        refusal.0.length = Some(length);
        refusal
    }
    /// The same, and the connection ends with it: what is left of the request is not read.
    pub fn closing(mut self) -> Self {
        self.0.close = true;
        self
    }
    /// Adds the caller's rate limit.
    pub(super) fn rate_limit(mut self, status: Option<RateLimitStatus>) -> Self {
        self.0.rate_limit = status;
        self
    }
    pub(super) fn details(&self) -> &ErrorDetails {
        &self.0
    }
    /// The text for the log, where there is one.
    pub fn private(&self) -> Option<&str> {
        self.0.error.private.as_deref()
    }
    /// The status it will have.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.row().1).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
    /// The error body of the contract, also for the last event of a stream.
    pub fn body(&self, request_id: &str) -> Value {
        let (_, _, code, _, advice) = self.row();
        let error = &self.0.error;
        let detail = if error.fields.is_empty() {
            Value::from(error.public.as_str())
        } else {
            let field = |field: &crate::app::error::FieldError| json!({"loc": field.place, "msg": field.message, "type": field.kind});
            error.fields.iter().map(field).collect()
        };
        let resolution = match error.resolution.as_str() {
            "" => advice,
            said => said,
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

    /// The status there: the provider's own where it has one, a wrong field is a bad request, and no money left is too
    /// many requests.
    pub(super) fn foreign_status(&self) -> StatusCode {
        let own = self.0.error.upstream_status;
        if let Some(own) = own.and_then(|status| StatusCode::from_u16(status).ok()) {
            return own;
        }
        match self.0.cause {
            App(Kind::BadInput) => StatusCode::BAD_REQUEST,
            App(Kind::BudgetExceeded) => StatusCode::TOO_MANY_REQUESTS,
            _ => self.status(),
        }
    }
    /// The body there, also for a stream that fails.
    pub fn foreign_body(&self, dialect: ErrorFormat, request_id: &str) -> Value {
        let error = &self.0.error;
        let message = match error.resolution.as_str() {
            "" => error.public.clone(),
            what => format!("{}: {what}", error.public),
        };
        let (_, _, _, kind, _) = self.row();
        if dialect == ErrorFormat::Anthropic {
            let kind = match (error.upstream_status, self.0.cause) {
                (Some(status), _) => anthropic_kind(status),
                (None, App(Kind::Missing) | ErrorCause::WrongAddress) => "not_found_error",
                (None, App(Kind::TooLarge)) => "request_too_large",
                (None, App(Kind::TooFast | Kind::BudgetExceeded)) => "rate_limit_error",
                (None, App(Kind::Unavailable)) => "overloaded_error",
                _ => kind,
            };
            return json!({
                "type": "error", "error": { "type": kind, "message": message }, "request_id": request_id,
            });
        }
        if dialect == ErrorFormat::Gemini {
            let code = self.foreign_status().as_u16();
            let status = google_status(code);
            return json!({ "error": { "code": code, "message": message, "status": status } });
        }
        // The provider's account has no money left: 402, or 429 of a quota that no wait restores.
        let is_spent = self.0.cause == App(Kind::UpstreamFailed)
            && matches!(error.upstream_status, Some(402 | 429));
        let code = match self.0.cause {
            _ if is_spent => Some("insufficient_quota"),
            App(Kind::Missing) => Some("model_not_found"),
            ErrorCause::WrongAddress => Some("unknown_url"),
            App(Kind::SignInNeeded) => Some("invalid_api_key"),
            App(Kind::TooFast) => Some("rate_limit_exceeded"),
            App(Kind::BudgetExceeded) => Some("insufficient_quota"),
            _ => None,
        };
        let kind = match (error.upstream_status, self.0.cause) {
            _ if is_spent => "insufficient_quota",
            (Some(429), _) => "rate_limit_error",
            (Some(400..=499), _) => "invalid_request_error",
            (Some(_), _) => "api_error",
            (None, App(Kind::Missing) | ErrorCause::WrongAddress) => "invalid_request_error",
            _ => kind,
        };
        let param = error.fields.first().and_then(|field| field.place.last());
        json!({ "error": { "message": message, "type": kind, "param": param, "code": code } })
    }

    fn of(cause: ErrorCause, error: Error) -> Self {
        Self(Box::new(ErrorDetails {
            cause,
            error,
            allow: None,
            rate_limit: None,
            length: None,
            close: false,
        }))
    }
    fn row(&self) -> &'static (ErrorCause, u16, &'static str, &'static str, &'static str) {
        KINDS
            .iter()
            .find(|row| row.0 == self.0.cause)
            .expect("a test holds that every cause has a row")
    }
}

/// Anthropic's name for a status of HTTP: <https://docs.anthropic.com/en/api/errors>.
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

/// Google's name for a status of HTTP.
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
        for row in KINDS {
            // An address that does not exist and a thing that does not exist are one code to a client.
            assert!(
                row.0 == ErrorCause::WrongAddress || codes.insert(row.2),
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
            assert!(KINDS.iter().any(|row| row.0 == App(kind)), "{kind:?}");
        }
    }

    #[test]
    fn a_private_text_stays_private() {
        let error = ApiError::from(Error::internal("disk /var/x is full"));
        assert_eq!(error.private(), Some("disk /var/x is full"));
        assert!(!error.body("7").to_string().contains("/var"));
    }

    #[test]
    fn wrong_fields_are_listed() {
        let error = ApiError::from(Error::field(&["body", "email"], "missing", "is needed"));
        assert_eq!(
            error.body("7")["detail"],
            json!([{"loc": ["body", "email"], "msg": "is needed", "type": "missing"}])
        );
        assert_eq!(error.status(), 422);
    }
}
