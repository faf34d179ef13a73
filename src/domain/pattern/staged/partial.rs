//! Partial texts of stopped calls. Text that has been written and paid for is kept as an incomplete answer.

use super::{RunOutput, StagedCall, StagedRun};
use crate::domain::analysis::{Plan, StageAnswer};
use crate::domain::chat::{CallError, CallErrorKind, Delta, Extras, Usage};
use crate::domain::event::RunEstimate;
use crate::domain::id::AnalysisId;
use crate::domain::money::MicroDollars;
use crate::domain::pattern::CallId;
use crate::domain::time::Timestamp;

/// Note on a run that starts from the drafts of a stopped one.
const FROM_DRAFTS_NOTE: &str = "the answer is written from the drafts of a stopped run";

impl StagedCall {
    /// Adds a streamed piece of text to the text received so far, which is discarded if the answer starts over.
    pub(super) fn append_text(&mut self, delta: &Delta) {
        match delta {
            Delta::Restart => self.text.clear(),
            Delta::Text(text) => self.text.push_str(text),
            _ => {}
        }
    }
}

impl StagedRun {
    /// Creates a run whose first answers already exist, so that only the synthesis is left.
    pub fn from_drafts(
        id: AnalysisId,
        plan: Plan,
        estimate: RunEstimate,
        drafts: Vec<StageAnswer>,
    ) -> Self {
        let mut run = Self {
            finishes_early: true,
            ..Self::new(id, plan, estimate)
        };
        run.state.restore(drafts);
        run.notes.push(FROM_DRAFTS_NOTE.to_owned());
        run
    }

    /// Stores the partial texts of the open calls as incomplete answers, because the calls are about to be stopped.
    pub(super) fn keep_partial(&mut self, now: Timestamp, reason: &str) {
        let stage = self.state.stage;
        let open_calls = self
            .open_calls
            .iter()
            .filter(|(_, open)| !open.text.is_empty());
        let partial_answers: Vec<StageAnswer> = open_calls
            .map(|(&member, open)| self.partial_answer(now, member, open, reason))
            .collect();
        for partial_answer in partial_answers {
            let member = partial_answer.member;
            let call = CallId { stage, member };
            self.state.results.insert(call, partial_answer.clone());
            self.outputs
                .push_back(RunOutput::Store(Box::new(partial_answer)));
        }
    }

    /// Stops the open calls of the current stage.
    pub(super) fn stop_open_calls(&mut self) {
        self.held_back.clear();
        let stage = self.state.stage;
        for (member, _) in std::mem::take(&mut self.open_calls) {
            self.outputs
                .push_back(RunOutput::Stop(CallId { stage, member }));
        }
    }

    // Builds the answer from a stopped call's text. Its usage is added later, when the bill is known.
    fn partial_answer(
        &self,
        now: Timestamp,
        member: usize,
        open: &StagedCall,
        reason: &str,
    ) -> StageAnswer {
        StageAnswer {
            stage: self.state.stage,
            member,
            model: self.state.member(member).name(),
            text: open.text.clone(),
            reasoning: String::new(),
            usage: Usage::default(),
            cost: Some(MicroDollars(0)),
            latency_ms: now.since(open.started_at).as_millis() as u64,
            first_token_ms: open.first_token,
            finish: None,
            error: Some(CallError::new(CallErrorKind::Cancelled, reason)),
            cached: false,
            tries: 0,
            dropped: Vec::new(),
            fallback_for: self.state.replaced_model(member),
            earlier: self
                .earlier_attempts
                .get(&member)
                .cloned()
                .unwrap_or_default(),
            calls: Vec::new(),
            extras: Extras::default(),
        }
    }
}
