//! An analysis again with one thing changed: what does not depend on the change is taken from the earlier
//! run and not asked again. And one that is told to come to its end.

use super::conversation::{check_conversation, named};
use super::{Analyses, AnalysisForecast, AnalysisParams, Begun};
use crate::app::{Error, Kind, Result};
use crate::domain::analysis::{CacheUse, NewAnalysis, Plan, StageAnswer, Status};
use crate::domain::chat::{Answer, ModelRequest, Role};
use crate::domain::id::AnalysisId;
use crate::domain::pattern::estimate::CallEstimate;
use crate::domain::pattern::staged::StagedRun;
use crate::domain::time::Timestamp;
use crate::domain::user::Caller;

impl Analyses<'_> {
    /// Starts what is wanted as a repetition of an analysis of the same person.
    pub async fn rerun(
        &self,
        caller: &Caller,
        id: &AnalysisId,
        wanted: AnalysisParams,
        now: Timestamp,
    ) -> Result<Begun> {
        let old = self.show(caller, id).await?;
        let wanted = AnalysisParams {
            parent: Some(id.clone()),
            ..with_conversation(wanted, &old.analysis.request)?
        };
        let new = self.check(Some(caller), wanted).await?;
        let earlier = EarlierRun {
            plan: old.analysis.plan,
            answers: old.answers,
        };
        let user = Some(caller.user.clone());
        self.begin(user, new, Some(earlier), now).await
    }

    /// What that would take over and what it would ask, before anything is spent.
    pub async fn foresee_rerun(
        &self,
        caller: &Caller,
        id: &AnalysisId,
        wanted: AnalysisParams,
    ) -> Result<RerunForecast> {
        let old = self.show(caller, id).await?;
        let wanted = with_conversation(wanted, &old.analysis.request)?;
        let mut forecast = self.forecast(Some(caller), wanted).await?;
        let earlier = EarlierRun {
            plan: old.analysis.plan,
            answers: old.answers,
        };
        let taken = earlier.spared(&forecast.plan);
        for answer in &taken {
            let stage = &forecast.plan.stages[answer.stage].name;
            let is_it = |call: &CallEstimate| (&call.stage, &call.model) == (stage, &answer.model);
            if let Some(at) = forecast.calls.iter().position(is_it) {
                forecast.calls.remove(at);
            }
        }
        Ok(RerunForecast { forecast, taken })
    }

    /// Has the answer written now, of what is ready.
    pub async fn hurry(&self, caller: &Caller, id: &AnalysisId) -> Result<Status> {
        let report = self.show(caller, id).await?;
        if report.analysis.status.is_over() {
            return Ok(report.analysis.status);
        }
        if !report.answers.iter().any(StageAnswer::answered) {
            let why = "nobody has answered yet: there is nothing to write an answer from";
            return Err(Error::new(Kind::Conflict, why).resolve("wait for the first answer"));
        }
        if !self.0.engine.hurry(id) {
            let why = "this analysis is not running here";
            return Err(Error::new(Kind::Conflict, why));
        }
        Ok(report.analysis.status)
    }

    /// Has it go on without the answer of one model.
    pub async fn leave_out(&self, caller: &Caller, id: &AnalysisId, model: &str) -> Result<Status> {
        let report = self.show(caller, id).await?;
        let analysis = report.analysis;
        let mut panel = analysis.plan.members.iter().chain(&analysis.plan.readers);
        if !panel.any(|member| {
            member.name() == model || member.fallbacks.iter().any(|other| other.model == model)
        }) {
            let why = "is not on the panel of this analysis";
            return Err(Error::field(&["body", "model"], "value_error", why));
        }
        if !analysis.status.is_over() && !self.0.engine.leave(id, model) {
            let why = "this analysis is not running here";
            return Err(Error::new(Kind::Conflict, why));
        }
        Ok(analysis.status)
    }
}

// The changes are fields of an analysis request, which has none for the conversation that its question ends.
// A changed question takes the place of the old one in it.
fn with_conversation(wanted: AnalysisParams, old: &NewAnalysis) -> Result<AnalysisParams> {
    check_conversation(old)?;
    let mut turns = old.turns.clone();
    let mut questions = turns
        .iter_mut()
        .rev()
        .filter(|turn| turn.role == Role::User);
    if let Some(last) = questions.find(|turn| turn.text == old.prompt) {
        last.text.clone_from(&wanted.prompt);
    }
    Ok(AnalysisParams {
        turns,
        tools: old.tools.clone(),
        inherited: named(old),
        ..wanted
    })
}

/// A repetition that has not begun.
pub struct RerunForecast {
    /// What it would take; its calls are those that would be made.
    pub forecast: AnalysisForecast,
    /// What would be taken over, in its new places.
    pub taken: Vec<StageAnswer>,
}

/// A run that is over, or came as far as this.
pub(super) struct EarlierRun {
    plan: Plan,
    answers: Vec<StageAnswer>,
}

impl EarlierRun {
    /// What need not be asked again in this plan: calls are compared whole when they are made.
    pub fn known(&self, plan: &Plan) -> Vec<(ModelRequest, Answer)> {
        match self.serves(plan) {
            true => StagedRun::asked(&self.plan, &self.answers),
            false => Vec::new(),
        }
    }

    fn spared(&self, plan: &Plan) -> Vec<StageAnswer> {
        match self.serves(plan) {
            true => StagedRun::taken_over(plan, &self.plan, &self.answers),
            false => Vec::new(),
        }
    }

    // Pictures are not in the requests that are compared.
    fn serves(&self, plan: &Plan) -> bool {
        plan.cache != CacheUse::Refresh && self.plan.pictures == plan.pictures
    }
}
