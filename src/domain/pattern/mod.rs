//! Patterns: which models get which prompts and how their texts flow. Prompts are data (`assets/patterns`); a run
//! is a state machine without network, threads, or clock.

pub mod arrange;
pub mod estimate;
pub mod file;
pub mod reading;
pub mod staged;
pub mod stored;
pub mod suggest;

use serde::{Deserialize, Serialize};

pub use super::analysis::Arrangement;
use super::analysis::{Stage, StageAnswer, StageRole, Status};
use super::chat::{Answer, CallBill, CallError, Delta, ModelRequest, Task};
use super::event::{RunEvent, RunTotals};
use super::money::MicroDollars;
use super::time::Timestamp;

/// A pattern as defined in its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// ID used in requests.
    pub id: String,
    /// Display name.
    pub name: String,
    /// One line for lists and cards; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// One or two sentences that help users choose.
    pub description: String,
    /// Family: Analytical, Strategic, …
    pub category: String,
    /// Arrangement of the stages.
    #[serde(default)]
    pub arrangement: Arrangement,
    /// `low`, `medium`, or `high`.
    pub complexity: String,
    /// Recommended panel size: minimum and maximum.
    pub panel: (u32, u32),
    /// Suitable uses.
    pub use_cases: Vec<String>,
    /// When not to use the pattern, shown to users.
    pub limitations: Vec<String>,
    /// Stages, in order.
    pub stages: Vec<StageText>,
}

/// A stage as defined in its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageText {
    /// `initial`, `meta`, `hyper`, or `ultra`.
    pub name: String,
    /// Participants.
    #[serde(rename = "who")]
    pub role: StageRole,
    /// Task of the participants.
    pub task: Task,
    /// Description of the stage, for users.
    pub help: String,
    /// Prompt template with placeholders (`prompt::PLACEHOLDER_NAMES`).
    pub prompt: String,
}

impl Pattern {
    /// Checks that the pattern can be run.
    ///
    /// # Errors
    /// Returns the first error as a sentence with its location.
    pub fn check(&self) -> Result<(), String> {
        match self.errors().first() {
            None => Ok(()),
            Some(error) => Err(format!(
                "pattern {}, {}: {}",
                self.id, error.location, error.message
            )),
        }
    }

    /// Converts the stages to the form stored in a plan.
    pub fn plan_stages(&self) -> Vec<Stage> {
        let stage = |text: &StageText| Stage {
            name: text.name.clone(),
            role: text.role,
            task: text.task,
            prompt: text.prompt.clone(),
        };
        self.stages.iter().map(stage).collect()
    }
}

/// Identifies a call within a run: stage and member (in the synthesizer's stage: attempt).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId {
    /// Index into the plan's stages.
    pub stage: usize,
    /// Index into the plan's members; in the last stage 0 is the synthesizer and others are its fallbacks.
    pub member: usize,
}

/// Upper bound of a call's usage, for a budget reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallReservation {
    /// The call that the amount is reserved for.
    pub call: CallId,
    /// Full model ID.
    pub model: String,
    /// Maximum input tokens.
    pub input_tokens: u64,
    /// Maximum output tokens.
    pub output_tokens: u64,
    /// Cost; `None` if the price is unknown.
    pub cost: Option<MicroDollars>,
}

/// Input of the state machine.
#[derive(Debug, Clone, PartialEq)]
pub enum RunInput {
    /// Start, or resume after a restart.
    Started,
    /// A streamed piece of an answer.
    Delta(CallId, Delta),
    /// A complete answer.
    Answered {
        /// The call that ended.
        call: CallId,
        /// The model's complete answer.
        answer: Answer,
        /// Whether it came from the cache instead of a model.
        cached: bool,
        /// Usage.
        bill: CallBill,
    },
    /// A failed call. It may still have incurred usage.
    Failed {
        /// The call that failed.
        call: CallId,
        /// Why the call failed.
        error: CallError,
        /// Usage.
        bill: CallBill,
    },
    /// The time given by `Wait` has been reached.
    Tick,
    /// The requested reservation was granted: its calls may be made.
    Granted,
    /// The reservation was denied, with the exceeded budget: its calls must not be made.
    Denied(String),
    /// A user requests the synthesis now, from the answers received so far.
    FinishEarly,
    /// A user skips this model in the current stage.
    SkipModel(String),
    /// The run is canceled, with the reason.
    Cancelled(String),
}

/// Output of the state machine: an action for the caller.
#[derive(Debug, Clone, PartialEq)]
pub enum RunOutput {
    /// Reserve the upper bound of these calls. Answered by `Granted` or `Denied`; none of the calls is made
    /// before.
    Reserve {
        /// Index into the plan's stages.
        stage: usize,
        /// Calls to be made together.
        calls: Vec<CallReservation>,
    },
    /// Start this call to a model.
    Call(CallId, Box<ModelRequest>),
    /// Abort a call.
    Stop(CallId),
    /// Publish an event.
    Emit(RunEvent),
    /// Store the result of a call.
    Store(Box<StageAnswer>),
    /// Wait for an input, or until this time.
    Wait(Option<Timestamp>),
    /// The run is finished.
    Done(Box<PatternOutcome>),
}

/// Result of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct PatternOutcome {
    /// Completed, failed, or canceled.
    pub status: Status,
    /// The final answer.
    pub synthesis: Option<String>,
    /// Why there is no answer.
    pub error: Option<String>,
    /// Totals of the whole run.
    pub totals: RunTotals,
}
