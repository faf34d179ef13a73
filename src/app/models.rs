//! Models and providers: lists them with their availability, finds models by name, and resets circuit breakers.

use super::{Error, Kind, Result};
use crate::config::{self, Config};
use crate::domain::id::UserId;
use crate::domain::model::{Availability, Model};
use crate::domain::network::AddressScope;
use crate::domain::request::Request;
use crate::llm::{self, Llm};
pub use crate::llm::{CircuitView, ProviderSource, ProviderStatus, RetiredModel};
use crate::wire;

/// Use cases for models and providers: list them, find a model, and reset circuit breakers.
#[derive(Clone, Copy)]
pub struct ModelService<'a> {
    pub(super) llm: &'a Llm,
}

impl ModelService<'_> {
    /// Returns all models that this user may call, available ones first, in catalog order.
    pub fn list(&self, user: Option<&UserId>) -> Vec<(Model, Availability)> {
        let mut all = self.llm.models(user);
        all.sort_by_key(|(_, state)| *state != Availability::Ready);
        all
    }

    /// Returns the default panel: up to three available models that are not retired, from different providers if
    /// possible. Demo models are used only if there are no others.
    pub fn default_panel(&self, user: Option<&UserId>) -> Vec<String> {
        let ready: Vec<Model> = self
            .list(user)
            .into_iter()
            .filter(|(_, state)| *state == Availability::Ready)
            .map(|(model, _)| model)
            .filter(|model| self.retired_model(user, &model.id).is_none())
            .collect();
        let real = ready.iter().any(|model| !model.mock);
        let mut panel: Vec<&Model> = Vec::new();
        let candidates: Vec<&Model> = ready.iter().filter(|model| model.mock != real).collect();
        for model in &candidates {
            if panel.len() < 3 && panel.iter().all(|member| member.provider != model.provider) {
                panel.push(model);
            }
        }
        for model in &candidates {
            if panel.len() < 3 && !panel.contains(model) {
                panel.push(model);
            }
        }
        panel.into_iter().map(|model| model.id.clone()).collect()
    }

    /// Returns details if a model no longer exists or is no longer listed by its provider; `None` for a current model.
    pub fn retired_model(&self, user: Option<&UserId>, name: &str) -> Option<RetiredModel> {
        self.llm.retired_model(user, name)
    }

    /// Whether this user's last call to a model failed recently.
    pub fn failed_recently(&self, user: Option<&UserId>, id: &str) -> bool {
        self.llm.failed_recently(user, id)
    }

    /// Returns the models named by a recipe that no longer exist or are no longer listed, without duplicates.
    pub fn retired_models_of(
        &self,
        user: &UserId,
        recipe: &Request,
    ) -> Vec<(String, RetiredModel)> {
        let mut found: Vec<(String, RetiredModel)> = Vec::new();
        for name in recipe.models.iter().chain(&recipe.ultra_model) {
            if found.iter().all(|(known, _)| known != name)
                && let Some(retired) = self.retired_model(Some(user), name)
            {
                found.push((name.clone(), retired));
            }
        }
        found
    }

    /// Returns the last known state of each provider that this user may call.
    pub fn providers(&self, user: Option<&UserId>) -> Vec<ProviderStatus> {
        self.llm.providers(user)
    }

    /// Closes the circuit breakers and clears the rate limits of a model or provider, or of all if `name` is `None`.
    /// Returns the number of models that had any such state.
    pub fn reset(&self, name: Option<&str>) -> usize {
        self.llm.reset(name)
    }

    /// Whether the local demo algorithms are offered.
    pub fn offers_demo_models(&self) -> bool {
        self.llm.offers_demo_models()
    }

    /// Returns the model with this name or alias.
    ///
    /// # Errors
    /// `Missing` if there is none.
    pub fn find(&self, user: Option<&UserId>, name: &str) -> Result<Model> {
        self.llm
            .find(user, name)
            .ok_or_else(|| Error::new(Kind::Missing, format!("no model is called {name}")))
    }
}

/// Returns the settings of the LLM client.
pub(super) fn settings(config: &Config) -> llm::LlmSettings {
    let provider = |provider: &config::ProviderConfig| llm::Provider {
        id: provider.id.clone(),
        base_url: provider.base_url.clone(),
        api_key: provider.api_key.as_ref().map(|key| key.expose().to_owned()),
        models: match &provider.models {
            config::ProviderModels::Any => None,
            config::ProviderModels::List(names) => Some(names.clone()),
        },
        concurrency: provider.concurrency,
        price: provider.price,
        extras: provider.request_extras.clone(),
        is_key_lost: false,
        kind: provider.kind.as_deref().and_then(wire::ApiFormat::parse),
        owner: None,
        reach: AddressScope::AnyAddress,
    };
    llm::LlmSettings {
        providers: config.providers.iter().map(provider).collect(),
        demo: config.use_mock.unwrap_or(config.providers.is_empty()),
        max_calls: config.limits.max_calls,
        connect: config.limits.connect_timeout,
        first_token: config.limits.first_token_timeout,
        idle_timeout: config.limits.token_timeout,
        retries: config.limits.retries,
        models: config.models.clone(),
        allowed_networks: config.outbound_allowlist.clone(),
        authorities: config.authorities.clone(),
        ..llm::LlmSettings::default()
    }
}
