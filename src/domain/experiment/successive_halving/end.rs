//! The end of a race: compares the leader with the current configuration in blocks of cases until the
//! difference is overwhelming, the cases are used up, or the budget is spent.

use super::super::Trial;
use super::super::design::{
    ConfigurationState, Elimination, HoldoutFinding, RaceVerdict, StopReason,
};
use super::super::final_test::{self, SIGNIFICANCE_LEVEL};
use super::{RacePhase, Round, SuccessiveHalving};
use crate::domain::statistics::{betting, paired};

impl SuccessiveHalving {
    /// Starts the comparison of the leader with the current configuration.
    pub(super) fn confirm(&mut self, leader: usize, stop: StopReason) {
        self.completed_cases = 0;
        let mut arms = vec![leader, self.observations.design.current];
        arms.dedup();
        // For this comparison, cases that the race has not used are as good as holdout cases. If more evaluations would
        // not be worth their cost, only the reserved ones are made.
        if stop != StopReason::NotWorth {
            let fresh = self.evaluated_case_count();
            let fresh = self.observations.case_order.split_off(fresh);
            self.observations.holdout.extend(fresh);
        }
        // If the current configuration leads, there is nothing to compare it with.
        let to = match arms.len() {
            2 => final_test::next_check(0).min(self.observations.holdout.len()),
            _ => 0,
        };
        self.round = Round {
            arms,
            first_case: 0,
            end_case: to,
        };
        self.phase = RacePhase::Confirm(leader, stop);
    }
    /// Ends the comparison on the holdout, or continues with its next block.
    pub(super) fn after_block(&mut self, leader: usize, stop: StopReason) {
        let depth = self.round.first_case + self.completed_cases;
        let differences = self.differences(leader, &self.observations.holdout[..depth]);
        let is_last = depth < self.round.end_case || depth == self.observations.holdout.len();
        if is_last || self.round.arms.len() < 2 || final_test::is_decided(&differences) {
            let same =
                leader == self.observations.design.current && !self.observations.results.is_empty();
            let (finding, difference) = match same {
                true => (HoldoutFinding::CurrentLeads, None),
                false => final_test::compare(&differences, true),
            };
            self.phase = RacePhase::Over(RaceVerdict {
                leader,
                stop,
                finding,
                difference,
            });
            return;
        }
        self.next_block(depth, self.observations.holdout.len());
    }
    /// Ends the comparison of the only two configurations, or continues with its next block.
    pub(super) fn after_pair(&mut self) {
        let depth = self.round.first_case + self.completed_cases;
        let current = self.observations.design.current;
        let other = 1 - current.min(1);
        let differences = self.differences(other, &self.observations.case_order[..depth]);
        let is_short = depth < self.round.end_case;
        let is_decided = final_test::is_decided(&differences);
        let stop = match depth {
            _ if is_decided => StopReason::OneLeft,
            _ if is_short => StopReason::Budget,
            depth if depth == self.observations.case_order.len() => StopReason::Cases,
            depth if self.costs_more_than_gain(&[other, current], depth) => StopReason::NotWorth,
            depth => return self.next_block(depth, self.observations.case_order.len()),
        };
        let mean = paired::mean(&differences);
        // Floating-point noise counts as a tie, and a tie goes to the current configuration.
        let leader = if mean > 1e-9 { other } else { current };
        if is_decided {
            let trailing = if leader == other { current } else { other };
            let (from, to) = betting::interval(&differences, (-1.0, 1.0), SIGNIFICANCE_LEVEL);
            let interval = match leader == other {
                true => (-to, -from),
                false => (from, to),
            };
            self.observations.states[trailing] = ConfigurationState::Beaten(Elimination {
                by: leader,
                cases: depth,
                interval,
            });
        }
        let (finding, difference) = match leader == current {
            true if depth == 0 => (HoldoutFinding::NotTested, None),
            true => (HoldoutFinding::CurrentLeads, None),
            false => final_test::compare(&differences, stop != StopReason::NotWorth),
        };
        self.phase = RacePhase::Over(RaceVerdict {
            leader,
            stop,
            finding,
            difference,
        });
    }

    fn next_block(&mut self, depth: usize, max_cases: usize) {
        self.round.first_case = depth;
        self.round.end_case = final_test::next_check(depth).min(max_cases);
        self.completed_cases = 0;
    }
    /// Returns the differences in value between a configuration and the current one on these cases.
    fn differences(&self, leader: usize, cases: &[usize]) -> Vec<f64> {
        let value = |arm: usize, case: usize| {
            let outcome = self.observations.results.get(&Trial { arm, case })?;
            Some(self.observations.design.objective.value(outcome))
        };
        let pair = |&case: &usize| {
            Some(value(leader, case)? - value(self.observations.design.current, case)?)
        };
        cases.iter().filter_map(pair).collect()
    }
    /// Returns the number of the race's cases up to the last one that any configuration was evaluated on.
    fn evaluated_case_count(&self) -> usize {
        let is_case_seen = |case: &usize| {
            let arms = 0..self.observations.states.len();
            let mut trials = arms.map(|arm| Trial { arm, case: *case });
            trials.any(|trial| self.observations.results.contains_key(&trial))
        };
        let last = self.observations.case_order.iter().rposition(is_case_seen);
        last.map_or(0, |last| last + 1)
    }
}
