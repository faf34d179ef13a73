//! Token buckets for sign-in attempts by device, network, and account. Their number is bounded.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::app::{Error, Kind, Result};
use crate::domain::id::SessionId;
use crate::domain::time::Timestamp;
use crate::domain::token_bucket::{Rate, TokenBucket};
use crate::shared_limits::SharedLimits;

/// Maximum number of buckets in each of the two maps: one for devices, one for all other keys. A bucket takes about 100
/// bytes.
const MAX_BUCKETS: usize = 8192;

/// Limit for one network across all accounts, as a multiple of the limit per account and network. It is higher because
/// several people may share a network.
const NETWORK_FACTOR: u32 = 5;
/// Limit for one account across all networks, as a multiple of the limit per account and network. It slows guessing
/// from many addresses; networks that the owner has used are exempt.
const ACCOUNT_FACTOR: u32 = 20;
/// Rate limiter for sign-in attempts, with one token bucket per key.
pub struct LoginThrottle {
    pair_rate: Rate,
    network_rate: Rate,
    account_rate: Rate,
    /// The limits shared with other servers.
    shared: SharedLimits,
    buckets: Mutex<Buckets>,
    /// Kept apart from the other buckets, so that attempts without a device never evict them.
    device_buckets: Mutex<Buckets>,
}

type Buckets = HashMap<ThrottleKey, TokenBucket>;

/// The key under which an attempt is counted. An account is identified by the email address as entered, whether or
/// not it exists.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ThrottleKey {
    /// An account combined with the network of the attempt.
    Pair(String, IpAddr),
    /// An account, from any network.
    Account(String),
    /// The network that the attempt comes from.
    Network(IpAddr),
    /// A browser that has signed in to the account before, or is signed in.
    Device(SessionId),
}

/// Kind of these limits, which distinguishes them from the other limits shared with other servers.
const SHARED_KIND: &str = "sign-in";

impl ThrottleKey {
    /// Returns the key's name in the buckets shared with other servers.
    fn subject(&self) -> String {
        match self {
            Self::Pair(account, network) => format!("pair\0{account}\0{network}"),
            Self::Account(account) => format!("account\0{account}"),
            Self::Network(network) => format!("network\0{network}"),
            Self::Device(session) => format!("device\0{}", session.as_str()),
        }
    }
}

/// Returns the network of an address: an IPv4 address itself, or the /64 of an IPv6 address, which usually belongs
/// to one household.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

impl LoginThrottle {
    /// Creates a rate limiter that allows `per_minute` attempts per device and per pair of account and network. An
    /// account and a network alone have higher limits, which are multiples of it.
    pub fn new(per_minute: u32) -> Self {
        let times = |factor| Rate::per_minute(per_minute.saturating_mul(factor));
        Self {
            pair_rate: times(1),
            network_rate: times(NETWORK_FACTOR),
            account_rate: times(ACCOUNT_FACTOR),
            shared: SharedLimits::default(),
            buckets: Mutex::default(),
            device_buckets: Mutex::default(),
        }
    }

    /// Enforces the limits jointly with other servers.
    pub fn share(&mut self, limits: SharedLimits) {
        self.shared = limits;
    }

    /// Counts an attempt before it is made, so that concurrent attempts cannot exceed the limit. The limit applies
    /// across all servers; if the shared limits are unavailable, this server enforces only its share of it.
    ///
    /// # Errors
    /// `Kind::TooFast`, with the time until the next attempt is allowed.
    pub async fn take(&self, key: ThrottleKey, now: Timestamp) -> Result<()> {
        if self.shared.is_shared() {
            let (subject, rate) = (key.subject(), self.total_rate_of(&key));
            let taken = self.shared.take_token(SHARED_KIND, &subject, rate).await;
            if let Some(taken) = taken {
                return taken.map(drop).map_err(too_fast_error);
            }
        }
        self.take_locally(key, now)
    }

    fn take_locally(&self, key: ThrottleKey, now: Timestamp) -> Result<()> {
        let rate = self.local_rate_of(&key);
        let mut buckets = self.lock_buckets(&key);
        if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(&key) {
            self.evict_full_buckets(&mut buckets, now);
        }
        let bucket = buckets
            .entry(key)
            .or_insert_with(|| TokenBucket::full(rate, now));
        bucket.take(rate, now).map_err(too_fast_error)
    }

    /// Refunds a successful attempt, so that it does not count.
    pub fn refund(&self, key: &ThrottleKey) {
        let rate = self.total_rate_of(key);
        if self.shared.is_shared() {
            self.shared.refund_token(SHARED_KIND, &key.subject(), rate);
        }
        let mut buckets = self.lock_buckets(key);
        if let Some(bucket) = buckets.get_mut(key) {
            bucket.refund(self.local_rate_of(key));
        }
    }

    fn lock_buckets(&self, key: &ThrottleKey) -> MutexGuard<'_, Buckets> {
        let buckets = match key {
            ThrottleKey::Device(_) => &self.device_buckets,
            _ => &self.buckets,
        };
        buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns this server's share of a key's rate.
    fn local_rate_of(&self, key: &ThrottleKey) -> Rate {
        self.total_rate_of(key).shared_by(self.shared.divisor())
    }

    fn total_rate_of(&self, key: &ThrottleKey) -> Rate {
        match key {
            ThrottleKey::Pair(..) | ThrottleKey::Device(_) => self.pair_rate,
            ThrottleKey::Account(_) => self.account_rate,
            ThrottleKey::Network(_) => self.network_rate,
        }
    }

    /// Evicts all full buckets. If more than half of the maximum number remain, also evicts the least recently used
    /// half.
    fn evict_full_buckets(&self, buckets: &mut Buckets, now: Timestamp) {
        buckets.retain(|key, bucket| !bucket.is_full(self.local_rate_of(key), now));
        if buckets.len() > MAX_BUCKETS / 2 {
            let mut times: Vec<_> = buckets.values().map(TokenBucket::last_refill).collect();
            let middle = times.len() / 2;
            let (_, &mut median, _) = times.select_nth_unstable(middle);
            let mut retainable_count = times.len() - middle;
            buckets.retain(|_, bucket| {
                let is_retained = bucket.last_refill() >= median && retainable_count > 0;
                retainable_count -= usize::from(is_retained);
                is_retained
            });
        }
    }
}

/// Returns the error for a refused attempt; `wait` is the time until the next one is allowed.
pub fn too_fast_error(wait: Duration) -> Error {
    Error {
        retry_after: Some(wait),
        ..Error::new(Kind::TooFast, "too many attempts")
    }
    .resolve("wait a moment, then try again")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn pairs_accounts_and_networks_are_counted_separately() {
        let throttle = LoginThrottle::new(2);
        let localhost = IpAddr::from([127, 0, 0, 1]);
        let pair = || ThrottleKey::Pair("a@b.co".into(), localhost);
        assert!(throttle.take_locally(pair(), at(0)).is_ok());
        assert!(throttle.take_locally(pair(), at(0)).is_ok());
        let error = throttle.take_locally(pair(), at(0)).expect_err("third");
        assert_eq!(error.kind, Kind::TooFast);
        assert_eq!(error.retry_after, Some(Duration::from_secs(30)));
        for (key, max_attempts) in [
            (ThrottleKey::Network(localhost), 10),
            (ThrottleKey::Account("a@b.co".into()), 40),
        ] {
            assert!((0..max_attempts).all(|_| throttle.take_locally(key.clone(), at(0)).is_ok()));
            assert!(throttle.take_locally(key, at(0)).is_err());
        }
        throttle.refund(&pair());
        assert!(throttle.take_locally(pair(), at(0)).is_ok());
        assert!(throttle.take_locally(pair(), at(30)).is_ok());
    }

    #[test]
    fn an_ipv6_network_counts_as_one() {
        let network_of = |text: &str| network(text.parse().expect(text));
        assert_eq!(network_of("2001:db8::1"), network_of("2001:db8::ffff"));
        assert_ne!(network_of("2001:db8::1"), network_of("2001:db8:0:1::1"));
        assert_eq!(network_of("::ffff:10.0.0.1"), network_of("10.0.0.1"));
    }

    #[test]
    fn memory_is_bounded_and_the_newest_entries_stay() {
        let throttle = LoginThrottle::new(1);
        let address = |n: usize| ThrottleKey::Pair(n.to_string(), [127, 0, 0, 1].into());
        let device = |n: usize| ThrottleKey::Device(SessionId::new(at(0), n as u128));
        for n in 0..3 * MAX_BUCKETS {
            throttle.take_locally(address(n), at(0)).expect("its first");
            throttle.take_locally(device(n), at(0)).expect("its first");
        }
        assert!(throttle.device_buckets.lock().expect("sound").len() <= MAX_BUCKETS);
        assert!(throttle.buckets.lock().expect("sound").len() <= MAX_BUCKETS);
        assert!(
            throttle
                .take_locally(address(3 * MAX_BUCKETS - 1), at(1))
                .is_err(),
            "the newest is remembered"
        );
        // Attempts without a device do not evict a device's bucket.
        for n in 3 * MAX_BUCKETS..6 * MAX_BUCKETS {
            throttle.take_locally(address(n), at(0)).expect("its first");
        }
        assert!(
            throttle
                .take_locally(device(3 * MAX_BUCKETS - 1), at(1))
                .is_err()
        );
    }
}
