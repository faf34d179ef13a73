//! Converts experiments to JSON.

use serde_json::{Value, json};

use crate::app::experiments::{
    BlindComparison, EvaluationView, ExperimentForecast, ExperimentView,
};
use crate::domain::experiment::record::{Applied, ExperimentSummary};
use crate::domain::experiment::space::to_json;
use crate::domain::experiment::spec::ExperimentSpec;

/// Maximum number of configurations listed in a forecast.
const MAX_LISTED: usize = 50;

/// Returns the forecast of an experiment as JSON: its configurations, cost, and statistical power.
pub fn forecast_json(forecast: &ExperimentForecast) -> Value {
    let arms = &forecast.design.arms;
    let settings: Vec<Value> = arms
        .iter()
        .take(MAX_LISTED)
        .map(|arm| to_json(&forecast.spec.space, arm))
        .collect();
    let mut detectable = json!(forecast.power);
    detectable["sentence"] = json!(forecast.power.sentence(&forecast.design));
    json!({
        "arms": arms.len(), "settings": settings, "current": forecast.design.current,
        "baseline": forecast.spec.baseline(),
        "cases": forecast.cases.len(), "held_back": forecast.holdout_count,
        "evaluations_at_most": forecast.evaluations,
        "cost_usd": { "expected": forecast.cost, "at_most": forecast.cost_at_most },
        "tokens": { "expected": forecast.tokens },
        "budget": budget_json(&forecast.spec),
        "detectable": detectable,
        "stopping": forecast.stopping, "warnings": forecast.warnings,
    })
}

/// Returns an experiment as JSON for lists.
pub fn list_item_json(item: &ExperimentSummary) -> Value {
    json!({
        "id": item.id, "name": item.name, "status": item.state, "arms": item.arms, "cases": item.cases,
        "evaluations": item.evaluations, "cost_usd": item.cost,
        "finding": item.verdict.map(|verdict| verdict.finding),
        "created_at": item.created, "finished_at": item.finished_at,
    })
}

/// Returns an experiment as JSON, with its progress and its report, but without its cases.
pub fn full_json(view: &ExperimentView) -> Value {
    let experiment = &view.experiment;
    let spec = &experiment.spec;
    json!({
        "id": experiment.id, "name": spec.name, "status": experiment.state, "error": experiment.error,
        "created_at": experiment.created, "finished_at": experiment.finished_at,
        "space": spec.space, "base": spec.base, "evaluator": spec.evaluator, "objective": spec.objective,
        "budget": budget_json(spec), "indifference": spec.indifference, "wrong": spec.error_rate, "seed": spec.seed,
        "current": experiment.design.current, "baseline": spec.baseline(),
        "arms": experiment.design.arms.len(), "cases": view.cases.len(),
        "progress": view.progress, "applied": experiment.applied.as_ref().map(applied_json),
        "report": view.report, "judge": judge_json(view), "proposals": spec.proposals, "warnings": view.warnings,
    })
}

/// Returns a case as JSON, with the result of each configuration. If `answers` is given, each result includes its
/// answer.
pub fn case_json(view: &ExperimentView, index: usize, answers: Option<&[EvaluationView]>) -> Value {
    let case = &view.cases[index];
    let of_case = view
        .evaluations
        .iter()
        .filter(|evaluation| evaluation.trial.case == index);
    let results = of_case.map(|evaluation| {
        let answer = answers
            .into_iter()
            .flatten()
            .find(|answer| answer.evaluation.trial == evaluation.trial);
        let mut result = json!({
            "setting": evaluation.trial.arm, "analysis_id": evaluation.analysis, "error": evaluation.error,
            "score": evaluation.outcome.map(|outcome| outcome.score),
            "cost_usd": evaluation.outcome.map(|outcome| outcome.cost),
            "tokens": evaluation.outcome.map(|outcome| outcome.tokens),
            "latency_ms": evaluation.outcome.map(|outcome| outcome.latency_ms),
        });
        if let Some(answer) = answer {
            result["answer"] = json!(answer.text);
        }
        result
    });
    let results: Vec<Value> = results.collect();
    json!({
        "place": index, "prompt": case.prompt, "expected": case.expected, "label": case.label,
        "documents": case.documents, "held_back": view.race.race_and_holdout_cases().1.contains(&index),
        "results": results,
    })
}

/// Returns what is known about the judge as JSON: its agreement with the user's judgments and, if it is a model, its
/// error counts.
fn judge_json(view: &ExperimentView) -> Value {
    let experiment = &view.experiment;
    let mut judge = json!({ "calibration": view.calibration, "preference": view.preference });
    if let Some(model) = experiment.spec.evaluator.judge() {
        let counts = &experiment.judging;
        judge["model"] = json!(model.model);
        judge["kind"] = json!(model.kind);
        judge["pairs"] = json!(counts.pairs);
        judge["flips"] = json!(counts.flips);
        judge["unreadable"] = json!(counts.unreadable);
        judge["orders"] = json!(counts.injection_attempts);
        judge["probes"] = json!(counts.probes);
        judge["probes_cost_usd"] = json!(counts.bill.cost);
    }
    judge
}

fn budget_json(spec: &ExperimentSpec) -> Value {
    json!({
        "cost_usd": spec.budget.cost, "tokens": spec.budget.tokens,
        "seconds": spec.budget.latency_ms.map(|ms| ms / 1_000), "evaluations": spec.budget.evaluations,
    })
}

/// Returns a blind comparison as JSON: two answers, without the configurations that produced them.
pub fn blind_comparison_json(comparison: &BlindComparison, view: &ExperimentView) -> Value {
    let case = &view.cases[comparison.case];
    let [left, right] = &comparison.answers;
    json!({
        "done": false, "case": comparison.case, "prompt": case.prompt, "expected": case.expected,
        "left": { "text": left }, "right": { "text": right }, "token": comparison.token,
        "judged": comparison.judged_count, "of": comparison.offered_count,
    })
}

/// Returns as JSON how a configuration has been applied: as a recipe or as the default.
pub fn applied_json(applied: &Applied) -> Value {
    json!({
        "as": if applied.default { "default" } else { "recipe" }, "place": applied.configuration,
        "recipe": format!("{}@{}", applied.name, applied.version), "recipe_id": applied.recipe,
    })
}
