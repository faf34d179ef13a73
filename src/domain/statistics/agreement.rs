//! Chance-corrected agreement between two raters. Does not say which one is correct.

/// How disagreements are weighted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisagreementWeighting {
    /// All disagreements have the same weight, as is suitable for nominal labels.
    Unweighted,
    /// The weight of a disagreement is the distance between the labels.
    Linear,
    /// The weight of a disagreement is the squared distance between the labels.
    Quadratic,
}

/// Returns Cohen's kappa (1960; weighted, 1968) for pairs of labels from 0 up to but excluding `kinds`.
/// `None` if there are no pairs, a label is out of range, or chance agreement is complete.
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
