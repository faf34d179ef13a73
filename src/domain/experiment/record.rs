//! An experiment as it is stored: what was asked for, how far it is, what came of it.

use serde::{Deserialize, Serialize};

use super::design::{Design, Verdict};
use super::spec::Spec;
use super::{Bill, Cell, Outcome};
use crate::domain::id::{AnalysisId, ExperimentId, RecipeId, UserId};
use crate::domain::money::MicroDollars;
use crate::domain::time::Timestamp;

/// How far an experiment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Under way, or waiting for a lull.
    Running,
    /// Stopped by something that a person can mend; it can be resumed.
    Paused,
    /// It has a verdict.
    Completed,
    /// Somebody stopped it; it can be resumed.
    Cancelled,
}

impl State {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }
    /// The inverse of `as_str`.
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

/// An experiment without its cases and results.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// Its id.
    pub id: ExperimentId,
    /// Whose.
    pub user: UserId,
    /// How far it is.
    pub state: State,
    /// What was asked for.
    pub spec: Spec,
    /// What the race is about.
    pub design: Design,
    /// How it ended.
    pub verdict: Option<Verdict>,
    /// Why it is paused.
    pub error: Option<String>,
    /// What became of the winner.
    pub applied: Option<Applied>,
    /// How its judge did.
    pub judging: Judging,
    /// When it was made.
    pub created: Timestamp,
    /// When it ended.
    pub finished: Option<Timestamp>,
}

/// A line of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its id.
    pub id: ExperimentId,
    /// For people.
    pub name: String,
    /// How far it is.
    pub state: State,
    /// Settings and cases.
    pub arms: usize,
    /// Cases.
    pub cases: usize,
    /// Evaluations that are done.
    pub evaluations: u64,
    /// What they cost.
    pub cost: MicroDollars,
    /// How it ended.
    pub verdict: Option<Verdict>,
    /// When it was made.
    pub created: Timestamp,
    /// When it ended.
    pub finished: Option<Timestamp>,
}

/// One setting on one case, begun or done.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Which.
    pub cell: Cell,
    /// The analysis that answered.
    pub analysis: AnalysisId,
    /// What it brought; none while it is under way.
    pub outcome: Option<Outcome>,
    /// Why there is no answer.
    pub error: Option<String>,
}

/// Which of two settings' answers to a case somebody preferred.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgment {
    /// The case's place.
    pub case: usize,
    /// The setting with the smaller place.
    pub first: usize,
    /// The other one.
    pub second: usize,
    /// Which was preferred.
    pub preferred: super::pairwise::Preferred,
    /// The model that judged; none for the person.
    pub judge: Option<String>,
}

/// How a judge did.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Judging {
    /// Comparisons made in both orders.
    pub pairs: u64,
    /// Of these, those in which the other order changed the verdict: counted as ties.
    pub flips: u64,
    /// Replies that could not be read.
    pub unreadable: u64,
    /// Answers that gave orders to the judge, and got nothing for it.
    pub orders: u64,
    /// Planted biases.
    pub probes: Vec<Probed>,
    /// What the probes took.
    pub bill: Bill,
}

/// How often a judge was taken in by a planted bias.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probed {
    /// Which, as `jury::Bias` names it.
    pub bias: String,
    /// How often it was tried.
    pub tried: u64,
    /// How often the judge was taken in.
    pub taken_in: u64,
}

/// What a winner was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// The setting.
    pub place: usize,
    /// The recipe that says it.
    pub recipe: RecipeId,
    /// The version of it.
    pub version: u32,
    /// Its name.
    pub name: String,
    /// Whether it is what the person's requests use that say nothing else.
    pub default: bool,
    /// What they used before; none where it was nothing.
    pub before: Option<RecipeId>,
    /// Whether the recipe was made for this.
    pub new: bool,
}
