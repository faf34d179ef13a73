//! Experiments over HTTP: the request's shape, and for each row what is asked of the app. What an experiment
//! looks like in an answer stands in `experiment_shape`.

use std::collections::BTreeMap;

use hyper::StatusCode;
use hyper::header::{CONTENT_DISPOSITION, LOCATION};
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::{private, visit};
use super::experiment_shape as shape;
use crate::app::Error;
use crate::app::experiments::{
    ApplyTarget, BlindComparison, ComparisonChoice, ExperimentParams, ExperimentWatch,
};
use crate::domain::experiment::export;
use crate::domain::experiment::record::ExperimentState;
use crate::domain::experiment::{self, Case, Objective, Parameter, Scoring, SearchSpace};
use crate::domain::id::ExperimentId;
use crate::domain::money::MicroDollars;
use crate::domain::request::Request;
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;
use crate::http::sse;

/// The request of an experiment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewExperiment {
    #[serde(default)]
    name: String,
    cases: Vec<Case>,
    space: SearchSpace,
    #[serde(default)]
    base: Request,
    #[serde(default)]
    current: BTreeMap<Parameter, Value>,
    evaluator: Scoring,
    #[serde(default = "quality")]
    objective: Objective,
    #[serde(default)]
    budget: BudgetBody,
    #[serde(default)]
    indifference: Option<f64>,
    #[serde(default)]
    wrong: Option<f64>,
    #[serde(default)]
    seed: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BudgetBody {
    cost_usd: Option<f64>,
    tokens: Option<u64>,
    seconds: Option<u64>,
    evaluations: Option<u64>,
}

fn quality() -> Objective {
    Objective::Quality
}

impl NewExperiment {
    /// What is asked of the app. Refuses an amount that is none.
    pub fn wanted(self) -> Result<ExperimentParams, Error> {
        let cost = self.budget.cost_usd.map(|dollars| {
            let why = "must be an amount of at least 0";
            MicroDollars::from_dollars(dollars)
                .ok_or_else(|| Error::field(&["body", "budget", "cost_usd"], "out_of_range", why))
        });
        Ok(ExperimentParams {
            name: self.name,
            cases: self.cases,
            space: self.space,
            base: self.base,
            current: self.current,
            evaluator: self.evaluator,
            objective: self.objective,
            budget: experiment::ExperimentBudget {
                cost: cost.transpose()?,
                tokens: self.budget.tokens,
                latency_ms: self.budget.seconds.map(|s| s.saturating_mul(1_000)),
                evaluations: self.budget.evaluations,
            },
            indifference: self.indifference,
            wrong: self.wrong,
            seed: self.seed,
        })
    }
}

/// POST /api/experiments/cases: a file of cases as the body.
pub async fn read_cases(mut cx: RequestContext, _: Caller) -> Result<Reply, ApiError> {
    let bytes = cx.bytes().await?;
    let read = cx.app.experiments().read_cases(&bytes)?;
    let body = json!({ "cases": read.cases, "notes": read.notes });
    Ok(private(Reply::json(&body)))
}

/// POST /api/experiments/estimate
pub async fn estimate(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let wanted = cx.json::<NewExperiment>().await?.wanted()?;
    let forecast = cx.app.experiments().forecast(&caller, wanted).await?;
    Ok(private(Reply::json(&shape::forecast(&forecast))))
}

/// POST /api/experiments
pub async fn start(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let wanted = cx.json::<NewExperiment>().await?.wanted()?;
    let visit = visit(&cx);
    let begun = cx.app.experiments().start(&caller, wanted, &visit).await?;
    let body = json!({ "experiment_id": begun.id, "status": begun.state });
    let place = format!("/api/experiments/{}", begun.id);
    Ok(Reply::json(&body)
        .status(StatusCode::CREATED)
        .header(LOCATION, &place))
}

/// GET /api/experiments
pub async fn list(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (limit, cursor) = cx.page()?;
    let cursor = cursor.map(|text| {
        let why = "not a cursor of this list";
        ExperimentId::parse(&text)
            .ok_or_else(|| Error::field(&["query", "cursor"], "value_error", why))
    });
    let cursor = cursor.transpose()?;
    let found = cx
        .app
        .experiments()
        .list(&caller.user, limit, cursor)
        .await?;
    let full = found.len() == limit as usize;
    let next = found.last().filter(|_| full).map(|line| line.id.clone());
    let shown: Vec<Value> = found.iter().map(shape::line).collect();
    let body = json!({ "experiments": shown, "next_cursor": next });
    Ok(private(Reply::json(&body)))
}

/// GET /api/experiments/{id}
pub async fn show(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let shown = cx.app.experiments().show(&caller.user, &id(&cx)?).await?;
    Ok(private(Reply::json(&shape::full(&shown))))
}

/// GET /api/experiments/{id}/cases
pub async fn cases(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let shown = cx.app.experiments().show(&caller.user, &id(&cx)?).await?;
    let cases: Vec<Value> = (0..shown.cases.len())
        .map(|place| shape::case(&shown, place, None))
        .collect();
    Ok(private(Reply::json(&json!({ "cases": cases }))))
}

/// GET /api/experiments/{id}/cases/{n}: with the answers.
pub async fn case(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let experiments = cx.app.experiments();
    let shown = experiments.show(&caller.user, &id(&cx)?).await?;
    let place = cx.param("n").parse().ok();
    let place = place.filter(|&place: &usize| place < shown.cases.len());
    let place = place.ok_or_else(Error::missing)?;
    let answers = experiments.answers(&shown, place).await?;
    Ok(private(Reply::json(&shape::case(
        &shown,
        place,
        Some(&answers),
    ))))
}

/// GET /api/experiments/{id}/export?format=
pub async fn export(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = id(&cx)?;
    let shown = cx.app.experiments().show(&caller.user, &id).await?;
    let format = cx.query("format").unwrap_or_else(|| "json".into());
    let (text, content_type, ending) = match format.as_str() {
        "json" => {
            let mut all = shape::full(&shown);
            let cases = (0..shown.cases.len()).map(|place| shape::case(&shown, place, None));
            all["cases"] = cases.collect();
            (format!("{all:#}"), "application/json", "json")
        }
        "csv" => (
            export::csv(&shown.experiment, &shown.cases, &shown.evaluations),
            "text/csv; charset=utf-8",
            "csv",
        ),
        "markdown" | "md" => (
            export::markdown(&shown.experiment, &shown.cases, &shown.report),
            "text/markdown; charset=utf-8",
            "md",
        ),
        _ => {
            let why = "must be json, csv or markdown";
            return Err(Error::field(&["query", "format"], "value_error", why).into());
        }
    };
    let name = format!("attachment; filename=\"{id}.{ending}\"");
    Ok(private(
        Reply::bytes(text, content_type).header(CONTENT_DISPOSITION, &name),
    ))
}

/// GET /api/experiments/{id}/events
pub async fn events(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = id(&cx)?;
    let watch = cx.app.experiments().watch(&caller.user, &id).await?;
    let state = ExperimentStream {
        app: cx.app.clone(),
        caller,
        id,
        watch: Some(watch),
    };
    Ok(sse::stream(&cx, state, |mut state| async move {
        let mut watch = state.watch.take()?;
        let event = match watch.next().await {
            Some(progress) => {
                state.watch = Some(watch);
                (
                    "experiment.progress",
                    serde_json::to_string(&progress).ok()?,
                )
            }
            // A store that cannot answer ends the stream without a last event; the client comes back for it.
            None => {
                let experiments = state.app.experiments();
                let shown = experiments.show(&state.caller.user, &state.id).await.ok()?;
                let body = json!({ "status": shown.experiment.state });
                ("experiment.finished", body.to_string())
            }
        };
        let event = sse::SseEvent {
            id: None,
            name: event.0.into(),
            data: event.1,
        };
        Some((vec![event], state))
    }))
}

struct ExperimentStream {
    app: std::sync::Arc<crate::app::App>,
    caller: Caller,
    id: ExperimentId,
    watch: Option<ExperimentWatch>,
}

/// POST /api/experiments/{id}/cancel
pub async fn cancel(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = id(&cx)?;
    let state = cx.app.experiments().cancel(&caller, &id).await?;
    Ok(status(&id, state))
}

/// POST /api/experiments/{id}/resume
pub async fn resume(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (id, visit) = (id(&cx)?, visit(&cx));
    let state = cx.app.experiments().resume(&caller, &id, &visit).await?;
    Ok(status(&id, state))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ApplyBody {
    #[serde(default)]
    place: Option<usize>,
    #[serde(rename = "as", default)]
    how: ApplyHow,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ApplyHow {
    #[default]
    Recipe,
    Default,
}

/// POST /api/experiments/{id}/apply
pub async fn apply(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: ApplyBody = cx.json_or_empty().await?;
    let (id, visit) = (id(&cx)?, visit(&cx));
    let wish = ApplyTarget {
        place: body.place,
        default: body.how == ApplyHow::Default,
        name: body.name,
    };
    let experiments = cx.app.experiments();
    let applied = experiments.apply(&caller, &id, wish, &visit).await?;
    let body = json!({ "experiment_id": id, "applied": shape::applied(&applied) });
    Ok(private(Reply::json(&body)))
}

/// POST /api/experiments/{id}/revert
pub async fn revert(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (id, visit) = (id(&cx)?, visit(&cx));
    let notes = cx.app.experiments().revert(&caller, &id, &visit).await?;
    let body = json!({ "experiment_id": id, "applied": null, "notes": notes });
    Ok(private(Reply::json(&body)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DuelBody {
    token: String,
    preferred: DuelSide,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DuelSide {
    Left,
    Right,
    Tie,
    Skip,
}

/// GET /api/experiments/{id}/duel
pub async fn duel(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (id, experiments) = (id(&cx)?, cx.app.experiments());
    let duel = experiments.duel(&caller, &id, None).await?;
    shown_duel(&cx, &caller, &id, duel).await
}

/// POST /api/experiments/{id}/duel
pub async fn decide(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: DuelBody = cx.json().await?;
    let (id, experiments) = (id(&cx)?, cx.app.experiments());
    let choice = match body.preferred {
        DuelSide::Left => ComparisonChoice::Left,
        DuelSide::Right => ComparisonChoice::Right,
        DuelSide::Tie => ComparisonChoice::Tie,
        DuelSide::Skip => ComparisonChoice::Skip,
    };
    let duel = experiments
        .decide(&caller, &id, &body.token, choice)
        .await?;
    shown_duel(&cx, &caller, &id, duel).await
}

async fn shown_duel(
    cx: &RequestContext,
    caller: &Caller,
    id: &ExperimentId,
    duel: Option<BlindComparison>,
) -> Result<Reply, ApiError> {
    let shown = cx.app.experiments().show(&caller.user, id).await?;
    let body = match duel {
        None => json!({ "done": true }),
        Some(duel) => shape::duel(&duel, &shown),
    };
    Ok(private(Reply::json(&body)))
}

/// DELETE /api/experiments/{id}
pub async fn delete(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (id, visit) = (id(&cx)?, visit(&cx));
    cx.app.experiments().delete(&caller, &id, &visit).await?;
    super::accounts::done("the experiment is deleted")
}

fn status(id: &ExperimentId, state: ExperimentState) -> Reply {
    Reply::json(&json!({ "experiment_id": id, "status": state }))
}

fn id(cx: &RequestContext) -> Result<ExperimentId, ApiError> {
    ExperimentId::parse(cx.param("id")).ok_or_else(|| Error::missing().into())
}
