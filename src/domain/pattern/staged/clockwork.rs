//! How much time a run has: a stage's, the whole run's, and what is kept for the synthesis.

use std::time::Duration;

use super::{GRACE, Output, Staged, Took};
use crate::domain::chat::{CallError, CallErrorKind};
use crate::domain::pattern::CallId;
use crate::domain::time::Timestamp;

/// The part of the run's time that the stages before the synthesis may not use, as one in so many.
const KEPT_FOR_SYNTHESIS: u32 = 5;

impl Staged {
    /// What a call that begins now may take at most: what is left of its stage and of the run.
    pub(super) fn time_left(&self, now: Timestamp) -> Duration {
        let times = self.board.plan.times;
        let (stage, run) = (seconds(times.stage), seconds(times.run));
        let kept = match self.board.is_last() {
            true => Duration::ZERO,
            false => run / KEPT_FOR_SYNTHESIS,
        };
        let of_stage = stage.saturating_sub(now.since(self.stage_started));
        let of_run = (run - kept).saturating_sub(now.since(self.timed));
        of_stage.min(of_run)
    }

    /// A call that ran into its stage's or run's end has not been slow itself.
    pub(super) fn blamed(&self, now: Timestamp, error: CallError) -> CallError {
        let is_late = error.kind == CallErrorKind::Timeout && self.time_left(now) <= GRACE;
        if !is_late {
            return error;
        }
        CallError {
            detail: "the time of this stage was over".to_owned(),
            ..error
        }
    }

    /// Leaves out the stages that there is no time for.
    pub(super) fn hurry(&mut self, now: Timestamp) {
        let reason = format!(
            "stage {} was left out: the time of this analysis was nearly over",
            self.board.name()
        );
        self.notes.push(reason.clone());
        self.degraded = Some(reason);
        let last = self.board.plan.stages.len().saturating_sub(1);
        self.begin(now, last);
    }

    /// Ends calls that have run out of time without an answer from the door to the models.
    pub(super) fn expire(&mut self, now: Timestamp) {
        let late: Vec<usize> = self
            .open
            .iter()
            .filter(|(_, open)| open.until <= now)
            .map(|(&member, _)| member)
            .collect();
        for member in late {
            let call = CallId {
                stage: self.board.stage,
                member,
            };
            self.out.push_back(Output::Stop(call));
            self.settle(
                now,
                call,
                Err(CallError::new(
                    CallErrorKind::Timeout,
                    "no answer within the time limit",
                )),
                Took::default(),
            );
        }
    }
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}
