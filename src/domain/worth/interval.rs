//! The interval of a win rate in which ties count half, for one look at a fixed number of votes.
//!
//! Jeffreys' prior for three outcomes, Dirichlet(1/2, 1/2, 1/2), which gives intervals close to their nominal
//! coverage at few votes too (Brown, Cai and DasGupta, "Interval estimation for a binomial proportion",
//! 2001, for two outcomes). The win rate is wins plus half the ties: its posterior is brought to the beta
//! distribution of the same mean and variance, so that ties narrow the interval as they should. As there, an
//! end where no vote contradicts it is open.
//!
//! Few votes without ties have few possible outcomes, so that no fixed interval covers 95 % at every rate: at
//! 5 votes and a rate of 0.1 it can only be 91.9 or 99.1 %. Then the coverage is 95 % on average over rates.

use crate::domain::statistics::beta::quantile;

/// What lies outside on each side.
const TAIL: f64 = 0.025;

/// From and to.
pub fn of(wins: f64, ties: f64, losses: f64) -> (f64, f64) {
    let all = wins + ties + losses + 1.5;
    let (win, tie) = ((wins + 0.5) / all, (ties + 0.5) / all);
    let mean = win + tie / 2.0;
    let variance = (win + tie / 4.0 - mean * mean) / (all + 1.0);
    let weight = mean * (1.0 - mean) / variance - 1.0;
    let (a, b) = (mean * weight, (1.0 - mean) * weight);
    let from = if wins + ties > 0.0 {
        quantile(a, b, TAIL)
    } else {
        0.0
    };
    let to = if losses + ties > 0.0 {
        quantile(a, b, 1.0 - TAIL)
    } else {
        1.0
    };
    (from, to)
}
