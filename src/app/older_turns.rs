//! Indexes the members' texts of turns from older versions, in the background. A turn that cannot be indexed
//! is skipped and does not block the others.

use std::time::Duration;

use super::{App, Error, Kind, Result};
use crate::log;
use crate::store::Writer;
use crate::store::turn_texts::{self, MAX_OLDER};

/// Pause between two batches, so that other writes come first.
const PAUSE: Duration = Duration::from_millis(100);
/// Pause before a retry while the database is unavailable, or while another server may be indexing.
const RETRY_PAUSE: Duration = Duration::from_secs(60);

impl App {
    /// Indexes the members' texts of turns from older versions, in small batches. Returns when none remain.
    pub async fn index_older_turns(&self) {
        let mut limit = MAX_OLDER;
        loop {
            let pause = match self.index_older_batch(limit).await {
                Ok(Some(true)) => {
                    limit = (limit * 2).min(MAX_OLDER);
                    PAUSE
                }
                Ok(Some(false)) => return,
                Ok(None) => RETRY_PAUSE,
                Err(error) if limit > 1 => {
                    // Only one turn of the batch may be at fault, so try again with fewer.
                    limit /= 2;
                    pause_after(&error)
                }
                Err(error) if error.kind == Kind::Unavailable => {
                    log::warn("older turns cannot be indexed yet", &[("why", &error)]);
                    RETRY_PAUSE
                }
                Err(error) => self.skip_older_turn(&error).await,
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Indexes one batch. Returns whether turns remain, or `None` if another server is responsible for them.
    async fn index_older_batch(&self, limit: u32) -> Result<Option<bool>> {
        // Every server checks this after startup, so do not open a reading connection for it.
        if !self.store.read_when_idle(turn_texts::has_older).await? {
            return Ok(Some(false));
        }
        if !self.is_housekeeper().await? {
            return Ok(None);
        }
        let index = move |db: &Writer| turn_texts::index_older(db, limit);
        Ok(Some(self.store.write(index).await?))
    }

    /// Skips the next turn, which fails with this error even in a batch of its own. Returns the pause before
    /// the next batch.
    async fn skip_older_turn(&self, error: &Error) -> Duration {
        let why = error.private.as_ref().unwrap_or(&error.public);
        match self.store.write(turn_texts::skip_older).await {
            Ok(Some(id)) => {
                let what = "an older turn was skipped: search does not find its members' texts";
                log::error(what, &[("analysis", &id), ("why", why)]);
                PAUSE
            }
            Ok(None) => PAUSE,
            Err(_) => RETRY_PAUSE,
        }
    }
}

fn pause_after(error: &Error) -> Duration {
    match error.kind {
        Kind::Unavailable => RETRY_PAUSE,
        _ => PAUSE,
    }
}
