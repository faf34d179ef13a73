//! Stored experiments: specification, state, and result.

use serde::{Deserialize, Serialize};

use super::design::{Design, RaceVerdict};
use super::spec::ExperimentSpec;
use super::{JudgeCost, Trial, TrialOutcome};
use crate::domain::id::{AnalysisId, ExperimentId, RecipeId, UserId};
use crate::domain::money::MicroDollars;
use crate::domain::time::Timestamp;

/// Whether an experiment is running and, if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExperimentState {
    /// The experiment is being evaluated, or is waiting for idle capacity.
    Running,
    /// A problem that a user can fix has paused the experiment. It can be resumed.
    Paused,
    /// The experiment has finished with a verdict.
    Completed,
    /// A user has stopped the experiment. It can be resumed.
    Cancelled,
}

impl ExperimentState {
    /// Returns the stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }
    /// Parses a stored name, the inverse of `as_str`; `None` if the name is unknown.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::Running,
            Self::Paused,
            Self::Completed,
            Self::Cancelled,
        ];
        all.into_iter().find(|state| state.as_str() == text)
    }
}

/// An experiment, without its cases and outcomes.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// Unique ID, which also appears in the experiment's URLs.
    pub id: ExperimentId,
    /// The user who started the experiment and is charged for it.
    pub user: UserId,
    /// Whether the experiment is running, paused, or finished.
    pub state: ExperimentState,
    /// What is compared, and how it is evaluated.
    pub spec: ExperimentSpec,
    /// The configurations and rules of the race, which never change.
    pub design: Design,
    /// Verdict; `None` until the experiment has finished.
    pub verdict: Option<RaceVerdict>,
    /// Why the experiment is paused; `None` otherwise.
    pub error: Option<String>,
    /// How a configuration was applied; `None` if none was.
    pub applied: Option<Applied>,
    /// How reliable the LLM judge has been.
    pub judging: Judging,
    /// Creation time.
    pub created: Timestamp,
    /// When the experiment finished or was stopped; `None` before that.
    pub finished_at: Option<Timestamp>,
}

/// A row of the experiment list.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentSummary {
    /// Unique ID, which also appears in the experiment's URLs.
    pub id: ExperimentId,
    /// Name given by the user.
    pub name: String,
    /// Whether the experiment is running, paused, or finished.
    pub state: ExperimentState,
    /// Number of configurations that compete.
    pub arms: usize,
    /// Number of test cases.
    pub cases: usize,
    /// Number of finished evaluations.
    pub evaluations: u64,
    /// Cost of the evaluations.
    pub cost: MicroDollars,
    /// Verdict; `None` until the experiment has finished.
    pub verdict: Option<RaceVerdict>,
    /// Creation time.
    pub created: Timestamp,
    /// When the experiment finished or was stopped; `None` before that.
    pub finished_at: Option<Timestamp>,
}

/// A trial that is in progress or finished.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The configuration and the case.
    pub trial: Trial,
    /// The analysis that produced the answer.
    pub analysis: AnalysisId,
    /// Outcome; `None` while the trial is in progress.
    pub outcome: Option<TrialOutcome>,
    /// Why the answer or the score is missing, or why the answer scored 0; `None` otherwise.
    pub error: Option<String>,
}

/// A judgment about which of two configurations' answers to a case is better.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgment {
    /// Index of the case that both configurations answered.
    pub case: usize,
    /// The lower index of the two configurations.
    pub first_index: usize,
    /// The higher index of the two configurations.
    pub second_index: usize,
    /// Which configuration's answer is better, or a tie.
    pub preferred_side: super::pairwise::Preferred,
    /// The model that judged; `None` if a user judged.
    pub judge: Option<String>,
}

/// How reliable an LLM judge has been in an experiment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Judging {
    /// Number of comparisons made in both orders.
    pub pairs: u64,
    /// Number of pairs whose verdict changed with the order. These count as ties.
    pub flips: u64,
    /// Number of replies that could not be parsed.
    pub unreadable: u64,
    /// Number of answers that contained instructions to the judge. These score 0.
    #[serde(rename = "orders")]
    pub injection_attempts: u64,
    /// How susceptible the judge is to each bias that was tested.
    pub probes: Vec<ProbeResult>,
    /// Cost and tokens of the bias probes.
    pub bill: JudgeCost,
}

/// How susceptible a judge is to one bias.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeResult {
    /// Name of the bias, as in `judge_prompts::Bias`.
    pub bias: String,
    /// Number of probes for this bias.
    #[serde(rename = "tried")]
    pub probe_count: u64,
    /// Number of probes in which the judge showed the bias.
    #[serde(rename = "taken_in")]
    pub misled_count: u64,
}

/// How a winning configuration was applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// Index of the winning configuration in the design.
    #[serde(rename = "place")]
    pub configuration: usize,
    /// The recipe that contains it.
    pub recipe: RecipeId,
    /// Version of the recipe that contains it.
    pub version: u32,
    /// Name of the recipe when the configuration was applied.
    pub name: String,
    /// Whether the recipe became the user's default, which is used for requests that name no recipe.
    pub default: bool,
    /// The user's previous default recipe; `None` if there was none.
    pub before: Option<RecipeId>,
    /// Whether the recipe was created to apply the configuration.
    pub new: bool,
}
