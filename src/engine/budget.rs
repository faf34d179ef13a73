//! What a run's calls cost, and what they may: reservations in memory, settled when the bills have been
//! stored. Asks the domain whether something fits.

use std::collections::BTreeMap;

use crate::domain::analysis::{Member, Plan, StageAnswer};
use crate::domain::money::{MicroDollars, Price};

/// Prices and budget of one run, as they stood when it was planned.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    prices: BTreeMap<String, Price>,
    /// What the run may cost in all.
    pub budget: Option<MicroDollars>,
    /// What it had cost before the last stop of the server.
    pub spent: MicroDollars,
}

impl Terms {
    /// Those of a plan of which these calls have been made.
    pub fn of(plan: &Plan, answers: &[StageAnswer]) -> Self {
        let all = plan.members.iter().chain([&plan.synthesiser]);
        let priced = |member: &Member| Some((member.model.clone(), member.price?));
        let costs = answers.iter().filter_map(|answer| answer.cost);
        Self {
            prices: all.filter_map(priced).collect(),
            budget: plan.budget,
            spent: costs.fold(MicroDollars(0), MicroDollars::plus),
        }
    }

    /// A model's price, where it is known.
    pub fn price(&self, model: &str) -> Option<Price> {
        self.prices.get(model).copied()
    }
}
