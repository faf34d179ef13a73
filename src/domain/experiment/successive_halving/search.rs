//! Prompt search: better prompts are proposed by a model that reads failures, as in GEPA (Agrawal et al.,
//! "Reflective prompt evolution can outperform reinforcement learning", 2025). Decides which prompt to
//! improve and which failures to show. A proposal is first tried on a few cases and, if it is not worse on
//! these than its parent, on all feedback cases. Parents are drawn from the Pareto front over cases, so that a prompt
//! that alone solves some cases is not lost. The successive-halving race selects among all prompts on further cases.
//! What is reported depends only on the holdout, which neither the proposing model nor the race has seen.

use super::super::Trial;
use super::super::design::{ConfigurationState, StopReason};
use super::super::prompt_search::{MAX_SHOWN_FAILURES, Proposal, Reflection};
use super::{RacePhase, Round, SuccessiveHalving};
use crate::domain::statistics::random::Random;

/// Maximum number of cases on which a proposal is first tried.
const TRIAL_CASES: usize = 4;
/// Minimum and maximum number of feedback cases. Within this range, a third of the race's cases are used. If the budget
/// does not cover the minimum, fewer are used.
const FEEDBACK_CASES_RANGE: (usize, usize) = (4, 12);
/// Fraction of the race's budget that the search must leave for the race, 0 to 1.
const RACE_BUDGET_FRACTION: f64 = 0.5;

/// A step of the prompt search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum SearchStep {
    /// Evaluate the configurations of the request on the feedback cases.
    GivenConfigurations,
    /// Wait for a proposal that improves this configuration.
    Waiting(usize),
    /// Try this new configuration on a few cases.
    FirstTry(usize),
    /// Evaluate this new configuration on the other feedback cases.
    AllFeedbackCases(usize),
}

impl SuccessiveHalving {
    /// Adds a proposal. Returns false and changes nothing if the race is not waiting for one.
    pub fn propose(&mut self, proposal: Proposal) -> bool {
        let (RacePhase::Search(SearchStep::Waiting(parent)), Some(search)) =
            (self.phase, self.observations.design.search)
        else {
            return false;
        };
        self.proposals_made += 1;
        self.spent.judged = self.spent.judged.saturating_add(proposal.bill);
        let design = &mut self.observations.design;
        let child = proposal.prompt_index.map(|place| {
            let mut child = design.arms[parent].clone();
            child.0[search.axis] = Some(place);
            child
        });
        match child.filter(|child| !design.arms.contains(child)) {
            Some(child) => {
                let arm = design.arms.len();
                design.arms.push(child);
                design.declared.push(design.declared[parent]);
                self.observations.states.push(ConfigurationState::Untried);
                self.parents.push(Some(parent));
                self.phase = RacePhase::Search(SearchStep::FirstTry(arm));
                self.evaluate_cases(vec![arm], 0, TRIAL_CASES.min(self.feedback));
            }
            None => self.choose_parent(),
        }
        self.advance();
        true
    }
    /// Returns, for each configuration, the one whose prompt it improves; `None` if it was given.
    pub fn parents(&self) -> &[Option<usize>] {
        &self.parents
    }
    /// Returns the number of proposals so far.
    pub fn proposals(&self) -> usize {
        self.proposals_made
    }
    /// Whether the search is still trying out this configuration.
    pub(super) fn is_on_trial(&self, arm: usize) -> bool {
        matches!(self.phase, RacePhase::Search(SearchStep::FirstTry(new) | SearchStep::AllFeedbackCases(new)) if new == arm)
    }
    /// Creates the request for the next proposal, which improves the prompt of `parent`.
    pub(super) fn reflection(&self, parent: usize) -> Reflection {
        let mut trials: Vec<(f64, Trial)> =
            (self.observations.case_order.iter().take(self.feedback))
                .zip(self.values(parent, self.feedback))
                .map(|(&case, value)| (value, Trial { arm: parent, case }))
                .collect();
        // Shuffled for each proposal, because the model should not always see the same failures.
        Random::new(self.observations.design.seed ^ (self.proposals_made as u64) << 16)
            .shuffle(&mut trials);
        trials.sort_by(|a, b| a.0.total_cmp(&b.0));
        let failed = trials.iter().filter(|(value, _)| *value < 1.0);
        Reflection {
            parent,
            shown_trials: failed
                .take(MAX_SHOWN_FAILURES)
                .map(|(_, trial)| *trial)
                .collect(),
        }
    }
    /// Starts the search with the configurations of the request.
    pub(super) fn begin_search(&mut self, arms: Vec<usize>) {
        let cases = self.observations.case_order.len();
        let affordable = self.remaining_evaluations() / (2 * arms.len().max(1));
        self.feedback = (cases / 3)
            .clamp(FEEDBACK_CASES_RANGE.0, FEEDBACK_CASES_RANGE.1)
            .min(affordable.max(1))
            .min(cases);
        self.phase = RacePhase::Search(SearchStep::GivenConfigurations);
        self.evaluate_cases(arms, 0, self.feedback);
    }
    /// Decides what follows a step of the search.
    pub(super) fn after_search(&mut self, step: SearchStep) {
        let is_whole = self.round.first_case + self.completed_cases == self.round.end_case;
        match step {
            SearchStep::Waiting(_) => {}
            // The budget does not even cover the given configurations, so there is none left to improve them.
            SearchStep::GivenConfigurations if !is_whole => self.phase = RacePhase::Race,
            SearchStep::GivenConfigurations => self.choose_parent(),
            SearchStep::FirstTry(arm) => {
                let sum = |arm: usize| self.values(arm, self.round.end_case).iter().sum::<f64>();
                let parent = self.parents[arm].unwrap_or(arm);
                if is_whole && sum(arm) >= sum(parent) - 1e-9 {
                    self.phase = RacePhase::Search(SearchStep::AllFeedbackCases(arm));
                    self.evaluate_cases(vec![arm], self.round.end_case, self.feedback);
                } else {
                    self.observations.states[arm] = ConfigurationState::SetAside;
                    self.choose_parent();
                }
            }
            SearchStep::AllFeedbackCases(arm) => {
                self.observations.states[arm] = match is_whole {
                    true => ConfigurationState::Racing,
                    false => ConfigurationState::SetAside,
                };
                self.choose_parent();
            }
        }
    }

    /// Waits for a proposal that improves a configuration on the Pareto front, or ends the search.
    fn choose_parent(&mut self) {
        let pool: Vec<(usize, Vec<f64>)> = (0..self.observations.states.len())
            .filter(|&arm| self.observations.states[arm] == ConfigurationState::Racing)
            .map(|arm| (arm, self.values(arm, self.feedback)))
            .filter(|(_, values)| values.len() == self.feedback)
            .collect();
        let search = self.observations.design.search;
        let may_continue = search.is_some_and(|search| {
            self.proposals_made < search.max_proposals
                && self.remaining_share() > RACE_BUDGET_FRACTION
                && self.can_afford_bill(search.declared)
        });
        let parent = may_continue.then(|| self.draw_parent(&pool)).flatten();
        if let Some(parent) = parent {
            self.phase = RacePhase::Search(SearchStep::Waiting(parent));
            self.evaluate_cases(Vec::new(), 0, 0);
            return;
        }
        let arms: Vec<usize> = pool.into_iter().map(|(arm, _)| arm).collect();
        if arms.is_empty() {
            self.confirm(self.observations.design.current, StopReason::Budget);
            return;
        }
        self.phase = RacePhase::Race;
        self.evaluate_cases(arms, 0, self.feedback);
        self.completed_cases = self.feedback;
    }
    /// Draws a configuration that has failures, with a probability proportional to the number of cases on
    /// which no other is better.
    fn draw_parent(&self, pool: &[(usize, Vec<f64>)]) -> Option<usize> {
        let best = |case: usize| pool.iter().map(|(_, own)| own[case]).fold(0.0, f64::max);
        let best: Vec<f64> = (0..self.feedback).map(best).collect();
        let weight = |own: &[f64]| {
            let wins = own.iter().zip(&best).filter(|(own, best)| own >= best);
            wins.count()
        };
        let parents_with_failures = pool
            .iter()
            .filter(|(_, own)| own.iter().any(|&value| value < 1.0));
        let weighted: Vec<(usize, usize)> = parents_with_failures
            .map(|(arm, own)| (*arm, weight(own)))
            .collect();
        // If a prompt solved every feedback case, no further proposal is needed.
        if pool.len() > weighted.len() || weighted.is_empty() {
            return None;
        }
        let all: usize = weighted.iter().map(|(_, weight)| weight).sum();
        let seed = self.observations.design.seed ^ 0x9A7E ^ (self.proposals_made as u64) << 8;
        let mut draw = Random::new(seed).index_below(all);
        let parent = weighted.iter().find(|(_, weight)| {
            let is_drawn = draw < *weight;
            draw = draw.saturating_sub(*weight);
            is_drawn
        });
        parent.map(|(arm, _)| *arm)
    }
    fn evaluate_cases(&mut self, arms: Vec<usize>, from: usize, to: usize) {
        self.round = Round {
            arms,
            first_case: from,
            end_case: to,
        };
        self.completed_cases = 0;
    }
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
