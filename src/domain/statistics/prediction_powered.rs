//! Prediction-powered inference: if labels are known for only a few cases but predictions are known for all, the
//! predictions make the estimate of the mean label more precise. They may be biased, because the labeled cases correct
//! them. Sources: Angelopoulos et al., "Prediction-powered inference" (2023), and "PPI++" (2023) for the weight of the
//! predictions, which keeps the interval no wider than the interval from the labels alone if the predictions are
//! uninformative.

use super::beta::student_t_quantile;
use super::paired::{mean, paired_t_test, standard_deviation};

/// Minimum number of labels for an estimate.
const MIN_LABELS: usize = 5;

/// Estimate of the mean label over all cases.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct PredictionPoweredMean {
    /// Estimate of the mean label.
    pub mean: f64,
    /// Confidence interval of the estimate.
    pub interval: (f64, f64),
    /// Confidence interval based on the labels alone.
    pub labels_alone: (f64, f64),
    /// Number of labeled cases.
    pub labels: usize,
    /// Number of other cases, for which only predictions are known.
    pub predictions: usize,
    /// Weight of the predictions; 0 if they are uninformative.
    pub weight: f64,
}

/// Estimates the mean label from pairs of (label, prediction) and the predictions for the other cases. The
/// labeled cases must be a random sample of all cases. `None` if there are too few labels.
pub fn prediction_powered_mean(
    labeled: &[(f64, f64)],
    others: &[f64],
    confidence: f64,
) -> Option<PredictionPoweredMean> {
    let labels: Vec<f64> = labeled.iter().map(|(label, _)| *label).collect();
    let alone = paired_t_test(&labels, confidence).filter(|_| labels.len() >= MIN_LABELS)?;
    let (n, rest) = (labels.len() as f64, others.len() as f64);
    let weight = optimal_weight(labeled, others);
    let residuals: Vec<f64> = labeled.iter().map(|(y, p)| y - weight * p).collect();
    let middle = mean(&residuals) + weight * mean(others);
    // The weight is one more parameter that was estimated from the labels, hence n - 2. If most predictions are right,
    // few residuals are nonzero, and the variance is underestimated. To preserve coverage, one more residual is added,
    // with the variance of the labels themselves.
    let residual_variance = standard_deviation(&residuals).powi(2) * (n - 1.0) / (n - 2.0);
    let noise = (n * residual_variance + standard_deviation(&labels).powi(2)) / (n + 1.0) / n;
    let spread = match others.len() {
        0 => 0.0,
        _ => (weight * standard_deviation(others)).powi(2) / rest,
    };
    let error = (noise + spread).sqrt();
    if weight == 0.0 || error < 1e-12 {
        return Some(PredictionPoweredMean {
            mean: alone.mean,
            interval: alone.interval,
            labels_alone: alone.interval,
            labels: labels.len(),
            predictions: others.len(),
            weight: 0.0,
        });
    }
    let half = student_t_quantile(1.0 - confidence, n - 2.0) * error;
    Some(PredictionPoweredMean {
        mean: middle,
        interval: (middle - half, middle + half),
        labels_alone: alone.interval,
        labels: labels.len(),
        predictions: others.len(),
        weight,
    })
}

/// Returns the weight of the predictions that minimizes the variance of the estimate (PPI++).
fn optimal_weight(labeled: &[(f64, f64)], others: &[f64]) -> f64 {
    if others.len() < 2 {
        return 0.0;
    }
    let n = labeled.len() as f64;
    let middle = |of: fn(&(f64, f64)) -> f64| labeled.iter().map(of).sum::<f64>() / n;
    let (label, prediction) = (middle(|pair| pair.0), middle(|pair| pair.1));
    let products = labeled.iter().map(|(y, p)| (y - label) * (p - prediction));
    let covariance = products.sum::<f64>() / (n - 1.0);
    let squares = labeled.iter().map(|(_, p)| (p - prediction).powi(2));
    let variance = squares.sum::<f64>() / (n - 1.0);
    if variance < 1e-12 {
        return 0.0;
    }
    covariance / (variance * (1.0 + n / others.len() as f64))
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    /// Draws a label of -1, 0, or 1, and the prediction of a judge that repeats the label with the given
    /// probability and otherwise says +1, which is a bias.
    fn draw_pair(random: &mut Random, right: f64) -> (f64, f64) {
        let label = match random.next_unit() {
            x if x < 0.45 => 1.0,
            x if x < 0.7 => 0.0,
            _ => -1.0,
        };
        let prediction = if random.next_unit() < right {
            label
        } else {
            1.0
        };
        (label, prediction)
    }

    /// Measures, with 30 labeled and 170 unlabeled cases, how often the interval covers the true mean, and how wide it
    /// is relative to the interval from the labels alone.
    fn measure_coverage(right: f64) -> (f64, f64) {
        const RUNS: usize = 2_000;
        let mut random = Random::new(51);
        let (mut covered_count, mut width, mut alone) = (0, 0.0, 0.0);
        for _ in 0..RUNS {
            let labeled: Vec<_> = (0..30).map(|_| draw_pair(&mut random, right)).collect();
            let others: Vec<f64> = (0..170).map(|_| draw_pair(&mut random, right).1).collect();
            let estimate = prediction_powered_mean(&labeled, &others, 0.95).expect("labels");
            covered_count +=
                usize::from(estimate.interval.0 <= 0.15 && 0.15 <= estimate.interval.1);
            width += estimate.interval.1 - estimate.interval.0;
            alone += estimate.labels_alone.1 - estimate.labels_alone.0;
        }
        (covered_count as f64 / RUNS as f64, width / alone)
    }

    #[test]
    fn a_judge_narrows_the_interval_and_keeps_its_coverage() {
        for (right, max_width) in [(0.95, 0.6), (0.9, 0.7), (0.7, 0.85), (0.0, 1.05)] {
            let (coverage, width) = measure_coverage(right);
            assert!((0.93..=0.97).contains(&coverage), "{right}: {coverage}");
            assert!(width < max_width, "{right}: {width}");
        }
    }

    #[test]
    fn without_use_the_predictions_are_left_out() {
        let constant: Vec<_> = (0..10).map(|place| (f64::from(place % 2), 1.0)).collect();
        let estimate = prediction_powered_mean(&constant, &[1.0; 50], 0.95).expect("labels");
        assert_eq!(
            (estimate.weight, estimate.interval),
            (0.0, estimate.labels_alone)
        );
        assert_eq!(
            prediction_powered_mean(&constant[..4], &[1.0; 50], 0.95),
            None
        );
        let none = prediction_powered_mean(&constant, &[], 0.95).expect("labels");
        assert_eq!(none.interval, none.labels_alone);
        assert!((none.mean - 0.5).abs() < 1e-12);
    }
}
