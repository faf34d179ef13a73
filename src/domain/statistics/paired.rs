//! Differences between two settings on the same cases: their mean with an interval, whether it can be chance,
//! what a number of cases can detect, and corrections for many comparisons.

use super::beta::{normal_quantile, student_quantile, student_tails};
use super::chance::Chance;

/// What differences show at one look at a fixed number of cases.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Difference {
    /// The mean.
    pub mean: f64,
    /// From and to, at the confidence asked for.
    pub interval: (f64, f64),
    /// How likely so large a mean is by chance.
    pub p: f64,
    /// Cases.
    pub cases: usize,
}

/// The mean; 0 of nothing.
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation of a sample; 0 below two values.
pub fn deviation(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let middle = mean(values);
    let squares: f64 = values.iter().map(|value| (value - middle).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

/// Student's t over paired differences. Nothing below two cases. Differences that are all the same have no
/// variance to judge by: when they are not 0 the sign test decides, and the interval stays at the point.
pub fn student(differences: &[f64], confidence: f64) -> Option<Difference> {
    let cases = differences.len();
    if cases < 2 {
        return None;
    }
    let (middle, error) = (
        mean(differences),
        deviation(differences) / (cases as f64).sqrt(),
    );
    let freedom = (cases - 1) as f64;
    let (half, p) = if error > 1e-12 {
        let half = student_quantile(1.0 - confidence, freedom) * error;
        (half, student_tails(middle / error, freedom))
    } else if middle.abs() < 1e-12 {
        (0.0, 1.0)
    } else {
        (0.0, super::rate::sign_test(cases as u64, 0))
    };
    Some(Difference {
        mean: middle,
        interval: (middle - half, middle + half),
        p,
        cases,
    })
}

/// The interval of the mean by drawing cases anew (percentiles; Efron 1979). Too narrow below some ten
/// cases: there Student's t is better.
pub fn bootstrap(values: &[f64], confidence: f64, draws: usize, seed: u64) -> Option<(f64, f64)> {
    if values.len() < 2 || draws < 20 {
        return None;
    }
    let mut chance = Chance::new(seed);
    let mut means: Vec<f64> = (0..draws)
        .map(|_| {
            let drawn = (0..values.len()).map(|_| values[chance.below(values.len())]);
            drawn.sum::<f64>() / values.len() as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    Some(ends(&means, confidence))
}

/// The part of sorted values that holds the confidence, as much cut off above as below.
pub fn ends(sorted: &[f64], confidence: f64) -> (f64, f64) {
    let last = sorted.len().saturating_sub(1);
    let cut = ((1.0 - confidence) / 2.0 * last as f64).round() as usize;
    let at = |place: usize| sorted.get(place).copied().unwrap_or_default();
    (at(cut), at(last - cut.min(last)))
}

/// The smallest true difference that so many cases find with this power in a two-sided test, for differences
/// of this standard deviation. For paired yes and no that is the root of the part of cases on which the two
/// disagree.
pub fn detectable(cases: usize, deviation: f64, level: f64, power: f64) -> f64 {
    let reach = normal_quantile(1.0 - level / 2.0) + normal_quantile(power);
    reach * deviation / (cases.max(1) as f64).sqrt()
}

/// Probabilities corrected for how many they are (Holm 1979), in the order given.
pub fn holm(probabilities: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
    let mut corrected = vec![1.0; probabilities.len()];
    let mut most = 0.0_f64;
    for (rank, &place) in order.iter().enumerate() {
        most = most.max((probabilities.len() - rank) as f64 * probabilities[place]);
        corrected[place] = most.min(1.0);
    }
    corrected
}
