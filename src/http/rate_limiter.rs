//! The rate limiter: one token bucket per user, device, or network address. Memory is bounded. The algorithm is in
//! `domain::token_bucket`.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use super::error::ApiError;
use super::rate_limit_status::RateLimitStatus;
use crate::app::{Error, Kind, SharedLimits};
use crate::domain::id::{SessionId, UserId};
use crate::domain::time::Timestamp;
use crate::domain::token_bucket::{Rate, TokenBucket};

/// Maximum number of buckets per generation. There are two generations, of which the newer one contains the recent
/// callers. When it is full, it becomes the older one, and the buckets of the previous older one are dropped.
const MAX_BUCKETS: usize = 4096;

/// The token buckets of all callers.
pub struct RateLimiter {
    rate: Rate,
    seed: RandomState,
    generations: Mutex<[HashMap<u64, TokenBucket>; 2]>,
}

/// The caller against whose limit a request counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateKey<'a> {
    /// A signed-in user.
    User(&'a UserId),
    /// A browser that has signed in before. It is counted separately from other clients at its address.
    Device(&'a SessionId),
    /// All other clients at a network address.
    Address(IpAddr),
}

impl RateLimiter {
    /// Creates a limiter with a limit of `per_minute` requests per minute and caller.
    pub fn new(per_minute: u32) -> Self {
        Self {
            rate: Rate::per_minute(per_minute),
            seed: RandomState::new(),
            generations: Mutex::default(),
        }
    }

    /// Counts a request against the rate across all servers. If the servers do not share limits, counts it against this
    /// server's share.
    ///
    /// # Errors
    /// `TooFast`, with the time to wait, if the limit is exceeded.
    pub async fn check(
        &self,
        key: RateKey<'_>,
        now: Timestamp,
        limits: &SharedLimits,
    ) -> Result<RateLimitStatus, ApiError> {
        if limits.is_shared() {
            let taken = limits
                .take_token("requests", &key.subject(), self.rate)
                .await;
            match taken {
                Some(Ok(bucket)) => return Ok(rate_limit_status(self.rate, bucket)),
                Some(Err(wait)) => return Err(rate_limited(self.rate, wait)),
                None => {}
            }
        }
        self.check_locally(key, now, limits.divisor())
    }

    /// Counts a request against this server's share of the rate, which is 1/`servers` of it.
    fn check_locally(
        &self,
        key: RateKey<'_>,
        now: Timestamp,
        servers: u32,
    ) -> Result<RateLimitStatus, ApiError> {
        let rate = self.rate.shared_by(servers);
        // The keys are hashed with a random seed, so that no one can choose a key that shares another caller's bucket.
        let key = match key {
            RateKey::User(user) => self.seed.hash_one(user.as_str()),
            RateKey::Device(device) => self.seed.hash_one(device.as_str()),
            RateKey::Address(peer) => self.seed.hash_one(network(peer)),
        };
        let mut generations = self
            .generations
            .lock()
            .unwrap_or_else(|broken| broken.into_inner());
        let [newer, older] = &mut *generations;
        // The caller's bucket is removed first, so that it is not dropped when the newer generation is full.
        let older_bucket = older.remove(&key);
        if newer.len() >= MAX_BUCKETS && !newer.contains_key(&key) {
            *older = std::mem::take(newer);
        }
        let bucket = newer
            .entry(key)
            .or_insert_with(|| older_bucket.unwrap_or_else(|| TokenBucket::full(rate, now)));
        match bucket.take(rate, now) {
            Ok(()) => Ok(rate_limit_status(rate, *bucket)),
            Err(wait) => Err(rate_limited(rate, wait)),
        }
    }
}

impl RateKey<'_> {
    /// Returns the key under which the shared bucket is stored.
    fn subject(&self) -> String {
        match self {
            Self::User(user) => format!("user\0{}", user.as_str()),
            Self::Device(device) => format!("device\0{}", device.as_str()),
            Self::Address(peer) => format!("address\0{:x}", network(*peer)),
        }
    }
}

fn rate_limit_status(rate: Rate, bucket: TokenBucket) -> RateLimitStatus {
    RateLimitStatus {
        limit: rate.burst,
        remaining: bucket.remaining(),
        time_to_reset: bucket.until_full(rate),
    }
}

fn rate_limited(rate: Rate, wait: Duration) -> ApiError {
    let mut error = Error::new(Kind::TooFast, "too many requests in a short time");
    error.retry_after = Some(wait);
    let status = RateLimitStatus {
        limit: rate.burst,
        remaining: 0,
        time_to_reset: wait,
    };
    ApiError::from(error).rate_limit(Some(status))
}

/// Returns the network whose requests are counted together with those of an address: the address itself for IPv4, and
/// the /64 for IPv6, which usually belongs to a single client.
pub(super) fn network(peer: IpAddr) -> u128 {
    match peer.to_canonical() {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits() >> 64 << 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }
    const NOW: Timestamp = Timestamp::from_millis(0);

    #[test]
    fn each_address_has_its_own_bucket() {
        let limiter = RateLimiter::new(2);
        let check = |text: &str| {
            limiter
                .check_locally(RateKey::Address(address(text)), NOW, 1)
                .is_ok()
        };
        assert!(check("10.0.0.1") && check("10.0.0.1"));
        assert!(!check("10.0.0.1"));
        assert!(
            !check("::ffff:10.0.0.1"),
            "the same address in another notation"
        );
        assert!(check("10.0.0.2"));
        assert!(check("2001:db8::1") && check("2001:db8::2"));
        assert!(!check("2001:db8::3"), "the same network");
    }

    #[test]
    fn servers_share_a_rate() {
        let limiter = RateLimiter::new(4);
        let peer = || RateKey::Address(address("10.0.0.1"));
        assert!((0..2).all(|_| limiter.check_locally(peer(), NOW, 2).is_ok()));
        assert!(limiter.check_locally(peer(), NOW, 2).is_err());
    }

    #[test]
    fn buckets_are_bounded_and_active_callers_are_kept() {
        let limiter = RateLimiter::new(1);
        let busy = address("192.0.2.1");
        assert!(
            limiter
                .check_locally(RateKey::Address(busy), NOW, 1)
                .is_ok()
        );
        for number in 0..50_000_u32 {
            let _ =
                limiter.check_locally(RateKey::Address(IpAddr::from(number.to_be_bytes())), NOW, 1);
            assert!(
                limiter
                    .check_locally(RateKey::Address(busy), NOW, 1)
                    .is_err(),
                "{number}"
            );
        }
        let generations = limiter.generations.lock().expect("not poisoned");
        assert!(generations.iter().all(|map| map.len() <= MAX_BUCKETS));
    }
}
