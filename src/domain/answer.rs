//! The answer of one call in a stage of an analysis, with its usage and cost, or why there is none.

use serde::{Deserialize, Serialize};

use super::chat::{CallError, Finish, Usage};
use super::money::MicroDollars;
use super::tools::ToolCall;

/// The answer of one call. The pair (stage, member) is unique within an analysis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageAnswer {
    /// Index into the plan's stages.
    pub stage: usize,
    /// Index into the plan's members; 0 in the synthesiser's stage.
    pub member: usize,
    /// Full id of the model that was asked.
    pub model: String,
    /// Visible text; empty when it failed.
    pub text: String,
    /// The model's reasoning, where shown.
    pub reasoning: String,
    /// Tokens.
    pub usage: Usage,
    /// None where the price is not known.
    pub cost: Option<MicroDollars>,
    /// From the call's start to its end.
    pub latency_ms: u64,
    /// From the call's start to the first text.
    pub first_token_ms: Option<u64>,
    /// Why the model stopped; none when it failed.
    pub finish: Option<Finish>,
    /// Why it failed; none when it answered.
    pub error: Option<CallError>,
    /// From the cache.
    pub cached: bool,
    /// Times the model was asked; 0 where nobody was.
    #[serde(default)]
    pub tries: u32,
    /// Parameters that were wanted and that the model does not take.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<String>,
    /// The model that was planned, where another one has answered in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_for: Option<String>,
    /// Models that were asked before and failed, the planned one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Earlier>,
    /// Tools that the model wants called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ToolCall>,
}

/// A call that failed and whose place another model has taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Earlier {
    /// Full id.
    pub model: String,
    /// Why it failed.
    pub error: CallError,
    /// What it took all the same.
    pub usage: Usage,
    /// None where the price is not known.
    pub cost: Option<MicroDollars>,
}

impl StageAnswer {
    /// Whether the call succeeded.
    pub fn answered(&self) -> bool {
        self.error.is_none()
    }
}
