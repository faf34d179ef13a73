//! Fallbacks: another model, configured by an administrator, replaces a member that failed. The notes of the result
//! always report this.

use super::{CallUse, StagedRun};
use crate::domain::analysis::FailedAttemptRecord;
use crate::domain::chat::{CallBill, CallError, CallErrorKind};
use crate::domain::event::RunEvent;
use crate::domain::pattern::CallId;
use crate::domain::time::Timestamp;
use crate::domain::usage;

impl StagedRun {
    /// Replaces a failed member with its next fallback. Returns false if there is none, if the call was canceled, or if
    /// no time is left.
    pub(super) fn try_fallback(
        &mut self,
        now: Timestamp,
        member: usize,
        error: &CallError,
        bill: &CallBill,
    ) -> bool {
        let Some(next) = self.state.next_fallback(member) else {
            return false;
        };
        if error.kind == CallErrorKind::Cancelled || self.time_left(now).is_zero() {
            return false;
        }
        let next = next.model.clone();
        let failed = self.state.member(member);
        let (model, cost) = (failed.model.clone(), usage::cost(bill, failed.price));
        let stage = self.state.name().to_owned();
        self.notes.push(format!(
            "{model} failed in stage {stage}: {}; {next} takes its place",
            error.detail
        ));
        self.outputs
            .push_back(super::RunOutput::Emit(RunEvent::MemberFailed {
                stage,
                model: model.clone(),
                error: error.detail.clone(),
                retried: bill.tries > 1,
                fallback: Some(next),
            }));
        self.earlier_attempts
            .entry(member)
            .or_default()
            .push(FailedAttemptRecord {
                model,
                error: error.clone(),
                usage: bill.usage,
                cost,
            });
        *self.state.fallbacks_used.entry(member).or_default() += 1;
        self.reserve(vec![member]);
        true
    }

    /// Handles a denied reservation. A denied fallback drops its member; a denied stage ends the run with the
    /// answers so far.
    pub(super) fn reservation_denied(&mut self, now: Timestamp, reason: String) {
        let denied = std::mem::take(&mut self.awaiting_reservation);
        let is_fallback = |member: &usize| self.earlier_attempts.contains_key(member);
        if denied.is_empty() {
            return;
        }
        if !denied.iter().all(is_fallback) {
            if self.state.is_vote() {
                return self.count_votes_early(now, reason);
            }
            return self.end_with_best_answer(now, reason);
        }
        for member in denied {
            let error = CallError::new(CallErrorKind::Unavailable, reason.clone());
            self.fail_without_call(now, member, error);
        }
    }

    fn fail_without_call(&mut self, now: Timestamp, member: usize, error: CallError) {
        // The member has not been called, so its fallbacks must not be called either.
        let fallback_count = self.state.fallbacks_of(member);
        self.state.fallbacks_used.insert(member, fallback_count);
        self.expect_call(now, member);
        let stage = self.state.stage;
        self.settle_call(
            now,
            CallId { stage, member },
            Err(error),
            CallUse::default(),
        );
    }
}
