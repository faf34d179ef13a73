//! Estimates of configuration quality from all observations: configurations that share parameter values
//! inform each other. Used only for ranking; elimination relies on a configuration's own results (`judge`).
//!
//! The model is that an outcome is the sum of the case's difficulty, an effect of each parameter value, an
//! effect of the configuration, and noise. All effects except difficulty are shrunk toward zero when the data
//! shows little variance: best linear unbiased prediction (Henderson 1975), with variances by expectation
//! maximization (Dempster, Laird, and Rubin 1977). Prior variances count as two observations, because there
//! is hardly any other information at the start.

use super::observations::Observations;

/// Maximum number of configurations. Above it, each is estimated on its own, because the work is cubic in their number.
const MAX_CONFIGURATIONS: usize = 96;
/// Number of EM iterations. Ranking does not need exact variances: in simulations, 30 iterations ranked no better.
const EM_ITERATIONS: usize = 8;
/// Weight of a prior variance, in observations.
const PRIOR_WEIGHT: f64 = 2.0;
/// Prior variance of the noise, in squared points of the value (0 to 1).
const NOISE_VARIANCE: f64 = 0.04;
/// Prior variance of a configuration's own effect.
const OWN_EFFECT_VARIANCE: f64 = 0.002;
/// Prior variance of the effect of a parameter value.
const VALUE_EFFECT_VARIANCE: f64 = 0.001;

/// Predicts the levels of these configurations relative to the average of all tried ones. `None` if fewer than three or
/// too many configurations were tried, or if they share no values. In that case, the ranking uses the means over the
/// common cases.
pub(super) fn estimate_quality(observations: &Observations, arms: &[usize]) -> Option<Vec<f64>> {
    let all = observations.case_order.len();
    let tried_arms: Vec<usize> = (0..observations.design.arms.len())
        .filter(|&arm| observations.states[arm] != super::design::ConfigurationState::Untried)
        .collect();
    if tried_arms.len() > MAX_CONFIGURATIONS || tried_arms.len() < 3 {
        return None;
    }
    let values: Vec<Vec<f64>> = tried_arms
        .iter()
        .map(|&arm| observations.values(arm, all))
        .collect();
    let sharing = shared_values(observations, &tried_arms);
    if sharing.is_empty() {
        return None;
    }
    let levels = predict_levels(&CenteredScores::from_values(&values), &sharing);
    let level = |arm: &usize| {
        tried_arms
            .iter()
            .position(|candidate| candidate == arm)
            .map(|at| levels[at])
    };
    arms.iter().map(level).collect()
}

/// Returns, for each axis on which some but not all configurations share a value, the index of each
/// configuration's value.
fn shared_values(observations: &Observations, tried: &[usize]) -> Vec<Vec<usize>> {
    let axes = observations
        .design
        .arms
        .first()
        .map_or(0, |arm| arm.0.len());
    let places = |axis: usize| -> Vec<usize> {
        let place_of =
            |&arm: &usize| observations.design.arms[arm].0[axis].map_or(0, |index| index + 1);
        tried.iter().map(place_of).collect()
    };
    let is_informative = |places: &Vec<usize>| {
        let mut distinct = places.clone();
        distinct.sort_unstable();
        distinct.dedup();
        (2..places.len()).contains(&distinct.len())
    };
    (0..axes).map(places).filter(is_informative).collect()
}

/// Sufficient statistics of the observations, with case difficulty removed.
struct CenteredScores {
    /// Information matrix of the configuration effects.
    information: SquareMatrix,
    /// Sum of each configuration's deviations from the case means.
    deviations: Vec<f64>,
    /// Sum of the squared deviations, and its degrees of freedom.
    squares: f64,
    count: f64,
}

impl CenteredScores {
    /// Computes the statistics. Each configuration must have outcomes for the first cases in the common
    /// order, up to some number.
    fn from_values(values: &[Vec<f64>]) -> Self {
        let size = values.len();
        let mut centered = Self {
            information: SquareMatrix::new(size),
            deviations: vec![0.0; size],
            squares: 0.0,
            count: 0.0,
        };
        let mut depths: Vec<usize> = values.iter().map(Vec::len).collect();
        depths.sort_unstable();
        depths.dedup();
        let mut from = 0;
        for depth in depths {
            let observed_at_depth: Vec<usize> =
                (0..size).filter(|&at| values[at].len() >= depth).collect();
            let share = 1.0 / observed_at_depth.len() as f64;
            (from..depth).for_each(|case| {
                let middle: f64 = observed_at_depth
                    .iter()
                    .map(|&at| values[at][case])
                    .sum::<f64>()
                    * share;
                for &at in &observed_at_depth {
                    let above = values[at][case] - middle;
                    centered.deviations[at] += above;
                    centered.squares += above * above;
                }
            });
            let cases = (depth - from) as f64;
            centered.count += cases * (observed_at_depth.len() as f64 - 1.0);
            for &row_arm in &observed_at_depth {
                for &column_arm in &observed_at_depth {
                    let same_arm_weight = if row_arm == column_arm { 1.0 } else { 0.0 };
                    *centered.information.cell_mut(row_arm, column_arm) +=
                        cases * (same_arm_weight - share);
                }
            }
            from = depth;
        }
        centered
    }
}

fn predict_levels(centered: &CenteredScores, sharing: &[Vec<usize>]) -> Vec<f64> {
    let size = centered.deviations.len();
    // The effects of configurations are treated as one more axis, on which all values are distinct.
    let own_groups: Vec<usize> = (0..size).collect();
    let axes: Vec<&[usize]> = sharing
        .iter()
        .map(Vec::as_slice)
        .chain([&own_groups[..]])
        .collect();
    let usual = |axis: usize| {
        if axis < sharing.len() {
            VALUE_EFFECT_VARIANCE
        } else {
            OWN_EFFECT_VARIANCE
        }
    };
    let mut variances: Vec<f64> = (0..axes.len()).map(usual).collect();
    let mut random = NOISE_VARIANCE;
    let mut levels = vec![0.0; size];
    for _ in 0..EM_ITERATIONS {
        let prior = prior_covariance(&axes, &variances);
        // Computes `signal` = (`random` × I + `information` × `prior`)⁻¹ × `deviations`, and `weight` likewise from
        // `information` in place of `deviations`.
        let mut left = centered.information.multiply(&prior);
        (0..size).for_each(|at| *left.cell_mut(at, at) += random);
        let (signal, weight) = left.solve(&centered.deviations, &centered.information);
        levels = prior.multiply_vector(&signal);
        for (axis, places) in axes.iter().enumerate() {
            let previous_variance = variances[axis];
            let (values, combined_signal, weighted) = axis_statistics(places, &signal, &weight);
            let sum = previous_variance * values
                + previous_variance * previous_variance * (combined_signal - weighted);
            variances[axis] = (sum + PRIOR_WEIGHT * usual(axis)) / (values + PRIOR_WEIGHT);
        }
        let fitted: f64 = (0..size)
            .map(|at| levels[at] * centered.deviations[at])
            .sum();
        let again = centered.information.multiply_vector(&levels);
        let rest: f64 = (0..size).map(|at| levels[at] * again[at]).sum();
        let explained = weight.trace_with(&prior);
        let sum = centered.squares - 2.0 * fitted + rest + random * explained;
        random = (sum.max(0.0) + PRIOR_WEIGHT * NOISE_VARIANCE) / (centered.count + PRIOR_WEIGHT);
    }
    levels
}

/// Returns the prior covariance of the configurations.
fn prior_covariance(axes: &[&[usize]], variances: &[f64]) -> SquareMatrix {
    let size = axes.first().map_or(0, |places| places.len());
    let mut prior = SquareMatrix::new(size);
    for (&places, variance) in axes.iter().zip(variances) {
        for (&one, row) in places.iter().zip(prior.cells.chunks_exact_mut(size.max(1))) {
            let mut other = 0;
            while other < size {
                if places[other] == one {
                    row[other] += variance;
                }
                other += 1;
            }
        }
    }
    prior
}

/// Returns three numbers for one axis: the number of values, the sum over values of the squared sum of
/// signals, and the sum of the weights of all pairs of configurations that share a value.
fn axis_statistics(places: &[usize], signal: &[f64], weight: &SquareMatrix) -> (f64, f64, f64) {
    let value_count = places.iter().max().map_or(0, |value_count| value_count + 1);
    let mut signals: Vec<Option<f64>> = vec![None; value_count];
    for (&place, signal) in places.iter().zip(signal) {
        *signals[place].get_or_insert(0.0) += signal;
    }
    let mut weighted = 0.0;
    for (&one, row) in places
        .iter()
        .zip(weight.cells.chunks_exact(weight.size.max(1)))
    {
        let mut other = 0;
        while other < row.len() {
            if places[other] == one {
                weighted += row[other];
            }
            other += 1;
        }
    }
    let count = signals.iter().flatten().count() as f64;
    let combined_signal = signals.iter().flatten().map(|signal| signal * signal).sum();
    (count, combined_signal, weighted)
}

/// Square matrix in row-major order.
struct SquareMatrix {
    size: usize,
    cells: Vec<f64>,
}

impl SquareMatrix {
    fn new(size: usize) -> Self {
        Self {
            size,
            cells: vec![0.0; size * size],
        }
    }
    fn cell_mut(&mut self, row: usize, column: usize) -> &mut f64 {
        &mut self.cells[row * self.size + column]
    }
    fn row(&self, row: usize) -> &[f64] {
        &self.cells[row * self.size..(row + 1) * self.size]
    }
    fn multiply_vector(&self, vector: &[f64]) -> Vec<f64> {
        let product = |row| self.row(row).iter().zip(vector).map(|(a, b)| a * b).sum();
        (0..self.size).map(product).collect()
    }
    fn multiply(&self, other: &Self) -> Self {
        let mut product = Self::new(self.size);
        for row in 0..self.size {
            for (middle, &factor) in self.row(row).iter().enumerate() {
                if factor != 0.0 {
                    let target = &mut product.cells[row * self.size..(row + 1) * self.size];
                    add_scaled(target, factor, other.row(middle));
                }
            }
        }
        product
    }
    /// Returns the trace of the product of two matrices.
    fn trace_with(&self, other: &Self) -> f64 {
        let (own_cells, other_cells) = (&self.cells[..], &other.cells[..]);
        let mut sum = 0.0;
        for row in 0..self.size {
            let mut column = 0;
            while column < self.size {
                sum += own_cells[row * self.size + column] * other_cells[column * self.size + row];
                column += 1;
            }
        }
        sum
    }
    /// Solves the linear system for a vector and a matrix at once, by Gauss-Jordan elimination with partial pivoting.
    fn solve(mut self, vector: &[f64], other: &Self) -> (Vec<f64>, Self) {
        let size = self.size;
        let (mut vector, mut other) = (vector.to_vec(), other.cells.clone());
        for step in 0..size {
            let magnitude = |row: usize| self.cells[row * size + step].abs();
            let largest = (step..size).max_by(|&a, &b| magnitude(a).total_cmp(&magnitude(b)));
            let largest = largest.unwrap_or(step);
            swap_rows(&mut self.cells, size, step, largest);
            swap_rows(&mut other, size, step, largest);
            vector.swap(step, largest);
            let pivot = self.cells[step * size + step];
            let (own, pivot_row) = (
                self.row(step).to_vec(),
                other[step * size..][..size].to_vec(),
            );
            for row in (0..size).filter(|&row| row != step) {
                let factor = -self.cells[row * size + step] / pivot;
                if factor != 0.0 {
                    add_scaled(
                        &mut self.cells[row * size + step..(row + 1) * size],
                        factor,
                        &own[step..],
                    );
                    add_scaled(&mut other[row * size..(row + 1) * size], factor, &pivot_row);
                    vector[row] += factor * vector[step];
                }
            }
        }
        for row in 0..size {
            let pivot = self.cells[row * size + row];
            vector[row] /= pivot;
            other[row * size..(row + 1) * size]
                .iter_mut()
                .for_each(|cell| *cell /= pivot);
        }
        (vector, Self { size, cells: other })
    }
}

// Nearly all of a race's time is spent in these loops. They use indices rather than chained iterators so that
// they are fast even without optimization, as in tests, which simulate thousands of races.
fn add_scaled(target: &mut [f64], factor: f64, source: &[f64]) {
    let size = target.len().min(source.len());
    let mut at = 0;
    while at < size {
        target[at] += factor * source[at];
        at += 1;
    }
}

fn swap_rows(cells: &mut [f64], size: usize, first: usize, second: usize) {
    if first != second {
        let (upper, lower) = cells.split_at_mut(first.max(second) * size);
        upper[first.min(second) * size..][..size].swap_with_slice(&mut lower[..size]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::statistics::random::Random;

    /// Returns the squared errors of the levels relative to the truth, first of the predicted levels and then
    /// of plain means.
    fn level_errors(shared: f64, own: f64) -> (f64, f64) {
        let (mut predicted, mut plain) = (0.0, 0.0);
        let mut random = Random::new(7);
        for _ in 0..100 {
            let axes: Vec<Vec<usize>> = vec![
                (0..24).map(|at| at / 6).collect(),
                (0..24).map(|at| at % 6).collect(),
            ];
            let axis_effects: Vec<f64> = (0..10).map(|_| shared * random.next_normal()).collect();
            let mut true_levels: Vec<f64> = (0..24)
                .map(|at| {
                    axis_effects[axes[0][at]]
                        + axis_effects[4 + axes[1][at]]
                        + own * random.next_normal()
                })
                .collect();
            center_columns(&mut true_levels);
            let values: Vec<Vec<f64>> = (true_levels.iter())
                .map(|level| {
                    (0..3)
                        .map(|_| level + 0.15 * random.next_normal())
                        .collect()
                })
                .collect();
            let mut levels = predict_levels(&CenteredScores::from_values(&values), &axes);
            let mut means: Vec<f64> = (values.iter())
                .map(|own| own.iter().sum::<f64>() / own.len() as f64)
                .collect();
            center_columns(&mut levels);
            center_columns(&mut means);
            let squared_error = |found: &[f64]| -> f64 {
                found
                    .iter()
                    .zip(&true_levels)
                    .map(|(a, b)| (a - b).powi(2))
                    .sum()
            };
            predicted += squared_error(&levels);
            plain += squared_error(&means);
        }
        (predicted, plain)
    }

    fn center_columns(values: &mut [f64]) {
        let middle = values.iter().sum::<f64>() / values.len() as f64;
        values.iter_mut().for_each(|value| *value -= middle);
    }

    #[test]
    fn shared_values_improve_predictions() {
        let (predicted, plain) = level_errors(0.05, 0.0);
        assert!(predicted < 0.6 * plain, "{}", predicted / plain);
    }

    #[test]
    fn solutions_satisfy_their_linear_systems() {
        let mut random = Random::new(8);
        let mut left = SquareMatrix::new(7);
        left.cells
            .iter_mut()
            .for_each(|cell| *cell = random.next_normal());
        *left.cell_mut(0, 0) = 0.0;
        let mut right = SquareMatrix::new(7);
        right
            .cells
            .iter_mut()
            .for_each(|cell| *cell = random.next_normal());
        let vector: Vec<f64> = (0..7).map(|_| random.next_normal()).collect();
        let copy = SquareMatrix {
            size: 7,
            cells: left.cells.clone(),
        };
        let (solved, square) = left.solve(&vector, &right);
        let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9);
        assert!(close(&copy.multiply_vector(&solved), &vector));
        assert!(close(&copy.multiply(&square).cells, &right.cells));
    }
}
