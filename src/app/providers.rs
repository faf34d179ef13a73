//! Providers added at run time: by administrators for everyone, and by users for themselves. Keys are tested
//! before they are stored, stored encrypted, and never shown again.

mod discovery;
mod scope;
mod secrets;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::accounts::{RequestOrigin, random_number};
use super::{Error, Kind, Result};
use crate::crypto::vault::Vault;
use crate::domain::chat::CallErrorKind;
use crate::domain::id::ProviderId;
use crate::domain::network::AddressScope;
use crate::domain::provider::{
    RequestAdditions, RequestExtras, StoredProvider, is_name, key_suffix,
};
pub use crate::llm::WellKnown;
use crate::llm::{self, Llm, ProviderSource, TestError};
use crate::store::{Store, audit, providers};
use crate::wire::{self, ListedModel};
pub use discovery::ProviderDiscovery;
pub use scope::ProviderScope;
use secrets::Secrets;

/// Maximum number of shared providers, and of providers per user.
const MAX_SHARED_AND_OWN: (usize, usize) = (64, 16);
/// Maximum length of a key, in characters.
const MAX_KEY_CHARS: usize = 4_096;
/// Maximum number of model names in a provider's settings.
const MAX_MODELS: usize = 1_000;
/// Maximum number of concurrent calls per provider.
const MAX_CALLS: usize = 1_000;

/// Parameters of a provider to add or change. Absent fields are unchanged or get defaults.
#[derive(Default)]
pub struct ProviderParams {
    /// API format of the provider.
    pub kind: Option<String>,
    /// Base URL of the provider; empty for the default.
    pub base_url: Option<String>,
    /// API key for the provider; empty for none.
    pub api_key: Option<String>,
    /// Models of the provider; empty for all models that it lists.
    pub models: Option<Vec<String>>,
    /// Maximum number of concurrent calls; 0 means no provider-specific limit.
    pub concurrency: Option<usize>,
    /// Headers added to its requests; empty for none.
    pub headers: Option<BTreeMap<String, String>>,
    /// Body fields added to its requests; empty for none.
    pub body: Option<Map<String, Value>>,
    /// Headers and body fields for individual models.
    pub model_settings: Option<BTreeMap<String, RequestAdditions>>,
    /// Whether to store the provider even if the test fails.
    pub force: bool,
}

/// The outcome of testing a provider.
struct ProviderTrial {
    message: String,
    models: Option<Vec<ListedModel>>,
}

impl ProviderTrial {
    fn untested(message: String) -> Self {
        Self {
            message,
            models: None,
        }
    }
}

/// Use cases for providers added at run time: list, add, change, remove, and test.
#[derive(Clone, Copy)]
pub struct Providers<'a> {
    pub(super) store: &'a Store,
    pub(super) llm: &'a Llm,
    pub(super) vault: &'a Vault,
    /// Whether users who are not administrators may set base URLs.
    pub(super) open_addresses: bool,
}

impl Providers<'_> {
    /// Returns the shared providers or the user's own.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn list(&self, scope: &ProviderScope) -> Result<Vec<StoredProvider>> {
        let owner = scope.owner().cloned();
        let lookup = move |db: &crate::store::Reader| providers::list_of(db, owner.as_ref());
        Ok(self.store.read(lookup).await?)
    }

    /// Whether providers with a custom base URL may be added.
    pub fn allows_custom_urls(&self, scope: &ProviderScope) -> bool {
        self.open_addresses || scope.owner().is_none()
    }

    /// Returns the well-known providers, which can be added by name. Excludes local servers and providers without a
    /// fixed base URL if custom base URLs are not allowed.
    pub fn known(&self, scope: &ProviderScope) -> Vec<WellKnown> {
        let all = llm::known_providers();
        if self.allows_custom_urls(scope) {
            return all.collect();
        }
        all.filter(|existing| !existing.is_local && existing.base_url.is_some())
            .collect()
    }

    /// Tests a provider and adds it. A provider without a model list is added untested. With `force`, a failed test is
    /// ignored unless the address is not allowed. Returns the provider with the outcome of the test as a sentence.
    ///
    /// # Errors
    /// `BadInput` for invalid parameters, a base URL that the user may not set, too many providers, or a failed test;
    /// `Conflict` if the name exists.
    pub async fn add(
        &self,
        scope: &ProviderScope,
        name: &str,
        params: ProviderParams,
        origin: &RequestOrigin,
    ) -> Result<(StoredProvider, String)> {
        if !is_name(name) {
            let why = "must consist of 1 to 40 lowercase letters, digits, hyphens, and underscores, and cannot be demo or quire";
            return Err(field_error("name", why));
        }
        let existing = self.list(scope).await?;
        let limit = if scope.owner().is_some() {
            MAX_SHARED_AND_OWN.1
        } else {
            MAX_SHARED_AND_OWN.0
        };
        if existing.len() >= limit {
            return Err(field_error(
                "name",
                &format!("there are already {limit} providers, the maximum"),
            ));
        }
        if existing.iter().any(|other| other.name == name) {
            return Err(
                Error::new(Kind::Conflict, "a provider with this name already exists")
                    .resolve("change that one, or choose another name"),
            );
        }
        let blank = StoredProvider {
            id: ProviderId::new(origin.now, random_number()?),
            user: scope.owner().cloned(),
            name: name.to_owned(),
            kind: String::new(),
            base_url: None,
            encrypted_key: String::new(),
            key_suffix: String::new(),
            models: None,
            concurrency: None,
            created: origin.now,
            changed_at: origin.now,
        };
        let none = Secrets::default();
        let (provider, trial) = self.validate_and_test(scope, blank, none, params).await?;
        let entry = origin.audit_entry(scope.actor(), "provider.added", provider.id.as_str());
        let row = provider.clone();
        let insert = move |db: &crate::store::Writer| {
            providers::insert(db, &row)?;
            audit::append(db, &entry)
        };
        self.store.write(insert).await?;
        self.finish_change(&provider, trial.models).await?;
        Ok((provider, trial.message))
    }

    /// Tests and changes a provider, like [`Self::add`]. Returns it with the outcome of the test as a sentence.
    ///
    /// # Errors
    /// `Missing` if there is no such provider; `BadInput` for invalid parameters, a base URL that the user may not set,
    /// secrets that must be entered again, or a failed test.
    pub async fn change(
        &self,
        scope: &ProviderScope,
        id: &str,
        params: ProviderParams,
        origin: &RequestOrigin,
    ) -> Result<(StoredProvider, String)> {
        let old = self.find(scope, id).await?;
        let had_key = !old.encrypted_key.is_empty();
        let is_address_changed = params.base_url.as_ref().is_some_and(|url| {
            Some(url.trim_end_matches('/')).filter(|url| !url.is_empty()) != old.base_url.as_deref()
        });
        if is_address_changed && had_key && params.api_key.is_none() {
            let why = "enter the key again: a stored key is never sent to a new address";
            return Err(field_error("api_key", why));
        }
        let secrets = self.secrets(&old);
        if secrets.is_lost && params.api_key.is_none() {
            let why = "the stored key cannot be decrypted with this installation's secret; enter it again";
            return Err(field_error("api_key", why));
        }
        let sets_both_extras =
            params.headers.is_some() && params.body.is_some() && params.model_settings.is_some();
        if is_address_changed && !secrets.request_extras.is_empty() && !sets_both_extras {
            let why = "enter headers, body, and model_settings again: they may contain secrets and are never sent to a new address";
            return Err(field_error("headers", why));
        }
        let changed_provider = StoredProvider {
            changed_at: origin.now,
            ..old
        };
        let (provider, trial) = self
            .validate_and_test(scope, changed_provider, secrets, params)
            .await?;
        let entry = origin.audit_entry(scope.actor(), "provider.changed", provider.id.as_str());
        let row = provider.clone();
        let update = move |db: &crate::store::Writer| {
            providers::update(db, &row)?;
            audit::append(db, &entry)
        };
        self.store.write(update).await?;
        self.finish_change(&provider, trial.models).await?;
        Ok((provider, trial.message))
    }

    async fn finish_change(
        &self,
        provider: &StoredProvider,
        listing: Option<Vec<ListedModel>>,
    ) -> Result<()> {
        self.reload().await?;
        if let Some(listing) = listing {
            let owner = provider.user.as_ref();
            self.llm.set_listed_models(owner, &provider.name, listing);
        }
        Ok(())
    }

    /// Removes a provider. Running calls are allowed to finish.
    ///
    /// # Errors
    /// `Missing` if there is no such provider.
    pub async fn remove(
        &self,
        scope: &ProviderScope,
        id: &str,
        origin: &RequestOrigin,
    ) -> Result<()> {
        let id = parse_id(id)?;
        let owner = scope.owner().cloned();
        let entry = origin.audit_entry(scope.actor(), "provider.removed", id.as_str());
        let delete = move |db: &crate::store::Writer| {
            let deleted = providers::delete(db, owner.as_ref(), &id)?;
            if deleted {
                audit::append(db, &entry)?;
            }
            Ok(deleted)
        };
        if !self.store.with_reserve().write(delete).await? {
            return Err(Error::missing());
        }
        self.reload().await
    }

    /// Tests a provider by fetching its model list. Returns the number of models as a sentence.
    ///
    /// # Errors
    /// `Missing` if there is no such provider; `BadInput` if the test fails.
    pub async fn test(&self, scope: &ProviderScope, id: &str) -> Result<String> {
        let stored_provider = self.find(scope, id).await?;
        let listing = self.llm.test(self.llm_provider(&stored_provider)).await;
        let count = listing.map(|models| models.len());
        count.map(model_count).map_err(|error| test_error(&error))
    }

    async fn find(&self, scope: &ProviderScope, id: &str) -> Result<StoredProvider> {
        let (owner, id) = (scope.owner().cloned(), parse_id(id)?);
        let find_provider =
            move |db: &crate::store::Reader| providers::by_id(db, owner.as_ref(), &id);
        self.store
            .read(find_provider)
            .await?
            .ok_or_else(Error::missing)
    }

    /// Validates the parameters, tests the provider with them, and encrypts its secrets.
    async fn validate_and_test(
        &self,
        scope: &ProviderScope,
        mut provider: StoredProvider,
        old: Secrets,
        params: ProviderParams,
    ) -> Result<(StoredProvider, ProviderTrial)> {
        self.apply_params(scope, &mut provider, &params)?;
        let key = match params.api_key {
            Some(key) => validate_key(key)?,
            None => old.key,
        };
        provider.key_suffix = key_suffix(&key);
        let extras = RequestExtras {
            headers: params.headers.unwrap_or(old.request_extras.headers),
            body: params.body.unwrap_or(old.request_extras.body),
            model_settings: params
                .model_settings
                .unwrap_or(old.request_extras.model_settings),
        };
        let allows_credentials = scope.owner().is_none();
        let extras = extras
            .checked(allows_credentials)
            .map_err(|why| field_error("headers", &why))?;
        let secrets = Secrets {
            key,
            request_extras: extras,
            is_lost: false,
        };
        let secrets = secrets.encode();
        provider.encrypted_key = match secrets.is_empty() {
            true => String::new(),
            false => self.vault.seal(&provider.key_context(), &secrets)?,
        };
        let trial = match self.llm.test(self.llm_provider(&provider)).await {
            Ok(listed) => ProviderTrial {
                message: model_count(listed.len()),
                models: Some(listed),
            },
            // Some providers have no model list but can still be called.
            Err(TestError { error, .. })
                if error.kind == CallErrorKind::Rejected && error.status == Some(404) =>
            {
                ProviderTrial::untested(
                    "stored without a test, because the provider has no list of models to test the key with".to_owned(),
                )
            }
            Err(TestError { error, may_keep }) if params.force && may_keep => {
                ProviderTrial::untested(format!(
                    "stored without a successful test: {}",
                    error.detail
                ))
            }
            Err(error) => return Err(test_error(&error)),
        };
        Ok((provider, trial))
    }

    fn apply_params(
        &self,
        scope: &ProviderScope,
        provider: &mut StoredProvider,
        params: &ProviderParams,
    ) -> Result<()> {
        if let Some(kind) = &params.kind {
            if !kind.is_empty() && wire::ApiFormat::parse(kind).is_none() {
                let names = wire::ApiFormat::ALL.map(wire::ApiFormat::as_str).join(", ");
                return Err(field_error("kind", &format!("must be one of {names}")));
            }
            provider.kind = kind.clone();
        }
        if let Some(url) = &params.base_url {
            provider.base_url = match url.trim() {
                "" => None,
                // A query string is shown and logged like the rest of a URL, so it must not contain a key.
                url => Some(
                    crate::config::http_url(url)
                        .filter(|url| !url.contains(['?', '#']))
                        .ok_or_else(|| {
                            field_error(
                                "base_url",
                                "must begin with http:// or https://, name its host in plain ASCII (xn--…), and contain no user name, password, ?, or #; the key has its own field",
                            )
                        })?,
                ),
            };
        }
        if provider.base_url.is_none() && llm::known_base_url(&provider.name).is_none() {
            return Err(field_error(
                "base_url",
                "is required: no well-known provider has this name",
            ));
        }
        let has_local_address = llm::is_local(&provider.name) && provider.base_url.is_none();
        if (provider.base_url.is_some() || has_local_address) && !self.allows_custom_urls(scope) {
            let why = "only administrators can add providers with custom addresses";
            return Err(field_error("base_url", why));
        }
        if let Some(models) = &params.models {
            let is_valid_name = |name: &String| {
                !name.trim().is_empty() && name.len() <= 200 && !name.chars().any(char::is_control)
            };
            if models.len() > MAX_MODELS || !models.iter().all(is_valid_name) {
                return Err(field_error(
                    "models",
                    "must be a list of at most 1000 names",
                ));
            }
            provider.models = Some(models.clone()).filter(|models| !models.is_empty());
        }
        if let Some(limit) = params.concurrency {
            provider.concurrency = Some(limit.min(MAX_CALLS)).filter(|limit| *limit > 0);
        }
        Ok(())
    }

    /// Reloads the stored providers into the LLM client.
    async fn reload(&self) -> Result<()> {
        let stored_providers = self.store.read(providers::all).await?;
        let llm_providers = stored_providers
            .iter()
            .map(|provider| self.llm_provider(provider));
        self.llm
            .set_providers(ProviderSource::Stored, llm_providers.collect());
        Ok(())
    }

    fn llm_provider(&self, stored: &StoredProvider) -> llm::Provider {
        let Secrets {
            key,
            request_extras: extras,
            is_lost,
        } = self.secrets(stored);
        llm::Provider {
            id: stored.name.clone(),
            kind: wire::ApiFormat::parse(&stored.kind),
            base_url: stored.base_url.clone(),
            api_key: Some(key).filter(|key| !key.is_empty()),
            extras,
            is_key_lost: is_lost,
            models: stored.models.clone(),
            concurrency: stored.concurrency,
            price: None,
            owner: stored.user.clone(),
            reach: match stored.user {
                Some(_) => AddressScope::Public,
                None => AddressScope::AnyAddress,
            },
        }
    }
}

fn validate_key(key: String) -> Result<String> {
    let key = key.trim().to_owned();
    if key.len() > MAX_KEY_CHARS || !key.chars().all(|c| c.is_ascii_graphic()) {
        return Err(field_error(
            "api_key",
            "contains characters that no key can have, or is too long",
        ));
    }
    Ok(key)
}

fn model_count(models: usize) -> String {
    match models {
        0 => "it responds, but lists no models".to_owned(),
        1 => "it responds and lists one model".to_owned(),
        count => format!("it responds and lists {count} models"),
    }
}

fn test_error(error: &TestError) -> Error {
    let field = match error.error.kind {
        CallErrorKind::Auth => "api_key",
        _ => "base_url",
    };
    let advice = match error.may_keep {
        true => "correct it, or save it without a test (force, or --force on the command line)",
        false => "use a public address, or ask an administrator to add the provider",
    };
    field_error(field, &error.error.detail).resolve(advice)
}

fn field_error(field: &str, why: &str) -> Error {
    Error::field(&["body", field], "value_error", why)
}

fn parse_id(id: &str) -> Result<ProviderId> {
    ProviderId::parse(id).ok_or_else(Error::missing)
}
