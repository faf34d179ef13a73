//! Statistics that say what figures show and what they do not: intervals, tests, agreement, and what a
//! number of cases can detect. Pure functions over slices, the same for the same arguments; chance comes in
//! as a seed. Checked against what scipy and statsmodels say (tests/data/statistics). Knows nothing of
//! experiments or votes.

pub mod agreement;
pub mod beta;
pub mod chance;
pub mod paired;
pub mod rate;
pub mod sequence;
#[cfg(test)]
mod tests;
