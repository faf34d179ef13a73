//! What an API key is confined to: models and money. Asked before a run begins; what runs with it is counted
//! in `store::api_keys`.

use super::{App, Error, Kind, Result};
use crate::domain::analysis::Plan;
use crate::domain::id::{KeyId, UserId};
use crate::domain::key::Confines;
use crate::domain::model::{Availability, Model};
use crate::domain::money::MicroDollars;
use crate::domain::pattern::estimate::{self, CallEstimate};
use crate::domain::time::Timestamp;
use crate::domain::user::Caller;
use crate::store::{analyses, api_keys};

impl App {
    /// What the caller's key is confined to; nothing for a session, or a key that was not confined.
    pub(super) async fn confines_of(&self, caller: &Caller) -> Result<Confines> {
        match &caller.key {
            Some(key) if key.is_confined => Ok(self.confines(&caller.user, &key.id).await?),
            _ => Ok(Confines::default()),
        }
    }

    async fn confines(&self, user: &UserId, key: &KeyId) -> Result<Confines> {
        let (user, key) = (user.clone(), key.clone());
        let read = self.store.read(move |db| api_keys::by_id(db, &user, &key));
        let found = read
            .await?
            .ok_or_else(|| Error::new(Kind::SignInNeeded, "the API key is not valid any more"))?;
        Ok(found.confines)
    }

    /// The models that a confined caller's panel is made of where nobody names any, strongest first.
    pub(super) fn within(&self, user: &UserId, confines: &Confines) -> Vec<Model> {
        let all = self.llm.models(Some(user)).into_iter();
        let mut models: Vec<Model> = all
            .filter(|(model, state)| *state == Availability::Ready && confines.allow(&model.id))
            .map(|(model, _)| model)
            .collect();
        models.sort_by_key(|model| std::cmp::Reverse(model.strength));
        models
    }

    /// Refuses a run that its key does not allow.
    pub(super) async fn within_confines(
        &self,
        user: &UserId,
        key: &KeyId,
        plan: &Plan,
        calls: &[CallEstimate],
        now: Timestamp,
    ) -> Result<()> {
        let confines = self.confines(user, key).await?;
        if let Some(model) = beyond(&confines, plan) {
            let why = format!("this API key may not ask {model}");
            let may = confines.models.join(", ");
            return Err(Error::new(Kind::Forbidden, why).resolve(format!("it may ask {may}")));
        }
        let limits = [confines.day_cost, confines.all_cost];
        if limits == [None, None] {
            return Ok(());
        }
        if let Some(call) = calls.iter().find(|call| call.cost_usd.is_none()) {
            let why = format!(
                "the price of {} is not known, so this API key's budget cannot be kept",
                call.model
            );
            return Err(Error::new(Kind::BudgetExceeded, why));
        }
        let wanted = key.clone();
        let read = self.store.read(move |db| {
            let spent = api_keys::spent(db, &wanted, now.day())?;
            Ok((spent, analyses::open_of_key(db, &wanted)?))
        });
        let ((today, whole), open) = read.await?;
        // Those under way have no bill yet: each is taken for one like this.
        let cost = estimate::known_cost(calls).times(open.saturating_add(1));
        let exceeds = |spent: MicroDollars, limit: Option<MicroDollars>| {
            limit.is_some_and(|limit| spent.plus(cost) > limit)
        };
        let (spent, limit, when) = match limits {
            [day, _] if exceeds(today, day) => (today, day, "today"),
            [_, all] if exceeds(whole, all) => (whole, all, "in all"),
            _ => return Ok(()),
        };
        let why = format!(
            "this would take about {:.4} USD; {:.4} of this API key's {:.4} {when} are spent",
            cost.dollars(),
            spent.dollars(),
            limit.unwrap_or_default().dollars(),
        );
        Err(Error::new(Kind::BudgetExceeded, why)
            .resolve("its owner may make a key with a larger budget"))
    }
}

// Whoever would be asked, in another's place too, and may not be.
fn beyond<'a>(confines: &Confines, plan: &'a Plan) -> Option<&'a str> {
    let members = plan.members.iter().chain(&plan.readers);
    let members = members.chain(std::iter::once(&plan.synthesiser));
    let mut asked = members.flat_map(|one| std::iter::once(one).chain(&one.fallbacks));
    let found = asked.find(|one| !confines.allow(&one.model));
    found.map(|one| one.model.as_str())
}
