//! Compares a panel's answers and keeps only findings that quotations confirm. A model (the judge) compares their
//! meaning, and every quotation that it gives is looked up in the text that it names; without a judge, only the
//! wording is compared. Makes no calls: [`prompts`] writes the prompts, and [`map`] reads and checks the replies.

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

pub use map::{OLDER_RUN_REASON, build_map};
pub use rules::objection;
pub use similarity::similarity;

/// Whether a map exists, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceStatus {
    /// A model has judged the answers.
    Judged,
    /// No judge was requested.
    #[default]
    Off,
    /// No model of the run can judge, because demo models compare words rather than meaning.
    NoJudge,
    /// The calls failed, or their replies could not be used.
    Failed,
}

/// The evidence map of a panel: the members' claims, and how well the answer's sentences are supported.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EvidenceMap {
    /// Whether a map exists, and if not, why.
    pub status: EvidenceStatus,
    /// Why the map is missing or incomplete, as text for users; `None` if it is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The model that compared the answers; `None` without a judge.
    pub judge: Option<String>,
    /// The model that compared the answer with the documents; `None` without a checker.
    pub checker: Option<String>,
    /// Known cost of the judge's and the checker's calls.
    pub cost_usd: MicroDollars,
    /// Similarity of the first answers' wording, 0 to 1; independent of meaning. `None` with fewer than two answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f64>,
    /// The members' claims, in the judge's words.
    pub claims: Vec<EvidenceClaim>,
    /// Indices of the claims that every first answer makes in words that do not conflict.
    pub consensus: Vec<usize>,
    /// Claims on which members contradict each other.
    pub contradictions: Vec<ClaimContradiction>,
    /// Contradictions that the judge reports but the members' quoted words do not confirm. No agreement is
    /// reported on these points.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unverified: Vec<UnverifiedContradiction>,
    /// Number of the judge's claims that were left out because no member's words for them were found.
    #[serde(skip_serializing_if = "is_zero")]
    pub dropped: u32,
    /// Claims made by only one member.
    pub unique: Vec<UniqueClaim>,
    /// Points that no answer covers, in the judge's words.
    pub blind_spots: Vec<String>,
    /// The answer's sentences, each with how well it is supported.
    pub sentences: Vec<SentenceSupport>,
    /// Number of sentences at each level, and of disputed sentences.
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
    /// The claim, in the judge's words.
    pub text: String,
    /// The sentence of the answer that makes the claim; `None` if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// One stance for each first answer, in the order of the members' letters.
    pub stances: Vec<MemberStance>,
}

/// A member's stance on a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stance {
    /// The member makes the claim; the quoted words were found in its text.
    Asserts,
    /// The member makes the claim according to the judge, and the quoted words were found, but a rule objects to them.
    Unconfirmed,
    /// The member states the opposite; the quoted words were found in its text.
    Denies,
    /// The member takes no stance, or no quotation shows one.
    #[default]
    Silent,
}

/// A member's stance with the words that show it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MemberStance {
    /// Letter that labels the member.
    pub letter: char,
    /// Full ID of the model that wrote the text.
    pub model: String,
    /// Whether the member asserts, denies, or does not mention the claim.
    pub stance: Stance,
    /// Name of the stage in which the text was written.
    pub stage: String,
    /// The member's own words, verbatim; empty if silent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub quote: String,
    /// Why a rule does not confirm the stance; empty unless it is unconfirmed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub lowered: String,
}

/// A claim on which members contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ClaimContradiction {
    /// Index of the claim in the map's `claims`.
    pub claim: usize,
    /// The reason, in the judge's words; empty if the judge gave none.
    pub why: String,
    /// The opposing members, at least two, with their own words.
    pub sides: Vec<ContradictionSide>,
}

/// A contradiction that the judge reports but the members' quoted words do not show.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UnverifiedContradiction {
    /// The subject, in the judge's words; empty if the judge does not give one.
    pub point: String,
    /// The reason, in the judge's words; empty if the judge gave none.
    pub why: String,
    /// Index of the claim; `None` if the map does not list it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<usize>,
}

/// One member's words in a contradiction.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ContradictionSide {
    /// Letter that labels the member.
    pub letter: char,
    /// The member's own words, verbatim.
    pub quote: String,
}

/// A claim made by only one member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UniqueClaim {
    /// Index of the claim in the map's `claims`.
    pub claim: usize,
    /// Letter that labels the member.
    pub letter: char,
}

/// How well a sentence is supported; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SupportLevel {
    /// The sentence cites no passage that was given.
    #[default]
    None,
    /// The sentence cites a passage that was given.
    Cited,
    /// The sentence quotes words that were found in a cited passage.
    Quoted,
    /// A model confirmed the sentence with a quotation found in a cited passage.
    Supported,
    /// Like `Supported`. In addition, members with at least two different models make the claim in their first
    /// answers, no member denies it, and no other member's quoted words conflict with the sentence.
    SupportedAgreed,
}

impl SupportLevel {
    /// Returns the level's name on pages and in exports.
    pub fn label(self) -> &'static str {
        match self {
            Self::None => "no source",
            Self::Cited => "cited",
            Self::Quoted => "quoted",
            Self::Supported => "supported",
            Self::SupportedAgreed => "supported, members agree",
        }
    }

    /// Returns the explanation of the level that users see next to it.
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

/// Whether a passage supports a sentence, according to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entailment {
    /// The passage says the same.
    Entails,
    /// The passage says the opposite.
    Contradicts,
    /// The passage says neither.
    Neither,
}

/// A sentence of the answer and the evidence for it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SentenceSupport {
    /// The sentence, without Markdown.
    pub text: String,
    /// Numbers of the given passages that the sentence cites.
    pub cites: Vec<u32>,
    /// How well the sentence is supported.
    pub level: SupportLevel,
    /// Whether a member denies the sentence in words that were found in its text.
    pub disputed: bool,
    /// Index into the map's `claims` of the claim that the sentence makes; `None` if it makes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<usize>,
    /// The checker's finding after Quire's rules were applied; `None` if the sentence was not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Entailment>,
    /// Number of the passage that the verdict is about; `None` without a verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passage: Option<u32>,
    /// Words of the passage that the verdict quotes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub quote: String,
    /// Why the level is not higher, if a rule or the passage prevents that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lowered: Option<String>,
}

impl SentenceSupport {
    /// Returns the explanation of this sentence's level that users see next to it.
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
    /// Number of sentences at [`SupportLevel::None`].
    pub none: u32,
    /// Number of sentences at [`SupportLevel::Cited`].
    pub cited: u32,
    /// Number of sentences at [`SupportLevel::Quoted`].
    pub quoted: u32,
    /// Number of sentences at [`SupportLevel::Supported`].
    pub supported: u32,
    /// Number of sentences at [`SupportLevel::SupportedAgreed`].
    pub supported_agreed: u32,
    /// Number of sentences that a member denies, at any level.
    pub disputed: u32,
}

impl SupportLevels {
    fn count(sentences: &[SentenceSupport]) -> Self {
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
            disputed: sentences.iter().filter(|support| support.disputed).count() as u32,
        }
    }
}

impl EvidenceMap {
    /// Creates an empty map with the reason why nothing was judged.
    pub fn without_judge(status: EvidenceStatus, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: Some(reason.into()),
            ..Self::default()
        }
    }
}
