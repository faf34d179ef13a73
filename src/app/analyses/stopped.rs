//! Resumes a stopped run: continues one of its texts, or writes the answer from its drafts.

use crate::app::{Error, Kind, Result};
use crate::domain::analysis::{Analysis, Arrangement, Depth, Plan, StageAnswer};
use crate::domain::chat::{Finish, Task, Usage};
use crate::domain::id::{AnalysisId, UserId};
use crate::domain::money::MicroDollars;
use crate::domain::request::{Request, RunContext};
use crate::store::{self, Reader, analyses};

/// A stopped run and what to do with it.
pub(super) struct StoppedRun {
    analysis: Analysis,
    answers: Vec<StageAnswer>,
    /// The text to continue; `None` to write the answer from the drafts.
    answer_to_continue: Option<StageAnswer>,
}

impl StoppedRun {
    /// Loads the run that a request continues; `None` if it continues none.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read. The inner result is `Missing` if the user has no such analysis,
    /// and `Conflict` if it is still running or has nothing to continue.
    pub(super) fn load(
        db: &Reader,
        user: &UserId,
        (continue_of, write_from): (Option<&AnalysisId>, Option<&AnalysisId>),
        model: Option<&str>,
    ) -> store::Result<Result<Option<Self>>> {
        let Some(id) = continue_of.or(write_from) else {
            return Ok(Ok(None));
        };
        let Some(analysis) = analyses::by_id(db, Some(user), id)? else {
            return Ok(Err(Error::missing()));
        };
        let answers = analyses::answers_of(db, id)?;
        let answer_to_continue = match continue_of {
            Some(_) => chosen_answer(&answers, model).cloned(),
            None => None,
        };
        if !analysis.status.is_over() {
            return Ok(conflict_error(
                "this analysis is still running",
                "stop it first",
            ));
        }
        if continue_of.is_some() && answer_to_continue.is_none() {
            return Ok(conflict_error(
                "there is no stopped text to continue",
                "ask again",
            ));
        }
        let run = Self {
            analysis,
            answers,
            answer_to_continue,
        };
        Ok(run.check().map(|()| Some(run)))
    }

    fn check(&self) -> Result<()> {
        let plan = &self.analysis.plan;
        if self.answer_to_continue.is_some() {
            return match plan.arrangement {
                Arrangement::Vote => conflict_error("a vote cannot be continued", "ask again"),
                _ => Ok(()),
            };
        }
        if !self.has_synthesis() {
            return conflict_error(
                "this pattern cannot write an answer from drafts",
                "ask again",
            );
        }
        match drafts_of(plan, &self.answers).is_empty() {
            true => conflict_error("nothing has been written yet", "ask again"),
            false => Ok(()),
        }
    }

    // Whether the run writes a synthesis from drafts and does not read documents in parts.
    fn has_synthesis(&self) -> bool {
        let plan = &self.analysis.plan;
        let is_single_stage = matches!(plan.arrangement, Arrangement::Single | Arrangement::Vote);
        !is_single_stage && plan.first_answer_stage() == 0
    }

    /// Fills in the request that continues the run, with the question, the models, and the texts to start from.
    pub(super) fn fill(self, request: &mut Request, context: &mut RunContext) {
        if request.prompt.trim().is_empty() {
            request.prompt.clone_from(&self.analysis.request.prompt);
        }
        let drafts = drafts_of(&self.analysis.plan, &self.answers);
        let Some(answer_to_continue) = &self.answer_to_continue else {
            context.drafts = drafts;
            return;
        };
        let model = model_of(answer_to_continue).to_owned();
        context.answer_prefix.clone_from(&answer_to_continue.text);
        // A synthesis is continued by the same synthesizer, from the drafts it was written from.
        let is_synthesis = answer_to_continue.stage + 1 == self.analysis.plan.stages.len();
        if is_synthesis && self.has_synthesis() && !drafts.is_empty() {
            request.models.clear();
            request.ultra_model = Some(model);
            context.drafts = drafts;
        } else {
            request.models = vec![model];
            request.depth = Some(Depth::Quick);
        }
    }
}

fn conflict_error<T>(why: &str, remedy: &str) -> Result<T> {
    Err(Error::new(Kind::Conflict, why).resolve(remedy))
}

// Returns the stopped text to continue, written by `model` if one is named: the longest one of the latest stage, which
// is the synthesis if that was begun.
fn chosen_answer<'a>(answers: &'a [StageAnswer], model: Option<&str>) -> Option<&'a StageAnswer> {
    let is_wanted = |answer: &&StageAnswer| {
        let (full_name, model_name) = (model_of(answer), model.unwrap_or_default());
        let name = full_name
            .split_once('/')
            .map_or(full_name, |(_, name)| name);
        model.is_none() || full_name == model_name || name == model_name
    };
    let partial = answers.iter().filter(|answer| answer.is_partial());
    partial
        .filter(is_wanted)
        .max_by_key(|answer| (answer.stage, answer.text.len()))
}

/// Prepares a plan that starts from drafts: the members are their authors, and only the synthesis is left. Returns the
/// drafts, renumbered to match the remaining members.
pub(super) fn assign_drafts(plan: &mut Plan, drafts: &[StageAnswer]) -> Vec<StageAnswer> {
    let last = plan.stages.pop();
    plan.stages.truncate(1);
    plan.stages.extend(last);
    let mut members = Vec::new();
    let mut assigned_drafts = Vec::new();
    for member in std::mem::take(&mut plan.members) {
        let name = member.name();
        if let Some(draft) = drafts.iter().find(|draft| is_written_by(draft, &name)) {
            assigned_drafts.push(StageAnswer {
                member: members.len(),
                ..draft.clone()
            });
            members.push(member);
        }
    }
    plan.members = members;
    assigned_drafts
}

// Whether this model wrote the text. A text by a fallback counts as written by the model that it replaced.
fn is_written_by(draft: &StageAnswer, name: &str) -> bool {
    draft.fallback_for.as_deref().unwrap_or(&draft.model) == name
}

// Returns each member's newest draft, complete or partial, as an answer of the first stage without cost. Reviews and
// notes on document parts are not drafts.
fn drafts_of(plan: &Plan, answers: &[StageAnswer]) -> Vec<StageAnswer> {
    let is_draft = |answer: &&StageAnswer| {
        let stage = plan.stages.get(answer.stage);
        let is_answer = stage.is_some_and(|stage| !matches!(stage.task, Task::Review | Task::Read));
        let is_member = answer.stage + 1 < plan.stages.len();
        is_answer && is_member && (answer.answered() || answer.is_partial())
    };
    let mut drafts: Vec<StageAnswer> = Vec::new();
    for answer in answers.iter().filter(is_draft) {
        let finish = match answer.is_partial() {
            true => Some(Finish::Length),
            false => answer.finish,
        };
        let draft = StageAnswer {
            stage: 0,
            usage: Usage::default(),
            cost: Some(MicroDollars(0)),
            finish,
            error: None,
            cached: true,
            earlier: Vec::new(),
            ..answer.clone()
        };
        drafts.retain(|earlier| earlier.member != draft.member);
        drafts.push(draft);
    }
    drafts
}

// Returns the model name without the sample number.
fn model_of(answer: &StageAnswer) -> &str {
    answer.model.split('#').next().unwrap_or_default()
}
