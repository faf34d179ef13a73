//! Budget reservations of this server, stored as rows that other servers on the database add to their own. A
//! row is increased before its reservation is used, and decreased shortly after the reservation is released,
//! so that the stored amount is never too small.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::clock;
use crate::domain::usage::UsageAmount;
use crate::log;
use crate::store::{self, Store, StoreError, Writer, reservations as rows};

/// How long releases are collected before the rows are written.
const COLLECT_INTERVAL: Duration = Duration::from_millis(100);
/// Pauses before each new attempt to reserve an amount while the database is busy.
const BUSY_PAUSES: [Duration; 3] = [
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
];
/// Pause after a failed write.
const RETRY_PAUSE: Duration = Duration::from_secs(2);

/// The reservations of this server, in a database that other servers may also use.
pub struct SharedReservations {
    store: Store,
    state: Mutex<ReservedSums>,
    /// Held from reading a sum until its row has been written, so that rows are written in order.
    write_lock: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct ReservedSums {
    /// Reserved amount by owner: the ID of a user or an API key.
    sums: BTreeMap<String, UsageAmount>,
    /// Owners whose sum has changed since their row was written.
    changed_owners: BTreeSet<String>,
    /// Whether a task is about to write the changed rows.
    is_due: bool,
}

impl SharedReservations {
    /// Creates an empty record. Nothing is reserved through it if the database is a file.
    pub fn new(store: Store) -> Arc<Self> {
        Arc::new(Self {
            store,
            state: Mutex::default(),
            write_lock: tokio::sync::Mutex::default(),
        })
    }

    /// Whether reservations must be shared with other servers, because they may use the database too.
    pub fn is_needed(&self) -> bool {
        self.store.membership().is_some()
    }

    /// Reserves an amount for an owner if `check` allows it. `check` receives the amount that all servers have
    /// reserved.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written; the inner error is that of `check`.
    pub async fn reserve<T, E>(
        self: &Arc<Self>,
        owner: &str,
        amount: UsageAmount,
        check: impl Fn(&Writer, UsageAmount) -> store::Result<Result<T, E>> + Send + Sync + 'static,
    ) -> store::Result<Result<T, E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let boot = self.boot()?;
        let _write_guard = self.write_lock.lock().await;
        let (own_sum, name) = (self.sum_of(owner), owner.to_owned());
        // If this future is dropped before the end, the row may be larger than the sum; dropping this guard then has
        // the row written again.
        let restore_on_drop = ChangedOnDrop(self, owner);
        let attempt = Arc::new(move |db: &Writer| {
            rows::lock_owner(db, &name)?;
            let elsewhere = rows::reserved_elsewhere(db, &name, &boot)?;
            let check_result = check(db, own_sum.saturating_add(elsewhere))?;
            if check_result.is_ok() {
                rows::put(db, &name, &boot, own_sum.saturating_add(amount))?;
            }
            Ok(check_result)
        });
        let mut pauses = BUSY_PAUSES.iter();
        let check_result = loop {
            let attempt = attempt.clone();
            // Use a separate transaction: in a shared one, an earlier change could have locked a row for which another
            // server waits while it holds this lock.
            match self.store.write_alone(move |db| attempt(db)).await {
                Err(StoreError::Busy) if self.is_current() => match pauses.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => return Err(StoreError::Busy),
                },
                check_result => break check_result?,
            }
        };
        std::mem::forget(restore_on_drop);
        if check_result.is_ok() {
            self.lock_sums().add(owner, amount);
        }
        Ok(check_result)
    }

    /// Reserves an amount for a resumed run without a check. The row is written a little later.
    pub fn add(self: &Arc<Self>, owner: &str, amount: UsageAmount) {
        self.lock_sums().add(owner, amount);
        self.write_soon([owner.to_owned()], COLLECT_INTERVAL);
    }

    /// Releases an amount. The row is written a little later.
    pub fn release(self: &Arc<Self>, owner: &str, amount: UsageAmount) {
        if amount == UsageAmount::default() {
            return;
        }
        {
            let mut state = self.lock_sums();
            let Some(sum) = state.sums.get_mut(owner) else {
                return;
            };
            *sum = sum.saturating_sub(amount);
            if *sum == UsageAmount::default() {
                state.sums.remove(owner);
            }
        }
        self.write_soon([owner.to_owned()], COLLECT_INTERVAL);
    }

    /// Writes all rows again, because another server deleted this server's rows.
    pub fn restore(self: &Arc<Self>) {
        let owners: Vec<String> = self.lock_sums().sums.keys().cloned().collect();
        self.write_soon(owners, Duration::ZERO);
    }

    // Writes the rows of these owners after a pause. If the server stops before that, nothing is lost: the
    // rows of a stopped server do not count.
    fn write_soon(self: &Arc<Self>, owners: impl IntoIterator<Item = String>, pause: Duration) {
        {
            let mut state = self.lock_sums();
            state.changed_owners.extend(owners);
            if state.changed_owners.is_empty() || std::mem::replace(&mut state.is_due, true) {
                return;
            }
        }
        let shared = self.clone();
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                tokio::time::sleep(pause).await;
                shared.write_changed().await;
            })),
            Err(_) => self.lock_sums().is_due = false,
        }
    }

    async fn write_changed(self: &Arc<Self>) {
        let failed = {
            let _write_guard = self.write_lock.lock().await;
            let (owners, sums) = self.lock_sums().take_changed();
            let Ok(boot) = self.boot() else { return };
            let all = move |db: &Writer| {
                let mut sums = sums.iter();
                sums.try_for_each(|(owner, sum)| rows::put(db, owner, &boot, *sum))
            };
            self.store
                .write(all)
                .await
                .err()
                .map(|error| (error, owners))
        };
        match failed {
            None | Some((StoreError::Closed, _)) => {}
            Some((error, owners)) => {
                let error = format!("{error:?}");
                log::warn("reservations could not be released", &[("fault", &error)]);
                self.write_soon(owners, RETRY_PAUSE);
            }
        }
    }

    fn sum_of(&self, owner: &str) -> UsageAmount {
        self.lock_sums()
            .sums
            .get(owner)
            .copied()
            .unwrap_or_default()
    }

    fn is_current(&self) -> bool {
        let membership = self.store.membership();
        membership.is_some_and(|membership| membership.is_current(clock::instant()))
    }

    fn boot(&self) -> store::Result<Arc<str>> {
        let membership = self.store.membership();
        membership.map_or(Err(StoreError::Busy), |membership| Ok(membership.boot()))
    }

    fn lock_sums(&self) -> MutexGuard<'_, ReservedSums> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReservedSums {
    fn add(&mut self, owner: &str, amount: UsageAmount) {
        if amount != UsageAmount::default() {
            let sum = self.sums.entry(owner.to_owned()).or_default();
            *sum = sum.saturating_add(amount);
        }
    }

    fn take_changed(&mut self) -> (BTreeSet<String>, Vec<(String, UsageAmount)>) {
        self.is_due = false;
        let owners = std::mem::take(&mut self.changed_owners);
        let sum = |owner: &String| self.sums.get(owner).copied().unwrap_or_default();
        let sums = owners.iter().map(|owner| (owner.clone(), sum(owner)));
        let sums = sums.collect();
        (owners, sums)
    }
}

/// Has the owner's row written again on drop, in case a reservation was abandoned halfway.
struct ChangedOnDrop<'a>(&'a Arc<SharedReservations>, &'a str);

impl Drop for ChangedOnDrop<'_> {
    fn drop(&mut self) {
        self.0.write_soon([self.1.to_owned()], COLLECT_INTERVAL);
    }
}
