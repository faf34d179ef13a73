//! Confidence sequence: an interval for the mean of bounded values that may be checked after every value.
//! With the given confidence it contains the mean at all times at once, so optional stopping is valid.
//!
//! The predictable plug-in empirical-Bernstein confidence sequence of Waudby-Smith and Ramdas, "Estimating
//! means of bounded random variables by betting" (2024), theorem 2. Each bet depends only on earlier values.
//! The interval is the running intersection, which is also valid (Ville) and never grows.

/// Maximum bet; the source uses 1/2 or 3/4.
const LARGEST_BET: f64 = 0.5;

/// State of the sequence after some values.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfidenceSequence {
    from: f64,
    to: f64,
    /// ln(2/α), where α is the error probability of both sides together.
    allowance: f64,
    count: f64,
    sum: f64,
    squares: f64,
    bets: f64,
    weighted: f64,
    spent: f64,
    interval: (f64, f64),
}

impl ConfidenceSequence {
    /// Creates a sequence for values from `from` to `to` with an error probability of at most `wrong`, both
    /// sides together.
    pub fn new(from: f64, to: f64, wrong: f64) -> Self {
        Self {
            from,
            to,
            allowance: (2.0 / wrong).ln(),
            count: 0.0,
            sum: 0.0,
            squares: 0.0,
            bets: 0.0,
            weighted: 0.0,
            spent: 0.0,
            interval: (0.0, 1.0),
        }
    }
    /// Creates a sequence and adds these values.
    pub fn over(from: f64, to: f64, wrong: f64, values: &[f64]) -> Self {
        let mut sequence = Self::new(from, to, wrong);
        values.iter().for_each(|&value| sequence.add(value));
        sequence
    }
    /// Adds a value; values outside the bounds are clamped.
    pub fn add(&mut self, value: f64) {
        let x = ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        let before = (0.5 + self.sum) / (self.count + 1.0);
        let variance = (0.25 + self.squares) / (self.count + 1.0);
        let time = self.count + 1.0;
        let bet = (2.0 * self.allowance / (variance * time * (1.0 + time).ln())).sqrt();
        let bet = bet.min(LARGEST_BET);
        self.bets += bet;
        self.weighted += bet * x;
        self.spent += (x - before).powi(2) * (-(1.0 - bet).ln() - bet);
        self.count = time;
        self.sum += x;
        let after = (0.5 + self.sum) / (self.count + 1.0);
        self.squares += (x - after).powi(2);
        let middle = self.weighted / self.bets;
        let half = (self.allowance + self.spent) / self.bets;
        self.interval.0 = self.interval.0.max(middle - half);
        self.interval.1 = self.interval.1.min(middle + half);
    }
    /// Current confidence interval.
    pub fn interval(&self) -> (f64, f64) {
        let back = |x: f64| self.from + x * (self.to - self.from);
        (back(self.interval.0), back(self.interval.1))
    }
}
