//! Chooses the best single draft: the answer that one model alone would have given, and its cost. It is the baseline
//! for deciding whether a panel is worth its price. The choice does not depend on the texts.

use crate::domain::analysis::{Member, Plan, StageAnswer};
use crate::domain::money::{MicroDollars, Price};
use crate::domain::standing::{self, MemberTrackRecord, RankingBasis};
use crate::domain::statistics::random::Random;

/// The selection rule, for users. It is fixed before anyone reads the drafts, so that the baseline is what a
/// user would have gotten from one model, rather than the luckiest of several.
pub const SELECTION_RULE: &str = "the first answer of the member with the best record in the user's experiments or blind votes; without records, of the one ranked strongest in the catalog, then of the most expensive; where none of this ranks them, of a member drawn at random";

/// The draft chosen to represent a single model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SingleDraft {
    /// Index of the draft in the list of answers.
    pub index: usize,
    /// Why this draft was chosen.
    pub basis: SingleBasis,
}

/// Why a draft represents a single model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SingleBasis {
    /// It is the only draft, because only one member answered.
    OnlyDraft,
    /// Its member has the best record in the user's experiments.
    Experiments,
    /// Its member has the best record in the user's blind votes.
    Votes,
    /// Its member has the highest rank in the catalog or, among equals, the highest price.
    Catalog,
    /// It was drawn at random with the plan's seed among this number of members, because nothing ranks them.
    Random(usize),
}

impl SingleBasis {
    /// Describes the rule that applied, for users.
    pub fn sentence(self) -> String {
        match self {
            Self::OnlyDraft => "the only first answer".to_owned(),
            Self::Experiments => {
                "the first answer of the member with the best record in your experiments".to_owned()
            }
            Self::Votes => {
                "the first answer of the member with the best record in your blind votes".to_owned()
            }
            Self::Catalog => {
                "the first answer of the member ranked strongest in the catalog, or of the most \
                              expensive of several"
                    .to_owned()
            }
            Self::Random(members) => format!(
                "the first answer of one of {members} members, drawn at random because nothing ranks them"
            ),
        }
    }
}

/// Chooses the best single draft; `None` if no member answered. `strength` returns the catalog's rank of a
/// model, for plans without stored standings.
pub fn best_draft(
    plan: &Plan,
    answers: &[StageAnswer],
    strength: impl Fn(&str) -> u32,
) -> Option<SingleDraft> {
    let drafts: Vec<usize> = (0..answers.len())
        .filter(|&at| answers[at].stage == plan.first_answer_stage() && answers[at].answered())
        .collect();
    let standing = |at: usize| {
        let stored = plan.standings.get(answers[at].member).copied();
        stored.unwrap_or_else(|| MemberTrackRecord {
            strength: strength(&answers[at].model),
            ..MemberTrackRecord::default()
        })
    };
    let standings: Vec<MemberTrackRecord> = drafts.iter().map(|&at| standing(at)).collect();
    let groups: Vec<Vec<usize>> = (0..drafts.len()).map(|at| vec![at]).collect();
    let draft_of = |at: usize, basis| {
        let index = *drafts.get(at)?;
        Some(SingleDraft { index, basis })
    };
    if drafts.len() < 2 {
        return draft_of(0, SingleBasis::OnlyDraft);
    }
    if let Some((at, basis)) = standing::best_group(&standings, &groups) {
        return draft_of(
            at,
            match basis {
                RankingBasis::Experiments => SingleBasis::Experiments,
                RankingBasis::Votes => SingleBasis::Votes,
                RankingBasis::Catalog => SingleBasis::Catalog,
            },
        );
    }
    let rank = |at: usize| {
        let output_price =
            model_price(plan, &answers[drafts[at]].model).map_or(0.0, |price| price.output);
        (standings[at].strength, output_price)
    };
    let order = |a: &(u32, f64), b: &(u32, f64)| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1));
    let highest = (0..drafts.len()).map(rank).max_by(order)?;
    let equal: Vec<usize> = (0..drafts.len())
        .filter(|&at| order(&rank(at), &highest).is_eq())
        .collect();
    match equal.as_slice() {
        [only] => draft_of(*only, SingleBasis::Catalog),
        _ => {
            let drawn_index = equal[Random::new(plan.seed).index_below(equal.len())];
            draft_of(drawn_index, SingleBasis::Random(equal.len()))
        }
    }
}

/// Returns what an answer would have cost without the cache; `None` if unknown. Comparing the price of a cached answer,
/// which is zero, would be meaningless.
pub fn uncached_cost(plan: &Plan, answer: &StageAnswer) -> Option<MicroDollars> {
    if !answer.cached {
        return answer.cost;
    }
    let list_cost = || model_price(plan, &answer.model).map(|price| price.cost(&answer.usage));
    answer.usage.charged.or_else(list_cost)
}

/// Returns what all calls would have cost without the cache, including failed ones; `None` if the cost of any
/// is unknown.
pub fn uncached_total(plan: &Plan, answers: &[StageAnswer]) -> Option<MicroDollars> {
    answers.iter().try_fold(MicroDollars(0), |sum, answer| {
        let earlier = answer.earlier.iter().map(|attempt| attempt.cost);
        let all = earlier.chain([uncached_cost(plan, answer)]);
        all.into_iter()
            .try_fold(sum, |sum, cost| Some(sum.saturating_add(cost?)))
    })
}

fn model_price(plan: &Plan, model: &str) -> Option<Price> {
    let candidates = plan.members.iter().chain([&plan.synthesizer]);
    let mut members = candidates.flat_map(|member| [member].into_iter().chain(&member.fallbacks));
    let matching_member: Option<&Member> = members.find(|member| member.model == model);
    matching_member.and_then(|member| member.price)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::analysis::FailedAttemptRecord;
    use crate::domain::chat::{CallError, CallErrorKind, Usage};
    use crate::domain::panel_vs_single::tests::{answer, plan};
    use crate::domain::standing::ScoreRecord;

    fn output_price(output: f64) -> Option<Price> {
        Some(Price {
            input: 1.0,
            output,
            ..Price::default()
        })
    }

    #[test]
    fn the_strongest_draft_wins_then_the_most_expensive_then_one_by_lot() {
        use SingleBasis::{Catalog, Random};
        let names = ["p/a", "p/b", "p/c"];
        for (strengths, prices, failed, expected) in [
            ([1, 3, 2], [9.0, 1.0, 1.0], None, (Some(1), Catalog)),
            ([3, 3, 3], [1.0, 2.0, 1.0], None, (Some(1), Catalog)),
            ([3, 3, 3], [1.0, 1.0, 1.0], None, (None, Random(3))),
            ([3, 3, 1], [1.0, 1.0, 9.0], None, (None, Random(2))),
            ([1, 3, 2], [1.0, 1.0, 1.0], Some(1), (Some(2), Catalog)),
        ] {
            let mut plan = plan(&names);
            let mut answers = Vec::new();
            for (place, name) in names.iter().enumerate() {
                plan.members[place].price = output_price(prices[place]);
                let mut answer = answer(0, place, name);
                if failed == Some(place) {
                    answer.error = Some(CallError::new(CallErrorKind::Empty, "empty"));
                }
                answers.push(answer);
            }
            // An answer in a later stage builds on other members' texts, so it is not a single model's own.
            answers.push(answer(1, 0, "p/strongest"));
            let strength = |model: &str| {
                let place = names.iter().position(|name| *name == model);
                place.map_or(99, |place| strengths[place])
            };
            let draft = best_draft(&plan, &answers, strength).unwrap();
            assert_eq!(draft.basis, expected.1, "{strengths:?}");
            assert!(
                expected.0.is_none_or(|index| index == draft.index),
                "{strengths:?}"
            );
            assert_eq!(
                best_draft(&plan, &answers, strength),
                Some(draft),
                "the same each time"
            );
        }
        assert_eq!(best_draft(&plan(&names), &[], |_| 1), None);
    }

    #[test]
    fn a_draw_takes_every_member_about_as_often() {
        let names = ["p/a", "p/b", "p/c"];
        let mut plan = plan(&names);
        let answers: Vec<StageAnswer> = (0..3).map(|at| answer(0, at, names[at])).collect();
        let mut draw_counts = [0_u32; 3];
        for seed in 0..3_000 {
            plan.seed = seed;
            draw_counts[best_draft(&plan, &answers, |_| 1).unwrap().index] += 1;
        }
        assert!(
            draw_counts.iter().all(|count| (850..1_150).contains(count)),
            "{draw_counts:?}"
        );
    }

    #[test]
    fn the_persons_record_comes_before_the_catalog() {
        let mut plan = plan(&["p/a", "p/b"]);
        let answers = [answer(0, 0, "p/a"), answer(0, 1, "p/b")];
        let record = |points: f64| ScoreRecord { points, cases: 20 };
        plan.standings = [(9, 4.0), (1, 16.0)]
            .map(|(strength, points)| MemberTrackRecord {
                strength,
                votes: record(points),
                ..MemberTrackRecord::default()
            })
            .to_vec();
        let draft = best_draft(&plan, &answers, |_| 0).unwrap();
        assert_eq!((draft.index, draft.basis), (1, SingleBasis::Votes));
        plan.standings[0].votes.cases = 2;
        assert_eq!(best_draft(&plan, &answers, |_| 0).unwrap().index, 0);
    }

    #[test]
    fn costs_ignore_the_cache_and_are_unknown_if_any_is() {
        let mut plan = plan(&["p/a", "p/b"]);
        plan.members[0].price = output_price(2.0);
        let usage = Usage {
            input: 10,
            output: 5,
            ..Usage::default()
        };
        let cached_answer = StageAnswer {
            cached: true,
            usage,
            cost: Some(MicroDollars(0)),
            ..answer(0, 0, "p/a")
        };
        let answer = StageAnswer {
            cost: Some(MicroDollars(7)),
            ..answer(0, 1, "p/b")
        };
        assert_eq!(uncached_cost(&plan, &cached_answer), Some(MicroDollars(20)));
        assert_eq!(uncached_cost(&plan, &answer), Some(MicroDollars(7)));
        let mut both = vec![cached_answer, answer];
        assert_eq!(uncached_total(&plan, &both), Some(MicroDollars(27)));
        both[1].earlier.push(FailedAttemptRecord {
            model: "p/x".into(),
            error: CallError::new(CallErrorKind::Empty, "empty"),
            usage,
            cost: Some(MicroDollars(3)),
        });
        assert_eq!(uncached_total(&plan, &both), Some(MicroDollars(30)));
        both[1].cost = None;
        assert_eq!(uncached_total(&plan, &both), None);
    }
}
