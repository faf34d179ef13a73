//! An analysis: the request, its plan, its status, and its results.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::chat::{Format, Message, Passthrough, Usage};
use super::citation::Citations;
use super::findings::Findings;
use super::fit::ContextMode;
use super::id::{AnalysisId, DocumentId, ExperimentId, KeyId, UserId};
use super::money::MicroDollars;
use super::parameters::Parameters;
use super::time::Timestamp;
use super::tools::Tools;

pub use super::answer::{FailedAttemptRecord, StageAnswer};
use super::plan::is_first;
pub use super::plan::{
    Arrangement, CacheUse, Depth, Member, Plan, PlanPicture, RunDeadlines, Stage, StageRole,
};

/// A validated analysis request: names are resolved and ranges checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewAnalysis {
    /// The question.
    pub prompt: String,
    /// Full model ids in the order given; one that is named twice gives two samples.
    pub models: Vec<String>,
    /// Pattern id.
    pub pattern: String,
    /// Full id of the synthesizer; selected automatically when absent.
    pub ultra_model: Option<String>,
    /// Documents to use as context.
    pub documents: Vec<DocumentId>,
    /// Context mode: how the documents are put into prompts.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub reading: ContextMode,
    /// Parameters of all members.
    pub parameters: Parameters,
    /// Overrides for single members, by full model id.
    pub model_parameters: BTreeMap<String, Parameters>,
    /// Upper limit for the estimated cost of the run.
    pub budget: Option<MicroDollars>,
    /// How stored answers are used.
    pub cache: CacheUse,
    /// Whether the run continues without a connected client and after a server restart.
    pub detached: bool,
    /// Required output format of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Topic, from the request or the pattern's family; votes are counted per topic.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub topic: String,
    /// How much of the pattern runs. Requests stored before this field existed ran all of it.
    #[serde(default = "whole")]
    pub depth: Depth,
    /// Agreement threshold, as in the plan. None: never compared, unless the arrangement requires it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
    /// Number of samples of the one model in the arrangement `self`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u32>,
    /// Index of this sample among several answers to one request, from 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub sample: u32,
    /// Maximum age in seconds of a stored answer that may be reused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_max_age_s: Option<u32>,
    /// The analysis that this one repeats with a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<AnalysisId>,
    /// The recipe that supplied omitted settings, with its version: `brief@3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// Maximum number of document passages; none: as many as fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passages: Option<u32>,
    /// The experiment that started this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<ExperimentId>,
    /// The conversation, including the question as its last turn; empty for a standalone question.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Message>,
    /// Tools that the model writing the answer may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Arc<Tools>>,
    /// The API key used for the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    /// Uninterpreted client fields, passed to the single model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passthrough: Option<Arc<Passthrough>>,
    /// Whether a program passed this call through to a single model; such runs are left out of the history.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub passed_on: bool,
    /// Whether a client streams the answer over an API that cannot retract text.
    #[serde(skip)]
    pub is_live: bool,
    /// What the check left out, for the plan's notes.
    #[serde(skip)]
    pub notes: Vec<String>,
}

fn is_usual(reading: &ContextMode) -> bool {
    *reading == ContextMode::Auto
}

fn whole() -> Depth {
    Depth::Full
}

/// Status of an analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Stored, not started.
    Queued,
    /// In progress.
    Running,
    /// Finished with a result.
    Completed,
    /// Finished without a result; `error` gives the reason.
    Failed,
    /// Stopped by a user; answers received so far are kept.
    Cancelled,
}

impl Status {
    /// Returns the stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
    /// Parses a stored name: the inverse of `as_str`.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Queued,
            Self::Running,
            Self::Completed,
            Self::Failed,
            Self::Cancelled,
        ]
        .into_iter()
        .find(|status| status.as_str() == text)
    }
    /// Whether the run is finished and its status is final.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// A stored analysis.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// Its id.
    pub id: AnalysisId,
    /// Owner; none for anonymous use.
    pub user: Option<UserId>,
    /// Current status.
    pub status: Status,
    /// The request.
    pub request: NewAnalysis,
    /// The plan of the run.
    pub plan: Plan,
    /// The final answer, once written.
    pub synthesis: Option<String>,
    /// Why it failed or was cancelled.
    pub error: Option<String>,
    /// Token usage of all calls.
    pub usage: Usage,
    /// Sum of the known costs of all calls.
    pub cost: MicroDollars,
    /// When it was stored.
    pub created: Timestamp,
    /// When the first call started.
    pub started: Option<Timestamp>,
    /// When the run finished.
    pub finished: Option<Timestamp>,
    /// Comparison of the answers, once the run is finished.
    pub findings: Option<Findings>,
    /// Results of the citation check, once the run is finished.
    pub citations: Option<Citations>,
    /// SHA-256 of the share link's token; none when not shared.
    pub shared: Option<[u8; 32]>,
}
