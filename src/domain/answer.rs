//! The result of one call in an analysis: the answer or the error, with usage and cost.

use serde::{Deserialize, Serialize};

use super::chat::{CallError, CallErrorKind, Extras, Finish, Usage};
use super::money::MicroDollars;
use super::tools::ToolCall;

/// Result of one call. The pair (stage, member) is unique within an analysis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageAnswer {
    /// Index into the plan's stages.
    pub stage: usize,
    /// Index into the plan's members; 0 in the synthesizer's stage.
    pub member: usize,
    /// Full ID of the called model.
    pub model: String,
    /// Visible text. Empty if the call failed, unless it was stopped after the model had returned some text.
    pub text: String,
    /// The model's reasoning; empty if the provider does not return it.
    pub reasoning: String,
    /// Token usage of the call.
    pub usage: Usage,
    /// Cost of the call; `None` if the price is unknown.
    pub cost: Option<MicroDollars>,
    /// Time from the start of the call to its end, in ms.
    pub latency_ms: u64,
    /// Time from the start of the call to the first text, in ms; `None` if there was no text.
    pub first_token_ms: Option<u64>,
    /// Why the model stopped; `None` if the call failed.
    pub finish: Option<Finish>,
    /// Why the call failed; `None` if it succeeded.
    pub error: Option<CallError>,
    /// Whether the answer came from the cache.
    pub cached: bool,
    /// Number of attempts; 0 when no call was sent.
    #[serde(default)]
    pub tries: u32,
    /// Requested parameters that were left out because the model does not accept them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<String>,
    /// The planned model, if a fallback replaced it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_for: Option<String>,
    /// Failed calls to the models that come before `model` in the fallback chain, the planned model first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<FailedAttemptRecord>,
    /// Tool calls requested by the model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ToolCall>,
    /// Other data returned by the vendor, which Quire passes on without interpreting it.
    #[serde(default, skip_serializing_if = "Extras::is_empty")]
    pub extras: Extras,
}

/// A failed call that was replaced by a call to another model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailedAttemptRecord {
    /// Full ID of the model that failed.
    pub model: String,
    /// Why the call failed.
    pub error: CallError,
    /// Usage that the failed call still incurred.
    pub usage: Usage,
    /// Cost of the failed call; `None` if the price is unknown.
    pub cost: Option<MicroDollars>,
}

/// Returns the text to show for a run that was stopped before its answer was complete: the longest text of the latest
/// stage that has one. `None` if no stage has any.
pub fn partial_text(answers: &[StageAnswer]) -> Option<&str> {
    let candidates = answers
        .iter()
        .filter(|answer| answer.answered() || answer.is_partial());
    let best = candidates.max_by_key(|answer| (answer.stage, answer.text.len()))?;
    Some(&best.text)
}

impl StageAnswer {
    /// Whether the call succeeded.
    pub fn answered(&self) -> bool {
        self.error.is_none()
    }

    /// Whether the call was stopped after it had started to return text, so that `text` is only the beginning of
    /// an answer.
    pub fn is_partial(&self) -> bool {
        let error = self.error.as_ref();
        let is_stopped = error.is_some_and(|error| error.kind == CallErrorKind::Cancelled);
        is_stopped && !self.text.is_empty()
    }
}
