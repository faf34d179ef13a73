//! What can be told of a panel's answers by comparing them: how far they say the same. Judges wording,
//! numbers and negations, not truth.

mod clusters;

pub use clusters::agreement;
