//! What a race has found, for people: who leads and whether that is more than luck, what each setting brought,
//! how settings fell away, which of them nothing beats, which dial matters. Decides nothing.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::design::{Fate, Finding, Step, Stop, Verdict};
use super::judge;
use super::pairwise::{self, Match};
use super::race::Race;
use super::sensitivity::{self, Influence};
use super::space::{label, setting};
use super::{Cell, Outcome, Space};
use crate::domain::money::MicroDollars;
use crate::domain::statistics::paired::{self, Difference};
use crate::domain::statistics::sequence::Sequence;

/// How often an interval may miss.
const LEVEL: f64 = 0.05;

/// Everything about a race.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The result in words.
    pub sentence: String,
    /// Leader against current setting, on cases held back; none while the race is on.
    pub finding: Option<Finding>,
    /// Why it ended.
    pub stop: Option<Stop>,
    /// The place of the best setting, where any was tried.
    pub leader: Option<usize>,
    /// The place of the setting in use now.
    pub current: usize,
    /// The figures of the comparison on cases held back.
    pub difference: Option<Difference>,
    /// Every setting, the best first, those never tried last.
    pub leaderboard: Vec<Row>,
    /// The places of those that no other beats in all of quality, cost and time.
    pub pareto: Vec<usize>,
    /// How they fell away.
    pub fates: Vec<Round>,
    /// What each dial matters.
    pub sensitivity: Vec<Influence>,
    /// Strengths from comparisons in pairs, where there are any: by place.
    pub strengths: Option<Vec<Strength>>,
}

/// A setting.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Its place.
    pub place: usize,
    /// Its dials.
    pub setting: Value,
    /// The mean over the cases of the race that it met; none where it was never tried.
    pub mean: Option<f64>,
    /// Where its true mean lies in 95 of 100 such races, however often one looks: a confidence sequence (see
    /// `statistics::sequence`). Wide, because it is.
    pub interval: Option<(f64, f64)>,
    /// Its mean, corrected for how hard its cases were for the leader: comparable between settings that left
    /// at different times.
    pub level: Option<f64>,
    /// Cases of the race that it met.
    pub cases: usize,
    /// Cases without an answer.
    pub failed: usize,
    /// What a case costs on average.
    pub cost_usd: Option<MicroDollars>,
    /// Tokens of a case on average.
    pub tokens: Option<u64>,
    /// How long a case takes.
    pub latency_ms: Option<Latency>,
    /// What became of it.
    pub fate: Fate,
    /// The difference to the leader on the cases that both met.
    pub against_leader: Option<Against>,
    /// Whether no other beats it in all of quality, cost and time.
    pub pareto: bool,
}

/// Times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// On average.
    pub mean: u64,
    /// All but one of twenty are faster.
    pub p95: u64,
}

/// A difference to the leader. Seen after the leader was chosen for leading: not proof.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Against {
    /// On average; below 0 where the leader is better.
    pub mean: f64,
    /// From.
    pub from: f64,
    /// To.
    pub to: f64,
    /// How likely so large a difference is where there is none, corrected for all comparisons (Holm 1979).
    pub p_adjusted: f64,
}

/// What had happened after so many cases.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Round {
    /// Cases.
    pub cases: usize,
    /// Who went on.
    pub left: Vec<usize>,
    /// Who was behind when only half could go on: not shown to be worse.
    pub set_aside: Vec<usize>,
    /// Who was shown to be worse.
    pub beaten: Vec<usize>,
}

/// A strength among those compared in pairs, as a logarithm.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Strength {
    /// The setting.
    pub place: usize,
    /// Their mean is 0.
    pub strength: f64,
    /// From and to, in 95 of 100 draws of the cases.
    pub interval: (f64, f64),
}

/// Of a race. `failed` are the evaluations without an answer, `matches` what judges and people preferred.
pub fn report(race: &Race, space: &Space, failed: &BTreeSet<Cell>, matches: &[Match]) -> Report {
    let design = race.design();
    let verdict = match race.next() {
        Step::Done(verdict) => Some(verdict),
        Step::Evaluate(_) => None,
    };
    let tried: Vec<usize> = (0..design.arms.len())
        .filter(|&arm| !values(race, arm).is_empty())
        .collect();
    let leader = match verdict {
        Some(verdict) => tried.contains(&verdict.leader).then_some(verdict.leader),
        None => leading(race, &tried),
    };
    let mut rows: Vec<Row> = (0..design.arms.len())
        .map(|arm| row(race, space, failed, arm, leader))
        .collect();
    adjust(race, &mut rows, leader);
    let pareto = front(&mut rows);
    rows.sort_by(|a, b| {
        let first = |row: &Row| Some(row.place) != leader;
        let level = |row: &Row| row.level.unwrap_or(f64::NEG_INFINITY);
        (first(a).cmp(&first(b)))
            .then(level(b).total_cmp(&level(a)))
            .then(a.place.cmp(&b.place))
    });
    Report {
        sentence: sentence(race, space, verdict.as_ref(), leader),
        finding: verdict.map(|verdict| verdict.finding),
        stop: verdict.map(|verdict| verdict.stop),
        leader,
        current: design.current,
        difference: verdict.and_then(|verdict| verdict.difference),
        pareto,
        fates: rounds(race, &tried),
        sensitivity: sensitivity::of(race, space, &tried),
        strengths: strengths(design.arms.len(), matches, design.seed),
        leaderboard: rows,
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;

fn values(race: &Race, arm: usize) -> Vec<f64> {
    race.values(arm, race.cases().0.len())
}

// The best mean among those still in the race, on the cases that all of them met.
fn leading(race: &Race, tried: &[usize]) -> Option<usize> {
    let racing = tried
        .iter()
        .filter(|&&arm| race.fates()[arm] == Fate::Racing);
    let depth = racing.clone().map(|&arm| values(race, arm).len()).min()?;
    let mean = |arm: usize| paired::mean(&race.values(arm, depth));
    racing
        .copied()
        .max_by(|&a, &b| mean(a).total_cmp(&mean(b)).then(b.cmp(&a)))
}

fn row(
    race: &Race,
    space: &Space,
    failed: &BTreeSet<Cell>,
    arm: usize,
    leader: Option<usize>,
) -> Row {
    let own = values(race, arm);
    let outcomes: Vec<&Outcome> = (race.results().iter())
        .filter(|(cell, _)| cell.arm == arm)
        .map(|(_, outcome)| outcome)
        .collect();
    let is_tried = !own.is_empty();
    let each = |sum: u64| is_tried.then(|| sum / outcomes.len().max(1) as u64);
    let cost: i64 = outcomes.iter().map(|outcome| outcome.cost.0).sum();
    let best = leader
        .map(|leader| values(race, leader))
        .unwrap_or_default();
    let shared = own.len().min(best.len());
    let level = paired::mean(&best) + paired::mean(&own[..shared]) - paired::mean(&best[..shared]);
    Row {
        place: arm,
        setting: setting(space, &race.design().arms[arm]),
        mean: is_tried.then(|| paired::mean(&own)),
        interval: is_tried.then(|| Sequence::over(0.0, 1.0, LEVEL, &own).interval()),
        level: is_tried.then_some(level),
        cases: own.len(),
        failed: failed.iter().filter(|cell| cell.arm == arm).count(),
        cost_usd: is_tried.then(|| MicroDollars(cost / outcomes.len().max(1) as i64)),
        tokens: each(outcomes.iter().map(|outcome| outcome.tokens).sum()),
        latency_ms: is_tried.then(|| latency(&outcomes)),
        fate: race.fates()[arm],
        against_leader: None,
        pareto: false,
    }
}

fn latency(outcomes: &[&Outcome]) -> Latency {
    let mut all: Vec<u64> = outcomes.iter().map(|outcome| outcome.latency_ms).collect();
    all.sort_unstable();
    let place = (all.len() as f64 * 0.95).ceil() as usize;
    Latency {
        mean: all.iter().sum::<u64>() / all.len().max(1) as u64,
        p95: all.get(place.saturating_sub(1)).copied().unwrap_or(0),
    }
}

// All comparisons with the leader at once, so that they can be corrected for how many they are.
fn adjust(race: &Race, rows: &mut [Row], leader: Option<usize>) {
    let Some(leader) = leader else { return };
    let best = values(race, leader);
    let mut found: Vec<(usize, Difference)> = Vec::new();
    for row in rows.iter().filter(|row| row.place != leader) {
        let own = values(race, row.place);
        let differences: Vec<f64> = own.iter().zip(&best).map(|(a, b)| a - b).collect();
        if let Some(difference) = paired::student(&differences, 1.0 - LEVEL) {
            found.push((row.place, difference));
        }
    }
    let adjusted = paired::holm(&found.iter().map(|(_, one)| one.p).collect::<Vec<_>>());
    for ((place, one), p_adjusted) in found.into_iter().zip(adjusted) {
        let (from, to) = judge::within_reason(one.interval, one.cases);
        rows[place].against_leader = Some(Against {
            mean: one.mean,
            from,
            to,
            p_adjusted,
        });
    }
}

// Those that no other beats: at least as good in quality, cost and time, and better in one of them.
fn front(rows: &mut [Row]) -> Vec<usize> {
    let of = |row: &Row| Some((row.level?, row.cost_usd?.0, row.latency_ms?.mean));
    let points: Vec<Option<(f64, i64, u64)>> = rows.iter().map(of).collect();
    let beats = |a: (f64, i64, u64), b: (f64, i64, u64)| {
        a.0 >= b.0 && a.1 <= b.1 && a.2 <= b.2 && (a.0 > b.0 || a.1 < b.1 || a.2 < b.2)
    };
    let mut front = Vec::new();
    for (row, point) in rows.iter_mut().zip(&points) {
        let Some(own) = *point else { continue };
        row.pareto = !points.iter().flatten().any(|&other| beats(other, own));
        if row.pareto {
            front.push(row.place);
        }
    }
    front
}

fn rounds(race: &Race, tried: &[usize]) -> Vec<Round> {
    let depth = |arm: usize| values(race, arm).len();
    let depths: BTreeSet<usize> = tried.iter().map(|&arm| depth(arm)).collect();
    let round = |cases: usize| {
        let fell = |is: fn(&Fate) -> bool| {
            let here = tried.iter().copied().filter(|&arm| depth(arm) == cases);
            here.filter(|&arm| is(&race.fates()[arm])).collect()
        };
        let set_aside: Vec<usize> = fell(|fate| *fate == Fate::SetAside);
        let beaten: Vec<usize> = fell(|fate| matches!(fate, Fate::Beaten(_)));
        let on = |arm: &usize| depth(*arm) >= cases;
        let gone = |arm: &usize| set_aside.contains(arm) || beaten.contains(arm);
        Round {
            cases,
            left: (tried.iter().copied())
                .filter(|arm| on(arm) && !gone(arm))
                .collect(),
            set_aside,
            beaten,
        }
    };
    depths.into_iter().map(round).collect()
}

fn strengths(settings: usize, matches: &[Match], seed: u64) -> Option<Vec<Strength>> {
    if matches.is_empty() {
        return None;
    }
    let compared: BTreeSet<usize> = (matches.iter())
        .flat_map(|one| [one.first, one.second])
        .filter(|&place| place < settings)
        .collect();
    let compared: Vec<usize> = compared.into_iter().collect();
    // Only those that were compared: the fit takes time for each, and knows nothing of the others.
    let place_of = |setting: usize| compared.binary_search(&setting).ok();
    let among = matches.iter().filter_map(|one| {
        Some(Match {
            first: place_of(one.first)?,
            second: place_of(one.second)?,
            ..*one
        })
    });
    let among: Vec<Match> = among.collect();
    let fitted = pairwise::fit(compared.len(), &among, seed).ok()?;
    let strength = |(place, &setting): (usize, &usize)| Strength {
        place: setting,
        strength: fitted.strengths[place],
        interval: fitted.intervals[place],
    };
    Some(compared.iter().enumerate().map(strength).collect())
}

fn sentence(
    race: &Race,
    space: &Space,
    verdict: Option<&Verdict>,
    leader: Option<usize>,
) -> String {
    let design = race.design();
    let Some(leader) = leader else {
        return match verdict {
            Some(_) => {
                "Nothing was evaluated: the budget does not pay for one case of every setting."
            }
            None => "Nothing has been evaluated yet.",
        }
        .to_owned();
    };
    let name = label(space, &design.arms[leader]);
    let cases = values(race, leader).len();
    let Some(verdict) = verdict else {
        return format!("So far {name} leads after {cases} cases. The race is not over.");
    };
    let figures = |one: &Difference| {
        let (from, to) = one.interval;
        let than = match one.mean.abs() < 0.005 {
            true => "the same".to_owned(),
            false => format!(
                "{:.2} {}",
                one.mean.abs(),
                if one.mean > 0.0 { "higher" } else { "lower" }
            ),
        };
        format!(
            "on {} cases that the race had not seen it scored {than} on average, and any true difference from \
             {from:+.2} to {to:+.2} fits what was seen",
            one.cases
        )
    };
    match (verdict.finding, &verdict.difference) {
        (Finding::Better, Some(one)) => {
            format!("{name} is better than what you use now: {}.", figures(one))
        }
        (Finding::Worse, Some(one)) => format!(
            "Keep what you use now. {name} won the race by luck: {}.",
            figures(one)
        ),
        (Finding::NotDistinguishable, Some(one)) => format!(
            "{name} leads, but it is not distinguishable from what you use now: {}.",
            figures(one)
        ),
        (Finding::CurrentLeads, _) => format!(
            "What you use now leads: on {cases} cases none of the {} other settings was better.",
            design.arms.len() - 1
        ),
        _ => format!(
            "{name} leads after {cases} cases, but whether it is better than what you use now was not tested: \
             there were too few cases, or too little budget, to keep some back."
        ),
    }
}
