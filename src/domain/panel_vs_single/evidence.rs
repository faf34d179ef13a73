//! Anytime-valid evidence about the mean of votes, measured as the capital won by betting. The caller decides
//! how much is enough for a verdict.
//!
//! Under the hypothesis that the mean is at most `bar`, betting a fraction b of the capital on "more than
//! `bar`" is at best fair: a vote x in {0, 1/2, 1} multiplies the capital by 1 + b (x - bar). If the
//! hypothesis is true, the capital is a supermartingale and reaches 1/a with probability at most a (Ville
//! 1939), at any time and with optional stopping. The best b is unknown, so the capital is spread evenly over
//! many values. This is the mixture of Robbins (1970) and, for means of bounded values, of Waudby-Smith and
//! Ramdas, "Estimating means of bounded random variables by betting" (2024).

/// Number of bets over which the capital is spread.
const BET_COUNT: u32 = 64;

/// Returns the log-evidence that the mean of the votes is above `bar`.
pub fn evidence_above(wins: f64, ties: f64, losses: f64, bar: f64) -> f64 {
    let capital = |bet: f64| {
        let times = |count: f64, vote: f64| match count {
            0.0 => 0.0,
            count => count * (1.0 + bet * (vote - bar)).ln(),
        };
        times(wins, 1.0) + times(ties, 0.5) + times(losses, 0.0)
    };
    // A bet of 1/bar would lose everything at the first loss, so all bets are smaller than that.
    let bets = (0..BET_COUNT).map(|step| (f64::from(step) + 0.5) / (f64::from(BET_COUNT) * bar));
    let capitals: Vec<f64> = bets.map(capital).collect();
    let max_log_capital = capitals.iter().copied().fold(f64::MIN, f64::max);
    let sum: f64 = capitals
        .iter()
        .map(|log_capital| (log_capital - max_log_capital).exp())
        .sum();
    max_log_capital + sum.ln() - f64::from(BET_COUNT).ln()
}

/// Returns the log-evidence that the mean of the votes is below `bar`.
pub fn evidence_below(wins: f64, ties: f64, losses: f64, bar: f64) -> f64 {
    evidence_above(losses, ties, wins, 1.0 - bar)
}
