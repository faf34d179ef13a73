//! The data of a run: its plan, the results of its calls, and the current stage. Derives prompts and totals
//! from them; `staged` controls the sequence.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::analysis::{Member, Plan, Stage, StageAnswer, StageRole};
use crate::domain::chat::{Brief, CallError, Message, ModelRequest, Peer, SourcePassage, Task};
use crate::domain::event::{RunEstimate, RunEvent, RunTotals, StageInfo};
use crate::domain::id::AnalysisId;
use crate::domain::pattern::{CallId, reading};
use crate::domain::prompt;

/// Maximum number of attempts at the synthesis, not counting those by the synthesizer's fallbacks.
const SYNTHESIS_ATTEMPTS: usize = 3;

/// A run's plan, results, and current stage.
#[derive(Debug, Clone)]
pub(super) struct RunState {
    pub plan: Plan,
    pub results: BTreeMap<CallId, StageAnswer>,
    pub stage: usize,
    /// For each member, the number of fallbacks used so far; the last one used is the one to call.
    pub fallbacks_used: BTreeMap<usize, usize>,
}

impl RunState {
    // Returns the participants of the current stage: after the first answers, only the members that have not failed so
    // far, or none if a review or revision has fewer than two texts to compare.
    pub fn participants(&self) -> Vec<usize> {
        let (all, first) = (0..self.slots().len(), self.plan.first_answer_stage());
        if self.stage <= first {
            return all.collect();
        }
        let is_active = |&member: &usize| {
            (first..self.stage).all(|stage| {
                self.results
                    .get(&CallId { stage, member })
                    .is_none_or(StageAnswer::answered)
            }) && self.results.contains_key(&CallId {
                stage: first,
                member,
            })
        };
        let is_active: Vec<usize> = all.filter(is_active).collect();
        let is_comparison = matches!(
            self.plan.stages[self.stage].task,
            Task::Review | Task::Revise
        );
        if is_comparison && self.texts_before(self.stage).len() < 2 {
            Vec::new()
        } else {
            is_active
        }
    }

    // Returns the candidates for writing the synthesis in order of preference: the synthesizer, its fallbacks, and the
    // members with an answer. In a vote, models that voted are excluded.
    pub fn writers(&self) -> Vec<&Member> {
        let texts = self.texts_before(self.plan.stages.len() - 1);
        let replacements = texts.iter().map(|&(member, _)| self.model_in_slot(member));
        let synthesizer = &self.plan.synthesizer;
        let first = std::iter::once(synthesizer).chain(&synthesizer.fallbacks);
        if self.is_vote() {
            // Exclude voters, because a voter would break the tie in favor of its own vote.
            let voters: Vec<&Member> = replacements.collect();
            let voted = |model: &str| voters.iter().any(|voter| voter.model == model);
            return first.filter(|writer| !voted(&writer.model)).collect();
        }
        let limit = SYNTHESIS_ATTEMPTS + synthesizer.fallbacks.len();
        let mut writers: Vec<&Member> = Vec::new();
        for writer in first.chain(replacements) {
            if writers.len() < limit && writers.iter().all(|other| other.model != writer.model) {
                writers.push(writer);
            }
        }
        writers
    }

    // Returns the slots of the current stage: the plan's members or, in the reading stage, its readers.
    fn slots(&self) -> &[Member] {
        match self.is_reading() {
            true => &self.plan.readers,
            false => &self.plan.members,
        }
    }

    // Returns the model in a member's slot, which is the planned one or the last fallback used.
    fn model_in_slot(&self, member: usize) -> &Member {
        let planned = &self.slots()[member];
        let fallback_count = self.fallbacks_used.get(&member).copied().unwrap_or(0);
        let fallback = fallback_count
            .checked_sub(1)
            .and_then(|at| planned.fallbacks.get(at));
        fallback.unwrap_or(planned)
    }

    /// Returns the number of fallbacks of a member.
    pub fn fallbacks_of(&self, member: usize) -> usize {
        self.slots()
            .get(member)
            .map_or(0, |seat| seat.fallbacks.len())
    }

    /// Returns the fallback that would replace a member if it failed now; `None` if there is none.
    pub fn next_fallback(&self, member: usize) -> Option<&Member> {
        if self.is_last() {
            return None;
        }
        let fallback_count = self.fallbacks_used.get(&member).copied().unwrap_or(0);
        self.slots().get(member)?.fallbacks.get(fallback_count)
    }

    /// Returns the name of the planned model if a fallback has taken its place.
    pub fn replaced_model(&self, member: usize) -> Option<String> {
        let planned = match self.is_last() {
            true => &self.plan.synthesizer,
            false => self.slots().get(member)?,
        };
        (planned.model != self.member(member).model).then(|| planned.name())
    }

    /// Restores the results of an interrupted run.
    pub fn restore(&mut self, results: Vec<StageAnswer>) {
        let last = self.plan.stages.len().saturating_sub(1);
        for result in results {
            let is_member_answer = (self.plan.first_answer_stage()..last).contains(&result.stage);
            if is_member_answer && !result.earlier.is_empty() {
                *self.fallbacks_used.entry(result.member).or_default() += result.earlier.len();
            }
            let (stage, member) = (result.stage, result.member);
            self.results.insert(CallId { stage, member }, result);
        }
    }

    pub fn brief(&self, member: usize) -> Brief {
        let task = self.plan.stages[self.stage].task;
        let mut peers: Vec<Peer> = Vec::new();
        let mut own_text = None;
        let newest = self.newest_before(self.stage);
        // Critiques that were not used in a revision are shown together with the texts they criticize.
        let unused_critiques = newest.filter(|&stage| self.is_last() && self.is_review(stage));
        let read = match unused_critiques {
            Some(reviewed) => self.newest_answers_before(reviewed),
            None => newest,
        };
        if let Some(stage) = read {
            for (author, text) in self.texts_of(stage) {
                if author == member && !self.is_last() {
                    own_text = Some(text.to_owned());
                } else {
                    let mut peer = new_peer(author, text);
                    peer.text += self.truncation_note(stage, author);
                    peers.push(peer);
                }
            }
        }
        let reader = if self.is_last() { 255 } else { member as u64 };
        let seed = self.plan.seed ^ ((self.stage as u64) << 32 | reader << 16);
        prompt::shuffle(&mut peers, seed);
        let reviews = unused_critiques.map_or_else(Vec::new, |stage| self.texts_of(stage));
        let mut reviews: Vec<Peer> = reviews
            .into_iter()
            .map(|(author, text)| new_peer(author, text))
            .collect();
        prompt::shuffle(&mut reviews, seed ^ 1);
        // A revision starts from the member's own reviewed answer, rather than from its review of the others.
        if task == Task::Revise && self.task_before(self.stage) == Some(Task::Review) {
            let first = self.text_at(self.plan.first_answer_stage(), member);
            own_text = Some(first.to_owned()).filter(|text| !text.is_empty());
        }
        Brief {
            task,
            question: self.plan.question.clone(),
            sources: self.sources(member).into_owned(),
            own_text,
            peers,
            reviews,
        }
    }

    pub fn totals(&self, total_time_ms: u64, notes: &[String]) -> RunTotals {
        let mut totals = RunTotals {
            total_time_ms,
            notes: [&self.plan.notes, notes].concat(),
            ..RunTotals::default()
        };
        if let Some(retrieval) = &self.plan.retrieval {
            totals.usage = totals.usage.combined_with(&retrieval.usage);
            totals.cost_usd = totals.cost_usd.saturating_add(retrieval.cost);
            totals.cost_incomplete |= retrieval.is_cost_incomplete;
        }
        for result in self.results.values() {
            match result.answered() {
                true => totals.answered += 1,
                // A user stopped this call, which does not count as a failure.
                false if result.is_partial() => {}
                false => totals.failed += 1,
            }
            totals.failed += result.earlier.len() as u32;
            let earlier = result.earlier.iter().map(|call| (&call.usage, call.cost));
            for (usage, cost) in earlier.chain([(&result.usage, result.cost)]) {
                totals.usage = totals.usage.combined_with(usage);
                match cost {
                    Some(cost) => totals.cost_usd = totals.cost_usd.saturating_add(cost),
                    None => totals.cost_incomplete = true,
                }
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

    /// Returns the best answer so far: in the latest stage that produced answers rather than reviews, the one by the
    /// synthesizer's model or else by the first member.
    pub fn best_answer(&self) -> Option<&StageAnswer> {
        let is_answer = |result: &&StageAnswer| {
            let task = self.plan.stages.get(result.stage).map(|stage| stage.task);
            result.answered() && !matches!(task, Some(Task::Review | Task::Read))
        };
        let answers: Vec<_> = self.results.values().filter(is_answer).collect();
        let newest = answers.iter().map(|result| result.stage).max()?;
        let mut newest_answers = answers.into_iter().filter(|answer| answer.stage == newest);
        let first = newest_answers.next()?;
        let synthesizer_model = &self.plan.synthesizer.model;
        std::iter::once(first)
            .chain(newest_answers)
            .find(|answer| answer.model == *synthesizer_model)
            .or(Some(first))
    }

    /// Returns the texts of the latest stage before `stage` that has any answers, each with its member's index.
    pub fn texts_before(&self, stage: usize) -> Vec<(usize, &str)> {
        let newest = self.newest_before(stage);
        newest.map_or_else(Vec::new, |stage| self.texts_of(stage))
    }

    /// Returns the answers of a stage, each with its member's index.
    pub fn texts_of(&self, stage: usize) -> Vec<(usize, &str)> {
        let answered_in_stage = |result: &&StageAnswer| result.stage == stage && result.answered();
        let texts = self.results.values().filter(answered_in_stage);
        texts
            .map(|result| (result.member, result.text.as_str()))
            .collect()
    }

    fn is_review(&self, stage: usize) -> bool {
        self.plan.stages[stage].task == Task::Review
    }

    fn newest_answers_before(&self, stage: usize) -> Option<usize> {
        let mut earlier_stages = (self.plan.first_answer_stage()..stage).rev();
        earlier_stages.find(|&stage| !self.is_review(stage) && self.has_any_answer(stage))
    }

    fn newest_before(&self, stage: usize) -> Option<usize> {
        let mut earlier_stages = (self.plan.first_answer_stage()..stage).rev();
        earlier_stages.find(|&stage| self.has_any_answer(stage))
    }

    fn task_before(&self, stage: usize) -> Option<Task> {
        self.newest_before(stage)
            .map(|stage| self.plan.stages[stage].task)
    }

    pub fn text_at(&self, stage: usize, member: usize) -> &str {
        if self.is_last() {
            return "";
        }
        self.results
            .get(&CallId { stage, member })
            .map_or("", |result| &result.text)
    }

    pub fn member(&self, member: usize) -> &Member {
        if self.is_last() {
            self.writers()
                .get(member)
                .copied()
                .unwrap_or(&self.plan.synthesizer)
        } else {
            self.model_in_slot(member)
        }
    }

    pub fn result(&self, member: usize) -> Option<&StageAnswer> {
        self.results.get(&CallId {
            stage: self.stage,
            member,
        })
    }

    pub fn has_any_answer(&self, stage: usize) -> bool {
        self.results
            .values()
            .any(|result| result.stage == stage && result.answered())
    }

    /// Whether the current stage is the synthesizer's.
    pub fn is_last(&self) -> bool {
        self.plan.stages[self.stage].role == StageRole::Synthesizer
    }

    /// Whether the run consists only of a single model's answer.
    pub fn is_single(&self) -> bool {
        self.plan.stages.len() == self.plan.first_answer_stage() + 1 && self.is_last()
    }

    /// Whether the current stage is the reading stage.
    pub fn is_reading(&self) -> bool {
        self.stage < self.plan.first_answer_stage()
    }

    /// Returns the sources that a member is given in the current stage.
    pub fn sources(&self, member: usize) -> Cow<'_, [SourcePassage]> {
        if self.is_reading() {
            let part = self.plan.parts.get(member);
            return Cow::Borrowed(part.map_or(&[], Vec::as_slice));
        }
        if self.plan.first_answer_stage() > 0 {
            return Cow::Owned(reading::reading_notes(&self.plan, &self.texts_of(0)));
        }
        Cow::Borrowed(self.plan.sources_of(self.member(member)))
    }

    /// Builds the system message of a member's calls, which is their common prefix.
    pub fn system_message(&self, member: usize) -> Message {
        let sources = self.sources(member);
        prompt::system_message(&sources, &self.plan.nonce, &self.plan.canary)
    }

    /// Converts a text to the final answer: the JSON in it if a format is requested, and otherwise the unchanged text.
    /// `None` if the text does not conform to the format.
    pub fn to_requested_format(&self, text: &str) -> Option<String> {
        match &self.plan.format {
            None => Some(text.to_owned()),
            Some(format) => format.conforming(text).ok().map(str::to_owned),
        }
    }

    pub fn name(&self) -> &str {
        &self.plan.stages[self.stage].name
    }

    /// Builds the request of a member in the current stage. In the last stage, `member` is the number of the attempt.
    pub fn request(&self, member: usize, deadline: Duration) -> ModelRequest {
        let participant = self.member(member).clone();
        let brief = self.brief(member);
        let earlier_texts = self.texts_before(self.stage);
        let own_text = earlier_texts
            .iter()
            .find(|(author, _)| *author == member && !self.is_last());
        let placeholders = prompt::Placeholders {
            brief: &brief,
            own_text: own_text.map_or("", |(_, text)| text),
            own_initial: self.text_at(self.plan.first_answer_stage(), member),
            members: earlier_texts.len(),
            nonce: &self.plan.nonce,
        };
        let mut user = prompt::user_message(&self.plan.stages[self.stage].prompt, &placeholders);
        let tools = self.plan.tools.clone().filter(|_| self.writes_answer());
        if tools.is_some() {
            user.text += prompt::ACTION_RULES;
        }
        let model = participant.model.clone();
        let messages = prompt::conversation(&self.plan, &model, self.system_message(member), user);
        ModelRequest {
            model: participant.model,
            messages,
            parameters: participant.parameters,
            brief,
            deadline,
            format: self.plan.format.clone().filter(|_| self.writes_answer()),
            tools,
            passthrough: self.plan.passthrough.clone(),
            sample: participant.sample,
            is_prefix_reused: self.has_later_call_to(&model),
            is_live: self.plan.is_live && self.writes_answer(),
        }
    }

    /// Returns a failed call's error in the form for this plan's client. The provider's message is included
    /// if the client named the model itself.
    pub fn error_for_client(&self, error: CallError) -> CallError {
        match self.plan.bare {
            true => error.with_upstream_message(),
            false => error,
        }
    }

    // Whether the run makes more than one call to the model that starts with the same documents.
    fn has_later_call_to(&self, model: &str) -> bool {
        let stages = self.plan.stages.iter();
        let rounds = stages
            .filter(|stage| stage.role == StageRole::Members)
            .count();
        let candidates = self.plan.members.iter();
        let candidates = candidates.filter(|member| member.model == model).count();
        let writes = usize::from(self.plan.synthesizer.model == model);
        let has_sources = self.plan.all_sources().next().is_some();
        !self.is_reading() && has_sources && rounds * candidates + writes > 1
    }

    /// Rebuilds the requests of all successful calls.
    pub fn rebuild_requests(&mut self) -> Vec<(StageAnswer, ModelRequest)> {
        let results: Vec<StageAnswer> = self.results.values().cloned().collect();
        // Leave out readers that a fallback replaced: their requests would be rebuilt for the planned reader.
        let is_by_planned_member = |result: &StageAnswer| {
            result.stage >= self.plan.first_answer_stage() || result.fallback_for.is_none()
        };
        let answered_calls = results
            .into_iter()
            .filter(|result| result.answered() && is_by_planned_member(result));
        let answered_calls: Vec<StageAnswer> = answered_calls.collect();
        answered_calls
            .into_iter()
            .map(|result| {
                self.stage = result.stage;
                let request = self.request(result.member, Duration::ZERO);
                (result, request)
            })
            .collect()
    }

    /// Builds a member's request in a stage from the results so far.
    pub fn build_request(&mut self, stage: usize, member: usize) -> ModelRequest {
        self.stage = stage;
        self.request(member, Duration::ZERO)
    }

    /// Returns the `analysis.started` event.
    pub fn started_event(&self, analysis_id: AnalysisId, estimate: RunEstimate) -> RunEvent {
        let models: Vec<String> = self.plan.members.iter().map(Member::name).collect();
        // In a vote, answers are counted, and a synthesizer takes part only if it may have to break a tie.
        let writes = |stage: &Stage| stage.role == StageRole::Synthesizer;
        let ultra_model = match self.plan.stages.iter().any(writes) {
            true => self.plan.synthesizer.name(),
            false => String::new(),
        };
        let info = |stage: &Stage| StageInfo {
            stage: stage.name.clone(),
            role: stage.role,
            models: match stage.role {
                StageRole::Readers => self.plan.readers.iter().map(Member::name).collect(),
                StageRole::Members => models.clone(),
                StageRole::Synthesizer => vec![ultra_model.clone()],
            },
        };
        let plan = self.plan.stages.iter().map(info).collect();
        RunEvent::Started {
            analysis_id,
            pattern: self.plan.pattern.clone(),
            models: models.clone(),
            ultra_model: ultra_model.clone(),
            plan,
            estimate,
        }
    }

    /// Returns the notes about failed calls of a restored run.
    pub fn failure_notes(&self) -> Vec<String> {
        let note = |result: &StageAnswer| {
            let (model, stage) = (&result.model, &self.plan.stages.get(result.stage)?.name);
            let reason = &result.error.as_ref()?.detail;
            Some(format!("{model} was dropped in stage {stage}: {reason}"))
        };
        let fallback_note = |result: &StageAnswer| {
            let (model, planned) = (&result.model, result.fallback_for.as_ref()?);
            let reason = &result.earlier.first()?.error.detail;
            Some(format!(
                "{planned} failed: {reason}; {model} takes its place"
            ))
        };
        let all = self.results.values();
        all.flat_map(|result| [fallback_note(result), note(result)])
            .flatten()
            .collect()
    }

    /// Returns the number of answers and the number of failures in the current stage.
    pub fn answered_and_failed(&self) -> (usize, usize) {
        let all = self.results.values();
        let answered_in_stage = all.filter(|result| result.stage == self.stage);
        let (answers, failed): (Vec<_>, Vec<_>) = answered_in_stage.partition(|one| one.answered());
        (answers.len(), failed.len())
    }
}

fn new_peer(author: usize, text: &str) -> Peer {
    Peer {
        letter: prompt::letter(author),
        text: prompt::without_model_names(text),
    }
}
