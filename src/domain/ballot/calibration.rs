//! Measures how often votes on experiment cases pick the expected answer.

use std::collections::BTreeSet;

use crate::domain::statistics::proportions;

/// Minimum number of readable votes for a decision to count as the panel's. A single vote is just one member's answer.
const MIN_VOTES_CAST: usize = 2;

/// Minimum number of decided votes before the rate is shown. With fewer, its 95% confidence interval could span more
/// than 46 percentage points.
pub const MIN_DECIDED_VOTES: u32 = 20;

/// Explanation of the accuracy rate, shown to users.
pub const ACCURACY_EXPLANATION: &str = "votes on the cases of your experiments that have an expected answer, scored by a rule; each question counts once, with its newest vote; votes with fewer than two readable answers and votes that ended in a tie are not counted; shown from 20 decided votes on; the interval is Clopper and Pearson's at 95 %";

/// A vote on a case with a known answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseVote {
    /// The question. Cases with the same question count only once.
    pub question: String,
    /// Number of readable votes.
    pub votes_cast: usize,
    /// Whether the vote ended in a tie.
    pub is_tie: bool,
    /// Whether the winner was the expected answer.
    pub is_correct: bool,
}

/// Results of votes on cases with a known answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VoteCalibration {
    /// Number of votes in which one choice had the most votes.
    pub decided_votes: u32,
    /// Number of decided votes whose winner was the expected answer.
    pub correct: u32,
    /// Number of votes that ended in a tie.
    pub ties: u32,
}

impl VoteCalibration {
    /// Counts each question once, with the newest vote in which at least two answers were readable: repeated votes are
    /// not independent, and a single readable answer is one member's decision rather than the panel's.
    pub fn from_votes(newest_first: impl IntoIterator<Item = CaseVote>) -> Self {
        let mut calibration = Self::default();
        let mut known_questions = BTreeSet::new();
        for vote in newest_first {
            if vote.votes_cast >= MIN_VOTES_CAST && known_questions.insert(vote.question) {
                calibration.add(vote.is_tie, vote.is_correct);
            }
        }
        calibration
    }

    /// Counts one vote.
    pub fn add(&mut self, is_tie: bool, is_correct: bool) {
        if is_tie {
            self.ties += 1;
        } else {
            self.decided_votes += 1;
            self.correct += u32::from(is_correct);
        }
    }

    /// Returns the exact 95% confidence interval of the rate at which decided votes are correct.
    pub fn interval(self) -> (f64, f64) {
        proportions::clopper_pearson_interval(
            u64::from(self.correct),
            u64::from(self.decided_votes),
            0.95,
        )
    }

    /// Describes the rate in a sentence; `None` until there are enough decided votes.
    pub fn sentence(self) -> Option<String> {
        if self.decided_votes < MIN_DECIDED_VOTES {
            return None;
        }
        let part = f64::from(self.correct) / f64::from(self.decided_votes);
        let ties = match self.ties {
            0 => String::new(),
            1 => "; 1 more vote was a tie".to_owned(),
            ties => format!("; {ties} more votes were ties"),
        };
        let (from, to) = self.interval();
        Some(format!(
            "Panels decided {} % right where they decided ({} of {} votes of all your panels on different questions with a known \
             answer{ties}); the true rate is likely between {} and {} %.",
            (part * 100.0).round(),
            self.correct,
            self.decided_votes,
            (from * 100.0).floor(),
            (to * 100.0).ceil()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nine questions asked three times plus twelve single-member votes count as nine votes.
    #[test]
    fn repeats_and_single_answers_are_not_counted() {
        let vote = |question: usize, cast: usize, is_right: bool| CaseVote {
            question: format!("case {question}"),
            votes_cast: cast,
            is_tie: false,
            is_correct: is_right,
        };
        let single = (0..12).map(|at| vote(at, 1, true));
        let repeats = (0..27).map(|at| vote(at % 9, 3, at < 9 && at > 0));
        let votes = VoteCalibration::from_votes(single.chain(repeats));
        assert_eq!((votes.decided_votes, votes.correct), (9, 8));
        assert_eq!(votes.sentence(), None);
    }

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
        assert!(
            sentence.ends_with("likely between 45 and 89 %."),
            "{sentence}"
        );
        assert!(ACCURACY_EXPLANATION.contains(&MIN_DECIDED_VOTES.to_string()));
    }
}
