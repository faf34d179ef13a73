//! Tests by betting: tests and confidence sequences for the mean of bounded values. They may be checked after
//! every value, and have the highest known power of such tests.
//!
//! The capital of someone who bets against "the mean is m" tends to grow only if the mean is not m. If the
//! mean is m, the probability that the capital ever reaches 1/α is at most α (Ville's inequality). Source:
//! Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (2024). The stake is
//! not adapted to the values. Instead, the capital is spread over a grid of stakes, as in a universal
//! portfolio (Cover 1991), which is valid for any values and nearly as good as the best fixed stake in
//! hindsight. On differences of -1, 0, and 1, this is the beta-binomial test of the discordant pairs.

/// Number of stakes over which the capital is spread, at even intervals in (0, 1).
const STAKE_COUNT: usize = 16;
/// Number of bisection steps for each bound of an interval, which is then accurate to a millionth of the range.
const BISECTION_STEPS: usize = 20;

/// Capital at which betting ends. No significance level requires more, and the capital could otherwise overflow.
const MAX_CAPITAL: f64 = 1e200;

/// The capital won by betting on one side of a hypothetical mean.
#[derive(Debug, Clone, PartialEq)]
struct OneSidedBet {
    /// Current capital for each stake.
    capital: [f64; STAKE_COUNT],
    /// Largest average capital so far.
    max_capital: f64,
}

impl OneSidedBet {
    const fn new() -> Self {
        Self {
            capital: [1.0; STAKE_COUNT],
            max_capital: 1.0,
        }
    }
    /// Bets on a value, given its ratio to the hypothetical mean. If the hypothesis is true, the expected ratio is 1.
    fn add(&mut self, ratio: f64) {
        if self.max_capital > MAX_CAPITAL {
            return;
        }
        let mut sum = 0.0;
        // An index is several times faster than an iterator in tests, which are not optimized.
        let mut stake_index = 0;
        while stake_index < STAKE_COUNT {
            let stake = (stake_index as f64 + 0.5) / STAKE_COUNT as f64;
            self.capital[stake_index] *= 1.0 - stake + stake * ratio;
            sum += self.capital[stake_index];
            stake_index += 1;
        }
        self.max_capital = self.max_capital.max(sum / STAKE_COUNT as f64);
    }
}

/// Two-sided test that the mean of values between -1 and 1 is 0.
#[derive(Debug, Clone, PartialEq)]
pub struct BettingTest {
    above: OneSidedBet,
    below: OneSidedBet,
}

impl Default for BettingTest {
    fn default() -> Self {
        Self {
            above: OneSidedBet::new(),
            below: OneSidedBet::new(),
        }
    }
}

impl BettingTest {
    /// Adds a value. A value outside of the bounds is clamped.
    pub fn add(&mut self, value: f64) {
        let value = value.clamp(-1.0, 1.0);
        // A tie has no effect on the capital.
        if value != 0.0 {
            self.above.add(1.0 + value);
            self.below.add(1.0 - value);
        }
    }
    /// Returns the p-value, which is valid however often it is looked at.
    pub fn p_value(&self) -> f64 {
        let max_capital_seen = self.above.max_capital.max(self.below.max_capital);
        (2.0 / max_capital_seen).min(1.0)
    }
}

/// Whether the mean is below `mean`, with an error probability of at most `wrong` however often it is
/// checked. Values outside of `from` to `to` are clamped.
pub fn is_below(values: &[f64], (from, to): (f64, f64), mean: f64, wrong: f64) -> bool {
    if mean <= from || mean >= to {
        return mean >= to && !values.is_empty();
    }
    let mut side = OneSidedBet::new();
    // Once the required capital has been reached, the result is final, so the remaining values need not be examined.
    values.iter().any(|value| {
        side.add((to - value.clamp(from, to)) / (to - mean));
        side.max_capital >= 1.0 / wrong
    })
}

/// Returns the confidence interval of the mean, which is valid however often it is looked at. The error
/// probability of both sides together is at most `wrong`. Values outside of `from` to `to` are clamped.
pub fn interval(values: &[f64], (from, to): (f64, f64), wrong: f64) -> (f64, f64) {
    let mirrored: Vec<f64> = values.iter().map(|value| from + to - value).collect();
    let upper = |values: &[f64]| {
        // Bisection works, because the capital of a bet on a lower mean grows with the hypothetical mean.
        let (mut low, mut high) = (from, to);
        for _ in 0..BISECTION_STEPS {
            let middle = f64::midpoint(low, high);
            if is_below(values, (from, to), middle, wrong / 2.0) {
                high = middle;
            } else {
                low = middle;
            }
        }
        high
    };
    (from + to - upper(&mirrored), upper(values))
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    /// When checked after each of 200 values, the test rejects a true hypothesis in at most 5% of the runs,
    /// and the interval misses the mean in at most 5%.
    #[test]
    fn error_rates_hold_after_every_value() {
        const SIMULATED_RUNS: usize = 600;
        for ties in [0.0, 0.5] {
            let (mut rejected, mut missed) = (0, 0);
            let mut random = Random::new(31);
            for _ in 0..SIMULATED_RUNS {
                let mut test = BettingTest::default();
                let mut values = Vec::new();
                for _ in 0..200 {
                    let sign = [-1.0, 1.0][random.index_below(2)];
                    let value = if random.next_unit() < ties { 0.0 } else { sign };
                    test.add(value);
                    values.push(value);
                }
                rejected += usize::from(test.p_value() <= 0.05);
                let (from, to) = interval(&values, (-1.0, 1.0), 0.05);
                missed += usize::from(!(from..=to).contains(&0.0));
            }
            assert!(
                rejected <= SIMULATED_RUNS / 20,
                "{rejected} of {SIMULATED_RUNS}"
            );
            assert!(
                missed <= SIMULATED_RUNS / 20,
                "{missed} of {SIMULATED_RUNS}"
            );
        }
    }

    #[test]
    fn interval_narrows_and_most_near_the_bounds() {
        let mut random = Random::new(32);
        for (rate, max_width) in [(0.05, 0.25), (0.5, 0.45), (0.9, 0.3)] {
            let score = |_| f64::from(u8::from(random.next_unit() < rate));
            let values: Vec<f64> = (0..60).map(score).collect();
            let (from, to) = interval(&values, (0.0, 1.0), 0.05);
            assert!(from <= rate && rate <= to, "{rate}: {from} {to}");
            assert!(to - from < max_width, "{rate}: {from} {to}");
        }
    }

    #[test]
    fn few_values_say_little_and_odd_ones_do_no_harm() {
        assert_eq!(interval(&[], (0.0, 1.0), 0.05), (0.0, 1.0));
        let (from, to) = interval(&[1.0], (0.0, 1.0), 0.05);
        assert!(from < 0.05 && to > 0.999, "{from} {to}");
        let (from, to) = interval(&[7.0, -3.0], (0.0, 1.0), 0.05);
        assert!(from <= to, "{from} {to}");
        assert!(!is_below(&[], (0.0, 1.0), 1.0, 0.05));
        let mut test = BettingTest::default();
        (0..12).for_each(|_| test.add(1.0));
        assert!(test.p_value() < 0.005, "{}", test.p_value());
    }
}
