//! The remaining budget of a race.

use super::super::race_budget::{
    ZERO_USAGE, add_usage, budget_limits, mean_declared_usage, reserved_fraction, usage_amounts,
};
use super::super::{JudgeCost, Trial};
use super::{RacePhase, SuccessiveHalving};

impl SuccessiveHalving {
    /// Returns the fraction of the budget that is reserved in the current phase, 0 to 1.
    pub(super) fn reserved_fraction(&self) -> f64 {
        if matches!(self.phase, RacePhase::Confirm(..)) {
            0.0
        } else {
            reserved_fraction(&self.observations.design)
        }
    }
    pub(super) fn can_afford(&self, trials: impl Iterator<Item = Trial>, keep: f64) -> bool {
        let (mut spent_after, mut count) = (self.spent, self.observations.results.len() as u64);
        for trial in trials {
            let declared = self
                .observations
                .design
                .declared
                .get(trial.arm)
                .copied()
                .unwrap_or(ZERO_USAGE);
            spent_after = add_usage(spent_after, declared);
            count += 1;
        }
        let limits = budget_limits(&self.observations.design.budget);
        let projected_usage = usage_amounts(&spent_after, count);
        limits
            .iter()
            .zip(projected_usage)
            .all(|(limit, needed)| limit.is_none_or(|limit| needed <= limit * (1.0 - keep)))
    }
    /// Whether the race can afford a proposal whose usage has this upper bound.
    pub(super) fn can_afford_bill(&self, bill: JudgeCost) -> bool {
        let mut spent_after = self.spent;
        spent_after.judged = spent_after.judged.saturating_add(bill);
        let projected_usage = usage_amounts(&spent_after, self.observations.results.len() as u64);
        let race_share = 1.0 - self.reserved_fraction();
        let mut limits = budget_limits(&self.observations.design.budget)
            .into_iter()
            .zip(projected_usage);
        limits.all(|(limit, needed)| limit.is_none_or(|limit| needed <= limit * race_share))
    }
    /// Returns the estimated number of evaluations that the race can still afford, based on average usage so
    /// far or else on declared usage.
    pub(super) fn remaining_evaluations(&self) -> usize {
        let evaluation_count = self.observations.results.len() as u64;
        let usual = if evaluation_count > 0 {
            usage_amounts(&self.spent, evaluation_count).map(|all| all / evaluation_count as f64)
        } else {
            mean_declared_usage(&self.observations.design)
        };
        let used = usage_amounts(&self.spent, evaluation_count);
        let mut left = f64::from(u32::MAX);
        for ((limit, used), usual) in budget_limits(&self.observations.design.budget)
            .into_iter()
            .zip(used)
            .zip(usual)
        {
            if let Some(limit) = limit.filter(|_| usual > 0.0) {
                left = left.min(
                    (limit * (1.0 - reserved_fraction(&self.observations.design)) - used) / usual,
                );
            }
        }
        left.max(0.0) as usize
    }
    /// Returns the remaining fraction of the race's part of the budget, 0 to 1.
    pub(super) fn remaining_share(&self) -> f64 {
        let used = usage_amounts(&self.spent, self.observations.results.len() as u64);
        let parts = budget_limits(&self.observations.design.budget)
            .into_iter()
            .zip(used);
        parts
            .filter_map(|(limit, used)| {
                limit.map(|limit| {
                    1.0 - used
                        / (limit * (1.0 - reserved_fraction(&self.observations.design))).max(1e-9)
                })
            })
            .fold(1.0, f64::min)
    }
}
