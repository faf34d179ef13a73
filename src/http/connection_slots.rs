//! Limits open connections, in total and for each address. At the limit, the connection that has been idle longest
//! is closed to make room: one of the same address when that address has used up its share.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::connection::ConnectionActivity;
use super::rate_limiter::network;
use super::shared::SharedState;

/// Idle connections that are asked to make room for a new one, one after another.
const ASKED: usize = 4;
/// How long one of them is waited for: it closes at once, unless a request has just come on it.
const PATIENCE: Duration = Duration::from_millis(100);

/// All connections that are open.
pub(super) struct ConnectionSlots {
    most: usize,
    // Whoever stops the server waits until all are back.
    permits: Arc<Semaphore>,
    state: Mutex<SlotsState>,
    left: Notify,
}

#[derive(Default)]
struct SlotsState {
    next: u64,
    open: HashMap<u64, HeldConnection>,
    of_network: HashMap<u128, usize>,
}

struct HeldConnection {
    network: u128,
    pulse: Arc<ConnectionActivity>,
    close: Arc<Notify>,
}

/// A connection's place among the open ones, given back when it ends in whatever way.
pub(super) struct ConnectionPermit {
    pub shared: Arc<SharedState>,
    pub pulse: Arc<ConnectionActivity>,
    slots: Arc<ConnectionSlots>,
    number: u64,
    network: u128,
    close: Arc<Notify>,
    permit: Option<OwnedSemaphorePermit>,
}

impl ConnectionSlots {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            permits: Arc::new(Semaphore::new(most)),
            state: Mutex::default(),
            left: Notify::new(),
        })
    }

    /// Waits until no connection is open.
    pub async fn all_left(&self) {
        // Never closed.
        let _ = self.permits.acquire_many(self.most as u32).await;
    }

    /// A place for a connection from this address. Closes idle connections to make room; none where all are
    /// in use.
    pub async fn admit(
        self: &Arc<Self>,
        shared: &Arc<SharedState>,
        peer: IpAddr,
    ) -> Option<ConnectionPermit> {
        let share = share(self.most, shared.is_trusted_proxy(peer), peer);
        for _ in 0..=ASKED {
            let idle = match self.enter(shared, peer, share) {
                Ok(place) => return Some(place),
                Err(idle) => idle?,
            };
            idle.notify_one();
            let _ = tokio::time::timeout(PATIENCE, self.left.notified()).await;
        }
        None
    }

    // Or the connection that can make room, where there is one.
    fn enter(
        self: &Arc<Self>,
        shared: &Arc<SharedState>,
        peer: IpAddr,
        share: usize,
    ) -> Result<ConnectionPermit, Option<Arc<Notify>>> {
        let network = network(peer);
        let mut state = self.state();
        if state
            .of_network
            .get(&network)
            .is_some_and(|held| *held >= share)
        {
            return Err(state.longest_idle(Some(network)));
        }
        let Ok(permit) = self.permits.clone().try_acquire_owned() else {
            return Err(state.longest_idle(None));
        };
        let (number, pulse, close) = (
            state.next,
            ConnectionActivity::new(),
            Arc::new(Notify::new()),
        );
        state.next += 1;
        *state.of_network.entry(network).or_default() += 1;
        let held = HeldConnection {
            network,
            pulse: pulse.clone(),
            close: close.clone(),
        };
        state.open.insert(number, held);
        drop(state);
        shared.stats.open.fetch_add(1, Relaxed);
        Ok(ConnectionPermit {
            shared: shared.clone(),
            pulse,
            slots: self.clone(),
            number,
            network,
            close,
            permit: Some(permit),
        })
    }

    fn state(&self) -> MutexGuard<'_, SlotsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlotsState {
    fn longest_idle(&self, network: Option<u128>) -> Option<Arc<Notify>> {
        let candidates = (self.open.values())
            .filter(|held| network.is_none_or(|network| held.network == network))
            .filter_map(|held| Some((held.pulse.idle()?, held)));
        let longest = candidates.max_by_key(|(idle, _)| *idle);
        longest.map(|(_, held)| held.close.clone())
    }
}

impl ConnectionPermit {
    /// Waits until another connection needs the place of an idle one.
    pub async fn wanted(&self) {
        self.close.notified().await;
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut state = self.slots.state();
        state.open.remove(&self.number);
        if let Some(held) = state.of_network.get_mut(&self.network) {
            *held -= 1;
            if *held == 0 {
                state.of_network.remove(&self.network);
            }
        }
        drop(state);
        self.shared.stats.open.fetch_sub(1, Relaxed);
        // Given back first: whoever is told looks at once.
        drop(self.permit.take());
        self.slots.left.notify_one();
    }
}

/// The number of connections that one address may hold, of `most` in total. Many people are behind a trusted proxy;
/// a loopback address is often a proxy missing from `TRUSTED_PROXIES`, and leaves an eighth for others.
fn share(most: usize, is_proxy: bool, peer: IpAddr) -> usize {
    match peer.to_canonical() {
        _ if is_proxy => most,
        peer if peer.is_loopback() => most - most / 8,
        _ => most.div_ceil(4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_but_a_proxy_may_hold_all() {
        for (peer, is_proxy, expected) in [
            ("192.0.2.1", false, 256),
            ("2001:db8::1", false, 256),
            ("192.0.2.1", true, 1024),
            ("127.0.0.1", false, 896),
            ("::ffff:127.0.0.1", false, 896),
        ] {
            let peer: IpAddr = peer.parse().expect("an address");
            assert_eq!(share(1024, is_proxy, peer), expected, "{peer}");
            assert!((1..=3).all(|most| (1..=most).contains(&share(most, is_proxy, peer))));
        }
    }
}
