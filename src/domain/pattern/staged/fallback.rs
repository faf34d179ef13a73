//! Fallbacks: another model replaces a failed member, if an administrator configured one, and always with a
//! note.

use super::{CallUse, StagedRun};
use crate::domain::analysis::FailedAttemptRecord;
use crate::domain::chat::{CallBill, CallError, CallErrorKind};
use crate::domain::event::RunEvent;
use crate::domain::pattern::CallId;
use crate::domain::time::Timestamp;
use crate::domain::usage;

impl StagedRun {
    /// Switches to the next fallback of a member. Returns false if there is none or no time for it.
    pub(super) fn turn_to_fallback(
        &mut self,
        now: Timestamp,
        member: usize,
        error: &CallError,
        bill: &CallBill,
    ) -> bool {
        let Some(next) = self.board.next_fallback(member) else {
            return false;
        };
        if error.kind == CallErrorKind::Cancelled || self.time_left(now).is_zero() {
            return false;
        }
        let next = next.model.clone();
        let failed = self.board.member(member);
        let (model, cost) = (failed.model.clone(), usage::cost(bill, failed.price));
        let stage = self.board.name().to_owned();
        self.notes.push(format!(
            "{model} failed in stage {stage}: {}; {next} takes its place",
            error.detail
        ));
        self.out
            .push_back(super::MachineOutput::Emit(RunEvent::MemberFailed {
                stage,
                model: model.clone(),
                error: error.detail.clone(),
                retried: bill.tries > 1,
                fallback: Some(next),
            }));
        self.earlier
            .entry(member)
            .or_default()
            .push(FailedAttemptRecord {
                model,
                error: error.clone(),
                usage: bill.usage,
                cost,
            });
        *self.board.fallbacks_used.entry(member).or_default() += 1;
        self.reserve(vec![member]);
        true
    }

    /// Handles a denied reservation. A denied fallback drops its member; a denied stage ends the run with the
    /// answers so far.
    pub(super) fn denied(&mut self, now: Timestamp, reason: String) {
        let asked = std::mem::take(&mut self.asking);
        let is_fallback = |member: &usize| self.earlier.contains_key(member);
        if asked.is_empty() {
            return;
        }
        if !asked.iter().all(is_fallback) {
            if self.board.is_vote() {
                return self.count_without_rest(now, reason);
            }
            return self.best_so_far(now, reason);
        }
        for member in asked {
            let error = CallError::new(CallErrorKind::Unavailable, reason.clone());
            self.drop_unasked(now, member, error);
        }
    }

    fn drop_unasked(&mut self, now: Timestamp, member: usize, error: CallError) {
        // A member that was never called has no fallbacks.
        let turned = self.board.fallbacks_of(member);
        self.board.fallbacks_used.insert(member, turned);
        self.expect(now, member);
        let stage = self.board.stage;
        self.settle(
            now,
            CallId { stage, member },
            Err(error),
            CallUse::default(),
        );
    }
}
