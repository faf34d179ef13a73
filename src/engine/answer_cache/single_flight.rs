//! Single-flight for identical calls: the first caller makes the call, and the others wait for its result.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// Calls in progress, by cache key. An entry exists for as long as its leader guard does.
#[derive(Default, Clone)]
pub(in crate::engine) struct SingleFlight(Arc<Mutex<HashMap<String, watch::Receiver<()>>>>);

/// A caller's role for a key.
pub(in crate::engine) enum FlightRole {
    /// The leader makes the call.
    Leader(LeaderGuard),
    /// A follower waits for the leader and then checks the cache again.
    Follower(watch::Receiver<()>),
}

/// Held by the leader until its answer has been stored or will certainly not arrive. Dropping it wakes the followers.
pub(in crate::engine) struct LeaderGuard {
    in_flight: SingleFlight,
    key: String,
    _wake_on_drop: watch::Sender<()>,
}

impl SingleFlight {
    /// Joins the call with this key, as its leader or as a follower.
    pub fn join(&self, key: &str) -> FlightRole {
        let mut in_flight = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = in_flight.get(key) {
            return FlightRole::Follower(waiting.clone());
        }
        let (wakes, waiting) = watch::channel(());
        in_flight.insert(key.to_owned(), waiting);
        FlightRole::Leader(LeaderGuard {
            in_flight: self.clone(),
            key: key.to_owned(),
            _wake_on_drop: wakes,
        })
    }
}

impl Drop for LeaderGuard {
    fn drop(&mut self) {
        let mut in_flight = self
            .in_flight
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        in_flight.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn followers_wait_until_the_leader_is_dropped() {
        let in_flight = SingleFlight::default();
        let FlightRole::Leader(leader) = in_flight.join("k") else {
            panic!("nobody was there");
        };
        let FlightRole::Follower(mut waiting) = in_flight.join("k") else {
            panic!("somebody is there");
        };
        assert!(matches!(in_flight.join("other"), FlightRole::Leader(_)));
        drop(leader);
        assert!(waiting.changed().await.is_err(), "woken by the seat's end");
        assert!(matches!(in_flight.join("k"), FlightRole::Leader(_)));
        assert!(in_flight.0.lock().unwrap().is_empty());
    }
}
