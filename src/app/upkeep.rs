//! Clears away what has run out: sessions, links, uploads, stored answers. Files without a row are moved aside.
//! Says nothing to anybody; what it removes could not be reached any more.

use std::time::Duration;

use super::{App, Result, repeats};
use crate::domain::time::Timestamp;
use crate::log;
use crate::store::{analyses, answers, audit, calls, idempotency};

/// An analysis without an account is shown while its connection lasts, and so is what a program passes on to
/// a single model; this is for looking into trouble.
const KEPT_ANONYMOUS: Duration = Duration::from_secs(24 * 3600);
/// A little over a year: what was done, and what single calls took. The sums of a day are kept for good.
const KEPT_AUDIT: Duration = Duration::from_secs(400 * 24 * 3600);

impl App {
    /// One round. Cheap where nothing has run out; the server does it every hour.
    pub async fn tidy(&self, now: Timestamp) -> Result<()> {
        self.accounts().tidy(now).await?;
        // The command line may have unlocked the account of documents that wait.
        self.documents().resume()?;
        self.documents().expire_uploads(now).await?;
        self.documents().tidy(now).await?;
        let most = self.config.cache_bytes;
        let store = self.store.for_freeing();
        let gone = store.write(move |db| answers::purge(db, now, most)).await?;
        store
            .write(move |db| {
                analyses::delete_anonymous(db, now - KEPT_ANONYMOUS)?;
                analyses::delete_passed_on(db, now - KEPT_ANONYMOUS)?;
                idempotency::delete_before(db, now - repeats::KEPT)?;
                calls::delete_before(db, now - KEPT_AUDIT)?;
                audit::delete_before(db, now - KEPT_AUDIT).map(drop)
            })
            .await?;
        if gone > 0 {
            log::debug("stored answers removed", &[("count", &gone)]);
        }
        Ok(())
    }
}
