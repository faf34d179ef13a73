//! The analysis that an experiment starts for one case under one configuration.

use crate::app::{Result, analyses, recipes};
use crate::domain::experiment::spec::ExperimentSpec;
use crate::domain::experiment::{Case, Configuration};
use crate::domain::id::ExperimentId;
use crate::domain::plan::CacheUse;

/// The request of a case under a configuration. The cache is off: a stored answer costs nothing and comes at
/// once, which would be counted in favor of its configuration.
///
/// # Errors
/// `BadInput` when the configuration is not a valid request.
pub(super) fn request(
    spec: &ExperimentSpec,
    arm: &Configuration,
    case: &Case,
    experiment: &ExperimentId,
) -> Result<analyses::AnalysisParams> {
    let mut wanted = analyses::AnalysisParams {
        prompt: case.prompt.clone(),
        documents: case.documents.clone(),
        cache: CacheUse::Off,
        detached: true,
        topic: Some("experiment".to_owned()),
        experiment: Some(experiment.clone()),
        ..analyses::AnalysisParams::default()
    };
    recipes::fill(&mut wanted, spec.body_of(arm))?;
    Ok(wanted)
}
