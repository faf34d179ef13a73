//! Exact rational numbers: 0.5, 1/2, and 50% are one value, while 1/3 and 0.333 are two. Arithmetic that would
//! exceed 128 bits returns `None`.

use std::fmt;

/// Largest exponent of ten that fits into 128 bits.
const MAX_POWER_OF_TEN: u32 = 38;

/// A reduced fraction with a positive denominator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ratio {
    numerator: i128,
    denominator: i128,
}

impl Ratio {
    /// Creates a whole number.
    pub const fn from_integer(number: i64) -> Self {
        Self {
            numerator: number as i128,
            denominator: 1,
        }
    }

    /// Creates a fraction; `None` if the denominator is 0 or if one of the two numbers is `i128::MIN`.
    pub fn new(numerator: i128, denominator: i128) -> Option<Self> {
        if denominator == 0 || numerator == i128::MIN || denominator == i128::MIN {
            return None;
        }
        let divisor =
            greatest_common_divisor(numerator.unsigned_abs(), denominator.unsigned_abs()) as i128;
        let sign = denominator.signum();
        Some(Self {
            numerator: sign * numerator / divisor,
            denominator: sign * denominator / divisor,
        })
    }

    /// Returns 10 to the power of `exponent`; `None` if the result does not fit.
    pub fn power_of_ten(exponent: i32) -> Option<Self> {
        if exponent.unsigned_abs() > MAX_POWER_OF_TEN {
            return None;
        }
        let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
        match exponent < 0 {
            true => Self::new(1, power),
            false => Self::new(power, 1),
        }
    }

    /// Returns the sum; `None` on overflow.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let left = self.numerator.checked_mul(other.denominator)?;
        let right = other.numerator.checked_mul(self.denominator)?;
        let denominator = self.denominator.checked_mul(other.denominator)?;
        Self::new(left.checked_add(right)?, denominator)
    }

    /// Returns the product; `None` on overflow.
    pub fn checked_mul(self, other: Self) -> Option<Self> {
        let numerator = self.numerator.checked_mul(other.numerator)?;
        let denominator = self.denominator.checked_mul(other.denominator)?;
        Self::new(numerator, denominator)
    }

    /// Returns the quotient; `None` on overflow or if `other` is 0.
    pub fn checked_div(self, other: Self) -> Option<Self> {
        self.checked_mul(Self::new(other.denominator, other.numerator)?)
    }

    /// Raises this number to an integer power. `None` on overflow, for a negative power of 0, or if the exponent is
    /// above 128 or below -128.
    pub fn checked_pow(self, exponent: i32) -> Option<Self> {
        if exponent.unsigned_abs() > 128 {
            return None;
        }
        let base = match exponent < 0 {
            true => Self::from_integer(1).checked_div(self)?,
            false => self,
        };
        (0..exponent.unsigned_abs())
            .try_fold(Self::from_integer(1), |power, _| power.checked_mul(base))
    }

    /// Returns this number with the opposite sign.
    pub const fn negated(self) -> Self {
        Self {
            numerator: -self.numerator,
            denominator: self.denominator,
        }
    }

    /// Whether the ratio is a whole number.
    pub const fn is_whole(self) -> bool {
        self.denominator == 1
    }

    /// Whether this is strictly between 0 and 1.
    pub const fn is_proper_fraction(self) -> bool {
        self.numerator > 0 && self.numerator < self.denominator
    }

    /// Returns the nearest floating-point number.
    pub fn to_f64(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }

    // Returns the decimal digits and how many of them follow the decimal point, if the expansion terminates.
    fn decimal_digits(self) -> Option<(i128, usize)> {
        (0..=MAX_POWER_OF_TEN).find_map(|places| {
            let power = 10_i128.checked_pow(places)?;
            let factor = (power % self.denominator == 0).then_some(power / self.denominator)?;
            Some((self.numerator.checked_mul(factor)?, places as usize))
        })
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((digits, places)) = self.decimal_digits() else {
            return write!(f, "{}/{}", self.numerator, self.denominator);
        };
        let sign = if digits < 0 { "-" } else { "" };
        let text = format!("{:0>width$}", digits.unsigned_abs(), width = places + 1);
        let (integer_digits, part) = text.split_at(text.len() - places);
        match part.is_empty() {
            true => write!(f, "{sign}{integer_digits}"),
            false => write!(f, "{sign}{integer_digits}.{part}"),
        }
    }
}

fn greatest_common_divisor(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_reduced_and_printed_as_decimals_where_they_end() {
        for (numerator, denominator, text) in [
            (1, 2, "0.5"),
            (-6, 4, "-1.5"),
            (2, -6, "-1/3"),
            (1200, 1, "1200"),
            (1, 1000, "0.001"),
            (0, 7, "0"),
        ] {
            let ratio = Ratio::new(numerator, denominator).unwrap();
            assert_eq!(ratio.to_string(), text);
        }
        assert_eq!(Ratio::new(1, 0), None);
        assert_eq!(Ratio::new(i128::MIN, 1), None);
    }

    #[test]
    fn arithmetic_is_exact_or_yields_nothing() {
        let third = Ratio::new(1, 3).unwrap();
        assert_eq!(
            third.checked_mul(Ratio::from_integer(3)),
            Some(Ratio::from_integer(1))
        );
        assert_eq!(third.checked_add(third).unwrap().to_string(), "2/3");
        assert_eq!(third.checked_div(Ratio::from_integer(0)), None);
        assert_eq!(Ratio::power_of_ten(39), None);
        let large = Ratio::power_of_ten(38).unwrap();
        assert_eq!(large.checked_mul(large), None);
        assert_eq!(
            Ratio::from_integer(2).checked_pow(-3).unwrap().to_string(),
            "0.125"
        );
        assert_eq!(Ratio::from_integer(2).checked_pow(200), None);
    }
}
