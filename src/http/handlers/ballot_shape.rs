//! Converts the result of a vote to JSON: the counts, the winner, and the rule that decided.

use serde_json::{Value, json};

use crate::app::analyses::AnalysisReport;
use crate::domain::analysis::{Arrangement, Member, Status};
use crate::domain::ballot::{StoredVote, VoteChoice};
use crate::domain::prompt::letter;

/// Returns the vote of a completed analysis. Returns `None` if the analysis is not a vote, or if no ballot could be
/// parsed.
pub fn ballot_json(report: &AnalysisReport) -> Option<Value> {
    let plan = &report.analysis.plan;
    if plan.arrangement != Arrangement::Vote || report.analysis.status != Status::Completed {
        return None;
    }
    let vote = StoredVote::recount(plan, &report.answers)?;
    let outcome = &vote.outcome;
    let models: Vec<String> = plan.members.iter().map(Member::name).collect();
    let letters =
        |members: &[usize]| -> Vec<char> { members.iter().map(|&member| letter(member)).collect() };
    let choice = |choice: &VoteChoice| {
        let models: Vec<&String> = choice
            .voters
            .iter()
            .filter_map(|&at| models.get(at))
            .collect();
        json!({
            "choice": choice.label, "votes": choice.voters.len(), "letters": letters(&choice.voters),
            "models": models,
        })
    };
    let saved = (!vote.skipped_members.is_empty())
        .then(|| json!({ "calls": vote.skipped_members.len(), "cost_usd": vote.saved_cost }));
    Some(json!({
        "choices": outcome.count.choices.iter().map(choice).collect::<Vec<_>>(),
        "votes": outcome.count.votes_cast(), "unread": letters(&outcome.count.unreadable_members),
        "not_asked": letters(&vote.skipped_members), "saved": saved,
        "winner": outcome.winner().label, "tie": outcome.is_tie(), "decided_by": outcome.decision,
        "answer_by": letter(outcome.author),
        "sentence": outcome.sentence(&plan.standings, &models),
    }))
}
