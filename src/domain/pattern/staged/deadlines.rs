//! Time limits: of a stage, of the run, and the share reserved for the synthesis.

use std::time::Duration;

use super::{CallUse, RESPONSE_GRACE, RunOutput, StagedRun};
use crate::domain::chat::{CallError, CallErrorKind};
use crate::domain::pattern::CallId;
use crate::domain::time::Timestamp;

/// Fraction of the run's time reserved for the synthesis, as a divisor.
const SYNTHESIS_RESERVE: u32 = 5;

impl StagedRun {
    /// Returns the time left for a call that starts now: the lesser of the stage's and the run's remaining time.
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

    /// Returns the remaining time of the run.
    pub(super) fn run_time_left(&self, now: Timestamp) -> Duration {
        seconds(self.state.plan.times.run).saturating_sub(now.since(self.time_limit_start))
    }

    /// Rewords a timeout that was caused by the end of the stage or run rather than by a slow call.
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

    /// Skips to the last stage for lack of time.
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

    /// Ends calls past their deadline to which the LLM client did not respond.
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
