//! What an experiment is told to take and to be able to show, in words for whoever pays for it.

use super::runner::AT_ONCE;
use crate::domain::experiment::Objective;
use crate::domain::experiment::spec::Spec;

/// When the race will end.
pub(super) fn stopping(spec: &Spec, held_back: usize) -> String {
    let not_worth = match spec.objective {
        Objective::Weighted {
            uses: Some(uses), ..
        } => format!(
            "when going on would cost more than a better setting could bring over {uses} questions, "
        ),
        _ => String::new(),
    };
    format!(
        "Settings meet the same cases in the same order; those that are behind are set aside as the budget \
         needs it, and those shown to be worse leave for good. It stops when one setting is left, when the leader \
         is within {} of the best of the others in {:.0} of 100 redraws of the cases, {not_worth}when the cases are used up, \
         or when the budget is spent. A fifth of the budget is kept to compare the leader with what you use now \
         on {held_back} cases that the race has not seen; only that comparison is reported. {AT_ONCE} evaluations \
         run at once, and those of people come first.",
        spec.indifference,
        (1.0 - spec.wrong) * 100.0
    )
}

/// What somebody should know before they spend anything.
pub(super) fn warnings(raced: usize, held_back: usize, arms: u64, evaluations: u64) -> Vec<String> {
    let mut warnings = Vec::new();
    if held_back < 10 {
        warnings.push(format!(
            "only {held_back} cases can be kept for the last comparison: it will find large differences only; \
             30 cases or more make a good experiment"
        ));
    }
    if evaluations < arms.saturating_mul(4.min(raced as u64)) {
        warnings.push(format!(
            "{evaluations} evaluations are few for {arms} settings: some will hardly be tried"
        ));
    }
    warnings
}
