//! The evidence calls of a run. One may compare the first answers to decide whether to skip stages; the others follow
//! the synthesis. If a call fails, the run continues, and the failure is stored as the call's answer and reported in
//! the result.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::{CallUse, MIN_CALL_TIMEOUT, RESPONSE_GRACE, RunOutput, StagedRun};
use crate::domain::analysis::{Member, StageAnswer, Status};
use crate::domain::chat::{Answer, CallError, CallErrorKind, Extras, ModelRequest};
use crate::domain::evidence::prompts;
use crate::domain::pattern::{CallId, estimate};
use crate::domain::plan::EvidenceCall;
use crate::domain::time::Timestamp;
use crate::domain::usage;

/// Time limit of an evidence call, unless the run has less time left.
const CALL_TIME_LIMIT: Duration = Duration::from_secs(180);

/// State of the evidence calls.
#[derive(Debug, Clone, Default)]
pub(super) struct EvidencePhase {
    pub results: BTreeMap<CallId, StageAnswer>,
    open_calls: BTreeMap<CallId, EvidenceAttempt>,
    /// Calls that wait for a budget reservation. Reservations are requested one at a time.
    awaiting_reservation: VecDeque<EvidenceCall>,
    next_action: AfterEvidence,
}

/// An evidence call in progress.
#[derive(Debug, Clone)]
struct EvidenceAttempt {
    started_at: Timestamp,
    deadline: Timestamp,
}

/// What the run does after its current evidence calls.
#[derive(Debug, Clone, Default)]
enum AfterEvidence {
    /// Nothing, because no evidence calls are active.
    #[default]
    Nothing,
    /// Decide whether to skip the stages after this one.
    Decide(usize),
    /// End with this answer.
    Finish(String),
}

impl EvidencePhase {
    /// Whether evidence calls are waiting for a reservation or in progress.
    pub fn is_active(&self) -> bool {
        !matches!(self.next_action, AfterEvidence::Nothing)
    }

    /// Whether the run ends after the current evidence calls.
    pub fn is_final(&self) -> bool {
        matches!(self.next_action, AfterEvidence::Finish(_))
    }

    /// Whether a reservation for an evidence call has been requested.
    pub fn is_awaiting_reservation(&self) -> bool {
        !self.awaiting_reservation.is_empty()
    }

    /// Returns the earliest deadline of an open call.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.open_calls.values().map(|open| open.deadline).min()
    }
}

impl StagedRun {
    /// Makes the planned evidence calls, and then ends the run with this answer.
    pub(super) fn finish_with_answer(&mut self, now: Timestamp, answer: String) {
        let mut calls = vec![EvidenceCall::Map, EvidenceCall::Passages];
        calls.retain(|&call| {
            let is_done = self.evidence.results.contains_key(&self.evidence_id(call));
            !is_done
                && self
                    .evidence_request(call, &answer, CALL_TIME_LIMIT)
                    .is_some()
        });
        self.evidence.next_action = AfterEvidence::Finish(answer);
        self.start_evidence_calls(now, calls);
    }

    /// Starts the judge's comparison of the first answers. Returns false if it has already been made, if there is no
    /// judge, or if there are fewer than two drafts.
    pub(super) fn compare_drafts(&mut self, now: Timestamp, stage: usize) -> bool {
        let call = EvidenceCall::Drafts;
        let is_done = self.evidence.results.contains_key(&self.evidence_id(call));
        if is_done || self.evidence_request(call, "", CALL_TIME_LIMIT).is_none() {
            return false;
        }
        self.evidence.next_action = AfterEvidence::Decide(stage);
        self.start_evidence_calls(now, vec![call]);
        true
    }

    fn start_evidence_calls(&mut self, now: Timestamp, calls: Vec<EvidenceCall>) {
        self.evidence.awaiting_reservation = calls.into();
        if self.run_time_left(now).is_zero() {
            return self.skip_evidence(now, "the analysis reached its time limit");
        }
        self.reserve_next_call(now);
    }

    // Requests the reservation for the next evidence call. If none is waiting and all have ended, continues the run.
    fn reserve_next_call(&mut self, now: Timestamp) {
        let Some(&call) = self.evidence.awaiting_reservation.front() else {
            if self.evidence.open_calls.is_empty() {
                self.finish_evidence(now);
            }
            return;
        };
        let id = self.evidence_id(call);
        let answer = self.final_answer();
        let (Some(request), Some(member)) = (
            self.evidence_request(call, &answer, CALL_TIME_LIMIT),
            self.evidence_member(call),
        ) else {
            self.evidence.awaiting_reservation.pop_front();
            return self.reserve_next_call(now);
        };
        let calls = vec![estimate::reservation_for(id, &request, member)];
        let stage = id.stage;
        self.outputs.push_back(RunOutput::Reserve { stage, calls });
    }

    /// Starts the evidence call whose reservation was granted, and requests the reservation for the next one.
    pub(super) fn evidence_granted(&mut self, now: Timestamp) {
        let Some(call) = self.evidence.awaiting_reservation.pop_front() else {
            return;
        };
        let limit = CALL_TIME_LIMIT
            .min(self.run_time_left(now))
            .max(MIN_CALL_TIMEOUT);
        let answer = self.final_answer();
        if let Some(request) = self.evidence_request(call, &answer, limit) {
            let id = self.evidence_id(call);
            let attempt = EvidenceAttempt {
                started_at: now,
                deadline: now + limit + RESPONSE_GRACE,
            };
            self.evidence.open_calls.insert(id, attempt);
            self.outputs
                .push_back(RunOutput::Call(id, Box::new(request)));
        }
        self.reserve_next_call(now);
    }

    /// Stores the denial as the result of the evidence call whose reservation was denied, and requests the reservation
    /// for the next one.
    pub(super) fn evidence_denied(&mut self, now: Timestamp, reason: String) {
        if let Some(call) = self.evidence.awaiting_reservation.pop_front() {
            let error = CallError::new(CallErrorKind::Unavailable, reason);
            self.store_evidence_answer(now, self.evidence_id(call), Err(error), CallUse::default());
        }
        self.reserve_next_call(now);
    }

    /// Stores the result of an evidence call. After the last call, continues the run.
    pub(super) fn evidence_settled(
        &mut self,
        now: Timestamp,
        id: CallId,
        result: Result<Answer, CallError>,
        usage: CallUse,
    ) {
        if !self.evidence.open_calls.contains_key(&id) {
            return;
        }
        self.store_evidence_answer(now, id, result, usage);
        if self.evidence.open_calls.is_empty() && self.evidence.awaiting_reservation.is_empty() {
            self.finish_evidence(now);
        }
    }

    /// Skips the evidence calls that have no answer yet, stores `reason` as their error, and continues the run.
    pub(super) fn skip_evidence(&mut self, now: Timestamp, reason: &str) {
        let open_calls: Vec<CallId> = self.evidence.open_calls.keys().copied().collect();
        for &id in &open_calls {
            self.outputs.push_back(RunOutput::Stop(id));
        }
        let asking = std::mem::take(&mut self.evidence.awaiting_reservation);
        let awaiting_calls: Vec<CallId> = asking
            .into_iter()
            .map(|call| self.evidence_id(call))
            .collect();
        for id in open_calls.into_iter().chain(awaiting_calls) {
            let error = CallError::new(CallErrorKind::Cancelled, reason);
            self.store_evidence_answer(now, id, Err(error), CallUse::default());
        }
        self.finish_evidence(now);
    }

    /// Stops the open evidence calls of a run that is canceled, and drops those that wait for a reservation.
    pub(super) fn stop_evidence(&mut self) {
        for (id, _) in std::mem::take(&mut self.evidence.open_calls) {
            self.outputs.push_back(RunOutput::Stop(id));
        }
        self.evidence.awaiting_reservation.clear();
        self.evidence.next_action = AfterEvidence::Nothing;
    }

    /// Stops evidence calls that are past their deadline, and records them as timed out, in case the LLM client does
    /// not end them itself.
    pub(super) fn expire_evidence(&mut self, now: Timestamp) {
        let is_late = |(_, open): &(&CallId, &EvidenceAttempt)| open.deadline <= now;
        let late: Vec<CallId> = (self.evidence.open_calls.iter().filter(is_late))
            .map(|(&id, _)| id)
            .collect();
        for id in late {
            self.outputs.push_back(RunOutput::Stop(id));
            let error = CallError::new(CallErrorKind::Timeout, "no answer within the time limit");
            self.evidence_settled(now, id, Err(error), CallUse::default());
        }
    }

    fn finish_evidence(&mut self, now: Timestamp) {
        match std::mem::take(&mut self.evidence.next_action) {
            AfterEvidence::Nothing => {}
            AfterEvidence::Decide(stage) => self.after_stage(now, stage),
            AfterEvidence::Finish(text) => self.finish(now, Status::Completed, Some(text), None),
        }
    }

    fn store_evidence_answer(
        &mut self,
        now: Timestamp,
        id: CallId,
        result: Result<Answer, CallError>,
        call_use: CallUse,
    ) {
        let attempt = self.evidence.open_calls.remove(&id);
        let call = self.state.plan.evidence_call(id.stage);
        let Some(member) = call.and_then(|call| self.evidence_member(call)) else {
            return;
        };
        let mut stored_answer = StageAnswer {
            stage: id.stage,
            member: id.member,
            model: member.name(),
            text: String::new(),
            reasoning: String::new(),
            usage: call_use.bill.usage,
            cost: usage::cost(&call_use.bill, member.price),
            latency_ms: attempt.map_or(0, |attempt| {
                now.since(attempt.started_at).as_millis() as u64
            }),
            first_token_ms: call_use.bill.first_token_ms,
            finish: None,
            error: None,
            cached: call_use.is_cached,
            tries: call_use.bill.tries,
            dropped: call_use.bill.dropped,
            fallback_for: None,
            earlier: Vec::new(),
            calls: Vec::new(),
            extras: Extras::default(),
        };
        match result {
            Ok(answer) => {
                if call_use.is_cached {
                    stored_answer.usage = answer.usage;
                }
                stored_answer.finish = Some(answer.finish);
                stored_answer.text = answer.text;
                stored_answer.reasoning = answer.reasoning;
            }
            Err(error) => stored_answer.error = Some(error),
        }
        self.evidence.results.insert(id, stored_answer.clone());
        self.outputs
            .push_back(RunOutput::Store(Box::new(stored_answer)));
    }

    fn evidence_id(&self, call: EvidenceCall) -> CallId {
        CallId {
            stage: self.state.plan.evidence_stage(call),
            member: 0,
        }
    }

    // Chooses the model for an evidence call, preferably one that has not failed in this run. The passages are checked
    // by a model that did not write the answer, if there is one.
    fn evidence_member(&self, call: EvidenceCall) -> Option<&Member> {
        let evidence = &self.state.plan.evidence;
        let judge = evidence.judge.as_ref()?;
        let is_available = |member: &&Member| !self.has_failed(&member.model);
        if call != EvidenceCall::Passages {
            let mut candidates = std::iter::once(judge).chain(&evidence.checkers);
            return candidates.find(is_available).or(Some(judge));
        }
        let last = self.state.plan.stages.len().saturating_sub(1);
        let answers = self.state.results.values();
        let writer = answers
            .filter(|answer| answer.stage == last && answer.answered())
            .map(|answer| answer.model.as_str())
            .next();
        let is_other = |member: &&Member| Some(member.model.as_str()) != writer;
        let others = || evidence.checkers.iter().filter(is_other);
        (others().find(is_available))
            .or_else(|| others().next())
            .or(evidence.checkers.first())
    }

    fn has_failed(&self, model: &str) -> bool {
        self.state.results.values().any(|answer| {
            let failed_before = answer.earlier.iter().any(|before| before.model == model);
            failed_before || (answer.model == model && answer.error.is_some())
        })
    }

    // Builds the request of an evidence call; `None` if the call is not planned, or if there is nothing to compare.
    fn evidence_request(
        &self,
        call: EvidenceCall,
        answer: &str,
        deadline: Duration,
    ) -> Option<ModelRequest> {
        let plan = &self.state.plan;
        let member = self.evidence_member(call)?;
        let drafts = prompts::first_answers(plan, self.state.results.values());
        match call {
            EvidenceCall::Passages => {
                prompts::passage_check_request(plan, answer, member, deadline)
            }
            _ if drafts.len() < 2 => None,
            EvidenceCall::Drafts => Some(prompts::comparison_request(
                plan, &drafts, None, member, deadline,
            )),
            // If a draft became the final answer, it was compared with the others before it was chosen.
            EvidenceCall::Map if self.is_kept_draft(answer) => None,
            EvidenceCall::Map => Some(prompts::comparison_request(
                plan,
                &drafts,
                Some(answer),
                member,
                deadline,
            )),
        }
    }

    fn is_kept_draft(&self, answer: &str) -> bool {
        let compared = self
            .evidence
            .results
            .get(&self.evidence_id(EvidenceCall::Drafts));
        let drafts = self.state.texts_of(self.state.plan.first_answer_stage());
        compared.is_some_and(StageAnswer::answered)
            && drafts.iter().any(|(_, text)| *text == answer)
    }

    fn final_answer(&self) -> String {
        match &self.evidence.next_action {
            AfterEvidence::Finish(text) => text.clone(),
            _ => String::new(),
        }
    }

    /// Returns the requests of the answered evidence calls, so that a rerun can reuse them.
    pub(super) fn answered_evidence_requests(&self) -> Vec<(StageAnswer, ModelRequest)> {
        let last = self.state.plan.stages.len().saturating_sub(1);
        let answers = self.state.results.values();
        let answer = answers
            .filter(|answer| answer.stage == last && answer.answered())
            .map(|answer| answer.text.as_str())
            .next();
        let evidence_answers = self
            .evidence
            .results
            .values()
            .filter(|stored| stored.answered());
        let with_request = |stored: &StageAnswer| {
            let call = self.state.plan.evidence_call(stored.stage)?;
            let request =
                self.evidence_request(call, answer.unwrap_or_default(), CALL_TIME_LIMIT)?;
            Some((stored.clone(), request))
        };
        evidence_answers.filter_map(with_request).collect()
    }
}
