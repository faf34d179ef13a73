//! Configured providers, from keys and URLs in the settings or from QUIRE_PROVIDERS. Knows API formats only by name.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::check::{Checker, http_url};
use crate::domain::money::Price;
use crate::domain::provider::{RequestAdditions, RequestExtras};

use super::{ProviderConfig, ProviderModels, Secret, options};

/// An entry of `QUIRE_PROVIDERS` as written by the user.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderEntry {
    id: String,
    kind: Option<String>,
    base_url: Option<String>,
    api_key: Option<String>,
    api_key_env: Option<String>,
    models: Option<serde_json::Value>,
    concurrency: Option<usize>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Map<String, Value>,
    #[serde(default)]
    model_settings: BTreeMap<String, RequestAdditions>,
    price: Option<Value>,
}

/// API formats that a provider may use.
pub const PROVIDER_KINDS: &[&str] = &["openai", "responses", "anthropic", "gemini", "ollama"];

/// Maximum number of entries in QUIRE_PROVIDERS.
const MAX_PROVIDERS: usize = 64;
/// Maximum number of concurrent calls to one provider.
const MAX_CALLS: usize = 1000;

/// Collects all providers. `read` opens the file that QUIRE_PROVIDERS may name; `environment` resolves `api_key_env`.
pub(super) fn providers(
    checker: &mut Checker,
    read: &dyn Fn(&str) -> Result<String, String>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Vec<ProviderConfig> {
    let mut list = Vec::new();
    for (id, key, url) in options::PROVIDERS {
        let api_key = key.and_then(|key| checker.configured(key)).map(Secret::new);
        let base_url = checker.url(url);
        if api_key.is_some() || base_url.is_some() {
            list.push(ProviderConfig {
                id: (*id).to_owned(),
                kind: None,
                base_url,
                api_key,
                models: ProviderModels::Any,
                concurrency: None,
                price: None,
                request_extras: RequestExtras::default(),
            });
        }
    }
    if let Some(text) = checker.configured("QUIRE_PROVIDERS") {
        match parse_entries(&text, read) {
            Ok(entries) => {
                for entry in entries {
                    add_provider(checker, &mut list, entry, environment);
                }
            }
            Err(why) => checker.error("QUIRE_PROVIDERS", &why),
        }
    }
    list
}

fn parse_entries(
    text: &str,
    read: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Vec<ProviderEntry>, String> {
    let json = if text.starts_with('[') {
        text.to_owned()
    } else {
        read(text)?
    };
    let entries: Vec<ProviderEntry> =
        serde_json::from_str(&json).map_err(|error| format!("not a list of providers: {error}"))?;
    if entries.len() > MAX_PROVIDERS {
        return Err(format!("at most {MAX_PROVIDERS} providers can be listed"));
    }
    Ok(entries)
}

fn add_provider(
    checker: &mut Checker,
    list: &mut Vec<ProviderConfig>,
    entry: ProviderEntry,
    environment: &dyn Fn(&str) -> Option<String>,
) {
    match provider_config(entry, environment) {
        // If an entry repeats a provider that is enabled by a key, the entry is more specific and takes precedence.
        Ok(provider) => {
            list.retain(|other| other.id != provider.id);
            list.push(provider);
        }
        Err(why) => checker.error("QUIRE_PROVIDERS", &why),
    }
}

fn provider_config(
    entry: ProviderEntry,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<ProviderConfig, String> {
    let id = entry.id;
    let is_valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if id.is_empty() || id.len() > 40 || !id.chars().all(is_valid) {
        return Err(
            "an \"id\" consists of 1 to 40 lowercase letters, digits, hyphens, and underscores"
                .to_owned(),
        );
    }
    if id == "demo" || id == "quire" {
        return Err(format!("the id \"{id}\" is reserved by Quire"));
    }
    if let Some(kind) = &entry.kind
        && !PROVIDER_KINDS.contains(&kind.as_str())
    {
        let short_kind: String = kind.chars().filter(|c| !c.is_control()).take(40).collect();
        return Err(format!(
            "provider \"{id}\": \"kind\" must be one of {}, not \"{short_kind}\"",
            PROVIDER_KINDS.join(", ")
        ));
    }
    let is_known_id = options::PROVIDERS.iter().any(|(name, _, _)| *name == id);
    let base_url = match entry.base_url {
        None if is_known_id && id != "azure" => None,
        None => return Err(format!("provider \"{id}\" needs a \"base_url\"")),
        Some(url) => Some(http_url(&url).ok_or(format!(
            "provider \"{id}\": \"base_url\" must begin with http:// or https://, name its host in plain ASCII (xn--…), and contain no user name or password"
        ))?),
    };
    let api_key = match (entry.api_key, entry.api_key_env) {
        (Some(_), Some(_)) => {
            return Err(format!(
                "provider \"{id}\": give \"api_key\" or \"api_key_env\", not both"
            ));
        }
        (None, Some(name)) => Some(environment(&name).ok_or(format!(
            "provider \"{id}\": \"api_key_env\" names {name}, which is not set in the environment"
        ))?),
        (key, None) => key,
    };
    let extras = RequestExtras {
        headers: entry.headers,
        body: entry.body,
        model_settings: entry.model_settings,
    };
    let extras = extras
        .checked(true)
        .map_err(|why| format!("provider \"{id}\": {why}"))?;
    Ok(ProviderConfig {
        request_extras: extras,
        models: parse_models(&id, entry.models)?,
        kind: entry.kind,
        base_url,
        price: parse_price(&id, entry.price)?,
        api_key: api_key.map(Secret::new),
        concurrency: match entry.concurrency {
            Some(0) => {
                return Err(format!(
                    "provider \"{id}\": \"concurrency\" must be at least 1"
                ));
            }
            other => other.map(|n| n.min(MAX_CALLS)),
        },
        id,
    })
}

fn parse_price(id: &str, value: Option<Value>) -> Result<Option<Price>, String> {
    let Some(value) = value else {
        return Ok(None);
    };
    let price: Price = serde_json::from_value(value)
        .map_err(|error| format!("provider \"{id}\": \"price\": {error}"))?;
    match price.is_plausible() {
        true => Ok(Some(price)),
        false => Err(format!(
            "provider \"{id}\": a \"price\" is in dollars per million tokens, from 0 to 10000; cached_input cannot exceed input, and long-call prices cannot be below the normal ones"
        )),
    }
}

fn parse_models(id: &str, value: Option<serde_json::Value>) -> Result<ProviderModels, String> {
    let error = || format!("provider \"{id}\": \"models\" must be a list of names, or \"*\"");
    match value {
        None => Ok(ProviderModels::Any),
        Some(serde_json::Value::String(any)) if any == "*" => Ok(ProviderModels::Any),
        Some(serde_json::Value::Array(names)) if !names.is_empty() && names.len() <= 1000 => names
            .into_iter()
            .map(|name| match name {
                serde_json::Value::String(name) if !name.trim().is_empty() => Ok(name),
                _ => Err(error()),
            })
            .collect::<Result<_, _>>()
            .map(ProviderModels::List),
        _ => Err(error()),
    }
}
