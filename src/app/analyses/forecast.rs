//! Estimates what an analysis would cost and whether it would be started. Makes no calls and stores nothing.

use std::collections::BTreeMap;

use super::Analyses;
use crate::app::usage::BudgetStanding;
use crate::app::{Error, Kind, Result};
use crate::clock;
use crate::domain::analysis::Plan;
use crate::domain::id::UserId;
use crate::domain::pattern::estimate::CallEstimate;
use crate::domain::request::{Request, RunContext};
use crate::domain::user::Caller;

/// What an analysis would use and cost, and whether a budget would refuse it.
#[derive(Debug, Clone)]
pub struct AnalysisForecast {
    /// The plan that would run.
    pub plan: Plan,
    /// The expected usage and cost of each call.
    pub calls: Vec<CallEstimate>,
    /// The user's budgets; `None` without an account.
    pub budget_standing: Option<BudgetStanding>,
    /// Why a budget would refuse the analysis; `None` if it would start.
    pub refusal: Option<Error>,
    /// Models whose context window is too small, each with its window size in tokens.
    pub small_window_models: Vec<(String, u64)>,
    /// Models of the panel that are known not to accept the request's images.
    pub models_without_vision: Vec<String>,
    /// Whether no model of the panel accepts the images.
    pub no_model_sees_images: bool,
}

impl Analyses<'_> {
    /// Returns the ID of the model that would write the answer.
    ///
    /// # Errors
    /// Returns the errors of `check` and of planning.
    pub(in crate::app) async fn synthesizer_of(
        &self,
        caller: &Caller,
        request: Request,
        context: RunContext,
    ) -> Result<String> {
        let new = self.check(Some(caller), request, context).await?;
        let user = Some(&caller.user);
        let images = self.document_images(user, &new).await?;
        let plan = self.plan(user, &new, images).await?;
        Ok(plan.synthesizer.model)
    }

    /// Estimates tokens and cost before anything is spent.
    ///
    /// # Errors
    /// Returns the errors of `check` and of planning. An exceeded budget is not an error: see
    /// `AnalysisForecast::refusal`.
    pub async fn forecast(
        &self,
        caller: Option<&Caller>,
        request: Request,
        context: RunContext,
    ) -> Result<AnalysisForecast> {
        let new = self.check(caller, request, context).await?;
        let user = caller.map(|caller| &caller.user);
        let images = self.document_images(user, &new).await?;
        let mut plan = self.plan(user, &new, images).await?;
        let calls = self.fit_evidence(user, &new, &mut plan, clock::now());
        let calls = calls.await?;
        let usage = self.usage;
        let standing = match user {
            Some(user) => Some(usage.budget_status(user).await?),
            None => None,
        };
        let refusal = match usage
            .check_affordable(user, &plan, &calls, clock::now())
            .await
        {
            Err(refusal) if refusal.kind != Kind::BudgetExceeded => return Err(refusal),
            result => result.err(),
        };
        let (models_without_vision, no_model_sees_images) = self.models_without_vision(user, &plan);
        Ok(AnalysisForecast {
            models_without_vision,
            no_model_sees_images,
            small_window_models: self.small_window_models(user, &calls),
            budget_standing: standing,
            refusal,
            calls,
            plan,
        })
    }

    // Returns the models that reject images, and whether all models do. A model that is not in the catalog is assumed
    // to accept images: only a call can tell.
    fn models_without_vision(&self, user: Option<&UserId>, plan: &Plan) -> (Vec<String>, bool) {
        if plan.pictures.is_empty() {
            return (Vec::new(), false);
        }
        let panel_members = plan.members.iter().chain([&plan.synthesizer]);
        let mut models: Vec<&str> = panel_members.map(|member| &*member.model).collect();
        models.sort_unstable();
        models.dedup();
        let count = models.len();
        models.retain(|id| {
            self.llm
                .find(user, id)
                .is_some_and(|model| model.rejects_images())
        });
        let no_model_sees_images = models.len() == count;
        (
            models.into_iter().map(str::to_owned).collect(),
            no_model_sees_images,
        )
    }

    // Returns the models whose context window is too small for a call, with the window's size in tokens. Models with a
    // window of unknown size are omitted.
    fn small_window_models(
        &self,
        user: Option<&UserId>,
        calls: &[CallEstimate],
    ) -> Vec<(String, u64)> {
        let mut small_windows = BTreeMap::new();
        for call in calls {
            let model = self.llm.find(user, &call.model);
            let window = model.map_or(0, |model| model.context_window);
            if window > 0 && call.input_tokens + call.output_tokens > window {
                small_windows.insert(call.model.clone(), window);
            }
        }
        small_windows.into_iter().collect()
    }
}
