//! API key limits: models and budgets, checked before a run starts. Spending is counted in `store::api_keys`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Error, Kind, Result};
use crate::clock;
use crate::domain::analysis::Plan;
use crate::domain::id::{KeyId, UserId};
use crate::domain::key::KeyLimits;
use crate::domain::model::{Availability, Model};
use crate::domain::money::MicroDollars;
use crate::domain::pattern::estimate::{self, CallEstimate};
use crate::domain::time::Timestamp;
use crate::domain::usage::UsageAmount;
use crate::domain::user::Caller;
use crate::engine::{FundsOutcome, KeyFunds, SharedReservations};
use crate::llm::Llm;
use crate::store::{Store, Writer, api_keys};

/// Use cases for API key limits: look them up, and reserve the cost of runs and calls.
#[derive(Clone, Copy)]
pub(super) struct KeyLimitService<'a> {
    pub(super) store: &'a Store,
    pub(super) llm: &'a Llm,
    pub(super) reservations: &'a Arc<KeyReservations>,
    pub(super) shared: &'a Arc<SharedReservations>,
}

impl KeyLimitService<'_> {
    /// Returns the limits of the caller's key. For a session or a key without limits, the returned value allows
    /// everything.
    ///
    /// # Errors
    /// `SignInNeeded` if the key no longer exists.
    pub async fn limits_of(&self, caller: &Caller) -> Result<KeyLimits> {
        match &caller.key {
            Some(key) if key.has_limits => Ok(self.limits(&caller.user, &key.id).await?),
            _ => Ok(KeyLimits::default()),
        }
    }

    async fn limits(&self, user: &UserId, key: &KeyId) -> Result<KeyLimits> {
        let (user, key) = (user.clone(), key.clone());
        let read = self.store.read(move |db| api_keys::by_id(db, &user, &key));
        let found = read
            .await?
            .ok_or_else(|| Error::new(Kind::SignInNeeded, "the API key is no longer valid"))?;
        Ok(found.limits)
    }

    /// Returns the available models that a limited caller may use, strongest first, for a panel without specified
    /// models.
    pub fn models(&self, user: &UserId, limits: &KeyLimits) -> Vec<Model> {
        let all = self.llm.models(Some(user)).into_iter();
        let mut models: Vec<Model> = all
            .filter(|(model, state)| *state == Availability::Ready && limits.allow(&model.id))
            .map(|(model, _)| model)
            .collect();
        models.sort_by_key(|model| std::cmp::Reverse(model.strength));
        models
    }

    /// Checks that an API key allows a run, and reserves the run's maximum cost until the run is stored. Returns `None`
    /// if the key has no budget.
    ///
    /// # Errors
    /// `Forbidden` for a model that the key may not use; `BudgetExceeded` if its budget is too small or a price is
    /// unknown.
    pub async fn reserve_run(
        &self,
        user: &UserId,
        key: &KeyId,
        plan: &Plan,
        calls: &[CallEstimate],
        now: Timestamp,
    ) -> Result<Option<KeyReservation>> {
        let limits = self.limits(user, key).await?;
        if let Some(model) = forbidden_model(&limits, plan) {
            let why = format!("this API key may not use {model}");
            let may = limits.models.join(", ");
            return Err(Error::new(Kind::Forbidden, why).resolve(format!("allowed models: {may}")));
        }
        if [limits.daily_budget, limits.total_budget] == [None, None] {
            return Ok(None);
        }
        if let Some(call) = calls.iter().find(|call| call.cost_usd.is_none()) {
            let why = format!(
                "the price of {} is not known, so this API key's budget cannot be enforced",
                call.model
            );
            return Err(Error::new(Kind::BudgetExceeded, why));
        }
        let cost = estimate::upper_bound(calls).unwrap_or_default();
        self.reserve(&limits, key, cost, now).await.map(Some)
    }

    /// Reserves the maximum cost of a run that continues after a restart.
    pub fn restore_reservation(&self, key: &KeyId, cost: MicroDollars) -> Box<dyn KeyFunds> {
        let shared = self.shared.is_needed().then(|| {
            self.shared.add(key.as_str(), money(cost));
            SharedFunds {
                reservations: self.shared.clone(),
                limits: KeyLimits::default(),
            }
        });
        self.reservations
            .hold_funds(key, cost, None, shared)
            .boxed()
    }

    /// Reserves the maximum cost of a key's calls until they are recorded.
    ///
    /// # Errors
    /// `BudgetExceeded` if the key's budget is too small.
    pub async fn reserve(
        &self,
        key_limits: &KeyLimits,
        key: &KeyId,
        cost: MicroDollars,
        now: Timestamp,
    ) -> Result<KeyReservation> {
        let shared = match self.shared.is_needed() {
            true => Some(SharedFunds {
                reservations: self.shared.clone(),
                limits: key_limits.clone(),
            }),
            false => None,
        };
        let remaining = match &shared {
            Some(shared) => shared.reserve(key, cost, now).await?,
            None => {
                let _reserving_guard = self.reservations.reserve_lock.lock().await;
                // Read this before the spent amount: a reservation released in between has already been recorded as
                // spent, so it may be counted twice, but is never missed.
                let reserved = self.reservations.held_amount(key);
                let key_id = key.clone();
                let read = self
                    .store
                    .read(move |db| api_keys::spent(db, &key_id, now.day()));
                let remaining = remaining_funds(key_limits, read.await?, reserved, cost)?;
                return Ok(self.reservations.hold_funds(key, cost, remaining, None));
            }
        };
        Ok(self.reservations.hold_funds(key, cost, remaining, shared))
    }
}

/// Checks a cost against a key's daily and total budget. Returns the smaller remainder, or `None` if the key has no
/// budget. `spent` is the amount spent today and in total.
fn remaining_funds(
    limits: &KeyLimits,
    spent: (MicroDollars, MicroDollars),
    reserved: MicroDollars,
    cost: MicroDollars,
) -> Result<Option<MicroDollars>> {
    let mut remaining: Option<MicroDollars> = None;
    let limits = [
        (spent.0, limits.daily_budget, "today"),
        (spent.1, limits.total_budget, "in all"),
    ];
    for (spent, limit, when) in limits {
        let committed = spent.saturating_add(reserved);
        let Some(limit) = limit else { continue };
        let needed = committed.saturating_add(cost);
        if needed <= limit {
            let rest = MicroDollars(limit.0 - needed.0);
            remaining = Some(remaining.map_or(rest, |remaining| remaining.min(rest)));
            continue;
        }
        let why = format!(
            "this may cost up to {:.4} USD; {:.4} of this API key's {:.4} {when} are spent or reserved",
            cost.dollars(),
            committed.dollars(),
            limit.dollars(),
        );
        return Err(Error::new(Kind::BudgetExceeded, why)
            .resolve("its owner can create a key with a larger budget"));
    }
    Ok(remaining)
}

/// The budgets of a key that may be used on several servers: every reservation is checked in the database.
struct SharedFunds {
    reservations: Arc<SharedReservations>,
    limits: KeyLimits,
}

impl SharedFunds {
    async fn reserve(
        &self,
        key: &KeyId,
        cost: MicroDollars,
        now: Timestamp,
    ) -> Result<Option<MicroDollars>> {
        let (limits, id) = (self.limits.clone(), key.clone());
        let check = move |db: &Writer, reserved: UsageAmount| {
            let spent = api_keys::spent(db, &id, now.day())?;
            Ok(remaining_funds(&limits, spent, reserved.cost, cost))
        };
        let amount = money(cost);
        self.reservations
            .reserve(key.as_str(), amount, check)
            .await?
    }
}

fn money(cost: MicroDollars) -> UsageAmount {
    UsageAmount { cost, tokens: 0 }
}

/// Amounts reserved by keys and not yet recorded, so that concurrent requests are not granted the same money.
#[derive(Default)]
pub(super) struct KeyReservations {
    held_funds: Mutex<HashMap<KeyId, HeldFunds>>,
    /// Held from reading the spent amount until the reservation has been made.
    reserve_lock: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone, Copy, Default)]
struct HeldFunds {
    reserved: MicroDollars,
    /// Cumulative sum of all reservations, including spent ones.
    total_reserved: MicroDollars,
}

/// An amount that stays reserved until the value is dropped.
pub(super) struct KeyReservation {
    reservations: Arc<KeyReservations>,
    key: KeyId,
    cost: Mutex<MicroDollars>,
    /// Remaining budget when the reservation was made; `None` without a budget.
    remaining: Option<MicroDollars>,
    /// The value of `HeldFunds::total_reserved` when the reservation was made.
    total_at_start: MicroDollars,
    /// Set if other servers may use the database too.
    shared: Option<SharedFunds>,
}

impl KeyReservations {
    fn lock_funds(&self) -> MutexGuard<'_, HashMap<KeyId, HeldFunds>> {
        self.held_funds
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn held_amount(&self, key: &KeyId) -> MicroDollars {
        self.lock_funds()
            .get(key)
            .map(|held| held.reserved)
            .unwrap_or_default()
    }

    fn hold_funds(
        self: &Arc<Self>,
        key: &KeyId,
        cost: MicroDollars,
        remaining: Option<MicroDollars>,
        shared: Option<SharedFunds>,
    ) -> KeyReservation {
        let mut all = self.lock_funds();
        let funds = all.entry(key.clone()).or_default();
        funds.add(cost);
        KeyReservation {
            reservations: self.clone(),
            key: key.clone(),
            cost: Mutex::new(cost),
            remaining,
            total_at_start: funds.total_reserved,
            shared,
        }
    }
}

impl HeldFunds {
    fn add(&mut self, cost: MicroDollars) {
        self.reserved = self.reserved.saturating_add(cost);
        self.total_reserved = self.total_reserved.saturating_add(cost);
    }
}

impl KeyReservation {
    pub(super) fn boxed(self) -> Box<dyn KeyFunds> {
        Box::new(self)
    }

    fn cost(&self) -> MutexGuard<'_, MicroDollars> {
        self.cost.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyReservation {
    async fn extend_by(&self, cost: MicroDollars) -> std::result::Result<(), String> {
        const KEY_BUDGET_EXHAUSTED: &str = "this API key's budget is used up";
        if let Some(shared) = &self.shared {
            let reserved = shared.reserve(&self.key, cost, clock::now()).await;
            reserved.map_err(|error| match error.kind {
                Kind::BudgetExceeded => KEY_BUDGET_EXHAUSTED.to_owned(),
                _ => "this API key's budget could not be read".to_owned(),
            })?;
        }
        let mut all = self.reservations.lock_funds();
        let funds = all.entry(self.key.clone()).or_default();
        // All reservations made since this one may have been spent by now. Amounts released unspent are counted too, so
        // this never allows too much.
        let since = MicroDollars(funds.total_reserved.0.saturating_sub(self.total_at_start.0));
        let exceeds_remaining = |remaining| since.saturating_add(cost) > remaining;
        if self.shared.is_none() && self.remaining.is_some_and(exceeds_remaining) {
            return Err(KEY_BUDGET_EXHAUSTED.to_owned());
        }
        funds.add(cost);
        drop(all);
        let mut own_cost = self.cost();
        *own_cost = own_cost.saturating_add(cost);
        Ok(())
    }
}

impl KeyFunds for KeyReservation {
    fn extend(&self, cost: MicroDollars) -> FundsOutcome<'_> {
        Box::pin(self.extend_by(cost))
    }
}

impl Drop for KeyReservation {
    fn drop(&mut self) {
        let cost = *self.cost();
        if let Some(shared) = &self.shared {
            let key = self.key.as_str();
            shared.reservations.release(key, money(cost));
        }
        let mut all = self.reservations.lock_funds();
        if let Some(held) = all.get_mut(&self.key) {
            held.reserved.0 -= cost.0;
            if held.reserved.0 <= 0 {
                all.remove(&self.key);
            }
        }
    }
}

// Returns a model of the plan, or one of its fallbacks, that the key may not use.
fn forbidden_model<'a>(limits: &KeyLimits, plan: &'a Plan) -> Option<&'a str> {
    let members = plan.members.iter().chain(&plan.readers);
    let members = members.chain(std::iter::once(&plan.synthesizer));
    let members = members.chain(plan.evidence.members());
    let mut callable_members =
        members.flat_map(|member| std::iter::once(member).chain(&member.fallbacks));
    let found = callable_members.find(|member| !limits.allow(&member.model));
    found.map(|member| member.model.as_str())
}
