//! Statistics: intervals, tests, and agreement. Pure functions over slices; randomness comes from a seed.
//! Results are tested against those of scipy and statsmodels (tests/data/statistics). Does not depend on
//! experiments or votes.

pub mod agreement;
pub mod beta;
pub mod betting;
pub mod paired;
pub mod prediction_powered;
pub mod proportions;
pub mod random;
#[cfg(test)]
mod tests;
