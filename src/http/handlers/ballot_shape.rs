//! The result of a vote as JSON: counts, winner, and deciding rule.

use serde_json::{Value, json};

use crate::app::analyses::AnalysisReport;
use crate::domain::analysis::{Arrangement, Member, Status};
use crate::domain::ballot::{StoredVote, VoteChoice};
use crate::domain::prompt::letter;

/// The vote of a completed analysis; `None` for other patterns, or when no vote could be parsed.
pub fn ballot(report: &AnalysisReport) -> Option<Value> {
    let plan = &report.analysis.plan;
    if plan.arrangement != Arrangement::Vote || report.analysis.status != Status::Completed {
        return None;
    }
    let vote = StoredVote::of(plan, &report.answers)?;
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
    let saved = (!vote.not_asked.is_empty())
        .then(|| json!({ "calls": vote.not_asked.len(), "cost_usd": vote.saved }));
    Some(json!({
        "choices": outcome.count.choices.iter().map(choice).collect::<Vec<_>>(),
        "votes": outcome.count.cast(), "unread": letters(&outcome.count.unread),
        "not_asked": letters(&vote.not_asked), "saved": saved,
        "winner": outcome.winner().label, "tie": outcome.is_tie(), "decided_by": outcome.decision,
        "answer_by": letter(outcome.speaker),
        "sentence": outcome.sentence(&plan.standings, &models),
    }))
}
