//! Leases on the slots of concurrency limits. The server renews a lease while it holds the slots; without renewal,
//! the slots expire.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::commands::CommandQueue;
use super::resp;
use super::scripts::RENEW;

/// Length of a lease: how long the slots of a killed server stay occupied.
pub(super) const LEASE: Duration = Duration::from_secs(15);
/// Interval between renewals. If Redis loses its data, slots are missing for at most this long.
pub(super) const RENEWAL_INTERVAL: Duration = Duration::from_secs(5);

/// The slots that this server holds, by key.
pub(super) struct HeldSlots {
    /// Unique name of this server. The names of its slots in Redis begin with it.
    server: String,
    state: Mutex<SlotTable>,
}

#[derive(Default)]
struct SlotTable {
    last_number: u64,
    by_key: BTreeMap<Arc<str>, BTreeSet<u64>>,
}

/// Slots held by one caller. Dropping it frees them.
pub struct SlotLease {
    slots: Arc<HeldSlots>,
    queue: Arc<CommandQueue>,
    key: Arc<str>,
    numbers: Vec<u64>,
}

impl HeldSlots {
    /// Creates an empty table for the server with this unique name.
    pub fn new(server: String) -> Arc<Self> {
        Arc::new(Self {
            server,
            state: Mutex::default(),
        })
    }

    /// Assigns numbers to new slots. They are renewed once [`SlotLease::keep`] has been called; dropping the lease
    /// frees them in either case.
    pub fn prepare(
        self: &Arc<Self>,
        queue: &Arc<CommandQueue>,
        key: Arc<str>,
        count: usize,
    ) -> SlotLease {
        let mut table = self.lock_table();
        let numbers = (0..count).map(|_| {
            table.last_number += 1;
            table.last_number
        });
        SlotLease {
            numbers: numbers.collect(),
            slots: self.clone(),
            queue: queue.clone(),
            key,
        }
    }

    /// Returns the keys under which this server holds slots.
    pub fn keys(&self) -> Vec<Arc<str>> {
        self.lock_table().by_key.keys().cloned().collect()
    }

    /// Returns the encoded command that renews the slots of a key; `None` if they have been freed.
    pub fn renewal(&self, key: &str) -> Option<Vec<u8>> {
        let table = self.lock_table();
        let numbers = table.by_key.get(key)?;
        let lease = LEASE.as_millis().to_string();
        let head = ["EVAL", RENEW, "1", key, &lease].map(str::to_owned);
        let members = numbers.iter().map(|number| self.member(*number));
        let parts: Vec<String> = head.into_iter().chain(members).collect();
        let mut bytes = Vec::new();
        resp::write_command(&parts, &mut bytes);
        Some(bytes)
    }

    fn member(&self, number: u64) -> String {
        format!("{}:{number}", self.server)
    }

    fn lock_table(&self) -> MutexGuard<'_, SlotTable> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlotLease {
    /// Returns the names under which the slots are stored in Redis.
    pub(super) fn members(&self) -> impl Iterator<Item = String> {
        self.numbers.iter().map(|number| self.slots.member(*number))
    }

    /// Registers the slots for renewal.
    pub(super) fn keep(self) -> Self {
        if self.numbers.is_empty() {
            return self;
        }
        let mut table = self.slots.lock_table();
        let kept = table.by_key.entry(self.key.clone()).or_default();
        kept.extend(&self.numbers);
        drop(table);
        self
    }

    /// Drops slots that Redis has refused, without freeing them there.
    pub(super) fn forget(mut self) {
        self.numbers.clear();
    }
}

impl Drop for SlotLease {
    fn drop(&mut self) {
        if self.numbers.is_empty() {
            return;
        }
        // The slots are removed from the table before their release is sent; otherwise, a later renewal would occupy
        // them again.
        {
            let mut table = self.slots.lock_table();
            if let Some(kept) = table.by_key.get_mut(&self.key) {
                kept.retain(|number| !self.numbers.contains(number));
                if kept.is_empty() {
                    table.by_key.remove(&self.key);
                }
            }
        }
        let head = ["ZREM".to_owned(), self.key.to_string()];
        let parts: Vec<String> = head.into_iter().chain(self.members()).collect();
        self.queue.send(&parts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_held_slots_are_renewed() {
        let (queue, mut sent) = CommandQueue::new();
        let (queue, slots) = (Arc::new(queue), HeldSlots::new("s".into()));
        queue.set_open(true);
        let prepare = |count| slots.prepare(&queue, "key".into(), count);
        prepare(1).forget();
        assert!(sent.try_recv().is_err(), "nothing to free");
        let first = prepare(2);
        assert_eq!(slots.renewal("key"), None, "not held yet");
        let first = first.keep();
        let second = prepare(1).keep();
        let renewal = |slots: &HeldSlots| {
            let bytes = slots.renewal("key").expect("held");
            String::from_utf8_lossy(&bytes).into_owned()
        };
        assert!(renewal(&slots).contains("s:2") && renewal(&slots).contains("s:4"));
        drop(first);
        let freed = sent.try_recv().expect("freed").bytes;
        assert!(String::from_utf8_lossy(&freed).contains("ZREM"));
        assert!(!renewal(&slots).contains("s:2") && renewal(&slots).contains("s:4"));
        drop(second);
        assert!(slots.keys().is_empty());
        // A caller may be canceled while it waits for Redis, although Redis may already have granted the slots.
        sent.try_recv().expect("freed");
        drop(prepare(1));
        assert!(sent.try_recv().is_ok());
    }
}
