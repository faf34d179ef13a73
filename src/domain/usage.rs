//! Usage accounting: the charge of a call, a user's daily and monthly limits, and whether a reservation fits
//! within them. Independent of clock and store.

use std::fmt;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::chat::CallBill;
use super::model::Model;
use super::money::{MicroDollars, Price};
use super::pattern::CallId;
use super::time::Timestamp;

/// Outcome of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallEnd {
    /// The model answered.
    Answered,
    /// The call failed with an error.
    Failed,
    /// Quire stopped the call.
    Cancelled,
}

impl CallEnd {
    /// Returns the stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
    /// Parses a stored name: the inverse of `as_str`.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Answered, Self::Failed, Self::Cancelled]
            .into_iter()
            .find(|ended| ended.as_str() == text)
    }
}

/// Usage of one call, and the price at which it is charged.
#[derive(Debug, Clone, PartialEq)]
pub struct CallCharge {
    /// Stage and member of the call.
    pub call: CallId,
    /// Full model ID.
    pub model: String,
    /// Start time.
    pub started_at: Timestamp,
    /// Outcome of the call.
    pub outcome: CallEnd,
    /// Usage, charge, and timing of the call.
    pub bill: CallBill,
    /// Price at the time of planning.
    pub price: Option<Price>,
    /// Whether the user's own provider key was used.
    pub own_key: bool,
}

impl CallCharge {
    /// Returns the cost: the charge reported by the provider or else tokens times price; `None` if neither is known.
    pub fn cost(&self) -> Option<MicroDollars> {
        cost(&self.bill, self.price)
    }
}

/// Returns the cost of a bill: the provider's charge or else the usage at this price. Zero if nothing was used, and
/// `None` if the cost is unknown.
pub fn cost(bill: &CallBill, price: Option<Price>) -> Option<MicroDollars> {
    let used = bill.usage.input > 0 || bill.usage.output > 0;
    let price_cost = || match price {
        Some(price) => Some(price.cost(&bill.usage)),
        None => (!used).then_some(MicroDollars(0)),
    };
    bill.charged.or_else(price_cost)
}

/// Providers that run on the operator's own machines, where tokens are free of charge.
const LOCAL_PROVIDERS: &[&str] = &["demo", "ollama", "llamacpp", "lmstudio", "vllm"];

/// Returns the price of a model; zero for local ones without an explicit price.
pub fn price_of(model: &Model) -> Option<Price> {
    let free = Price {
        input: 0.0,
        output: 0.0,
        cached_input: None,
        long: None,
    };
    let is_local = LOCAL_PROVIDERS.contains(&model.provider.as_str());
    model.price.or(is_local.then_some(free))
}

/// Percentage by which a call's bill may exceed its reservation, because prompt tokens are estimated. A
/// budget is never exceeded by more than this percentage of what is reserved at once.
pub const RESERVATION_MARGIN_PERCENT: u64 = 25;

/// Returns the number of output tokens at which a call with this reservation is cut off.
pub fn with_margin(reserved: u64) -> u64 {
    reserved.saturating_add(reserved.saturating_mul(RESERVATION_MARGIN_PERCENT) / 100)
}

/// Spending limits of one user; an absent limit does not apply. Days and months are in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserLimits {
    /// Maximum cost per day on the server's keys.
    #[serde(default, rename = "day_usd")]
    pub day_cost: Option<MicroDollars>,
    /// Maximum cost per month on the server's keys.
    #[serde(default, rename = "month_usd")]
    pub month_cost: Option<MicroDollars>,
    /// Maximum tokens per day, over all keys.
    #[serde(default)]
    pub day_tokens: Option<u64>,
    /// Maximum tokens per month, over all keys.
    #[serde(default)]
    pub month_tokens: Option<u64>,
}

impl UserLimits {
    /// Whether a cost limit is set.
    pub fn limits_cost(&self) -> bool {
        self.day_cost.is_some() || self.month_cost.is_some()
    }
    /// Whether no limit is set.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// An amount of money and tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct UsageAmount {
    /// Cost in micro-dollars.
    #[serde(rename = "cost_usd")]
    pub cost: MicroDollars,
    /// Tokens, input and output.
    pub tokens: u64,
}

impl UsageAmount {
    /// Adds two amounts, saturating instead of overflowing.
    pub fn saturating_add(self, other: Self) -> Self {
        Self {
            cost: self.cost.saturating_add(other.cost),
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }
    /// Subtracts an amount. Neither money nor tokens fall below zero.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self {
            cost: MicroDollars(self.cost.0.saturating_sub(other.cost.0).max(0)),
            tokens: self.tokens.saturating_sub(other.tokens),
        }
    }
}

/// Usage of one user so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct UserSpending {
    /// Usage since midnight UTC.
    pub day: UsageAmount,
    /// Usage since the first of the month.
    pub month: UsageAmount,
}

/// The limit that would be exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKind {
    /// Cost per day.
    DayCost,
    /// Cost per month.
    MonthCost,
    /// Tokens per day.
    DayTokens,
    /// Tokens per month.
    MonthTokens,
    /// Cost of one run.
    Run,
}

/// An exceeded limit. Amounts are micro-dollars or tokens, depending on `kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitExceeded {
    /// Which limit was exceeded.
    pub kind: LimitKind,
    /// Permitted amount.
    pub limit: u64,
    /// Amount used so far, including what is reserved for runs in progress.
    pub used_amount: u64,
    /// Additional amount requested.
    pub requested_amount: u64,
    /// When the limit resets; `None` for a run.
    pub resets_at: Option<Timestamp>,
}

/// Checks whether `requested` fits within the limits, in addition to the amounts spent and reserved.
///
/// # Errors
/// Returns the first limit that would be exceeded.
pub fn check_limits(
    limits: &UserLimits,
    spent: &UserSpending,
    reserved: UsageAmount,
    requested: UsageAmount,
    now: Timestamp,
) -> Result<(), LimitExceeded> {
    let (tomorrow, next_month) = (day_end(now), month_end(now));
    let money = |limit: Option<MicroDollars>| limit.map(|limit| limit.0.max(0) as u64);
    let dollars = |amount: MicroDollars| amount.0.max(0) as u64;
    let checks = [
        (
            LimitKind::DayCost,
            money(limits.day_cost),
            dollars(spent.day.cost),
            tomorrow,
        ),
        (
            LimitKind::MonthCost,
            money(limits.month_cost),
            dollars(spent.month.cost),
            next_month,
        ),
        (
            LimitKind::DayTokens,
            limits.day_tokens,
            spent.day.tokens,
            tomorrow,
        ),
        (
            LimitKind::MonthTokens,
            limits.month_tokens,
            spent.month.tokens,
            next_month,
        ),
    ];
    for (which, limit, spent, resets_at) in checks {
        let Some(limit) = limit else { continue };
        let (reserved, requested) = match which {
            LimitKind::DayTokens | LimitKind::MonthTokens => (reserved.tokens, requested.tokens),
            _ => (dollars(reserved.cost), dollars(requested.cost)),
        };
        let used = spent.saturating_add(reserved);
        // A cost limit does not block free requests, and a token limit does not block requests without tokens.
        if requested > 0 && used.saturating_add(requested) > limit {
            return Err(LimitExceeded {
                kind: which,
                limit,
                used_amount: used,
                requested_amount: requested,
                resets_at: Some(resets_at),
            });
        }
    }
    Ok(())
}

/// Checks whether `requested` fits within the budget of one run.
///
/// # Errors
/// Returns the exceeded budget.
pub fn check_run_limit(
    budget: Option<MicroDollars>,
    used: MicroDollars,
    requested: MicroDollars,
) -> Result<(), LimitExceeded> {
    match budget {
        Some(budget) if requested.0 > 0 && used.saturating_add(requested) > budget => {
            Err(LimitExceeded {
                kind: LimitKind::Run,
                limit: budget.0.max(0) as u64,
                used_amount: used.0.max(0) as u64,
                requested_amount: requested.0 as u64,
                resets_at: None,
            })
        }
        _ => Ok(()),
    }
}

/// Formats a day, counted from 1970, as `2026-11-23`.
pub fn format_day(day: i64) -> String {
    let moment = Timestamp::from_millis(day.saturating_mul(86_400_000));
    moment.to_string().chars().take(10).collect()
}

/// Parses a day: the inverse of `format_day`.
pub fn parse_day(text: &str) -> Option<i64> {
    let moment = humantime::parse_rfc3339(&format!("{text}T00:00:00Z")).ok()?;
    let since = moment.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs() / 86_400).ok()
}

/// Returns the end of this moment's UTC day.
pub fn day_end(now: Timestamp) -> Timestamp {
    Timestamp::from_millis((now.day() + 1).saturating_mul(86_400_000))
}

/// Returns the end of this moment's UTC month.
pub fn month_end(now: Timestamp) -> Timestamp {
    // 31 days after the first of a month is always in the next month.
    let next = month_start(month_start(now.day()) + 31);
    Timestamp::from_millis(next.saturating_mul(86_400_000))
}

/// Returns the first day of the month that contains a day, both counted from 1970.
pub fn month_start(day: i64) -> i64 {
    day - i64::from(day_of_month(day)) + 1
}

// Civil-calendar arithmetic with years that begin in March, so that the leap day is the last of a year, and
// in eras of 400 years, which all have the same length.
fn day_of_month(day: i64) -> u8 {
    // Days in 400 years.
    const DAYS_PER_ERA: i64 = 146_097;
    let day_of_era = (day + 719_468).rem_euclid(DAYS_PER_ERA);
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524
        - day_of_era / (DAYS_PER_ERA - 1))
        / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    (day_of_year - (153 * month + 2) / 5 + 1) as u8
}

impl LimitExceeded {
    /// Returns the amount left before the limit; zero if the limit has been exceeded.
    pub fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used_amount)
    }
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.kind {
            LimitKind::DayCost => "the day's budget",
            LimitKind::MonthCost => "the month's budget",
            LimitKind::DayTokens => "the day's token budget",
            LimitKind::MonthTokens => "the month's token budget",
            LimitKind::Run => "the budget of this analysis",
        };
        let amount = |value: u64| match self.kind {
            LimitKind::DayTokens | LimitKind::MonthTokens => format!("{value} tokens"),
            _ => dollars(value),
        };
        let (limit, left, requested_text) = (
            amount(self.limit),
            amount(self.remaining()),
            amount(self.requested_amount),
        );
        write!(
            f,
            "{name} of {limit} has {left} left, and this would take up to {requested_text}"
        )?;
        match self.resets_at {
            Some(at) => write!(f, "; it resets at {at}"),
            None => Ok(()),
        }
    }
}

// Formats micro-dollars as dollars, with at least two decimal places and as many more as needed.
fn dollars(micro: u64) -> String {
    let text = format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000);
    let cents = text.len() - 4;
    let rest = text[cents..].trim_end_matches('0');
    format!("{}{rest} USD", &text[..cents])
}

#[cfg(test)]
mod tests;
