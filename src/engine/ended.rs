//! How a run ended, including results that could not be stored.

use crate::domain::answer::StageAnswer;
use crate::domain::citation::Citations;
use crate::domain::findings::Findings;
use crate::domain::pattern::PatternOutcome;

/// The end of a run.
#[derive(Debug, Clone)]
pub struct RunOutcome {
    /// Final status and totals.
    pub outcome: PatternOutcome,
    /// Results missing from the store; `None` when everything is stored.
    pub unstored: Option<Unstored>,
}

/// Results of a run that could not be stored.
#[derive(Debug, Clone, Default)]
pub struct Unstored {
    /// Answers of the run's calls.
    pub answers: Vec<StageAnswer>,
    /// Comparison of its answers.
    pub findings: Option<Findings>,
    /// Verification of its citations.
    pub citations: Option<Citations>,
}
