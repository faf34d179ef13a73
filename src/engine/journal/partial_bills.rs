//! Adds the bills of stopped calls to their partial answers, because those answers are stored before the bills are
//! known.

use crate::domain::answer::StageAnswer;
use crate::domain::usage::CallCharge;

/// Adds the usage and cost in `charges` to the partial answers of the same calls.
pub(super) fn add_partial_bills(answers: &mut [StageAnswer], charges: &[CallCharge]) {
    let unbilled = |answers: &&mut StageAnswer| answers.is_partial() && answers.tries == 0;
    for partial in answers.iter_mut().filter(unbilled) {
        let slot = (partial.stage, partial.member);
        let is_in_slot = |charge: &&CallCharge| (charge.call.stage, charge.call.member) == slot;
        if let Some(charge) = charges.iter().find(is_in_slot) {
            partial.usage = charge.bill.usage;
            partial.cost = charge.cost();
            partial.tries = charge.bill.tries;
        }
    }
}
