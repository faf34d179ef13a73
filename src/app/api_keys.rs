//! Manages an account's API keys. A key is shown only once, when it is created.

use std::time::Duration;

use super::accounts::{Accounts, RequestOrigin, random_number, require_session};
use super::{Error, Kind, Result};
use crate::crypto::token;
use crate::domain::id::{KeyId, UserId};
use crate::domain::key::{KeyLimits, KeyScope};
use crate::domain::money::MicroDollars;
use crate::domain::user::{ApiKey, Caller};
use crate::store::{api_keys, audit};

/// Maximum number of keys per account.
const MAX_KEYS: usize = 100;
/// Maximum lifetime of a key, in days.
const MAX_DAYS: u32 = 3_650;
/// Maximum number of models in a key's allowlist.
const MAX_MODELS: usize = 100;

/// Parameters of a new key. The default has `KeyScope::DEFAULT` and never expires.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    /// Display name, chosen by the owner.
    pub name: String,
    /// Lifetime in days; `None` for a key that never expires.
    pub days: Option<u32>,
    /// API scopes of the key; `KeyScope::DEFAULT` if empty.
    pub scopes: Vec<String>,
    /// Models that the key may use; all if empty.
    pub models: Vec<String>,
    /// Daily budget in US dollars; `None` for no limit.
    pub daily_budget_usd: Option<f64>,
    /// Total budget in US dollars; `None` for no limit.
    pub total_budget_usd: Option<f64>,
}

impl Accounts {
    /// Creates an API key for the caller. Returns the key, which is stored only as a hash, and its description.
    ///
    /// # Errors
    /// `Forbidden` if the caller uses an API key; `BadInput` for invalid parameters; `BadRequest` if there are too many
    /// keys.
    pub async fn create_key(
        &self,
        caller: &Caller,
        params: NewKey,
        origin: &RequestOrigin,
    ) -> Result<(String, ApiKey)> {
        require_session(caller, "create other keys")?;
        self.make_key(&caller.user, params, origin).await
    }

    /// Creates an API key for an account. The command line calls this directly, because it has no session.
    ///
    /// # Errors
    /// `BadInput` for invalid parameters; `BadRequest` if there are too many keys.
    pub async fn make_key(
        &self,
        user: &UserId,
        params: NewKey,
        origin: &RequestOrigin,
    ) -> Result<(String, ApiKey)> {
        let (scopes, limits) = checked_key_params(&params)?;
        let (name, days) = (params.name.trim(), params.days);
        let text = token::new_key().map_err(Error::internal)?;
        let key = ApiKey {
            id: KeyId::new(origin.now, random_number()?),
            user: user.clone(),
            name: if name.is_empty() {
                "API key".to_owned()
            } else {
                name.to_owned()
            },
            prefix: text.chars().take(token::KEY_PREFIX.len() + 6).collect(),
            hash: token::hash(&text),
            scopes,
            limits,
            created: origin.now,
            last_used: None,
            expires_at: days.map(|days| origin.now + Duration::from_secs(u64::from(days) * 86_400)),
        };
        let entry = origin.audit_entry(Some(user), "key.created", key.id.as_str());
        let row = key.clone();
        let created = self.store.write(move |db| {
            if api_keys::list_of(db, &row.user)?.len() >= MAX_KEYS {
                return Ok(false);
            }
            api_keys::insert(db, &row)?;
            audit::append(db, &entry)?;
            Ok(true)
        });
        if !created.await? {
            return Err(Error::new(
                Kind::BadRequest,
                format!("an account can have at most {MAX_KEYS} keys"),
            )
            .resolve("delete an unused one"));
        }
        Ok((text, key))
    }

    /// Lists the caller's keys.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn keys(&self, caller: &Caller) -> Result<Vec<ApiKey>> {
        let user = caller.user.clone();
        Ok(self
            .store
            .read(move |db| api_keys::list_of(db, &user))
            .await?)
    }

    /// Deletes one of the caller's keys, effective immediately.
    ///
    /// # Errors
    /// `Missing` if there is no such key; `Forbidden` if the caller uses another API key without the `keys` scope.
    pub async fn delete_key(
        &self,
        caller: &Caller,
        id: &str,
        origin: &RequestOrigin,
    ) -> Result<()> {
        let missing = || Error::new(Kind::Missing, "there is no such key");
        let id = KeyId::parse(id).ok_or_else(missing)?;
        let used_key = caller.key.as_ref().filter(|used_key| used_key.id != id);
        if used_key.is_some_and(|used_key| !used_key.has_scope(KeyScope::Keys)) {
            let why = "an API key without the scope `keys` can delete only itself";
            return Err(Error::new(Kind::Forbidden, why));
        }
        let entry = origin.audit_entry(Some(&caller.user), "key.deleted", id.as_str());
        let user = caller.user.clone();
        let deleted = self.store_with_reserve.write(move |db| {
            let deleted = api_keys::delete(db, &user, &id)?;
            if deleted {
                audit::append(db, &entry)?;
            }
            Ok(deleted)
        });
        let deleted = deleted.await?;
        self.caller_cache.clear();
        if deleted { Ok(()) } else { Err(missing()) }
    }
}

fn checked_key_params(params: &NewKey) -> Result<(Vec<KeyScope>, KeyLimits)> {
    let error = |field: &str, why: String| Error::field(&["body", field], "value_error", why);
    let name = params.name.trim();
    if name.chars().count() > 100 || name.chars().any(char::is_control) {
        let why = "a name can have at most 100 characters, and no control characters";
        return Err(error("name", why.to_owned()));
    }
    if (params.days).is_some_and(|days| !(1..=MAX_DAYS).contains(&days)) {
        let why = format!("a key can be valid for 1 to {MAX_DAYS} days");
        return Err(error("expires_in_days", why));
    }
    let mut scopes = Vec::new();
    for name in &params.scopes {
        let scope = KeyScope::parse(name).ok_or_else(|| {
            let scope_names = KeyScope::ALL.map(KeyScope::as_str).join(", ");
            error("scopes", format!("a scope must be one of {scope_names}"))
        })?;
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    let is_valid = |model: &String| {
        !model.trim().is_empty() && model.len() <= 200 && !model.chars().any(char::is_control)
    };
    if params.models.len() > MAX_MODELS || !params.models.iter().all(is_valid) {
        let why = format!("at most {MAX_MODELS} model IDs, or prefixes of IDs followed by *");
        return Err(error("models", why));
    }
    let amount = |field: &str, dollars: Option<f64>| match dollars.map(MicroDollars::from_dollars) {
        Some(None) => Err(error(field, "must be at least 0".to_owned())),
        amount => Ok(amount.flatten()),
    };
    let limits = KeyLimits {
        models: params
            .models
            .iter()
            .map(|model| model.trim().to_owned())
            .collect(),
        daily_budget: amount("day_budget_usd", params.daily_budget_usd)?,
        total_budget: amount("budget_usd", params.total_budget_usd)?,
    };
    Ok((scopes, limits))
}
