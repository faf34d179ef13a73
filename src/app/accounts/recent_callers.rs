//! Cache of recently authenticated callers, so that most requests need no database query. Entries last at most two
//! seconds, because another process (the command line) may end a session too; within this process, every change to
//! an account, session, or key clears the cache at once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::time::Timestamp;
use crate::domain::user::Caller;

/// Maximum number of cached callers.
const MAX_CALLERS: usize = 4096;
const MAX_AGE: Duration = Duration::from_secs(2);

/// Callers by session ID or key hash, with the time at which each was cached.
#[derive(Default)]
pub struct CallerCache(Mutex<CachedCallers>);

#[derive(Default)]
struct CachedCallers {
    /// Number of times the cache was cleared.
    epoch: u64,
    callers: HashMap<Box<[u8]>, (Timestamp, Caller)>,
}

impl CallerCache {
    /// Returns the cached caller for this key, or else the epoch to pass to `insert`.
    pub fn find(&self, key: &[u8], now: Timestamp) -> Result<Caller, u64> {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match memory.callers.get(key) {
            // A clock that was set back must not extend an entry.
            Some((cached_at, caller)) if *cached_at <= now && now.since(*cached_at) <= MAX_AGE => {
                Ok(caller.clone())
            }
            _ => Err(memory.epoch),
        }
    }

    /// Caches a caller read from the database. Does nothing if the cache was cleared after the query began, because the
    /// result may be outdated.
    pub fn insert(&self, epoch: u64, key: &[u8], caller: &Caller, now: Timestamp) {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.epoch != epoch {
            return;
        }
        if memory.callers.len() >= MAX_CALLERS {
            memory.callers.clear();
        }
        memory.callers.insert(key.into(), (now, caller.clone()));
    }

    /// Clears the cache; call it after a change has been committed. Changes are rare, and one query per caller
    /// refills it.
    pub fn clear(&self) {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.epoch += 1;
        memory.callers.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::UserId;
    use crate::domain::user::Role;

    fn caller() -> Caller {
        Caller {
            user: UserId::new(Timestamp::default(), 1),
            role: Role::User,
            session: None,
            key: None,
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn callers_are_cached_briefly() {
        let cache = CallerCache::default();
        assert_eq!(cache.find(b"a", at(0)), Err(0));
        cache.insert(0, b"a", &caller(), at(5000));
        for (time, is_cached) in [(4999, false), (5000, true), (7000, true), (7001, false)] {
            assert_eq!(cache.find(b"a", at(time)).is_ok(), is_cached, "{time}");
        }
        cache.clear();
        assert_eq!(cache.find(b"a", at(5000)), Err(1));
    }

    #[test]
    fn a_result_from_before_a_change_is_not_cached() {
        let cache = CallerCache::default();
        let epoch = cache.find(b"a", at(0)).expect_err("empty");
        cache.clear();
        cache.insert(epoch, b"a", &caller(), at(0));
        assert!(cache.find(b"a", at(0)).is_err());
    }

    #[test]
    fn memory_is_bounded() {
        let cache = CallerCache::default();
        for n in 0..2 * MAX_CALLERS {
            cache.insert(0, &n.to_be_bytes(), &caller(), at(0));
            assert!(cache.0.lock().expect("sound").callers.len() <= MAX_CALLERS);
        }
    }
}
