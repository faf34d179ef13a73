//! Limits on concurrent relayed calls (calls by API clients to a single model), in total and per user. Separate from
//! the limits on analyses, because an API client may have hundreds of streams open while a user has only a few runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::RunRefused;
use crate::domain::id::UserId;
use crate::shared_limits::{SharedLimits, SlotLease, SlotOutcome, SlotRequest};

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
    /// The per-user limits that all servers share.
    shared: SharedLimits,
    open_streams: Mutex<OpenStreams>,
}

#[derive(Default)]
struct OpenStreams {
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
    /// The slots counted across all servers; also freed on drop.
    lease: Option<SlotLease>,
}

impl StreamSlots {
    pub fn new(limits: StreamLimits, shared: SharedLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            shared,
            open_streams: Mutex::default(),
        })
    }

    /// Reserves slots for a user, both on this server and across all servers.
    ///
    /// # Errors
    /// Returns an error if there are not enough free slots or the server is shutting down.
    pub async fn take(
        self: &Arc<Self>,
        user: &UserId,
        count: usize,
    ) -> Result<StreamPermit, RunRefused> {
        let mut permit = self.take_locally(user, count)?;
        let request = SlotRequest {
            kind: "streams",
            subject: user.as_str(),
            limit: self.limits.per_user.max(1),
            count,
        };
        let lease = match self.shared.take_slots(request, &[]).await {
            None => return Ok(permit),
            Some((SlotOutcome::Full, _)) => return Err(RunRefused::TooMany),
            Some((SlotOutcome::Granted(lease), _)) => lease,
            // The shared limits have become unavailable since the slots were counted. From now on, only this
            // server's share of the limit applies.
            Some((SlotOutcome::Away(_), _)) if self.exceeds_share(user) => {
                return Err(RunRefused::TooMany);
            }
            Some((SlotOutcome::Away(lease), _)) => lease,
        };
        permit.lease = Some(lease);
        Ok(permit)
    }

    /// Reserves slots for a user on this server only.
    fn take_locally(
        self: &Arc<Self>,
        user: &UserId,
        count: usize,
    ) -> Result<StreamPermit, RunRefused> {
        let mut open_streams = self.open();
        if open_streams.is_closed {
            return Err(RunRefused::Closing);
        }
        if open_streams.total + count > self.limits.total {
            return Err(RunRefused::Full);
        }
        let own_count = open_streams.by_user.get(user).copied().unwrap_or_default() + count;
        if own_count > self.share() {
            return Err(RunRefused::TooMany);
        }
        open_streams.total += count;
        open_streams.by_user.insert(user.clone(), own_count);
        Ok(StreamPermit {
            streams: self.clone(),
            user: user.clone(),
            count,
            lease: None,
        })
    }

    /// Returns this server's share of the per-user limit. The total limit is not divided, because it protects
    /// this server's memory.
    fn share(&self) -> usize {
        let servers = self.shared.divisor() as usize;
        self.limits.per_user.div_ceil(servers)
    }

    fn exceeds_share(&self, user: &UserId) -> bool {
        let own_count = self.open().by_user.get(user).copied();
        own_count.unwrap_or_default() > self.share()
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
        let limits = StreamLimits {
            total: 4,
            per_user: 3,
        };
        let slots = StreamSlots::new(limits, SharedLimits::default());
        let two = slots.take_locally(&user(1), 2).unwrap();
        let refusal = |number, count| slots.take_locally(&user(number), count).err();
        assert_eq!(refusal(1, 2), Some(RunRefused::TooMany));
        assert_eq!(refusal(2, 3), Some(RunRefused::Full));
        let other = slots.take_locally(&user(2), 2).unwrap();
        assert_eq!(refusal(1, 1), Some(RunRefused::Full));
        drop(two);
        assert_eq!(refusal(1, 2), None);
        drop(other);
        assert!(slots.open().by_user.is_empty());
        assert_eq!(slots.open().total, 0);
        // Each of two servers allows half of the limit, rounded up.
        slots.shared.divide_among(2);
        assert_eq!(refusal(1, 3), Some(RunRefused::TooMany));
        assert_eq!(refusal(1, 2), None);
        slots.close();
        assert_eq!(refusal(1, 1), Some(RunRefused::Closing));
    }
}
