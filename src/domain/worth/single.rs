//! The best single draft: what one model would have answered alone, and what that would have cost. The
//! answer to "was the panel worth it?" is a comparison with this one. Judges no text.

use crate::domain::analysis::{Member, Plan, StageAnswer};
use crate::domain::money::{MicroDollars, Price};

/// How it is chosen, for people. Chosen before anybody reads it, so that the comparison is with what a
/// person would have got who had asked one model, not with the luckiest of several.
pub const RULE: &str = "the first answer of the strongest member by the catalogue; of equals the dearest, then the first of the panel";

/// The best single draft, if any member has answered. Strengths are the catalogue's.
pub fn best<'a>(
    plan: &Plan,
    answers: &'a [StageAnswer],
    strength: impl Fn(&str) -> u32,
) -> Option<&'a StageAnswer> {
    let drafts = answers
        .iter()
        .filter(|answer| answer.stage == 0 && answer.answered());
    let rank = |answer: &StageAnswer| {
        let written = price(plan, &answer.model).map_or(0.0, |price| price.output);
        (strength(&answer.model), written)
    };
    let mut best: Option<&StageAnswer> = None;
    for draft in drafts {
        let better = best.is_none_or(|best| {
            let ((a, dear), (b, dearest)) = (rank(draft), rank(best));
            a.cmp(&b).then(dear.total_cmp(&dearest)).is_gt()
        });
        if better {
            best = Some(draft);
        }
    }
    best
}

/// What an answer costs where nothing was stored: one from the cache was free, but a comparison of prices
/// with it would say nothing.
pub fn cost(plan: &Plan, answer: &StageAnswer) -> Option<MicroDollars> {
    if !answer.cached {
        return answer.cost;
    }
    let listed = || price(plan, &answer.model).map(|price| price.cost(&answer.usage));
    answer.usage.charged.or_else(listed)
}

/// The same of all calls, those included that failed; none where one of them is not known.
pub fn total(plan: &Plan, answers: &[StageAnswer]) -> Option<MicroDollars> {
    answers.iter().try_fold(MicroDollars(0), |sum, answer| {
        let earlier = answer.earlier.iter().map(|one| one.cost);
        let all = earlier.chain([cost(plan, answer)]);
        all.into_iter()
            .try_fold(sum, |sum, cost| Some(sum.plus(cost?)))
    })
}

fn price(plan: &Plan, model: &str) -> Option<Price> {
    let seats = plan.members.iter().chain([&plan.synthesiser]);
    let mut known = seats.flat_map(|seat| [seat].into_iter().chain(&seat.fallbacks));
    let found: Option<&Member> = known.find(|seat| seat.model == model);
    found.and_then(|seat| seat.price)
}
