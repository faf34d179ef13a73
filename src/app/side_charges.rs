//! Budgets for calls outside of runs: the cost is reserved in every budget before a call and recorded after it.

use super::key_limits::{KeyLimitService, KeyReservation};
use super::{Error, Kind, Result};
use crate::domain::id::AnalysisId;
use crate::domain::money::MicroDollars;
use crate::domain::time::Timestamp;
use crate::domain::usage::{CallCharge, UsageAmount};
use crate::domain::user::Caller;
use crate::engine::{Engine, ReservedAmount};
use crate::store::{Store, api_keys, call_log, usage as days};

/// Reserves and records the cost of calls outside of runs.
#[derive(Clone, Copy)]
pub(super) struct SideCharges<'a> {
    pub(super) store: &'a Store,
    pub(super) engine: &'a Engine,
    pub(super) key_limits: KeyLimitService<'a>,
}

/// A reserved amount, released when dropped.
pub(super) struct SideReservation {
    _budget: ReservedAmount,
    _key: Option<KeyReservation>,
}

impl SideCharges<'_> {
    /// Reserves a call's cost (`None` if the price is unknown) and tokens in the budgets of the user and of the API
    /// key. Refuses a model that the key may not use. Hold the reservation until the charge is recorded, so that two
    /// requests cannot spend the same money.
    ///
    /// # Errors
    /// `Forbidden` if the API key may not use the model; `BudgetExceeded` if a budget is too small or the price is
    /// unknown.
    pub async fn reserve(
        &self,
        caller: &Caller,
        model: &str,
        (cost, tokens): (Option<MicroDollars>, u64),
        now: Timestamp,
    ) -> Result<SideReservation> {
        let limits = self.key_limits.limits_of(caller).await?;
        if !limits.allow(model) {
            let why = format!("this API key may not use {model}");
            return Err(Error::new(Kind::Forbidden, why));
        }
        let budget_status = self.engine.budget_status(&caller.user).await?;
        let has_key_budget = limits.daily_budget.is_some() || limits.total_budget.is_some();
        if cost.is_none() && (has_key_budget || budget_status.limits.limits_cost()) {
            let why =
                "the price of this model is not known, so a budget in dollars cannot be enforced";
            return Err(Error::new(Kind::BudgetExceeded, why)
                .resolve("ask an administrator to set its price"));
        }
        let cost = cost.unwrap_or_default();
        let budget_reservation = self
            .engine
            .reserve(&caller.user, UsageAmount { cost, tokens });
        let budget_reservation = budget_reservation
            .await
            .map_err(|exceeded| Error::new(Kind::BudgetExceeded, exceeded))?;
        let key_reservation = match caller.key.as_ref().filter(|_| has_key_budget) {
            Some(key) => Some(self.key_limits.reserve(&limits, &key.id, cost, now).await?),
            None => None,
        };
        Ok(SideReservation {
            _budget: budget_reservation,
            _key: key_reservation,
        })
    }

    /// Records a call in the call log under `id`, which need not belong to an analysis, and adds it to the usage of the
    /// user and of the API key.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written.
    pub async fn record(&self, caller: &Caller, id: &AnalysisId, charge: CallCharge) -> Result<()> {
        let (user, id) = (caller.user.clone(), id.clone());
        let key = caller.key.as_ref().map(|key| key.id.clone());
        let pending_write = self.store.write(move |db| {
            call_log::insert(db, Some(&user), &id, &charge)?;
            days::add(db, &user, charge.started_at.day(), &charge);
            if let Some(key) = &key {
                api_keys::add_usage(db, key, &charge);
            }
            Ok(())
        });
        Ok(pending_write.await?)
    }
}
