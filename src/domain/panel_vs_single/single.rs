//! The best single draft: what one model would have answered alone, and its cost. It is the baseline for
//! whether a panel is worth its price. Does not judge texts.

use crate::domain::analysis::{Member, Plan, StageAnswer};
use crate::domain::money::{MicroDollars, Price};

/// The selection rule, for users. It is fixed before anyone reads the drafts, so that the baseline is what a
/// user would have got from one model, not the luckiest of several.
pub const RULE: &str = "the first answer of the member ranked strongest in the catalog; ties go to the most expensive, then to the first in the panel";

/// Index of the best single draft among the answers, if any member answered. `strength` is the catalog's rank.
pub fn best(plan: &Plan, answers: &[StageAnswer], strength: impl Fn(&str) -> u32) -> Option<usize> {
    let mut best: Option<(usize, (u32, f64))> = None;
    for (index, draft) in answers.iter().enumerate() {
        if draft.stage != plan.first() || !draft.answered() {
            continue;
        }
        let written = price(plan, &draft.model).map_or(0.0, |price| price.output);
        let rank = (strength(&draft.model), written);
        let better = best.is_none_or(|(_, known)| {
            let by_strength = rank.0.cmp(&known.0);
            by_strength.then(rank.1.total_cmp(&known.1)).is_gt()
        });
        if better {
            best = Some((index, rank));
        }
    }
    best.map(|(index, _)| index)
}

/// Cost of an answer without the cache. A cached answer was free, but comparing its price would be meaningless.
pub fn cost(plan: &Plan, answer: &StageAnswer) -> Option<MicroDollars> {
    if !answer.cached {
        return answer.cost;
    }
    let listed = || price(plan, &answer.model).map(|price| price.cost(&answer.usage));
    answer.usage.charged.or_else(listed)
}

/// Cost of all calls without the cache, including failed ones; none if any is unknown.
pub fn total(plan: &Plan, answers: &[StageAnswer]) -> Option<MicroDollars> {
    answers.iter().try_fold(MicroDollars(0), |sum, answer| {
        let earlier = answer.earlier.iter().map(|one| one.cost);
        let all = earlier.chain([cost(plan, answer)]);
        all.into_iter()
            .try_fold(sum, |sum, cost| Some(sum.plus(cost?)))
    })
}

fn price(plan: &Plan, model: &str) -> Option<Price> {
    let seats = plan.members.iter().chain([&plan.synthesizer]);
    let mut known = seats.flat_map(|seat| [seat].into_iter().chain(&seat.fallbacks));
    let found: Option<&Member> = known.find(|seat| seat.model == model);
    found.and_then(|seat| seat.price)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::analysis::FailedAttemptRecord;
    use crate::domain::chat::{CallError, CallErrorKind, Usage};
    use crate::domain::panel_vs_single::tests::{answer, plan};

    fn priced(output: f64) -> Option<Price> {
        Some(Price {
            input: 1.0,
            output,
            ..Price::default()
        })
    }

    #[test]
    fn the_strongest_draft_wins_then_the_most_expensive_then_the_first() {
        let names = ["p/a", "p/b", "p/c"];
        for (strengths, prices, failed, expected) in [
            ([1, 3, 2], [9.0, 1.0, 1.0], None, Some(1)),
            ([3, 3, 3], [1.0, 2.0, 1.0], None, Some(1)),
            ([3, 3, 3], [1.0, 1.0, 1.0], None, Some(0)),
            ([1, 3, 2], [1.0, 1.0, 1.0], Some(1), Some(2)),
        ] {
            let mut plan = plan(&names);
            let mut answers = Vec::new();
            for (place, name) in names.iter().enumerate() {
                plan.members[place].price = priced(prices[place]);
                let mut answer = answer(0, place, name);
                if failed == Some(place) {
                    answer.error = Some(CallError::new(CallErrorKind::Empty, "empty"));
                }
                answers.push(answer);
            }
            // Later stages are not a model's own answer.
            answers.push(answer(1, 0, "p/strongest"));
            let strength = |model: &str| {
                let place = names.iter().position(|name| *name == model);
                place.map_or(99, |place| strengths[place])
            };
            assert_eq!(best(&plan, &answers, strength), expected, "{strengths:?}");
        }
        assert_eq!(best(&plan(&names), &[], |_| 1), None);
    }

    #[test]
    fn costs_ignore_the_cache_and_are_unknown_if_any_is() {
        let mut plan = plan(&["p/a", "p/b"]);
        plan.members[0].price = priced(2.0);
        let usage = Usage {
            input: 10,
            output: 5,
            ..Usage::default()
        };
        let stored = StageAnswer {
            cached: true,
            usage,
            cost: Some(MicroDollars(0)),
            ..answer(0, 0, "p/a")
        };
        let asked = StageAnswer {
            cost: Some(MicroDollars(7)),
            ..answer(0, 1, "p/b")
        };
        assert_eq!(cost(&plan, &stored), Some(MicroDollars(20)));
        assert_eq!(cost(&plan, &asked), Some(MicroDollars(7)));
        let mut both = vec![stored, asked];
        assert_eq!(total(&plan, &both), Some(MicroDollars(27)));
        both[1].earlier.push(FailedAttemptRecord {
            model: "p/x".into(),
            error: CallError::new(CallErrorKind::Empty, "empty"),
            usage,
            cost: Some(MicroDollars(3)),
        });
        assert_eq!(total(&plan, &both), Some(MicroDollars(30)));
        both[1].cost = None;
        assert_eq!(total(&plan, &both), None);
    }
}
