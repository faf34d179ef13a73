//! Skips models that are named by a recipe or an earlier analysis but no longer exist, and reports them in the notes. A
//! model that the client names itself is never skipped.

use super::Analyses;
use crate::app::{Error, Result};
use crate::domain::id::UserId;
use crate::domain::request::{EvidenceRequest, Request};

impl Analyses<'_> {
    /// Removes inherited models that are missing from the request, and returns a note for each of them.
    ///
    /// # Errors
    /// `BadInput` if no member would be left, unless the members' models merely lack an API key.
    pub(super) fn skip_missing_models(
        &self,
        user: Option<&UserId>,
        request: &mut Request,
        inherited: &[String],
    ) -> Result<Vec<String>> {
        let llm = self.llm;
        let is_missing = |name: &String| inherited.contains(name) && llm.find(user, name).is_none();
        if request.models.iter().any(|name| !is_missing(name)) || request.models.is_empty() {
            // At least one model remains, or the request names none.
        } else if request
            .models
            .iter()
            .all(|name| llm.model_without_key(user, name).is_some())
        {
            // The models exist but lack an API key, which the check of each name reports.
            return Ok(Vec::new());
        } else {
            return Err(no_model_left_error(&request.models));
        }
        let retirement_hint = |name: &str| {
            let retired = llm.retired_model(user, name);
            retired.map_or_else(String::new, |retired| retired.hint())
        };
        let mut notes = Vec::new();
        request.models.retain(|name| {
            let is_available = !is_missing(name);
            if !is_available {
                let retirement_hint = retirement_hint(name);
                notes.push(format!(
                    "{name} is no longer available and was left out{retirement_hint}"
                ));
            }
            is_available
        });
        if let Some(writer) = request.ultra_model.take_if(|name| is_missing(name)) {
            let retirement_hint = retirement_hint(&writer);
            notes.push(format!(
                "{writer} is no longer available: another model writes the answer{retirement_hint}"
            ));
        }
        let judge = request.evidence.as_ref().and_then(EvidenceRequest::model);
        if let Some(judge) = judge.map(str::to_owned).filter(is_missing) {
            let retirement_hint = retirement_hint(&judge);
            notes.push(format!(
                "{judge} is no longer available: another model compares the answers{retirement_hint}"
            ));
            let mode = request.evidence.as_ref().map(EvidenceRequest::mode);
            request.evidence = mode.map(EvidenceRequest::Mode);
        }
        request.model_parameters.retain(|name, _| !is_missing(name));
        notes.dedup();
        Ok(notes)
    }
}

fn no_model_left_error(names: &[String]) -> Error {
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.dedup();
    let why = format!(
        "none of its models is available any longer: {}",
        names.join(", ")
    );
    Error::field(&["body", "models"], "unknown_model", why)
        .resolve("choose other models, or configure their provider again")
}
