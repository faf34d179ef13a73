//! The vote of a run, recounted from its plan and stored answers.

use super::outcome::{self, Ballots, VoteDecision, VoteOutcome};
use crate::domain::answer::StageAnswer;
use crate::domain::money::MicroDollars;
use crate::domain::pattern::estimate;
use crate::domain::plan::{Member, Plan};
use crate::domain::prompt;

/// The result of a vote, recounted from stored answers.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredVote {
    /// The winner and the votes that were cast.
    pub outcome: VoteOutcome,
    /// Indices of the members that were not called because they could not change the result.
    pub skipped_members: Vec<usize>,
    /// Estimated cost of the skipped calls; `None` if the price of one of them is unknown.
    pub saved_cost: Option<MicroDollars>,
    /// Why the synthesizer did not break a tie, so that a draw decided it: the synthesizer named none of the tied
    /// answers, or it had voted itself. `None` for any other reason, and if no draw decided the vote.
    pub unbroken_reason: Option<&'static str>,
}

impl StoredVote {
    /// Recounts the votes of a run, which must be a vote. `None` if no vote can be read yet.
    pub fn recount(plan: &Plan, answers: &[StageAnswer]) -> Option<Self> {
        let first = plan.first_answer_stage();
        let votes: Vec<(usize, &str)> = answers
            .iter()
            .filter(|answer| answer.stage == first && answer.answered())
            .map(|answer| (answer.member, answer.text.as_str()))
            .collect();
        let tie_break = answers
            .iter()
            .find(|answer| answer.stage > first && answer.answered());
        let outcome = outcome::decide_vote(Ballots {
            tie_break_answer: tie_break.map(|answer| answer.text.as_str()),
            ..Ballots::from_plan(plan, &votes)
        })?;
        let is_drawn = outcome.decision == VoteDecision::Draw;
        let was_called = |member: usize| {
            let is_first_answer =
                |answer: &StageAnswer| answer.stage == first && answer.member == member;
            answers.iter().any(is_first_answer)
        };
        let skipped: Vec<usize> = (0..plan.members.len())
            .filter(|&member| !was_called(member))
            .collect();
        Some(Self {
            outcome,
            saved_cost: saved_cost(plan, &skipped),
            unbroken_reason: unbroken_tie_reason(plan, &votes, tie_break.is_some())
                .filter(|_| is_drawn),
            skipped_members: skipped,
        })
    }

    /// Returns sentences about the vote, for the result's notes.
    pub fn notes(&self, plan: &Plan) -> Vec<String> {
        let models: Vec<String> = plan.members.iter().map(Member::name).collect();
        let outcome = &self.outcome;
        let letters = |members: &[usize]| {
            let letters: Vec<String> = members
                .iter()
                .map(|&member| prompt::letter(member).to_string())
                .collect();
            letters.join(", ")
        };
        let mut notes = vec![format!(
            "vote: {}",
            outcome.sentence(&plan.standings, &models)
        )];
        notes.extend(self.unbroken_reason.map(str::to_owned));
        if !outcome.count.unreadable_members.is_empty() {
            notes.push(format!(
                "not counted because no single answer could be read: {}",
                letters(&outcome.count.unreadable_members)
            ));
        }
        if !self.skipped_members.is_empty() && !outcome.is_tie() {
            let cost = self.saved_cost.map_or_else(String::new, |cost| {
                format!(", about ${:.4}", cost.dollars())
            });
            let calls = self.skipped_members.len();
            notes.push(format!(
                "not asked because the result could not change: {} (saved {calls} call{}{cost})",
                letters(&self.skipped_members),
                if calls == 1 { "" } else { "s" }
            ));
        }
        notes
    }
}

impl<'a> Ballots<'a> {
    /// Returns the ballots of a plan's members, without an answer from the synthesizer that would break a tie.
    pub fn from_plan(plan: &'a Plan, answers: &'a [(usize, &'a str)]) -> Self {
        Self {
            question: &plan.question,
            answers,
            standings: &plan.standings,
            seed: plan.seed,
            tie_break_answer: None,
        }
    }
}

fn unbroken_tie_reason(
    plan: &Plan,
    votes: &[(usize, &str)],
    has_answered: bool,
) -> Option<&'static str> {
    let has_voted = |&(member, _): &(usize, &str)| {
        let voter = plan.members.get(member);
        voter.is_some_and(|voter| voter.model == plan.synthesizer.model)
    };
    match has_answered {
        _ if plan.stages.len() <= plan.first_answer_stage() + 1 => None,
        true => Some("the synthesizer did not name one of the tied answers"),
        false if votes.iter().any(has_voted) => {
            Some("the synthesizer was not asked to break the tie, because it voted itself")
        }
        false => None,
    }
}

// Returns the estimated cost of the calls that were not made.
fn saved_cost(plan: &Plan, skipped: &[usize]) -> Option<MicroDollars> {
    let first = plan.stages.get(plan.first_answer_stage())?.name.as_str();
    let calls = estimate::estimate_calls(plan);
    let calls: Vec<_> = calls.iter().filter(|call| call.stage == first).collect();
    let cost = |member: &usize| calls.get(*member)?.cost_usd;
    skipped.iter().try_fold(MicroDollars(0), |sum, member| {
        Some(sum.saturating_add(cost(member)?))
    })
}
