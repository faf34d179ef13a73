//! Votes on closed questions: counts the answers that say the same, breaks ties, and gives the winner's words in
//! the form that was asked for. Unreadable answers are not guessed.

pub mod calibration;
mod count;
pub mod form;
mod outcome;
mod requested_number;
mod stored;
mod tie;
mod waves;

pub use count::{BallotCount, VoteChoice, choice, count};
pub use outcome::{Ballots, VoteDecision, VoteOutcome, decide, needs_synthesizer};
pub use stored::StoredVote;
pub use tie::tie_stage;
pub use waves::{calling_order, is_decided};
