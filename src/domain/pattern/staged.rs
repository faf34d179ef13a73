//! State machine of the staged arrangement: members answer independently, members in later stages read the
//! texts of the previous stage, labeled with letters, and the synthesizer writes the final answer. Takes
//! inputs and the time, and returns actions for the caller to perform.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

mod cache_warming;
mod calls;
mod deadlines;
mod early_stop;
mod evidence;
mod fallback;
mod partial;
mod report;
mod reuse;
mod run_state;
mod vote;

use evidence::EvidencePhase;
use run_state::RunState;

use super::{CallId, RunInput, RunOutput, estimate};
use crate::domain::analysis::{FailedAttemptRecord, Plan, StageAnswer, Status};
use crate::domain::chat::{Answer, CallBill, CallError, CallErrorKind, Extras};
use crate::domain::event::{RunEstimate, RunEvent};
use crate::domain::id::AnalysisId;
use crate::domain::time::Timestamp;
use crate::domain::usage;

/// Time limit of a call whose parameters set none.
const DEFAULT_CALL_TIMEOUT: Duration = Duration::from_secs(300);
/// Minimum time limit of a call, however little time the run has left.
const MIN_CALL_TIMEOUT: Duration = Duration::from_secs(1);
// Time added to each call's deadline. The LLM client itself enforces the call's time limit, so the deadline matters
// only if the client does not respond.
const RESPONSE_GRACE: Duration = Duration::from_secs(5);

/// Note on a run that was interrupted and resumed.
const RESUMED_NOTE: &str = "the server stopped during this analysis: calls that were open are repeated, and a provider may charge them twice";

/// The state of one run.
#[derive(Debug, Clone)]
pub struct StagedRun {
    id: AnalysisId,
    state: RunState,
    evidence: EvidencePhase,
    estimate: RunEstimate,
    open_calls: BTreeMap<usize, StagedCall>,
    outputs: VecDeque<RunOutput>,
    started_at: Timestamp,
    stage_started: Timestamp,
    notes: Vec<String>,
    /// Members waiting for a budget reservation.
    awaiting_reservation: Vec<usize>,
    /// Members that wait until another call to the same model has cached their common prefix.
    held_back: Vec<usize>,
    /// For each member, the failed calls of the current stage that were replaced by a fallback.
    earlier_attempts: BTreeMap<usize, Vec<FailedAttemptRecord>>,
    /// When the run's time limit started to count: when the run started or was resumed.
    time_limit_start: Timestamp,
    degraded: Option<String>,
    is_restored: bool,
    /// Whether the synthesis starts as soon as there is an answer, for example because a user has requested it.
    finishes_early: bool,
    is_over: bool,
}

#[derive(Debug, Clone)]
struct StagedCall {
    started_at: Timestamp,
    deadline: Timestamp,
    first_token: Option<u64>,
    shown: bool,
    /// Whether any part of the answer has arrived, which shows that the model has read the prompt.
    has_read: bool,
    /// How often the answer has started over.
    restarts: u32,
    /// The text of the answer received so far.
    text: String,
}

/// The usage of an answered or failed call.
#[derive(Default)]
struct CallUse {
    is_cached: bool,
    bill: CallBill,
}

impl StagedRun {
    /// Creates a run that has not been started yet.
    pub fn new(id: AnalysisId, plan: Plan, estimate: RunEstimate) -> Self {
        let moment = Timestamp::default();
        Self {
            id,
            state: RunState {
                plan,
                results: BTreeMap::new(),
                stage: 0,
                fallbacks_used: BTreeMap::new(),
            },
            evidence: EvidencePhase::default(),
            estimate,
            open_calls: BTreeMap::new(),
            outputs: VecDeque::new(),
            started_at: moment,
            stage_started: moment,
            notes: Vec::new(),
            awaiting_reservation: Vec::new(),
            held_back: Vec::new(),
            earlier_attempts: BTreeMap::new(),
            time_limit_start: moment,
            degraded: None,
            is_restored: false,
            finishes_early: false,
            is_over: false,
        }
    }

    /// Restores an interrupted run. Calls that have an answer or a failure are not repeated.
    pub fn restore(
        id: AnalysisId,
        plan: Plan,
        estimate: RunEstimate,
        started: Timestamp,
        results: Vec<StageAnswer>,
    ) -> Self {
        let mut run = Self {
            started_at: started,
            is_restored: true,
            ..Self::new(id, plan, estimate)
        };
        run.restore_results(results);
        run.notes = run.state.failure_notes();
        run.notes.push(RESUMED_NOTE.to_owned());
        run
    }

    fn restore_results(&mut self, results: Vec<StageAnswer>) {
        let is_evidence = |result: &StageAnswer| self.state.plan.evidence_call(result.stage);
        let (evidence, results): (Vec<_>, Vec<_>) =
            (results.into_iter()).partition(|result| is_evidence(result).is_some());
        self.state.restore(results);
        for result in evidence {
            let (stage, member) = (result.stage, result.member);
            let id = CallId { stage, member };
            self.evidence.results.insert(id, result);
        }
    }

    /// Cancels the run, and returns the actions that are still to be performed.
    pub fn cancelled(mut self, now: Timestamp, reason: String) -> impl Iterator<Item = RunOutput> {
        self.handle(now, RunInput::Cancelled(reason));
        self.outputs.into_iter()
    }

    /// Processes an input. Ignores inputs for calls that are no longer open, and all inputs after the end of the run.
    pub fn handle(&mut self, now: Timestamp, input: RunInput) {
        if self.is_over {
            return;
        }
        match input {
            RunInput::Started => self.start(now),
            RunInput::Delta(call, delta) => self.forward_delta(now, call, delta),
            RunInput::Answered {
                call,
                answer,
                cached,
                bill,
            } => {
                let result = if answer.text.trim().is_empty() && answer.calls.is_empty() {
                    Err(CallError::new(
                        CallErrorKind::Empty,
                        "the model returned an empty answer",
                    ))
                } else {
                    Ok(answer)
                };
                self.call_ended(
                    now,
                    call,
                    result,
                    CallUse {
                        is_cached: cached,
                        bill,
                    },
                );
            }
            RunInput::Failed { call, error, bill } => {
                let took = CallUse {
                    is_cached: false,
                    bill,
                };
                self.call_ended(now, call, Err(error), took);
            }
            RunInput::Tick => {
                self.expire_late_calls(now);
                self.expire_evidence(now);
            }
            RunInput::Granted if self.evidence.is_awaiting_reservation() => {
                self.evidence_granted(now)
            }
            RunInput::Granted => self.reservation_granted(now),
            RunInput::Denied(reason) if self.evidence.is_awaiting_reservation() => {
                self.evidence_denied(now, reason);
            }
            RunInput::Denied(reason) => self.reservation_denied(now, reason),
            RunInput::FinishEarly => self.synthesize_now(now),
            RunInput::SkipModel(model) => self.skip_model(now, &model),
            // The answer already exists, so only the remaining evidence calls are stopped.
            RunInput::Cancelled(reason) if self.evidence.is_final() => {
                self.skip_evidence(now, &reason);
            }
            RunInput::Cancelled(reason) => {
                self.keep_partial(now, &reason);
                self.stop_open_calls();
                self.stop_evidence();
                self.finish(now, Status::Cancelled, None, Some(reason));
            }
        }
    }

    fn call_ended(
        &mut self,
        now: Timestamp,
        call: CallId,
        result: Result<Answer, CallError>,
        usage: CallUse,
    ) {
        match self.state.plan.evidence_call(call.stage) {
            Some(_) => self.evidence_settled(now, call, result, usage),
            None => self.settle_call(now, call, result, usage),
        }
    }

    /// Returns the next action. Call this until it returns `Wait` or `Done`.
    pub fn poll(&mut self) -> RunOutput {
        self.outputs.pop_front().unwrap_or_else(|| {
            let deadlines = self.open_calls.values().map(|open| open.deadline);
            RunOutput::Wait(deadlines.chain(self.evidence.deadline()).min())
        })
    }

    fn start(&mut self, now: Timestamp) {
        self.time_limit_start = now;
        if !self.is_restored {
            self.started_at = now;
            let event = self
                .state
                .started_event(self.id.clone(), self.estimate.clone());
            self.outputs.push_back(RunOutput::Emit(event));
        }
        self.begin_stage(now, 0);
    }

    // Enters a stage, and continues with the next one if no calls are left to make.
    fn begin_stage(&mut self, now: Timestamp, mut stage: usize) {
        loop {
            if stage == self.state.plan.stages.len() {
                return self.count_votes(now);
            }
            self.state.stage = stage;
            self.stage_started = now;
            if self.state.is_last() {
                return self.synthesize(now);
            }
            let participants = self.state.participants();
            let waiting_members: Vec<usize> = participants
                .iter()
                .copied()
                .filter(|&member| self.state.result(member).is_none())
                .collect();
            let waiting_members = self.next_voters(waiting_members);
            let is_late =
                stage > self.state.plan.first_answer_stage() && self.time_left(now).is_zero();
            if !waiting_members.is_empty() && is_late {
                return self.skip_to_last_stage(now);
            }
            if !waiting_members.is_empty() {
                self.emit_stage_started();
                return self.reserve(waiting_members);
            }
            if participants.is_empty() {
                let note = format!(
                    "stage {} was skipped: fewer than two members had a text to compare",
                    self.state.name()
                );
                self.notes.push(note);
            }
            if stage <= self.state.plan.first_answer_stage() && !self.state.has_any_answer(stage) {
                return self.fail_without_answers(now);
            }
            let Some(next) = self.stage_after(now, stage) else {
                return;
            };
            stage = next;
        }
    }

    fn synthesize(&mut self, now: Timestamp) {
        if self.state.is_vote() && self.has_tried_to_break_tie(now) {
            return self.count_votes(now);
        }
        let tried_count = (0..)
            .take_while(|&attempt| self.state.result(attempt).is_some())
            .count();
        if let Some(previous_attempt) = tried_count
            .checked_sub(1)
            .and_then(|attempt| self.state.result(attempt))
            .filter(|result| result.answered())
        {
            let text = previous_attempt.text.clone();
            return self.finish_with_answer(now, text);
        }
        if tried_count < self.state.writers().len() {
            if self.time_left(now).is_zero() {
                return self
                    .end_with_best_answer(now, "the analysis reached its time limit".to_owned());
            }
            if tried_count == 0 {
                self.emit_stage_started();
            }
            return self.reserve(vec![tried_count]);
        }
        if self.state.is_single() {
            return self.fail_without_answers(now);
        }
        let reason = (tried_count
            .checked_sub(1)
            .and_then(|attempt| self.state.result(attempt)))
        .and_then(|result| result.error.as_ref())
        .map_or_else(String::new, |error| format!(": {}", error.detail));
        self.end_with_best_answer(now, format!("no synthesis could be written{reason}"));
    }

    fn reserve(&mut self, members: Vec<usize>) {
        let stage = self.state.stage;
        let claim = |&member: &usize| {
            let request = self.state.request(member, Duration::ZERO);
            let call = CallId { stage, member };
            estimate::reservation_for(call, &request, self.state.member(member))
        };
        let calls = members.iter().map(claim).collect();
        self.awaiting_reservation.extend(members);
        self.outputs.push_back(RunOutput::Reserve { stage, calls });
    }

    fn settle_call(
        &mut self,
        now: Timestamp,
        call: CallId,
        result: Result<Answer, CallError>,
        call_use: CallUse,
    ) {
        if call.stage != self.state.stage {
            return;
        }
        let Some(open_call) = self.open_calls.remove(&call.member) else {
            return;
        };
        self.start_waiting_calls(now);
        let result = result.map_err(|error| self.attribute_timeout(now, error));
        let (result, obeyed_instruction) = self.quarantine_if_injected(call.member, result);
        if let Err(error) = &result
            && self.try_fallback(now, call.member, error, &call_use.bill)
        {
            return;
        }
        let member = self.state.member(call.member);
        let (model, price) = (member.name(), member.price);
        let latency_ms = now.since(open_call.started_at).as_millis() as u64;
        if let Ok(answer) = &result {
            self.emit_whole_answer(call.member, answer, &open_call);
        }
        let mut stored_answer = StageAnswer {
            stage: call.stage,
            member: call.member,
            model,
            text: String::new(),
            reasoning: String::new(),
            // The usage of all attempts, including failed ones.
            usage: call_use.bill.usage,
            cost: usage::cost(&call_use.bill, price),
            latency_ms,
            first_token_ms: open_call.first_token,
            finish: None,
            error: None,
            cached: call_use.is_cached,
            tries: call_use.bill.tries,
            dropped: call_use.bill.dropped,
            fallback_for: self.state.replaced_model(call.member),
            earlier: self
                .earlier_attempts
                .remove(&call.member)
                .unwrap_or_default(),
            calls: Vec::new(),
            extras: Extras::default(),
        };
        match result {
            Ok(answer) => {
                // The usage of a cached answer is shown but not charged.
                if call_use.is_cached {
                    stored_answer.usage = answer.usage;
                }
                stored_answer.finish = Some(answer.finish);
                stored_answer.text = answer.text;
                stored_answer.reasoning = answer.reasoning;
                stored_answer.calls = answer.calls;
                stored_answer.extras = answer.extras;
            }
            Err(error) => {
                stored_answer.text = match error.kind {
                    CallErrorKind::Cancelled => open_call.text,
                    _ => obeyed_instruction,
                };
                stored_answer.error = Some(self.state.error_for_client(error));
            }
        }
        self.state.results.insert(call, stored_answer.clone());
        self.emit_settled(&stored_answer);
        self.outputs
            .push_back(RunOutput::Store(Box::new(stored_answer)));
        if self.is_stage_settled() {
            self.finish_stage(now);
        } else {
            self.continue_to_synthesis(now);
        }
    }

    fn finish_stage(&mut self, now: Timestamp) {
        if self.call_next_wave(now) {
            return;
        }
        if self.state.is_last() && !self.state.has_any_answer(self.state.stage) {
            return self.synthesize(now);
        }
        let (answered_count, failed) = self.state.answered_and_failed();
        let duration_ms = now.since(self.stage_started).as_millis() as u64;
        self.outputs
            .push_back(RunOutput::Emit(RunEvent::StageCompleted {
                stage: self.state.name().to_owned(),
                answered: answered_count,
                failed,
                duration_ms,
            }));
        if self.state.is_last() {
            return self.synthesize(now);
        }
        if self.state.stage <= self.state.plan.first_answer_stage() && answered_count == 0 {
            return self.fail_without_answers(now);
        }
        if self.state.is_reading() {
            // Fallbacks of readers and of members are counted separately, because both are numbered from 0.
            self.state.fallbacks_used.clear();
        }
        if answered_count == 0 {
            self.notes.push(format!(
                "stage {} produced no texts: those of the previous stage are used",
                self.state.name()
            ));
        }
        self.after_stage(now, self.state.stage);
    }

    /// Continues after a stage whose calls have all ended.
    fn after_stage(&mut self, now: Timestamp, stage: usize) {
        if let Some(next) = self.stage_after(now, stage) {
            self.begin_stage(now, next);
        }
    }
}

#[cfg(test)]
pub(in crate::domain) mod tests;
