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

/// Where the beta distribution reaches this probability, by halving: the function is monotone, and it need
/// not be fast.
fn quantile(a: f64, b: f64, probability: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if beta(a, b, middle) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

/// The regularised incomplete beta function, by its continued fraction (Abramowitz and Stegun 26.5.8), on the
/// side where that converges fast.
pub(super) fn beta(a: f64, b: f64, x: f64) -> f64 {
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta(b, a, 1.0 - x);
    }
    if x <= 0.0 {
        return 0.0;
    }
    let log_front = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln();
    log_front.exp() / a / fraction(a, b, x)
}

/// 1 + d1/(1 + d2/(1 + …)), evaluated from the front (Lentz 1976).
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let part = |step: u32| {
        let half = f64::from(step / 2);
        if step.is_multiple_of(2) {
            half * (b - half) * x / ((a + 2.0 * half - 1.0) * (a + 2.0 * half))
        } else {
            -(a + half) * (a + b + half) * x / ((a + 2.0 * half) * (a + 2.0 * half + 1.0))
        }
    };
    let (mut value, mut above, mut below) = (1.0, 1.0, 0.0);
    for step in 1..1_000 {
        let part = part(step);
        below = 1.0 / nonzero(1.0 + part * below, TINY);
        above = nonzero(1.0 + part / above, TINY);
        value *= above * below;
        if (above * below - 1.0).abs() < 1e-14 {
            break;
        }
    }
    value
}

fn nonzero(value: f64, least: f64) -> f64 {
    if value.abs() < least { least } else { value }
}

/// Stirling's series, after the argument was brought to where it is exact.
pub(super) fn ln_gamma(mut x: f64) -> f64 {
    let mut below = 1.0;
    while x < 10.0 {
        below *= x;
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let series =
        (1.0 / 12.0 - inverse * (1.0 / 360.0 - inverse * (1.0 / 1260.0 - inverse / 1680.0))) / x;
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - f64::ln(below)
}
