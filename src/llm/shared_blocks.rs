//! What other servers have reported about a model, as last read from Redis: open circuits, and pauses because of a rate
//! limit. Pure: takes the time as a parameter.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::time::Timestamp;

/// Maximum number of users per model whose circuits are remembered.
const MAX_USERS: usize = 128;

/// For how much longer calls to a model are blocked, as read from Redis. `None` means that they are not blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct BlockTimes {
    /// Time until the circuit for all users closes.
    pub model: Option<Duration>,
    /// Time until the circuit for this user closes.
    pub user: Option<Duration>,
    /// Time until the pause required by the provider ends.
    pub pause: Option<Duration>,
}

/// The blocks of one model that other servers have reported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SharedBlocks {
    open_until: Option<Timestamp>,
    user_open_until: BTreeMap<u64, Timestamp>,
    paused_until: Option<Timestamp>,
}

impl SharedBlocks {
    /// Replaces the recorded blocks with those that were just read for a user.
    pub fn update(&mut self, user: u64, times: BlockTimes, now: Timestamp) {
        self.open_until = times.model.map(|length| now + length);
        self.paused_until = times.pause.map(|length| now + length);
        match times.user {
            Some(length) => {
                if self.user_open_until.len() >= MAX_USERS {
                    self.user_open_until.clear();
                }
                self.user_open_until.insert(user, now + length);
            }
            None => {
                self.user_open_until.remove(&user);
            }
        }
    }

    /// Returns when the circuit for a user closes, or `None` if the circuit is not open.
    pub fn circuit_open_until(&self, user: u64, now: Timestamp) -> Option<Timestamp> {
        let own = self.user_open_until.get(&user).copied();
        self.open_until.max(own).filter(|until| *until > now)
    }

    /// Returns when the pause required by the provider ends, or `None` if there is no pause.
    pub fn paused_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.paused_until.filter(|until| *until > now)
    }

    /// Returns the hashes of the users whose circuits are remembered.
    pub fn users(&self) -> impl Iterator<Item = u64> {
        self.user_open_until.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_reading_counts_until_it_ends() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let seconds = |number| Some(Duration::from_secs(number));
        let mut blocks = SharedBlocks::default();
        let times = BlockTimes {
            model: None,
            user: seconds(20),
            pause: seconds(5),
        };
        blocks.update(1, times, at(0));
        assert_eq!(blocks.circuit_open_until(1, at(19)), Some(at(20)));
        assert_eq!(blocks.circuit_open_until(1, at(20)), None);
        assert_eq!(blocks.circuit_open_until(2, at(1)), None, "another user");
        assert_eq!(blocks.paused_until(at(4)), Some(at(5)));
        let times = BlockTimes {
            model: seconds(10),
            ..BlockTimes::default()
        };
        blocks.update(2, times, at(1));
        assert_eq!(blocks.circuit_open_until(2, at(2)), Some(at(11)));
        assert_eq!(blocks.paused_until(at(4)), None, "it was reset");
        blocks.update(1, BlockTimes::default(), at(2));
        assert_eq!(blocks.circuit_open_until(1, at(2)), None);
    }
}
