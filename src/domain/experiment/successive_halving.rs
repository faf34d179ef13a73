//! Successive-halving race: chooses the next evaluations. Configurations are evaluated on the same cases in
//! the same order. As cases accumulate, only as many configurations continue as the budget covers, and those
//! proven worse are eliminated. The remaining budget, at least a reserved part, compares the leader with the
//! current configuration on cases that the race has not used (`final_test`). If there are only two
//! configurations, they are compared on all cases, because without a selection among several, no case has
//! biased the result.
//!
//! The race is a deterministic state machine: the same design and outcomes lead to the same decisions, so a
//! race is resumed by replaying stored outcomes. It never schedules calls whose declared bounds would exceed
//! the budget. If a call exceeds its bound and the budget is exceeded too, no more calls are scheduled.

mod budget;
mod end;
mod search;

use std::collections::BTreeMap;

use super::design::{
    ConfigurationState, Design, HoldoutFinding, RaceStep, RaceVerdict, StopReason,
};
use super::final_test;
use super::judge;
use super::observations::Observations;
use super::prompt_search::Proposal;
use super::proposals;
use super::race_budget::{ZERO_USAGE, add_usage, configuration_count, holdout_cases};
use super::{Trial, TrialOutcome};
use crate::domain::statistics::random::Random;
use search::SearchStep;

/// Maximum size of a space in which all configurations are tried. In a larger space, configurations are proposed.
pub const MAX_EXHAUSTIVE_CONFIGURATIONS: usize = 64;
/// Maximum number of configurations with which a large space or a prompt search starts, in addition to the current one.
const INITIAL_CONFIGURATIONS: usize = 16;
/// Number of configurations proposed per step.
const PROPOSED_PER_STEP: usize = 8;
/// Maximum number of cases on which a proposed configuration is first tried.
const FIRST_TRY_CASES: usize = 4;
/// Divisor of the number of cases seen so far. The quotient, but at least 1, is the number of cases until the next
/// check.
const CHECK_DIVISOR: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq)]
enum RacePhase {
    /// Try proposed configurations of a large space on a few cases.
    Explore,
    /// Search for better prompts before the race.
    Search(SearchStep),
    /// Evaluate configurations on more and more cases, and eliminate the weakest.
    Race,
    /// Compare the only two configurations on all cases.
    Pair,
    /// Compare this leader with the current configuration on the holdout.
    Confirm(usize, StopReason),
    /// No more evaluations are needed.
    Over(RaceVerdict),
}

/// A round, in which configurations are evaluated on the same range of cases.
#[derive(Debug, Clone, PartialEq)]
struct Round {
    arms: Vec<usize>,
    first_case: usize,
    end_case: usize,
}

/// A successive-halving race and its state.
#[derive(Debug, Clone, PartialEq)]
pub struct SuccessiveHalving {
    observations: Observations,
    spent: TrialOutcome,
    phase: RacePhase,
    round: Round,
    /// Number of the round's cases for which all of its configurations have outcomes.
    completed_cases: usize,
    /// Trials that were requested but have no outcome yet.
    batch: Vec<Trial>,
    /// For each configuration, the one whose prompt it improves; `None` if it was given.
    parents: Vec<Option<usize>>,
    /// Number of prompts that a model has proposed so far.
    proposals_made: usize,
    /// Number of cases, at the beginning of the case order, whose failures the prompt search may show.
    feedback: usize,
}

impl SuccessiveHalving {
    /// Starts a race. Ends immediately if the design has no configurations or cases.
    pub fn new(design: Design) -> Self {
        let mut order: Vec<usize> = (0..design.cases).collect();
        Random::new(design.seed).shuffle(&mut order);
        let holdout = order.split_off(design.cases - holdout_cases(&design));
        let mut race = Self {
            spent: ZERO_USAGE,
            phase: RacePhase::Race,
            round: Round {
                arms: Vec::new(),
                first_case: 0,
                end_case: 0,
            },
            completed_cases: 0,
            batch: Vec::new(),
            parents: vec![None; design.arms.len()],
            proposals_made: 0,
            feedback: 0,
            observations: Observations {
                case_order: order,
                holdout,
                results: BTreeMap::new(),
                states: vec![ConfigurationState::Untried; design.arms.len()],
                design,
            },
        };
        race.begin();
        race
    }
    /// Rebuilds a race from stored outcomes, in the order in which they were recorded.
    pub fn resume(
        design: Design,
        results: impl IntoIterator<Item = (Trial, TrialOutcome)>,
    ) -> Self {
        Self::replay(design, results, [])
    }
    /// Rebuilds a race with a prompt search from stored outcomes and proposals, each in its original order.
    pub fn replay(
        design: Design,
        results: impl IntoIterator<Item = (Trial, TrialOutcome)>,
        proposals: impl IntoIterator<Item = Proposal>,
    ) -> Self {
        let mut race = Self::new(design);
        let results: Vec<(Trial, TrialOutcome)> = results.into_iter().collect();
        let mut proposals = proposals.into_iter();
        // A race waiting for a proposal accepts nothing else, so the order of results and proposals is unambiguous.
        let mut add_proposals = |race: &mut Self| {
            while let RaceStep::Propose(_) = race.next() {
                match proposals.next() {
                    Some(proposal) => race.propose(proposal),
                    None => break,
                };
            }
        };
        add_proposals(&mut race);
        for &(trial, outcome) in &results {
            race.record(trial, outcome);
            add_proposals(&mut race);
        }
        // Outcomes from an earlier version, whose races ran in a different order, are used when the race requests
        // them.
        let known_outcomes: BTreeMap<Trial, TrialOutcome> = results.into_iter().collect();
        while let Some((trial, outcome)) = race.next_known_trial(&known_outcomes) {
            race.record(trial, outcome);
            add_proposals(&mut race);
        }
        race
    }
    /// Ends the race with a verdict that an earlier version reached on these outcomes.
    pub fn close(
        mut self,
        results: impl IntoIterator<Item = (Trial, TrialOutcome)>,
        verdict: RaceVerdict,
    ) -> Self {
        let arms = self.observations.states.len();
        for (trial, outcome) in results.into_iter().filter(|(trial, _)| trial.arm < arms) {
            if self.observations.results.insert(trial, outcome).is_none() {
                self.spent = add_usage(self.spent, outcome);
            }
        }
        for arm in 0..arms {
            let is_tried = self
                .observations
                .results
                .keys()
                .any(|trial| trial.arm == arm);
            self.observations.states[arm] = match self.observations.states[arm] {
                ConfigurationState::Untried if is_tried => ConfigurationState::SetAside,
                fate => fate,
            };
        }
        self.batch.clear();
        self.phase = RacePhase::Over(verdict);
        self
    }
    /// Returns the next step, which stays the same until an outcome or a proposal is recorded.
    pub fn next(&self) -> RaceStep {
        match self.phase {
            RacePhase::Over(verdict) => RaceStep::Done(verdict),
            RacePhase::Search(SearchStep::Waiting(parent)) => {
                RaceStep::Propose(self.reflection(parent))
            }
            _ => RaceStep::Evaluate(self.batch.clone()),
        }
    }
    /// Records an outcome. Returns false and changes nothing if the trial was not requested.
    pub fn record(&mut self, trial: Trial, outcome: TrialOutcome) -> bool {
        if !self.batch.contains(&trial) {
            return false;
        }
        self.observations.results.insert(trial, outcome);
        self.spent = add_usage(self.spent, outcome);
        self.observations.states[trial.arm] = match self.observations.states[trial.arm] {
            ConfigurationState::Untried if !self.is_on_trial(trial.arm) => {
                ConfigurationState::Racing
            }
            fate => fate,
        };
        self.batch.retain(|open| *open != trial);
        // Open trials can become unaffordable only through a call that exceeded its declared bound. In that
        // case, drop cases from the end of the batch.
        while !self.batch.is_empty()
            && !self.can_afford(self.batch.iter().copied(), self.reserved_fraction())
        {
            let last = self.batch.last().map(|trial| trial.case);
            self.batch.retain(|trial| Some(trial.case) != last);
        }
        if self.batch.is_empty() {
            self.count_completed_cases();
            self.advance();
        }
        true
    }
    /// Returns the total usage so far; its score is unused.
    pub fn spent(&self) -> TrialOutcome {
        self.spent
    }
    /// Returns the current status of each configuration.
    pub fn states(&self) -> &[ConfigurationState] {
        &self.observations.states
    }
    /// Returns all recorded outcomes.
    pub fn results(&self) -> &BTreeMap<Trial, TrialOutcome> {
        &self.observations.results
    }
    /// Returns the design of the race.
    pub fn design(&self) -> &Design {
        &self.observations.design
    }
    /// Returns the cases of the race, in order, and the holdout cases.
    pub fn race_and_holdout_cases(&self) -> (&[usize], &[usize]) {
        (&self.observations.case_order, &self.observations.holdout)
    }
    /// Returns the values of a configuration on the first `cases` cases of the race.
    pub fn values(&self, arm: usize, cases: usize) -> Vec<f64> {
        self.observations.values(arm, cases)
    }

    /// Returns a requested trial whose outcome is already known.
    fn next_known_trial(
        &self,
        known_outcomes: &BTreeMap<Trial, TrialOutcome>,
    ) -> Option<(Trial, TrialOutcome)> {
        let mut batch_trials = self.batch.iter();
        batch_trials.find_map(|trial| Some((*trial, *known_outcomes.get(trial)?)))
    }
    /// Returns the cases of the current phase.
    fn current_cases(&self) -> &[usize] {
        if matches!(self.phase, RacePhase::Confirm(..)) {
            &self.observations.holdout
        } else {
            &self.observations.case_order
        }
    }
    /// Counts the round's cases for which all of its configurations have outcomes.
    fn count_completed_cases(&mut self) {
        let is_measured = |&&case: &&usize| {
            let trial = |&arm: &usize| self.observations.results.contains_key(&Trial { arm, case });
            self.round.arms.iter().all(trial)
        };
        let cases = self
            .current_cases()
            .get(self.round.first_case..self.round.end_case)
            .unwrap_or_default();
        self.completed_cases = cases.iter().take_while(is_measured).count();
    }
    fn begin(&mut self) {
        if self.observations.design.current >= self.observations.design.arms.len()
            || self.observations.case_order.is_empty()
        {
            let verdict = RaceVerdict {
                leader: self.observations.design.current,
                stop: StopReason::Cases,
                finding: HoldoutFinding::NotTested,
                difference: None,
            };
            self.phase = RacePhase::Over(verdict);
            return;
        }
        let arms = self.observations.design.arms.len();
        if self.observations.design.search.is_some() {
            let max_count = (self.remaining_evaluations() / 2).clamp(1, INITIAL_CONFIGURATIONS + 1);
            self.begin_search(proposals::initial_configurations(
                &self.observations.design,
                max_count,
            ));
        } else if arms == 2 {
            self.phase = RacePhase::Pair;
            self.round.arms = vec![0, 1];
            self.round.end_case = final_test::next_check(0).min(self.observations.case_order.len());
        } else if arms <= MAX_EXHAUSTIVE_CONFIGURATIONS {
            // If the budget does not cover all configurations, start with the current one and as many others
            // as possible.
            let max_count = (self.remaining_evaluations() / 2).max(2);
            self.round.arms =
                proposals::initial_configurations(&self.observations.design, max_count);
            self.round.end_case = 1;
        } else {
            self.phase = RacePhase::Explore;
            let max_count = (self.remaining_evaluations() / 3).clamp(2, INITIAL_CONFIGURATIONS + 1);
            self.round.arms =
                proposals::initial_configurations(&self.observations.design, max_count);
            self.round.end_case = FIRST_TRY_CASES
                .min((self.remaining_evaluations() / (3 * max_count)).max(1))
                .min(self.observations.case_order.len());
        }
        self.advance();
    }
    /// Advances until there are trials to evaluate, a proposal is needed, or the race is over.
    fn advance(&mut self) {
        // Each iteration uses up cases, configurations, or a phase. The limit only guards against a bug in this code.
        for _ in 0..100_000 {
            if matches!(
                self.phase,
                RacePhase::Over(_) | RacePhase::Search(SearchStep::Waiting(_))
            ) || self.fill_batch()
            {
                return;
            }
            match self.phase {
                RacePhase::Search(step) => self.after_search(step),
                RacePhase::Explore => self.after_exploration(),
                RacePhase::Race => self.finish_round(),
                RacePhase::Pair => self.after_pair(),
                RacePhase::Confirm(leader, stop) => self.after_block(leader, stop),
                RacePhase::Over(_) => return,
            }
        }
    }
    /// Fills the batch with the round's next cases, as many as the budget is certain to cover. Returns
    /// whether there are any.
    fn fill_batch(&mut self) -> bool {
        let cases = self
            .current_cases()
            .get(self.round.first_case + self.completed_cases..self.round.end_case)
            .unwrap_or_default();
        let mut batch = Vec::new();
        for &case in cases {
            let row = self.round.arms.iter().map(|&arm| Trial { arm, case });
            let row = row.filter(|trial| !self.observations.results.contains_key(trial));
            if !self.can_afford(
                batch.iter().copied().chain(row.clone()),
                self.reserved_fraction(),
            ) {
                break;
            }
            batch.extend(row);
        }
        self.batch = batch;
        !self.batch.is_empty()
    }
    fn after_exploration(&mut self) {
        let racing_arms: Vec<usize> = (0..self.observations.states.len())
            .filter(|&arm| self.observations.states[arm] == ConfigurationState::Racing)
            .collect();
        let first_check = self.round.end_case;
        let has_half_budget = self.remaining_share() > 0.5 && self.completed_cases == first_check;
        let scores: Vec<(usize, f64)> = racing_arms
            .iter()
            .map(|&arm| (arm, judge::mean_of(&self.observations, arm, first_check)))
            .collect();
        let newcomers = if has_half_budget {
            proposals::propose_configurations(&self.observations.design, &scores, PROPOSED_PER_STEP)
        } else {
            Vec::new()
        };
        self.completed_cases = 0;
        if newcomers.is_empty() {
            self.phase = RacePhase::Race;
            // A proposed configuration whose evaluation the budget has cut short cannot be compared.
            let fully_evaluated = racing_arms
                .into_iter()
                .filter(|&arm| self.values(arm, first_check).len() == first_check);
            self.round = Round {
                arms: fully_evaluated.collect(),
                first_case: 0,
                end_case: first_check,
            };
            self.completed_cases = first_check;
            return;
        }
        self.round.arms = newcomers;
    }
    fn finish_round(&mut self) {
        let depth = self.round.first_case + self.completed_cases;
        let is_partial = depth < self.round.end_case;
        let comparable: Vec<usize> = self.round.arms.clone();
        // Nothing was evaluated, because the budget does not cover one case for two configurations.
        if depth == 0 || comparable.is_empty() {
            self.confirm(self.observations.design.current, StopReason::Budget);
            return;
        }
        let comparison_count = self.comparisons();
        let standing =
            judge::rank_configurations(&self.observations, &comparable, depth, comparison_count);
        for (arm, elimination) in &standing.beaten {
            self.observations.states[*arm] = ConfigurationState::Beaten(*elimination);
        }
        let mut left = standing.ranking;
        left.retain(|&arm| self.observations.states[arm] == ConfigurationState::Racing);
        let Some(&leader) = left.first() else {
            self.confirm(self.observations.design.current, StopReason::Budget);
            return;
        };
        if let Some(stop) = self.reason_to_stop(&left, depth, is_partial) {
            self.confirm(leader, stop);
            return;
        }
        for arm in left.split_off(self.survivor_count(left.len(), depth)) {
            self.observations.states[arm] = ConfigurationState::SetAside;
        }
        if left.len() == 1 {
            self.confirm(leader, StopReason::OneLeft);
            return;
        }
        left.sort_unstable();
        self.round = Round {
            arms: left,
            first_case: depth,
            end_case: (depth + (depth / CHECK_DIVISOR).max(1))
                .min(self.observations.case_order.len()),
        };
        self.completed_cases = 0;
    }
    fn reason_to_stop(&self, left: &[usize], depth: usize, is_partial: bool) -> Option<StopReason> {
        if left.len() == 1 {
            return Some(StopReason::OneLeft);
        } else if is_partial {
            return Some(StopReason::Budget);
        } else if depth == self.observations.case_order.len() {
            return Some(StopReason::Cases);
        }
        let forecast = judge::forecast_leader(&self.observations, left, depth)?;
        if forecast.close_enough {
            return Some(StopReason::CloseEnough);
        }
        self.costs_more(forecast.gain, left.len(), depth)
            .then_some(StopReason::NotWorth)
    }
    /// Whether comparing these configurations further would cost more than a better one is worth.
    fn costs_more_than_gain(&self, left: &[usize], depth: usize) -> bool {
        judge::forecast_leader(&self.observations, left, depth)
            .is_some_and(|forecast| self.costs_more(forecast.gain, left.len(), depth))
    }
    fn costs_more(&self, gain: f64, count: usize, depth: usize) -> bool {
        let open_evaluations = count * (self.observations.case_order.len() - depth);
        let usual =
            self.spent.total_cost().dollars() / self.observations.results.len().max(1) as f64;
        let price = usual * open_evaluations.min(self.remaining_evaluations()) as f64;
        let gain_value = self.observations.design.objective.price_of_points(gain);
        gain_value.is_some_and(|value| value.dollars() < price)
    }
    /// Returns the number of possible comparisons with the best configuration, by which the permitted error
    /// probability is divided.
    fn comparisons(&self) -> usize {
        if self.observations.design.search.is_some() {
            return configuration_count(&self.observations.design).max(2) - 1;
        }
        let tried_count = self
            .observations
            .states
            .iter()
            .filter(|state| **state != ConfigurationState::Untried)
            .count();
        // In a large space, earlier outcomes determine which configurations are tried, so all are counted.
        if self.observations.states.len() > MAX_EXHAUSTIVE_CONFIGURATIONS {
            self.observations.states.len()
        } else {
            tried_count
        }
        .max(2)
            - 1
    }
    /// Returns the number of configurations that continue. If the budget covers all of them on all cases, all continue.
    /// Otherwise, returns the largest number that the budget covers, but at least two, assuming that the number then
    /// falls in inverse proportion to the cases. This is sequential halving in continuous form: the ranking is used
    /// after each case instead of only at each halving.
    fn survivor_count(&self, max_count: usize, depth: usize) -> usize {
        let left = self.remaining_evaluations();
        let open_cases = self.observations.case_order.len() - depth;
        if left >= max_count * open_cases {
            return max_count;
        }
        let cost_of = |count: usize| -> f64 {
            let later = (depth + 1..=self.observations.case_order.len())
                .map(|cases| (count * (depth + 1)) as f64 / cases as f64);
            later.take_while(|&count| count >= 2.0).sum()
        };
        let carried_count = (2..=max_count)
            .rev()
            .find(|&some| cost_of(some) <= left as f64);
        carried_count.unwrap_or(2.min(max_count))
    }
}
