//! Estimates the tokens and the cost of a plan's calls.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::domain::analysis::{Member, Plan, StageRole};
use crate::domain::chat::{
    Message, MessageRole, ModelRequest, SourcePassage, Usage, estimate_tokens, further_tokens,
    image_tokens,
};
use crate::domain::event::RunEstimate;
use crate::domain::evidence::prompts;
use crate::domain::money::{MicroDollars, Price};
use crate::domain::pattern::{CallId, CallReservation, reading};
use crate::domain::plan::EVIDENCE_STAGE;
use crate::domain::prompt;
use crate::domain::retrieval::record::{RETRIEVAL_STAGE, REWRITING_TOKENS, rewriting_prompt};
use crate::domain::tools::Tools;
use crate::domain::usage::UsageAmount;

/// Assumed number of output tokens of an answer without a limit, about a page of text.
const TYPICAL_ANSWER_TOKENS: u64 = 700;
/// Factor by which the reservation for an answer without a limit exceeds `TYPICAL_ANSWER_TOKENS`.
const RESERVED_ANSWERS: u64 = 4;
/// Minimum number of output tokens reserved per call, because a stream cannot be cut off exactly.
const MIN_ANSWER_TOKENS: u64 = 16;

/// Maximum number of tokens that another member's text takes up in a prompt.
const MAX_PEER_TOKENS: u64 = prompt::PEER_BUDGET as u64 / 4;

/// Expected usage and cost of one call.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CallEstimate {
    /// Name of the stage that the call belongs to.
    pub stage: String,
    /// Full model ID.
    pub model: String,
    /// Estimated input tokens.
    pub input_tokens: u64,
    /// Estimated output tokens.
    pub output_tokens: u64,
    /// Estimated cost; `None` if the price is unknown.
    pub cost_usd: Option<MicroDollars>,
    /// Upper bound on input and output tokens together, which a budget must cover.
    pub upper_bound_tokens: u64,
    /// Upper bound on the cost, which is reserved before the call; `None` if the price is unknown.
    pub upper_bound_usd: Option<MicroDollars>,
}

/// Returns the amounts to reserve for a call: upper bounds on its tokens and cost.
pub fn reservation_for(call: CallId, request: &ModelRequest, member: &Member) -> CallReservation {
    let input = request.tokens();
    let output = max_output_tokens(member);
    CallReservation {
        call,
        model: request.model.clone(),
        input_tokens: input,
        output_tokens: output,
        cost: cost(member, input, output),
    }
}

fn max_output_tokens(member: &Member) -> u64 {
    let limit = member.parameters.max_tokens.map(u64::from);
    limit.map_or(TYPICAL_ANSWER_TOKENS * RESERVED_ANSWERS, |limit| {
        limit.max(MIN_ANSWER_TOKENS)
    })
}

fn cost(member: &Member, input: u64, output: u64) -> Option<MicroDollars> {
    let usage = Usage {
        input,
        output,
        ..Usage::default()
    };
    member.price.map(|price| price.cost(&usage))
}

/// Estimates every call of the plan, assuming that none fails.
pub fn estimate_calls(plan: &Plan) -> Vec<CallEstimate> {
    let members = plan.members.len() as u64;
    let earlier = earlier_tokens(plan);
    let mut calls = Vec::new();
    for (index, stage) in plan.stages.iter().enumerate() {
        let participants: Vec<&Member> = match stage.role {
            StageRole::Readers => plan.readers.iter().collect(),
            StageRole::Members => plan.members.iter().collect(),
            StageRole::Synthesizer => vec![&plan.synthesizer],
        };
        // After the first answers, every participant reads all members' texts from the previous stage.
        let texts = if index <= plan.first_answer_stage() {
            0
        } else {
            members
        };
        let read = texts * TYPICAL_ANSWER_TOKENS.min(MAX_PEER_TOKENS);
        let own_tokens = estimate_tokens(&stage.prompt) + estimate_tokens(&plan.question);
        for (member_index, member) in participants.into_iter().enumerate() {
            let documents = match stage.role {
                StageRole::Readers => beginning_tokens(
                    plan,
                    plan.parts.get(member_index).map_or(&[], Vec::as_slice),
                ),
                _ => beginning_tokens_of(plan, member),
            };
            let own_tokens = own_tokens
                + further_tokens_of(plan, stage.role)
                + earlier.get(&*member.model).copied().unwrap_or(0);
            let input = documents + own_tokens + read;
            let output = member
                .parameters
                .max_tokens
                .map_or(TYPICAL_ANSWER_TOKENS, u64::from);
            let upper_bound = documents + own_tokens + texts * MAX_PEER_TOKENS;
            calls.push(CallEstimate {
                stage: stage.name.clone(),
                model: member.name(),
                input_tokens: input,
                output_tokens: output,
                cost_usd: cost(member, input, output),
                upper_bound_tokens: upper_bound + max_output_tokens(member),
                upper_bound_usd: cost(member, upper_bound, max_output_tokens(member)),
            });
        }
    }
    calls.extend(evidence_calls(plan));
    calls.extend(retrieval_calls(plan));
    calls
}

// Estimates the calls of the semantic search. Always includes the call that rewrites the question, although it is made
// only if keyword matches are weak.
fn retrieval_calls(plan: &Plan) -> Vec<CallEstimate> {
    let Some(retrieval) = plan
        .retrieval
        .as_ref()
        .filter(|record| record.failure.is_empty())
    else {
        return Vec::new();
    };
    let call = |model: &str, price: Option<Price>, input: u64, output: u64| {
        let usage = Usage {
            input,
            output,
            ..Usage::default()
        };
        let cost = price.map(|price| price.cost(&usage));
        CallEstimate {
            stage: RETRIEVAL_STAGE.to_owned(),
            model: model.to_owned(),
            input_tokens: input,
            output_tokens: output,
            cost_usd: cost,
            upper_bound_tokens: input + output,
            upper_bound_usd: cost,
        }
    };
    let question = estimate_tokens(&plan.question);
    let rewriting = retrieval.rewriter.as_ref().map(|rewriter| {
        let input = estimate_tokens(&rewriting_prompt(&plan.question));
        call(
            &rewriter.model,
            rewriter.price,
            input,
            REWRITING_TOKENS.into(),
        )
    });
    let vector = call(&retrieval.model, retrieval.price, question, 0);
    std::iter::once(vector).chain(rewriting).collect()
}

// Estimates the evidence calls: the comparison of the first answers with the synthesis, the check of the cited
// passages, and, if agreement can skip stages, a comparison of the first answers before the synthesis.
fn evidence_calls(plan: &Plan) -> Vec<CallEstimate> {
    let Some(judge) = &plan.evidence.judge else {
        return Vec::new();
    };
    let members = plan.members.len() as u64;
    let own_tokens = prompts::INSTRUCTION_TOKENS + estimate_tokens(&plan.question);
    let call = |member: &Member, texts: u64, passages: u64| {
        let input = own_tokens + texts * TYPICAL_ANSWER_TOKENS.min(MAX_PEER_TOKENS) + passages;
        let upper_bound = own_tokens + texts * MAX_PEER_TOKENS + passages;
        CallEstimate {
            stage: EVIDENCE_STAGE.to_owned(),
            model: member.name(),
            input_tokens: input,
            output_tokens: prompts::REPLY_TOKENS,
            cost_usd: cost(member, input, prompts::REPLY_TOKENS),
            upper_bound_tokens: upper_bound + max_output_tokens(member),
            upper_bound_usd: cost(member, upper_bound, max_output_tokens(member)),
        }
    };
    let mut calls = Vec::new();
    if members > 1 {
        if plan.agreement.is_some() {
            calls.push(call(judge, members, 0));
        }
        calls.push(call(judge, members + 1, 0));
    }
    let passages: u64 = (plan.all_sources())
        .map(|source| estimate_tokens(&source.text))
        .sum();
    if let Some(checker) = plan.evidence.checkers.first().filter(|_| passages > 0) {
        let upper_bound = prompts::PASSAGES_BUDGET as u64 / 4;
        calls.push(call(checker, 1, passages.min(upper_bound)));
    }
    calls
}

// Returns the number of tokens of what a call of a stage contains besides texts: images, uninterpreted fields, and, for
// the call that writes the answer, tools and a schema.
fn further_tokens_of(plan: &Plan, role: StageRole) -> u64 {
    let images = plan
        .turns
        .iter()
        .map(|turn| turn.images.len())
        .sum::<usize>();
    let fields = further_tokens(None, plan.passthrough.as_deref());
    let answer = match role {
        StageRole::Synthesizer => {
            let tools = plan.tools.as_deref().map_or(0, Tools::tokens);
            tools + further_tokens(plan.format.as_ref(), None)
        }
        StageRole::Readers | StageRole::Members => 0,
    };
    image_tokens(images + plan.pictures.len()) + fields + answer
}

// Returns, for each model, the number of tokens of the conversation before the question.
fn earlier_tokens(plan: &Plan) -> BTreeMap<&str, u64> {
    let earlier_turns = plan.turns.iter().take(plan.turns.len().saturating_sub(1));
    let system_turns = earlier_turns.filter(|turn| turn.role == MessageRole::System);
    let system_tokens: u64 = system_turns.map(Message::tokens).sum();
    let panel = plan.members.iter().chain(&plan.readers);
    let models: BTreeSet<&str> = panel
        .chain([&plan.synthesizer])
        .map(|member| &*member.model)
        .collect();
    let tokens = |model| (model, system_tokens + plan.earlier_turns(model).tokens());
    models.into_iter().map(tokens).collect()
}

/// Returns the number of tokens of the prefix that all prompts of a member share: the panel's rules and the member's
/// documents, or the notes that replace them.
pub fn beginning_tokens_of(plan: &Plan, member: &Member) -> u64 {
    let notes = (reading::notes_budget(plan.parts.len()) as u64 / 4).min(TYPICAL_ANSWER_TOKENS);
    let notes = plan.parts.len() as u64 * notes;
    notes + beginning_tokens(plan, plan.sources_of(member))
}

/// Returns the number of tokens of the documents given to a member, or of the notes that replace them.
pub fn document_tokens_of(plan: &Plan, member: &Member) -> u64 {
    beginning_tokens_of(plan, member).saturating_sub(beginning_tokens(plan, &[]))
}

fn beginning_tokens(plan: &Plan, sources: &[SourcePassage]) -> u64 {
    estimate_tokens(&prompt::system_message(sources, &plan.nonce, &plan.canary).text)
}

/// Returns an upper bound on the usage of the first stage. Calls with an unknown price count as free.
pub fn first_stage_bound(calls: &[CallEstimate]) -> UsageAmount {
    let stage = calls.first().map(|call| call.stage.as_str());
    let first = calls.iter().filter(|call| Some(&*call.stage) == stage);
    first.fold(UsageAmount::default(), |sum, call| {
        sum.saturating_add(UsageAmount {
            cost: call.upper_bound_usd.unwrap_or_default(),
            tokens: call.upper_bound_tokens,
        })
    })
}

/// Returns an upper bound on the total cost; `None` if any price is unknown.
pub fn upper_bound(calls: &[CallEstimate]) -> Option<MicroDollars> {
    let mut bounds = calls.iter().map(|call| call.upper_bound_usd);
    bounds.try_fold(MicroDollars(0), |sum, bound| {
        Some(sum.saturating_add(bound?))
    })
}

/// Returns the sum of the known costs. Calls with an unknown price are left out.
pub fn known_cost(calls: &[CallEstimate]) -> MicroDollars {
    let costs = calls.iter().filter_map(|call| call.cost_usd);
    costs.fold(MicroDollars(0), MicroDollars::saturating_add)
}

/// Returns the total of all calls. The cost is `None` if the price of any call is unknown.
pub fn total_estimate(calls: &[CallEstimate]) -> RunEstimate {
    let cost = calls
        .iter()
        .map(|call| call.cost_usd)
        .try_fold(MicroDollars(0), |sum, cost| Some(sum.saturating_add(cost?)));
    RunEstimate {
        calls: calls.len() as u32,
        input_tokens: calls.iter().map(|call| call.input_tokens).sum(),
        output_tokens: calls.iter().map(|call| call.output_tokens).sum(),
        cost_usd: cost,
    }
}

#[cfg(test)]
mod tests;
