//! Patterns: who is asked what, and what flows where. What is asked is data (`assets/patterns`); how a
//! run proceeds is a state machine here, without network, thread or clock.

pub mod arrange;
pub mod estimate;
pub mod file;
pub mod kept;
pub mod reading;
pub mod staged;
pub mod suggest;

use serde::{Deserialize, Serialize};

pub use super::analysis::Arrangement;
use super::analysis::{Stage, StageAnswer, Status, Who};
use super::chat::{Answer, Bill, CallError, Delta, Request, Task};
use super::event::{Event, Totals};
use super::money::MicroDollars;
use super::time::Timestamp;

/// The arrangements that exist: name and what it does.
pub const TABLE: &[(Arrangement, &str)] = &[
    (
        Arrangement::Staged,
        "every member in each stage, the synthesiser in the last; all texts of a stage flow into the next",
    ),
    (
        Arrangement::Own,
        "one strong model answers several times alone, then one synthesis of its samples",
    ),
    (
        Arrangement::Vote,
        "every member answers a closed question; the answers are brought into one form and counted",
    ),
    (
        Arrangement::Cascade,
        "two members draft; only where they disagree does the synthesiser write",
    ),
    (
        Arrangement::Single,
        "one model answers, and that is the answer",
    ),
];

/// A pattern, as its file says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// What requests call it.
    pub id: String,
    /// For people.
    pub name: String,
    /// One or two sentences for a person choosing.
    pub description: String,
    /// Family: Analytical, Strategic, …
    pub category: String,
    /// How its stages follow one another.
    #[serde(default)]
    pub arrangement: Arrangement,
    /// `low`, `medium` or `high`.
    pub complexity: String,
    /// Recommended panel size, from and to.
    pub panel: (u32, u32),
    /// What it is good for.
    pub use_cases: Vec<String>,
    /// What it is bad at.
    pub limitations: Vec<String>,
    /// In order.
    pub stages: Vec<StageText>,
}

/// A stage, as its file says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageText {
    /// `initial`, `meta`, `hyper` or `ultra`.
    pub name: String,
    /// Who takes part.
    pub who: Who,
    /// What they are to do.
    pub task: Task,
    /// For a person: what happens here.
    pub help: String,
    /// Template with holes (`prompt::HOLES`).
    pub prompt: String,
}

impl Pattern {
    /// Refuses what could not be run, with a sentence that says where it is wrong.
    pub fn check(&self) -> Result<(), String> {
        match self.faults().first() {
            None => Ok(()),
            Some(fault) => Err(format!(
                "pattern {}, {}: {}",
                self.id, fault.place, fault.message
            )),
        }
    }

    /// The stages as a plan stores them.
    pub fn plan_stages(&self) -> Vec<Stage> {
        let stage = |text: &StageText| Stage {
            name: text.name.clone(),
            who: text.who,
            task: text.task,
            prompt: text.prompt.clone(),
        };
        self.stages.iter().map(stage).collect()
    }
}

/// Names a call within a run: which stage, which member (in the synthesiser's stage: which attempt).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId {
    /// Index into the plan's stages.
    pub stage: usize,
    /// Index into the plan's members; in the last stage 0 is the synthesiser, others stand in for it.
    pub member: usize,
}

/// What a call may take at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Which call.
    pub call: CallId,
    /// Full id.
    pub model: String,
    /// Tokens read.
    pub input: u64,
    /// Tokens written.
    pub output: u64,
    /// None where the price is not known.
    pub cost: Option<MicroDollars>,
}

/// What a machine is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Begin, or go on after a restart.
    Started,
    /// A piece of an answer.
    Delta(CallId, Delta),
    /// A whole answer; `cached` when it came from the store.
    Answered {
        /// Which call.
        call: CallId,
        /// What it gave.
        answer: Answer,
        /// From the store instead of a model.
        cached: bool,
        /// What it took.
        bill: Bill,
    },
    /// No answer. What it took all the same is in the bill.
    Failed {
        /// Which call.
        call: CallId,
        /// Why.
        error: CallError,
        /// What it took.
        bill: Bill,
    },
    /// The time that `Wait` named has come.
    Tick,
    /// What `Reserve` asked for is set aside: its calls may be made.
    Granted,
    /// It would go beyond a budget, and the text says which: its calls must not be made.
    Denied(String),
    /// Somebody wants the synthesis now, of what is ready.
    Hurry,
    /// Somebody wants no answer of this model any more, in the stage that runs.
    Leave(String),
    /// Somebody wants it to stop; the text says who or why.
    Cancelled(String),
}

/// What a machine wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Set aside what these calls may take at most. Answered by `Granted` or `Denied`, before which none of
    /// them is made.
    Reserve {
        /// Index into the plan's stages.
        stage: usize,
        /// All that will be asked for at once.
        calls: Vec<Claim>,
    },
    /// Ask a model.
    Call(CallId, Box<Request>),
    /// Stop asking.
    Stop(CallId),
    /// Tell whoever watches.
    Emit(Event),
    /// Keep this result of a call.
    Keep(Box<StageAnswer>),
    /// Nothing to do before an input comes, or before this time.
    Wait(Option<Timestamp>),
    /// It is over.
    Done(Box<Outcome>),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Completed, failed or cancelled.
    pub status: Status,
    /// The one answer.
    pub synthesis: Option<String>,
    /// Why there is none.
    pub error: Option<String>,
    /// What it came to.
    pub totals: Totals,
}
