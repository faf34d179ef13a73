//! Paired differences of two configurations on the same cases: mean with interval, significance, detectable
//! differences, and corrections for multiple comparisons.

use super::beta::{normal_quantile, student_quantile, student_tails};

/// Result of a paired comparison at a fixed number of cases.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PairedDifference {
    /// Mean difference.
    pub mean: f64,
    /// Confidence interval at the requested level.
    pub interval: (f64, f64),
    /// Two-sided p-value.
    pub p: f64,
    /// Number of cases.
    pub cases: usize,
}

/// Mean; 0 for an empty slice.
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.iter().sum::<f64>() / values.len() as f64
}

/// Sample standard deviation; 0 for fewer than two values.
pub fn deviation(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let middle = mean(values);
    let squares: f64 = values.iter().map(|value| (value - middle).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

/// Student's t-test over paired differences. None for fewer than two cases. Identical differences have no
/// variance: if they are not 0, the p-value is that of the sign test, and the interval is a point.
pub fn student(differences: &[f64], confidence: f64) -> Option<PairedDifference> {
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
        (0.0, super::proportions::sign_test(cases as u64, 0))
    };
    Some(PairedDifference {
        mean: middle,
        interval: (middle - half, middle + half),
        p,
        cases,
    })
}

/// Central interval of sorted values at this confidence, cutting equally at both ends.
pub fn ends(sorted: &[f64], confidence: f64) -> (f64, f64) {
    let last = sorted.len().saturating_sub(1);
    let cut = ((1.0 - confidence) / 2.0 * last as f64).round() as usize;
    let at = |place: usize| sorted.get(place).copied().unwrap_or_default();
    (at(cut), at(last - cut.min(last)))
}

/// Smallest true difference that `cases` cases detect with this power in a two-sided test, for differences
/// with this standard deviation. For paired binary outcomes the deviation is the square root of the fraction
/// of cases on which the two disagree.
pub fn detectable(cases: usize, deviation: f64, level: f64, power: f64) -> f64 {
    let reach = normal_quantile(1.0 - level / 2.0) + normal_quantile(power);
    reach * deviation / (cases.max(1) as f64).sqrt()
}

/// P-values corrected for multiple comparisons (Holm 1979), in the order given.
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
