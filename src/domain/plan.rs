//! The plan of an analysis: everything a run needs, fixed before it starts and stored with it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::chat::{Format, Message, Passthrough, Source, Task};
use super::fit::Fitting;
use super::id::DocumentId;
use super::money::{MicroDollars, Price};
use super::parameters::Parameters;
use super::tools::Tools;

/// Whether stored answers may stand in for calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheUse {
    /// Use and fill the cache.
    #[default]
    On,
    /// Neither.
    Off,
    /// Ask again, and replace what is stored.
    Refresh,
}

/// How a pattern's stages follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrangement {
    /// Members in every stage, the synthesiser in the last.
    #[default]
    Staged,
    /// One model, sampled several times, then a synthesis.
    #[serde(rename = "self")]
    Own,
    /// Closed questions: normalise and count.
    Vote,
    /// Two drafts; a synthesis only where they disagree.
    Cascade,
    /// One model.
    Single,
}

impl Arrangement {
    /// The name in files and answers.
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

/// How much of a pattern is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Depth {
    /// One model answers.
    Quick,
    /// First answers, one round of critique, the synthesis.
    #[default]
    Standard,
    /// Every stage of the pattern.
    Full,
}

/// Everything a run needs, fixed before it starts and stored with it, so that it can be resumed and
/// repeated whatever happens to patterns and settings meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Pattern id.
    pub pattern: String,
    /// The question.
    pub question: String,
    /// The panel; a member's place gives its letter.
    pub members: Vec<Member>,
    /// Who writes the one answer.
    pub synthesiser: Member,
    /// In order; the last one is the synthesis.
    pub stages: Vec<Stage>,
    /// Passages that enter the prompts. Empty where the documents are read in parts.
    pub sources: Vec<Source>,
    /// Other selections of passages, for members that can take more or less.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readings: Vec<Vec<Source>>,
    /// The documents cut into parts, where they are read one by one before the first stage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Vec<Source>>,
    /// What each member, and last the synthesiser, is given of the documents; empty where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fits: Vec<Fitting>,
    /// Who reads each part; whoever else is on the panel stands in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readers: Vec<Member>,
    /// Marks the fence around the sources; the documents' author cannot have known it.
    pub nonce: String,
    /// Seeds the shuffles.
    pub seed: u64,
    /// Use of stored answers.
    pub cache: CacheUse,
    /// Stored answers that are older than so many seconds are not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_max_age_s: Option<u32>,
    /// No stage begins once this much has been spent.
    pub budget: Option<MicroDollars>,
    /// Pictures that are shown to members that see.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<Picture>,
    /// Seconds that a stage and the whole run may take.
    #[serde(default)]
    pub times: Times,
    /// The shape that the one answer must have; none for free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// How the stages follow one another.
    #[serde(default)]
    pub arrangement: Arrangement,
    /// Skips the remaining stages when the first answers agree at least this much, 0 to 1. None: never compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
    /// Stands in the fence around the documents, and never in an honest answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub canary: String,
    /// What a reader of the result should know before anything has happened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The conversation that the question ends, itself the last turn; empty for a question alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Message>,
    /// What the one who writes the answer may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Arc<Tools>>,
    /// Fields of the client's that go to the one model unread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passthrough: Option<Arc<Passthrough>>,
    /// The conversation is all that is said: no rules and no words of ours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bare: bool,
    /// As in the request. Not stored: nobody reads a resumed run live.
    #[serde(skip)]
    pub is_live: bool,
}

/// How long a run may take, in seconds. A call's own limit is `timeout_s` of its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// One stage.
    pub stage: u32,
    /// All of them together.
    pub run: u32,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            stage: 600,
            run: 1_800,
        }
    }
}

/// A document that is a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Which document.
    pub document: DocumentId,
    /// Its file name.
    pub name: String,
    /// Its media type; of a page it is known when it is fetched.
    pub content_type: String,
    /// The page that is a picture; 0 where the document is one.
    #[serde(default, skip_serializing_if = "is_first")]
    pub page: u32,
}

/// A model and how it is called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Full id.
    pub model: String,
    /// Merged for this member.
    pub parameters: Parameters,
    /// As it stood when the run was planned: a later change of price does not rewrite history.
    pub price: Option<Price>,
    /// Who is asked in its place when it fails, in order; none unless an admin has said so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<Member>,
    /// Which sample of its model this member is, from 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub sample: u32,
    /// Which passages it is given: 0 are the plan's sources, the others its readings from 1 on.
    #[serde(default, skip_serializing_if = "is_first")]
    pub reads: u32,
}

pub(super) fn is_first(number: &u32) -> bool {
    *number == 0
}

impl Plan {
    /// The stage of the first answers: behind the one in which parts of documents are read.
    pub fn first(&self) -> usize {
        let reads = self.stages.first().map(|stage| stage.who) == Some(Who::Readers);
        usize::from(reads)
    }

    /// Whether a stage has a place of this number.
    pub fn has_place(&self, stage: usize, member: usize) -> bool {
        match self.stages.get(stage).map(|stage| stage.who) {
            Some(Who::Readers) => member < self.readers.len(),
            Some(Who::Synthesiser) if stage + 1 == self.stages.len() => true,
            Some(Who::Members | Who::Synthesiser) => member < self.members.len(),
            None => false,
        }
    }

    /// The passages that this member is given.
    pub fn sources_of(&self, member: &Member) -> &[Source] {
        let chosen = (member.reads as usize).checked_sub(1);
        let chosen = chosen.and_then(|index| self.readings.get(index));
        chosen.unwrap_or(&self.sources)
    }

    /// Every passage that anybody is given.
    pub fn all_sources(&self) -> impl Iterator<Item = &Source> {
        let others = self.readings.iter().chain(&self.parts).flatten();
        self.sources.iter().chain(others)
    }
}

impl Member {
    /// What it is called in events and results: its model, and from the second sample on its number.
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
pub enum Who {
    /// Every member that is still in the run.
    Members,
    /// The synthesiser alone.
    Synthesiser,
    /// The reader of each part of the documents.
    Readers,
}

/// One stage of a pattern.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// `initial`, `meta`, `hyper` or `ultra`.
    pub name: String,
    /// Who takes part.
    pub who: Who,
    /// What they are to do.
    pub task: Task,
    /// Template with holes: see `prompt.rs`.
    pub prompt: String,
}
