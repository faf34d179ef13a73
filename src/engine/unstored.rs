//! Retries storing the results of a run that could not be stored while its client was waiting. The answer was
//! delivered from memory first, because its calls have been paid for.

use std::time::Duration;

use super::budget::BudgetReservation;
use super::journal::Journal;
use super::outcome::RunOutcome;
use super::settlement::SettledCall;
use crate::domain::id::AnalysisId;
use crate::log;

/// Number of attempts to store the results once the answer has been delivered.
const MAX_ATTEMPTS: u32 = 6;
/// Pause before each of the attempts.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// A finished run. Dropping it discards any data that has not been stored.
pub(super) struct FinishedRun {
    pub outcome: Box<RunOutcome>,
    pub pending_store: Option<PendingStore>,
    /// The usage to record if the run is a relayed call.
    pub settled_call: Option<SettledCall>,
}

/// The unstored part of a run whose answer has been delivered. Its budget stays reserved until the part is
/// stored or the attempts end.
pub(super) struct PendingStore {
    pub id: AnalysisId,
    pub journal: Journal,
    pub reservation: BudgetReservation,
}

impl PendingStore {
    /// Retries storing the results for half a minute, or until `stops` returns true because the server is shutting
    /// down.
    pub async fn store(mut self, stops: impl Fn() -> bool) {
        for _ in 0..MAX_ATTEMPTS {
            tokio::time::sleep(RETRY_PAUSE).await;
            if self.journal.store_rest().await {
                self.reservation.release_stored();
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
