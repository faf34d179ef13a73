//! Keeps the LLM client's providers and models up to date: applies changes made by another process, fetches
//! model lists, and discovers servers on this machine.

use std::sync::Mutex;

use super::Providers;
use crate::app::Result;
use crate::llm::{self, ProviderSource};
use crate::log;
use crate::store::providers;

/// Updates the LLM client's providers and model lists.
#[derive(Clone, Copy)]
pub struct ProviderDiscovery<'a> {
    pub(in crate::app) providers: Providers<'a>,
    /// The number of stored providers and the time of their last change, as of the last load.
    pub(in crate::app) loaded_version: &'a Mutex<(i64, i64)>,
    /// The port of this server, which must not discover itself; `None` if servers on this machine are not to
    /// be discovered.
    pub(in crate::app) own_port: Option<u16>,
}

impl ProviderDiscovery<'_> {
    /// Applies changes made by another process. Cheap if there are none.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn reload_if_changed(&self) -> Result<()> {
        let version = self
            .providers
            .store
            .read_when_idle(providers::version)
            .await?;
        if self
            .loaded_version
            .lock()
            .is_ok_and(|loaded| *loaded == version)
        {
            return Ok(());
        }
        self.providers.reload().await?;
        if let Ok(mut loaded) = self.loaded_version.lock() {
            *loaded = version;
        }
        Ok(())
    }

    /// Returns the number of stored providers, including users' own, as of the last load.
    pub fn stored_count(&self) -> i64 {
        self.loaded_version.lock().map_or(0, |loaded| loaded.0)
    }

    /// Applies changes made by another process, looks for model servers on this machine unless that is turned off, and
    /// fetches every provider's model list. Errors are logged.
    pub async fn probe_local_servers(&self) {
        if let Err(error) = self.reload_if_changed().await {
            log::error("cannot read stored providers", &[("fault", &error)]);
        }
        let llm = self.providers.llm;
        if let Some(own_port) = self.own_port {
            let local_servers =
                tokio::task::spawn_blocking(move || llm::find_local(own_port)).await;
            llm.set_providers(
                ProviderSource::Discovered,
                local_servers.unwrap_or_default(),
            );
        }
        llm.refresh().await;
    }

    /// Fetches the model lists of providers added since the last probe.
    pub async fn probe_new_providers(&self) {
        self.providers.llm.refresh_new_providers().await;
    }
}
