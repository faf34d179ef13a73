//! Report of a race for users: leader and significance, results per configuration, rounds, Pareto front, and
//! sensitivity. Makes no decisions.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::design::{ConfigurationState, HoldoutFinding, RaceStep, RaceVerdict, StopReason};
use super::final_test;
pub use super::intervals::mean_interval;
use super::intervals::{adjust_to_test, difference_interval};
use super::measured_trials::MeasuredTrials;
use super::pairwise::{self, Match};
use super::sensitivity::{self, Influence};
use super::space::to_json;
use super::successive_halving::SuccessiveHalving;
use super::verdict_sentence::{Baseline, RaceResult};
use super::{SearchSpace, Trial, TrialOutcome};
use crate::domain::money::MicroDollars;
use crate::domain::statistics::paired::{self, PairedDifference};

/// Minimum number of compared cases for confidence intervals of strengths. Resampling fewer cases says little.
const MIN_RESAMPLED: usize = 6;

/// The results of a race, finished or not, as shown to users.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExperimentReport {
    /// The result in one sentence, for users.
    pub sentence: String,
    /// Result of the final comparison of the leader with the current configuration; `None` while the race is running.
    pub finding: Option<HoldoutFinding>,
    /// Why the race ended; `None` while it is running.
    pub stop: Option<StopReason>,
    /// Index of the leading configuration; `None` if there is none.
    pub leader: Option<usize>,
    /// Index of the current configuration.
    pub current: usize,
    /// Statistics of the final comparison; `None` if there was none.
    pub difference: Option<PairedDifference>,
    /// Every configuration, the best first and untried ones last.
    pub leaderboard: Vec<ConfigurationRow>,
    /// Indexes of the configurations on the Pareto front of quality, cost, and latency.
    pub pareto: Vec<usize>,
    /// For each round, which configurations continued, were dropped, or were eliminated.
    #[serde(rename = "fates")]
    pub rounds: Vec<RoundReport>,
    /// Influence of each parameter.
    pub sensitivity: Vec<Influence>,
    /// Strengths of the configurations according to pairwise comparisons; `None` if there were none.
    pub strengths: Option<Vec<ConfigurationStrength>>,
}

/// A row of the leaderboard: the results of one configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConfigurationRow {
    /// Index of the configuration in the design.
    #[serde(rename = "place")]
    pub index: usize,
    /// The configuration's parameter values, as JSON.
    pub setting: Value,
    /// Index of the configuration whose prompt was improved to create this one; `None` if it was given.
    pub parent: Option<usize>,
    /// Mean value over the configuration's cases in the race; `None` if it was never tried.
    pub mean: Option<f64>,
    /// 95% confidence interval of the true mean, valid for this number of cases.
    pub interval: Option<(f64, f64)>,
    /// Mean value adjusted for case difficulty with the help of the leader's results. Unlike `mean`, it can
    /// be compared between configurations that left the race at different times.
    pub level: Option<f64>,
    /// Number of cases in the race on which the configuration was evaluated.
    pub cases: usize,
    /// Number of cases whose evaluation ended in an error.
    pub failed: usize,
    /// Mean cost per case.
    pub cost_usd: Option<MicroDollars>,
    /// Mean tokens per case.
    pub tokens: Option<u64>,
    /// Latency per case.
    pub latency_ms: Option<Latency>,
    /// Status of the configuration in the race.
    #[serde(rename = "fate")]
    pub state: ConfigurationState,
    /// Difference from the leader on the cases that both completed; `None` for the leader, and with fewer than two such
    /// cases.
    pub against_leader: Option<LeaderDifference>,
    /// Whether the configuration is on the Pareto front of quality, cost, and latency.
    pub pareto: bool,
}

/// Statistics of the latency, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// Arithmetic mean.
    pub mean: u64,
    /// 95th percentile.
    pub p95: u64,
}

/// Difference from the leader. It was computed after the leader was selected, so it does not prove anything.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LeaderDifference {
    /// Mean difference; negative if the leader is better.
    pub mean: f64,
    /// Lower bound of the 95% confidence interval, which includes 0 unless the corrected p-value is significant.
    pub from: f64,
    /// Upper bound of the 95% confidence interval.
    pub to: f64,
    /// P-value, corrected for all comparisons (Holm 1979).
    pub p_adjusted: f64,
}

/// State of the race at the end of a round.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RoundReport {
    /// Number of cases that each configuration had answered at the end of the round.
    pub cases: usize,
    /// Indices of the configurations that continued.
    #[serde(rename = "left")]
    pub continued: Vec<usize>,
    /// Indices of the configurations that were dropped by successive halving without proof that they are worse.
    pub set_aside: Vec<usize>,
    /// Indices of the configurations that were proven worse.
    pub beaten: Vec<usize>,
}

/// Log-strength of a configuration from pairwise comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ConfigurationStrength {
    /// Index of the configuration in the design.
    #[serde(rename = "place")]
    pub index: usize,
    /// Log-strength, with a mean of 0 over all configurations.
    pub strength: f64,
    /// 95% bootstrap confidence interval over cases; `None` if all cases agree, because resampling them shows no
    /// variation.
    pub interval: Option<(f64, f64)>,
}

impl ExperimentReport {
    /// Returns the index of the recommended configuration: the leader, or the current configuration if the leader did
    /// not score higher in the final comparison.
    pub fn recommended_configuration(&self) -> Option<usize> {
        let is_refuted = self
            .difference
            .is_some_and(|comparison| comparison.mean <= 1e-9);
        match is_refuted {
            true => Some(self.current),
            false => self.leader,
        }
    }
}

/// Builds the report. `failed` contains the trials that ended in an error, `matches` contains the preferences
/// of judges and users, and `reach` is the largest possible difference between two configurations.
pub fn build_report(
    race: &SuccessiveHalving,
    space: &SearchSpace,
    failed: &BTreeSet<Trial>,
    matches: &[Match],
    baseline: Baseline,
    reach: f64,
) -> ExperimentReport {
    let design = race.design();
    let measured = MeasuredTrials::new(race, failed);
    let verdict = supported_verdict(race, measured, reach);
    let tried_arms: Vec<usize> = (0..design.arms.len())
        .filter(|&arm| !race_values(race, arm).is_empty())
        .collect();
    let leader = match verdict {
        _ if measured.is_empty() => None,
        // A single configuration has nothing to lead against.
        None if measured.arms().len() < 2 => None,
        Some(verdict) => tried_arms
            .contains(&verdict.leader)
            .then_some(verdict.leader),
        None => find_leader(race, &tried_arms),
    };
    let mut rows: Vec<ConfigurationRow> = (0..design.arms.len())
        .map(|arm| ConfigurationRow {
            failed: failed.iter().filter(|trial| trial.arm == arm).count(),
            ..configuration_row(race, space, measured, arm, leader)
        })
        .collect();
    adjust_differences(measured, &mut rows, leader);
    let pareto = pareto_front(&mut rows);
    rows.sort_by(|a, b| {
        let first = |row: &ConfigurationRow| Some(row.index) != leader;
        let level = |row: &ConfigurationRow| row.level.unwrap_or(f64::NEG_INFINITY);
        (first(a).cmp(&first(b)))
            .then(level(b).total_cmp(&level(a)))
            .then(a.index.cmp(&b.index))
    });
    ExperimentReport {
        sentence: RaceResult {
            halving: race,
            measured_trials: measured,
            space,
            failed_trials: failed,
            baseline,
            verdict: verdict.as_ref(),
            leader,
        }
        .sentence(),
        finding: verdict.map(|verdict| verdict.finding),
        stop: verdict.map(|verdict| verdict.stop),
        leader,
        current: design.current,
        difference: verdict.and_then(|verdict| verdict.difference),
        pareto,
        rounds: round_reports(race, &tried_arms),
        sensitivity: match measured.unjudged_count() {
            0 => sensitivity::influences(race, space, &tried_arms),
            _ => Vec::new(),
        },
        strengths: strengths(design.arms.len(), matches, design.seed),
        leaderboard: rows,
    }
}

// Returns the verdict as far as the measured trials support it.
fn supported_verdict(
    race: &SuccessiveHalving,
    measured: MeasuredTrials<'_>,
    reach: f64,
) -> Option<RaceVerdict> {
    let RaceStep::Done(verdict) = race.next() else {
        return None;
    };
    let mut verdict = measured.verdict(verdict);
    // A verdict of an earlier version may have an interval that contradicts its finding.
    let is_clear = matches!(
        verdict.finding,
        HoldoutFinding::Better | HoldoutFinding::Worse
    );
    if let Some(comparison) = &mut verdict.difference {
        let (from, to) = adjust_to_test(comparison.interval, comparison.mean, is_clear);
        comparison.interval = (from.max(-reach), to.min(reach));
    }
    Some(verdict)
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;

fn race_values(race: &SuccessiveHalving, arm: usize) -> Vec<f64> {
    race.values(arm, race.race_and_holdout_cases().0.len())
}

// Returns the configuration still in the race with the best mean on the cases common to all of them.
fn find_leader(race: &SuccessiveHalving, tried: &[usize]) -> Option<usize> {
    let racing = tried
        .iter()
        .filter(|&&arm| race.states()[arm] == ConfigurationState::Racing);
    let depth = racing
        .clone()
        .map(|&arm| race_values(race, arm).len())
        .min()?;
    let mean = |arm: usize| paired::mean(&race.values(arm, depth));
    racing
        .copied()
        .max_by(|&a, &b| mean(a).total_cmp(&mean(b)).then(b.cmp(&a)))
}

fn configuration_row(
    race: &SuccessiveHalving,
    space: &SearchSpace,
    measured: MeasuredTrials<'_>,
    arm: usize,
    leader: Option<usize>,
) -> ConfigurationRow {
    let own_values = measured.values(arm);
    let outcomes: Vec<&TrialOutcome> = (race.results().iter())
        .filter(|(trial, _)| trial.arm == arm)
        .map(|(_, outcome)| outcome)
        .collect();
    // The configuration that a pairwise judge uses as its reference always scores the same, so without a
    // comparison, that score would mean nothing.
    let is_measured = !own_values.is_empty() && !measured.is_empty();
    let is_tried = !outcomes.is_empty();
    let each = |sum: u64| is_tried.then(|| sum / outcomes.len().max(1) as u64);
    let cost: i64 = outcomes.iter().map(|outcome| outcome.cost.0).sum();
    let level = leader.map_or_else(
        || paired::mean(&own_values),
        |leader| {
            paired::mean(&measured.values(leader))
                + paired::mean(&measured.differences(arm, leader))
        },
    );
    ConfigurationRow {
        index: arm,
        setting: to_json(space, &race.design().arms[arm]),
        parent: race.parents()[arm],
        mean: is_measured.then(|| paired::mean(&own_values)),
        interval: is_measured.then(|| mean_interval(&own_values)),
        level: is_measured.then_some(level),
        cases: if is_measured { own_values.len() } else { 0 },
        failed: 0,
        cost_usd: is_tried.then(|| MicroDollars(cost / outcomes.len().max(1) as i64)),
        tokens: each(outcomes.iter().map(|outcome| outcome.tokens).sum()),
        latency_ms: is_tried.then(|| latency_summary(&outcomes)),
        state: race.states()[arm],
        against_leader: None,
        pareto: false,
    }
}

fn latency_summary(outcomes: &[&TrialOutcome]) -> Latency {
    let mut all: Vec<u64> = outcomes.iter().map(|outcome| outcome.latency_ms).collect();
    all.sort_unstable();
    let percentile_rank = (all.len() as f64 * 0.95).ceil() as usize;
    Latency {
        mean: all.iter().sum::<u64>() / all.len().max(1) as u64,
        p95: all
            .get(percentile_rank.saturating_sub(1))
            .copied()
            .unwrap_or(0),
    }
}

// Corrects the p-values of all comparisons with the leader for multiple testing.
fn adjust_differences(
    measured: MeasuredTrials<'_>,
    rows: &mut [ConfigurationRow],
    leader: Option<usize>,
) {
    let Some(leader) = leader else { return };
    let mut found: Vec<(usize, Vec<f64>)> = Vec::new();
    for (at, row) in rows
        .iter()
        .enumerate()
        .filter(|(_, row)| row.index != leader)
    {
        let differences = measured.differences(row.index, leader);
        if differences.len() > 1 {
            found.push((at, differences));
        }
    }
    let p = found
        .iter()
        .map(|(_, values)| final_test::final_p_value(values));
    let adjusted = paired::holm_adjusted(&p.collect::<Vec<_>>());
    for ((at, differences), p_adjusted) in found.into_iter().zip(adjusted) {
        let mean = paired::mean(&differences);
        let interval = difference_interval(&differences);
        let (from, to) = adjust_to_test(interval, mean, final_test::is_significant(p_adjusted));
        rows[at].against_leader = Some(LeaderDifference {
            mean,
            from,
            to,
            p_adjusted,
        });
    }
}

// Marks the rows on the Pareto front: those for which no other row is at least as good in quality, cost, and
// latency and better in one of them.
fn pareto_front(rows: &mut [ConfigurationRow]) -> Vec<usize> {
    let of = |row: &ConfigurationRow| Some((row.level?, row.cost_usd?.0, row.latency_ms?.mean));
    let points: Vec<Option<(f64, i64, u64)>> = rows.iter().map(of).collect();
    let dominates = |a: (f64, i64, u64), b: (f64, i64, u64)| {
        a.0 >= b.0 && a.1 <= b.1 && a.2 <= b.2 && (a.0 > b.0 || a.1 < b.1 || a.2 < b.2)
    };
    let mut pareto_arms = Vec::new();
    for (row, point) in rows.iter_mut().zip(&points) {
        let Some(own_point) = *point else { continue };
        row.pareto = !points
            .iter()
            .flatten()
            .any(|&other| dominates(other, own_point));
        if row.pareto {
            pareto_arms.push(row.index);
        }
    }
    pareto_arms
}

fn round_reports(race: &SuccessiveHalving, tried: &[usize]) -> Vec<RoundReport> {
    let depth = |arm: usize| race_values(race, arm).len();
    let depths: BTreeSet<usize> = tried.iter().map(|&arm| depth(arm)).collect();
    let round = |cases: usize| {
        let in_state = |matches_state: fn(&ConfigurationState) -> bool| {
            let round_arms = tried.iter().copied().filter(|&arm| depth(arm) == cases);
            round_arms
                .filter(|&arm| matches_state(&race.states()[arm]))
                .collect()
        };
        let set_aside: Vec<usize> = in_state(|state| *state == ConfigurationState::SetAside);
        let beaten: Vec<usize> = in_state(|state| matches!(state, ConfigurationState::Beaten(_)));
        let reached_depth = |arm: &usize| depth(*arm) >= cases;
        let is_eliminated = |arm: &usize| set_aside.contains(arm) || beaten.contains(arm);
        RoundReport {
            cases,
            continued: (tried.iter().copied())
                .filter(|arm| reached_depth(arm) && !is_eliminated(arm))
                .collect(),
            set_aside,
            beaten,
        }
    };
    depths.into_iter().map(round).collect()
}

fn strengths(
    configurations: usize,
    matches: &[Match],
    seed: u64,
) -> Option<Vec<ConfigurationStrength>> {
    let cases: BTreeSet<usize> = matches.iter().map(|comparison| comparison.case).collect();
    if cases.len() < MIN_RESAMPLED {
        return None;
    }
    let compared: BTreeSet<usize> = (matches.iter())
        .flat_map(|comparison| [comparison.first_index, comparison.second_index])
        .filter(|&place| place < configurations)
        .collect();
    let compared: Vec<usize> = compared.into_iter().collect();
    // Include only configurations that were compared, because there is no data on the others and each makes
    // the fit slower.
    let place_of = |setting: usize| compared.binary_search(&setting).ok();
    let compared_matches = matches.iter().filter_map(|comparison| {
        Some(Match {
            first_index: place_of(comparison.first_index)?,
            second_index: place_of(comparison.second_index)?,
            ..*comparison
        })
    });
    let compared_matches: Vec<Match> = compared_matches.collect();
    let fitted = pairwise::fit(compared.len(), &compared_matches, seed).ok()?;
    // Resampling identical cases shows no variance, yet the next case may differ.
    let is_known = fitted.intervals.iter().any(|(from, to)| to - from > 1e-9);
    let strength = |(place, &setting): (usize, &usize)| ConfigurationStrength {
        index: setting,
        strength: fitted.strengths[place],
        interval: Some(fitted.intervals[place]).filter(|_| is_known),
    };
    Some(compared.iter().enumerate().map(strength).collect())
}
