//! Patterns: which models get which prompts, and which texts each of them reads. Prompts are data
//! (`assets/patterns`), and a run is a state machine without network, threads, or clock.

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
    /// Name shown to users.
    pub name: String,
    /// One-line summary for lists and cards. May be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// One or two sentences that help users choose.
    pub description: String,
    /// Category under which the pattern is listed, such as Analytical or Strategic.
    pub category: String,
    /// How the pattern arranges its calls.
    #[serde(default)]
    pub arrangement: Arrangement,
    /// How complex the pattern is: `low`, `medium`, or `high`.
    pub complexity: String,
    /// Recommended minimum and maximum number of members.
    pub panel: (u32, u32),
    /// What the pattern is suitable for, shown to users.
    pub use_cases: Vec<String>,
    /// When not to use the pattern, shown to users.
    pub limitations: Vec<String>,
    /// The stages of the pattern, in the order of execution.
    pub stages: Vec<StageDefinition>,
}

/// A stage as defined in its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageDefinition {
    /// Name of the stage. The built-in patterns use `initial`, `meta`, `hyper`, and `ultra`.
    pub name: String,
    /// Who takes part in the stage.
    #[serde(rename = "who")]
    pub role: StageRole,
    /// What the participants are asked to do.
    pub task: Task,
    /// What the stage is for, shown to users.
    pub help: String,
    /// Prompt template; `prompt::PLACEHOLDER_NAMES` lists its placeholders.
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
        let stage = |text: &StageDefinition| Stage {
            name: text.name.clone(),
            role: text.role,
            task: text.task,
            prompt: text.prompt.clone(),
        };
        self.stages.iter().map(stage).collect()
    }
}

/// Identifies a call within a run by its stage and member or, in the synthesizer's stage, by its attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId {
    /// Index into the plan's stages. Evidence calls have the numbers after the last stage.
    pub stage: usize,
    /// Index into the plan's members or, in the reading stage, its readers. In the synthesizer's stage, 0 is the
    /// synthesizer, and higher numbers are its substitutes. For evidence calls, always 0.
    pub member: usize,
}

/// Upper bound on a call's usage, which is reserved in the budgets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallReservation {
    /// The call that the amount is reserved for.
    pub call: CallId,
    /// Full ID of the model.
    pub model: String,
    /// Maximum input tokens.
    pub input_tokens: u64,
    /// Maximum output tokens.
    pub output_tokens: u64,
    /// Maximum cost; `None` if the price is unknown.
    pub cost: Option<MicroDollars>,
}

/// An input to the state machine of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum RunInput {
    /// The run starts, or resumes after a restart.
    Started,
    /// A piece of an answer has been streamed.
    Delta(CallId, Delta),
    /// A call has returned a complete answer.
    Answered {
        /// The call that was answered.
        call: CallId,
        /// The model's complete answer.
        answer: Answer,
        /// Whether the answer came from the cache instead of a model.
        cached: bool,
        /// Tokens that the call used, and their cost.
        bill: CallBill,
    },
    /// A call has failed, possibly after it used tokens.
    Failed {
        /// The call that failed.
        call: CallId,
        /// Why the call failed.
        error: CallError,
        /// Tokens that the call used, and their cost.
        bill: CallBill,
    },
    /// The time requested by `Wait` has been reached.
    Tick,
    /// The requested reservation was granted, so its calls may be made.
    Granted,
    /// The reservation was denied for this reason, so its calls must not be made.
    Denied(String),
    /// A user requests the synthesis now, based on the answers received so far.
    FinishEarly,
    /// A user skips this model in the current stage.
    SkipModel(String),
    /// The run is canceled, for this reason.
    Cancelled(String),
}

/// An output of the state machine, which is an action for the caller to perform.
#[derive(Debug, Clone, PartialEq)]
pub enum RunOutput {
    /// Reserve the upper bounds of these calls, and reply with `Granted` or `Denied`. No call is made before the reply.
    Reserve {
        /// Index into the plan's stages.
        stage: usize,
        /// The calls that will be made together.
        calls: Vec<CallReservation>,
    },
    /// Start this call to a model.
    Call(CallId, Box<ModelRequest>),
    /// Stop this call, because its result is no longer needed.
    Stop(CallId),
    /// Publish this event to the run's watchers.
    Emit(RunEvent),
    /// Store the result of a call.
    Store(Box<StageAnswer>),
    /// Wait for an input, or until this time if there is one.
    Wait(Option<Timestamp>),
    /// The run is finished.
    Done(Box<PatternOutcome>),
}

/// Result of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct PatternOutcome {
    /// Whether the run was completed, has failed, or was canceled.
    pub status: Status,
    /// The final answer; `None` if there is none.
    pub synthesis: Option<String>,
    /// Why there is no answer; `None` if there is one.
    pub error: Option<String>,
    /// Duration, usage, and cost of the whole run.
    pub totals: RunTotals,
}
