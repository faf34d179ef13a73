//! What an API key is confined to: models and money. Asked before a run begins; what runs with it is counted
//! in `store::api_keys`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{App, Error, Kind, Result};
use crate::domain::analysis::Plan;
use crate::domain::id::{KeyId, UserId};
use crate::domain::key::KeyLimits;
use crate::domain::model::{Availability, Model};
use crate::domain::money::MicroDollars;
use crate::domain::pattern::estimate::{self, CallEstimate};
use crate::domain::time::Timestamp;
use crate::domain::user::Caller;
use crate::engine::KeyFunds;
use crate::store::api_keys;

impl App {
    /// What the caller's key is confined to; nothing for a session, or a key that was not confined.
    pub(super) async fn confines_of(&self, caller: &Caller) -> Result<KeyLimits> {
        match &caller.key {
            Some(key) if key.is_confined => Ok(self.confines(&caller.user, &key.id).await?),
            _ => Ok(KeyLimits::default()),
        }
    }

    async fn confines(&self, user: &UserId, key: &KeyId) -> Result<KeyLimits> {
        let (user, key) = (user.clone(), key.clone());
        let read = self.store.read(move |db| api_keys::by_id(db, &user, &key));
        let found = read
            .await?
            .ok_or_else(|| Error::new(Kind::SignInNeeded, "the API key is not valid any more"))?;
        Ok(found.confines)
    }

    /// The models that a confined caller's panel is made of where nobody names any, strongest first.
    pub(super) fn within(&self, user: &UserId, confines: &KeyLimits) -> Vec<Model> {
        let all = self.llm.models(Some(user)).into_iter();
        let mut models: Vec<Model> = all
            .filter(|(model, state)| *state == Availability::Ready && confines.allow(&model.id))
            .map(|(model, _)| model)
            .collect();
        models.sort_by_key(|model| std::cmp::Reverse(model.strength));
        models
    }

    /// Refuses a run that its key does not allow; what it may cost is set aside until the run is stored.
    pub(super) async fn within_confines(
        &self,
        user: &UserId,
        key: &KeyId,
        plan: &Plan,
        calls: &[CallEstimate],
        now: Timestamp,
    ) -> Result<Option<KeyReservation>> {
        let confines = self.confines(user, key).await?;
        if let Some(model) = beyond(&confines, plan) {
            let why = format!("this API key may not ask {model}");
            let may = confines.models.join(", ");
            return Err(Error::new(Kind::Forbidden, why).resolve(format!("it may ask {may}")));
        }
        if [confines.day_cost, confines.all_cost] == [None, None] {
            return Ok(None);
        }
        if let Some(call) = calls.iter().find(|call| call.cost_usd.is_none()) {
            let why = format!(
                "the price of {} is not known, so this API key's budget cannot be kept",
                call.model
            );
            return Err(Error::new(Kind::BudgetExceeded, why));
        }
        let cost = estimate::upper_bound(calls).unwrap_or_default();
        self.grant(&confines, key, cost, now).await.map(Some)
    }

    /// Sets aside what a run that goes on after a restart may cost at most.
    pub(super) fn hold_again(&self, key: &KeyId, cost: MicroDollars) -> Box<dyn KeyFunds> {
        self.grants.hold(key, cost, None).boxed()
    }

    /// Sets aside what a key's calls may cost at most, until they are on record.
    pub(super) async fn grant(
        &self,
        confines: &KeyLimits,
        key: &KeyId,
        cost: MicroDollars,
        now: Timestamp,
    ) -> Result<KeyReservation> {
        let _asking = self.grants.asking.lock().await;
        // Looked at before the store: what is let go of meanwhile has been stored by then.
        let held = self.grants.held(key);
        let wanted = key.clone();
        let read = self
            .store
            .read(move |db| api_keys::spent(db, &wanted, now.day()));
        let (today, whole) = read.await?;
        let mut room: Option<MicroDollars> = None;
        let limits = [
            (today, confines.day_cost, "today"),
            (whole, confines.all_cost, "in all"),
        ];
        for (spent, limit, when) in limits {
            let taken = spent.plus(held);
            let Some(limit) = limit else { continue };
            let needed = taken.plus(cost);
            if needed <= limit {
                let left = MicroDollars(limit.0 - needed.0);
                room = Some(room.map_or(left, |room| room.min(left)));
                continue;
            }
            let why = format!(
                "this may take up to {:.4} USD; {:.4} of this API key's {:.4} {when} are spent or set aside",
                cost.dollars(),
                taken.dollars(),
                limit.dollars(),
            );
            return Err(Error::new(Kind::BudgetExceeded, why)
                .resolve("its owner may make a key with a larger budget"));
        }
        Ok(self.grants.hold(key, cost, room))
    }
}

/// What keys may spend that is not on record yet: two requests must not be granted the same money.
#[derive(Default)]
pub(super) struct KeyReservations {
    held: Mutex<HashMap<KeyId, HeldFunds>>,
    /// Held from the look at what is spent until more is set aside.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone, Copy, Default)]
struct HeldFunds {
    now: MicroDollars,
    /// The sum of all that was ever set aside: what is spent meanwhile is part of it.
    ever: MicroDollars,
}

/// Money that is set aside until this is dropped.
pub(super) struct KeyReservation {
    grants: Arc<KeyReservations>,
    key: KeyId,
    cost: Mutex<MicroDollars>,
    /// What the key's budget had left when it was granted; none where nothing binds it.
    room: Option<MicroDollars>,
    /// `HeldFunds::ever` at that time.
    ever: MicroDollars,
}

impl KeyReservations {
    fn all(&self) -> MutexGuard<'_, HashMap<KeyId, HeldFunds>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self, key: &KeyId) -> MicroDollars {
        self.all().get(key).map(|held| held.now).unwrap_or_default()
    }

    fn hold(
        self: &Arc<Self>,
        key: &KeyId,
        cost: MicroDollars,
        room: Option<MicroDollars>,
    ) -> KeyReservation {
        let mut all = self.all();
        let held = all.entry(key.clone()).or_default();
        held.add(cost);
        KeyReservation {
            grants: self.clone(),
            key: key.clone(),
            cost: Mutex::new(cost),
            room,
            ever: held.ever,
        }
    }
}

impl HeldFunds {
    fn add(&mut self, cost: MicroDollars) {
        self.now = self.now.plus(cost);
        self.ever = self.ever.plus(cost);
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

impl KeyFunds for KeyReservation {
    fn extend(&self, cost: MicroDollars) -> std::result::Result<(), String> {
        let mut all = self.grants.all();
        let held = all.entry(self.key.clone()).or_default();
        // Whatever was set aside since may be spent by now; nothing of it has come back.
        let since = MicroDollars(held.ever.0.saturating_sub(self.ever.0));
        if self.room.is_some_and(|room| since.plus(cost) > room) {
            return Err("this API key's budget is used up".to_owned());
        }
        held.add(cost);
        drop(all);
        let mut own = self.cost();
        *own = own.plus(cost);
        Ok(())
    }
}

impl Drop for KeyReservation {
    fn drop(&mut self) {
        let cost = *self.cost();
        let mut all = self.grants.all();
        if let Some(held) = all.get_mut(&self.key) {
            held.now.0 -= cost.0;
            if held.now.0 <= 0 {
                all.remove(&self.key);
            }
        }
    }
}

// Whoever would be asked, in another's place too, and may not be.
fn beyond<'a>(confines: &KeyLimits, plan: &'a Plan) -> Option<&'a str> {
    let members = plan.members.iter().chain(&plan.readers);
    let members = members.chain(std::iter::once(&plan.synthesiser));
    let mut asked = members.flat_map(|one| std::iter::once(one).chain(&one.fallbacks));
    let found = asked.find(|one| !confines.allow(&one.model));
    found.map(|one| one.model.as_str())
}
