//! The beta distribution and, derived from it, Student's t distribution and the normal distribution, with their
//! quantiles. Uses functions from `statrs`. Accurate to about ten digits for up to 10,000 cases.

use std::f64::consts::SQRT_2;

pub use statrs::function::gamma::ln_gamma;
use statrs::function::{beta, erf};

/// Returns a quantile of the beta distribution, to twelve digits.
pub fn beta_quantile(a: f64, b: f64, probability: f64) -> f64 {
    // `statrs` also has an inverse function, but that converges slowly for small `a` or `b`.
    bisect(0.0, 1.0, |x| regularized_beta(a, b, x) < probability)
}

/// Computes the regularized incomplete beta function; NaN outside its domain.
pub fn regularized_beta(a: f64, b: f64, x: f64) -> f64 {
    beta::checked_beta_reg(a, b, x.clamp(0.0, 1.0)).unwrap_or(f64::NAN)
}

/// Returns a quantile of the standard normal distribution.
pub fn normal_quantile(probability: f64) -> f64 {
    -SQRT_2 * erf::erfc_inv(2.0 * probability)
}

/// Returns the two-sided tail probability of Student's t with `degrees_of_freedom` degrees of freedom.
pub fn student_t_tail_probability(t: f64, degrees_of_freedom: f64) -> f64 {
    regularized_beta(
        degrees_of_freedom / 2.0,
        0.5,
        degrees_of_freedom / (degrees_of_freedom + t * t),
    )
}

/// Returns the two-sided quantile of Student's t: the value that |t| exceeds with probability `tail_probability`.
pub fn student_t_quantile(tail_probability: f64, degrees_of_freedom: f64) -> f64 {
    bisect(0.0, 1e6, |t| {
        student_t_tail_probability(t, degrees_of_freedom) > tail_probability
    })
}

/// Finds by bisection the point below which a condition is true and above which it is false.
fn bisect(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
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
