//! The available models, their names, and the state of their providers. Opens no connections.

use std::sync::Arc;

use super::breaker::CircuitView;
use super::catalog::LazyCatalog;
use super::registry::{LastFailure, ProviderSource, RegisteredProvider};
use super::{Llm, demo};
use crate::clock;
use crate::domain::id::UserId;
use crate::domain::model::{Availability, Model};
use crate::domain::time::Timestamp;
use crate::wire::ApiFormat;

/// A provider and its current state.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderStatus {
    /// The provider's ID: the first part of its models' IDs.
    pub id: String,
    /// Where the provider's configuration comes from.
    pub source: ProviderSource,
    /// Whether the provider belongs to one user.
    pub is_own: bool,
    /// `ready`, `needs_key`, `unknown` (never called), `unavailable`, `throttled`, or `circuit_open`. `throttled` means
    /// that the provider's rate limit applies to a model; `circuit_open` means that the circuit breakers of all
    /// temporarily unavailable models are open.
    pub status: &'static str,
    /// Whether the provider has all required settings.
    pub configured: bool,
    /// Number of models that the provider offers, as far as is known.
    pub models: usize,
    /// When the provider's model list was last requested.
    pub checked_at: Option<Timestamp>,
    /// Why the provider's model list could not be read, in the provider's own words, for administrators. Empty if it
    /// could be read.
    pub message: String,
    /// The most recent failed call.
    pub last_failure: Option<LastFailure>,
    /// Models that are temporarily unavailable, each with its name, the state of its circuit breaker, and the end of
    /// the provider's rate limit.
    pub held_models: Vec<(String, CircuitView, Option<Timestamp>)>,
}

/// A model that is no longer offered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetiredModel {
    /// The newest model of the same family that the provider lists, if known.
    pub successor: Option<String>,
}

impl RetiredModel {
    /// Returns a text about the successor that can be appended to a sentence. Empty if there is no successor.
    pub fn hint(&self) -> String {
        let newest_hint = |id: &String| format!(" (the newest of its family is {id})");
        self.successor
            .as_ref()
            .map_or_else(String::new, newest_hint)
    }
}

impl Llm {
    /// Returns all models that a user may call, including those of the user's own providers. Each has its availability.
    pub fn models(&self, user: Option<&UserId>) -> Vec<(Model, Availability)> {
        let now = clock::monotonic_now();
        let mut all: Vec<(Model, Availability)> = Vec::new();
        for entry in self.0.registry.providers_of(user) {
            let models = self
                .0
                .catalog
                .models_of(&entry.provider, &entry.lock_state());
            all.extend(models.into_iter().map(|model| {
                let name = model.id.split_once('/').map_or("", |(_, name)| name);
                let state = entry.availability(user, name, now);
                (model, state)
            }));
        }
        if self.0.settings.demo {
            let demo = demo::models().into_iter();
            all.extend(demo.map(|model| (model, Availability::Ready)));
        }
        all
    }

    /// Finds a model by its full ID, an alias, or its bare name if only one provider has it. If a provider accepts any
    /// name, `provider/name` is found even if it is unknown.
    pub fn find(&self, user: Option<&UserId>, name: &str) -> Option<Model> {
        let name = name.trim();
        if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
            return None;
        }
        if let Some((entry, rest)) = self.0.registry.resolve(user, name)
            && !rest.is_empty()
        {
            let names = entry.provider.models.as_ref();
            let offers = names.is_none_or(|names| names.iter().any(|name| name == rest));
            if offers {
                return Some(
                    self.0
                        .catalog
                        .describe(&entry.provider, rest, &entry.lock_state()),
                );
            }
        }
        let models: Vec<Model> = self
            .models(user)
            .into_iter()
            .map(|(model, _)| model)
            .collect();
        if let Some(model) = models.iter().find(|model| model.id == name) {
            return Some(model.clone());
        }
        // Ollama lists models with a tag but also accepts names without one.
        let is_bare = |model: &&Model| {
            let bare_name = model.id.split_once('/').map_or("", |(_, name)| name);
            bare_name == name || bare_name.strip_suffix(":latest") == Some(name)
        };
        let bare_matches: Vec<&Model> = models.iter().filter(is_bare).collect();
        match bare_matches.as_slice() {
            [one] => Some((*one).clone()),
            // Models of several providers may share an alias. The first provider in the configured order takes
            // precedence.
            [] => {
                let named_model = models.iter().find(|model| model.answers_to(name));
                let presumed = || {
                    let entries = self.0.registry.providers_of(user).into_iter();
                    let mut candidate_models = entries.map(|entry| {
                        self.0
                            .catalog
                            .presumed_model(&entry.provider, name, &entry.lock_state())
                    });
                    candidate_models.find_map(|model| model)
                };
                named_model
                    .cloned()
                    .or_else(presumed)
                    .or_else(|| self.successor(user, name))
            }
            _ => None,
        }
    }

    /// Returns the base URL to which a model's calls go, or `local` if no provider has the model. It is part of the key
    /// under which an answer is cached.
    pub fn endpoint(&self, user: Option<&UserId>, model: &str) -> String {
        match self.0.registry.resolve(user, model) {
            Some((entry, _)) => entry.provider.effective_base_url().to_owned(),
            None => "local".to_owned(),
        }
    }

    // Returns the successor of an alias's model, from the first provider that no longer has that model and lists a
    // newer one.
    fn successor(&self, user: Option<&UserId>, alias: &str) -> Option<Model> {
        let entries = self.0.registry.providers_of(user).into_iter();
        let mut candidates = entries.map(|entry| {
            self.0
                .catalog
                .successor(&entry.provider, alias, &entry.lock_state())
        });
        candidates.find_map(|model| model)
    }

    /// Returns information about a retired model: no provider has it, or its provider no longer lists it. Returns
    /// `None` if the model is not retired.
    pub fn retired_model(&self, user: Option<&UserId>, name: &str) -> Option<RetiredModel> {
        let current_model = self.find(user, name);
        if current_model.is_none() && self.model_without_key(user, name).is_some() {
            return None;
        }
        let id = current_model.as_ref().map_or(name, |model| &model.id);
        let Some((entry, bare_name)) = self.0.registry.resolve(user, id) else {
            return current_model.is_none().then(RetiredModel::default);
        };
        let (catalog, state) = (&self.0.catalog, entry.lock_state());
        let is_gone =
            current_model.is_none() || catalog.is_unlisted(&entry.provider, bare_name, &state);
        is_gone.then(|| RetiredModel {
            successor: catalog
                .listed_successor(&entry.provider, bare_name, &state)
                .map(|model| model.id),
        })
    }

    /// Returns whether this user's last call to a model failed within the last ten minutes.
    pub fn failed_recently(&self, user: Option<&UserId>, id: &str) -> bool {
        let found = self.0.registry.resolve(user, id);
        found.is_some_and(|(entry, name)| entry.failed_recently(user, name, clock::monotonic_now()))
    }

    /// Returns a well-known model that is unavailable because its provider has no key. Returns `None` if any provider
    /// is configured or the demo models are off.
    pub fn model_without_key(&self, user: Option<&UserId>, name: &str) -> Option<Model> {
        let entries = self.0.registry.providers_of(user);
        let is_demo = self.0.settings.demo
            && entries
                .iter()
                .all(|one| one.source == ProviderSource::Discovered);
        is_demo.then(|| self.0.catalog.find_model(name)).flatten()
    }

    /// Returns the API format of a model's provider, or `None` for a demo model.
    pub fn kind_of(&self, user: Option<&UserId>, name: &str) -> Option<ApiFormat> {
        let id = self.find(user, name)?.id;
        let (entry, _) = self.0.registry.resolve(user, &id)?;
        Some(entry.provider.api_format())
    }

    /// Returns whether any provider for all users has been configured or added. Discovered providers do not count.
    pub fn has_shared_provider(&self) -> bool {
        let entries = self.0.registry.providers_of(None);
        entries
            .iter()
            .any(|entry| entry.source != ProviderSource::Discovered)
    }

    /// Returns whether a user's calls to this model use the user's own key.
    pub fn uses_own_key(&self, user: Option<&UserId>, model: &str) -> bool {
        let entry = self.0.registry.resolve(user, model);
        entry.is_some_and(|(entry, _)| entry.provider.owner.is_some())
    }

    /// Returns the providers that a user may call, with their current state.
    pub fn providers(&self, user: Option<&UserId>) -> Vec<ProviderStatus> {
        let now = clock::monotonic_now();
        let entries = self.0.registry.providers_of(user);
        let status_of =
            |entry: &Arc<RegisteredProvider>| entry.offered_models(&self.0.catalog, user, now);
        entries.iter().map(status_of).collect()
    }

    /// Returns whether any provider's stored key can no longer be decrypted.
    pub fn has_lost_keys(&self) -> bool {
        let entries = self.0.registry.all_providers();
        entries.iter().any(|entry| entry.provider.is_key_lost)
    }

    /// Returns whether the demo models are offered.
    pub fn offers_demo_models(&self) -> bool {
        self.0.settings.demo
    }
}

impl RegisteredProvider {
    fn offered_models(
        &self,
        catalog: &LazyCatalog,
        user: Option<&UserId>,
        now: Timestamp,
    ) -> ProviderStatus {
        let state = self.lock_state();
        let held_models = state.held_models(user, now);
        let is_open = |(_, circuit, _): &(String, CircuitView, Option<Timestamp>)| {
            matches!(circuit, CircuitView::Open(_))
        };
        let status = match (
            self.provider.availability(state.last_error.is_some()),
            state.checked_at,
        ) {
            (Availability::Ready, _)
                if !held_models.is_empty() && held_models.iter().all(is_open) =>
            {
                "circuit_open"
            }
            (Availability::Ready, _) if held_models.iter().any(|(_, _, until)| until.is_some()) => {
                "throttled"
            }
            (Availability::Ready, None) => "unknown",
            (availability, _) => availability.as_str(),
        };
        ProviderStatus {
            id: self.provider.id.clone(),
            source: self.source,
            is_own: self.provider.owner.is_some(),
            status,
            configured: self.provider.has_key(),
            models: catalog.models_of(&self.provider, &state).len(),
            checked_at: state.checked_at,
            message: state.last_error.clone().unwrap_or_default(),
            last_failure: state.last_failure.clone(),
            held_models,
        }
    }
}
