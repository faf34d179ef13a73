//! Rules for account names and email addresses.

use crate::app::error::FieldError;
use crate::app::{Error, Kind};

/// Trims and validates a display name: at most 100 characters, none of them a control character.
///
/// # Errors
/// Returns the rule that the name violates.
pub(super) fn validate_name(name: &str) -> std::result::Result<String, FieldError> {
    let name = name.trim();
    let problem = match name {
        name if name.chars().count() > 100 => "a name may have at most 100 characters",
        name if name.chars().any(char::is_control) => "a name cannot contain control characters",
        _ => return Ok(name.to_owned()),
    };
    Err(FieldError {
        location: vec!["body".into(), "name".into()],
        message: problem.into(),
        kind: "value_error",
    })
}

pub(super) fn email_taken_error() -> Error {
    Error::new(
        Kind::BadRequest,
        "an account with this email address already exists",
    )
    .resolve("sign in, or reset the password")
}
