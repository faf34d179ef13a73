//! Fallback models that replace a failed model. Off unless an administrator sets them; the result always reports
//! their use.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::accounts::RequestOrigin;
use super::{Error, Result};
use crate::domain::id::UserId;
use crate::llm::Llm;
use crate::log;
use crate::store::{Store, audit, settings};

/// Name of the setting that stores the fallback chains.
const SETTING_NAME: &str = "fallbacks";
/// Maximum number of chains, and maximum number of models in a chain.
const MAX_CHAINS_AND_MODELS: (usize, usize) = (100, 3);

/// Fallback chains, keyed by the full ID of the planned model.
pub type Chains = BTreeMap<String, Vec<String>>;

/// Use cases for fallback chains: read and replace them.
#[derive(Clone, Copy)]
pub struct Fallbacks<'a> {
    pub(super) store: &'a Store,
    pub(super) llm: &'a Llm,
    pub(super) chains: &'a Mutex<Chains>,
}

impl Fallbacks<'_> {
    /// Returns the fallback chains that new runs use.
    pub fn current(&self) -> Chains {
        self.chains
            .lock()
            .map(|chains| chains.clone())
            .unwrap_or_default()
    }

    /// Replaces all chains and returns the new ones. Model names are resolved to full IDs.
    ///
    /// # Errors
    /// `BadInput` for an unknown, repeated, or demo model, or too many models.
    pub async fn set(
        &self,
        requested: Chains,
        actor: &UserId,
        origin: &RequestOrigin,
    ) -> Result<Chains> {
        if requested.len() > MAX_CHAINS_AND_MODELS.0 {
            return Err(chain_error(&format!(
                "at most {} models can have fallbacks",
                MAX_CHAINS_AND_MODELS.0
            )));
        }
        let mut chains = Chains::new();
        for (model, names) in &requested {
            let id = self.known_model_id(model)?;
            if names.len() > MAX_CHAINS_AND_MODELS.1 {
                return Err(chain_error(&format!(
                    "{id}: at most {} fallbacks are allowed",
                    MAX_CHAINS_AND_MODELS.1
                )));
            }
            let mut chain: Vec<String> = Vec::new();
            for name in names {
                let next = self.known_model_id(name)?;
                if next == id || chain.contains(&next) {
                    return Err(chain_error(&format!("{id}: {next} occurs twice")));
                }
                chain.push(next);
            }
            if !chain.is_empty() {
                chains.insert(id, chain);
            }
        }
        let text = serde_json::to_string(&chains).map_err(Error::internal)?;
        let entry = origin.audit_entry(Some(actor), "fallbacks.changed", SETTING_NAME);
        let write = move |db: &crate::store::Writer| {
            settings::set(db, SETTING_NAME, &text)?;
            audit::append(db, &entry)
        };
        self.store.write(write).await?;
        self.store_chains(chains.clone());
        Ok(chains)
    }

    /// Loads the stored chains.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(super) async fn load(&self) -> Result<()> {
        let stored_chains = self
            .store
            .read(|db| settings::get(db, SETTING_NAME))
            .await?;
        let chains = stored_chains.map(|text| serde_json::from_str(&text));
        match chains {
            None => {}
            Some(Ok(chains)) => self.store_chains(chains),
            Some(Err(error)) => log::error("stored fallbacks cannot be read", &[("fault", &error)]),
        }
        Ok(())
    }

    fn store_chains(&self, chains: Chains) {
        if let Ok(mut current_chains) = self.chains.lock() {
            *current_chains = chains;
        }
    }

    fn known_model_id(&self, name: &str) -> Result<String> {
        let model = self.llm.find(None, name);
        let short_name: String = name.chars().take(80).collect();
        match model {
            // A model is never replaced by a demo algorithm, or vice versa.
            Some(model) if model.mock => {
                Err(chain_error("demo models cannot have or be fallbacks"))
            }
            Some(model) => Ok(model.id),
            None => Err(chain_error(&format!("no model is called {short_name:?}"))),
        }
    }
}

fn chain_error(why: &str) -> Error {
    Error::field(&["body", "fallbacks"], "value_error", why)
}
