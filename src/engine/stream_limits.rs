//! Limits on concurrent relayed calls (calls by API clients to a single model), in total and per user. Separate from
//! the limits on analyses, because an API client may have hundreds of streams open while a user has only a few runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::RunRefused;
use crate::domain::id::UserId;

/// Maximum numbers of concurrent relayed calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// Maximum for the whole server.
    pub total: usize,
    /// Maximum for one user.
    pub per_user: usize,
}

/// The slots for all relayed calls.
pub(super) struct StreamSlots {
    limits: StreamLimits,
    open_streams: Mutex<OpenStreams>,
}

#[derive(Default)]
struct OpenStreams {
    /// Number of servers that share the limit per user, at least one; 0 before it is known.
    servers: u32,
    total: usize,
    /// Number of open calls by user; contains only users with open calls.
    by_user: HashMap<UserId, usize>,
    is_closed: bool,
}

/// The slots of a single request. Released on drop.
pub struct StreamPermit {
    streams: Arc<StreamSlots>,
    user: UserId,
    count: usize,
}

impl StreamSlots {
    pub fn new(limits: StreamLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            open_streams: Mutex::default(),
        })
    }

    /// Reserves slots for a user.
    ///
    /// # Errors
    /// Returns an error if there are not enough free slots or the server is shutting down.
    pub fn take(self: &Arc<Self>, user: &UserId, count: usize) -> Result<StreamPermit, RunRefused> {
        let mut open_streams = self.open();
        if open_streams.is_closed {
            return Err(RunRefused::Closing);
        }
        if open_streams.total + count > self.limits.total {
            return Err(RunRefused::Full);
        }
        let own_count = open_streams.by_user.get(user).copied().unwrap_or_default() + count;
        if own_count
            > self
                .limits
                .per_user
                .div_ceil(open_streams.servers.max(1) as usize)
        {
            return Err(RunRefused::TooMany);
        }
        open_streams.total += count;
        open_streams.by_user.insert(user.clone(), own_count);
        Ok(StreamPermit {
            streams: self.clone(),
            user: user.clone(),
            count,
        })
    }

    /// Divides the limit per user among this number of servers. The total protects this server's memory.
    pub fn share_with(&self, servers: u32) {
        self.open().servers = servers;
    }

    /// Refuses all further calls.
    pub fn close(&self) {
        self.open().is_closed = true;
    }

    fn open(&self) -> MutexGuard<'_, OpenStreams> {
        self.open_streams
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut open_streams = self.streams.open();
        open_streams.total -= self.count;
        if let Some(own) = open_streams.by_user.get_mut(&self.user) {
            *own -= self.count;
            if *own == 0 {
                open_streams.by_user.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    #[test]
    fn slots_are_limited_in_total_and_per_user_and_freed() {
        let user = |number| UserId::new(Timestamp::default(), number);
        let slots = StreamSlots::new(StreamLimits {
            total: 4,
            per_user: 3,
        });
        let two = slots.take(&user(1), 2).unwrap();
        let refusal = |number, count| slots.take(&user(number), count).err();
        assert_eq!(refusal(1, 2), Some(RunRefused::TooMany));
        assert_eq!(refusal(2, 3), Some(RunRefused::Full));
        let other = slots.take(&user(2), 2).unwrap();
        assert_eq!(refusal(1, 1), Some(RunRefused::Full));
        drop(two);
        assert_eq!(refusal(1, 2), None);
        drop(other);
        assert!(slots.open().by_user.is_empty());
        assert_eq!(slots.open().total, 0);
        // Two servers allow two each, so that a person has no more than one server would allow, rounded up.
        slots.share_with(2);
        assert_eq!(refusal(1, 3), Some(RunRefused::TooMany));
        assert_eq!(refusal(1, 2), None);
        slots.close();
        assert_eq!(refusal(1, 1), Some(RunRefused::Closing));
    }
}
