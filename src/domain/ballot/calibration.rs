//! How often votes were right on cases with a known answer.

/// Minimum number of decided votes for a figure; with fewer, its 95 % interval is wider than 44 points.
pub const LEAST_DECIDED: u32 = 20;

/// When the figure appears, for users.
pub const RULE: &str = "votes on the cases of your experiments that have an expected answer, scored by a rule; votes that ended in a tie are not counted; shown from 20 decided votes on";

/// Votes on cases with a known answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VoteCalibration {
    /// Votes in which one choice had the most votes.
    pub decided: u32,
    /// Those whose winner was the expected answer.
    pub right: u32,
    /// Votes that ended in a tie.
    pub ties: u32,
}

impl VoteCalibration {
    /// Counts one vote.
    pub fn add(&mut self, is_tie: bool, is_right: bool) {
        if is_tie {
            self.ties += 1;
        } else {
            self.decided += 1;
            self.right += u32::from(is_right);
        }
    }

    /// States the figure; none before there are enough decided votes.
    pub fn sentence(self) -> Option<String> {
        if self.decided < LEAST_DECIDED {
            return None;
        }
        let part = f64::from(self.right) / f64::from(self.decided);
        let ties = match self.ties {
            0 => String::new(),
            1 => "; 1 more vote was a tie".to_owned(),
            ties => format!("; {ties} more votes were ties"),
        };
        Some(format!(
            "The panel decided {} % right where it decided ({} of {} votes on cases with a known answer{ties}).",
            (part * 100.0).round(),
            self.right,
            self.decided
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_appears_from_20_decided_votes_on() {
        let mut votes = VoteCalibration::default();
        for at in 0..19 {
            votes.add(false, at < 14);
            votes.add(true, true);
        }
        assert_eq!(votes.sentence(), None);
        votes.add(false, false);
        let sentence = votes.sentence().unwrap();
        assert!(
            sentence.contains("70 % right") && sentence.contains("14 of 20"),
            "{sentence}"
        );
        assert!(sentence.contains("19 more votes were ties"), "{sentence}");
        assert!(RULE.contains(&LEAST_DECIDED.to_string()));
    }
}
