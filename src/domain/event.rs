//! What happens during an analysis, as told to whoever watches. The names and fields are the contract's.

use serde::Serialize;

use super::analysis::Who;
use super::chat::{Finish, Usage};
use super::id::AnalysisId;
use super::money::MicroDollars;

#[allow(missing_docs, reason = "the fields are the contract's, section 7")]
/// One event. Serialises to the `data:` of the stream; `name` is its `event:`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Event {
    /// `analysis.started`: the first event. After a restart of the server it is not repeated.
    Started {
        analysis_id: AnalysisId,
        pattern: String,
        models: Vec<String>,
        ultra_model: String,
        plan: Vec<StageInfo>,
        estimate: Estimate,
    },
    /// `stage.started`
    StageStarted {
        stage: String,
        index: usize,
        total: usize,
    },
    /// `member.started`: text of this member and stage begins (again): a reader forgets what it had.
    MemberStarted {
        stage: String,
        model: String,
        attempt: u32,
    },
    /// `member.delta`
    Delta {
        stage: String,
        model: String,
        text: String,
    },
    /// `member.reasoning`
    Reasoning {
        stage: String,
        model: String,
        text: String,
    },
    /// `member.completed`
    MemberCompleted {
        stage: String,
        model: String,
        usage: Usage,
        /// None where the price is not known.
        cost_usd: Option<MicroDollars>,
        latency_ms: u64,
        time_to_first_token_ms: Option<u64>,
        cached: bool,
        finish_reason: Finish,
        /// Parameters that were wanted and that the model does not take.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        dropped_parameters: Vec<String>,
        /// The model that was planned and failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        fallback_for: Option<String>,
    },
    /// `member.failed`
    MemberFailed {
        stage: String,
        model: String,
        error: String,
        retried: bool,
        fallback: Option<String>,
    },
    /// `stage.completed`
    StageCompleted {
        stage: String,
        answered: usize,
        failed: usize,
        duration_ms: u64,
    },
    /// `synthesis.delta`
    SynthesisDelta { text: String },
    /// `analysis.completed`
    Completed(Totals),
    /// `analysis.failed`
    Failed {
        error: String,
        #[serde(flatten)]
        totals: Totals,
    },
    /// `analysis.cancelled`
    Cancelled {
        reason: String,
        #[serde(flatten)]
        totals: Totals,
    },
}

/// A stage, as announced.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageInfo {
    /// Its name: `initial`, `meta`, `hyper`, `ultra`.
    pub stage: String,
    /// `members`, or `synthesiser`: whose text is the answer.
    pub who: Who,
    /// Who takes part.
    pub models: Vec<String>,
}

/// What a run may cost, before it starts.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Estimate {
    /// Calls at most.
    pub calls: u32,
    /// Tokens read, about.
    pub input_tokens: u64,
    /// Tokens written, about.
    pub output_tokens: u64,
    /// Dollars; absent when a member's price is not known.
    pub cost_usd: Option<MicroDollars>,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Totals {
    /// Wall clock, first call to last answer.
    pub total_time_ms: u64,
    /// Tokens of all calls.
    pub usage: Usage,
    /// Known costs of all calls.
    pub cost_usd: MicroDollars,
    /// True when some call's price is not known, so that `cost_usd` is a lower bound.
    pub cost_incomplete: bool,
    /// Calls that answered.
    pub answered: u32,
    /// Calls that failed.
    pub failed: u32,
    /// True when every answer came from the cache.
    pub cached: bool,
    /// Why the answer is less than was planned, where it is: a budget or a time was used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degraded: Option<String>,
    /// What a reader should know: stages skipped, members dropped, another synthesiser.
    pub notes: Vec<String>,
}

impl Event {
    /// The `event:` field.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "analysis.started",
            Self::StageStarted { .. } => "stage.started",
            Self::MemberStarted { .. } => "member.started",
            Self::Delta { .. } => "member.delta",
            Self::Reasoning { .. } => "member.reasoning",
            Self::MemberCompleted { .. } => "member.completed",
            Self::MemberFailed { .. } => "member.failed",
            Self::StageCompleted { .. } => "stage.completed",
            Self::SynthesisDelta { .. } => "synthesis.delta",
            Self::Completed(_) => "analysis.completed",
            Self::Failed { .. } => "analysis.failed",
            Self::Cancelled { .. } => "analysis.cancelled",
        }
    }
}

/// The three names one of which ends every stream.
pub const LAST: &[&str] = &[
    "analysis.completed",
    "analysis.failed",
    "analysis.cancelled",
];
