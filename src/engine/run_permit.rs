//! The entry of a run in the engine's map of active runs.

use std::sync::Arc;

use super::EngineShared;
use super::run_channel::RunChannel;
use super::stream_limits::StreamPermit;
use crate::domain::id::AnalysisId;

/// Removes a run's entry from `runs` on drop, however the run's task ends, even by a panic. Otherwise,
/// callers that wait for the run or for the engine to drain could wait forever.
pub(super) struct RunPermit {
    pub(super) shared: Arc<EngineShared>,
    pub(super) id: AnalysisId,
    pub(super) channel: Arc<RunChannel>,
    pub(super) _slot: Option<StreamPermit>,
}

impl Drop for RunPermit {
    fn drop(&mut self) {
        self.channel.close();
        let mut runs = self.shared.runs();
        // A run that was given up and taken over again already has a new entry, which must stay.
        let entry = runs.get(&self.id);
        if entry.is_some_and(|entry| Arc::ptr_eq(&entry.channel, &self.channel)) {
            runs.remove(&self.id);
        }
        drop(runs);
        self.shared.run_left.notify_waiters();
    }
}
