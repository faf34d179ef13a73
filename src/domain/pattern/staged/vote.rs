//! Runs a vote: calls the members in waves, has ties broken, and ends with the text of a member that voted for the
//! winner.

use super::StagedRun;
use super::run_state::RunState;
use crate::domain::analysis::{Arrangement, Plan, StageAnswer, StageRole, Status};
use crate::domain::ballot::{self, Ballots, StoredVote, form};
use crate::domain::time::Timestamp;

/// Minimum size of a panel whose members are called in waves. In a panel of two, both members are needed for a
/// majority.
const MIN_FOR_WAVES: usize = 3;

impl RunState {
    /// Whether the run is a vote.
    pub fn is_vote(&self) -> bool {
        self.plan.arrangement == Arrangement::Vote
    }

    /// Whether the current call writes the final answer. In a vote, the synthesizer only breaks a tie.
    pub fn writes_answer(&self) -> bool {
        self.is_last() && !self.is_vote()
    }
}

impl StagedRun {
    /// Returns which of the waiting members to call next. In an adaptive vote, these are first a majority of the panel,
    /// and then the rest, unless the vote is already decided or a user has requested the result.
    pub(super) fn next_voters(&self, waiting: Vec<usize>) -> Vec<usize> {
        let plan = &self.state.plan;
        let members = plan.members.len();
        let is_voting = self.state.is_vote() && self.state.stage == plan.first_answer_stage();
        if !is_voting || !plan.is_adaptive || members < MIN_FOR_WAVES {
            return waiting;
        }
        let prices: Vec<_> = plan.members.iter().map(|member| member.price).collect();
        let majority = &ballot::call_order(&prices)[..members / 2 + 1];
        let majority_voters: Vec<usize> = waiting
            .iter()
            .copied()
            .filter(|member| majority.contains(member))
            .collect();
        if !majority_voters.is_empty() {
            return majority_voters;
        }
        let texts = self.state.texts_of(plan.first_answer_stage());
        let count = ballot::count(&plan.question, &texts);
        match self.finishes_early || ballot::is_decided(count.as_ref(), waiting.len()) {
            true => Vec::new(),
            false => waiting,
        }
    }

    /// Calls the members of the next wave, if there is one and time is left. Returns whether any were called.
    pub(super) fn call_next_wave(&mut self, now: Timestamp) -> bool {
        if !self.state.is_vote() || self.state.stage != self.state.plan.first_answer_stage() {
            return false;
        }
        let waiting_members = (0..self.state.plan.members.len())
            .filter(|&member| self.state.result(member).is_none())
            .collect();
        let next = self.next_voters(waiting_members);
        if next.is_empty() || self.time_left(now).is_zero() {
            return false;
        }
        self.reserve(next);
        true
    }

    /// After the last vote, calls the synthesizer if only it can break a tie, and otherwise ends the run.
    pub(super) fn close_vote(&mut self, now: Timestamp) {
        let plan = &self.state.plan;
        let votes = self.state.texts_of(plan.first_answer_stage());
        let next = self.state.stage + 1;
        let has_stage = plan
            .stages
            .get(next)
            .is_some_and(|stage| stage.role == StageRole::Synthesizer);
        let has_breaker = has_stage && !self.state.writers().is_empty();
        if has_breaker && ballot::needs_synthesizer(Ballots::from_plan(plan, &votes)) {
            return self.begin_stage(now, next);
        }
        self.count_votes(now);
    }

    /// Whether the tie has been broken, or can no longer be broken, because no writer or no time is left.
    pub(super) fn has_tried_to_break_tie(&self, now: Timestamp) -> bool {
        let tried_count = (0..)
            .take_while(|&attempt| self.state.result(attempt).is_some())
            .count();
        tried_count >= self.state.writers().len()
            || self.state.has_any_answer(self.state.stage)
            || self.time_left(now).is_zero()
    }

    /// Ends the run with the votes so far because the reservation for further calls was denied.
    pub(super) fn count_votes_early(&mut self, now: Timestamp, reason: String) {
        if !self
            .state
            .has_any_answer(self.state.plan.first_answer_stage())
        {
            return self.end_with_best_answer(now, reason);
        }
        self.degraded = Some(reason);
        self.count_votes(now);
    }

    /// Counts the votes, and ends the run with the text of the member that represents the winner. If no vote can be
    /// counted, the best answer becomes the result.
    pub(super) fn count_votes(&mut self, now: Timestamp) {
        let results: Vec<StageAnswer> = self.state.results.values().cloned().collect();
        let plan = &self.state.plan;
        if self.state.texts_of(plan.first_answer_stage()).is_empty() {
            return self.fail_without_answers(now);
        }
        let Some(vote) = StoredVote::recount(plan, &results) else {
            let reason = "no member gave an answer that can be counted".to_owned();
            return self.end_with_best_answer(now, reason);
        };
        let mut notes = vote.notes(plan);
        let representative = vote.outcome.author;
        let words = results.iter().find(|result| {
            result.stage == plan.first_answer_stage() && result.member == representative
        });
        let words = words.map_or("", |result| result.text.as_str());
        let text = match &plan.format {
            None => Some(form::to_closing_form(
                &plan.question,
                &conversation_wording(plan),
                words,
            )),
            Some(format) => {
                let values = &vote.outcome.winner().values;
                form::answer_object(&plan.question, words, format, values)
            }
        };
        self.notes.append(&mut notes);
        match text {
            Some(text) => self.end_with_text(now, text),
            None => {
                let error = format!(
                    "the winner of the vote, {}, does not fit the requested format",
                    vote.outcome.winner().label
                );
                self.finish(now, Status::Failed, None, Some(error));
            }
        }
    }
}

// Returns the question and the turns before it, any of which may ask for a particular form.
fn conversation_wording(plan: &Plan) -> String {
    let turns = plan.turns.iter().map(|turn| turn.text.as_str());
    let all: Vec<&str> = turns.chain([plan.question.as_str()]).collect();
    all.join("\n")
}
