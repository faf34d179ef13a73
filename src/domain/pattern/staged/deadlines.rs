//! Time limits of the stages and the run, and the time reserved for the synthesis.

use std::time::Duration;

use super::{CallUse, RESPONSE_GRACE, RunOutput, StagedRun};
use crate::domain::chat::{CallError, CallErrorKind};
use crate::domain::pattern::CallId;
use crate::domain::time::Timestamp;

/// Divisor of the run's time limit: 1/`SYNTHESIS_RESERVE` of it is reserved for the synthesis.
const SYNTHESIS_RESERVE: u32 = 5;

impl StagedRun {
    /// Returns the maximum duration of a call that starts now: the time left in the stage or in the run, whichever is
    /// less. Before the last stage, the time reserved for the synthesis is not available.
    pub(super) fn time_left(&self, now: Timestamp) -> Duration {
        let times = self.state.plan.times;
        let (stage, run) = (seconds(times.stage), seconds(times.run));
        let reserved_time = match self.state.is_last() {
            true => Duration::ZERO,
            false => run / SYNTHESIS_RESERVE,
        };
        let stage_time_left = stage.saturating_sub(now.since(self.stage_started));
        let of_run = (run - reserved_time).saturating_sub(now.since(self.time_limit_start));
        stage_time_left.min(of_run)
    }

    /// Returns the time left until the run's time limit.
    pub(super) fn run_time_left(&self, now: Timestamp) -> Duration {
        seconds(self.state.plan.times.run).saturating_sub(now.since(self.time_limit_start))
    }

    /// Rewords a timeout that was caused by the end of the stage or the run rather than by a slow call.
    pub(super) fn attribute_timeout(&self, now: Timestamp, error: CallError) -> CallError {
        let is_late = error.kind == CallErrorKind::Timeout && self.time_left(now) <= RESPONSE_GRACE;
        if !is_late {
            return error;
        }
        CallError {
            detail: "the stage reached its time limit".to_owned(),
            ..error
        }
    }

    /// Skips to the last stage because there is too little time for the others.
    pub(super) fn skip_to_last_stage(&mut self, now: Timestamp) {
        let reason = format!(
            "stage {} was skipped: the analysis had nearly reached its time limit",
            self.state.name()
        );
        self.notes.push(reason.clone());
        self.degraded = Some(reason);
        let last = self.state.plan.stages.len().saturating_sub(1);
        self.begin_stage(now, last);
    }

    /// Ends calls that are past their deadline, in case the LLM client does not end them itself.
    pub(super) fn expire_late_calls(&mut self, now: Timestamp) {
        let late: Vec<usize> = self
            .open_calls
            .iter()
            .filter(|(_, open)| open.deadline <= now)
            .map(|(&member, _)| member)
            .collect();
        for member in late {
            let call = CallId {
                stage: self.state.stage,
                member,
            };
            self.outputs.push_back(RunOutput::Stop(call));
            self.settle_call(
                now,
                call,
                Err(CallError::new(
                    CallErrorKind::Timeout,
                    "no answer within the time limit",
                )),
                CallUse::default(),
            );
        }
    }
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}
