//! Token buckets: how often something may happen. State and time in, "yes" or "wait so long" out. Keeps
//! no map of who asked.

use std::time::Duration;

use super::time::Timestamp;

/// How often: a burst at once, and so many a minute in the long run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many at once, after a pause; at least 1 counts.
    pub burst: u32,
    /// How many a minute in the long run; at least 1 counts.
    pub per_minute: u32,
}

impl Rate {
    /// The same number at once and a minute.
    pub const fn per_minute(number: u32) -> Self {
        Self {
            burst: number,
            per_minute: number,
        }
    }
    fn full(self) -> u64 {
        u64::from(self.burst.max(1)) * TOKEN
    }
    fn refill(self) -> u64 {
        u64::from(self.per_minute.max(1))
    }
}

/// One token in the unit of the level: with it, `per_minute` units come back each millisecond.
const TOKEN: u64 = 60_000;

/// What is left for one caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    level: u64,
    at: Timestamp,
}

impl Bucket {
    /// A full one.
    pub fn full(rate: Rate, now: Timestamp) -> Self {
        Self {
            level: rate.full(),
            at: now,
        }
    }

    /// Takes a token, or says how long it is until there is one.
    pub fn take(&mut self, rate: Rate, now: Timestamp) -> Result<(), Duration> {
        self.fill(rate, now);
        if self.level < TOKEN {
            return Err(wait(TOKEN - self.level, rate));
        }
        self.level -= TOKEN;
        Ok(())
    }

    /// Puts a token back that turned out not to count.
    pub fn put_back(&mut self, rate: Rate) {
        self.level = rate.full().min(self.level + TOKEN);
    }

    /// Whole tokens that are left.
    pub fn remaining(&self) -> u32 {
        u32::try_from(self.level / TOKEN).unwrap_or(u32::MAX)
    }

    /// How long it is until it is full.
    pub fn until_full(&self, rate: Rate) -> Duration {
        wait(rate.full().saturating_sub(self.level), rate)
    }

    /// Whether it says no more than a new one would, so that it can be forgotten.
    pub fn is_full(&self, rate: Rate, now: Timestamp) -> bool {
        let mut later = *self;
        later.fill(rate, now);
        later.level == rate.full()
    }

    /// When it was last asked.
    pub fn last(&self) -> Timestamp {
        self.at
    }

    /// A clock that is set back gives nothing and takes nothing; counting goes on from there.
    fn fill(&mut self, rate: Rate, now: Timestamp) {
        let passed = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        let gained = passed.saturating_mul(rate.refill());
        self.level = rate.full().min(self.level.saturating_add(gained));
        self.at = now;
    }
}

fn wait(missing: u64, rate: Rate) -> Duration {
    Duration::from_millis(missing.div_ceil(rate.refill()))
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
    fn a_script_of_takes() {
        let mut bucket = Bucket::full(RATE, at(0));
        let ms = Duration::from_millis;
        for (time, expected) in [
            (0, Ok(())),
            (0, Ok(())),
            (0, Err(ms(1000))),
            (400, Err(ms(600))),
            (1000, Ok(())),
            (1000, Err(ms(1000))),
            // The clock is set back: nothing is gained, nothing is lost.
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
    fn what_is_left_is_told() {
        let mut bucket = Bucket::full(RATE, at(0));
        assert_eq!(bucket.remaining(), 2);
        bucket.take(RATE, at(0)).expect("full");
        assert_eq!(bucket.remaining(), 1);
        assert_eq!(bucket.until_full(RATE), Duration::from_secs(1));
        assert!(!bucket.is_full(RATE, at(999)));
        assert!(bucket.is_full(RATE, at(1000)));
        bucket.put_back(RATE);
        bucket.put_back(RATE);
        assert_eq!(bucket.remaining(), 2, "never more than full");
    }

    #[test]
    fn extreme_rates_neither_overflow_nor_divide_by_zero() {
        let most = Rate::per_minute(u32::MAX);
        let mut bucket = Bucket::full(most, at(i64::MIN));
        assert_eq!(bucket.take(most, at(i64::MAX)), Ok(()));
        let none = Rate::per_minute(0);
        let mut bucket = Bucket::full(none, at(0));
        assert_eq!(bucket.take(none, at(0)), Ok(()));
        assert_eq!(bucket.take(none, at(0)), Err(Duration::from_secs(60)));
    }
}
