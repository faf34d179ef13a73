//! Starts the calls of a run and forwards their output.

use std::time::Duration;

use super::{
    DEFAULT_CALL_TIMEOUT, MIN_CALL_TIMEOUT, RESPONSE_GRACE, RunOutput, StagedCall, StagedRun,
};
use crate::domain::chat::Delta;
use crate::domain::event::RunEvent;
use crate::domain::pattern::CallId;
use crate::domain::time::Timestamp;

impl StagedRun {
    pub(super) fn start_call(&mut self, now: Timestamp, member: usize) {
        let seconds = self.state.member(member).parameters.timeout_s;
        let limit = seconds.map_or(DEFAULT_CALL_TIMEOUT, |seconds| {
            Duration::from_secs(seconds.into())
        });
        let limit = limit.min(self.time_left(now)).max(MIN_CALL_TIMEOUT);
        let request = self.state.request(member, limit);
        self.expect_call(now, member);
        if let Some(open) = self.open_calls.get_mut(&member) {
            open.deadline = now + limit + RESPONSE_GRACE;
        }
        let (stage, model) = (
            self.state.name().to_owned(),
            self.state.member(member).name(),
        );
        self.outputs
            .push_back(RunOutput::Emit(RunEvent::MemberStarted {
                stage,
                model,
                attempt: self.attempt_number(member),
            }));
        self.outputs.push_back(RunOutput::Call(
            CallId {
                stage: self.state.stage,
                member,
            },
            Box::new(request),
        ));
    }

    pub(super) fn attempt_number(&self, member: usize) -> u32 {
        1 + self.earlier_attempts.get(&member).map_or(0, Vec::len) as u32
    }

    pub(super) fn expect_call(&mut self, now: Timestamp, member: usize) {
        let open_call = StagedCall {
            started_at: now,
            deadline: now + DEFAULT_CALL_TIMEOUT,
            first_token: None,
            shown: false,
            has_read: false,
            restarts: 0,
            text: String::new(),
        };
        self.open_calls.insert(member, open_call);
    }

    pub(super) fn forward_delta(&mut self, now: Timestamp, call: CallId, delta: Delta) {
        if call.stage != self.state.stage {
            return;
        }
        let Some(open_call) = self.open_calls.get_mut(&call.member) else {
            return;
        };
        if delta == Delta::Restart {
            open_call.restarts += 1;
            open_call.shown = false;
        }
        open_call.append_text(&delta);
        let restarts = open_call.restarts;
        if open_call.first_token.is_none() && matches!(delta, Delta::Text(_)) {
            open_call.first_token = Some(now.since(open_call.started_at).as_millis() as u64);
        }
        open_call.shown |= matches!(delta, Delta::Text(_));
        open_call.has_read = true;
        let attempt = self.attempt_number(call.member) + restarts;
        let event = self.state.text_event(call.member, delta, attempt);
        self.outputs.push_back(RunOutput::Emit(event));
        self.start_waiting_calls(now);
    }
}
