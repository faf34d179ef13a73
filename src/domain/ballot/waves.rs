//! The two waves of a vote: first, a majority of the members is called, and then the others, but only if they can still
//! change the result.

use std::collections::BTreeSet;

use super::count::BallotCount;
use crate::domain::answer_value::AnswerValue;
use crate::domain::money::Price;

/// Returns the members in call order, cheapest first, so that the calls that may be skipped are the expensive
/// ones. A member without a known price counts as expensive. Equal prices keep the order of the panel.
pub fn call_order(prices: &[Option<Price>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..prices.len()).collect();
    let price =
        |member: usize| prices[member].map_or(f64::INFINITY, |price| price.input + price.output);
    order.sort_by(|&a, &b| price(a).total_cmp(&price(b)));
    order
}

/// Whether members that have not voted yet cannot change the winner. The leading choice must have more votes than any
/// other could still reach. Its votes must also have the same spelling, because later answers can split a choice with
/// several spellings ("5" from "$5").
pub fn is_decided(count: Option<&BallotCount>, missing: usize) -> bool {
    let Some(count) = count else {
        return missing == 0;
    };
    let votes_in_one_form = |values: &[AnswerValue]| {
        let forms: BTreeSet<String> = values.iter().map(ToString::to_string).collect();
        if forms.len() == 1 { values.len() } else { 0 }
    };
    let max_votes = count
        .choices
        .iter()
        .map(|choice| votes_in_one_form(&choice.values));
    let max_votes = max_votes.max().unwrap_or_default();
    max_votes > count.votes_cast() - max_votes + missing
}

#[cfg(test)]
mod tests {
    use super::super::count::count;
    use super::*;

    #[test]
    fn cheap_members_are_called_first_and_unpriced_ones_last() {
        let price = |output: f64| {
            Some(Price {
                input: 1.0,
                output,
                ..Price::default()
            })
        };
        assert_eq!(
            call_order(&[price(9.0), None, price(1.0), price(9.0)]),
            [2, 0, 3, 1]
        );
    }

    #[test]
    fn voting_stops_once_the_winner_is_decided() {
        for (votes, missing, expected) in [
            (vec!["5", "5"], 1, true),
            (vec!["5", "6"], 1, false),
            (vec!["5", "5", "6"], 1, false),
            (vec!["5", "5", "5", "6"], 1, true),
            // A later "5 €" would split this choice into two.
            (vec!["$5", "5"], 1, false),
            (vec!["5", "5.0"], 1, true),
        ] {
            let votes: Vec<(usize, &str)> = votes.into_iter().enumerate().collect();
            let count = count("How much?", &votes);
            assert_eq!(is_decided(count.as_ref(), missing), expected, "{votes:?}");
        }
        assert!(!is_decided(None, 1) && is_decided(None, 0));
    }

    #[test]
    fn no_remaining_vote_changes_a_decided_result() {
        let answers = [
            "5",
            "$5",
            "5 €",
            "6",
            "unclear words that nobody can read here",
        ];
        let mut checked_count = 0;
        for code in 0..5_usize.pow(5) {
            let votes: Vec<(usize, &str)> = (0..5_u32)
                .map(|at| (at as usize, answers[code / 5_usize.pow(at) % 5]))
                .collect();
            for asked in 3..5 {
                let early = count("How much?", &votes[..asked]);
                if !is_decided(early.as_ref(), 5 - asked) {
                    continue;
                }
                let (early, full) = (early.unwrap(), count("How much?", &votes).unwrap());
                let leader = early.choices[0].voters[0];
                assert!(
                    full.leader_count() == 1 && full.choices[0].voters.contains(&leader),
                    "{votes:?}"
                );
                checked_count += 1;
            }
        }
        assert!(checked_count > 400, "{checked_count}");
    }
}
