//! The outcome of a run, including results that could not be stored.

use crate::domain::answer::StageAnswer;
use crate::domain::citation::Citations;
use crate::domain::findings::Findings;
use crate::domain::pattern::PatternOutcome;
use crate::domain::plan::Plan;

/// A finished run, with everything it has produced.
#[derive(Debug, Clone)]
pub struct RunOutcome {
    /// Final status and totals.
    pub result: PatternOutcome,
    /// The plan that was executed.
    pub plan: Plan,
    /// Answers of the run's calls, by stage and member.
    pub answers: Vec<StageAnswer>,
    /// Results missing from the store; `None` if everything has been stored.
    pub unstored: Option<UnstoredResults>,
}

/// Results of a run that could not be stored.
#[derive(Debug, Clone)]
pub struct UnstoredResults {
    /// The evidence map, statistics, and notes.
    pub findings: Option<Findings>,
    /// Result of checking the run's citations.
    pub citations: Option<Citations>,
}
