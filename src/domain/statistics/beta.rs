//! The beta distribution and what is made of it: Student's t and the normal distribution, with their
//! quantiles. Accurate to about ten digits, never fast; refuses nothing, so arguments must be sensible.

/// Where the beta distribution reaches this probability, by halving: the function is monotone, and it need
/// not be fast.
pub fn quantile(a: f64, b: f64, probability: f64) -> f64 {
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
pub fn beta(a: f64, b: f64, x: f64) -> f64 {
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
pub fn ln_gamma(mut x: f64) -> f64 {
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

/// The probability that a normal variable is at most x, by its power series (Abramowitz and Stegun 26.2.10).
pub fn normal(x: f64) -> f64 {
    // Beyond this the series loses its digits, and the rest is below 1e-14.
    if x.abs() > 7.5 {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    let mut term = x;
    let mut sum = x;
    for step in 1..200 {
        term *= x * x / f64::from(2 * step + 1);
        sum += term;
        if term.abs() < 1e-17 {
            break;
        }
    }
    0.5 + sum * (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt()
}

/// Where the normal distribution reaches this probability.
pub fn normal_quantile(probability: f64) -> f64 {
    halve(-7.5, 7.5, |x| normal(x) < probability)
}

/// The probability that |t| with so many degrees of freedom is at least as large as this.
pub fn student_tails(t: f64, freedom: f64) -> f64 {
    beta(freedom / 2.0, 0.5, freedom / (freedom + t * t))
}

/// The t that |t| exceeds with this probability.
pub fn student_quantile(tails: f64, freedom: f64) -> f64 {
    halve(0.0, 1e6, |t| student_tails(t, freedom) > tails)
}

/// Where a condition that holds below and fails above changes.
fn halve(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..70 {
        let middle = (low + high) / 2.0;
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}
