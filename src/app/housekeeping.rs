//! Housekeeping: deletes expired data (sessions, links, uploads, cached answers), and moves files aside that no
//! database row refers to. Never deletes anything that could still be used.

use std::sync::Arc;
use std::time::Duration;

use super::request_origin::RequestOrigin;
use super::{App, Result, idempotency::RESPONSE_LIFETIME};
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::log;
use crate::store::{analyses, audit, cached_answers, call_log, idempotency, originals, servers};

/// How long analyses without an account and passthrough calls are kept, for troubleshooting. Clients see such an
/// analysis only while connected.
const ANONYMOUS_RETENTION: Duration = Duration::from_secs(24 * 3600);
/// How long audit entries and call log rows are kept: a little over a year. Daily totals are kept forever.
const AUDIT_RETENTION: Duration = Duration::from_secs(400 * 24 * 3600);

impl App {
    /// Returns the number of commits to the database since startup.
    pub fn commits(&self) -> u64 {
        self.store.commits().0.count
    }

    /// Frees the memory that the database needs only for writing.
    ///
    /// # Errors
    /// Returns an error if the store is closed.
    pub async fn free_cache(&self) -> Result<()> {
        Ok(self.store.free_cache().await?)
    }

    /// Closes connections to providers that have been unused for about a minute.
    pub fn close_idle_connections(&self) {
        self.llm.close_idle_connections();
    }

    /// Runs one round of housekeeping. Cheap if nothing has expired; the server runs it every hour. If
    /// several servers share a database, one of them cleans it up; each cleans up its own folder.
    ///
    /// # Errors
    /// Returns an error if the store or a folder cannot be read or changed.
    pub async fn run_housekeeping(self: &Arc<Self>, now: Timestamp) -> Result<()> {
        let is_housekeeper = self.is_housekeeper().await?;
        if is_housekeeper {
            self.delete_expired_rows(now).await?;
        }
        // The command line may have unlocked an account with waiting documents.
        self.documents().resume().await?;
        if is_housekeeper {
            self.documents().expire_uploads(now).await?;
        }
        self.documents().run_housekeeping(now, is_housekeeper).await
    }

    async fn delete_expired_rows(self: &Arc<Self>, now: Timestamp) -> Result<()> {
        self.accounts().delete_expired(now).await?;
        for guest in self.accounts().expired_guests(now).await? {
            self.delete_guest(&guest, &RequestOrigin::local(now))
                .await?;
        }
        let max_bytes = self.config.cache_bytes;
        let store = self.store.with_reserve();
        if !store.is_embedded() {
            store.write(originals::delete_left_over).await?;
            store.write(servers::delete_unused_leases).await?;
        }
        let deleted = store
            .write(move |db| cached_answers::purge(db, now, max_bytes))
            .await?;
        store
            .write(move |db| {
                analyses::delete_anonymous(db, now - ANONYMOUS_RETENTION)?;
                analyses::delete_passthrough(db, now - ANONYMOUS_RETENTION)?;
                idempotency::delete_before(db, now - RESPONSE_LIFETIME)?;
                call_log::delete_before(db, now - AUDIT_RETENTION)?;
                audit::delete_before(db, now - AUDIT_RETENTION).map(drop)
            })
            .await?;
        if deleted > 0 {
            log::debug("stored answers removed", &[("count", &deleted)]);
        }
        Ok(())
    }

    /// Deletes a guest with all its data, and stops its work.
    ///
    /// # Errors
    /// `Missing` if there is no such guest. Also returns any error from the store.
    pub async fn delete_guest(self: &Arc<Self>, id: &UserId, origin: &RequestOrigin) -> Result<()> {
        self.accounts().delete_user(None, id, origin).await?;
        self.stop_account(id, "its account was deleted").await
    }

    /// Recreates the disk reserve once there is free space again. The server calls it every few seconds.
    pub async fn restore_reserve(&self) {
        // Blocking work every few seconds would keep all idle threads of the pool alive.
        if !self.store.needs_reserve() {
            return;
        }
        let store = self.store.clone();
        if matches!(
            tokio::task::spawn_blocking(move || store.restore_reserve()).await,
            Ok(true)
        ) {
            log::info(
                "the disk has free space again; the reserve is restored",
                &[],
            );
        }
    }
}
