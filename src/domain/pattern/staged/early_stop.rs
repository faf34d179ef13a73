//! Ends a run early because the answers agree, or because a user requests the synthesis.

use super::{CallUse, RunOutput, StagedRun};
use crate::domain::analysis::{Arrangement, StageAnswer, Status};
use crate::domain::chat::{Answer, CallError, CallErrorKind};
use crate::domain::event::RunEvent;
use crate::domain::evidence::agreement::{DraftAgreement, shared_closing_answer};
use crate::domain::injection;
use crate::domain::pattern::CallId;
use crate::domain::prompt;
use crate::domain::time::Timestamp;

/// What follows a stage whose calls have all ended.
enum NextStage {
    /// The stage with this index follows.
    EnterStage(usize),
    /// No stage follows, because the best draft is the answer.
    KeepDraft,
    /// The judge must compare the first answers before the next stage can be chosen.
    AskJudge,
}

/// Whether the first answers agree, and a note that names the criterion.
struct AgreementVerdict {
    agrees: bool,
    note: String,
}

impl StagedRun {
    /// Returns the index of the stage that follows. Returns `None` if no stage follows now, because the best draft was
    /// made the answer, the vote was closed, or the judge is comparing the first answers.
    pub(super) fn stage_after(&mut self, now: Timestamp, stage: usize) -> Option<usize> {
        if self.state.is_vote() && stage == self.state.plan.first_answer_stage() {
            self.close_vote(now);
            return None;
        }
        match self.next_stage(now, stage) {
            NextStage::EnterStage(next) => Some(next),
            NextStage::KeepDraft => {
                self.keep_draft(now);
                None
            }
            NextStage::AskJudge => None,
        }
    }

    // Decides what follows a stage. If agreement can skip stages, first requests the judge's comparison of the first
    // answers, and then adds a note on whether they agree.
    fn next_stage(&mut self, now: Timestamp, stage: usize) -> NextStage {
        let stages = self.state.plan.stages.len();
        let (arrangement, first) = (
            self.state.plan.arrangement,
            self.state.plan.first_answer_stage(),
        );
        let enter_next = NextStage::EnterStage(stage + 1);
        if arrangement == Arrangement::Vote
            || stage + 1 >= stages
            || stage < first
            || self.state.is_single()
        {
            return enter_next;
        }
        if self.finishes_early {
            return NextStage::EnterStage(stages - 1);
        }
        let threshold = self.state.plan.agreement.filter(|_| stage == first);
        let Some(threshold) = threshold.filter(|_| self.can_skip()) else {
            return enter_next;
        };
        if self.compare_drafts(now, stage) {
            return NextStage::AskJudge;
        }
        let verdict = self.agreement(threshold);
        let is_cascade = arrangement == Arrangement::Cascade;
        let follows = match (verdict.agrees, is_cascade) {
            (true, true) => "one of them is the answer, and no stronger model was called; agreement alone does not make it right".to_owned(),
            (true, false) => "the stages before the synthesis were skipped; agreement alone does not make them right".to_owned(),
            (false, true) => format!("{} was called", self.state.plan.synthesizer.name()),
            (false, false) => "no stage was skipped".to_owned(),
        };
        self.notes.push(format!("{}: {follows}", verdict.note));
        match (verdict.agrees, is_cascade) {
            (true, true) => NextStage::KeepDraft,
            (true, false) => NextStage::EnterStage(stages - 1),
            (false, _) => enter_next,
        }
    }

    // Whether there are at least two drafts to compare and a stage to skip. A cascade can skip the synthesis only if
    // the best draft conforms to the requested format.
    fn can_skip(&self) -> bool {
        let (first, stages) = (
            self.state.plan.first_answer_stage(),
            self.state.plan.stages.len(),
        );
        if self.state.texts_of(first).len() < 2 {
            return false;
        }
        match self.state.plan.arrangement {
            Arrangement::Cascade => {
                let best = self.state.best_answer();
                best.is_some_and(|best| self.state.to_requested_format(&best.text).is_some())
            }
            _ => stages > first + 2,
        }
    }

    // Decides whether the drafts agree, by the judge's comparison or, if there is none, by their closing answers.
    fn agreement(&self, threshold: f64) -> AgreementVerdict {
        let plan = &self.state.plan;
        let answers: Vec<StageAnswer> = self.answers().cloned().collect();
        let judge = plan.evidence.judge.as_ref();
        let compared = judge.map(|judge| (judge, DraftAgreement::from_answers(plan, &answers)));
        if let Some((judge, Ok(found))) = &compared {
            return AgreementVerdict {
                agrees: found.reaches_threshold(threshold),
                note: format!(
                    "the first answers {} and {}, as compared by {}, with a threshold of {threshold:.2}",
                    found.shared_claims_note(),
                    found.difference_note(),
                    judge.name()
                ),
            };
        }
        let why = match compared {
            Some((_, Err(why))) => why,
            _ => "no model compared the first answers".to_owned(),
        };
        match shared_closing_answer(plan, &answers) {
            Some(answer) => AgreementVerdict {
                agrees: true,
                note: format!("{why}, but they close with the same answer, “{answer}”"),
            },
            None => AgreementVerdict {
                agrees: false,
                note: format!("{why}, and they do not close with the same answer line"),
            },
        }
    }

    /// Ends a run that cannot continue, with its best answer as the result. The run fails if there is no answer, or if
    /// the best one does not conform to the requested format.
    pub(super) fn end_with_best_answer(&mut self, now: Timestamp, reason: String) {
        let Some(best) = self.state.best_answer() else {
            let error = format!("there is no answer: {reason}");
            return self.finish(now, Status::Failed, None, Some(error));
        };
        let Some(text) = self.state.to_requested_format(&best.text) else {
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
        self.outputs.push_back(RunOutput::Emit(event));
        self.finish(now, Status::Completed, Some(text), None);
    }

    /// Makes the best draft the answer, and ends the run after the evidence calls. The run fails if no draft exists, or
    /// if the best one does not conform to the requested format.
    pub(super) fn keep_draft(&mut self, now: Timestamp) {
        let Some(best) = self.state.best_answer() else {
            return self.fail_without_answers(now);
        };
        let Some(text) = self.state.to_requested_format(&best.text) else {
            return self.fail_without_answers(now);
        };
        let (letter, model) = (prompt::letter(best.member), &best.model);
        self.notes
            .push(format!("the answer is the draft {letter} ({model})"));
        self.end_with_text(now, text);
    }

    pub(super) fn end_with_text(&mut self, now: Timestamp, text: String) {
        let event = RunEvent::SynthesisDelta { text: text.clone() };
        self.outputs.push_back(RunOutput::Emit(event));
        self.finish_with_answer(now, text);
    }

    /// Starts the synthesis with the answers received so far, and skips open calls. If there is no answer yet, the
    /// synthesis starts as soon as one arrives. If evidence calls are active, skips only them.
    pub(super) fn synthesize_now(&mut self, now: Timestamp) {
        if self.evidence.is_active() {
            self.finishes_early |= !self.evidence.is_final();
            return self.skip_evidence(now, "skipped at the user's request");
        }
        if self.finishes_early || self.state.is_last() {
            return;
        }
        self.finishes_early = true;
        self.notes
            .push("the synthesis was started early at the user's request".to_owned());
        if !self
            .state
            .has_any_answer(self.state.plan.first_answer_stage())
        {
            return;
        }
        self.skip_open_calls(now);
    }

    /// If a user has requested the synthesis, starts it as soon as there is an answer.
    pub(super) fn continue_to_synthesis(&mut self, now: Timestamp) {
        let has_begun = self
            .state
            .has_any_answer(self.state.plan.first_answer_stage());
        if self.finishes_early && !self.state.is_last() && has_begun {
            self.skip_open_calls(now);
        }
    }

    /// Stops a model's open call in the current stage (only the first, if it has several). The synthesizer is never
    /// skipped, because there would be no answer.
    pub(super) fn skip_model(&mut self, now: Timestamp, model: &str) {
        if self.state.is_last() {
            return;
        }
        let open_members: Vec<usize> = self.open_calls.keys().copied().collect();
        let is_of_model = |&member: &usize| self.state.member(member).name() == model;
        let Some(member) = open_members.into_iter().find(is_of_model) else {
            return;
        };
        let stage = self.state.stage;
        let call = CallId { stage, member };
        self.outputs.push_back(RunOutput::Stop(call));
        let error = CallError::new(CallErrorKind::Cancelled, "stopped by you");
        self.settle_call(now, call, Err(error), CallUse::default());
    }

    fn skip_open_calls(&mut self, now: Timestamp) {
        self.held_back.clear();
        let stage = self.state.stage;
        let open_members: Vec<usize> = self.open_calls.keys().copied().collect();
        for member in open_members {
            // Ending one call may already have ended the stage, and with it the other calls.
            if self.state.stage != stage || !self.open_calls.contains_key(&member) {
                return;
            }
            let call = CallId { stage, member };
            self.outputs.push_back(RunOutput::Stop(call));
            let error = CallError::new(
                CallErrorKind::Cancelled,
                "skipped: the synthesis started without it",
            );
            self.settle_call(now, call, Err(error), CallUse::default());
        }
    }

    /// Turns an answer that obeys a prompt injection into an error, and returns the answer's text separately, so that
    /// it can be inspected. For any other result, that text is empty.
    pub(super) fn quarantine_if_injected(
        &self,
        member: usize,
        result: Result<Answer, CallError>,
    ) -> (Result<Answer, CallError>, String) {
        let answer = match result {
            Ok(answer) => answer,
            Err(error) => return (Err(error), String::new()),
        };
        let plan = &self.state.plan;
        let sources = self.state.sources(member);
        match injection::obeyed_instruction(&sources, &plan.canary, &plan.question, &answer.text) {
            None => (Ok(answer), String::new()),
            Some(why) => {
                let error = CallError::new(CallErrorKind::Quarantined, why);
                (Err(error), answer.text)
            }
        }
    }
}
