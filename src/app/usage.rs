//! Usage and budgets of users: daily usage, calls, and limits. Checks whether a run may start; the engine checks
//! before each stage whether it may continue.

use super::accounts::RequestOrigin;
use super::{Error, Kind, Result};
use crate::domain::analysis::Plan;
use crate::domain::id::UserId;
use crate::domain::money::MicroDollars;
use crate::domain::pattern::estimate::{self, CallEstimate};
use crate::domain::time::Timestamp;
use crate::domain::usage::{LimitExceeded, UsageAmount, UserLimits, check_limits, check_run_limit};
pub use crate::engine::BudgetStanding;
use crate::engine::Engine;
use crate::llm::Llm;
pub use crate::store::call_log::CallRecord;
pub use crate::store::usage::{DailyUsage, UserUsage};
use crate::store::{Store, audit, budgets, call_log, usage, users};

/// Use cases for usage and budgets: report usage, read and set limits, and check whether a run is affordable.
#[derive(Clone, Copy)]
pub struct UsageService<'a> {
    pub(super) store: &'a Store,
    pub(super) engine: &'a Engine,
    pub(super) llm: &'a Llm,
}

impl UsageService<'_> {
    /// Returns a user's budgets and the remaining amounts.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn budget_status(&self, user: &UserId) -> Result<BudgetStanding> {
        self.engine.record_passthrough_usage().await;
        Ok(self.engine.budget_status(user).await?)
    }

    /// Returns a user's usage in a period, per day and model, newest day first.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn days(&self, user: &UserId, from: i64, to: i64) -> Result<Vec<DailyUsage>> {
        self.engine.record_passthrough_usage().await;
        let user = user.clone();
        let lookup = self
            .store
            .read(move |db| usage::for_user(db, &user, from, to));
        Ok(lookup.await?)
    }

    /// Returns each user's usage in a period, most expensive first.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn usage_by_user(&self, from: i64, to: i64) -> Result<Vec<UserUsage>> {
        self.engine.record_passthrough_usage().await;
        let lookup = self.store.read(move |db| usage::of_all(db, from, to));
        Ok(lookup.await?)
    }

    /// Returns the usage of all users in a period, per day and model, newest day first.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn days_of_all(&self, from: i64, to: i64) -> Result<Vec<DailyUsage>> {
        self.engine.record_passthrough_usage().await;
        let lookup = self.store.read(move |db| usage::days_of_all(db, from, to));
        Ok(lookup.await?)
    }

    /// Returns up to `limit` of a user's calls, newest first; with `before`, only calls older than that cursor.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn calls(
        &self,
        user: &UserId,
        limit: u32,
        before: Option<i64>,
    ) -> Result<Vec<CallRecord>> {
        self.engine.record_passthrough_usage().await;
        let user = user.clone();
        let lookup = self
            .store
            .read(move |db| call_log::list_latest(db, Some(&user), limit, before));
        Ok(lookup.await?)
    }

    /// Returns the limits set for a user; `None` if the server's limits apply.
    ///
    /// # Errors
    /// `Missing` if there is no such account.
    pub async fn budget(&self, user: &UserId) -> Result<Option<UserLimits>> {
        let user = user.clone();
        let lookup = self.store.read(move |db| {
            let exists = users::by_id(db, &user)?.is_some();
            Ok((exists, budgets::for_user(db, &user)?))
        });
        let (exists, limits) = lookup.await?;
        exists.then_some(limits).ok_or_else(no_account_error)
    }

    /// Sets a user's limits, or removes them so that the server's limits apply.
    ///
    /// # Errors
    /// `Missing` if there is no such account.
    pub async fn set_budget(
        &self,
        actor: &UserId,
        user: &UserId,
        limits: Option<UserLimits>,
        origin: &RequestOrigin,
    ) -> Result<()> {
        self.budget(user).await?;
        let action = match limits {
            Some(_) => "budget.set",
            None => "budget.removed",
        };
        let mut entry = origin.audit_entry(Some(actor), action, user.as_str());
        if let Some(limits) = &limits {
            entry.detail = serde_json::to_string(limits).map_err(Error::internal)?;
        }
        let user = user.clone();
        let budget_change = self.store.write(move |db| {
            match limits {
                Some(limits) => budgets::put(db, &user, &limits)?,
                None => drop(budgets::delete(db, &user)?),
            }
            audit::append(db, &entry)
        });
        let budget_change = budget_change.await;
        self.engine.budgets_changed();
        Ok(budget_change?)
    }

    /// Rejects a run that would exceed its own budget or the user's.
    ///
    /// # Errors
    /// `BudgetExceeded` if a budget is too small, or if a budget in dollars applies and the price of a model is
    /// unknown.
    pub async fn check_affordable(
        &self,
        user: Option<&UserId>,
        plan: &Plan,
        calls: &[CallEstimate],
        now: Timestamp,
    ) -> Result<()> {
        let unpriced = calls.iter().filter(|call| call.cost_usd.is_none());
        let mut unpriced = unpriced.map(|call| call.model.as_str());
        let all = self.expected_usage(None, calls);
        if plan.budget.is_some()
            && let Some(model) = unpriced.next()
        {
            return Err(unknown_price_error(model, "omit budget_usd"));
        }
        check_run_limit(plan.budget, MicroDollars(0), all.cost).map_err(limit_error)?;
        let Some(user) = user else { return Ok(()) };
        let BudgetStanding {
            limits,
            spending: spent,
            reserved_amount: reserved,
        } = self.engine.budget_status(user).await?;
        let is_own = |model: &str| self.llm.uses_own_key(Some(user), model);
        if limits.limits_cost()
            && let Some(model) = unpriced.find(|model| !is_own(model))
        {
            return Err(unknown_price_error(
                model,
                "ask an administrator to lift the budget",
            ));
        }
        let expected_usage = self.expected_usage(Some(user), calls);
        check_limits(&limits, &spent, reserved, expected_usage, now).map_err(limit_error)
    }

    // Returns the expected usage of a run, or the amount reserved for its first stage if that is more: a run that
    // cannot reserve this amount would end before it starts.
    fn expected_usage(&self, user: Option<&UserId>, calls: &[CallEstimate]) -> UsageAmount {
        let is_own = |call: &&CallEstimate| {
            user.is_some_and(|user| self.llm.uses_own_key(Some(user), &call.model))
        };
        let shared_calls = calls.iter().filter(|call| !is_own(call));
        let shared_calls: Vec<CallEstimate> = shared_calls.cloned().collect();
        let (expected, first) = (
            estimate::total_estimate(calls),
            estimate::first_stage_bound(calls),
        );
        let (paid, paid_first) = (
            estimate::known_cost(&shared_calls),
            estimate::first_stage_bound(&shared_calls),
        );
        UsageAmount {
            cost: paid.max(paid_first.cost),
            tokens: first
                .tokens
                .max(expected.input_tokens + expected.output_tokens),
        }
    }
}

fn limit_error(exceeded: LimitExceeded) -> Error {
    Error::new(Kind::BudgetExceeded, exceeded.to_string()).resolve(
        "choose fewer or cheaper models, set max_tokens, raise the budget, or wait until it renews",
    )
}

fn unknown_price_error(model: &str, remedy: &str) -> Error {
    Error::new(
        Kind::BudgetExceeded,
        format!("the price of {model} is not known, so a budget in dollars cannot be enforced"),
    )
    .resolve(format!(
        "choose models with a known price, set this model's price, or {remedy}"
    ))
}

pub(super) fn no_account_error() -> Error {
    Error::new(Kind::Missing, "there is no such account")
}
