//! The plan of an analysis: everything a run needs, fixed before it starts and stored with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::chat::{Format, Message, Passthrough, SourcePassage, Task};
use super::context_mode::MemberFit;
use super::id::DocumentId;
use super::money::{MicroDollars, Price};
use super::parameters::Parameters;
use super::retrieval::record::{RETRIEVAL_STAGE, RETRIEVAL_STAGE_NUMBER, RetrievalRecord};
use super::standing::MemberTrackRecord;
use super::thread::{self, CarriedTurns};
use super::tools::Tools;

/// How the answer cache is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheUse {
    /// Read and write the cache.
    #[default]
    On,
    /// Neither read nor write the cache.
    Off,
    /// Make every call, and replace the stored answers.
    Refresh,
}

/// How a pattern arranges its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrangement {
    /// All members take part in every stage except the last, which is the synthesizer's.
    #[default]
    Staged,
    /// One model is sampled several times, and a synthesis follows.
    #[serde(rename = "self")]
    Own,
    /// Members answer a closed question; their answers are normalized and counted.
    Vote,
    /// Two members draft an answer; a synthesis follows only if the drafts disagree.
    Cascade,
    /// One model answers alone.
    Single,
}

impl Arrangement {
    /// Returns the name used in files and API responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Own => "self",
            Self::Vote => "vote",
            Self::Cascade => "cascade",
            Self::Single => "single",
        }
    }
}

/// How much of a pattern runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Depth {
    /// One model answers.
    Quick,
    /// First answers, one round of critique, and the synthesis.
    #[default]
    Standard,
    /// Every stage of the pattern.
    Full,
}

/// Everything a run needs, fixed before it starts and stored with it, so that it can be resumed and repeated
/// regardless of later changes to patterns and settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// ID of the pattern that the run follows.
    pub pattern: String,
    /// The question that the panel answers.
    pub question: String,
    /// The panel. A member's index determines the letter that labels its texts.
    pub members: Vec<Member>,
    /// The synthesizer, which writes the final answer.
    #[serde(rename = "synthesiser", alias = "synthesizer")]
    pub synthesizer: Member,
    /// Stages in order. The last one is the synthesizer's, except in a vote that has no stage for breaking ties.
    pub stages: Vec<Stage>,
    /// Passages in the prompts. Empty when the documents are read in parts.
    pub sources: Vec<SourcePassage>,
    /// Other selections of passages, for members with larger or smaller context windows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readings: Vec<Vec<SourcePassage>>,
    /// The documents split into parts, if they are read part by part before the first answers; otherwise empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Vec<SourcePassage>>,
    /// Record of the semantic search, if the user enabled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrieval: Option<RetrievalRecord>,
    /// Context given to each member and, last, the synthesizer; empty without documents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fits: Vec<MemberFit>,
    /// The reader of each part, with the other members as fallbacks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readers: Vec<Member>,
    /// Random text in the fence around the sources, which the documents' authors cannot know.
    pub nonce: String,
    /// Random seed of the shuffles.
    pub seed: u64,
    /// Whether answers are read from and written to the cache.
    pub cache: CacheUse,
    /// Maximum age in seconds of a stored answer that may be reused; `None` if the request sets no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_max_age_s: Option<u32>,
    /// Budget of the run; a call is made only if its cost can be reserved in it. `None` for no limit.
    pub budget: Option<MicroDollars>,
    /// Images shown to members with vision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<PlanImage>,
    /// Time limits of a stage and of the run.
    #[serde(default)]
    pub times: RunDeadlines,
    /// Required output format of the answer; `None` for free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// How the stages are arranged.
    #[serde(default)]
    pub arrangement: Arrangement,
    /// Skips the remaining stages if the first answers agree at least this much, 0 to 1; `None` if they are
    /// not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
    /// The calls that compare the answers with each other and with the documents.
    #[serde(default, skip_serializing_if = "EvidencePlan::predates_evidence")]
    pub evidence: EvidencePlan,
    /// Canary text in the fence around the documents. An answer contains it only if it obeys an injected instruction.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub canary: String,
    /// Notes for readers of the result that are known before the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The conversation, with the question as its last turn; empty for a standalone question.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Message>,
    /// Number of tokens of earlier turns shown to each model, by model ID. A model without an entry sees all turns.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[serde(rename = "rooms")]
    pub history_budgets: BTreeMap<String, u64>,
    /// Tools that the model writing the answer may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Arc<Tools>>,
    /// Uninterpreted client fields, passed to the single model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passthrough: Option<Arc<Passthrough>>,
    /// The beginning of the answer, written by a stopped run; the answer continues it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[serde(rename = "begun")]
    pub answer_prefix: String,
    /// Whether the conversation is sent as is, without Quire's rules or other text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bare: bool,
    /// Catalog rank and record of each member; empty in plans of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub standings: Vec<MemberTrackRecord>,
    /// Whether a vote first calls a majority of the members, and calls the others only if they can change the result.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_adaptive: bool,
    /// Whether a client streams the answer over an API that cannot retract text. Not stored, because no client is
    /// connected to a resumed run.
    #[serde(skip)]
    pub is_live: bool,
}

/// Whether a model compares the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceMode {
    /// Compare only if the model that writes the synthesis can judge, and if the budget allows it.
    #[default]
    Auto,
    /// Compare if any model of the run can judge.
    On,
    /// Never compare.
    Off,
}

impl EvidenceMode {
    /// Parses the name used in requests and settings: `auto`, `on`, or `off`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "on" => Some(Self::On),
            "off" => Some(Self::Off),
            _ => None,
        }
    }
}

/// The models that compare the answers of a run. Without a judge, the answers are not compared.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EvidencePlan {
    /// Compares the first answers and the synthesis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<Member>,
    /// Candidates for comparing the answer with the documents, in order of preference. Those that wrote the answer or
    /// failed in the run are called only if there is no other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checkers: Vec<Member>,
    /// Whether there is no judge because no model of the run can judge.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lacks_judge: bool,
    /// The reason why there is no judge, as shown to users; empty if there is one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl EvidencePlan {
    /// Creates a plan without evidence calls, for this reason.
    pub fn disabled(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            ..Self::default()
        }
    }

    /// Whether this is the plan of a run stored before evidence calls existed.
    pub fn predates_evidence(&self) -> bool {
        *self == Self::default()
    }

    /// Returns every model that may be called for evidence.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.judge.iter().chain(&self.checkers)
    }
}

/// A call that compares answers. Its stage comes after the pattern's last stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EvidenceCall {
    /// Compares the first answers and the synthesis.
    Map = 0,
    /// Compares the synthesis with the passages that it cites.
    Passages = 1,
    /// Compares the first answers before the decision on skipping stages.
    Drafts = 2,
}

/// Stage name of the evidence calls in events, estimates, and the call log.
pub const EVIDENCE_STAGE: &str = "evidence";

/// Time limits of a run in seconds. The limit of a single call is `timeout_s` of its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDeadlines {
    /// Maximum duration of one stage, in s.
    pub stage: u32,
    /// Maximum duration of the whole run, in s.
    pub run: u32,
}

impl Default for RunDeadlines {
    fn default() -> Self {
        Self {
            stage: 600,
            run: 1_800,
        }
    }
}

/// An image document, or an image page of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanImage {
    /// The document that the image comes from.
    pub document: DocumentId,
    /// File name of the document.
    pub name: String,
    /// Media type. For an image page, it is known only once the page has been fetched.
    pub content_type: String,
    /// Page number of an image page; 0 if the whole document is an image.
    #[serde(default, skip_serializing_if = "is_first")]
    pub page: u32,
}

/// A model with its call settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Full model ID.
    pub model: String,
    /// Parameters of the member's calls, with its overrides applied.
    pub parameters: Parameters,
    /// Price at the time of planning, so that later price changes do not affect the run.
    pub price: Option<Price>,
    /// Fallback models in order; empty unless an administrator configured them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<Member>,
    /// Sample index, from 0, among the members with the same model.
    #[serde(default, skip_serializing_if = "is_first")]
    pub sample: u32,
    /// Which passages the member reads: 0 for the plan's `sources`, n for `readings[n - 1]`.
    #[serde(default, skip_serializing_if = "is_first")]
    pub reads: u32,
}

pub(super) fn is_first(number: &u32) -> bool {
    *number == 0
}

impl Plan {
    /// Returns the index of the stage of first answers, after the reading stage if there is one.
    pub fn first_answer_stage(&self) -> usize {
        let reads = self.stages.first().map(|stage| stage.role) == Some(StageRole::Readers);
        usize::from(reads)
    }

    /// Returns the index of the stage of an evidence call.
    pub fn evidence_stage(&self, call: EvidenceCall) -> usize {
        self.stages.len() + call as usize
    }

    /// Returns the evidence call of a stage; `None` for the pattern's own stages.
    pub fn evidence_call(&self, stage: usize) -> Option<EvidenceCall> {
        let all = [
            EvidenceCall::Map,
            EvidenceCall::Passages,
            EvidenceCall::Drafts,
        ];
        all.into_iter()
            .find(|&call| self.evidence_stage(call) == stage)
    }

    /// Returns the name of a stage, including the stages of evidence and retrieval calls; `None` for an unknown index.
    pub fn stage_name(&self, stage: usize) -> Option<&str> {
        let name = self.stages.get(stage).map(|stage| stage.name.as_str());
        name.or_else(|| self.evidence_call(stage).map(|_| EVIDENCE_STAGE))
            .or((stage == RETRIEVAL_STAGE_NUMBER).then_some(RETRIEVAL_STAGE))
    }

    /// Whether the stage has a member with this index.
    pub fn has_member(&self, stage: usize, member: usize) -> bool {
        if self.evidence_call(stage).is_some() {
            return member == 0;
        }
        match self.stages.get(stage).map(|stage| stage.role) {
            Some(StageRole::Readers) => member < self.readers.len(),
            Some(StageRole::Synthesizer) if stage + 1 == self.stages.len() => true,
            Some(StageRole::Members | StageRole::Synthesizer) => member < self.members.len(),
            None => false,
        }
    }

    /// Returns the earlier turns that a model sees, without the conversation's own system messages.
    pub fn earlier_turns(&self, model: &str) -> CarriedTurns {
        let room = self.history_budgets.get(model).copied().unwrap_or(u64::MAX);
        thread::carried_turns(&thread::earlier_messages(&self.turns), room)
    }

    /// Returns the passages given to a member.
    pub fn sources_of(&self, member: &Member) -> &[SourcePassage] {
        let part_index = (member.reads as usize).checked_sub(1);
        let reading = part_index.and_then(|index| self.readings.get(index));
        reading.unwrap_or(&self.sources)
    }

    /// Returns every passage given to any member.
    pub fn all_sources(&self) -> impl Iterator<Item = &SourcePassage> {
        let others = self.readings.iter().chain(&self.parts).flatten();
        self.sources.iter().chain(others)
    }
}

/// Returns the model ID in a member's name ([`Member::name`]), without the sample number.
pub fn model_of(name: &str) -> &str {
    match name.rsplit_once('#') {
        Some((model, sample)) if sample.parse::<u32>().is_ok() => model,
        _ => name,
    }
}

impl Member {
    /// Returns the member's name in events and results: the model ID, with `#` and the sample number appended from the
    /// second sample on.
    pub fn name(&self) -> String {
        match self.sample {
            0 => self.model.clone(),
            sample => format!("{}#{}", self.model, sample + 1),
        }
    }
}

/// Who takes part in a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StageRole {
    /// All members whose calls have not failed so far.
    Members,
    /// The synthesizer only.
    #[serde(rename = "synthesiser", alias = "synthesizer")]
    Synthesizer,
    /// The readers, one per part of the documents.
    Readers,
}

/// One stage of a pattern.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Name of the stage. The built-in patterns use `initial`, `meta`, `hyper`, and `ultra`.
    pub name: String,
    /// Who takes part in the stage.
    #[serde(rename = "who")]
    pub role: StageRole,
    /// What the participants are asked to do.
    pub task: Task,
    /// Prompt template with placeholders; see `prompt.rs`.
    pub prompt: String,
}
