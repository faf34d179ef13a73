//! Statistics: intervals, tests, agreement, and detectable differences. Pure functions over slices;
//! randomness comes from a seed. Checked against scipy and statsmodels (tests/data/statistics). Independent
//! of experiments and votes.

pub mod agreement;
pub mod beta;
pub mod chance;
pub mod paired;
pub mod rate;
pub mod sequence;
#[cfg(test)]
mod tests;
