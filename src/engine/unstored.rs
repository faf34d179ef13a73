//! What becomes of a run that could not be written to the store while somebody waits for its answer: the calls are
//! paid, so the answer is delivered from memory, and storing it is tried for a while longer.

use std::time::Duration;

use super::budget::Purse;
use super::ended::Ended;
use super::journal::Journal;
use crate::domain::id::AnalysisId;
use crate::log;

/// How often storing is tried again once the answer is delivered.
const TRIES: u32 = 6;
/// Time between these tries.
const PAUSE: Duration = Duration::from_secs(5);

/// A run that is over; dropping it gives up what is not stored yet.
pub(super) struct Over {
    pub ended: Ended,
    pub rest: Option<Rest>,
}

/// What is left to store after the answer was delivered. Its budget stays reserved until then.
pub(super) struct Rest {
    pub id: AnalysisId,
    pub journal: Journal,
    pub purse: Purse,
}

impl Rest {
    /// Tries to store it for half a minute, or until `stops` says that the server shuts down.
    pub async fn store(mut self, stops: impl Fn() -> bool) {
        for _ in 0..TRIES {
            tokio::time::sleep(PAUSE).await;
            if self.journal.store_rest().await {
                self.purse.stored();
                log::info("analysis stored late", &[("analysis", &self.id)]);
                return;
            }
            if stops() {
                break;
            }
        }
        log::error("analysis could not be stored", &[("analysis", &self.id)]);
    }
}
