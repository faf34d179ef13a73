//! What results say about settings on the same cases: who leads, who is proven worse, whether going on is
//! worth it, and what the comparison on cases held back shows. Decides nothing about money.

use super::design::{Elimination, Finding};
use super::level;
use super::observations::Observations;
use crate::domain::statistics::chance::Chance;
use crate::domain::statistics::paired::{self, Difference};
use crate::domain::statistics::{rate, sequence::Sequence};

/// Cases before "close enough" may be said: with fewer, drawing anew says little.
const LEAST_CASES: usize = 10;
/// How often cases are drawn anew.
const DRAWS: usize = 400;
/// How often a finding on cases held back may be wrong, both ways together.
const LEVEL: f64 = 0.05;

/// Settings after a rung.
pub(super) struct Standing {
    /// The best first.
    pub ranking: Vec<usize>,
    /// Those proven worse.
    pub beaten: Vec<(usize, Elimination)>,
}

/// The mean of a setting over the first so many cases.
pub(super) fn mean_of(seen: &Observations, arm: usize, cases: usize) -> f64 {
    paired::mean(&seen.values(arm, cases))
}

/// Ranks settings that met the same cases. The best one is among the beaten with a probability of at most the
/// design's `wrong`, over all looks: each of its `comparisons` has its part of that.
pub(super) fn stand(
    seen: &Observations,
    arms: &[usize],
    cases: usize,
    comparisons: usize,
) -> Standing {
    let design = &seen.design;
    let mean = |&arm: &usize| mean_of(seen, arm, cases);
    let levels = level::levels(seen, arms).unwrap_or_else(|| arms.iter().map(mean).collect());
    // Rounded: what differs only by how machines reckon is a tie.
    let rounded = levels.into_iter().map(|level| (level * 1e9).round());
    let mut sorted: Vec<(usize, f64)> = arms.iter().copied().zip(rounded).collect();
    // Ties go to the current setting, then to the first: the same each time.
    sorted.sort_by(|a, b| {
        let current = |arm: usize| arm != design.current;
        b.1.total_cmp(&a.1)
            .then(current(a.0).cmp(&current(b.0)))
            .then(a.0.cmp(&b.0))
    });
    let ranking: Vec<usize> = sorted.into_iter().map(|(arm, _)| arm).collect();
    let Some((&leader, others)) = ranking.split_first() else {
        return Standing {
            ranking,
            beaten: Vec::new(),
        };
    };
    let best = seen.values(leader, cases);
    // One-sided: only the upper end counts.
    let wrong = 2.0 * design.wrong / comparisons as f64;
    let beaten = others.iter().filter_map(|&arm| {
        let differences = apart(&seen.values(arm, cases), &best);
        let interval = Sequence::over(-1.0, 1.0, wrong, &differences).interval();
        let elimination = Elimination {
            by: leader,
            cases,
            interval,
        };
        (interval.1 < -design.indifference).then_some((arm, elimination))
    });
    Standing {
        beaten: beaten.collect(),
        ranking,
    }
}

/// What drawing the cases anew says of the first of these.
pub(super) struct Outlook {
    /// Whether it is the best, or within the indifference of it, with the wanted probability.
    pub close_enough: bool,
    /// By how much the best of them beats it on average: what knowing all would bring, and so the most that
    /// going on can (the expected value of perfect information, Raiffa and Schlaifer 1961).
    pub gain: f64,
}

/// Nothing with too few cases.
pub(super) fn outlook(seen: &Observations, ranking: &[usize], cases: usize) -> Option<Outlook> {
    if cases < LEAST_CASES {
        return None;
    }
    let design = &seen.design;
    let values: Vec<Vec<f64>> = ranking.iter().map(|&arm| seen.values(arm, cases)).collect();
    let mut chance = Chance::new(design.seed ^ cases as u64);
    let (mut held, mut gain) = (0, 0.0);
    for _ in 0..DRAWS {
        let drawn: Vec<usize> = (0..cases).map(|_| chance.below(cases)).collect();
        let mean =
            |values: &Vec<f64>| drawn.iter().map(|&case| values[case]).sum::<f64>() / cases as f64;
        let leader = mean(&values[0]);
        let best = values[1..].iter().map(mean).fold(leader, f64::max);
        held += usize::from(best <= leader + design.indifference);
        gain += best - leader;
    }
    Some(Outlook {
        close_enough: held as f64 >= (1.0 - design.wrong) * DRAWS as f64,
        gain: gain / DRAWS as f64,
    })
}

/// What pairs of leader and current setting on cases held back show.
pub(super) fn confirm(pairs: &[(f64, f64)], same: bool) -> (Finding, Option<Difference>) {
    if same {
        return (Finding::CurrentLeads, None);
    }
    let differences: Vec<f64> = pairs
        .iter()
        .map(|(leader, current)| leader - current)
        .collect();
    let Some(mut difference) = paired::student(&differences, 1.0 - LEVEL) else {
        return (Finding::NotTested, None);
    };
    difference.interval = within_reason(difference.interval, differences.len());
    // Where all is yes or no, or nearly all the same, Student's t sees too little variance.
    let ups = differences.iter().filter(|&&d| d > 0.0).count() as u64;
    let downs = differences.iter().filter(|&&d| d < 0.0).count() as u64;
    let yes_or_no = pairs
        .iter()
        .all(|(a, b)| [a, b].iter().all(|&&x| x == 0.0 || x == 1.0));
    if yes_or_no || ((ups + downs) as usize) < differences.len().min(6) {
        difference.p = difference.p.max(rate::sign_test(ups, downs));
    }
    let finding = match difference.p < LEVEL {
        true if difference.mean > 0.0 => Finding::Better,
        true => Finding::Worse,
        false => Finding::NotDistinguishable,
    };
    (finding, Some(difference))
}

/// An interval of a mean difference of scores from 0 to 1. Differences that are all the same show no variance,
/// and yet a case that differs can have been missed: as often as one in twenty it has a part of up to
/// 1 - 0.05^(1/n) of all cases (the exact bound of Clopper and Pearson 1934 for none in n).
pub(super) fn within_reason((from, to): (f64, f64), cases: usize) -> (f64, f64) {
    let missed = match to - from < 1e-12 {
        true => 1.0 - LEVEL.powf(1.0 / cases.max(1) as f64),
        false => 0.0,
    };
    ((from - missed).max(-1.0), (to + missed).min(1.0))
}

fn apart(one: &[f64], other: &[f64]) -> Vec<f64> {
    one.iter()
        .zip(other)
        .map(|(one, other)| one - other)
        .collect()
}
