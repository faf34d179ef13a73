//! Enforces the budgets of runs, users, and API keys: reserves in memory the maximum that calls may use, and releases
//! it once the actual usage has been stored. The rules for what fits are in `domain`.

mod unlimited;

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::SharedReservations;
use crate::clock;
use crate::domain::analysis::{Member, Plan, StageAnswer};
use crate::domain::id::UserId;
use crate::domain::money::{MicroDollars, Price};
use crate::domain::pattern::{CallId, CallReservation};
use crate::domain::usage::{
    LimitExceeded, UsageAmount, UserLimits, UserSpending, check_limits, check_run_limit,
};
use crate::store::{Membership, Reader, Store, StoreError, Writer, budgets, reservations, usage};
use unlimited::UnlimitedUsers;

/// Prices and budget of a run, fixed at planning time.
#[derive(Debug, Clone, Default)]
pub struct RunTerms {
    prices: BTreeMap<String, Price>,
    /// The run's own budget; `None` for no limit.
    budget: Option<MicroDollars>,
    /// The amount spent before the last restart.
    spent_before: MicroDollars,
}

impl RunTerms {
    /// Collects the prices and the budget of a plan, and the cost of the calls already made.
    pub fn from_plan(plan: &Plan, answers: &[StageAnswer]) -> Self {
        let planned = plan.members.iter().chain([&plan.synthesizer]);
        let planned = planned.chain(plan.evidence.members());
        let all = planned.flat_map(|member| std::iter::once(member).chain(&member.fallbacks));
        let priced = |member: &Member| Some((member.model.clone(), member.price?));
        let costs = answers.iter().flat_map(|answer| {
            let earlier = answer.earlier.iter().map(|attempt| attempt.cost);
            earlier.chain([answer.cost]).flatten()
        });
        Self {
            prices: all.filter_map(priced).collect(),
            budget: plan.budget,
            spent_before: costs.fold(MicroDollars(0), MicroDollars::saturating_add),
        }
    }

    /// Returns a model's price, if known.
    pub fn price(&self, model: &str) -> Option<Price> {
        self.prices.get(model).copied()
    }
}

/// A user's limits, and the amounts spent and reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BudgetStanding {
    /// The user's own limits, or the server's default.
    pub limits: UserLimits,
    /// Amounts already spent.
    pub spending: UserSpending,
    /// Amount reserved for calls in progress.
    pub reserved_amount: UsageAmount,
}

impl BudgetStanding {
    // Reads a user's limits and spent amounts. The reserved amounts must be read before this.
    fn read(
        db: &Reader,
        user: &UserId,
        default: UserLimits,
        reserved: UsageAmount,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            limits: budgets::for_user(db, user)?.unwrap_or(default),
            spending: usage::spent(db, user, clock::now().day())?,
            reserved_amount: reserved,
        })
    }

    // Checks whether there is room for an amount; `unpriced` is a model whose price is unknown.
    fn check(&self, requested: UsageAmount, unpriced: Option<&str>) -> Result<(), String> {
        if let (Some(model), true) = (unpriced, self.limits.limits_cost()) {
            return Err(unknown_price(model));
        }
        let now = clock::now();
        check_limits(
            &self.limits,
            &self.spending,
            self.reserved_amount,
            requested,
            now,
        )
        .map_err(|over| over.to_string())
    }
}

/// The reservation ledger of all users; one per process.
pub(super) struct ReservationLedger {
    store: Store,
    /// Default limits of users who have none of their own.
    limits: UserLimits,
    reserved_by_user: Mutex<HashMap<UserId, UsageAmount>>,
    /// The same reservations, as stored for other servers that use the database.
    shared_reservations: Arc<SharedReservations>,
    /// Held from reading the spent amount until the reservation has been made, so that two runs are not
    /// granted the same money.
    grant_lock: tokio::sync::Mutex<()>,
    unlimited: UnlimitedUsers,
}

impl ReservationLedger {
    pub fn new(store: Store, limits: UserLimits, shared: Arc<SharedReservations>) -> Self {
        Self {
            store,
            limits,
            shared_reservations: shared,
            reserved_by_user: Mutex::default(),
            grant_lock: tokio::sync::Mutex::default(),
            unlimited: UnlimitedUsers::default(),
        }
    }

    /// Returns a user's budget status.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn status(&self, user: &UserId) -> Result<BudgetStanding, StoreError> {
        // Read this before the store: an amount released in between has already been stored, so it may be
        // counted twice, but is never missed.
        let reserved_amount = self.lock_reserved().get(user).copied().unwrap_or_default();
        let (id, default) = (user.clone(), self.limits);
        let boot = self.store.membership().map(Membership::boot);
        let spent_read = self.store.read(move |db| {
            let elsewhere = match boot {
                Some(boot) => reservations::reserved_elsewhere(db, id.as_str(), &boot)?,
                None => UsageAmount::default(),
            };
            BudgetStanding::read(db, &id, default, reserved_amount.saturating_add(elsewhere))
        });
        spent_read.await
    }

    /// Returns whether a user has no limits. If so, the result is cached for two seconds.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn is_unlimited(&self, user: &UserId) -> Result<bool, StoreError> {
        let now = clock::instant();
        let Err(epoch) = self.unlimited.find(user, now) else {
            return Ok(true);
        };
        let is_unlimited = self.status(user).await?.limits.is_none();
        if is_unlimited {
            self.unlimited.insert(epoch, user, now);
        }
        Ok(is_unlimited)
    }

    /// Clears the cache of users without limits, because limits have changed.
    pub fn budgets_changed(&self) {
        self.unlimited.clear();
    }

    /// Reserves an amount within a user's limits. Returns false, without reserving anything, for a user without limits.
    async fn grant(
        &self,
        user: &UserId,
        requested: UsageAmount,
        unpriced: Option<&str>,
    ) -> Result<bool, String> {
        let read_error = |_| "the budgets could not be read".to_owned();
        // Users without limits need not wait for the lock.
        if self.is_unlimited(user).await.map_err(read_error)? {
            return Ok(false);
        }
        let _grant_guard = self.grant_lock.lock().await;
        if self.shared_reservations.is_needed() {
            let (id, default) = (user.clone(), self.limits);
            let unpriced = unpriced.map(str::to_owned);
            let check = move |db: &Writer, reserved| {
                let standing = BudgetStanding::read(db, &id, default, reserved)?;
                Ok(standing.check(requested, unpriced.as_deref()))
            };
            let check_result = self
                .shared_reservations
                .reserve(user.as_str(), requested, check)
                .await;
            check_result.map_err(read_error)??;
        } else {
            let standing = self.status(user).await.map_err(read_error)?;
            standing.check(requested, unpriced)?;
        }
        let mut all = self.lock_reserved();
        let sum = all.entry(user.clone()).or_default();
        *sum = sum.saturating_add(requested);
        Ok(true)
    }

    fn release(&self, user: &UserId, amount: UsageAmount) {
        self.shared_reservations.release(user.as_str(), amount);
        let mut all = self.lock_reserved();
        if let Some(sum) = all.get_mut(user) {
            *sum = sum.saturating_sub(amount);
            if *sum == UsageAmount::default() {
                all.remove(user);
            }
        }
    }

    /// Returns the number of users who hold reservations.
    #[cfg(test)]
    pub fn holder_count(&self) -> usize {
        self.lock_reserved().len()
    }

    fn lock_reserved(&self) -> MutexGuard<'_, HashMap<UserId, UsageAmount>> {
        self.reserved_by_user
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reservation for something other than a run. Released on drop.
pub struct ReservedAmount {
    ledger: Arc<ReservationLedger>,
    user: UserId,
    amount: UsageAmount,
}

impl ReservedAmount {
    /// Reserves the amount if the user has a budget.
    ///
    /// # Errors
    /// Returns a message for the user if the budget does not cover the amount or the store fails.
    pub(super) async fn reserve(
        reservations: Arc<ReservationLedger>,
        user: &UserId,
        amount: UsageAmount,
    ) -> Result<Self, String> {
        let is_bound = reservations.grant(user, amount, None).await?;
        Ok(Self {
            ledger: reservations,
            user: user.clone(),
            amount: if is_bound {
                amount
            } else {
                UsageAmount::default()
            },
        })
    }
}

impl Drop for ReservedAmount {
    fn drop(&mut self) {
        self.ledger.release(&self.user, self.amount);
    }
}

/// The reservations of a run's calls. Released on drop.
pub(super) struct BudgetReservation {
    ledger: Arc<ReservationLedger>,
    user: Option<UserId>,
    budget: Option<MicroDollars>,
    spent_amount: MicroDollars,
    open_calls: BTreeMap<CallId, ReservedCall>,
    /// The budget of the run's API key, if it has one.
    key: Option<Box<dyn KeyFunds>>,
    /// Amount reserved for calls that have ended but whose usage has not been stored yet.
    unstored_amount: UsageAmount,
}

#[derive(Debug, Clone, Copy, Default)]
struct ReservedCall {
    /// Amount counted toward the user's budgets, if there are any: tokens, and money unless the user's own provider key
    /// pays.
    amount: UsageAmount,
    /// Amount counted toward the run's budget.
    cost: MicroDollars,
    /// Number of reserved output tokens.
    output: u64,
    /// Whether any budget applies to the call.
    is_bound: bool,
}

/// A reservation in an API key's budget, held for a run until dropped.
pub trait KeyFunds: Send + Sync {
    /// Increases the reservation.
    ///
    /// # Errors
    /// Returns the reason if the key's budget has no room for the increase.
    fn extend(&self, cost: MicroDollars) -> FundsOutcome<'_>;
}

/// The result of a request for more funds; the error is the reason if there are none.
pub type FundsOutcome<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

impl BudgetReservation {
    pub fn new(
        reservations: Arc<ReservationLedger>,
        user: Option<UserId>,
        terms: &RunTerms,
    ) -> Self {
        Self {
            ledger: reservations,
            user,
            key: None,
            budget: terms.budget,
            spent_amount: terms.spent_before,
            open_calls: BTreeMap::new(),
            unstored_amount: UsageAmount::default(),
        }
    }

    /// Adds the budget of an API key, which calls must then also stay within.
    pub fn with_key(mut self, key: Option<Box<dyn KeyFunds>>) -> Self {
        self.key = key;
        self
    }

    /// Reserves the maximum usage of these calls. The flag of each call tells whether the user's own provider key pays
    /// for it. The usage of calls that have ended must be stored first.
    ///
    /// # Errors
    /// Returns the reason if a budget has no room, or if a dollar budget applies and a price is unknown.
    pub async fn reserve(&mut self, calls: &[(CallReservation, bool)]) -> Result<(), String> {
        let reserved_calls: Vec<(CallId, ReservedCall)> = calls.iter().map(reserved_call).collect();
        let requested_sum = reserved_calls
            .iter()
            .fold(ReservedCall::default(), |sum, (_, reservation)| {
                sum.saturating_add(reservation)
            });
        let open_sum = self
            .open_calls
            .values()
            .fold(ReservedCall::default(), ReservedCall::saturating_add);
        let used = self.spent_amount.saturating_add(open_sum.cost);
        check_run_limit(self.budget, used, requested_sum.cost)
            .map_err(|over: LimitExceeded| over.to_string())?;
        let unpriced = |is_shared_provider: bool| {
            let mut calls = calls.iter();
            let unpriced_call =
                calls.find(|(claim, own)| claim.cost.is_none() && !(is_shared_provider && *own));
            unpriced_call.map(|(claim, _)| claim.model.as_str())
        };
        if let (Some(model), Some(_)) = (unpriced(false), self.budget) {
            return Err(unknown_price(model));
        }
        let is_user_bound = match &self.user {
            Some(user) => {
                let grant = self
                    .ledger
                    .grant(user, requested_sum.amount, unpriced(true));
                grant.await?
            }
            None => false,
        };
        let is_bound = is_user_bound || self.budget.is_some() || self.key.is_some();
        for ((call, mut reservation), (claim, _)) in reserved_calls.into_iter().zip(calls) {
            if !is_user_bound {
                // The ledger holds nothing for the call, so there is nothing to release, and its usage need not be
                // stored soon.
                reservation.amount = UsageAmount::default();
            }
            let sum = self.open_calls.entry(call).or_default();
            *sum = sum.saturating_add(&reservation);
            sum.output = sum.output.saturating_add(claim.output_tokens);
            sum.is_bound |= is_bound;
        }
        Ok(())
    }

    /// Returns the output tokens reserved for a call; `None` if no budget applies.
    pub fn reserved_output(&self, call: CallId) -> Option<u64> {
        let reserved_call = self
            .open_calls
            .get(&call)
            .filter(|reserved_call| reserved_call.is_bound);
        reserved_call.map(|reserved_call| reserved_call.output)
    }

    /// Reserves additional output for a call in progress.
    ///
    /// # Errors
    /// Returns the reason if a budget has no room for the additional output.
    pub async fn extend(&mut self, more: CallReservation, own_key: bool) -> Result<(), String> {
        if let Some(key) = &self.key {
            key.extend(more.cost.unwrap_or_default()).await?;
        }
        self.reserve(&[(more, own_key)]).await
    }

    /// Records the actual cost of a call that has ended. Its amount stays reserved until the usage has been stored.
    pub fn close(&mut self, call: CallId, cost: MicroDollars) {
        self.spent_amount = self.spent_amount.saturating_add(cost);
        if let Some(closed_call) = self.open_calls.remove(&call) {
            self.unstored_amount = self.unstored_amount.saturating_add(closed_call.amount);
        }
    }

    /// Returns whether an API key's budget or an unstored call still holds a reservation.
    pub fn holds_budget(&self) -> bool {
        self.key.is_some() || self.unstored_amount != UsageAmount::default()
    }

    /// Releases the amounts reserved for ended calls. Call this once their usage has been stored.
    pub fn release_stored(&mut self) {
        let over = std::mem::take(&mut self.unstored_amount);
        if let Some(user) = &self.user {
            self.ledger.release(user, over);
        }
    }
}

impl Drop for BudgetReservation {
    fn drop(&mut self) {
        let open_calls = std::mem::take(&mut self.open_calls);
        let open_sum = open_calls
            .values()
            .fold(ReservedCall::default(), ReservedCall::saturating_add);
        self.unstored_amount = self.unstored_amount.saturating_add(open_sum.amount);
        self.release_stored();
    }
}

impl ReservedCall {
    fn saturating_add(self, other: &Self) -> Self {
        Self {
            amount: self.amount.saturating_add(other.amount),
            cost: self.cost.saturating_add(other.cost),
            ..self
        }
    }
}

fn unknown_price(model: &str) -> String {
    format!("the price of {model} is not known, so a budget in dollars cannot be enforced")
}

fn reserved_call((claim, own_key): &(CallReservation, bool)) -> (CallId, ReservedCall) {
    let cost = claim.cost.unwrap_or_default();
    let amount = UsageAmount {
        cost: if *own_key { MicroDollars(0) } else { cost },
        tokens: claim.input_tokens.saturating_add(claim.output_tokens),
    };
    let new_call = ReservedCall {
        amount,
        cost,
        ..ReservedCall::default()
    };
    (claim.call, new_call)
}

#[cfg(test)]
pub(super) mod tests;
