//! An analysis with the results of its calls, and whether its owner is offered a blind comparison.

use super::CallRecord;
use crate::domain::analysis::Analysis;
use crate::domain::answer::StageAnswer;

/// An analysis with the results of its calls.
#[derive(Debug, Clone)]
pub struct AnalysisReport {
    /// The analysis.
    pub analysis: Analysis,
    /// By stage and member.
    pub answers: Vec<StageAnswer>,
    /// Which of them is the best single draft; none before one is over.
    pub single: Option<usize>,
    /// Its owner is asked to compare the panel with that draft.
    pub comparison_offered: bool,
    /// Every call that was made, in the order of their start; old lines are thrown away.
    pub calls: Vec<CallRecord>,
    /// What its owner said of it, as `vote` takes it.
    pub vote: Option<String>,
}

impl AnalysisReport {
    /// Why each member that failed did.
    pub fn failures(&self) -> Vec<String> {
        let reason = |answer: &StageAnswer| {
            answer
                .error
                .as_ref()
                .map(|error| format!("{}: {}", answer.model, error.detail))
        };
        self.answers.iter().filter_map(reason).collect()
    }
}

/// Whether a reader of an analysis may be asked for a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum ComparisonOffer {
    /// No: it has a vote, or its reader has none.
    Never,
    /// As often as this person wants it; none: as the installation is set.
    As(Option<u64>),
}
