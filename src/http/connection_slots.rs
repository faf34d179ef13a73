//! Limits the number of open connections, in total and per address. When a limit is reached, the connection that has
//! been idle for the longest time is closed to make room; when an address has used up its share, only its own
//! connections are considered.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::connection::ConnectionActivity;
use super::rate_limiter::network;
use super::shared::SharedState;

/// Maximum number of idle connections that are asked to close, one after another, for a new connection.
const MAX_EVICTIONS: usize = 4;
/// How long to wait for an idle connection to close. It closes immediately unless a request has just arrived on it.
const EVICTION_TIMEOUT: Duration = Duration::from_millis(100);

/// The slots of all open connections.
pub(super) struct ConnectionSlots {
    max_connections: usize,
    // Shutdown acquires all permits to wait for the last connection.
    permits: Arc<Semaphore>,
    state: Mutex<SlotsState>,
    slot_freed: Notify,
}

#[derive(Default)]
struct SlotsState {
    next_id: u64,
    open_connections: HashMap<u64, OpenConnection>,
    per_network: HashMap<u128, usize>,
}

struct OpenConnection {
    network: u128,
    activity: Arc<ConnectionActivity>,
    close_signal: Arc<Notify>,
}

/// The slot of one connection, which is released on drop.
pub(super) struct ConnectionPermit {
    pub shared: Arc<SharedState>,
    pub activity: Arc<ConnectionActivity>,
    slots: Arc<ConnectionSlots>,
    id: u64,
    network: u128,
    close_signal: Arc<Notify>,
    permit: Option<OwnedSemaphorePermit>,
}

impl ConnectionSlots {
    /// Creates slots for at most `max_connections` connections.
    pub fn new(max_connections: usize) -> Arc<Self> {
        Arc::new(Self {
            max_connections,
            permits: Arc::new(Semaphore::new(max_connections)),
            state: Mutex::default(),
            slot_freed: Notify::new(),
        })
    }

    /// Waits until all connections are closed.
    pub async fn all_closed(&self) {
        // This cannot fail, because the semaphore is never closed.
        let _ = self.permits.acquire_many(self.max_connections as u32).await;
    }

    /// Takes a slot for a connection from this address, and closes idle connections if necessary. Returns `None` if no
    /// slot becomes free.
    pub async fn admit(
        self: &Arc<Self>,
        shared: &Arc<SharedState>,
        peer: IpAddr,
    ) -> Option<ConnectionPermit> {
        let share = slots_per_address(self.max_connections, shared.is_trusted_proxy(peer), peer);
        for _ in 0..=MAX_EVICTIONS {
            let idle = match self.try_admit(shared, peer, share) {
                Ok(permit) => return Some(permit),
                Err(idle) => idle?,
            };
            idle.notify_one();
            let _ = tokio::time::timeout(EVICTION_TIMEOUT, self.slot_freed.notified()).await;
        }
        None
    }

    /// Takes a slot. If none is free, returns the signal that makes an idle connection close, or `None` if no
    /// connection is idle.
    fn try_admit(
        self: &Arc<Self>,
        shared: &Arc<SharedState>,
        peer: IpAddr,
        share: usize,
    ) -> Result<ConnectionPermit, Option<Arc<Notify>>> {
        let network = network(peer);
        let mut state = self.lock_state();
        if state
            .per_network
            .get(&network)
            .is_some_and(|count| *count >= share)
        {
            return Err(state.longest_idle(Some(network)));
        }
        let Ok(permit) = self.permits.clone().try_acquire_owned() else {
            return Err(state.longest_idle(None));
        };
        let (id, activity, close) = (
            state.next_id,
            ConnectionActivity::new(),
            Arc::new(Notify::new()),
        );
        state.next_id += 1;
        *state.per_network.entry(network).or_default() += 1;
        let connection = OpenConnection {
            network,
            activity: activity.clone(),
            close_signal: close.clone(),
        };
        state.open_connections.insert(id, connection);
        drop(state);
        shared.stats.open_connections.fetch_add(1, Relaxed);
        Ok(ConnectionPermit {
            shared: shared.clone(),
            activity,
            slots: self.clone(),
            id,
            network,
            close_signal: close,
            permit: Some(permit),
        })
    }

    fn lock_state(&self) -> MutexGuard<'_, SlotsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlotsState {
    fn longest_idle(&self, network: Option<u128>) -> Option<Arc<Notify>> {
        let candidates = (self.open_connections.values())
            .filter(|open| network.is_none_or(|network| open.network == network))
            .filter_map(|open| Some((open.activity.idle_time()?, open)));
        let longest = candidates.max_by_key(|(idle, _)| *idle);
        longest.map(|(_, open)| open.close_signal.clone())
    }
}

impl ConnectionPermit {
    /// Waits until this connection must close to make room for a new one.
    pub async fn eviction_requested(&self) {
        self.close_signal.notified().await;
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut state = self.slots.lock_state();
        state.open_connections.remove(&self.id);
        if let Some(count) = state.per_network.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                state.per_network.remove(&self.network);
            }
        }
        drop(state);
        self.shared.stats.open_connections.fetch_sub(1, Relaxed);
        // The permit is released before the notification, because the task that wakes up looks for a free one.
        drop(self.permit.take());
        self.slots.slot_freed.notify_one();
    }
}

/// Returns how many of `max_connections` one address may use: all for a trusted proxy, which serves many users; seven
/// eighths for a loopback address, which is often a proxy that is missing from `TRUSTED_PROXIES`; and a quarter for any
/// other address.
fn slots_per_address(max_connections: usize, is_trusted_proxy: bool, peer: IpAddr) -> usize {
    match peer.to_canonical() {
        _ if is_trusted_proxy => max_connections,
        peer if peer.is_loopback() => max_connections - max_connections / 8,
        _ => max_connections.div_ceil(4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_may_hold_all_slots() {
        for (peer, is_trusted_proxy, expected) in [
            ("192.0.2.1", false, 256),
            ("2001:db8::1", false, 256),
            ("192.0.2.1", true, 1024),
            ("127.0.0.1", false, 896),
            ("::ffff:127.0.0.1", false, 896),
        ] {
            let peer: IpAddr = peer.parse().expect("an address");
            assert_eq!(
                slots_per_address(1024, is_trusted_proxy, peer),
                expected,
                "{peer}"
            );
            assert!((1..=3).all(|max_connections| {
                (1..=max_connections).contains(&slots_per_address(
                    max_connections,
                    is_trusted_proxy,
                    peer,
                ))
            }));
        }
    }
}
