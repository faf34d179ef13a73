//! Chance-corrected agreement between two rankings or two raters. Does not tell which is correct.

/// Weighting of disagreements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// All disagreements weigh the same: nominal labels.
    Same,
    /// By distance.
    Linear,
    /// By squared distance.
    Quadratic,
}

/// Cohen's kappa (1960, weighted 1968) of pairs of labels from 0 to below `kinds`. None without pairs, with a
/// label out of range, or if chance agreement is complete.
pub fn kappa(pairs: &[(usize, usize)], kinds: usize, weight: Weight) -> Option<f64> {
    if pairs.is_empty() || pairs.iter().any(|&(a, b)| a >= kinds || b >= kinds) {
        return None;
    }
    let all = pairs.len() as f64;
    let (mut first, mut second) = (vec![0.0; kinds], vec![0.0; kinds]);
    for &(a, b) in pairs {
        first[a] += 1.0 / all;
        second[b] += 1.0 / all;
    }
    let apart = |a: usize, b: usize| {
        let distance = a.abs_diff(b) as f64;
        match weight {
            Weight::Same => f64::from(u8::from(a != b)),
            Weight::Linear => distance,
            Weight::Quadratic => distance * distance,
        }
    };
    let seen: f64 = pairs.iter().map(|&(a, b)| apart(a, b)).sum::<f64>() / all;
    let mut expected = 0.0;
    for (a, one) in first.iter().enumerate() {
        for (b, other) in second.iter().enumerate() {
            expected += one * other * apart(a, b);
        }
    }
    (expected > 0.0).then(|| 1.0 - seen / expected)
}

/// Kendall's tau-b rank correlation with ties, -1 to 1. None if either ranking has only ties.
pub fn kendall(first: &[f64], second: &[f64]) -> Option<f64> {
    let length = first.len().min(second.len());
    let (mut agreement, mut ordered_first, mut ordered_second) = (0.0, 0.0_f64, 0.0_f64);
    for later in 1..length {
        for earlier in 0..later {
            let a = sign(first[later] - first[earlier]);
            let b = sign(second[later] - second[earlier]);
            agreement += a * b;
            ordered_first += a * a;
            ordered_second += b * b;
        }
    }
    let all = (ordered_first * ordered_second).sqrt();
    (all > 0.0).then(|| agreement / all)
}

fn sign(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value.signum() }
}
