//! Evidence about the mean of votes that may be looked at after every vote: capital won by betting.
//! Decides nothing; who has enough evidence for a verdict is the caller's to say.
//!
//! Somebody who holds that the mean is at most `bar` must think a bet of the part b of one's capital on
//! "more than `bar`" fair or worse: a vote x in {0, 1/2, 1} multiplies the capital by 1 + b (x - bar). While
//! they are right the capital is a supermartingale, so that it ever reaches 1/a with probability a at most
//! (Ville 1939), whatever one looks at and whenever one stops. Nobody knows the best b: the capital is spread
//! evenly over many, which is the mixture of Robbins (1970) and, for means of bounded values, of
//! Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (2024).

/// Bets that the capital is spread over.
const BETS: u32 = 64;

/// The logarithm of the evidence that the mean of these votes is above `bar`.
pub fn above(wins: f64, ties: f64, losses: f64, bar: f64) -> f64 {
    let capital = |bet: f64| {
        let times = |count: f64, vote: f64| match count {
            0.0 => 0.0,
            count => count * (1.0 + bet * (vote - bar)).ln(),
        };
        times(wins, 1.0) + times(ties, 0.5) + times(losses, 0.0)
    };
    // A bet of 1/bar loses everything at the first loss: the bets stay below it.
    let bets = (0..BETS).map(|step| (f64::from(step) + 0.5) / (f64::from(BETS) * bar));
    let capitals: Vec<f64> = bets.map(capital).collect();
    let most = capitals.iter().copied().fold(f64::MIN, f64::max);
    let sum: f64 = capitals.iter().map(|one| (one - most).exp()).sum();
    most + sum.ln() - f64::from(BETS).ln()
}

/// The logarithm of the evidence that it is below `bar`.
pub fn below(wins: f64, ties: f64, losses: f64, bar: f64) -> f64 {
    above(losses, ties, wins, 1.0 - bar)
}
