//! What is said of one model, each fact or not. Puts rows over one another; judges nothing.

use serde::Deserialize;

use crate::domain::model::{Model, Structured, Thinking};
use crate::domain::money::Price;

/// What somebody knows of a model. What the fields mean stands at those of `Model`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Row {
    pub(super) id: String,
    /// The class that says what this row does not.
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

/// What a provider says of a model in its own list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Seen {
    /// Tokens it reads and writes together.
    pub context_window: Option<u64>,
    /// What it costs, and the day on which that was said.
    pub price: Option<(Price, String)>,
    /// Whether it reads pictures.
    pub vision: Option<bool>,
    /// What it takes, by names in the glossary.
    pub parameters: Option<Vec<String>>,
}

impl Row {
    /// This, with what it does not say from `base`.
    pub(super) fn over(self, base: &Row) -> Row {
        let (price, price_of) = match self.price {
            // A price without a day has none: the base's day is that of another price.
            Some(_) => (self.price, self.price_of),
            None => (base.price, self.price_of.or_else(|| base.price_of.clone())),
        };
        Row {
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

    /// What nobody has said is empty, false or the weakest.
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

impl Seen {
    /// What changes with time, and the rest.
    pub(super) fn into_rows(self) -> (Row, Row) {
        let (price, price_of) = self.price.unzip();
        let fresh = Row {
            context_window: self.context_window,
            price,
            price_of,
            ..Row::default()
        };
        let rest = Row {
            vision: self.vision,
            parameters: self.parameters,
            ..Row::default()
        };
        (fresh, rest)
    }
}
