//! Leases of experiments: if several servers use one database, exactly one of them runs each experiment. An
//! embedded database has only one server and needs no leases.

use std::sync::atomic::Ordering::Relaxed;

use super::Experiments;
use crate::app::Result;
use crate::domain::experiment::record::ExperimentState;
use crate::domain::id::{ExperimentId, UserId};
use crate::log;
use crate::store::{self, Membership, Reader, StoreError, Writer, experiments, servers};

/// Takes the lease of an experiment for the server with the ID `boot`, unless another server holds it. Does nothing
/// without an ID, which means that the database is a file.
///
/// # Errors
/// `Conflict` if another server runs it; another error if the database cannot be written.
pub(super) fn take(db: &Writer, id: &ExperimentId, boot: Option<&str>) -> store::Result<()> {
    match boot {
        Some(boot) if !servers::keep_lease(db, id.as_str(), boot)? => {
            Err(StoreError::Conflict("a running experiment"))
        }
        _ => Ok(()),
    }
}

impl Experiments<'_> {
    /// Returns a guard that keeps other experiments from starting on this server while one takes its lease; `None` if
    /// the database is a file.
    pub(super) async fn hold_start_lock(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        self.0.store.membership()?;
        Some(self.0.experiment_registry.start_lock.lock().await)
    }

    /// Stops an experiment that is still running on this server although its stored state has changed, and waits until
    /// it has ended.
    ///
    /// # Errors
    /// `Missing` for an unknown experiment. Also returns any error from the store.
    pub(super) async fn stop_stale_run(&self, user: &UserId, id: &ExperimentId) -> Result<()> {
        if self.find(user, id).await?.state != ExperimentState::Running {
            self.stop_and_wait(id).await;
        }
        Ok(())
    }

    /// Takes the lease of an unfinished experiment. Returns whether this server should now start running it: false if
    /// it already runs here, or if another server holds the lease. Always true if the database is a file.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written.
    pub(super) async fn try_take_lease(&self, id: &ExperimentId) -> Result<bool> {
        let Some(boot) = self.0.store.membership().map(Membership::boot) else {
            return Ok(true);
        };
        if self.0.experiment_registry.lock_running().contains_key(id) {
            return Ok(false);
        }
        let id = id.clone();
        let keep = move |db: &Writer| servers::keep_lease(db, id.as_str(), &boot);
        Ok(self.0.store.write(keep).await?)
    }

    /// Ends the lease of an experiment that is no longer running on this server.
    pub(super) async fn drop_lease(&self, id: &ExperimentId) {
        let Some(boot) = self.0.store.membership().map(Membership::boot) else {
            return;
        };
        let name = id.clone();
        let release = move |db: &Writer| servers::drop_lease(db, name.as_str(), &boot);
        if let Err(error) = self.0.store.write(release).await {
            let error = format!("{error:?}");
            log::warn("lease not freed", &[("experiment", id), ("fault", &error)]);
        }
    }

    /// Stops experiments that are still running on this server although another server has stored their end.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub(in crate::app) async fn stop_ended(&self) -> Result<()> {
        let ids: Vec<ExperimentId> = {
            let running = self.0.experiment_registry.lock_running();
            running.keys().cloned().collect()
        };
        if ids.is_empty() {
            return Ok(());
        }
        let read = self.0.store.read(move |db: &Reader| {
            let mut ended_ids = Vec::new();
            for id in ids {
                if experiments::state_of(db, &id)? != Some(ExperimentState::Running) {
                    ended_ids.push(id);
                }
            }
            Ok(ended_ids)
        });
        self.request_stop(&read.await?);
        Ok(())
    }

    /// Stops all experiments on this server, because other servers are about to continue them.
    pub(in crate::app) fn give_up_leases(&self) {
        for running in self.0.experiment_registry.lock_running().values() {
            running.continues_elsewhere.store(true, Relaxed);
            running.stop.send_replace(true);
        }
    }
}
