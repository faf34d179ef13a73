//! What a race is given and what it gives back. No rules; those are the race's.

use serde::{Deserialize, Serialize};

use super::{Arm, Budget, Cell, Objective, Outcome};
use crate::domain::statistics::paired::Difference;

/// What a race is about. Stored with the experiment; never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Design {
    /// The settings.
    pub arms: Vec<Arm>,
    /// The place of the setting that is in use now.
    pub current: usize,
    /// How many cases there are.
    pub cases: usize,
    /// What "best" means.
    pub objective: Objective,
    /// The limit.
    pub budget: Budget,
    /// For each setting, what one evaluation can take at most; its `score` means nothing.
    pub declared: Vec<Outcome>,
    /// Differences smaller than this are nobody's concern.
    pub indifference: f64,
    /// How often the race may be wrong.
    pub wrong: f64,
    /// Where chance begins.
    pub seed: u64,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Evaluate these, in any order and any number at once, and record each.
    Evaluate(Vec<Cell>),
    /// There is nothing left to do.
    Done(Verdict),
}

/// What became of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fate")]
pub enum Fate {
    /// Never tried: the budget or the proposals did not reach it.
    Untried,
    /// Still in the race.
    Racing,
    /// Behind when only half could go on. Not shown to be worse.
    SetAside,
    /// Shown to be worse than the leader of its time by more than the indifference.
    Beaten(Elimination),
}

/// Why the race ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// One setting was left.
    OneLeft,
    /// The leader is as good as any that is left, within the indifference.
    CloseEnough,
    /// Going on would cost more than a better one could bring.
    NotWorth,
    /// The cases are used up.
    Cases,
    /// The budget is.
    Budget,
}

/// What the comparison on cases held back says. Only this is free of the winner's luck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The leader is better than the current setting.
    Better,
    /// It is worse there: the race was luck.
    Worse,
    /// The difference can be chance.
    NotDistinguishable,
    /// The current setting leads itself.
    CurrentLeads,
    /// Too few cases or too little budget to tell.
    NotTested,
}

/// The end of a race.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The best setting of the race.
    pub leader: usize,
    /// Why the race ended.
    pub stop: Stop,
    /// Leader against current, on cases held back.
    pub finding: Finding,
    /// The figures of that comparison.
    pub difference: Option<Difference>,
}

/// Why a setting left for good.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Elimination {
    /// The leader then.
    pub by: usize,
    /// Cases then.
    pub cases: usize,
    /// The mean difference to the leader, from and to; the end is below minus the indifference.
    pub interval: (f64, f64),
}
