//! The report of a run whose end could not be stored.

use crate::clock;
use crate::domain::analysis::{Analysis, StageAnswer};
use crate::engine::RunOutcome;

/// Completes the stored part of a run with data that exists only in memory.
pub(super) fn complete(analysis: &mut Analysis, answers: &mut Vec<StageAnswer>, ended: RunOutcome) {
    let Some(unstored) = ended.unstored else {
        return;
    };
    let outcome = ended.result;
    *answers = ended.answers;
    analysis.status = outcome.status;
    analysis.synthesis = outcome.synthesis;
    analysis.error = outcome.error;
    analysis.usage = outcome.totals.usage;
    analysis.cost = outcome.totals.cost_usd;
    analysis.finished = analysis.finished.or_else(|| Some(clock::now()));
    analysis.findings = unstored.findings.or(analysis.findings.take());
    analysis.citations = unstored.citations.or(analysis.citations.take());
}
