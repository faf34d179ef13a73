//! Rules that score answers. Those that may take long run on a blocking thread.

use crate::app::{Error, Result};
use crate::domain::experiment::{Case, Evaluator, ExperimentError};

/// Checks a rule against its cases, on a blocking thread if that may take long. Returns the cases with the result of
/// the check.
///
/// # Errors
/// Returns an error if the work panics.
pub(super) async fn check_rule(
    rule: &Evaluator,
    cases: Vec<Case>,
) -> Result<(Vec<Case>, std::result::Result<(), ExperimentError>)> {
    if !rule.is_large() {
        let check_result = rule.check(&cases);
        return Ok((cases, check_result));
    }
    // The clone and the original share compiled patterns and schemas.
    let rule = rule.clone();
    let work = move || {
        let check_result = rule.check(&cases);
        (cases, check_result)
    };
    let check_result = tokio::task::spawn_blocking(work).await;
    check_result.map_err(Error::internal)
}

/// Scores an answer to a case, on a blocking thread if that may take long.
///
/// # Errors
/// Returns an error if the work panics.
pub(super) async fn score(rule: &Evaluator, case: &Case, answer: &str) -> Result<f64> {
    if !rule.is_large() {
        return Ok(rule.score(case, answer));
    }
    let (rule, case, answer) = (rule.clone(), case.clone(), answer.to_owned());
    let scored = tokio::task::spawn_blocking(move || rule.score(&case, &answer)).await;
    scored.map_err(Error::internal)
}
