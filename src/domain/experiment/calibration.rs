//! Calibration of automatic scores: their chance-corrected agreement with the user's own judgments on the
//! same pairs. With few labels, no conclusion is drawn.

use serde::Serialize;

use super::pairwise::Preferred;
use crate::domain::statistics::agreement::{DisagreementWeighting, cohen_kappa};
use crate::domain::statistics::paired::percentile_interval;
use crate::domain::statistics::random::Random;

/// Minimum number of labels before a conclusion about trust is drawn.
pub const MIN_LABELS: usize = 20;
/// Minimum kappa for scores to be trusted.
pub const MIN_KAPPA: f64 = 0.4;
/// Number of bootstrap resamples for the confidence interval.
const RESAMPLES: usize = 500;

/// Agreement between automatic scores and the user's judgments.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// Number of pairs judged both automatically and by the user.
    pub labels: usize,
    /// Cohen's kappa with linear weights, in which a tie ranks between the two sides; `None` if undefined.
    pub kappa: Option<f64>,
    /// 95% bootstrap confidence interval of kappa, resampling pairs.
    pub interval: Option<(f64, f64)>,
    /// Fraction of pairs on which the two judgments differ, 0 to 1.
    pub errors: Option<f64>,
    /// Whether the scores are trusted; `None` if there are too few labels.
    pub trusted: Option<bool>,
    /// The conclusion as text.
    pub words: String,
}

/// Computes the calibration from pairs of the user's judgment and the automatic one.
pub fn calibrate(pairs: &[(Preferred, Preferred)]) -> Calibration {
    let numbers: Vec<(usize, usize)> = pairs
        .iter()
        .map(|&(a, b)| (preference_rank(a), preference_rank(b)))
        .collect();
    let kappa_of = |pairs: &[(usize, usize)]| cohen_kappa(pairs, 3, DisagreementWeighting::Linear);
    let labels = pairs.len();
    let kappa_estimate = kappa_of(&numbers);
    let trusted = kappa_estimate
        .filter(|_| labels >= MIN_LABELS)
        .map(|kappa| kappa >= MIN_KAPPA);
    let differ = pairs.iter().filter(|(left, right)| left != right).count();
    Calibration {
        labels,
        kappa: kappa_estimate,
        interval: interval(&numbers, kappa_of),
        errors: (labels > 0).then(|| differ as f64 / labels as f64),
        trusted,
        words: calibration_sentence(labels, kappa_estimate, trusted),
    }
}

impl Calibration {
    /// Returns a conclusion drawn from the scores, preceded by a warning if the scores are not trusted.
    pub fn qualify_conclusion(&self, conclusion: String) -> String {
        match (self.trusted, self.kappa) {
            (Some(false), Some(kappa)) => format!(
                "Not trusted, because the scores agree poorly with your judgments on {} pairs (\u{3ba} {:.2}): \
                 {conclusion}",
                self.labels,
                display_kappa(kappa)
            ),
            _ => conclusion,
        }
    }
}

// Rounds to hundredths. Adding 0 turns -0 into 0, so that "-0.00" is never shown.
fn display_kappa(kappa: f64) -> f64 {
    (kappa * 100.0).round() / 100.0 + 0.0
}

fn preference_rank(preferred: Preferred) -> usize {
    match preferred {
        Preferred::First => 0,
        Preferred::Neither => 1,
        Preferred::Second => 2,
    }
}

fn interval(
    pairs: &[(usize, usize)],
    kappa_of: impl Fn(&[(usize, usize)]) -> Option<f64>,
) -> Option<(f64, f64)> {
    if pairs.len() < 2 {
        return None;
    }
    let mut random = Random::new(pairs.len() as u64);
    let mut resampled: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            let again: Vec<_> = (0..pairs.len())
                .map(|_| pairs[random.index_below(pairs.len())])
                .collect();
            kappa_of(&again)
        })
        .collect();
    resampled.sort_by(f64::total_cmp);
    // Resampling identical pairs shows no variance, yet the next pair may differ, so no interval is given.
    let (from, to) = (!resampled.is_empty()).then(|| percentile_interval(&resampled, 0.95))?;
    (to - from > 1e-9).then_some((from, to))
}

fn calibration_sentence(labels: usize, kappa: Option<f64>, trusted: Option<bool>) -> String {
    match (kappa.map(display_kappa), trusted) {
        _ if labels == 0 => {
            "You have not judged any pairs yet, so agreement with these scores is unknown."
                .to_owned()
        }
        (Some(kappa), Some(true)) => {
            format!("The scores agree with your judgments on {labels} pairs (\u{3ba} {kappa:.2}).")
        }
        (Some(kappa), Some(false)) => format!(
            "Not trusted: the scores agree poorly with your judgments on {labels} pairs (\u{3ba} {kappa:.2}, below {MIN_KAPPA})."
        ),
        _ => format!(
            "You have judged {labels} pairs; {MIN_LABELS} are needed to assess agreement with the scores."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Preferred::{First, Neither, Second};

    /// Simulates a judge that is right with the given probability and answers randomly otherwise.
    fn calibration_of(labels: usize, right: f64) -> Calibration {
        let mut random = Random::new(5);
        let all = [First, Neither, Second];
        let pairs: Vec<_> = (0..labels)
            .map(|_| {
                let person = all[random.index_below(3)];
                let judge = match random.next_unit() < right {
                    true => person,
                    false => all[random.index_below(3)],
                };
                (person, judge)
            })
            .collect();
        calibrate(&pairs)
    }

    #[test]
    fn agreement_falls_as_noise_grows() {
        let kappas: Vec<f64> = [1.0, 0.8, 0.5, 0.2, 0.0]
            .map(|right| calibration_of(300, right).kappa.expect("many labels"))
            .to_vec();
        assert!(kappas.is_sorted_by(|a, b| a >= b), "{kappas:?}");
        assert!(
            (kappas[0] - 1.0).abs() < 1e-12 && kappas[4].abs() < 0.15,
            "{kappas:?}"
        );
        assert_eq!(calibration_of(300, 0.8).trusted, Some(true));
        assert_eq!(calibration_of(300, 0.2).trusted, Some(false));
        assert!(calibration_of(300, 0.2).words.starts_with("Not trusted:"));
    }

    /// All 24 of the user's verdicts contradict the judge.
    #[test]
    fn a_conclusion_from_scores_that_are_not_trusted_says_so() {
        let calibration = calibrate(&[(First, Second); 24]);
        assert_eq!(
            (calibration.trusted, calibration.interval),
            (Some(false), None)
        );
        let words = calibration
            .qualify_conclusion("model p/b is better than the first configuration.".to_owned());
        assert_eq!(
            words,
            "Not trusted, because the scores agree poorly with your judgments on 24 pairs (\u{3ba} 0.00): model p/b is \
             better than the first configuration."
        );
        let trusted = calibration_of(300, 0.8);
        assert_eq!(trusted.qualify_conclusion("It is.".to_owned()), "It is.");
    }

    #[test]
    fn few_labels_claim_nothing() {
        for labels in [0, 1, MIN_LABELS - 1] {
            let calibration = calibration_of(labels, 1.0);
            assert_eq!((calibration.labels, calibration.trusted), (labels, None));
        }
        let (from, to) = calibration_of(60, 0.8).interval.expect("labels");
        let kappa = calibration_of(60, 0.8).kappa.expect("labels");
        assert!(
            from < kappa && kappa < to && to - from < 0.6,
            "{from} {kappa} {to}"
        );
    }
}
