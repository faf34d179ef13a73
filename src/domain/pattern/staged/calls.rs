//! Starts a run's calls and forwards their output.

use std::time::Duration;

use super::{CALL_LIMIT, GRACE, MIN_CALL_TIME, MachineOutput, StagedCall, StagedRun};
use crate::domain::chat::Delta;
use crate::domain::event::RunEvent;
use crate::domain::pattern::CallId;
use crate::domain::time::Timestamp;

impl StagedRun {
    pub(super) fn call(&mut self, now: Timestamp, member: usize) {
        let seconds = self.board.member(member).parameters.timeout_s;
        let limit = seconds.map_or(CALL_LIMIT, |seconds| Duration::from_secs(seconds.into()));
        let limit = limit.min(self.time_left(now)).max(MIN_CALL_TIME);
        let request = self.board.request(member, limit);
        self.expect(now, member);
        if let Some(open) = self.open.get_mut(&member) {
            open.until = now + limit + GRACE;
        }
        let (stage, model) = (
            self.board.name().to_owned(),
            self.board.member(member).name(),
        );
        self.out
            .push_back(MachineOutput::Emit(RunEvent::MemberStarted {
                stage,
                model,
                attempt: self.attempt(member),
            }));
        self.out.push_back(MachineOutput::Call(
            CallId {
                stage: self.board.stage,
                member,
            },
            Box::new(request),
        ));
    }

    pub(super) fn attempt(&self, member: usize) -> u32 {
        1 + self.earlier.get(&member).map_or(0, Vec::len) as u32
    }

    pub(super) fn expect(&mut self, now: Timestamp, member: usize) {
        let open = StagedCall {
            since: now,
            until: now + CALL_LIMIT,
            first_token: None,
            shown: false,
            has_read: false,
            restarts: 0,
            text: String::new(),
        };
        self.open.insert(member, open);
    }

    pub(super) fn delta(&mut self, now: Timestamp, call: CallId, delta: Delta) {
        if call.stage != self.board.stage {
            return;
        }
        let Some(open) = self.open.get_mut(&call.member) else {
            return;
        };
        if delta == Delta::Restart {
            open.restarts += 1;
            open.shown = false;
        }
        open.write(&delta);
        let restarts = open.restarts;
        if open.first_token.is_none() && matches!(delta, Delta::Text(_)) {
            open.first_token = Some(now.since(open.since).as_millis() as u64);
        }
        open.shown |= matches!(delta, Delta::Text(_));
        open.has_read = true;
        let attempt = self.attempt(call.member) + restarts;
        let event = self.board.text_event(call.member, delta, attempt);
        self.out.push_back(MachineOutput::Emit(event));
        self.warmed(now);
    }
}
