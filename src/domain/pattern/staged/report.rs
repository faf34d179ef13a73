//! Reports on a run: emits the events and notes about its stages, calls, and totals, and returns its requests and
//! answers. Makes no decisions.

use super::run_state::RunState;
use super::{RunOutput, StagedCall, StagedRun};
use crate::domain::analysis::{Plan, StageAnswer, Status};
use crate::domain::chat::{Answer, Delta, Finish, ModelRequest};
use crate::domain::event::{RunEstimate, RunEvent};
use crate::domain::id::AnalysisId;
use crate::domain::pattern::{CallId, PatternOutcome, reading};
use crate::domain::time::Timestamp;

impl RunState {
    /// Returns the note to append to an answer that was cut off; empty for a complete answer.
    pub fn truncation_note(&self, stage: usize, member: usize) -> &'static str {
        let result = self.results.get(&CallId { stage, member });
        match result.and_then(|result| result.finish) {
            Some(Finish::Length) => "\n\n(This answer was cut off by its length limit.)",
            Some(Finish::ContentFilter) => {
                "\n\n(This answer was cut off by its provider's filter.)"
            }
            _ => "",
        }
    }

    /// Creates the event for a piece of a member's answer. `attempt` is the number of the member's current attempt,
    /// from 1.
    pub fn text_event(&self, member: usize, delta: Delta, attempt: u32) -> RunEvent {
        let (stage, model) = (self.name().to_owned(), self.member(member).name());
        match delta {
            Delta::Restart => RunEvent::MemberStarted {
                stage,
                model,
                attempt,
            },
            Delta::Reasoning(text) => RunEvent::Reasoning {
                stage,
                model,
                text,
                item: None,
            },
            Delta::ReasoningBlock(item) => RunEvent::Reasoning {
                stage,
                model,
                text: String::new(),
                item: Some(item),
            },
            Delta::Text(text) if self.writes_answer() => RunEvent::SynthesisDelta { text },
            Delta::Text(text) => RunEvent::Delta { stage, model, text },
        }
    }
}

impl StagedRun {
    /// Rebuilds the requests of a run's successful calls from its plan and results.
    pub fn requests(plan: &Plan, results: &[StageAnswer]) -> Vec<(CallId, ModelRequest)> {
        let answered = Self::answered_requests(plan, results).into_iter();
        answered
            .map(|(result, request)| {
                let (stage, member) = (result.stage, result.member);
                (CallId { stage, member }, request)
            })
            .collect()
    }

    /// Returns the plan and the answers of a finished run, ordered by stage and member.
    pub fn into_parts(self) -> (Plan, Vec<StageAnswer>) {
        let answers = self.answers().cloned().collect();
        (self.state.plan, answers)
    }

    /// Returns the answers of all calls, with the evidence calls last.
    pub(super) fn answers(&self) -> impl Iterator<Item = &StageAnswer> {
        let stage_results = self.state.results.values();
        stage_results.chain(self.evidence.results.values())
    }

    /// Returns the successful calls of a run, which a rerun can reuse, as requests with their answers.
    pub fn reusable_calls(plan: &Plan, results: &[StageAnswer]) -> Vec<(ModelRequest, Answer)> {
        let answered = Self::answered_requests(plan, results).into_iter();
        let to_answer = |(result, request): (StageAnswer, ModelRequest)| {
            let answer = Answer {
                finish: result.finish?,
                text: result.text,
                reasoning: result.reasoning,
                usage: result.usage,
                calls: result.calls,
                extras: result.extras,
            };
            Some((request, answer))
        };
        answered.filter_map(to_answer).collect()
    }

    // Emits the parts of an answer that were not streamed in one piece, for example because the answer came from the
    // cache.
    pub(super) fn emit_whole_answer(&mut self, member: usize, answer: &Answer, open: &StagedCall) {
        let mut pieces = Vec::new();
        if !open.has_read {
            if !answer.reasoning.is_empty() {
                pieces.push(Delta::Reasoning(answer.reasoning.clone()));
            }
            pieces.extend(
                answer
                    .extras
                    .reasoning
                    .iter()
                    .cloned()
                    .map(Delta::ReasoningBlock),
            );
        }
        if !open.shown && !answer.text.is_empty() {
            pieces.push(Delta::Text(answer.text.clone()));
        }
        for piece in pieces {
            let event = self.state.text_event(member, piece, 1);
            self.outputs.push_back(RunOutput::Emit(event));
        }
    }

    pub(super) fn answered_requests(
        plan: &Plan,
        results: &[StageAnswer],
    ) -> Vec<(StageAnswer, ModelRequest)> {
        let id = AnalysisId::new(Timestamp::default(), 0);
        let mut run = Self::new(id, plan.clone(), RunEstimate::default());
        run.restore_results(results.to_vec());
        let evidence = run.answered_evidence_requests();
        run.state
            .rebuild_requests()
            .into_iter()
            .chain(evidence)
            .collect()
    }

    pub(super) fn finish(
        &mut self,
        now: Timestamp,
        status: Status,
        synthesis: Option<String>,
        error: Option<String>,
    ) {
        self.is_over = true;
        // If the answer continues a stopped run's partial answer, join the two.
        let answer_prefix = &self.state.plan.answer_prefix;
        let synthesis = synthesis.map(|text| match answer_prefix.is_empty() {
            true => text,
            false => format!("{answer_prefix}{text}"),
        });
        // A run without a start time was canceled before it started, so no time has passed.
        let began = if self.started_at == Timestamp::default() {
            now
        } else {
            self.started_at
        };
        let answers: Vec<StageAnswer> = self.state.results.values().cloned().collect();
        let read_coverage = reading::ReadCoverage::from_answers(&self.state.plan, &answers);
        self.notes
            .extend(read_coverage.map(|coverage| coverage.sentence()));
        let mut totals = self
            .state
            .totals(now.since(began).as_millis() as u64, &self.notes);
        totals.degraded = self.degraded.clone();
        for stored in self.evidence.results.values() {
            totals.usage = totals.usage.combined_with(&stored.usage);
            match stored.cost {
                Some(cost) => totals.cost_usd = totals.cost_usd.saturating_add(cost),
                None => totals.cost_incomplete |= stored.answered(),
            }
        }
        let reason = error.clone().unwrap_or_default();
        self.outputs.push_back(RunOutput::Emit(match status {
            Status::Completed => RunEvent::Completed(totals.clone()),
            Status::Cancelled => RunEvent::Cancelled {
                reason,
                totals: totals.clone(),
            },
            _ => RunEvent::Failed {
                error: reason,
                totals: totals.clone(),
            },
        }));
        self.outputs
            .push_back(RunOutput::Done(Box::new(PatternOutcome {
                status,
                synthesis,
                error,
                totals,
            })));
    }

    pub(super) fn fail_without_answers(&mut self, now: Timestamp) {
        let reason = |result: &StageAnswer| {
            format!(
                "{}: {}",
                result.model,
                result
                    .error
                    .as_ref()
                    .map_or("no answer", |error| &error.detail)
            )
        };
        let failed = self
            .state
            .results
            .values()
            .filter(|result| !result.answered());
        let reasons: Vec<String> = failed.map(reason).collect();
        self.finish(
            now,
            Status::Failed,
            None,
            Some(format!("no member answered ({})", reasons.join("; "))),
        );
    }

    pub(super) fn emit_settled(&mut self, settled: &StageAnswer) {
        let (stage, model) = (self.state.name().to_owned(), settled.model.clone());
        let by = match settled.finish {
            Some(Finish::Length) => Some("its length limit"),
            Some(Finish::ContentFilter) => Some("its provider's filter"),
            _ => None,
        };
        if let Some(by) = by {
            self.notes.push(format!(
                "the answer of {model} in stage {stage} was cut off by {by}"
            ));
        }
        let event = match (&settled.error, settled.finish) {
            (None, Some(finish_reason)) => RunEvent::MemberCompleted {
                stage,
                model,
                usage: settled.usage,
                cost_usd: settled.cost,
                latency_ms: settled.latency_ms,
                time_to_first_token_ms: settled.first_token_ms,
                cached: settled.cached,
                finish_reason,
                dropped_parameters: settled.dropped.clone(),
                fallback_for: settled.fallback_for.clone(),
            },
            (error, _) => {
                let error = error
                    .as_ref()
                    .map_or_else(String::new, |error| error.detail.clone());
                let fallback = if self.state.is_last() {
                    self.state
                        .writers()
                        .get(settled.member + 1)
                        .map(|next| next.model.clone())
                } else {
                    None
                };
                let consequence = if self.state.is_last() && self.state.is_vote() {
                    "could not break the tie"
                } else if self.state.is_last() {
                    "could not write the synthesis"
                } else {
                    "was dropped"
                };
                let next = fallback
                    .as_ref()
                    .map_or_else(String::new, |model| format!("; {model} takes its place"));
                self.notes.push(format!(
                    "{model} {consequence} in stage {stage}: {error}{next}"
                ));
                RunEvent::MemberFailed {
                    stage,
                    model,
                    error,
                    retried: settled.tries > 1,
                    fallback,
                }
            }
        };
        self.outputs.push_back(RunOutput::Emit(event));
    }

    pub(super) fn emit_stage_started(&mut self) {
        let event = RunEvent::StageStarted {
            stage: self.state.name().to_owned(),
            index: self.state.stage,
            total: self.state.plan.stages.len(),
        };
        self.outputs.push_back(RunOutput::Emit(event));
    }
}
