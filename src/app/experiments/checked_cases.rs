//! Checks the cases of a request.

use crate::app::{Error, Result};
use crate::domain::experiment::{Case, MAX_CASES};

/// Checks the number of cases, and that each has a question.
///
/// # Errors
/// `BadInput` if there are no cases, too many, or one without a question.
pub(super) fn checked_cases(cases: Vec<Case>) -> Result<Vec<Case>> {
    let error = |why: String| Error::field(&["body", "cases"], "value_error", why);
    if cases.is_empty() {
        return Err(error(
            "there are no cases: enter or upload at least one".into(),
        ));
    }
    if cases.len() > MAX_CASES {
        return Err(error(format!("at most {MAX_CASES} cases")));
    }
    match cases.iter().position(|case| case.prompt.trim().is_empty()) {
        Some(place) => Err(error(format!("case {} has no question", place + 1))),
        None => Ok(cases),
    }
}
