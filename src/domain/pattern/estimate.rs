//! What a plan may cost before anything is spent: calls, tokens and dollars, stage by stage.

use serde::Serialize;

use crate::domain::analysis::{Member, Plan};
use crate::domain::chat::{Usage, estimate_tokens};
use crate::domain::event::Estimate;
use crate::domain::money::MicroDollars;
use crate::domain::prompt;

/// Tokens an answer has when nobody limits it: a page or so of text.
const TYPICAL_ANSWER: u64 = 700;

/// One call of the plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CallEstimate {
    /// The stage's name.
    pub stage: String,
    /// Full id.
    pub model: String,
    /// Tokens read, about.
    pub input_tokens: u64,
    /// Tokens written, about.
    pub output_tokens: u64,
    /// None where the price is not known.
    pub cost_usd: Option<MicroDollars>,
}

/// Every call that the plan makes when nothing fails.
pub fn calls(plan: &Plan) -> Vec<CallEstimate> {
    let system = estimate_tokens(&prompt::system_message(&plan.sources, &plan.nonce).text);
    let members = plan.members.len() as u64;
    let mut calls = Vec::new();
    for (index, stage) in plan.stages.iter().enumerate() {
        let last = index + 1 == plan.stages.len();
        let asked: Vec<&Member> = if last {
            vec![&plan.synthesiser]
        } else {
            plan.members.iter().collect()
        };
        // Later stages read every member's text of the stage before.
        let read = if index == 0 {
            0
        } else {
            members * TYPICAL_ANSWER.min(prompt::PEER_BUDGET as u64 / 4)
        };
        for member in asked {
            let input =
                system + estimate_tokens(&stage.prompt) + estimate_tokens(&plan.question) + read;
            let output = member
                .parameters
                .max_tokens
                .map_or(TYPICAL_ANSWER, u64::from);
            let usage = Usage {
                input,
                output,
                ..Usage::default()
            };
            calls.push(CallEstimate {
                stage: stage.name.clone(),
                model: member.model.clone(),
                input_tokens: input,
                output_tokens: output,
                cost_usd: member.price.map(|price| price.cost(&usage)),
            });
        }
    }
    calls
}

/// The sum. The cost is unknown as soon as one member's price is.
pub fn total(calls: &[CallEstimate]) -> Estimate {
    let cost = calls
        .iter()
        .map(|call| call.cost_usd)
        .try_fold(MicroDollars(0), |sum, cost| Some(sum.plus(cost?)));
    Estimate {
        calls: calls.len() as u32,
        input_tokens: calls.iter().map(|call| call.input_tokens).sum(),
        output_tokens: calls.iter().map(|call| call.output_tokens).sum(),
        cost_usd: cost,
    }
}
