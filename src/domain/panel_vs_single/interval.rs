//! Confidence interval of a win rate, with ties as half wins, for a single look at a fixed number of votes.
//!
//! Uses Jeffreys' prior for three outcomes, Dirichlet(1/2, 1/2, 1/2). For two outcomes, the intervals from
//! this prior have close to nominal coverage even with few votes (Brown, Cai, and DasGupta, "Interval
//! estimation for a binomial proportion", 2001). The posterior of the win rate (wins plus half the ties) is
//! approximated by the beta distribution with the same mean and variance, so that ties narrow the interval.
//! As in that paper, the interval extends to 0 or 1 if no vote contradicts that bound.
//!
//! A few votes without ties have few possible outcomes, so no fixed interval covers 95% at every rate: with 5
//! votes and a rate of 0.1, for example, only 91.9% or 99.1% is possible. In that case, coverage is 95% on
//! average over all rates.

use crate::domain::statistics::beta::beta_quantile;

/// Probability outside of the interval on each side.
const TAIL_PROBABILITY: f64 = 0.025;

/// Returns the bounds, from 0 to 1, of the 95% interval of the win rate. Ties count as half wins.
pub fn win_rate_interval(wins: f64, ties: f64, losses: f64) -> (f64, f64) {
    let all = wins + ties + losses + 1.5;
    let (win, tie) = ((wins + 0.5) / all, (ties + 0.5) / all);
    let mean = win + tie / 2.0;
    let variance = (win + tie / 4.0 - mean * mean) / (all + 1.0);
    let weight = mean * (1.0 - mean) / variance - 1.0;
    let (a, b) = (mean * weight, (1.0 - mean) * weight);
    let from = if wins + ties > 0.0 {
        beta_quantile(a, b, TAIL_PROBABILITY)
    } else {
        0.0
    };
    let to = if losses + ties > 0.0 {
        beta_quantile(a, b, 1.0 - TAIL_PROBABILITY)
    } else {
        1.0
    };
    (from, to)
}
