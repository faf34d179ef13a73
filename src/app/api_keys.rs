//! API keys of one account: made once and shown once, listed, deleted.

use std::time::Duration;

use super::accounts::{Accounts, RequestOrigin, chance, needs_session};
use super::{Error, Kind, Result};
use crate::crypto::token;
use crate::domain::id::{KeyId, UserId};
use crate::domain::key::{KeyLimits, KeyScope};
use crate::domain::money::MicroDollars;
use crate::domain::user::{ApiKey, Caller};
use crate::store::{api_keys, audit};

/// Keys one account may have.
const MOST_KEYS: usize = 100;
/// Days that a key may be made for.
const MOST_DAYS: u32 = 3_650;
/// Models that a key may name.
const MOST_MODELS: usize = 100;

/// A key that is wanted. The default opens `KeyScope::DEFAULT` and lasts until it is deleted.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    /// What its owner calls it.
    pub name: String,
    /// Days that it lasts.
    pub days: Option<u32>,
    /// The parts of the API that it opens, by name; `KeyScope::DEFAULT` where there are none.
    pub scopes: Vec<String>,
    /// Models that it may ask; any where there are none.
    pub models: Vec<String>,
    /// US dollars that its calls may cost a day.
    pub day_usd: Option<f64>,
    /// US dollars that they may cost in all.
    pub all_usd: Option<f64>,
}

impl Accounts {
    /// A new key of the caller: the key itself, which is not kept, and what is known of it.
    pub async fn create_key(
        &self,
        caller: &Caller,
        wanted: NewKey,
        visit: &RequestOrigin,
    ) -> Result<(String, ApiKey)> {
        needs_session(caller, "make further keys")?;
        self.make_key(&caller.user, wanted, visit).await
    }

    /// The same for whoever operates the machine.
    pub async fn make_key(
        &self,
        user: &UserId,
        wanted: NewKey,
        visit: &RequestOrigin,
    ) -> Result<(String, ApiKey)> {
        let (scopes, confines) = checked(&wanted)?;
        let (name, days) = (wanted.name.trim(), wanted.days);
        let text = token::new_key().map_err(Error::internal)?;
        let key = ApiKey {
            id: KeyId::new(visit.now, chance()?),
            user: user.clone(),
            name: if name.is_empty() {
                "API key".to_owned()
            } else {
                name.to_owned()
            },
            prefix: text.chars().take(token::KEY_PREFIX.len() + 6).collect(),
            hash: token::hash(&text),
            scopes,
            confines,
            created: visit.now,
            last_used: None,
            expires: days.map(|days| visit.now + Duration::from_secs(u64::from(days) * 86_400)),
        };
        let entry = visit.entry(Some(user), "key.created", key.id.as_str());
        let row = key.clone();
        let made = self.store.write(move |db| {
            if api_keys::list_of(db, &row.user)?.len() >= MOST_KEYS {
                return Ok(false);
            }
            api_keys::insert(db, &row)?;
            audit::append(db, &entry)?;
            Ok(true)
        });
        if !made.await? {
            return Err(Error::new(
                Kind::BadRequest,
                format!("an account may have {MOST_KEYS} keys"),
            )
            .resolve("delete one that is not used"));
        }
        Ok((text, key))
    }

    /// The caller's keys.
    pub async fn keys(&self, caller: &Caller) -> Result<Vec<ApiKey>> {
        let user = caller.user.clone();
        Ok(self
            .store
            .read(move |db| api_keys::list_of(db, &user))
            .await?)
    }

    /// Deletes one of the caller's keys; it is refused from then on.
    pub async fn delete_key(&self, caller: &Caller, id: &str, visit: &RequestOrigin) -> Result<()> {
        let missing = || Error::new(Kind::Missing, "there is no such key");
        let id = KeyId::parse(id).ok_or_else(missing)?;
        let with = caller.key.as_ref().filter(|with| with.id != id);
        if with.is_some_and(|with| !with.opens(KeyScope::Keys)) {
            let why = "an API key without the scope keys deletes no key but itself";
            return Err(Error::new(Kind::Forbidden, why));
        }
        let entry = visit.entry(Some(&caller.user), "key.deleted", id.as_str());
        let user = caller.user.clone();
        let deleted = self.freeing.write(move |db| {
            let deleted = api_keys::delete(db, &user, &id)?;
            if deleted {
                audit::append(db, &entry)?;
            }
            Ok(deleted)
        });
        let deleted = deleted.await?;
        self.seen.forget();
        if deleted { Ok(()) } else { Err(missing()) }
    }
}

fn checked(wanted: &NewKey) -> Result<(Vec<KeyScope>, KeyLimits)> {
    let wrong = |field: &str, why: String| Error::field(&["body", field], "value_error", why);
    let name = wanted.name.trim();
    if name.chars().count() > 100 || name.chars().any(char::is_control) {
        let why = "a name has at most 100 characters and no control characters";
        return Err(wrong("name", why.to_owned()));
    }
    if (wanted.days).is_some_and(|days| !(1..=MOST_DAYS).contains(&days)) {
        let why = format!("a key lasts 1 to {MOST_DAYS} days");
        return Err(wrong("expires_in_days", why));
    }
    let mut scopes = Vec::new();
    for name in &wanted.scopes {
        let scope = KeyScope::parse(name).ok_or_else(|| {
            let known = KeyScope::ALL.map(KeyScope::as_str).join(", ");
            wrong("scopes", format!("a scope is one of {known}"))
        })?;
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    let sound = |model: &String| {
        !model.trim().is_empty() && model.len() <= 200 && !model.chars().any(char::is_control)
    };
    if wanted.models.len() > MOST_MODELS || !wanted.models.iter().all(sound) {
        let why = format!("at most {MOST_MODELS} ids of models, or beginnings of ids and a *");
        return Err(wrong("models", why));
    }
    let amount = |field: &str, dollars: Option<f64>| match dollars.map(MicroDollars::from_dollars) {
        Some(None) => Err(wrong(field, "an amount of at least 0".to_owned())),
        amount => Ok(amount.flatten()),
    };
    let confines = KeyLimits {
        models: wanted
            .models
            .iter()
            .map(|model| model.trim().to_owned())
            .collect(),
        day_cost: amount("day_budget_usd", wanted.day_usd)?,
        all_cost: amount("budget_usd", wanted.all_usd)?,
    };
    Ok((scopes, confines))
}
