//! Builds the analysis that an experiment starts for one case under one configuration.

use crate::app::{Result, recipes};
use crate::domain::experiment::spec::ExperimentSpec;
use crate::domain::experiment::{Case, Configuration};
use crate::domain::id::ExperimentId;
use crate::domain::plan::CacheUse;
use crate::domain::request::{Request, RunContext};

/// Returns the request for a case under a configuration. The cache is off: a cached answer is free and instant, which
/// would give its configuration an unfair advantage.
///
/// # Errors
/// `BadInput` if the configuration is not a valid request.
pub(super) fn request(
    spec: &ExperimentSpec,
    arm: &Configuration,
    case: &Case,
    experiment: &ExperimentId,
) -> Result<(Request, RunContext)> {
    let mut request = Request {
        prompt: case.prompt.clone(),
        document_ids: case.documents.clone(),
        cache: CacheUse::Off,
        detached: true,
        topic: Some("experiment".to_owned()),
        ..Request::default()
    };
    let mut context = RunContext {
        experiment: Some(experiment.clone()),
        ..RunContext::default()
    };
    recipes::fill(&mut request, &mut context, spec.request_for(arm))?;
    Ok((request, context))
}
