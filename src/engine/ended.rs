//! How a run ended, and the results that the store lacks.

use crate::domain::answer::StageAnswer;
use crate::domain::citation::Citations;
use crate::domain::findings::Findings;
use crate::domain::pattern::Outcome;

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its outcome.
    pub outcome: Outcome,
    /// What the store lacks; none when everything is stored.
    pub unstored: Option<Unstored>,
}

/// The results of a run that the store could not take.
#[derive(Debug, Clone, Default)]
pub struct Unstored {
    /// Answers of its calls.
    pub answers: Vec<StageAnswer>,
    /// How its answers compare.
    pub findings: Option<Findings>,
    /// Whether its citations hold.
    pub citations: Option<Citations>,
}
