//! Early conclusions: answers that agree and a user's request for the synthesis. Makes no
//! calls.

use super::{CallUse, MachineOutput, StagedRun};
use crate::domain::analysis::{Arrangement, Status};
use crate::domain::chat::{Answer, CallError, CallErrorKind};
use crate::domain::event::RunEvent;
use crate::domain::findings::agreement;
use crate::domain::injection;
use crate::domain::pattern::CallId;
use crate::domain::prompt;
use crate::domain::time::Timestamp;

impl StagedRun {
    /// The stage after this one; none if the run ends here or continues in another way.
    pub(super) fn stage_after(&mut self, now: Timestamp, stage: usize) -> Option<usize> {
        if self.board.is_vote() && stage == self.board.plan.first() {
            self.close_vote(now);
            return None;
        }
        match self.spared(stage) {
            Some(next) if next == self.board.plan.stages.len() => {
                self.keep_draft(now);
                None
            }
            Some(next) => Some(next),
            None => Some(stage + 1),
        }
    }

    /// Returns the next stage if stages can be skipped, or the number of stages if no further stage is needed.
    pub(super) fn spared(&mut self, stage: usize) -> Option<usize> {
        let stages = self.board.plan.stages.len();
        let is_vote = self.board.plan.arrangement == Arrangement::Vote;
        let first = self.board.plan.first();
        if is_vote || stage + 1 >= stages || stage < first || self.board.is_single() {
            return None;
        }
        if self.hurried && stage + 1 < stages {
            return Some(stages - 1);
        }
        let bar = self.board.plan.agreement.filter(|_| stage == first)?;
        let texts = self.board.texts_of(first);
        if texts.len() < 2 {
            return None;
        }
        let texts: Vec<&str> = texts.into_iter().map(|(_, text)| text).collect();
        let found = agreement(&self.board.plan.question, &texts);
        let is_cascade = self.board.plan.arrangement == Arrangement::Cascade;
        if found < bar {
            if is_cascade {
                let writer = self.board.plan.synthesizer.name();
                self.notes.push(format!(
                    "the drafts agree to {found:.2} of 1, below the threshold of {bar:.2}: {writer} was called"
                ));
            }
            return None;
        }
        match (is_cascade, stages > first + 2) {
            // A draft is free text; if the answer needs a format that the draft lacks, a synthesis is required.
            (true, _)
                if self
                    .board
                    .best_answer()
                    .is_none_or(|best| self.board.shaped(&best.text).is_none()) =>
            {
                None
            }
            (true, _) => {
                self.notes.push(format!(
                    "the drafts agree to {found:.2} of 1, at or above the threshold of {bar:.2}: one of them is the answer, and no stronger model was called; agreement alone does not make it right"
                ));
                Some(stages)
            }
            (false, true) => {
                self.notes.push(format!(
                    "the first answers agree to {found:.2} of 1, at or above the threshold of {bar:.2}: the stages before the synthesis were skipped; agreement alone does not make them right"
                ));
                Some(stages - 1)
            }
            (false, false) => None,
        }
    }

    /// Ends a run that cannot continue with its best answer.
    pub(super) fn best_so_far(&mut self, now: Timestamp, reason: String) {
        let Some(best) = self.board.best_answer() else {
            let error = format!("there is no answer: {reason}");
            return self.finish(now, Status::Failed, None, Some(error));
        };
        let Some(text) = self.board.shaped(&best.text) else {
            let error = format!("there is no answer in the requested format: {reason}");
            return self.finish(now, Status::Failed, None, Some(error));
        };
        let model = &best.model;
        let letter = prompt::letter(best.member);
        self.notes.push(format!(
            "there is no synthesis: {reason}; this is the best answer so far, by {letter} ({model})"
        ));
        self.degraded = Some(reason);
        let event = RunEvent::SynthesisDelta { text: text.clone() };
        self.out.push_back(MachineOutput::Emit(event));
        self.finish(now, Status::Completed, Some(text), None);
    }

    /// Ends the run with the best draft.
    pub(super) fn keep_draft(&mut self, now: Timestamp) {
        let Some(best) = self.board.best_answer() else {
            return self.nobody_answered(now);
        };
        let Some(text) = self.board.shaped(&best.text) else {
            return self.nobody_answered(now);
        };
        let (letter, model) = (prompt::letter(best.member), &best.model);
        self.notes
            .push(format!("the answer is the draft {letter} ({model})"));
        self.end_with(now, text);
    }

    pub(super) fn end_with(&mut self, now: Timestamp, text: String) {
        let event = RunEvent::SynthesisDelta { text: text.clone() };
        self.out.push_back(MachineOutput::Emit(event));
        self.finish(now, Status::Completed, Some(text), None);
    }

    /// Starts the synthesis with the answers received so far, skipping open calls. Before the first answer
    /// the request is kept until one arrives.
    pub(super) fn synthesize_now(&mut self, now: Timestamp) {
        if self.hurried || self.board.is_last() {
            return;
        }
        self.hurried = true;
        self.notes
            .push("the synthesis was started early at the user's request".to_owned());
        if !self.board.anyone_answered(self.board.plan.first()) {
            return;
        }
        self.leave_out_open(now);
    }

    /// After an early-synthesis request, continues as soon as there is one answer.
    pub(super) fn hurry_on(&mut self, now: Timestamp) {
        let has_begun = self.board.anyone_answered(self.board.plan.first());
        if self.hurried && !self.board.is_last() && has_begun {
            self.leave_out_open(now);
        }
    }

    /// Skips a model's open call in the current stage. The synthesizer is never skipped, because there would
    /// be no answer.
    pub(super) fn leave_out(&mut self, now: Timestamp, model: &str) {
        if self.board.is_last() {
            return;
        }
        let open: Vec<usize> = self.open.keys().copied().collect();
        let of_model = |&member: &usize| self.board.member(member).name() == model;
        let Some(member) = open.into_iter().find(of_model) else {
            return;
        };
        let stage = self.board.stage;
        let call = CallId { stage, member };
        self.out.push_back(MachineOutput::Stop(call));
        let error = CallError::new(CallErrorKind::Cancelled, "stopped by you");
        self.settle(now, call, Err(error), CallUse::default());
    }

    fn leave_out_open(&mut self, now: Timestamp) {
        self.held.clear();
        let stage = self.board.stage;
        let open: Vec<usize> = self.open.keys().copied().collect();
        for member in open {
            // Settling one call may have skipped the others already.
            if self.board.stage != stage || !self.open.contains_key(&member) {
                return;
            }
            let call = CallId { stage, member };
            self.out.push_back(MachineOutput::Stop(call));
            let error = CallError::new(
                CallErrorKind::Cancelled,
                "skipped: the synthesis started without it",
            );
            self.settle(now, call, Err(error), CallUse::default());
        }
    }

    /// Turns an answer that obeys a prompt injection into a failure; its text is kept for inspection.
    pub(super) fn quarantined(
        &self,
        member: usize,
        result: Result<Answer, CallError>,
    ) -> (Result<Answer, CallError>, String) {
        let answer = match result {
            Ok(answer) => answer,
            Err(error) => return (Err(error), String::new()),
        };
        let plan = &self.board.plan;
        let sources = self.board.sources(member);
        match injection::obeyed(&sources, &plan.canary, &plan.question, &answer.text) {
            None => (Ok(answer), String::new()),
            Some(why) => {
                let error = CallError::new(CallErrorKind::Quarantined, why);
                (Err(error), answer.text)
            }
        }
    }
}
