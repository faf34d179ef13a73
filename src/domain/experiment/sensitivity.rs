//! Sensitivity: the influence of each parameter, from the mean values of configurations that share its
//! values. Uses only cases that every tried configuration completed, so that all are compared on the same
//! questions. Only main effects are measured; interactions between parameters are not detected.

use serde::Serialize;
use serde_json::Value;

use super::intervals::mean_interval;
use super::successive_halving::SuccessiveHalving;
use super::{Parameter, SearchSpace};
use crate::domain::statistics::paired;

/// Influence of one parameter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Influence {
    /// The parameter whose influence is measured.
    #[serde(rename = "dial")]
    pub parameter: Parameter,
    /// Fraction of the variation between configurations that the parameter's values explain, 0 to 1. This is
    /// the sum of squares between values divided by the total, and includes noise.
    pub share: f64,
    /// Mean value of the configurations with each parameter value.
    pub values: Vec<Effect>,
    /// Number of cases that the means are computed from.
    pub cases: usize,
}

/// Effect of one parameter value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effect {
    /// The value; null stands for the model's default.
    pub value: Value,
    /// Mean value of the configurations with this parameter value.
    pub mean: f64,
    /// 95% confidence interval of the mean over cases; `None` for a single case.
    pub interval: Option<(f64, f64)>,
    /// Number of configurations with this value.
    pub settings: usize,
}

/// Computes the influence of every parameter that varies among the tried configurations, largest first.
pub(super) fn influences(
    race: &SuccessiveHalving,
    space: &SearchSpace,
    tried: &[usize],
) -> Vec<Influence> {
    let all = race.race_and_holdout_cases().0.len();
    let depth = tried.iter().map(|&arm| race.values(arm, all).len()).min();
    let Some(depth) = depth.filter(|&depth| depth > 0 && tried.len() > 1) else {
        return Vec::new();
    };
    let values: Vec<Vec<f64>> = tried.iter().map(|&arm| race.values(arm, depth)).collect();
    let means: Vec<f64> = values.iter().map(|own| paired::mean(own)).collect();
    let middle = paired::mean(&means);
    let total: f64 = means.iter().map(|mean| (mean - middle).powi(2)).sum();
    let mut influences: Vec<Influence> = Vec::new();
    for axis in &space.0 {
        // Compare values rather than indices, so that the default and a value that the model does not support
        // count as one.
        let value_of = |place: usize| {
            let arm = &race.design().arms[tried[place]];
            space
                .value(arm, axis.parameter)
                .cloned()
                .unwrap_or_default()
        };
        let mut groups: Vec<(Value, Vec<usize>)> = Vec::new();
        for place in 0..tried.len() {
            let value = value_of(place);
            match groups.iter_mut().find(|(known, _)| *known == value) {
                Some((_, members)) => members.push(place),
                None => groups.push((value, vec![place])),
            }
        }
        if groups.len() < 2 {
            continue;
        }
        let effects: Vec<Effect> = groups
            .into_iter()
            .map(|(value, members)| effect_of_value(value, &members, &values, depth))
            .collect();
        let between: f64 = effects
            .iter()
            .map(|value_effect| value_effect.settings as f64 * (value_effect.mean - middle).powi(2))
            .sum();
        influences.push(Influence {
            parameter: axis.parameter,
            share: if total > 0.0 {
                (between / total).min(1.0)
            } else {
                0.0
            },
            values: effects,
            cases: depth,
        });
    }
    influences.sort_by(|a, b| b.share.total_cmp(&a.share));
    influences
}

fn effect_of_value(value: Value, members: &[usize], values: &[Vec<f64>], depth: usize) -> Effect {
    let case_deviation = |case: usize| {
        let sum: f64 = members.iter().map(|&member| values[member][case]).sum();
        sum / members.len() as f64
    };
    let case_deviations: Vec<f64> = (0..depth).map(case_deviation).collect();
    let interval = (case_deviations.len() > 1).then(|| mean_interval(&case_deviations));
    Effect {
        value,
        mean: paired::mean(&case_deviations),
        interval,
        settings: members.len(),
    }
}
