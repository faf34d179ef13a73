//! An analysis: what was asked for, how it will be run, how far it is, what every call gave.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::chat::{Format, Message, Passthrough, Usage};
use super::citation::Citations;
use super::findings::Findings;
use super::fit::Reading;
use super::id::{AnalysisId, DocumentId, ExperimentId, KeyId, UserId};
use super::money::MicroDollars;
use super::parameters::Parameters;
use super::time::Timestamp;
use super::tools::Tools;

pub use super::answer::{Earlier, StageAnswer};
use super::plan::is_first;
pub use super::plan::{Arrangement, CacheUse, Depth, Member, Picture, Plan, Stage, Times, Who};

/// What a person asked for, with names resolved and ranges checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewAnalysis {
    /// The question.
    pub prompt: String,
    /// Full model ids, no doubles, in the order given.
    pub models: Vec<String>,
    /// Pattern id.
    pub pattern: String,
    /// Full id of the synthesiser; chosen when absent.
    pub ultra_model: Option<String>,
    /// Documents to draw on.
    pub documents: Vec<DocumentId>,
    /// How they are read.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub reading: Reading,
    /// For all members.
    pub parameters: Parameters,
    /// For single members, over the above.
    pub model_parameters: BTreeMap<String, Parameters>,
    /// The run must not be estimated above this.
    pub budget: Option<MicroDollars>,
    /// Use of stored answers.
    pub cache: CacheUse,
    /// Goes on when nobody watches, and after a restart of the server.
    pub detached: bool,
    /// The shape that the one answer must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// What it is about, in the asker's words or by its pattern's family: votes are counted by topic.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub topic: String,
    /// How much of the pattern is run. Requests that are older than this choice ran all of it.
    #[serde(default = "whole")]
    pub depth: Depth,
    /// As in the plan. None: never compared, unless the arrangement does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
    /// How often one model is asked in the arrangement `self`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u32>,
    /// Which of several answers to one request this run gives, from 0: each is a sample of its own.
    #[serde(default, skip_serializing_if = "is_first")]
    pub sample: u32,
    /// Stored answers that are older than so many seconds are not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_max_age_s: Option<u32>,
    /// The analysis that this one repeats with a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<AnalysisId>,
    /// The recipe that filled in what was not said, and its version: `brief@3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// Passages of documents that are given at most; none: as many as there is room for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passages: Option<u32>,
    /// The experiment that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<ExperimentId>,
    /// The conversation that the question ends, itself the last turn; empty for a question alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Message>,
    /// What the one who writes the answer may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Arc<Tools>>,
    /// The API key that it was asked with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    /// Fields of the client's that go to the one model unread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passthrough: Option<Arc<Passthrough>>,
    /// A program has passed it on to a single model: it is no work of the person's, and not in the history.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub passed_on: bool,
    /// A client reads the answer as it comes, and nothing can be taken back.
    #[serde(skip)]
    pub is_live: bool,
}

fn is_usual(reading: &Reading) -> bool {
    *reading == Reading::Auto
}

fn whole() -> Depth {
    Depth::Full
}

/// How far an analysis is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Stored, not begun.
    Queued,
    /// Under way.
    Running,
    /// It has a result.
    Completed,
    /// It has none, and says why.
    Failed,
    /// Somebody stopped it; what had been answered is kept.
    Cancelled,
}

impl Status {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
    /// The inverse of `as_str`.
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
    /// Nothing will happen any more.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// An analysis as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// Its id.
    pub id: AnalysisId,
    /// Whose; none for anonymous use.
    pub user: Option<UserId>,
    /// How far it is.
    pub status: Status,
    /// What was asked for.
    pub request: NewAnalysis,
    /// How it is run.
    pub plan: Plan,
    /// The one answer, once there is one.
    pub synthesis: Option<String>,
    /// Why it failed or was cancelled.
    pub error: Option<String>,
    /// Tokens of all calls.
    pub usage: Usage,
    /// Known costs of all calls.
    pub cost: MicroDollars,
    /// When it was stored.
    pub created: Timestamp,
    /// When the first call went out.
    pub started: Option<Timestamp>,
    /// When it was over.
    pub finished: Option<Timestamp>,
    /// What its answers were found to say beside each other, once it is over.
    pub findings: Option<Findings>,
    /// What came of checking its citations, once it is over.
    pub citations: Option<Citations>,
    /// SHA-256 of the token of its share link, while there is one.
    pub shared: Option<[u8; 32]>,
}
