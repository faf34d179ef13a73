//! Known facts about one model, each of them optional, and how they are merged from several sources.

use serde::Deserialize;

use crate::domain::model::{Model, Structured, Thinking};
use crate::domain::money::Price;

/// A partial description of a model, with the fields of `Model`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CatalogRow {
    pub(super) id: String,
    /// Name of the class that supplies missing fields.
    pub(super) like: Option<String>,
    pub(super) name: Option<String>,
    pub(super) aliases: Option<Vec<String>>,
    pub(super) context_window: Option<u64>,
    pub(super) price: Option<Price>,
    pub(super) price_of: Option<String>,
    pub(super) family: Option<String>,
    pub(super) vision: Option<bool>,
    pub(super) structured: Option<Structured>,
    pub(super) thinking: Option<Thinking>,
    pub(super) efforts: Option<Vec<String>>,
    pub(super) max_output: Option<u64>,
    pub(super) parameters: Option<Vec<String>>,
    pub(super) tags: Option<Vec<String>>,
    pub(super) strength: Option<u32>,
}

/// Model facts from a provider's model list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListedFacts {
    /// Context window in tokens, input and output together.
    pub context_window: Option<u64>,
    /// The model's price, and the date on which it was retrieved.
    pub price: Option<(Price, String)>,
    /// Whether the model accepts images.
    pub vision: Option<bool>,
    /// Accepted parameters, by glossary name.
    pub parameters: Option<Vec<String>>,
}

impl CatalogRow {
    /// Fills missing facts from `base`.
    pub(super) fn overlay(self, base: &CatalogRow) -> CatalogRow {
        let (price, price_of) = match self.price {
            // If this price has no date, it gets none: the date in `base` belongs to another price.
            Some(_) => (self.price, self.price_of),
            None => (base.price, self.price_of.or_else(|| base.price_of.clone())),
        };
        CatalogRow {
            id: self.id,
            like: self.like,
            name: self.name.or_else(|| base.name.clone()),
            aliases: self.aliases.or_else(|| base.aliases.clone()),
            context_window: self.context_window.or(base.context_window),
            price,
            price_of,
            family: self.family.or_else(|| base.family.clone()),
            vision: self.vision.or(base.vision),
            structured: self.structured.or(base.structured),
            thinking: self.thinking.or(base.thinking),
            efforts: self.efforts.or_else(|| base.efforts.clone()),
            max_output: self.max_output.or(base.max_output),
            parameters: self.parameters.or_else(|| base.parameters.clone()),
            tags: self.tags.or_else(|| base.tags.clone()),
            strength: self.strength.or(base.strength),
        }
    }

    /// Converts to a `Model`. Unknown facts become empty, false, or the lowest value.
    pub(super) fn into_model(self) -> Model {
        let (provider, name) = self.id.split_once('/').unwrap_or_default();
        Model {
            provider: provider.to_owned(),
            name: self.name.unwrap_or_else(|| name.to_owned()),
            aliases: self.aliases.unwrap_or_default(),
            context_window: self.context_window.unwrap_or_default(),
            price_of: self
                .price_of
                .filter(|_| self.price.is_some())
                .unwrap_or_default(),
            price: self.price,
            family: self.family.unwrap_or_default(),
            vision: self.vision,
            structured: self.structured.unwrap_or_default(),
            thinking: self.thinking.unwrap_or_default(),
            efforts: self.efforts.unwrap_or_default(),
            max_output: self.max_output.unwrap_or_default(),
            parameters: self.parameters.unwrap_or_default(),
            tags: self.tags.unwrap_or_default(),
            mock: false,
            strength: self.strength.unwrap_or(1),
            id: self.id,
        }
    }
}

impl ListedFacts {
    /// Splits the facts into those that change over time (context window and price) and all others.
    pub(super) fn into_rows(self) -> (CatalogRow, CatalogRow) {
        let (price, price_of) = self.price.unzip();
        let fresh = CatalogRow {
            context_window: self.context_window,
            price,
            price_of,
            ..CatalogRow::default()
        };
        let rest = CatalogRow {
            vision: self.vision,
            parameters: self.parameters,
            ..CatalogRow::default()
        };
        (fresh, rest)
    }
}
