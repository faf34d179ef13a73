//! The models that a provider offers. Their properties come from `domain::catalog`, but those in the provider's own
//! list take precedence. Opens no connections.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use super::Provider;
use super::registry::ProviderRecord;
use crate::domain::catalog::{Catalog, CatalogSheet, ListedFacts};
use crate::domain::model::Model;
use crate::domain::time::Timestamp;
use crate::wire::ListedModel;

/// The model catalog. It is parsed on first use, because a program with only demo models never needs it.
pub(super) struct LazyCatalog {
    own_sheet: CatalogSheet,
    catalog: OnceLock<Catalog>,
}

impl LazyCatalog {
    pub fn new(own: CatalogSheet) -> Self {
        Self {
            own_sheet: own,
            catalog: OnceLock::new(),
        }
    }

    fn catalog(&self) -> &Catalog {
        self.catalog
            .get_or_init(|| Catalog::new(self.own_sheet.clone()))
    }

    /// Returns a provider's models: the configured ones or, if none are configured, those in the provider's list or,
    /// without a list, those in the catalog. A list is sorted so that known models come first, and models that cannot
    /// chat are omitted.
    pub fn models_of(&self, provider: &Provider, state: &ProviderRecord) -> Vec<Model> {
        let names = self.names_of(provider, &state.listed_models);
        let listed = state.listed_models.iter();
        let listed_by_name: HashMap<&str, &ListedModel> =
            listed.map(|model| (model.name.as_str(), model)).collect();
        let to_model = |name: &&str| {
            let listed = listed_by_name.get(name).copied();
            self.known(provider, name, listed, state)
        };
        names.iter().map(to_model).collect()
    }

    fn names_of<'a>(&'a self, provider: &'a Provider, listed: &'a [ListedModel]) -> Vec<&'a str> {
        if let Some(names) = &provider.models {
            return names.iter().map(String::as_str).collect();
        }
        let catalog = self.catalog();
        let known_names = catalog.names_of(&provider.id);
        if listed.is_empty() {
            // Another server may use the vendor's name, so its models are unknown until it lists them.
            return known_names.filter(|_| provider.is_vendor_host()).collect();
        }
        let offered: HashSet<&str> = listed.iter().map(|model| model.name.as_str()).collect();
        let mut names: Vec<&str> = known_names.filter(|name| offered.contains(name)).collect();
        let known_names: HashSet<&str> = names.iter().copied().collect();
        let rest = listed.iter().map(|model| model.name.as_str());
        names.extend(rest.filter(|name| !known_names.contains(name) && catalog.can_chat(name)));
        names
    }

    /// Finds a model by name, for a provider that accepts any name and has not listed its models. If another server
    /// uses a vendor's name, it is assumed to have the vendor's models.
    pub fn presumed_model(
        &self,
        provider: &Provider,
        name: &str,
        state: &ProviderRecord,
    ) -> Option<Model> {
        if provider.models.is_some() || !state.listed_models.is_empty() {
            return None;
        }
        let names = self.catalog().names_of(&provider.id);
        let mut models = names.map(|own| self.describe(provider, own, state));
        models.find(|model| {
            let bare_name = model.id.split_once('/').map(|(_, name)| name);
            bare_name == Some(name) || model.answers_to(name)
        })
    }

    /// Resolves an alias when the provider no longer has the model that it stands for: returns the newest listed model
    /// of the same family.
    pub fn successor(
        &self,
        provider: &Provider,
        alias: &str,
        state: &ProviderRecord,
    ) -> Option<Model> {
        if provider.models.is_none() && state.listed_models.is_empty() {
            return None;
        }
        let names = self.catalog().names_of(&provider.id);
        let mut described = names.map(|name| self.describe(provider, name, state));
        let old = described.find(|model| model.answers_to(alias))?;
        self.newest_model(provider, &old, state)
    }

    /// Returns the newest listed model of the same family as `name`, which the provider no longer lists.
    pub fn listed_successor(
        &self,
        provider: &Provider,
        name: &str,
        state: &ProviderRecord,
    ) -> Option<Model> {
        if state.listed_models.is_empty() {
            return None;
        }
        let old = self.describe(provider, name, state);
        let listed_successor = self.newest_model(provider, &old, state)?;
        (!old.family.is_empty() && listed_successor.id != old.id).then_some(listed_successor)
    }

    /// Returns whether the provider's list lacks a model that the provider is known to have had. A list that contains
    /// none of the configured names is ignored, because it lists something else (Azure lists models, not deployments).
    /// Names that end with `latest` never count as missing, because providers do not list them.
    pub fn is_unlisted(&self, provider: &Provider, name: &str, state: &ProviderRecord) -> bool {
        let same = |listed: &str, name: &str| {
            listed == name || listed.strip_suffix(":latest") == Some(name)
        };
        let lists = |name: &str| state.listed_models.iter().any(|one| same(&one.name, name));
        if state.listed_models.is_empty() || name.ends_with("latest") || lists(name) {
            return false;
        }
        match &provider.models {
            Some(names) => names.iter().any(|other| lists(other)),
            None => self
                .catalog()
                .names_of(&provider.id)
                .any(|known| known == name),
        }
    }

    fn newest_model(
        &self,
        provider: &Provider,
        old: &Model,
        state: &ProviderRecord,
    ) -> Option<Model> {
        let created = |model: &Model| {
            let name = model.id.split_once('/').map_or("", |(_, name)| name);
            let listed_model = state
                .listed_models
                .iter()
                .find(|listed| listed.name == name);
            listed_model.map_or(0, |listed| listed.created)
        };
        let offered = self.models_of(provider, state).into_iter();
        let is_offered = |model: &Model| {
            let name = model.id.split_once('/').map_or("", |(_, name)| name);
            model.family == old.family && !self.is_unlisted(provider, name, state)
        };
        // Of several models of the same age, the first one wins.
        offered.filter(is_offered).rev().max_by_key(created)
    }

    /// Finds a model in the catalog by ID, bare name, or alias, whether or not it is available.
    pub fn find_model(&self, name: &str) -> Option<Model> {
        self.catalog().find(name)
    }

    /// Returns a provider's model with all properties that are known. If the model is unknown, only its name is.
    pub fn describe(&self, provider: &Provider, name: &str, state: &ProviderRecord) -> Model {
        let listed_model = state.listed_models.iter().find(|model| model.name == name);
        self.known(provider, name, listed_model, state)
    }

    fn known(
        &self,
        provider: &Provider,
        name: &str,
        listed: Option<&ListedModel>,
        state: &ProviderRecord,
    ) -> Model {
        let seen = listed.map(|listed| listed_facts(listed, state.checked_at));
        let mut seen = seen.unwrap_or_default();
        // The date of a configured price is unknown.
        seen.price = provider
            .price
            .map(|price| (price, String::new()))
            .or(seen.price);
        let model = self.catalog().describe(&provider.id, name, seen);
        let blind = state.has_refused_images(name).then_some(false);
        Model {
            vision: model.vision.or(blind),
            ..model
        }
    }
}

fn listed_facts(listed: &ListedModel, checked: Option<Timestamp>) -> ListedFacts {
    // The date in an RFC 3339 timestamp.
    let day = checked.map_or_else(String::new, |at| at.to_string().chars().take(10).collect());
    ListedFacts {
        context_window: Some(listed.context_window).filter(|tokens| *tokens > 0),
        price: listed.price.map(|price| (price, day)),
        vision: listed.vision,
        parameters: Some(listed.parameters.clone()).filter(|names| !names.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Price;

    fn catalog_with(own: &str) -> LazyCatalog {
        LazyCatalog::new(CatalogSheet::parse(own).unwrap())
    }

    fn state(listed: Vec<ListedModel>) -> ProviderRecord {
        let mut state = ProviderRecord::default();
        state.listed_models = listed;
        state.checked_at = Some(Timestamp::from_millis(1_795_392_000_000));
        state
    }

    #[test]
    fn listed_models_are_ordered_and_non_chat_models_omitted() {
        let provider = |models: Option<Vec<String>>| Provider {
            id: "openai".into(),
            models,
            ..Provider::default()
        };
        let list = |provider: &Provider, expected_models: &[&str]| -> Vec<String> {
            let listed_model = |name: &&str| ListedModel {
                name: (*name).to_owned(),
                ..ListedModel::default()
            };
            let state = state(expected_models.iter().map(listed_model).collect());
            let models = catalog_with("{}").models_of(provider, &state);
            models.into_iter().map(|model| model.id).collect()
        };
        let expected_models = [
            "text-embedding-3-small",
            "gpt-9",
            "gpt-4o",
            "whisper-1",
            "gpt-5",
        ];
        assert_eq!(
            list(&provider(None), &expected_models),
            ["openai/gpt-5", "openai/gpt-4o", "openai/gpt-9"]
        );
        assert!(list(&provider(None), &[]).contains(&"openai/gpt-5-mini".to_owned()));
        assert_eq!(
            list(&provider(Some(vec!["x".into()])), &expected_models),
            ["openai/x"]
        );
    }

    #[test]
    fn a_providers_list_supplies_unknown_and_changing_facts() {
        let price = Price {
            input: 1.0,
            output: 2.0,
            ..Price::default()
        };
        let listed_model = |name: &str| ListedModel {
            name: name.into(),
            context_window: 7_000,
            price: Some(price),
            vision: Some(false),
            parameters: vec!["top_k".into()],
            created: 0,
        };
        let state = state(vec![
            listed_model("gpt-5"),
            listed_model("new/gpt-9"),
            listed_model("mine"),
        ]);
        let provider = Provider {
            id: "openai".into(),
            ..Provider::default()
        };
        let catalog = catalog_with(
            r#"{"models": [{"id": "openai/mine", "price": {"input": 5, "output": 5}}]}"#,
        );
        let described = |name: &str| {
            let model = catalog.describe(&provider, name, &state);
            let price = model.price.map(|price| price.input);
            let accepts_top_k = model.parameters.iter().any(|name| name == "top_k");
            (
                price,
                model.price_of,
                model.context_window,
                model.vision == Some(true),
                accepts_top_k,
            )
        };
        let day = "2026-11-23".to_owned();
        // The catalog takes precedence for parameters, and the provider's list for the price.
        assert_eq!(
            described("gpt-5"),
            (Some(1.0), day.clone(), 7_000, true, false)
        );
        assert_eq!(described("new/gpt-9"), (Some(1.0), day, 7_000, false, true));
        let priced = Provider {
            price: Some(Price {
                input: 9.0,
                ..price
            }),
            ..provider.clone()
        };
        for (name, input) in [("gpt-5", 9.0), ("unheard-of", 9.0), ("mine", 5.0)] {
            let model = catalog.describe(&priced, name, &state);
            assert_eq!(model.price.map(|price| price.input), Some(input), "{name}");
        }
        // The administrator's entries take precedence.
        assert_eq!(
            described("mine"),
            (Some(5.0), String::new(), 7_000, false, true)
        );
        let unknown = catalog.describe(&provider, "new/gpt-9", &ProviderRecord::default());
        assert_eq!((unknown.family.as_str(), unknown.price), ("gpt", None));
    }
}
