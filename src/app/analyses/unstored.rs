//! The report of a run whose end could not be stored.

use crate::clock;
use crate::domain::analysis::{Analysis, StageAnswer};
use crate::engine::RunOutcome;

/// Replaces the stored part of a run with the results in memory, if its end could not be stored.
pub(super) fn fill_from_outcome(
    analysis: &mut Analysis,
    answers: &mut Vec<StageAnswer>,
    run: RunOutcome,
) {
    let Some(unstored) = run.unstored else {
        return;
    };
    let outcome = run.result;
    *answers = run.answers;
    analysis.status = outcome.status;
    analysis.synthesis = outcome.synthesis;
    analysis.error = outcome.error;
    analysis.usage = outcome.totals.usage;
    analysis.cost = outcome.totals.cost_usd;
    analysis.finished = analysis.finished.or_else(|| Some(clock::now()));
    analysis.findings = unstored.findings.or(analysis.findings.take());
    analysis.citations = unstored.citations.or(analysis.citations.take());
}
