//! Money in micro-dollars. Uses saturating integer arithmetic, so sums are exact unless they overflow.

use serde::{Deserialize, Serialize};

pub use super::price::{LongCallPrice, Price};

/// An amount in millionths of a US dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct MicroDollars(pub i64);

impl MicroDollars {
    /// Returns the amount in dollars, for display and JSON.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e6
    }
    /// Converts from dollars, rounding up so that a cost is never understated. `None` if the amount is
    /// negative, not finite, or above 1e9 dollars.
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        (dollars.is_finite() && (0.0..=1e9).contains(&dollars))
            .then(|| Self((dollars * 1e6).ceil() as i64))
    }
    /// Adds two amounts, saturating at the bounds of `i64` instead of overflowing.
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
    /// Multiplies the amount by a count, saturating at the bounds of `i64` instead of overflowing.
    pub fn saturating_mul(self, count: u32) -> Self {
        Self(self.0.saturating_mul(i64::from(count)))
    }
}

// Serialized in dollars, so that clients do not depend on the internal unit.
impl Serialize for MicroDollars {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.dollars())
    }
}

impl<'de> Deserialize<'de> for MicroDollars {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let dollars = f64::deserialize(deserializer)?;
        if (-1e12..=1e12).contains(&dollars) {
            Ok(Self((dollars * 1e6).round() as i64))
        } else {
            Err(serde::de::Error::custom("invalid amount of money"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_amounts_are_refused() {
        for amount in [f64::NAN, -0.1, f64::INFINITY, 1e12] {
            assert_eq!(MicroDollars::from_dollars(amount), None);
        }
        assert_eq!(
            MicroDollars::from_dollars(0.000_000_1),
            Some(MicroDollars(1))
        );
    }
}
