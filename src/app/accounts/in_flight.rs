//! Tracks the requests and streams in flight by account, so that locking or deleting an account ends them at once.
//! There is one entry per account with anything in flight.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Notify, watch};

use super::{Accounts, sign_in_again_error};
use crate::app::Result;
use crate::domain::id::UserId;
use crate::store::users;

/// Set to true when everything in flight for one account must end.
type EndSignal = watch::Sender<bool>;

#[derive(Default)]
pub(super) struct RequestsInFlight {
    state: Arc<Mutex<InFlightState>>,
    /// Notified when a request or stream starts.
    arrival: Notify,
}

#[derive(Default)]
struct InFlightState {
    /// Incremented whenever all requests of an account are ended.
    epoch: u64,
    in_flight: HashMap<UserId, Weak<EndSignal>>,
}

/// Registration of a request or stream of an account. Dropping it ends the registration.
pub struct InFlightGuard {
    state: Arc<Mutex<InFlightState>>,
    user: UserId,
    group: Arc<EndSignal>,
    end_signal: watch::Receiver<bool>,
}

impl InFlightGuard {
    /// Waits until the account is locked or deleted.
    pub async fn wait_for_end(&mut self) {
        // The wait cannot fail: `group` keeps the sender alive.
        let _ = self.end_signal.wait_for(|ended| *ended).await;
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        let is_ours = (state.in_flight.get(&self.user))
            .is_some_and(|group| std::ptr::eq(group.as_ptr(), Arc::as_ptr(&self.group)));
        // Check the count while holding the lock, so that no request joins the group in between.
        if is_ours && Arc::strong_count(&self.group) == 1 {
            state.in_flight.remove(&self.user);
        }
    }
}

impl RequestsInFlight {
    fn enter(&self, user: &UserId) -> (InFlightGuard, u64) {
        let mut state = lock(&self.state);
        let existing = state.in_flight.get(user).and_then(Weak::upgrade);
        let group = existing.unwrap_or_else(|| {
            let group = Arc::new(watch::channel(false).0);
            state.in_flight.insert(user.clone(), Arc::downgrade(&group));
            group
        });
        let epoch = state.epoch;
        drop(state);
        self.arrival.notify_one();
        let guard = InFlightGuard {
            state: self.state.clone(),
            user: user.clone(),
            end_signal: group.subscribe(),
            group,
        };
        (guard, epoch)
    }

    fn end(&self, user: &UserId) {
        let mut state = lock(&self.state);
        state.epoch += 1;
        let group = state.in_flight.remove(user);
        drop(state);
        if let Some(group) = group.and_then(|group| group.upgrade()) {
            group.send_replace(true);
        }
    }
}

impl Accounts {
    /// Returns the epoch to pass to `enter`. It must be read before the credential is checked.
    pub fn current_epoch(&self) -> u64 {
        lock(&self.requests_in_flight.state).epoch
    }

    /// Registers a request or stream of a caller whose credential was checked after `current_epoch`.
    ///
    /// # Errors
    /// `Kind::SignInNeeded` if the account was locked or deleted since then.
    pub async fn enter(&self, user: &UserId, checked_epoch: u64) -> Result<InFlightGuard> {
        let (guard, epoch) = self.requests_in_flight.enter(user);
        if epoch != checked_epoch {
            let id = user.clone();
            let active = self.store.read(move |db| users::is_active(db, &id)).await?;
            if !active {
                return Err(sign_in_again_error());
            }
        }
        Ok(guard)
    }

    /// Ends everything in flight for an account, once its lock or deletion is stored.
    pub(in crate::app) fn end_requests_of(&self, user: &UserId) {
        self.caller_cache.clear();
        self.requests_in_flight.end(user);
    }

    /// Returns the accounts with anything in flight.
    pub(in crate::app) fn users_in_flight(&self) -> Vec<UserId> {
        let state = lock(&self.requests_in_flight.state);
        state.in_flight.keys().cloned().collect()
    }

    /// Waits until a request or stream has started since the last call. Supports one waiter at a time.
    pub(in crate::app) async fn wait_for_arrival(&self) {
        self.requests_in_flight.arrival.notified().await;
    }
}

fn lock(state: &Mutex<InFlightState>) -> MutexGuard<'_, InFlightState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    fn user(n: u128) -> UserId {
        UserId::new(Timestamp::default(), n)
    }

    #[tokio::test]
    async fn ending_an_account_ends_only_its_own_requests() {
        let in_flight = RequestsInFlight::default();
        let (mut one, before) = in_flight.enter(&user(1));
        let (mut two, _) = in_flight.enter(&user(1));
        let (other, _) = in_flight.enter(&user(2));
        in_flight.end(&user(1));
        one.wait_for_end().await;
        two.wait_for_end().await;
        assert!(!*other.end_signal.borrow());
        // The account was unlocked: new requests are not ended by the earlier lock.
        let (again, after) = in_flight.enter(&user(1));
        assert!(after > before && !*again.end_signal.borrow());
        drop((one, two));
        assert_eq!(lock(&in_flight.state).in_flight.len(), 2);
        drop((again, other));
        assert_eq!(lock(&in_flight.state).in_flight.len(), 0);
    }
}
