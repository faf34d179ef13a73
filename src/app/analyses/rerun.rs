//! Reruns an analysis with changes, reusing answers that the changes do not affect. Also makes a run in progress finish
//! early or skip a model.

use super::conversation::check_conversation;
use super::{Analyses, AnalysisForecast, StartedRun};
use crate::app::{Error, Kind, Result};
use crate::domain::analysis::{Analysis, CacheUse, Plan, StageAnswer, Status};
use crate::domain::chat::{Answer, ModelRequest};
use crate::domain::id::AnalysisId;
use crate::domain::pattern::estimate::CallEstimate;
use crate::domain::pattern::staged::StagedRun;
use crate::domain::request::{Request, RunContext};
use crate::domain::time::Timestamp;
use crate::domain::user::Caller;

impl Analyses<'_> {
    /// Starts a modified rerun of one of the caller's analyses.
    ///
    /// # Errors
    /// `Missing` if the caller has no such analysis, and the errors of `start`.
    pub async fn rerun(
        &self,
        caller: &Caller,
        id: &AnalysisId,
        request: Request,
        now: Timestamp,
    ) -> Result<StartedRun> {
        let old = self.show(caller, id).await?;
        let context = conversation_of(&old.analysis, &request)?;
        let new = self.check(Some(caller), request, context).await?;
        let earlier = EarlierRun {
            plan: old.analysis.plan,
            answers: old.answers,
        };
        let user = Some(caller.user.clone());
        self.begin(user, new, Some(earlier), now).await
    }

    /// Estimates what a rerun would reuse and which calls it would make.
    ///
    /// # Errors
    /// `Missing` if the caller has no such analysis, and the errors of `forecast`.
    pub async fn estimate_rerun(
        &self,
        caller: &Caller,
        id: &AnalysisId,
        request: Request,
    ) -> Result<RerunForecast> {
        let old = self.show(caller, id).await?;
        let context = conversation_of(&old.analysis, &request)?;
        let mut forecast = self.forecast(Some(caller), request, context).await?;
        let earlier = EarlierRun {
            plan: old.analysis.plan,
            answers: old.answers,
        };
        let reused = earlier.reused_answers(&forecast.plan);
        for answer in &reused {
            let stage = &forecast.plan.stages[answer.stage].name;
            let is_reused =
                |call: &CallEstimate| (&call.stage, &call.model) == (stage, &answer.model);
            if let Some(at) = forecast.calls.iter().position(is_reused) {
                forecast.calls.remove(at);
            }
        }
        Ok(RerunForecast { forecast, reused })
    }

    /// Makes a run finish early by writing the answer from the texts available so far. Returns the run's status, and
    /// does nothing if it has already ended.
    ///
    /// # Errors
    /// `Missing` if the caller has no such analysis; `Conflict` if no member has answered yet, or if no
    /// server is executing the run.
    pub async fn finish_early(&self, caller: &Caller, id: &AnalysisId) -> Result<Status> {
        let report = self.show(caller, id).await?;
        if report.analysis.status.is_over() {
            return Ok(report.analysis.status);
        }
        if !report.answers.iter().any(StageAnswer::answered) {
            let why = "no model has answered yet, so there is nothing to write an answer from";
            return Err(Error::new(Kind::Conflict, why).resolve("wait for the first answer"));
        }
        if !self.engine.finish_early(id) && !self.engine.finish_early_on_other_server(id).await? {
            let why = "this analysis is no longer running";
            return Err(Error::new(Kind::Conflict, why));
        }
        Ok(report.analysis.status)
    }

    /// Makes a run continue without the answer of one model. Returns the run's status, and does nothing if it has
    /// already ended.
    ///
    /// # Errors
    /// `Missing` if the caller has no such analysis; `BadInput` if the model is not on its panel; `Conflict`
    /// if no server is executing the run.
    pub async fn skip_model(
        &self,
        caller: &Caller,
        id: &AnalysisId,
        model: &str,
    ) -> Result<Status> {
        let report = self.show(caller, id).await?;
        let analysis = report.analysis;
        let mut panel = analysis.plan.members.iter().chain(&analysis.plan.readers);
        if !panel.any(|member| {
            member.name() == model || member.fallbacks.iter().any(|other| other.model == model)
        }) {
            let why = "is not on the panel of this analysis";
            return Err(Error::field(&["body", "model"], "value_error", why));
        }
        if !analysis.status.is_over()
            && !self.engine.skip_model(id, model)
            && !self.engine.skip_model_on_other_server(id, model).await?
        {
            let why = "this analysis is no longer running";
            return Err(Error::new(Kind::Conflict, why));
        }
        Ok(analysis.status)
    }
}

// Returns the context of a rerun: the conversation, with a changed question replacing the old one.
fn conversation_of(old: &Analysis, request: &Request) -> Result<RunContext> {
    check_conversation(&old.context)?;
    let mut context = RunContext {
        turns: old.context.turns.clone(),
        tools: old.context.tools.clone(),
        inherited: old.request.named_models(),
        parent: Some(old.id.clone()),
        thread: old.context.thread.clone(),
        follows: old.context.follows.clone(),
        answer_prefix: old.context.answer_prefix.clone(),
        is_single_model: old.context.is_single_model,
        is_threaded: old.context.is_threaded,
        ..RunContext::default()
    };
    context.replace_question(&old.request.prompt, &request.prompt);
    Ok(context)
}

/// What a rerun would use and cost.
pub struct RerunForecast {
    /// The estimate, without the calls whose answers are reused.
    pub forecast: AnalysisForecast,
    /// Answers that would be reused, with their stage and member in the new plan.
    pub reused: Vec<StageAnswer>,
}

/// The plan and answers of an earlier run, finished or not.
pub(super) struct EarlierRun {
    plan: Plan,
    answers: Vec<StageAnswer>,
}

impl EarlierRun {
    /// Returns requests with answers that the new plan can reuse. A new call reuses an answer only if its whole request
    /// is the same.
    pub fn reusable_answers(&self, plan: &Plan) -> Vec<(ModelRequest, Answer)> {
        match self.can_reuse(plan) {
            true => StagedRun::reusable_calls(&self.plan, &self.answers),
            false => Vec::new(),
        }
    }

    fn reused_answers(&self, plan: &Plan) -> Vec<StageAnswer> {
        match self.can_reuse(plan) {
            true => StagedRun::reusable_answers(plan, &self.plan, &self.answers),
            false => Vec::new(),
        }
    }

    // Whether the earlier answers can be reused. Images are not part of the model requests that are compared, so they
    // are compared here.
    fn can_reuse(&self, plan: &Plan) -> bool {
        plan.cache != CacheUse::Refresh && self.plan.pictures == plan.pictures
    }
}
