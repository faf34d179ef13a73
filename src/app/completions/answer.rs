//! Converts the answer of a finished run to the form that the compatible APIs need, or explains why there is none.

use std::time::Duration;

use crate::app::analyses::RunOutcome;
use crate::app::{Error, Kind, Result};
use crate::domain::analysis::{Arrangement, Member, Status};
use crate::domain::ballot::StoredVote;
use crate::domain::chat::{Extras, Finish, Usage};
use crate::domain::money::MicroDollars;
use crate::domain::tools::ToolCall;

/// The answer of a completion with its usage and cost.
#[derive(Debug, Clone)]
pub struct Completion {
    /// Text of the final answer.
    pub text: String,
    /// The reasoning before the text; only for a single model.
    pub reasoning: String,
    /// Tool calls that the model requests, in the order in which it made them.
    pub calls: Vec<ToolCall>,
    /// Other fields of a single model's answer, as sent by its vendor.
    pub extras: Extras,
    /// Why the model stopped generating.
    pub finish_reason: Finish,
    /// Total tokens of all calls.
    pub usage: Usage,
    /// Total cost of all calls; `None` if the price of any call is unknown.
    pub cost: Option<MicroDollars>,
    /// Whether every answer came from the cache.
    pub is_cached: bool,
    /// Names of the members, as shown to the client.
    pub panel: Vec<String>,
    /// Fields that the model rejected and that were dropped.
    pub dropped_fields: Vec<String>,
    /// Whether the result was stored as intended; false if storing it failed.
    pub is_stored: bool,
    /// Vote counts and the deciding rule, such as `2/3; decided_by=votes`; `None` for a run without a vote.
    pub vote: Option<String>,
}

impl Completion {
    /// Adds another answer to the same request: tokens and costs are summed, and the text is that of `self`.
    pub fn merge(self, other: &Completion) -> Self {
        Self {
            usage: self.usage.combined_with(&other.usage),
            cost: self
                .cost
                .zip(other.cost)
                .map(|(cost, other)| cost.saturating_add(other)),
            is_cached: self.is_cached && other.is_cached,
            is_stored: self.is_stored && other.is_stored,
            ..self
        }
    }
}

impl Completion {
    /// Returns the answer of a finished run. Reasoning is included only for a run that was passed through to a
    /// single model.
    ///
    /// # Errors
    /// `UpstreamFailed` if the answer does not match the requested schema. If the run has no answer, returns an error
    /// with the reason.
    pub fn from_outcome(run: &RunOutcome, is_passthrough: bool) -> Result<Self> {
        let (outcome, plan) = (&run.result, &run.plan);
        let successful = run.answers.iter().filter(|answer| answer.answered());
        let last = successful.clone().max_by_key(|answer| answer.stage);
        let calls = last.map_or(&[][..], |answer| &answer.calls);
        let text = match (outcome.status, &outcome.synthesis) {
            (Status::Completed, Some(text)) => text.clone(),
            (Status::Completed, None) if !calls.is_empty() => String::new(),
            _ => return Err(failure(run, is_passthrough)),
        };
        if let Some(format) = &plan.format
            && calls.is_empty()
            && let Err(why) = format.conforming(&text)
        {
            let why = format!("the answer does not match the requested schema: {why}");
            return Err(Error::new(Kind::UpstreamFailed, why));
        }
        let is_priced = run.answers.iter().all(|answer| {
            let earlier = answer.earlier.iter().map(|earlier_call| earlier_call.cost);
            earlier.chain([answer.cost]).all(|cost| cost.is_some())
        });
        let passthrough_answer = last.filter(|_| is_passthrough);
        Ok(Self {
            text,
            reasoning: passthrough_answer
                .map_or_else(String::new, |answer| answer.reasoning.clone()),
            calls: calls.to_vec(),
            extras: passthrough_answer.map_or_else(Extras::default, |answer| answer.extras.clone()),
            finish_reason: last
                .and_then(|answer| answer.finish)
                .unwrap_or(Finish::Stop),
            usage: outcome.totals.usage,
            cost: is_priced.then_some(outcome.totals.cost_usd),
            is_stored: run.unstored.is_none(),
            is_cached: last.is_some() && successful.clone().all(|answer| answer.cached),
            dropped_fields: last.map_or_else(Vec::new, |answer| answer.dropped.clone()),
            panel: plan.members.iter().map(Member::name).collect(),
            vote: vote(run),
        })
    }
}

fn vote(run: &RunOutcome) -> Option<String> {
    if run.plan.arrangement != Arrangement::Vote {
        return None;
    }
    let StoredVote {
        outcome,
        skipped_members: not_asked,
        ..
    } = StoredVote::recount(&run.plan, &run.answers)?;
    let (votes, votes_cast) = (outcome.winner().voters.len(), outcome.count.votes_cast());
    let not_asked_note = match not_asked.len() {
        0 => String::new(),
        count => format!("; not_asked={count}"),
    };
    Some(format!(
        "{votes}/{votes_cast}; decided_by={}{not_asked_note}",
        outcome.decision.as_str()
    ))
}

// Returns the error for a run without an answer. It reports every member's error and has the kind of the first one,
// because a panel fails only if all members have failed.
fn failure(run: &RunOutcome, is_passthrough: bool) -> Error {
    let errors = run.answers.iter();
    let errors = errors.filter_map(|answer| Some((&answer.model, answer.error.as_ref()?)));
    let messages = errors
        .clone()
        .map(|(model, error)| format!("{model}: {}", error.detail));
    let messages = messages.collect::<Vec<_>>().join("; ");
    let why = match (messages.is_empty(), &run.result.error) {
        (false, _) => messages,
        (true, Some(error)) => error.clone(),
        (true, None) => "no answer was written".to_owned(),
    };
    // A vote without a result has its own reason for failing, even if a member failed as well.
    let is_vote = run.plan.arrangement == Arrangement::Vote;
    let has_votes = is_vote && run.answers.iter().any(|answer| answer.answered());
    let (why, error) = match &run.result.error {
        Some(reason) if has_votes => (reason.clone(), None),
        _ => (why, errors.map(|(_, error)| error).next()),
    };
    let Some(error) = error else {
        // If the run failed without any call, the budget did not allow even the first one.
        return match run.answers.is_empty() && run.result.status == Status::Failed {
            true => Error::new(Kind::BudgetExceeded, why)
                .resolve("ask for less, or wait until the budget resets"),
            false => {
                let cost = run.result.totals.cost_usd.dollars();
                let unanswered = Error::new(Kind::Unavailable, why)
                    .resolve(format!("the models have answered, at a cost of ${cost:.6}"));
                Error {
                    is_final: true,
                    ..unanswered
                }
            }
        };
    };
    let kind = Kind::from_call_error(error.kind);
    let mut messages = Error::new(kind, why);
    // Only a relayed call shows the provider's status to the client; a panel's failure is Quire's own.
    messages.upstream_status = error.client_visible_status().filter(|_| is_passthrough);
    messages.retry_after = error
        .retry_after_ms
        .map(Duration::from_millis)
        .or(match kind {
            Kind::TooFast | Kind::Unavailable => Some(Duration::from_secs(5)),
            _ => None,
        });
    messages
}
