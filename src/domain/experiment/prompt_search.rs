//! Input and output types of the prompt search. `successive_halving::search` makes the decisions.

use serde::{Deserialize, Serialize};

use super::{JudgeCost, Trial};

/// Maximum number of proposals that an experiment may request.
pub const MAX_PROPOSALS: usize = 24;
/// Maximum number of proposals if the request does not set one.
pub const DEFAULT_PROPOSALS: usize = 8;
/// Maximum length of a proposed prompt in characters.
pub const MAX_PROMPT_LENGTH: usize = 4_000;
/// Number of failures shown to the model that writes the prompt.
pub const MAX_SHOWN_FAILURES: usize = 3;
/// The prompt search of a design.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SearchDesign {
    /// Index of the prompt axis.
    pub axis: usize,
    /// Number of configurations in the request. Those with proposed prompts come after them.
    pub given: usize,
    /// Maximum number of proposals.
    #[serde(rename = "most")]
    pub max_proposals: usize,
    /// Upper bound on the usage of one proposal.
    pub declared: JudgeCost,
}

/// A request for a better prompt, made by the race.
#[derive(Debug, Clone, PartialEq)]
pub struct Reflection {
    /// Index of the configuration to improve.
    pub parent: usize,
    /// The configuration's worst trials, which are shown to the model that writes the prompt.
    pub shown_trials: Vec<Trial>,
}

/// The response to a request for a better prompt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proposal {
    /// Index of the proposed prompt on its axis; `None` if the reply contained no prompt.
    pub prompt_index: Option<usize>,
    /// Cost and tokens of writing the proposal.
    pub bill: JudgeCost,
}
