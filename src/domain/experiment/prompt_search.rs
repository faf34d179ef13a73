//! Prompt search: what it is given and what it asks for. The decisions are in `successive_halving::search`.

use serde::{Deserialize, Serialize};

use super::{JudgeCost, Trial};

/// Maximum number of proposals of an experiment.
pub const MAX_PROPOSALS: usize = 24;
/// Number of proposals if none is given.
pub const USUAL_PROPOSALS: usize = 8;
/// Maximum length of a proposed prompt in characters.
pub const MAX_PROMPT_LENGTH: usize = 4_000;
/// Number of failures shown to the writer.
pub const SHOWN: usize = 3;
/// The search as part of a design.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SearchDesign {
    /// Index of the axis of prompts.
    pub axis: usize,
    /// Number of given configurations; the proposed ones follow.
    pub given: usize,
    /// Maximum number of proposals.
    pub most: usize,
    /// Upper bound of the usage of one proposal.
    pub declared: JudgeCost,
}

/// A request for a better prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Reflection {
    /// Index of the configuration to improve.
    pub parent: usize,
    /// Its worst evaluations.
    pub shown: Vec<Trial>,
}

/// The answer to a reflection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proposal {
    /// Index of the proposed prompt on its axis; none if no prompt could be read.
    pub place: Option<usize>,
    /// Usage of writing it.
    pub bill: JudgeCost,
}
