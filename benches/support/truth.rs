//! Settings with known quality: a simulated experiment for tests and benches. Scores are the sum of a setting
//! effect, a case effect, and noise, as the experiment design assumes.

/// A simulated experiment whose true effects are known.
pub struct Truth {
    /// The true effect of each setting.
    pub effects: Vec<f64>,
    /// The score of each setting on each case.
    pub scores: Vec<Vec<f64>>,
}

/// Standard deviations of the simulated effects.
#[derive(Clone, Copy)]
pub struct Spread {
    /// Standard deviation between settings.
    pub arm: f64,
    /// Standard deviation between cases.
    pub case: f64,
    /// Standard deviation between repetitions of one setting on one case.
    pub noise: f64,
    /// The share of the settings' variance that their axes explain, as a sum of one effect per value.
    pub shared: f64,
}

/// The standard deviations that the experiment design assumes.
pub const USUAL: Spread = Spread {
    arm: 0.05,
    case: 0.2,
    noise: 0.12,
    shared: 0.0,
};

/// Draws scores for settings given as indices of their values on each axis; `normal` returns standard normal
/// numbers.
pub fn draw(
    arms: &[Vec<usize>],
    cases: usize,
    spread: Spread,
    normal: &mut dyn FnMut() -> f64,
) -> Truth {
    let axes = arms.first().map_or(0, Vec::len);
    let part = (spread.shared / axes.max(1) as f64).sqrt() * spread.arm;
    let tables: Vec<Vec<f64>> = (0..axes)
        .map(|axis| {
            let values = arms.iter().map(|arm| arm[axis]).max().unwrap_or(0) + 1;
            (0..values).map(|_| part * normal()).collect()
        })
        .collect();
    let own = (1.0 - spread.shared).sqrt() * spread.arm;
    let effects: Vec<f64> = arms
        .iter()
        .map(|arm| {
            own * normal()
                + arm
                    .iter()
                    .zip(&tables)
                    .map(|(&place, table)| table[place])
                    .sum::<f64>()
        })
        .collect();
    let difficulties: Vec<f64> = (0..cases).map(|_| spread.case * normal()).collect();
    let scores = effects
        .iter()
        .map(|effect| {
            let score =
                |case: &f64| (0.5 + effect + case + spread.noise * normal()).clamp(0.0, 1.0);
            difficulties.iter().map(score).collect()
        })
        .collect();
    Truth { effects, scores }
}

impl Truth {
    /// Returns the regret of choosing this setting: how far its true effect is below the best one.
    pub fn regret(&self, arm: usize) -> f64 {
        self.effects.iter().copied().fold(f64::MIN, f64::max) - self.effects[arm]
    }
}
