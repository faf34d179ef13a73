//! Statistics: intervals, tests, agreement, and detectable differences. Pure functions over slices;
//! randomness comes from a seed. Checked against scipy and statsmodels (tests/data/statistics). Independent
//! of experiments and votes.

pub mod agreement;
pub mod beta;
pub mod paired;
pub mod proportions;
pub mod random;
pub mod sequence;
#[cfg(test)]
mod tests;
