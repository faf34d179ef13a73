//! Relayed calls: an API client's calls to a single model, executed like runs but never stored as such. No
//! relayed call waits for the database; its usage is recorded after the call, in batches.

use std::sync::Arc;

use super::run_channel::{RelayAudience, RunChannel, RunWatch};
use super::run_handle::Finished;
use super::settlement::SettledCall;
use super::stream_limits::StreamPermit;
use super::{Engine, EngineShared, RunRefused, RunSpec, RunningRun};
use crate::domain::id::UserId;
use crate::store::StoreError;

/// A relayed call that has started.
pub struct RelayedCall {
    /// Resolves when the call has ended.
    pub call_end: Finished,
    /// Events of the call, for [`RelayAudience::Watcher`].
    pub watch: RunWatch,
}

impl Engine {
    /// Reserves slots for the relayed calls of one request.
    ///
    /// # Errors
    /// Returns an error if there are not enough free slots or the server is shutting down.
    pub async fn reserve_streams(
        &self,
        user: &UserId,
        count: usize,
    ) -> Result<StreamPermit, RunRefused> {
        self.shared.streams.take(user, count).await
    }

    /// Starts a relayed call in a separate task. `place` holds its slot until the call has ended; `None` if
    /// the request has several calls and holds their slots itself.
    pub fn start_passthrough(
        &self,
        run: RunSpec,
        audience: RelayAudience,
        place: Option<StreamPermit>,
    ) -> RelayedCall {
        let channel = Arc::new(RunChannel::for_passthrough());
        let run = RunSpec {
            relay: Some(audience),
            ..run
        };
        let entry = RunningRun::new(&run, &channel);
        self.shared.runs().insert(run.id.clone(), entry);
        self.shared.run_arrived.notify_one();
        let watch = RunWatch::new(
            self.shared.clone(),
            Some(channel.clone()),
            run.id.clone(),
            0,
        );
        RelayedCall {
            call_end: self.spawn(run, channel, None, place),
            watch,
        }
    }

    /// Waits while the usage of too many relayed calls is still unrecorded.
    pub async fn wait_for_backlog(&self) {
        self.shared.settlement.wait_for_backlog().await;
    }

    /// Records the pending usage of relayed calls, so that it can be read.
    pub async fn record_passthrough_usage(&self) {
        self.shared.settlement.write_all().await;
    }

    /// Returns whether a user has no budget. If so, the result is cached for two seconds.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn is_unlimited(&self, user: &UserId) -> Result<bool, StoreError> {
        self.shared.reservations.is_unlimited(user).await
    }

    /// Clears the cache of users without a budget, because budgets have changed.
    pub fn budgets_changed(&self) {
        self.shared.reservations.budgets_changed();
    }
}

impl EngineShared {
    /// Queues a finished call for recording.
    pub(super) fn queue_settlement(&self, call: Option<SettledCall>) {
        if let Some(call) = call {
            self.settlement.add(call);
        }
    }
}
