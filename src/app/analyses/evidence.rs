//! Chooses the models that compare a run's answers, and drops the comparison if the budget has no room for it.

use super::Analyses;
use super::check::CheckedRequest;
use crate::app::Result;
use crate::domain::analysis::{Arrangement, Member, Plan};
use crate::domain::id::UserId;
use crate::domain::model::Model;
use crate::domain::parameters::Parameters;
use crate::domain::pattern::estimate::{self, CallEstimate};
use crate::domain::plan::{EvidenceMode, EvidencePlan};
use crate::domain::time::Timestamp;
use crate::domain::usage;

/// Maximum number of candidate models for checking the answer.
const MAX_CHECKERS: usize = 4;

impl Analyses<'_> {
    /// Plans the evidence calls of a run. `models` are its members followed by the synthesizer.
    pub(super) fn evidence_plan(
        &self,
        user: Option<&UserId>,
        new: &CheckedRequest,
        arrangement: Arrangement,
        models: &[Model],
    ) -> EvidencePlan {
        let (mode, reason) = self.evidence_mode(new);
        if mode == EvidenceMode::Off {
            return EvidencePlan::disabled(reason);
        }
        match arrangement {
            Arrangement::Single if mode == EvidenceMode::Auto => {
                return EvidencePlan::disabled(
                    "only one model answered, so there is nothing to compare",
                );
            }
            Arrangement::Vote if mode == EvidenceMode::Auto => {
                return EvidencePlan::disabled("votes are counted, so no model writes an answer");
            }
            _ => {}
        }
        let requested_evidence = new.request.evidence.as_ref();
        let requested_model = requested_evidence.and_then(|evidence| evidence.model());
        let chosen_model = requested_model.and_then(|id| self.llm.find(user, id));
        let Some(judge) = chosen_model.or_else(|| choose_judge(models, mode)) else {
            return EvidencePlan {
                lacks_judge: true,
                ..EvidencePlan::disabled(
                    "demo models compare words, not meaning; add a language model to compare the answers",
                )
            };
        };
        EvidencePlan {
            checkers: choose_checkers(models, &judge),
            judge: Some(member_for(&judge)),
            ..EvidencePlan::default()
        }
    }

    // Returns whether a model compares the answers, and the reason if none does. None does for a single model that an
    // API client calls: most clients ignore the result, and it costs money.
    fn evidence_mode(&self, new: &CheckedRequest) -> (EvidenceMode, &'static str) {
        if new.context.is_passthrough {
            return (EvidenceMode::Off, "an API client asked a single model");
        }
        if let Some(evidence) = &new.request.evidence {
            return (evidence.mode(), "it was turned off for this analysis");
        }
        if new.context.experiment.is_some() {
            return (EvidenceMode::Off, "runs of experiments are not compared");
        }
        (self.evidence, "it is turned off on this server")
    }

    /// Drops a plan's evidence calls if the plan is affordable only without them. Keeps them if the request insists on
    /// them. Returns estimates of the plan's remaining calls.
    ///
    /// # Errors
    /// Currently never fails: an error from the store counts as an exceeded budget.
    pub(super) async fn fit_evidence(
        &self,
        user: Option<&UserId>,
        new: &CheckedRequest,
        plan: &mut Plan,
        now: Timestamp,
    ) -> Result<Vec<CallEstimate>> {
        let calls = estimate::estimate_calls(plan);
        let requested_evidence = new.request.evidence.as_ref();
        let is_requested =
            requested_evidence.is_some_and(|evidence| evidence.mode() == EvidenceMode::On);
        if plan.evidence.judge.is_none() || is_requested {
            return Ok(calls);
        }
        if self
            .usage
            .check_affordable(user, plan, &calls, now)
            .await
            .is_ok()
        {
            return Ok(calls);
        }
        let evidence = EvidencePlan::disabled("the budget has no room for it");
        let plan_without = Plan {
            evidence,
            ..plan.clone()
        };
        let calls_without = estimate::estimate_calls(&plan_without);
        match self
            .usage
            .check_affordable(user, &plan_without, &calls_without, now)
            .await
        {
            Ok(()) => {
                *plan = plan_without;
                Ok(calls_without)
            }
            // The run exceeds the budget even without the evidence calls, so dropping them does not help.
            Err(_) => Ok(calls),
        }
    }
}

// Chooses the model that compares the answers: the synthesizer or, if it is a demo model and the request insists on a
// comparison, the strongest other model. Demo models never judge.
fn choose_judge(models: &[Model], mode: EvidenceMode) -> Option<Model> {
    let writer = models.last().filter(|model| !model.mock);
    let others = models.iter().filter(|model| !model.mock);
    let strongest = || others.max_by_key(|model| model.strength);
    match mode {
        EvidenceMode::On => writer.or_else(strongest).cloned(),
        _ => writer.cloned(),
    }
}

// Returns candidates for checking the answer: models of this run, those of other families first and the writer itself
// last. Models outside the run must not see its documents.
fn choose_checkers(models: &[Model], judge: &Model) -> Vec<Member> {
    let Some(writer) = models.last() else {
        return Vec::new();
    };
    let mut checkers: Vec<&Model> = Vec::new();
    let others = models.iter().chain([judge]);
    for model in others.filter(|model| !model.mock && model.id != writer.id) {
        if checkers.iter().all(|listed| listed.id != model.id) {
            checkers.push(model);
        }
    }
    let is_same_family = |model: &&Model| !model.family.is_empty() && model.family == writer.family;
    checkers.sort_by_key(is_same_family);
    checkers.truncate(MAX_CHECKERS - 1);
    checkers.extend(Some(writer).filter(|writer| !writer.mock));
    checkers.into_iter().map(member_for).collect()
}

fn member_for(model: &Model) -> Member {
    Member {
        model: model.id.clone(),
        parameters: Parameters::default(),
        price: usage::price_of(model),
        fallbacks: Vec::new(),
        sample: 0,
        reads: 0,
    }
}
