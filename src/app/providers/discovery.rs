//! Keeps the LLM client's providers and models current: changes made by another process, lists of models, and
//! servers on this machine.

use std::sync::Mutex;

use super::Providers;
use crate::app::Result;
use crate::llm::{self, ProviderSource};
use crate::log;
use crate::store::providers;

/// Updates the LLM client's providers and lists of models.
#[derive(Clone, Copy)]
pub struct ProviderDiscovery<'a> {
    pub(in crate::app) providers: Providers<'a>,
    /// The number of stored providers and the time of their last change when they were last loaded.
    pub(in crate::app) mark: &'a Mutex<(i64, i64)>,
    /// The port of this server, if servers on this machine are to be found: it must not find itself.
    pub(in crate::app) own_port: Option<u16>,
}

impl ProviderDiscovery<'_> {
    /// Applies changes made by another process. Cheap when there are none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn notice(&self) -> Result<()> {
        let mark = self.providers.store.read(providers::mark).await?;
        if self.mark.lock().is_ok_and(|known| *known == mark) {
            return Ok(());
        }
        self.providers.reload().await?;
        if let Ok(mut known) = self.mark.lock() {
            *known = mark;
        }
        Ok(())
    }

    /// The number of stored providers, users' own ones included, when they were last loaded.
    pub fn stored(&self) -> i64 {
        self.mark.lock().map_or(0, |known| known.0)
    }

    /// Requests every provider's list of models, and looks for servers on this machine.
    pub async fn probe(&self) {
        if let Err(fault) = self.notice().await {
            log::error("cannot read stored providers", &[("fault", &fault)]);
        }
        let llm = self.providers.llm;
        if let Some(own_port) = self.own_port {
            let found = tokio::task::spawn_blocking(move || llm::find_local(own_port)).await;
            llm.set_providers(ProviderSource::Found, found.unwrap_or_default());
        }
        llm.refresh().await;
    }

    /// Requests the lists of models of providers added since the last probe.
    pub async fn probe_new(&self) {
        self.providers.llm.refresh_new().await;
    }
}
