//! A run's entry in the map of running runs.

use std::sync::Arc;

use super::EngineShared;
use super::run_channel::RunChannel;
use super::stream_limits::StreamPermit;
use crate::domain::id::AnalysisId;

/// A run's entry in `runs`. It is removed however the run's task ends, even by a panic, so that callers waiting for the
/// run or for the engine to drain do not wait forever.
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
        // A run that was given up and taken over again has a new entry by now.
        let entry = runs.get(&self.id);
        if entry.is_some_and(|entry| Arc::ptr_eq(&entry.channel, &self.channel)) {
            runs.remove(&self.id);
        }
        drop(runs);
        self.shared.run_left.notify_waiters();
    }
}
