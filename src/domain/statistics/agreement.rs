//! Chance-corrected agreement between two raters. Does not say which one is correct.

/// Weighting of disagreements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisagreementWeighting {
    /// All disagreements weigh the same: nominal labels.
    Unweighted,
    /// By distance.
    Linear,
    /// By squared distance.
    Quadratic,
}

/// Returns Cohen's kappa (1960; weighted, 1968) of pairs of labels from 0 up to but excluding `kinds`. `None` without
/// pairs, with a label out of range, or if chance agreement is complete.
pub fn cohen_kappa(
    pairs: &[(usize, usize)],
    kinds: usize,
    weight: DisagreementWeighting,
) -> Option<f64> {
    if pairs.is_empty() || pairs.iter().any(|&(a, b)| a >= kinds || b >= kinds) {
        return None;
    }
    let all = pairs.len() as f64;
    let (mut first, mut second) = (vec![0.0; kinds], vec![0.0; kinds]);
    for &(a, b) in pairs {
        first[a] += 1.0 / all;
        second[b] += 1.0 / all;
    }
    let distance_of = |a: usize, b: usize| {
        let distance = a.abs_diff(b) as f64;
        match weight {
            DisagreementWeighting::Unweighted => f64::from(u8::from(a != b)),
            DisagreementWeighting::Linear => distance,
            DisagreementWeighting::Quadratic => distance * distance,
        }
    };
    let observed_disagreement: f64 =
        pairs.iter().map(|&(a, b)| distance_of(a, b)).sum::<f64>() / all;
    let mut expected = 0.0;
    for (a, first_count) in first.iter().enumerate() {
        for (b, second_count) in second.iter().enumerate() {
            expected += first_count * second_count * distance_of(a, b);
        }
    }
    (expected > 0.0).then(|| 1.0 - observed_disagreement / expected)
}
