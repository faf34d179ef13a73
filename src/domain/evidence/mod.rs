//! What a panel's answers say about each other, as far as it can be shown. A model (the judge) judges meaning, and
//! every quotation that it gives is looked up in the text it names; without a judge, nothing is said about meaning.
//! Makes no calls: [`prompts`] writes the questions, [`map`] reads and checks the replies.

pub mod agreement;
mod answer;
mod context;
mod dispute;
mod foreign;
mod map;
mod markdown;
pub mod prompts;
mod read;
mod rules;
mod similarity;
mod split;
mod support;
#[cfg(test)]
mod tests;
mod tokens;
mod verify;
mod weigh;
mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::money::MicroDollars;

pub use map::{OLDER, of};
pub use rules::objection;
pub use similarity::similarity;

/// Whether there is a map, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceStatus {
    /// A model has judged the answers.
    Judged,
    /// No judge was requested.
    #[default]
    Off,
    /// No model of the run can judge: demo models compare words, not meaning.
    NoJudge,
    /// The calls failed, or their replies could not be used.
    Failed,
}

/// The map of a panel: what the members claim, and how well the answer's sentences are supported.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EvidenceMap {
    /// Whether there is a map.
    pub status: EvidenceStatus,
    /// Why there is none, or what it lacks, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The model that compared the answers.
    pub judge: Option<String>,
    /// The model that compared the answer with the documents.
    pub checker: Option<String>,
    /// Known cost of both calls.
    pub cost_usd: MicroDollars,
    /// Similarity of the first answers' wording, 0 to 1; it says nothing about meaning. None with fewer than two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f64>,
    /// What the members claim, in the judge's words.
    pub claims: Vec<EvidenceClaim>,
    /// Indices of the claims that every first answer makes.
    pub consensus: Vec<usize>,
    /// Claims on which members contradict each other.
    pub contradictions: Vec<ClaimContradiction>,
    /// Contradictions that the judge reports and that the members' words do not confirm. No agreement is claimed there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unverified: Vec<UnverifiedContradiction>,
    /// Number of the judge's claims that are left out because nobody's words for them were found.
    #[serde(skip_serializing_if = "is_zero")]
    pub dropped: u32,
    /// Claims that one member alone makes.
    pub unique: Vec<UniqueClaim>,
    /// What no answer covers, in the judge's words.
    pub blind_spots: Vec<String>,
    /// The answer's sentences.
    pub sentences: Vec<SentenceSupport>,
    /// Number of sentences by level, and of those disputed.
    pub levels: SupportLevels,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// A claim and each member's stance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EvidenceClaim {
    /// In the judge's words.
    pub text: String,
    /// The sentence of the answer that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// One for each first answer, by letter.
    pub stances: Vec<MemberStance>,
}

/// A member's stance on a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stance {
    /// Makes the claim; the quoted words were found in the member's text.
    Asserts,
    /// Makes the claim by the judge's word alone: the quoted words were found, but a rule objects to them.
    Unconfirmed,
    /// States the opposite; the quoted words were found in the member's text.
    Denies,
    /// Neither, or no words that show it.
    #[default]
    Silent,
}

/// A member's stance with the words that show it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MemberStance {
    /// The member's letter.
    pub letter: char,
    /// Full id of the model that wrote the text.
    pub model: String,
    /// The stance.
    pub stance: Stance,
    /// Name of the stage in which the text was written.
    pub stage: String,
    /// The member's own words, verbatim; empty if silent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub quote: String,
    /// Why no rule confirms the stance; empty unless it is unconfirmed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub lowered: String,
}

/// A claim on which members contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ClaimContradiction {
    /// Index of the claim.
    pub claim: usize,
    /// In the judge's words; empty if it gave no reason.
    pub why: String,
    /// At least two members with their own words.
    pub sides: Vec<ContradictionSide>,
}

/// A contradiction that the judge reports, while the members' words that were found do not show it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UnverifiedContradiction {
    /// What it is about, in the judge's words; empty if the judge does not say.
    pub point: String,
    /// In the judge's words; empty if it gave no reason.
    pub why: String,
    /// Index of the claim, if it is listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<usize>,
}

/// One member's words in a contradiction.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ContradictionSide {
    /// The member's letter.
    pub letter: char,
    /// Its words.
    pub quote: String,
}

/// A claim that one member alone makes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UniqueClaim {
    /// Index of the claim.
    pub claim: usize,
    /// The member's letter.
    pub letter: char,
}

/// How well a sentence is supported; each level includes those below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SupportLevel {
    /// No passage that was given is cited.
    #[default]
    None,
    /// Cites a passage that was given.
    Cited,
    /// Quotes words that were found in a cited passage.
    Quoted,
    /// A model found that a cited passage says it, and quoted words that were found there.
    Supported,
    /// The same, and members of at least two models say it in their first answers while none denies it.
    SupportedAgreed,
}

impl SupportLevel {
    /// The level's name on pages and in exports.
    pub fn label(self) -> &'static str {
        match self {
            Self::None => "no source",
            Self::Cited => "cited",
            Self::Quoted => "quoted",
            Self::Supported => "supported",
            Self::SupportedAgreed => "supported, members agree",
        }
    }

    /// What the level rests on, for the explanation beside it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::None => "the sentence cites no passage that was given",
            Self::Cited => "the sentence cites a passage; no model found that the passage says so",
            Self::Quoted => "the quoted words were found in the cited passage",
            Self::Supported => {
                "a model found that the cited passage says so, and its words were found there"
            }
            Self::SupportedAgreed => {
                "a model found that the cited passage says so, and a model found that first answers of two or more models do and none denies it"
            }
        }
    }
}

/// A model's finding about a sentence and a passage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entailment {
    /// The passage says it.
    Entails,
    /// The passage says otherwise.
    Contradicts,
    /// The passage says neither.
    Neither,
}

/// A sentence of the answer with what supports it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SentenceSupport {
    /// Without Markdown.
    pub text: String,
    /// Numbers of the cited passages that were given.
    pub cites: Vec<u32>,
    /// How well it is supported.
    pub level: SupportLevel,
    /// Whether a member denies it, in words that were found in its text.
    pub disputed: bool,
    /// Index of the claim that it makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<usize>,
    /// What the checker found, after our rules; none if it was not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Entailment>,
    /// Number of the passage that the verdict is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passage: Option<u32>,
    /// The passage's words for the verdict.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub quote: String,
    /// Why the level is not higher, if a rule or the passage rules it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lowered: Option<String>,
}

impl SentenceSupport {
    /// What the level rests on here, for the explanation beside it.
    pub fn reason(&self) -> &'static str {
        match (self.level, self.verdict, &self.lowered) {
            (SupportLevel::Supported | SupportLevel::SupportedAgreed, ..) => self.level.reason(),
            (_, Some(Entailment::Contradicts), _) => {
                "a model found that the cited passage says otherwise, and its words were found there"
            }
            (_, Some(Entailment::Neither), Some(_)) => {
                "a model compared the sentence with the cited passage, but its finding does not count as support"
            }
            (_, Some(Entailment::Neither), None) => {
                "a model found that the cited passage does not say so"
            }
            _ => self.level.reason(),
        }
    }
}

/// Number of sentences at each level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SupportLevels {
    /// [`SupportLevel::None`]
    pub none: u32,
    /// [`SupportLevel::Cited`]
    pub cited: u32,
    /// [`SupportLevel::Quoted`]
    pub quoted: u32,
    /// [`SupportLevel::Supported`]
    pub supported: u32,
    /// [`SupportLevel::SupportedAgreed`]
    pub supported_agreed: u32,
    /// Sentences that a member denies, at whatever level.
    pub disputed: u32,
}

impl SupportLevels {
    fn of(sentences: &[SentenceSupport]) -> Self {
        let mut count = BTreeMap::new();
        for sentence in sentences {
            *count.entry(sentence.level).or_default() += 1;
        }
        let at = |level| count.get(&level).copied().unwrap_or(0);
        Self {
            none: at(SupportLevel::None),
            cited: at(SupportLevel::Cited),
            quoted: at(SupportLevel::Quoted),
            supported: at(SupportLevel::Supported),
            supported_agreed: at(SupportLevel::SupportedAgreed),
            disputed: sentences.iter().filter(|one| one.disputed).count() as u32,
        }
    }
}

impl EvidenceMap {
    /// A map without judgments.
    pub fn without(status: EvidenceStatus, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: Some(reason.into()),
            ..Self::default()
        }
    }
}
