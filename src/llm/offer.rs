//! What there is to ask: models, their names, and how their providers are doing. Asks nobody.

use std::sync::Arc;

use super::breaker::CircuitView;
use super::catalogue::LazyCatalog;
use super::registry::{LastFailure, ProviderSource, RegisteredProvider};
use super::{Llm, demo};
use crate::clock;
use crate::domain::id::UserId;
use crate::domain::model::{Availability, Model};
use crate::domain::time::Timestamp;
use crate::wire::ApiFormat;

/// A provider as last seen.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderStatus {
    /// Its id: the first part of its models' ids.
    pub id: String,
    /// Where it comes from.
    pub source: ProviderSource,
    /// It belongs to one person.
    pub own: bool,
    /// `ready`, `needs_key`, `unknown` (not asked yet), `unavailable`, `throttled` or `circuit_open`; the
    /// last two where that is so of all of its models that were asked lately.
    pub status: &'static str,
    /// It has what it needs to be asked.
    pub configured: bool,
    /// Models it offers, as far as known.
    pub models: usize,
    /// When it was last asked for its models.
    pub checked: Option<Timestamp>,
    /// Why its list of models could not be read, the provider's own words included: for admins. Empty when
    /// all is well.
    pub message: String,
    /// The last call that failed.
    pub last_failure: Option<LastFailure>,
    /// Models that are not asked as usual: name, circuit, and until when the provider wants no call.
    pub held: Vec<(String, CircuitView, Option<Timestamp>)>,
}

/// A model that is no longer offered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retired {
    /// The newest listed model of the same family at the same provider, where one is known.
    pub successor: Option<String>,
}

impl Retired {
    /// The successor in words, to follow a sentence; empty where none is known.
    pub fn hint(&self) -> String {
        let named = |id: &String| format!(" (the newest of its family is {id})");
        self.successor.as_ref().map_or_else(String::new, named)
    }
}

impl Llm {
    /// All models that this person may ask, their own providers' among them, and whether they can be asked
    /// now.
    pub fn models(&self, user: Option<&UserId>) -> Vec<(Model, Availability)> {
        let now = clock::steady();
        let mut all: Vec<(Model, Availability)> = Vec::new();
        for entry in self.0.registry.of(user) {
            let models = self.0.known.models_of(&entry.provider, &entry.state());
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

    /// A model by its full id, an alias, or its bare name where only one provider has it. Where a provider
    /// takes any name, `provider/whatever` is passed on as it stands.
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
                return Some(self.0.known.describe(&entry.provider, rest, &entry.state()));
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
        // Ollama lists what it calls by the bare name with a tag.
        let is_bare = |model: &&Model| {
            let bare = model.id.split_once('/').map_or("", |(_, bare)| bare);
            bare == name || bare.strip_suffix(":latest") == Some(name)
        };
        let bare: Vec<&Model> = models.iter().filter(is_bare).collect();
        match bare.as_slice() {
            [one] => Some((*one).clone()),
            // Aliases may be shared by models of several providers: the first configured one answers.
            [] => {
                let named = models.iter().find(|model| model.answers_to(name));
                let presumed = || {
                    let entries = self.0.registry.of(user).into_iter();
                    let mut named = entries
                        .map(|entry| self.0.known.presumed(&entry.provider, name, &entry.state()));
                    named.find_map(|model| model)
                };
                named
                    .cloned()
                    .or_else(presumed)
                    .or_else(|| self.successor(user, name))
            }
            _ => None,
        }
    }

    /// Where a model's calls go: part of what makes an answer repeatable.
    pub fn endpoint(&self, user: Option<&UserId>, model: &str) -> String {
        match self.0.registry.resolve(user, model) {
            Some((entry, _)) => entry.provider.base().to_owned(),
            None => "local".to_owned(),
        }
    }

    // Of the providers that had the model of an alias, the first that lists another in its place.
    fn successor(&self, user: Option<&UserId>, alias: &str) -> Option<Model> {
        let entries = self.0.registry.of(user).into_iter();
        let mut found = entries.map(|entry| {
            self.0
                .known
                .successor(&entry.provider, alias, &entry.state())
        });
        found.find_map(|model| model)
    }

    /// Whether a name stands for a model that is gone: no provider has it, or its own one no longer lists it.
    pub fn retired(&self, user: Option<&UserId>, name: &str) -> Option<Retired> {
        let found = self.find(user, name);
        if found.is_none() && self.needing_key(user, name).is_some() {
            return None;
        }
        let id = found.as_ref().map_or(name, |model| &model.id);
        let Some((entry, bare)) = self.0.registry.resolve(user, id) else {
            return found.is_none().then(Retired::default);
        };
        let (known, state) = (&self.0.known, entry.state());
        let is_gone = found.is_none() || known.is_unlisted(&entry.provider, bare, &state);
        is_gone.then(|| Retired {
            successor: known
                .heir(&entry.provider, bare, &state)
                .map(|model| model.id),
        })
    }

    /// A well-known model that nobody can ask because no provider has been configured; none where one has.
    pub fn needing_key(&self, user: Option<&UserId>, name: &str) -> Option<Model> {
        let entries = self.0.registry.of(user);
        let is_demo = self.0.settings.demo
            && entries
                .iter()
                .all(|one| one.source == ProviderSource::Found);
        is_demo.then(|| self.0.known.named(name)).flatten()
    }

    /// The API format of a model's provider; none for demo models.
    pub fn kind_of(&self, user: Option<&UserId>, name: &str) -> Option<ApiFormat> {
        let id = self.find(user, name)?.id;
        let (entry, _) = self.0.registry.resolve(user, &id)?;
        Some(entry.provider.dialect())
    }

    /// Whether somebody has configured or added a provider for everyone. What was found by itself does not count.
    pub fn has_house_provider(&self) -> bool {
        let entries = self.0.registry.of(None);
        entries
            .iter()
            .any(|entry| entry.source != ProviderSource::Found)
    }

    /// Whether a person's call to this model goes out with their own key.
    pub fn own_key(&self, user: Option<&UserId>, model: &str) -> bool {
        let entry = self.0.registry.resolve(user, model);
        entry.is_some_and(|(entry, _)| entry.provider.owner.is_some())
    }

    /// Every provider that a person may ask, as last seen.
    pub fn providers(&self, user: Option<&UserId>) -> Vec<ProviderStatus> {
        let now = clock::steady();
        let entries = self.0.registry.of(user);
        let shown = |entry: &Arc<RegisteredProvider>| entry.shown(&self.0.known, user, now);
        entries.iter().map(shown).collect()
    }

    /// Whether the key of some provider cannot be read.
    pub fn has_lost_keys(&self) -> bool {
        let entries = self.0.registry.all();
        entries.iter().any(|entry| entry.provider.is_key_lost)
    }

    /// Whether the demo algorithms are offered.
    pub fn has_demo(&self) -> bool {
        self.0.settings.demo
    }
}

impl RegisteredProvider {
    fn shown(&self, known: &LazyCatalog, user: Option<&UserId>, now: Timestamp) -> ProviderStatus {
        let state = self.state();
        let held = state.held(user, now);
        let is_open = |(_, circuit, _): &(String, CircuitView, Option<Timestamp>)| {
            matches!(circuit, CircuitView::Open(_))
        };
        let status = match (
            self.provider.availability(state.fault.is_some()),
            state.checked,
        ) {
            (Availability::Ready, _) if !held.is_empty() && held.iter().all(is_open) => {
                "circuit_open"
            }
            (Availability::Ready, _) if held.iter().any(|(_, _, until)| until.is_some()) => {
                "throttled"
            }
            (Availability::Ready, None) => "unknown",
            (availability, _) => availability.as_str(),
        };
        ProviderStatus {
            id: self.provider.id.clone(),
            source: self.source,
            own: self.provider.owner.is_some(),
            status,
            configured: self.provider.has_key(),
            models: known.models_of(&self.provider, &state).len(),
            checked: state.checked,
            message: state.fault.clone().unwrap_or_default(),
            last_failure: state.last_failure.clone(),
            held,
        }
    }
}
