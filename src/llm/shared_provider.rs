//! Per-provider state that servers share through Redis: slots for concurrent calls, open circuit breakers, and pauses.
//! Without Redis, only this server's queue limits the calls.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Notify};

use super::Provider;
use super::call_origin::CallOrigin;
use super::call_queue::{CallPermit, CallQueue, CallRefused, ProviderLimiter};
use super::shared_blocks::BlockTimes;
use crate::shared_limits::{SharedLimits, SlotLease, SlotOutcome, SlotRequest};

/// Interval between requests to Redis while other servers hold all slots.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Permission to call a provider. When it is dropped, the next call is admitted, on this or another server.
pub(super) struct ProviderPermit {
    // Dropped before the permit, so that the next call of this server finds the slot free.
    _lease: Option<SlotLease>,
    _permit: CallPermit,
    _freed: Option<WakeOnDrop>,
}

/// When dropped, wakes the call that is waiting for a slot in Redis.
struct WakeOnDrop(Arc<Notify>);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// The limits and blocks of a provider in Redis.
#[derive(Default)]
pub(super) struct SharedProvider {
    limits: SharedLimits,
    /// The provider's name in Redis: owner, ID, and URL. It is the same on all servers. Empty if Redis is not
    /// configured.
    name: String,
    /// Held by the only call that asks Redis for a slot. This server's other calls wait for it in FIFO order.
    turn: Mutex<()>,
    /// Notified when one of this server's calls ends.
    freed: Arc<Notify>,
}

impl From<CallPermit> for ProviderPermit {
    fn from(permit: CallPermit) -> Self {
        Self {
            _lease: None,
            _permit: permit,
            _freed: None,
        }
    }
}

impl SharedProvider {
    pub fn new(limits: SharedLimits, provider: &Provider) -> Self {
        let owner = provider.owner.as_ref().map_or("", |owner| owner.as_str());
        let url = provider.base_url.as_deref().unwrap_or_default();
        Self {
            name: match limits.is_configured() {
                true => format!("{owner}\0{}\0{url}", provider.id),
                false => String::new(),
            },
            limits,
            ..Self::default()
        }
    }

    /// Waits until both this server's queue and the shared limit in Redis admit a call. Also returns for how long calls
    /// to the model are blocked.
    ///
    /// # Errors
    ///
    /// Returns an error if the queue is full.
    pub async fn admit(
        &self,
        queue: &CallQueue,
        limiter: ProviderLimiter,
        call: Option<(&str, CallOrigin)>,
    ) -> Result<(ProviderPermit, BlockTimes), CallRefused> {
        if !self.limits.is_configured() {
            let permit = queue.admit(limiter).await?;
            return Ok((permit.into(), BlockTimes::default()));
        }
        let names = call.map(|(model, origin)| self.block_names(model, origin.user_hash));
        let names = names.as_ref().map_or(&[][..], |names| names);
        if limiter.max_concurrent == usize::MAX {
            let permit = queue.admit(limiter).await?;
            let read = self.limits.take_slots(self.slot(0), names).await;
            let (_, blocked) = read.unwrap_or((SlotOutcome::Full, Vec::new()));
            return Ok((permit.into(), block_times(&blocked)));
        }
        let mut counted = queue.enter_shared_queue()?;
        let _turn = self.turn.lock().await;
        loop {
            let permit = queue.admit_counted(limiter, counted).await?;
            let slot = self.slot(limiter.max_concurrent);
            let Some((outcome, blocked)) = self.limits.take_slots(slot, names).await else {
                return Ok((permit.into(), BlockTimes::default()));
            };
            let lease = match outcome {
                SlotOutcome::Granted(lease) => lease,
                SlotOutcome::Away(lease) => {
                    // The permit was granted under the whole limit, but without Redis, only this server's share of it
                    // applies.
                    queue.divide_among_servers(self.limits.divisor());
                    if queue.exceeds_share(limiter) {
                        counted = queue.reenter_shared_queue();
                        continue;
                    }
                    lease
                }
                SlotOutcome::Full => {
                    drop(permit);
                    counted = queue.reenter_shared_queue();
                    let _ = tokio::time::timeout(POLL_INTERVAL, self.freed.notified()).await;
                    continue;
                }
            };
            let permit = ProviderPermit {
                _lease: Some(lease),
                _permit: permit,
                _freed: Some(WakeOnDrop(self.freed.clone())),
            };
            return Ok((permit, block_times(&blocked)));
        }
    }

    /// Reports to all servers that a model's circuit is open, for one user or for everyone.
    pub fn block_model(&self, model: &str, user: Option<u64>, length: Duration) {
        if self.limits.is_shared() {
            let [of_model, of_user, _] = self.block_names(model, user.unwrap_or_default());
            let name = if user.is_some() { of_user } else { of_model };
            self.limits.block(&name, length);
        }
    }

    /// Reports to all servers that the provider requires a pause for a model.
    pub fn pause(&self, model: &str, length: Duration) {
        if self.limits.is_shared() {
            let [.., pause] = self.block_names(model, 0);
            self.limits.block(&pause, length);
        }
    }

    /// Removes the blocks of a model on all servers: the block for everyone, the blocks for these users, and the
    /// provider's pause.
    pub fn unblock(&self, model: &str, users: impl Iterator<Item = u64>) {
        if self.limits.is_shared() {
            let [of_model, _, pause] = self.block_names(model, 0);
            let user_blocks = users.map(|user| {
                let [_, of_user, _] = self.block_names(model, user);
                of_user
            });
            let names: Vec<String> = user_blocks.chain([of_model, pause]).collect();
            self.limits.unblock(&names);
        }
    }

    fn slot(&self, limit: usize) -> SlotRequest<'_> {
        SlotRequest {
            kind: "provider",
            subject: &self.name,
            limit,
            count: 1,
        }
    }

    fn block_names(&self, model: &str, user: u64) -> [String; 3] {
        let name = &self.name;
        [
            format!("{name}\0{model}\0circuit"),
            format!("{name}\0{model}\0circuit\0{user:016x}"),
            format!("{name}\0{model}\0pause"),
        ]
    }
}

fn block_times(blocked: &[Option<Duration>]) -> BlockTimes {
    match *blocked {
        [model, user, pause] => BlockTimes { model, user, pause },
        _ => BlockTimes::default(),
    }
}
