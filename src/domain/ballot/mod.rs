//! Votes on closed questions: groups equal answers, breaks ties, and returns the winner's words in the
//! requested form. Never guesses what an unreadable answer means.

pub mod calibration;
mod closing_form;
mod count;
pub mod form;
mod number_words;
mod outcome;
mod requested_number;
mod stored;
mod tie;
mod waves;

pub use count::{BallotCount, VoteChoice, choice_of, count};
pub use outcome::{Ballots, VoteDecision, VoteOutcome, decide_vote, needs_synthesizer};
pub use stored::StoredVote;
pub use tie::tie_stage;
pub use waves::{call_order, is_decided};
