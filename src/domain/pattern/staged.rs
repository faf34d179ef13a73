//! The staged arrangement: every member answers alone, later stages read the stage before under
//! letters, the synthesiser writes the last one. A state machine: inputs and the time come in, wishes
//! come out. It performs none of them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::{CallId, Input, Outcome, Output};
use crate::domain::analysis::{Member, Plan, StageAnswer, Status};
use crate::domain::chat::{
    Answer, Brief, CallError, CallErrorKind, Delta, Peer, Request, Task, Usage,
};
use crate::domain::event::{Estimate, Event, StageInfo, Totals};
use crate::domain::id::AnalysisId;
use crate::domain::money::MicroDollars;
use crate::domain::prompt;
use crate::domain::time::Timestamp;

/// How long a call may take when the person set nothing.
const CALL_LIMIT: Duration = Duration::from_secs(300);
// The door to the models enforces the same limit; this is for the case that it does not answer at all.
const GRACE: Duration = Duration::from_secs(5);
/// The synthesiser and at most two members that stand in for it.
const SYNTHESIS_ATTEMPTS: usize = 3;

/// One run.
#[derive(Debug, Clone)]
pub struct Staged {
    id: AnalysisId,
    plan: Plan,
    estimate: Estimate,
    stage: usize,
    results: BTreeMap<CallId, StageAnswer>,
    open: BTreeMap<usize, Open>,
    out: VecDeque<Output>,
    started: Timestamp,
    stage_started: Timestamp,
    notes: Vec<String>,
    restored: bool,
    over: bool,
}

#[derive(Debug, Clone)]
struct Open {
    since: Timestamp,
    until: Timestamp,
    first_token: Option<u64>,
    shown: bool,
}

impl Staged {
    /// A run that has not begun.
    pub fn new(id: AnalysisId, plan: Plan, estimate: Estimate) -> Self {
        let moment = Timestamp::default();
        Self {
            id,
            plan,
            estimate,
            stage: 0,
            results: BTreeMap::new(),
            open: BTreeMap::new(),
            out: VecDeque::new(),
            started: moment,
            stage_started: moment,
            notes: Vec::new(),
            restored: false,
            over: false,
        }
    }

    /// A run that was interrupted: what had been answered (or had failed) is not asked again.
    pub fn restore(
        id: AnalysisId,
        plan: Plan,
        estimate: Estimate,
        started: Timestamp,
        results: Vec<StageAnswer>,
    ) -> Self {
        let key = |result: &StageAnswer| CallId {
            stage: result.stage,
            member: result.member,
        };
        let results = results
            .into_iter()
            .map(|result| (key(&result), result))
            .collect();
        Self {
            results,
            started,
            restored: true,
            ..Self::new(id, plan, estimate)
        }
    }

    /// Takes in what happened. Inputs for calls that are no longer open are ignored.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        if self.over {
            return;
        }
        match input {
            Input::Started => self.start(now),
            Input::Delta(call, delta) => self.delta(now, call, delta),
            Input::Answered {
                call,
                answer,
                cached,
            } => {
                let result = if answer.text.trim().is_empty() {
                    Err(CallError::new(
                        CallErrorKind::Empty,
                        "the model answered with nothing",
                    ))
                } else {
                    Ok(answer)
                };
                self.settle(now, call, result, cached);
            }
            Input::Failed(call, error) => self.settle(now, call, Err(error), false),
            Input::Tick => self.expire(now),
            Input::Cancelled(reason) => {
                self.stop_open();
                self.finish(now, Status::Cancelled, None, Some(reason));
            }
        }
    }

    /// The next wish; to be repeated until it is `Wait` or `Done`.
    pub fn poll(&mut self) -> Output {
        self.out
            .pop_front()
            .unwrap_or_else(|| Output::Wait(self.open.values().map(|open| open.until).min()))
    }

    fn start(&mut self, now: Timestamp) {
        if !self.restored {
            self.started = now;
            let models: Vec<String> = self
                .plan
                .members
                .iter()
                .map(|member| member.model.clone())
                .collect();
            let last = self.plan.stages.len() - 1;
            let info = |(index, stage): (usize, &crate::domain::analysis::Stage)| StageInfo {
                stage: stage.name.clone(),
                models: if index == last {
                    vec![self.plan.synthesiser.model.clone()]
                } else {
                    models.clone()
                },
            };
            let plan = self.plan.stages.iter().enumerate().map(info).collect();
            self.out.push_back(Output::Emit(Event::Started {
                analysis_id: self.id.clone(),
                pattern: self.plan.pattern.clone(),
                models: models.clone(),
                ultra_model: self.plan.synthesiser.model.clone(),
                plan,
                estimate: self.estimate.clone(),
            }));
        }
        self.begin(now, 0);
    }

    // Enters a stage, or passes through it when there is nothing (left) to ask in it.
    fn begin(&mut self, now: Timestamp, mut stage: usize) {
        loop {
            self.stage = stage;
            self.stage_started = now;
            if stage > 0 && self.out_of_budget() {
                return self.finish(
                    now,
                    Status::Failed,
                    None,
                    Some("the budget of this analysis is used up".into()),
                );
            }
            if self.is_last() {
                return self.synthesise(now);
            }
            let participants = self.participants();
            let waiting: Vec<usize> = participants
                .iter()
                .copied()
                .filter(|&member| self.result(member).is_none())
                .collect();
            if !waiting.is_empty() {
                self.emit_stage_started();
                for member in waiting {
                    self.call(now, member);
                }
                return;
            }
            if participants.is_empty() {
                let note = format!(
                    "stage {} was skipped: fewer than two members had a text to compare",
                    self.name()
                );
                self.notes.push(note);
            }
            if stage == 0 && !self.anyone_answered(0) {
                return self.nobody_answered(now);
            }
            stage += 1;
        }
    }

    // Members of a later stage are those that have not failed so far. Reviews need somebody to review.
    fn participants(&self) -> Vec<usize> {
        let all = 0..self.plan.members.len();
        if self.stage == 0 {
            return all.collect();
        }
        let alive = |&member: &usize| {
            (0..self.stage).all(|stage| {
                self.results
                    .get(&CallId { stage, member })
                    .is_none_or(StageAnswer::answered)
            }) && self.results.contains_key(&CallId { stage: 0, member })
        };
        let alive: Vec<usize> = all.filter(alive).collect();
        let compares = matches!(
            self.plan.stages[self.stage].task,
            Task::Review | Task::Revise
        );
        if compares && self.texts_before(self.stage).len() < 2 {
            Vec::new()
        } else {
            alive
        }
    }

    fn synthesise(&mut self, now: Timestamp) {
        let tried = (0..)
            .take_while(|&attempt| self.result(attempt).is_some())
            .count();
        if let Some(done) = tried
            .checked_sub(1)
            .and_then(|attempt| self.result(attempt))
            .filter(|result| result.answered())
        {
            let text = done.text.clone();
            return self.finish(now, Status::Completed, Some(text), None);
        }
        if tried < self.writers().len() {
            if tried == 0 {
                self.emit_stage_started();
            }
            return self.call(now, tried);
        }
        let reason = (tried
            .checked_sub(1)
            .and_then(|attempt| self.result(attempt)))
        .and_then(|result| result.error.as_ref())
        .map_or_else(String::new, |error| format!(": {}", error.detail));
        let error = format!("no synthesis could be written{reason}; the members' answers are kept");
        self.finish(now, Status::Failed, None, Some(error));
    }

    // Who may write the synthesis, in order of preference: the chosen one, then members that answered.
    fn writers(&self) -> Vec<&Member> {
        let texts = self.texts_before(self.plan.stages.len() - 1);
        let stand_ins = texts.iter().map(|&(member, _)| &self.plan.members[member]);
        let chosen = &self.plan.synthesiser;
        let others = stand_ins.filter(|member| member.model != chosen.model);
        std::iter::once(chosen)
            .chain(others)
            .take(SYNTHESIS_ATTEMPTS)
            .collect()
    }

    fn call(&mut self, now: Timestamp, member: usize) {
        let asked = self.member(member).clone();
        let limit = asked
            .parameters
            .timeout_s
            .map_or(CALL_LIMIT, |seconds| Duration::from_secs(seconds.into()));
        let brief = self.brief(member);
        let own = brief.own.clone().unwrap_or_default();
        let nonce = &self.plan.nonce;
        let holes = prompt::Holes {
            brief: &brief,
            own: &own,
            own_initial: self.text_at(0, member),
            members: self.texts_before(self.stage).len(),
            nonce,
        };
        let user = prompt::user_message(&self.plan.stages[self.stage].prompt, &holes);
        let messages = vec![prompt::system_message(&self.plan.sources, nonce), user];
        let request = Request {
            model: asked.model.clone(),
            messages,
            parameters: asked.parameters,
            brief,
            deadline: limit,
        };
        let open = Open {
            since: now,
            until: now + limit + GRACE,
            first_token: None,
            shown: false,
        };
        self.open.insert(member, open);
        let stage = self.name().to_owned();
        self.out.push_back(Output::Emit(Event::MemberStarted {
            stage,
            model: asked.model,
            attempt: 1,
        }));
        self.out.push_back(Output::Call(
            CallId {
                stage: self.stage,
                member,
            },
            Box::new(request),
        ));
    }

    fn brief(&self, member: usize) -> Brief {
        let task = self.plan.stages[self.stage].task;
        let mut peers: Vec<Peer> = Vec::new();
        let mut own = None;
        for (author, text) in self.texts_before(self.stage) {
            if author == member && !self.is_last() {
                own = Some(text.to_owned());
            } else {
                peers.push(Peer {
                    letter: prompt::letter(author),
                    text: prompt::anonymous(text),
                });
            }
        }
        let reader = if self.is_last() { 255 } else { member as u64 };
        prompt::shuffle(
            &mut peers,
            self.plan.seed ^ ((self.stage as u64) << 32 | reader << 16),
        );
        if task == Task::Revise {
            own = Some(self.text_at(0, member).to_owned())
                .filter(|text| !text.is_empty())
                .or(own);
        }
        Brief {
            task,
            question: self.plan.question.clone(),
            sources: self.plan.sources.clone(),
            own,
            peers,
        }
    }

    fn delta(&mut self, now: Timestamp, call: CallId, delta: Delta) {
        if call.stage != self.stage {
            return;
        }
        let Some(open) = self.open.get_mut(&call.member) else {
            return;
        };
        if open.first_token.is_none() && matches!(delta, Delta::Text(_)) {
            open.first_token = Some(now.since(open.since).as_millis() as u64);
        }
        open.shown |= matches!(delta, Delta::Text(_));
        let event = self.text_event(call.member, delta);
        self.out.push_back(Output::Emit(event));
    }

    fn text_event(&self, member: usize, delta: Delta) -> Event {
        let (stage, model) = (self.name().to_owned(), self.member(member).model.clone());
        match delta {
            Delta::Reasoning(text) => Event::Reasoning { stage, model, text },
            Delta::Text(text) if self.is_last() => Event::SynthesisDelta { text },
            Delta::Text(text) => Event::Delta { stage, model, text },
        }
    }

    fn settle(
        &mut self,
        now: Timestamp,
        call: CallId,
        result: Result<Answer, CallError>,
        cached: bool,
    ) {
        if call.stage != self.stage {
            return;
        }
        let Some(open) = self.open.remove(&call.member) else {
            return;
        };
        let model = self.member(call.member).model.clone();
        let latency_ms = now.since(open.since).as_millis() as u64;
        if let Ok(answer) = &result
            && !open.shown
        {
            let event = self.text_event(call.member, Delta::Text(answer.text.clone()));
            self.out.push_back(Output::Emit(event));
        }
        let mut kept = StageAnswer {
            stage: call.stage,
            member: call.member,
            model,
            text: String::new(),
            reasoning: String::new(),
            usage: Usage::default(),
            cost: None,
            latency_ms,
            first_token_ms: open.first_token,
            finish: None,
            error: None,
            cached,
        };
        match result {
            Ok(answer) => {
                let cost = self
                    .member(call.member)
                    .price
                    .map(|price| price.cost(&answer.usage));
                // What the cache gives is not paid again.
                kept.cost = if cached { Some(MicroDollars(0)) } else { cost };
                kept.usage = answer.usage;
                kept.finish = Some(answer.finish);
                kept.text = answer.text;
                kept.reasoning = answer.reasoning;
            }
            Err(error) => kept.error = Some(error),
        }
        self.results.insert(call, kept.clone());
        self.emit_settled(&kept);
        self.out.push_back(Output::Keep(Box::new(kept)));
        if self.open.is_empty() {
            self.stage_over(now);
        }
    }

    fn emit_settled(&mut self, kept: &StageAnswer) {
        let (stage, model) = (self.name().to_owned(), kept.model.clone());
        let event = match (&kept.error, kept.finish) {
            (None, Some(finish_reason)) => Event::MemberCompleted {
                stage,
                model,
                usage: kept.usage,
                cost_usd: kept.cost,
                latency_ms: kept.latency_ms,
                time_to_first_token_ms: kept.first_token_ms,
                cached: kept.cached,
                finish_reason,
            },
            (error, _) => {
                let error = error
                    .as_ref()
                    .map_or_else(String::new, |error| error.detail.clone());
                let fallback = if self.is_last() {
                    self.writers()
                        .get(kept.member + 1)
                        .map(|next| next.model.clone())
                } else {
                    None
                };
                let place = if self.is_last() {
                    "could not write the synthesis"
                } else {
                    "was dropped"
                };
                let next = fallback
                    .as_ref()
                    .map_or_else(String::new, |model| format!("; {model} takes its place"));
                self.notes
                    .push(format!("{model} {place} in stage {stage}: {error}{next}"));
                Event::MemberFailed {
                    stage,
                    model,
                    error,
                    retried: false,
                    fallback,
                }
            }
        };
        self.out.push_back(Output::Emit(event));
    }

    fn stage_over(&mut self, now: Timestamp) {
        if self.is_last() && !self.anyone_answered(self.stage) {
            return self.synthesise(now);
        }
        let of_stage = self
            .results
            .values()
            .filter(|result| result.stage == self.stage);
        let (answered, failed) = of_stage.fold((0, 0), |(a, f), result| {
            if result.answered() {
                (a + 1, f)
            } else {
                (a, f + 1)
            }
        });
        let duration_ms = now.since(self.stage_started).as_millis() as u64;
        self.out.push_back(Output::Emit(Event::StageCompleted {
            stage: self.name().to_owned(),
            answered,
            failed,
            duration_ms,
        }));
        if self.is_last() {
            return self.synthesise(now);
        }
        if self.stage == 0 && answered == 0 {
            return self.nobody_answered(now);
        }
        if answered == 0 {
            self.notes.push(format!(
                "stage {} gave nothing: the stage before it flows on",
                self.name()
            ));
        }
        self.begin(now, self.stage + 1);
    }

    fn nobody_answered(&mut self, now: Timestamp) {
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
        let reasons: Vec<String> = self.results.values().map(reason).collect();
        self.finish(
            now,
            Status::Failed,
            None,
            Some(format!("no member answered ({})", reasons.join("; "))),
        );
    }

    fn expire(&mut self, now: Timestamp) {
        let late: Vec<usize> = self
            .open
            .iter()
            .filter(|(_, open)| open.until <= now)
            .map(|(&member, _)| member)
            .collect();
        for member in late {
            let call = CallId {
                stage: self.stage,
                member,
            };
            self.out.push_back(Output::Stop(call));
            self.settle(
                now,
                call,
                Err(CallError::new(
                    CallErrorKind::Timeout,
                    "no answer within the time limit",
                )),
                false,
            );
        }
    }

    fn stop_open(&mut self) {
        let stage = self.stage;
        for (member, _) in std::mem::take(&mut self.open) {
            self.out.push_back(Output::Stop(CallId { stage, member }));
        }
    }

    fn finish(
        &mut self,
        now: Timestamp,
        status: Status,
        synthesis: Option<String>,
        error: Option<String>,
    ) {
        self.over = true;
        let totals = self.totals(now);
        let reason = error.clone().unwrap_or_default();
        self.out.push_back(Output::Emit(match status {
            Status::Completed => Event::Completed(totals.clone()),
            Status::Cancelled => Event::Cancelled {
                reason,
                totals: totals.clone(),
            },
            _ => Event::Failed {
                error: reason,
                totals: totals.clone(),
            },
        }));
        self.out.push_back(Output::Done(Box::new(Outcome {
            status,
            synthesis,
            error,
            totals,
        })));
    }

    fn totals(&self, now: Timestamp) -> Totals {
        let started = if self.started == Timestamp::default() {
            now
        } else {
            self.started
        };
        let mut totals = Totals {
            total_time_ms: now.since(started).as_millis() as u64,
            notes: self.notes.clone(),
            ..Totals::default()
        };
        for result in self.results.values() {
            if !result.answered() {
                totals.failed += 1;
                continue;
            }
            totals.answered += 1;
            totals.usage = totals.usage.plus(&result.usage);
            match result.cost {
                Some(cost) => totals.cost_usd = totals.cost_usd.plus(cost),
                None => totals.cost_incomplete = true,
            }
        }
        totals.cached = totals.answered > 0
            && self
                .results
                .values()
                .filter(|result| result.answered())
                .all(|result| result.cached);
        totals
    }

    fn out_of_budget(&self) -> bool {
        let spent = self
            .results
            .values()
            .filter_map(|result| result.cost)
            .fold(MicroDollars(0), MicroDollars::plus);
        self.plan.budget.is_some_and(|budget| spent > budget)
    }

    fn emit_stage_started(&mut self) {
        let event = Event::StageStarted {
            stage: self.name().to_owned(),
            index: self.stage,
            total: self.plan.stages.len(),
        };
        self.out.push_back(Output::Emit(event));
    }

    /// Texts of the newest stage before `stage` in which anybody answered, by member.
    fn texts_before(&self, stage: usize) -> Vec<(usize, &str)> {
        let of = |stage: usize| {
            self.results
                .values()
                .filter(move |result| result.stage == stage && result.answered())
        };
        let newest = (0..stage).rev().find(|&stage| of(stage).next().is_some());
        newest.map_or_else(Vec::new, |stage| {
            of(stage)
                .map(|result| (result.member, result.text.as_str()))
                .collect()
        })
    }

    fn text_at(&self, stage: usize, member: usize) -> &str {
        if self.is_last() {
            return "";
        }
        self.results
            .get(&CallId { stage, member })
            .map_or("", |result| &result.text)
    }

    fn member(&self, member: usize) -> &Member {
        if self.is_last() {
            self.writers()
                .get(member)
                .copied()
                .unwrap_or(&self.plan.synthesiser)
        } else {
            &self.plan.members[member]
        }
    }

    fn result(&self, member: usize) -> Option<&StageAnswer> {
        self.results.get(&CallId {
            stage: self.stage,
            member,
        })
    }

    fn anyone_answered(&self, stage: usize) -> bool {
        self.results
            .values()
            .any(|result| result.stage == stage && result.answered())
    }

    fn is_last(&self) -> bool {
        self.stage + 1 == self.plan.stages.len()
    }

    fn name(&self) -> &str {
        &self.plan.stages[self.stage].name
    }
}

#[cfg(test)]
mod tests;
