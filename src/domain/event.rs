//! Events of an analysis, as streamed to clients. Names and fields are part of the API contract.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::analysis::StageRole;
use super::chat::{Finish, Usage};
use super::evidence::EvidenceMap;
use super::id::AnalysisId;
use super::money::MicroDollars;

#[allow(missing_docs, reason = "the fields are the contract's, section 7")]
/// An event of an analysis. Serializes to the `data:` field of a server-sent event; `name` returns its `event:` field.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum RunEvent {
    /// `analysis.started`: the first event. Not repeated after a server restart.
    Started {
        analysis_id: AnalysisId,
        pattern: String,
        models: Vec<String>,
        ultra_model: String,
        plan: Vec<StageInfo>,
        estimate: RunEstimate,
    },
    /// `stage.started`: a stage begins.
    StageStarted {
        stage: String,
        index: usize,
        total: usize,
    },
    /// `member.started`: a member's text in a stage starts, or starts over. Clients discard the member's earlier text.
    MemberStarted {
        stage: String,
        model: String,
        attempt: u32,
    },
    /// `member.delta`: new text of a member.
    Delta {
        stage: String,
        model: String,
        text: String,
    },
    /// `member.reasoning`: new reasoning text of a member.
    Reasoning {
        stage: String,
        model: String,
        text: String,
        /// The completed reasoning block in the vendor's form; `None` while it is still being streamed.
        #[serde(skip_serializing_if = "Option::is_none")]
        item: Option<Value>,
    },
    /// `member.completed`: a member has answered.
    MemberCompleted {
        stage: String,
        model: String,
        usage: Usage,
        /// Cost of the call; `None` if the price is unknown.
        cost_usd: Option<MicroDollars>,
        latency_ms: u64,
        time_to_first_token_ms: Option<u64>,
        cached: bool,
        finish_reason: Finish,
        /// Requested parameters that were left out because the model does not accept them.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        dropped_parameters: Vec<String>,
        /// The planned model, if it failed and a fallback answered in its place.
        #[serde(skip_serializing_if = "Option::is_none")]
        fallback_for: Option<String>,
    },
    /// `member.failed`: a member's call failed.
    MemberFailed {
        stage: String,
        model: String,
        error: String,
        retried: bool,
        fallback: Option<String>,
    },
    /// `stage.completed`: all members of the stage have answered or failed.
    StageCompleted {
        stage: String,
        answered: usize,
        failed: usize,
        duration_ms: u64,
    },
    /// `synthesis.delta`: new text of the synthesis.
    SynthesisDelta { text: String },
    /// `evidence_ready`: the panel's evidence map; sent once, before the final event.
    EvidenceReady { evidence: Box<EvidenceMap> },
    /// `analysis.completed`: the run finished with a result.
    Completed(RunTotals),
    /// `analysis.failed`: the run finished without a result.
    Failed {
        error: String,
        #[serde(flatten)]
        totals: RunTotals,
    },
    /// `analysis.cancelled`: a user stopped the run.
    Cancelled {
        reason: String,
        #[serde(flatten)]
        totals: RunTotals,
    },
}

/// A stage as announced in `analysis.started`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageInfo {
    /// Name of the stage, such as `initial` or `ultra`.
    pub stage: String,
    /// Who takes part: `readers`, `members`, or `synthesiser`, which writes the answer.
    #[serde(rename = "who")]
    pub role: StageRole,
    /// Full IDs of the participating models.
    pub models: Vec<String>,
}

/// Estimated usage and cost of a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct RunEstimate {
    /// Number of calls if none fails and no stage is skipped.
    pub calls: u32,
    /// Estimated input tokens.
    pub input_tokens: u64,
    /// Estimated output tokens.
    pub output_tokens: u64,
    /// Estimated cost in dollars; `None` if the price of any call is unknown.
    pub cost_usd: Option<MicroDollars>,
}

/// The duration, usage, and cost of a finished run.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct RunTotals {
    /// Wall-clock time from the start to the end of the run, in ms.
    pub total_time_ms: u64,
    /// Token usage of all calls.
    pub usage: Usage,
    /// Sum of the known costs of all calls.
    pub cost_usd: MicroDollars,
    /// Whether a call's price is unknown, so that `cost_usd` is a lower bound.
    pub cost_incomplete: bool,
    /// Number of successful calls, without evidence calls.
    pub answered: u32,
    /// Number of failed calls, including those replaced by a fallback. Calls that a user stopped and evidence calls are
    /// not counted.
    pub failed: u32,
    /// Whether every answer came from the cache.
    pub cached: bool,
    /// Why the result is partial, for example because the budget or time limit was reached; `None` for a complete
    /// result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degraded: Option<String>,
    /// Notes for readers: skipped stages, dropped members, a different synthesizer.
    pub notes: Vec<String>,
}

impl RunEvent {
    /// Returns the value of the `event:` field.
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
            Self::EvidenceReady { .. } => "evidence_ready",
            Self::Completed(_) => "analysis.completed",
            Self::Failed { .. } => "analysis.failed",
            Self::Cancelled { .. } => "analysis.cancelled",
        }
    }
}

/// What streams to clients show of an event, independent of the API format.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamDelta<'a> {
    /// Text of the answer.
    Text(Cow<'a, str>),
    /// Reasoning of a member; the second field is a complete block in the vendor's form.
    Reasoning(Cow<'a, str>, Option<Cow<'a, Value>>),
    /// A line about the panel's progress.
    Progress(String),
    /// A member starts, or starts over.
    Restart,
    /// The last event of the stream.
    End,
}

impl<'a> StreamDelta<'a> {
    /// Returns the delta of an event; `None` if streams do not show the event.
    pub fn from_event(event: &'a RunEvent) -> Option<Self> {
        Some(match event {
            RunEvent::SynthesisDelta { text } => Self::Text(Cow::Borrowed(text)),
            RunEvent::Reasoning { text, item, .. } => {
                Self::Reasoning(Cow::Borrowed(text), item.as_ref().map(Cow::Borrowed))
            }
            RunEvent::StageStarted { stage, .. } => Self::Progress(format!("{stage} …\n")),
            RunEvent::MemberStarted { .. } => Self::Restart,
            RunEvent::MemberCompleted { model, .. } => {
                Self::Progress(format!("{model} has answered\n"))
            }
            RunEvent::MemberFailed { model, error, .. } => {
                Self::Progress(format!("{model} failed: {error}\n"))
            }
            RunEvent::Completed(_) | RunEvent::Failed { .. } | RunEvent::Cancelled { .. } => {
                Self::End
            }
            RunEvent::Started { .. }
            | RunEvent::Delta { .. }
            | RunEvent::StageCompleted { .. }
            | RunEvent::EvidenceReady { .. } => return None,
        })
    }

    /// Returns the delta of an event read back from the store, given its name and JSON.
    pub fn parse(name: &str, data: &str) -> Option<StreamDelta<'static>> {
        if FINAL_EVENTS.contains(&name) {
            return Some(StreamDelta::End);
        }
        let data: Value = serde_json::from_str(data).ok()?;
        let text = |field: &str| data[field].as_str().unwrap_or_default().to_owned();
        Some(match name {
            "synthesis.delta" => StreamDelta::Text(Cow::Owned(text("text"))),
            "member.reasoning" => {
                let item = data.get("item").filter(|item| !item.is_null());
                let item = item.map(|item| Cow::Owned(item.clone()));
                StreamDelta::Reasoning(Cow::Owned(text("text")), item)
            }
            "stage.started" => StreamDelta::Progress(format!("{} …\n", text("stage"))),
            "member.started" => StreamDelta::Restart,
            "member.completed" => {
                StreamDelta::Progress(format!("{} has answered\n", text("model")))
            }
            "member.failed" => {
                let (model, error) = (text("model"), text("error"));
                StreamDelta::Progress(format!("{model} failed: {error}\n"))
            }
            _ => return None,
        })
    }
}

/// The names of the final events; exactly one of them ends every stream.
pub const FINAL_EVENTS: &[&str] = &[
    "analysis.completed",
    "analysis.failed",
    "analysis.cancelled",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_event_shows_the_same_as_the_event_itself() {
        let names = || ("initial".to_owned(), "demo/a".to_owned());
        let ((stage, model), totals) = (names(), RunTotals::default());
        let events = [
            RunEvent::SynthesisDelta {
                text: "\"é".to_owned(),
            },
            RunEvent::Reasoning {
                stage: stage.clone(),
                model: model.clone(),
                text: "so".to_owned(),
                item: Some(serde_json::json!({ "type": "thinking" })),
            },
            RunEvent::StageStarted {
                stage: stage.clone(),
                index: 0,
                total: 1,
            },
            RunEvent::MemberStarted {
                stage: stage.clone(),
                model: model.clone(),
                attempt: 2,
            },
            RunEvent::MemberFailed {
                stage: stage.clone(),
                model: model.clone(),
                error: "timed out".to_owned(),
                retried: false,
                fallback: None,
            },
            RunEvent::StageCompleted {
                stage: stage.clone(),
                answered: 1,
                failed: 0,
                duration_ms: 1,
            },
            RunEvent::Delta {
                stage,
                model,
                text: "a".to_owned(),
            },
            RunEvent::Completed(totals.clone()),
            RunEvent::Failed {
                error: "none".to_owned(),
                totals,
            },
        ];
        for event in &events {
            let data = serde_json::to_string(event).expect("JSON");
            assert_eq!(
                StreamDelta::from_event(event),
                StreamDelta::parse(event.name(), &data)
            );
        }
    }
}
