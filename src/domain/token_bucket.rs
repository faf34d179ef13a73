//! Token-bucket rate limiting as a pure function of state and time. The caller stores the buckets.

use std::time::Duration;

use super::time::Timestamp;

/// Rate limit: burst size and sustained rate per minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Burst size in tokens; 0 counts as 1.
    pub burst: u32,
    /// Sustained rate in tokens per minute; 0 counts as 1.
    pub per_minute: u32,
}

impl Rate {
    /// Creates a rate with the same burst size and tokens per minute.
    pub const fn per_minute(number: u32) -> Self {
        Self {
            burst: number,
            per_minute: number,
        }
    }
    /// Returns the share of the rate for each of several servers, rounded up to whole tokens.
    pub const fn shared_by(self, servers: u32) -> Self {
        let servers = if servers == 0 { 1 } else { servers };
        Self {
            burst: self.burst.div_ceil(servers),
            per_minute: self.per_minute.div_ceil(servers),
        }
    }
    /// Returns the capacity of a bucket, in units.
    pub fn capacity_units(self) -> u64 {
        u64::from(self.burst.max(1)) * UNITS_PER_TOKEN
    }
    /// Returns the units that a bucket gains per millisecond.
    pub fn units_per_ms(self) -> u64 {
        u64::from(self.per_minute.max(1))
    }
}

/// Number of units per token, chosen so that exactly `per_minute` units are refilled each millisecond.
const UNITS_PER_TOKEN: u64 = 60_000;

/// Token bucket of one caller. The level is counted in units, which are fractions of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBucket {
    level: u64,
    updated_at: Timestamp,
}

impl TokenBucket {
    /// Creates a full bucket.
    pub fn full(rate: Rate, now: Timestamp) -> Self {
        Self {
            level: rate.capacity_units(),
            updated_at: now,
        }
    }

    /// Creates a bucket with this level, in units. The caller keeps the time of the last refill.
    pub fn at_level(level: u64) -> Self {
        Self {
            level,
            updated_at: Timestamp::default(),
        }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// If the bucket is empty, returns the time until the next token is available.
    pub fn take(&mut self, rate: Rate, now: Timestamp) -> Result<(), Duration> {
        self.refill_until(rate, now);
        if self.level < UNITS_PER_TOKEN {
            return Err(self.until_token(rate));
        }
        self.level -= UNITS_PER_TOKEN;
        Ok(())
    }

    /// Returns a token to the bucket, for a request that does not count.
    pub fn refund(&mut self, rate: Rate) {
        self.level = rate.capacity_units().min(self.level + UNITS_PER_TOKEN);
    }

    /// Returns the number of whole tokens left.
    pub fn remaining(&self) -> u32 {
        u32::try_from(self.level / UNITS_PER_TOKEN).unwrap_or(u32::MAX)
    }

    /// Returns the time until the bucket has a token.
    pub fn until_token(&self, rate: Rate) -> Duration {
        time_until(UNITS_PER_TOKEN.saturating_sub(self.level), rate)
    }

    /// Returns the time until the bucket is full.
    pub fn until_full(&self, rate: Rate) -> Duration {
        time_until(rate.capacity_units().saturating_sub(self.level), rate)
    }

    /// Whether the bucket is full at `now` and can therefore be dropped.
    pub fn is_full(&self, rate: Rate, now: Timestamp) -> bool {
        let mut later = *self;
        later.refill_until(rate, now);
        later.level == rate.capacity_units()
    }

    /// Returns the time of the last refill.
    pub fn last_refill(&self) -> Timestamp {
        self.updated_at
    }

    /// Refills by elapsed time. If the clock moves backward, the level stays the same and counting restarts
    /// from the new time.
    fn refill_until(&mut self, rate: Rate, now: Timestamp) {
        let elapsed_ms = u64::try_from(now.since(self.updated_at).as_millis()).unwrap_or(u64::MAX);
        let refill = elapsed_ms.saturating_mul(rate.units_per_ms());
        self.level = rate.capacity_units().min(self.level.saturating_add(refill));
        self.updated_at = now;
    }
}

fn time_until(missing: u64, rate: Rate) -> Duration {
    Duration::from_millis(missing.div_ceil(rate.units_per_ms()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        burst: 2,
        per_minute: 60,
    };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn tokens_are_consumed_and_refilled() {
        let mut bucket = TokenBucket::full(RATE, at(0));
        let ms = Duration::from_millis;
        for (time, expected) in [
            (0, Ok(())),
            (0, Ok(())),
            (0, Err(ms(1000))),
            (400, Err(ms(600))),
            (1000, Ok(())),
            (1000, Err(ms(1000))),
            // If the clock moves backward, the level stays the same.
            (0, Err(ms(1000))),
            (1000, Ok(())),
            (i64::MAX, Ok(())),
            (i64::MAX, Ok(())),
            (i64::MAX, Err(ms(1000))),
        ] {
            assert_eq!(bucket.take(RATE, at(time)), expected, "{time}");
        }
    }

    #[test]
    fn remaining_tokens_are_reported() {
        let mut bucket = TokenBucket::full(RATE, at(0));
        assert_eq!(bucket.remaining(), 2);
        bucket.take(RATE, at(0)).expect("full");
        assert_eq!(bucket.remaining(), 1);
        assert_eq!(bucket.until_full(RATE), Duration::from_secs(1));
        assert!(!bucket.is_full(RATE, at(999)));
        assert!(bucket.is_full(RATE, at(1000)));
        bucket.refund(RATE);
        bucket.refund(RATE);
        assert_eq!(bucket.remaining(), 2, "never more than full");
    }

    #[test]
    fn extreme_rates_neither_overflow_nor_divide_by_zero() {
        let max_rate = Rate::per_minute(u32::MAX);
        let mut bucket = TokenBucket::full(max_rate, at(i64::MIN));
        assert_eq!(bucket.take(max_rate, at(i64::MAX)), Ok(()));
        let none = Rate::per_minute(0);
        let mut bucket = TokenBucket::full(none, at(0));
        assert_eq!(bucket.take(none, at(0)), Ok(()));
        assert_eq!(bucket.take(none, at(0)), Err(Duration::from_secs(60)));
    }
}
