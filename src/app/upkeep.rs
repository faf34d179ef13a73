//! Clears away what has run out: sessions, links, uploads, files without a document, stored answers.
//! Says nothing to anybody; what it removes could not be reached any more.

use super::{App, Result};
use crate::domain::time::Timestamp;
use crate::log;
use crate::store::answers;

/// Stored answers take this much room at most; the oldest go first.
const MOST_ANSWER_BYTES: u64 = 64 << 20;

impl App {
    /// One round. Cheap where nothing has run out; the server does it every hour.
    pub async fn tidy(&self, now: Timestamp) -> Result<()> {
        self.accounts().tidy(now).await?;
        self.documents().sweep(now).await?;
        let gone = self
            .store
            .write(move |db| answers::purge(db, now, MOST_ANSWER_BYTES))
            .await?;
        if gone > 0 {
            log::debug("stored answers removed", &[("count", &gone)]);
        }
        Ok(())
    }
}
