//! Successive-halving race: chooses the next evaluations. Configurations are evaluated on the same cases in
//! the same order; as many as the budget covers continue while cases accumulate; those proven worse are
//! eliminated; and a reserved part of the budget compares the leader with the current configuration on a
//! holdout.
//!
//! A deterministic state machine: the same design and outcomes give the same decisions, so a race is resumed
//! by replaying stored outcomes. It never schedules calls with declared bounds that would exceed the budget;
//! if a call exceeds its bound, it is the last one over budget.

use std::collections::BTreeMap;

use super::design::{
    ConfigurationState, Design, HoldoutFinding, RaceStep, RaceVerdict, StopReason,
};
use super::judge;
use super::observations::Observations;
use super::proposals;
use super::race_budget::{NOTHING, RESERVE, amounts, held_back, limits, plus, usual_declared};
use super::{Trial, TrialOutcome};
use crate::domain::statistics::random::Random;

/// Maximum number of configurations that are all tried; larger spaces use proposals.
pub const ALL_UP_TO: usize = 64;
/// Number of configurations that a large space starts with, besides the current one.
const FIRST: usize = 16;
/// Number of configurations proposed per step.
const NEXT: usize = 8;
/// Number of cases on which a proposed configuration is first tried.
const GLANCE: usize = 4;
/// Divisor of the cases seen so far that gives the number of new cases until the next check.
const PACE: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq)]
enum RacePhase {
    Explore,
    Race,
    Confirm(usize, StopReason),
    Over(RaceVerdict),
}

/// A round: configurations evaluated on the same range of cases.
#[derive(Debug, Clone, PartialEq)]
struct Round {
    arms: Vec<usize>,
    from: usize,
    to: usize,
}

/// State of a race.
#[derive(Debug, Clone, PartialEq)]
pub struct SuccessiveHalving {
    seen: Observations,
    spent: TrialOutcome,
    phase: RacePhase,
    rung: Round,
    /// Number of cases of the round for which all its configurations have outcomes.
    met: usize,
    /// Trials handed out and not yet recorded.
    batch: Vec<Trial>,
}

impl SuccessiveHalving {
    /// Starts a race. Ends immediately if the design has no configurations or cases.
    pub fn new(design: Design) -> Self {
        let mut order: Vec<usize> = (0..design.cases).collect();
        Random::new(design.seed).shuffle(&mut order);
        let held = order.split_off(design.cases - held_back(&design));
        let mut race = Self {
            spent: NOTHING,
            phase: RacePhase::Race,
            rung: Round {
                arms: Vec::new(),
                from: 0,
                to: 0,
            },
            met: 0,
            batch: Vec::new(),
            seen: Observations {
                order,
                held,
                results: BTreeMap::new(),
                fates: vec![ConfigurationState::Untried; design.arms.len()],
                design,
            },
        };
        race.begin();
        race
    }
    /// Rebuilds a race from stored outcomes, in the order in which they were recorded.
    pub fn resumed(
        design: Design,
        results: impl IntoIterator<Item = (Trial, TrialOutcome)>,
    ) -> Self {
        let mut race = Self::new(design);
        for (cell, outcome) in results {
            race.record(cell, outcome);
        }
        race
    }
    /// Returns the next step; the same until an outcome is recorded.
    pub fn next(&self) -> RaceStep {
        match self.phase {
            RacePhase::Over(verdict) => RaceStep::Done(verdict),
            _ => RaceStep::Evaluate(self.batch.clone()),
        }
    }
    /// Records an outcome. Returns false and changes nothing if the trial is not open.
    pub fn record(&mut self, cell: Trial, outcome: TrialOutcome) -> bool {
        if !self.batch.contains(&cell) {
            return false;
        }
        self.seen.results.insert(cell, outcome);
        self.spent = plus(self.spent, outcome);
        self.seen.fates[cell.arm] = match self.seen.fates[cell.arm] {
            ConfigurationState::Untried => ConfigurationState::Racing,
            fate => fate,
        };
        self.batch.retain(|open| *open != cell);
        // Only a call that exceeded its declared bound can make open trials unaffordable; cases at the end of
        // the batch are then dropped.
        while !self.batch.is_empty() && !self.affords(self.batch.iter().copied(), self.keep()) {
            let last = self.batch.last().map(|cell| cell.case);
            self.batch.retain(|cell| Some(cell.case) != last);
        }
        if self.batch.is_empty() {
            self.count_met();
            self.advance();
        }
        true
    }
    /// Total usage so far; its score is unused.
    pub fn spent(&self) -> TrialOutcome {
        self.spent
    }
    /// Current status of each configuration.
    pub fn fates(&self) -> &[ConfigurationState] {
        &self.seen.fates
    }
    /// All recorded outcomes.
    pub fn results(&self) -> &BTreeMap<Trial, TrialOutcome> {
        &self.seen.results
    }
    /// Design of the race.
    pub fn design(&self) -> &Design {
        &self.seen.design
    }
    /// Cases of the race, in order, and holdout cases.
    pub fn cases(&self) -> (&[usize], &[usize]) {
        (&self.seen.order, &self.seen.held)
    }
    /// Values of a configuration on the first `cases` cases of the race.
    pub fn values(&self, arm: usize, cases: usize) -> Vec<f64> {
        self.seen.values(arm, cases)
    }

    /// Cases of the current phase.
    fn list(&self) -> &[usize] {
        if matches!(self.phase, RacePhase::Confirm(..)) {
            &self.seen.held
        } else {
            &self.seen.order
        }
    }
    /// Counts the cases of the round for which all its configurations have outcomes.
    fn count_met(&mut self) {
        let known = |&&case: &&usize| {
            let cell = |&arm: &usize| self.seen.results.contains_key(&Trial { arm, case });
            self.rung.arms.iter().all(cell)
        };
        let cases = self
            .list()
            .get(self.rung.from..self.rung.to)
            .unwrap_or_default();
        self.met = cases.iter().take_while(known).count();
    }
    fn begin(&mut self) {
        if self.seen.design.current >= self.seen.design.arms.len() || self.seen.order.is_empty() {
            let verdict = RaceVerdict {
                leader: self.seen.design.current,
                stop: StopReason::Cases,
                finding: HoldoutFinding::NotTested,
                difference: None,
            };
            self.phase = RacePhase::Over(verdict);
            return;
        }
        let arms = self.seen.design.arms.len();
        if arms <= ALL_UP_TO {
            // If not all can be afforded: the current configuration and as many others as possible.
            let most = (self.evaluations_left() / 2).max(2);
            self.rung.arms = proposals::first(&self.seen.design, most);
            self.rung.to = 1;
        } else {
            self.phase = RacePhase::Explore;
            let most = (self.evaluations_left() / 3).clamp(2, FIRST + 1);
            self.rung.arms = proposals::first(&self.seen.design, most);
            self.rung.to = GLANCE
                .min((self.evaluations_left() / (3 * most)).max(1))
                .min(self.seen.order.len());
        }
        self.advance();
    }
    /// Advances until there are trials to evaluate or the race is over.
    fn advance(&mut self) {
        // Each iteration uses up cases, configurations, or a phase; the bound only guards against a bug here.
        for _ in 0..100_000 {
            if matches!(self.phase, RacePhase::Over(_)) || self.fill() {
                return;
            }
            match self.phase {
                RacePhase::Explore => self.after_glance(),
                RacePhase::Race => self.after_rung(),
                RacePhase::Confirm(leader, stop) => {
                    self.phase = RacePhase::Over(self.verdict(leader, stop));
                }
                RacePhase::Over(_) => return,
            }
        }
    }
    /// Fills the batch with the next cases of the round, as many as the budget covers for certain.
    fn fill(&mut self) -> bool {
        let cases = self
            .list()
            .get(self.rung.from + self.met..self.rung.to)
            .unwrap_or_default();
        let mut batch = Vec::new();
        for &case in cases {
            let row = self.rung.arms.iter().map(|&arm| Trial { arm, case });
            let row = row.filter(|cell| !self.seen.results.contains_key(cell));
            if !self.affords(batch.iter().copied().chain(row.clone()), self.keep()) {
                break;
            }
            batch.extend(row);
        }
        self.batch = batch;
        !self.batch.is_empty()
    }
    fn after_glance(&mut self) {
        let tried: Vec<usize> = (0..self.seen.fates.len())
            .filter(|&arm| self.seen.fates[arm] == ConfigurationState::Racing)
            .collect();
        let glance = self.rung.to;
        let half_left = self.part_left() > 0.5 && self.met == glance;
        let scores: Vec<(usize, f64)> = tried
            .iter()
            .map(|&arm| (arm, judge::mean_of(&self.seen, arm, glance)))
            .collect();
        let newcomers = if half_left {
            proposals::next(&self.seen.design, &scores, NEXT)
        } else {
            Vec::new()
        };
        self.met = 0;
        if newcomers.is_empty() {
            self.phase = RacePhase::Race;
            // A proposed configuration that the budget stopped partway is not comparable.
            let whole = tried
                .into_iter()
                .filter(|&arm| self.values(arm, glance).len() == glance);
            self.rung = Round {
                arms: whole.collect(),
                from: 0,
                to: glance,
            };
            self.met = glance;
            return;
        }
        self.rung.arms = newcomers;
    }
    fn after_rung(&mut self) {
        let depth = self.rung.from + self.met;
        let cut_short = depth < self.rung.to;
        let comparable: Vec<usize> = self.rung.arms.clone();
        // Nothing was evaluated: the budget does not cover one case for two configurations.
        if depth == 0 || comparable.is_empty() {
            self.confirm(self.seen.design.current, StopReason::Budget);
            return;
        }
        let looks = self.comparisons();
        let standing = judge::stand(&self.seen, &comparable, depth, looks);
        for (arm, elimination) in &standing.beaten {
            self.seen.fates[*arm] = ConfigurationState::Beaten(*elimination);
        }
        let mut left = standing.ranking;
        left.retain(|&arm| self.seen.fates[arm] == ConfigurationState::Racing);
        let Some(&leader) = left.first() else {
            self.confirm(self.seen.design.current, StopReason::Budget);
            return;
        };
        if let Some(stop) = self.reason_to_stop(&left, depth, cut_short) {
            self.confirm(leader, stop);
            return;
        }
        for arm in left.split_off(self.carried(left.len(), depth)) {
            self.seen.fates[arm] = ConfigurationState::SetAside;
        }
        if left.len() == 1 {
            self.confirm(leader, StopReason::OneLeft);
            return;
        }
        left.sort_unstable();
        self.rung = Round {
            arms: left,
            from: depth,
            to: (depth + (depth / PACE).max(1)).min(self.seen.order.len()),
        };
        self.met = 0;
    }
    fn reason_to_stop(&self, left: &[usize], depth: usize, cut_short: bool) -> Option<StopReason> {
        if left.len() == 1 {
            return Some(StopReason::OneLeft);
        } else if cut_short {
            return Some(StopReason::Budget);
        } else if depth == self.seen.order.len() {
            return Some(StopReason::Cases);
        }
        let outlook = judge::outlook(&self.seen, left, depth)?;
        if outlook.close_enough {
            return Some(StopReason::CloseEnough);
        }
        let open = left.len() * (self.seen.order.len() - depth);
        let usual = self.spent.whole_cost().dollars() / self.seen.results.len().max(1) as f64;
        let price = usual * open.min(self.evaluations_left()) as f64;
        let worth = self.seen.design.objective.worth(outlook.gain)?;
        (worth.dollars() < price).then_some(StopReason::NotWorth)
    }
    fn confirm(&mut self, leader: usize, stop: StopReason) {
        self.met = 0;
        let mut arms = vec![leader, self.seen.design.current];
        arms.dedup();
        // The current configuration is not compared with itself.
        let to = if arms.len() == 2 {
            self.seen.held.len()
        } else {
            0
        };
        self.rung = Round { arms, from: 0, to };
        self.phase = RacePhase::Confirm(leader, stop);
    }
    fn verdict(&self, leader: usize, stop: StopReason) -> RaceVerdict {
        let value = |arm: usize, case: usize| {
            let outcome = self.seen.results.get(&Trial { arm, case })?;
            Some(self.seen.design.objective.value(outcome))
        };
        let pairs: Vec<(f64, f64)> = self
            .seen
            .held
            .iter()
            .filter_map(|&case| {
                Some((value(leader, case)?, value(self.seen.design.current, case)?))
            })
            .collect();
        let same = leader == self.seen.design.current && !self.seen.results.is_empty();
        let (finding, difference) = judge::confirm(&pairs, same);
        RaceVerdict {
            leader,
            stop,
            finding,
            difference,
        }
    }
    /// Number of possible comparisons with the best configuration, for the correction of the error probability.
    fn comparisons(&self) -> usize {
        let tried = self
            .seen
            .fates
            .iter()
            .filter(|fate| **fate != ConfigurationState::Untried)
            .count();
        // In a large space the tried configurations depend on earlier outcomes, so all are counted.
        if self.seen.fates.len() > ALL_UP_TO {
            self.seen.fates.len()
        } else {
            tried
        }
        .max(2)
            - 1
    }
    /// Number of configurations that continue: all if the budget covers them on all cases, otherwise as many
    /// as it covers when their number falls inversely to the cases, down to two. Sequential halving in
    /// continuous form: the ranking improves with each case, not only at each halving.
    fn carried(&self, most: usize, depth: usize) -> usize {
        let left = self.evaluations_left();
        let open = self.seen.order.len() - depth;
        if left >= most * open {
            return most;
        }
        let takes = |settings: usize| -> f64 {
            let later = (depth + 1..=self.seen.order.len())
                .map(|cases| (settings * (depth + 1)) as f64 / cases as f64);
            later.take_while(|&settings| settings >= 2.0).sum()
        };
        let carried = (2..=most).rev().find(|&some| takes(some) <= left as f64);
        carried.unwrap_or(2.min(most))
    }
}

/// Budget calculations.
impl SuccessiveHalving {
    /// Fraction of the budget that is reserved in the current phase.
    fn keep(&self) -> f64 {
        if matches!(self.phase, RacePhase::Confirm(..)) {
            0.0
        } else {
            RESERVE
        }
    }
    fn affords(&self, cells: impl Iterator<Item = Trial>, keep: f64) -> bool {
        let (mut after, mut count) = (self.spent, self.seen.results.len() as u64);
        for cell in cells {
            let declared = self
                .seen
                .design
                .declared
                .get(cell.arm)
                .copied()
                .unwrap_or(NOTHING);
            after = plus(after, declared);
            count += 1;
        }
        let limits = limits(&self.seen.design.budget);
        let wants = amounts(&after, count);
        limits
            .iter()
            .zip(wants)
            .all(|(limit, want)| limit.is_none_or(|limit| want <= limit * (1.0 - keep)))
    }
    /// Estimated number of evaluations that the race can still afford, from average or declared usage.
    fn evaluations_left(&self) -> usize {
        let done = self.seen.results.len() as u64;
        let usual = if done > 0 {
            amounts(&self.spent, done).map(|all| all / done as f64)
        } else {
            usual_declared(&self.seen.design)
        };
        let gone = amounts(&self.spent, done);
        let mut left = f64::from(u32::MAX);
        for ((limit, gone), usual) in limits(&self.seen.design.budget)
            .into_iter()
            .zip(gone)
            .zip(usual)
        {
            if let Some(limit) = limit.filter(|_| usual > 0.0) {
                left = left.min((limit * (1.0 - RESERVE) - gone) / usual);
            }
        }
        left.max(0.0) as usize
    }
    /// Remaining fraction of the race's budget, at most 1.
    fn part_left(&self) -> f64 {
        let gone = amounts(&self.spent, self.seen.results.len() as u64);
        let parts = limits(&self.seen.design.budget).into_iter().zip(gone);
        parts
            .filter_map(|(limit, gone)| {
                limit.map(|limit| 1.0 - gone / (limit * (1.0 - RESERVE)).max(1e-9))
            })
            .fold(1.0, f64::min)
    }
}
