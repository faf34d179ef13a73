//! Paired differences of two configurations on the same cases: mean with interval, significance, and
//! corrections for multiple comparisons.

use super::beta::{student_t_quantile, student_t_tail_probability};

/// Result of a paired comparison at a fixed number of cases.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PairedDifference {
    /// Mean of the differences between the pairs.
    pub mean: f64,
    /// Confidence interval at the requested level.
    pub interval: (f64, f64),
    /// Two-sided p-value.
    pub p: f64,
    /// Number of cases for which both values exist.
    pub cases: usize,
}

/// Returns the mean; 0 for an empty slice.
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.iter().sum::<f64>() / values.len() as f64
}

/// Returns the sample standard deviation; 0 for fewer than two values.
pub fn standard_deviation(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let middle = mean(values);
    let squares: f64 = values.iter().map(|value| (value - middle).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

/// Computes Student's t-test over paired differences. `None` for fewer than two cases. Identical differences
/// have no variance. In that case, the interval is a point and, unless the differences are 0, the p-value is
/// that of the sign test.
pub fn paired_t_test(differences: &[f64], confidence: f64) -> Option<PairedDifference> {
    let cases = differences.len();
    if cases < 2 {
        return None;
    }
    let (middle, error) = (
        mean(differences),
        standard_deviation(differences) / (cases as f64).sqrt(),
    );
    let half = match error > 1e-12 {
        true => student_t_quantile(1.0 - confidence, (cases - 1) as f64) * error,
        false => 0.0,
    };
    Some(PairedDifference {
        mean: middle,
        interval: (middle - half, middle + half),
        p: paired_t_test_p_value(differences),
        cases,
    })
}

/// Returns the two-sided p-value of Student's t-test, as in `paired_t_test`; 1 for fewer than two cases.
pub fn paired_t_test_p_value(differences: &[f64]) -> f64 {
    let cases = differences.len();
    let error = standard_deviation(differences) / (cases.max(1) as f64).sqrt();
    let middle = mean(differences);
    match cases {
        0 | 1 => 1.0,
        _ if error > 1e-12 => student_t_tail_probability(middle / error, (cases - 1) as f64),
        _ if middle.abs() < 1e-12 => 1.0,
        _ => super::proportions::sign_test(cases as u64, 0),
    }
}

/// Returns the central interval of sorted values at this confidence level, which leaves out equally many
/// values at both ends.
pub fn percentile_interval(sorted: &[f64], confidence: f64) -> (f64, f64) {
    let last = sorted.len().saturating_sub(1);
    let tail_index = ((1.0 - confidence) / 2.0 * last as f64).round() as usize;
    let at = |place: usize| sorted.get(place).copied().unwrap_or_default();
    (at(tail_index), at(last - tail_index.min(last)))
}

/// Returns the p-values corrected for multiple comparisons (Holm 1979), in the given order.
pub fn holm_adjusted(probabilities: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
    let mut corrected = vec![1.0; probabilities.len()];
    let mut running_max = 0.0_f64;
    for (rank, &place) in order.iter().enumerate() {
        running_max = running_max.max((probabilities.len() - rank) as f64 * probabilities[place]);
        corrected[place] = running_max.min(1.0);
    }
    corrected
}
