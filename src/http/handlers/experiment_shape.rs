//! What experiments look like in answers.

use serde_json::{Value, json};

use crate::app::experiments::{
    BlindComparison, EvaluationView, ExperimentForecast, ExperimentView,
};
use crate::domain::experiment::record::{Applied, ExperimentSummary};
use crate::domain::experiment::space::setting;
use crate::domain::experiment::spec::ExperimentSpec;

/// Settings that an estimate lists.
const LISTED: usize = 50;

/// What an experiment would take.
pub fn forecast(forecast: &ExperimentForecast) -> Value {
    let arms = &forecast.design.arms;
    let settings: Vec<Value> = arms
        .iter()
        .take(LISTED)
        .map(|arm| setting(&forecast.spec.space, arm))
        .collect();
    json!({
        "arms": arms.len(), "settings": settings, "current": forecast.design.current,
        "cases": forecast.cases.len(), "held_back": forecast.held_back,
        "evaluations_at_most": forecast.evaluations,
        "cost_usd": { "expected": forecast.cost, "at_most": forecast.cost_at_most },
        "tokens": { "expected": forecast.tokens },
        "budget": budget(&forecast.spec),
        "detectable": {
            "difference": forecast.detectable, "power": 0.8, "level": 0.05, "cases": forecast.held_back,
        },
        "stopping": forecast.stopping, "warnings": forecast.warnings,
    })
}

/// A line of the list.
pub fn line(line: &ExperimentSummary) -> Value {
    json!({
        "id": line.id, "name": line.name, "status": line.state, "arms": line.arms, "cases": line.cases,
        "evaluations": line.evaluations, "cost_usd": line.cost,
        "finding": line.verdict.map(|verdict| verdict.finding),
        "created_at": line.created, "finished_at": line.finished,
    })
}

/// Everything about one experiment but its cases.
pub fn full(shown: &ExperimentView) -> Value {
    let one = &shown.experiment;
    let spec = &one.spec;
    json!({
        "id": one.id, "name": spec.name, "status": one.state, "error": one.error,
        "created_at": one.created, "finished_at": one.finished,
        "space": spec.space, "base": spec.base, "evaluator": spec.evaluator, "objective": spec.objective,
        "budget": budget(spec), "indifference": spec.indifference, "wrong": spec.wrong, "seed": spec.seed,
        "current": one.design.current, "arms": one.design.arms.len(), "cases": shown.cases.len(),
        "progress": shown.progress, "applied": one.applied.as_ref().map(applied),
        "report": shown.report, "judge": judge(shown),
    })
}

/// A case and what each setting brought on it; the answers where they are given.
pub fn case(shown: &ExperimentView, place: usize, answers: Option<&[EvaluationView]>) -> Value {
    let case = &shown.cases[place];
    let of_case = shown
        .evaluations
        .iter()
        .filter(|one| one.cell.case == place);
    let results = of_case.map(|one| {
        let text = answers.into_iter().flatten();
        let text = text
            .into_iter()
            .find(|answered| answered.evaluation.cell == one.cell);
        let mut result = json!({
            "setting": one.cell.arm, "analysis_id": one.analysis, "error": one.error,
            "score": one.outcome.map(|outcome| outcome.score),
            "cost_usd": one.outcome.map(|outcome| outcome.cost),
            "tokens": one.outcome.map(|outcome| outcome.tokens),
            "latency_ms": one.outcome.map(|outcome| outcome.latency_ms),
        });
        if let Some(answered) = text {
            result["answer"] = json!(answered.text);
        }
        result
    });
    let results: Vec<Value> = results.collect();
    json!({
        "place": place, "prompt": case.prompt, "expected": case.expected, "label": case.label,
        "documents": case.documents, "held_back": shown.race.cases().1.contains(&place),
        "results": results,
    })
}

// Of a rule only how far it agrees with the person; of a model also how it errs.
fn judge(shown: &ExperimentView) -> Value {
    let one = &shown.experiment;
    let mut judge = json!({ "calibration": shown.calibration });
    if let Some(model) = one.spec.evaluator.judge() {
        let did = &one.judging;
        judge["model"] = json!(model.model);
        judge["kind"] = json!(model.kind);
        judge["pairs"] = json!(did.pairs);
        judge["flips"] = json!(did.flips);
        judge["unreadable"] = json!(did.unreadable);
        judge["orders"] = json!(did.orders);
        judge["probes"] = json!(did.probes);
        judge["probes_cost_usd"] = json!(did.bill.cost);
    }
    judge
}

fn budget(spec: &ExperimentSpec) -> Value {
    json!({
        "cost_usd": spec.budget.cost, "tokens": spec.budget.tokens,
        "seconds": spec.budget.latency_ms.map(|ms| ms / 1_000), "evaluations": spec.budget.evaluations,
    })
}

/// Two answers without names.
pub fn duel(duel: &BlindComparison, shown: &ExperimentView) -> Value {
    let case = &shown.cases[duel.case];
    let [left, right] = &duel.answers;
    json!({
        "done": false, "case": duel.case, "prompt": case.prompt, "expected": case.expected,
        "left": { "text": left }, "right": { "text": right }, "token": duel.token,
        "judged": duel.judged, "of": duel.of,
    })
}

/// What a setting was made.
pub fn applied(applied: &Applied) -> Value {
    json!({
        "as": if applied.default { "default" } else { "recipe" }, "place": applied.place,
        "recipe": format!("{}@{}", applied.name, applied.version), "recipe_id": applied.recipe,
    })
}
