//! Caches which users have no budget, so that their calls need no query. Entries last at most two seconds, because
//! another process (the command line) may set a budget too; within this process, every change clears the cache
//! immediately.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::id::UserId;

/// Maximum number of cached users.
const MAX_USERS: usize = 4096;
const MAX_AGE: Duration = Duration::from_secs(2);

/// A cache of users who have no budget.
#[derive(Default)]
pub(super) struct UnlimitedUsers(Mutex<KnownUsers>);

#[derive(Default)]
struct KnownUsers {
    /// Number of times the cache has been cleared.
    epoch: u64,
    known_since: HashMap<UserId, Instant>,
}

impl UnlimitedUsers {
    /// Returns `Ok` if the user is known to have no budget, or else the epoch to pass to `insert`.
    pub fn find(&self, user: &UserId, now: Instant) -> Result<(), u64> {
        let users = self.users();
        match users.known_since.get(user) {
            Some(since) if now.saturating_duration_since(*since) <= MAX_AGE => Ok(()),
            _ => Err(users.epoch),
        }
    }

    /// Caches a user without a budget, unless the cache was cleared after the query began.
    pub fn insert(&self, epoch: u64, user: &UserId, now: Instant) {
        let mut users = self.users();
        if users.epoch != epoch {
            return;
        }
        if users.known_since.len() >= MAX_USERS {
            users.known_since.clear();
        }
        users.known_since.insert(user.clone(), now);
    }

    /// Clears the cache. Call this after a change has been committed.
    pub fn clear(&self) {
        let mut users = self.users();
        users.epoch += 1;
        users.known_since.clear();
    }

    fn users(&self) -> MutexGuard<'_, KnownUsers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::domain::time::Timestamp;

    #[test]
    fn a_user_is_remembered_until_a_change_and_for_two_seconds() {
        let (users, now) = (UnlimitedUsers::default(), clock::instant());
        let ada = UserId::new(Timestamp::default(), 1);
        let epoch = users.find(&ada, now).unwrap_err();
        users.insert(epoch, &ada, now);
        assert_eq!(users.find(&ada, now + MAX_AGE), Ok(()));
        let late = now + MAX_AGE + Duration::from_millis(1);
        assert!(users.find(&ada, late).is_err());
        users.clear();
        assert!(users.find(&ada, now).is_err());
        // The user was read before the change, but is cached after it.
        users.insert(epoch, &ada, now);
        assert!(users.find(&ada, now).is_err());
    }
}
