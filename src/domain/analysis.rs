//! A stored analysis: its request, plan, status, and results.

use serde::{Deserialize, Serialize};

use super::chat::Usage;
use super::citation::Citations;
use super::findings::Findings;
use super::id::{AnalysisId, UserId};
use super::money::MicroDollars;
use super::request::{Request, RunContext};
use super::time::Timestamp;

pub use super::answer::{FailedAttemptRecord, StageAnswer};
pub use super::plan::{
    Arrangement, CacheUse, Depth, Member, Plan, PlanImage, RunDeadlines, Stage, StageRole,
};

/// The state of an analysis, from creation to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Stored but not started yet.
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
    /// Parses a stored name, the inverse of `as_str`; `None` if the name is unknown.
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
    /// Whether the status is final: completed, failed, or canceled.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// An analysis as stored, finished or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// Unique ID, which also appears in the analysis's URLs.
    pub id: AnalysisId,
    /// Owner; `None` for anonymous use.
    pub user: Option<UserId>,
    /// Whether the analysis is waiting, running, or finished, and how it ended.
    pub status: Status,
    /// The validated request, with its names resolved.
    pub request: Request,
    /// Context of the run that is not part of the client's request.
    pub context: RunContext,
    /// The members, stages, and passages of the run, fixed before it started.
    pub plan: Plan,
    /// The final answer; `None` if it has not been written.
    pub synthesis: Option<String>,
    /// Why the analysis failed or was canceled; `None` otherwise.
    pub error: Option<String>,
    /// Token usage of all calls.
    pub usage: Usage,
    /// Sum of the known costs of all calls.
    pub cost: MicroDollars,
    /// When the analysis was stored.
    pub created: Timestamp,
    /// When the run started; `None` before that.
    pub started: Option<Timestamp>,
    /// When the run finished; `None` before that.
    pub finished: Option<Timestamp>,
    /// Comparison of the answers; `None` until the run is finished.
    pub findings: Option<Findings>,
    /// Results of the citation check; `None` until the run is finished.
    pub citations: Option<Citations>,
    /// SHA-256 of the share link's token; `None` if not shared.
    pub share_token_hash: Option<[u8; 32]>,
}
