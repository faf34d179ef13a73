//! Estimates how strongly a person prefers the leader to the current configuration, from the person's own verdicts on
//! some cases and the scores of all cases (prediction-powered inference). The scores may be biased; the verdicts
//! correct them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Trial;
use super::intervals::difference_interval;
use super::pairwise::Preferred;
use super::record::Judgment;
use super::successive_halving::SuccessiveHalving;
use super::verdict_sentence::Baseline;
use crate::domain::statistics::prediction_powered::{
    PredictionPoweredMean, prediction_powered_mean,
};

/// A person's preference, from -1 (always the current configuration) to 1 (always the leader).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PersonPreference {
    /// The estimate with its intervals.
    #[serde(flatten)]
    pub estimate: PredictionPoweredMean,
    /// The conclusion as text.
    pub words: String,
}

/// Estimates the preference; `None` if there are too few verdicts on this pair, or if the current configuration leads.
pub fn estimate_preference(
    race: &SuccessiveHalving,
    leader: usize,
    judgments: &[Judgment],
    baseline: Baseline,
) -> Option<PersonPreference> {
    let current = race.design().current;
    let user_judgments = judgments.iter().filter(|judgment| {
        judgment.judge.is_none()
            && (judgment.first_index, judgment.second_index)
                == (leader.min(current), leader.max(current))
    });
    let labels: BTreeMap<usize, f64> = user_judgments
        .map(|judgment| {
            let first = match judgment.preferred_side {
                Preferred::First => 1.0,
                Preferred::Neither => 0.0,
                Preferred::Second => -1.0,
            };
            (judgment.case, if leader < current { first } else { -first })
        })
        .collect();
    let score = |arm: usize, case: usize| {
        let outcome = race.results().get(&Trial { arm, case })?;
        Some(outcome.score)
    };
    let (mut labeled, mut others) = (Vec::new(), Vec::new());
    for case in 0..race.design().cases {
        let Some((leader_score, current_score)) = score(leader, case).zip(score(current, case))
        else {
            continue;
        };
        match labels.get(&case) {
            Some(&label) => labeled.push((label, leader_score - current_score)),
            None => others.push(leader_score - current_score),
        }
    }
    let estimate =
        prediction_powered_mean(&labeled, &others, 0.95).filter(|_| leader != current)?;
    // A few identical verdicts show no variance, yet the next verdict may differ.
    let label_values: Vec<f64> = labeled.iter().map(|(label, _)| *label).collect();
    let alone = difference_interval(&label_values);
    let estimate = PredictionPoweredMean {
        interval: match estimate.weight {
            0.0 => alone,
            _ => clamp_interval(estimate.interval),
        },
        labels_alone: alone,
        ..estimate
    };
    Some(PersonPreference {
        words: preference_sentence(&estimate, baseline.name()),
        estimate,
    })
}

fn clamp_interval((from, to): (f64, f64)) -> (f64, f64) {
    (from.max(-1.0), to.min(1.0))
}

fn preference_sentence(estimate: &PredictionPoweredMean, baseline: &str) -> String {
    let finding = match estimate.interval {
        (from, _) if from > 0.0 => format!("You prefer the leader to {baseline}"),
        (_, to) if to < 0.0 => format!("You prefer {baseline} to the leader"),
        _ => format!("Your verdicts do not yet show which you prefer, the leader or {baseline}"),
    };
    let ((from, to), (labels_from, labels_to)) = (estimate.interval, estimate.labels_alone);
    let score_note = match estimate.weight {
        0.0 => String::new(),
        _ => format!(
            ", sharpened by the scores of {} other cases; your verdicts alone would give {labels_from:+.2} to \
             {labels_to:+.2}",
            estimate.predictions
        ),
    };
    format!(
        "{finding}: {:+.2} on a scale from -1 to 1, likely between {from:+.2} and {to:+.2}, from {} verdicts of \
         yours{score_note}.",
        estimate.mean, estimate.labels
    )
}
