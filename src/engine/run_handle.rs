//! Handles to a started run: one to wait for its end, and one that cancels it on drop.

use super::{Engine, RunOutcome};
use crate::domain::id::AnalysisId;

/// Waits for the end of a started run.
pub struct Finished(pub(super) tokio::sync::oneshot::Receiver<Option<Box<RunOutcome>>>);

impl Finished {
    /// Returns how the run ended; `None` if it was interrupted, for example by a shutdown, and will be resumed.
    pub async fn wait_for_outcome(self) -> Option<Box<RunOutcome>> {
        self.0.await.ok().flatten()
    }
}

/// Cancels a run on drop, unless disarmed. Used by connections that wait for their run.
pub struct CancelOnDrop {
    engine: Engine,
    id: Option<AnalysisId>,
}

impl CancelOnDrop {
    /// Creates an armed guard.
    pub fn new(engine: Engine, id: AnalysisId) -> Self {
        Self {
            engine,
            id: Some(id),
        }
    }
    /// Disarms the guard, because the run is over or should continue without the client.
    pub fn disarm(&mut self) {
        self.id = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(id) = &self.id {
            // A stopping server closes its connections itself, so the client is not to blame.
            let reason = if self.engine.shared.run_slots.is_closed() {
                "the server stopped while a client was waiting for this analysis"
            } else {
                "the client closed the connection"
            };
            self.engine.cancel(id, reason);
        }
    }
}
