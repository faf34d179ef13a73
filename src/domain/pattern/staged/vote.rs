//! The end of a vote: counts the members' answers. Makes no calls.

use super::StagedRun;
use crate::domain::ballot;
use crate::domain::prompt;
use crate::domain::time::Timestamp;

impl StagedRun {
    /// Ends the run with the counted votes.
    pub(super) fn count_votes(&mut self, now: Timestamp) {
        let votes = self.board.texts_of(self.board.plan.first());
        if votes.is_empty() {
            return self.nobody_answered(now);
        }
        let lettered: Vec<(char, &str)> = votes
            .into_iter()
            .map(|(member, text)| (prompt::letter(member), text))
            .collect();
        match ballot::count(&self.board.plan.question, &lettered) {
            Some(tally) => self.end_with(now, tally.to_markdown()),
            None => self.best_so_far(
                now,
                "no member gave an answer that can be counted".to_owned(),
            ),
        }
    }
}
