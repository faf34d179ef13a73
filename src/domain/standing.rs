//! Catalog rank and past scores of a panel's members, collected before a run and used to break ties and to
//! choose the draft that represents a single model. Fixed in the plan, so that a resumed run makes the same decisions.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// Minimum number of cases for a record to be taken into account.
pub const MIN_CASES: u32 = 10;

/// Past scores of a model in this user's own data.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ScoreRecord {
    /// Sum of the scores, each from 0 to 1.
    pub points: f64,
    /// Number of scores in `points`.
    pub cases: u32,
}

/// Catalog rank and record of a member.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct MemberTrackRecord {
    /// Rank in the catalog, higher is stronger; 0 or 1 if unknown.
    pub strength: u32,
    /// The model's own scores in the user's experiments, on the questions that all members have answered there.
    #[serde(default)]
    pub experiments: ScoreRecord,
    /// The user's blind votes that compared a draft of this model with a panel's answer. A vote for the draft counts as
    /// 1, a tie as a half.
    #[serde(default)]
    pub votes: ScoreRecord,
}

/// The criterion by which a member was ranked above others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RankingBasis {
    /// Scores in the user's experiments.
    Experiments,
    /// The user's blind votes.
    Votes,
    /// The rank in the catalog.
    Catalog,
}

impl ScoreRecord {
    /// Whether the record has enough cases to be taken into account.
    pub const fn has_enough_cases(self) -> bool {
        self.cases >= MIN_CASES
    }

    /// Returns the mean score; 0 without cases.
    pub fn mean(self) -> f64 {
        self.points / f64::from(self.cases.max(1))
    }
}

/// The criteria, in the order in which they are tried.
pub const BASES_BY_PRIORITY: [RankingBasis; 3] = [
    RankingBasis::Experiments,
    RankingBasis::Votes,
    RankingBasis::Catalog,
];

impl MemberTrackRecord {
    /// Returns the member's value on one criterion; `None` if its record has too few cases.
    pub fn value_on(&self, basis: RankingBasis) -> Option<f64> {
        let of = |record: ScoreRecord| record.has_enough_cases().then(|| record.mean());
        match basis {
            RankingBasis::Experiments => of(self.experiments),
            RankingBasis::Votes => of(self.votes),
            RankingBasis::Catalog => Some(f64::from(self.strength)),
        }
    }
}

/// Returns the single best of several groups of members, each represented by its best member, and the
/// criterion that decided. A criterion decides only if every group has a value on it and one value is higher
/// than all others.
pub fn best_group(
    standings: &[MemberTrackRecord],
    groups: &[Vec<usize>],
) -> Option<(usize, RankingBasis)> {
    BASES_BY_PRIORITY.into_iter().find_map(|basis| {
        let best_of = |group: &Vec<usize>| {
            let values = group
                .iter()
                .filter_map(|&member| standings.get(member)?.value_on(basis));
            values.max_by(f64::total_cmp)
        };
        let values: Vec<f64> = groups.iter().map(best_of).collect::<Option<_>>()?;
        let highest = values.iter().copied().max_by(f64::total_cmp)?;
        let mut best =
            (0..values.len()).filter(|&at| values[at].total_cmp(&highest) == Ordering::Equal);
        let first = best.next()?;
        best.next().is_none().then_some((first, basis))
    })
}

/// Returns the best of these members: by their records or else by the catalog. If neither decides, returns the first.
pub fn best_member(standings: &[MemberTrackRecord], members: &[usize]) -> Option<usize> {
    let groups: Vec<Vec<usize>> = members.iter().map(|&member| vec![member]).collect();
    let by_standing = best_group(standings, &groups).map(|(at, _)| members[at]);
    by_standing.or_else(|| {
        let strength = |member: usize| {
            standings
                .get(member)
                .map_or(0, |standing| standing.strength)
        };
        // Reversed, because `max_by_key` returns the last of several equal members.
        members
            .iter()
            .copied()
            .rev()
            .max_by_key(|&member| strength(member))
    })
}

/// Whether the catalog alone ranks every member differently, so that every tie can be broken.
pub fn ranks_all_members(standings: &[MemberTrackRecord]) -> bool {
    let mut strengths: Vec<u32> = standings.iter().map(|standing| standing.strength).collect();
    strengths.sort_unstable();
    strengths.windows(2).all(|pair| pair[0] != pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(strength: u32, right: f64, cases: u32) -> MemberTrackRecord {
        MemberTrackRecord {
            strength,
            experiments: ScoreRecord {
                points: right,
                cases,
            },
            ..MemberTrackRecord::default()
        }
    }

    #[test]
    fn experiment_record_outranks_catalog_when_every_group_has_one() {
        let groups = [vec![0], vec![1]];
        for (standings, expected) in [
            (
                [standing(9, 5.0, 20), standing(1, 18.0, 20)],
                Some((1, RankingBasis::Experiments)),
            ),
            // The second member's nine cases are too few.
            (
                [standing(9, 5.0, 20), standing(1, 9.0, 9)],
                Some((0, RankingBasis::Catalog)),
            ),
            (
                [standing(3, 5.0, 20), standing(1, 5.0, 20)],
                Some((0, RankingBasis::Catalog)),
            ),
            ([standing(1, 0.0, 0), standing(1, 0.0, 0)], None),
            // If all scores are the same, neither is better, however many cases there are.
            ([standing(1, 0.0, 24), standing(1, 0.0, 12)], None),
            ([standing(1, 12.0, 12), standing(1, 24.0, 24)], None),
        ] {
            assert_eq!(best_group(&standings, &groups), expected, "{standings:?}");
        }
        assert!(ranks_all_members(&[
            standing(1, 0.0, 0),
            standing(2, 0.0, 0)
        ]));
        assert!(!ranks_all_members(&[
            standing(2, 0.0, 0),
            standing(2, 0.0, 0)
        ]));
        assert_eq!(
            best_member(&[standing(1, 0.0, 0), standing(1, 0.0, 0)], &[0, 1]),
            Some(0)
        );
        assert_eq!(
            best_member(&[standing(1, 0.0, 0), standing(3, 0.0, 0)], &[0, 1]),
            Some(1)
        );
        assert_eq!(best_member(&[], &[]), None);
    }
}
