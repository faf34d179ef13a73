//! Manages providers without a running server, for the command line.

use crate::app::providers::Providers;
use crate::app::{Result, folder, models};
use crate::config::Config;
use crate::crypto::vault::Vault;
use crate::llm::Llm;
use crate::store::Store;

/// The provider service with its own store, without the rest of the app.
pub struct OfflineProviders {
    store: Store,
    llm: Llm,
    vault: Vault,
}

impl OfflineProviders {
    /// Opens the store of the data folder. With `may_create`, creates the store if there is none.
    ///
    /// # Errors
    /// Returns the errors of [`folder::open`] or [`folder::open_existing`].
    pub fn open(config: &Config, may_create: bool) -> Result<Self> {
        let opened = match may_create {
            true => folder::open(config)?,
            false => folder::open_existing(config)?,
        };
        let folder::OpenedFolder { store, secret, .. } = opened;
        let llm = Llm::new(models::settings(config));
        let vault = Vault::new(&secret);
        Ok(Self { store, llm, vault })
    }

    /// Returns the provider service.
    pub fn providers(&self) -> Providers<'_> {
        Providers {
            store: &self.store,
            llm: &self.llm,
            vault: &self.vault,
            open_addresses: true,
        }
    }

    /// Closes the store after all changes have been written.
    pub async fn close(&self) {
        self.store.close().await;
    }
}
