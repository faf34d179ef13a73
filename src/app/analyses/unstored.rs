//! The report of a run whose end could not be stored.

use crate::clock;
use crate::domain::analysis::{Analysis, StageAnswer};
use crate::engine::RunOutcome;

/// Completes the stored part of a run with what only memory has.
pub(super) fn complete(analysis: &mut Analysis, answers: &mut Vec<StageAnswer>, ended: RunOutcome) {
    let RunOutcome {
        outcome, unstored, ..
    } = ended;
    let Some(unstored) = unstored else { return };
    merge(answers, unstored.answers);
    analysis.status = outcome.status;
    analysis.synthesis = outcome.synthesis;
    analysis.error = outcome.error;
    analysis.usage = outcome.totals.usage;
    analysis.cost = outcome.totals.cost_usd;
    analysis.finished = analysis.finished.or_else(|| Some(clock::now()));
    analysis.findings = unstored.findings.or(analysis.findings.take());
    analysis.citations = unstored.citations.or(analysis.citations.take());
}

/// Replaces stored answers by newer ones of the same call and adds the rest, by stage and member.
fn merge(answers: &mut Vec<StageAnswer>, newer: Vec<StageAnswer>) {
    let place = |one: &StageAnswer| (one.stage, one.member);
    answers.retain(|old| !newer.iter().any(|new| place(new) == place(old)));
    answers.extend(newer);
    answers.sort_by_key(place);
}
