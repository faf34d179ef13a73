//! Statistics: intervals, tests, and agreement. Pure functions over slices;
//! randomness comes from a seed. Checked against scipy and statsmodels (tests/data/statistics). Independent
//! of experiments and votes.

pub mod agreement;
pub mod beta;
pub mod betting;
pub mod paired;
pub mod prediction_powered;
pub mod proportions;
pub mod random;
#[cfg(test)]
mod tests;
