//! Experiment handlers and their request bodies. Responses are built by `experiment_shape`.

use std::collections::BTreeMap;

use hyper::StatusCode;
use hyper::header::{CONTENT_DISPOSITION, LOCATION};
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::{no_store, request_origin};
use super::experiment_shape as shape;
use crate::app::Error;
use crate::app::experiments::{
    self, ApplyTarget, BlindComparison, ComparisonChoice, ExperimentParams, ExperimentView,
    ExperimentWatch,
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

/// The request body that describes a new experiment.
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
    #[serde(default = "default_objective")]
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

fn default_objective() -> Objective {
    Objective::Quality
}

impl NewExperiment {
    /// Converts the body to the app's parameters.
    ///
    /// # Errors
    /// `BadInput` if the budget is negative or not a valid amount.
    pub fn into_params(self) -> Result<ExperimentParams, Error> {
        let cost = self.budget.cost_usd.map(|dollars| {
            let why = "must be at least 0";
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
            error_rate: self.wrong,
            seed: self.seed,
        })
    }
}

/// `POST /api/experiments/cases`: parses a file of cases, which is the request body, and returns them.
///
/// # Errors
/// `BadRequest` if the file is not UTF-8; `BadInput` if a case is invalid.
pub async fn read_cases(mut cx: RequestContext, _: Caller) -> Result<Reply, ApiError> {
    let bytes = cx.bytes().await?;
    let read = experiments::read_cases(&bytes)?;
    let body = json!({ "cases": read.cases, "notes": read.notes });
    Ok(no_store(Reply::json(&body)))
}

/// `POST /api/experiments/estimate`: estimates the cost and the statistical power of an experiment.
///
/// # Errors
/// `BadRequest` or `BadInput` for an invalid experiment.
pub async fn estimate(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let params = cx.json::<NewExperiment>().await?.into_params()?;
    let forecast = cx.app.experiments().forecast(&caller, params).await?;
    Ok(no_store(Reply::json(&shape::forecast_json(&forecast))))
}

/// `POST /api/experiments`: creates and starts an experiment.
///
/// # Errors
/// `BadRequest` or `BadInput` for an invalid experiment; `Forbidden` for a restricted API key; `Conflict` if too many
/// experiments are running; `Unavailable` if the disk is full.
pub async fn start(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let params = cx.json::<NewExperiment>().await?.into_params()?;
    let origin = request_origin(&cx);
    let experiment = cx.app.experiments().start(&caller, params, &origin).await?;
    let body = json!({ "experiment_id": experiment.id, "status": experiment.state });
    let url = format!("/api/experiments/{}", experiment.id);
    Ok(Reply::json(&body)
        .status(StatusCode::CREATED)
        .header(LOCATION, &url))
}

/// `GET /api/experiments`: lists the caller's experiments.
///
/// # Errors
/// `BadInput` for an invalid limit or cursor.
pub async fn list(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (limit, cursor) = cx.page()?;
    let cursor = cursor.map(|text| {
        let why = "is not a cursor for this list";
        ExperimentId::parse(&text)
            .ok_or_else(|| Error::field(&["query", "cursor"], "value_error", why))
    });
    let cursor = cursor.transpose()?;
    let experiments_page = cx
        .app
        .experiments()
        .list(&caller.user, limit, cursor)
        .await?;
    let has_more = experiments_page.len() == limit as usize;
    let next = experiments_page
        .last()
        .filter(|_| has_more)
        .map(|last| last.id.clone());
    let items: Vec<Value> = experiments_page.iter().map(shape::list_item_json).collect();
    let body = json!({ "experiments": items, "next_cursor": next });
    Ok(no_store(Reply::json(&body)))
}

/// `GET /api/experiments/{id}`: returns one experiment with its report.
///
/// # Errors
/// `Missing` if the caller has no such experiment.
pub async fn show(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let view = cx
        .app
        .experiments()
        .show(&caller.user, &experiment_id(&cx)?)
        .await?;
    Ok(no_store(Reply::json(&shape::full_json(&view))))
}

/// `GET /api/experiments/{id}/cases`: returns an experiment's cases and their scores.
///
/// # Errors
/// `Missing` if the caller has no such experiment.
pub async fn cases(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let view = cx
        .app
        .experiments()
        .show(&caller.user, &experiment_id(&cx)?)
        .await?;
    let cases: Vec<Value> = (0..view.cases.len())
        .map(|index| shape::case_json(&view, index, None))
        .collect();
    Ok(no_store(Reply::json(&json!({ "cases": cases }))))
}

/// `GET /api/experiments/{id}/cases/{n}`: returns one case with the answer of each configuration.
///
/// # Errors
/// `Missing` if the caller has no such experiment, or the experiment has no such case.
pub async fn case(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let experiments = cx.app.experiments();
    let view = experiments.show(&caller.user, &experiment_id(&cx)?).await?;
    let index = cx.param("n").parse().ok();
    let index = index.filter(|&index: &usize| index < view.cases.len());
    let index = index.ok_or_else(Error::missing)?;
    let answers = experiments.answers(&view, index).await?;
    Ok(no_store(Reply::json(&shape::case_json(
        &view,
        index,
        Some(&answers),
    ))))
}

/// `GET /api/experiments/{id}/export?format=`: downloads an experiment as JSON, CSV, or Markdown.
///
/// # Errors
/// `Missing` if the caller has no such experiment; `BadInput` for an unknown format.
pub async fn export(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = experiment_id(&cx)?;
    let view = cx.app.experiments().show(&caller.user, &id).await?;
    let format = cx.query("format").unwrap_or_else(|| "json".into());
    let Some((text, content_type, extension)) = export_file(&view, &format) else {
        let why = "must be json, csv, or markdown";
        return Err(Error::field(&["query", "format"], "value_error", why).into());
    };
    let name = format!("attachment; filename=\"{id}.{extension}\"");
    Ok(no_store(
        Reply::bytes(text, content_type).header(CONTENT_DISPOSITION, &name),
    ))
}

/// Returns an experiment as a file: text, content type, and file extension. Returns `None` for an unknown format.
pub fn export_file(
    view: &ExperimentView,
    format: &str,
) -> Option<(String, &'static str, &'static str)> {
    Some(match format {
        "json" => {
            let mut all = shape::full_json(view);
            let cases = (0..view.cases.len()).map(|index| shape::case_json(view, index, None));
            all["cases"] = cases.collect();
            (format!("{all:#}"), "application/json", "json")
        }
        "csv" => (
            export::csv(&view.experiment, &view.cases, &view.evaluations),
            "text/csv; charset=utf-8",
            "csv",
        ),
        "markdown" | "md" => (
            export::markdown(&view.experiment, &view.cases, &view.report),
            "text/markdown; charset=utf-8",
            "md",
        ),
        _ => return None,
    })
}

/// `GET /api/experiments/{id}/events`: streams the progress of an experiment.
///
/// # Errors
/// `Missing` if the caller has no such experiment.
pub async fn events(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = experiment_id(&cx)?;
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
            // A database error ends the stream without a final event, so that the client reconnects.
            None => {
                let experiments = state.app.experiments();
                let view = experiments.show(&state.caller.user, &state.id).await.ok()?;
                let body = json!({ "status": view.experiment.state });
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

/// `POST /api/experiments/{id}/cancel`: stops an experiment and keeps its results.
///
/// # Errors
/// `Missing` if the caller has no such experiment.
pub async fn cancel(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = experiment_id(&cx)?;
    let state = cx.app.experiments().cancel(&caller, &id).await?;
    Ok(status_reply(&id, state))
}

/// `POST /api/experiments/{id}/resume`: continues a stopped experiment.
///
/// # Errors
/// `Missing` if the caller has no such experiment; `Conflict` if it is completed or too many experiments are running.
pub async fn resume(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (id, origin) = (experiment_id(&cx)?, request_origin(&cx));
    let state = cx.app.experiments().resume(&caller, &id, &origin).await?;
    Ok(status_reply(&id, state))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ApplyBody {
    #[serde(default)]
    place: Option<usize>,
    #[serde(rename = "as", default)]
    target: ApplyAs,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ApplyAs {
    #[default]
    Recipe,
    Default,
}

/// `POST /api/experiments/{id}/apply`: saves a configuration as a recipe or as the caller's default.
///
/// # Errors
/// `Missing` if the caller has no such experiment; `Conflict` if a configuration is already applied, nothing has been
/// evaluated, or the final comparison refuted the best configuration and no other is chosen; `BadInput` for an invalid
/// body.
pub async fn apply(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: ApplyBody = cx.json_of_any_content_type().await?;
    let (id, origin) = (experiment_id(&cx)?, request_origin(&cx));
    let target = ApplyTarget {
        index: body.place,
        default: body.target == ApplyAs::Default,
        name: body.name,
    };
    let experiments = cx.app.experiments();
    let applied = experiments.apply(&caller, &id, target, &origin).await?;
    let body = json!({ "experiment_id": id, "applied": shape::applied_json(&applied) });
    Ok(no_store(Reply::json(&body)))
}

/// `POST /api/experiments/{id}/revert`: undoes the effect of [`apply`].
///
/// # Errors
/// `Missing` if the caller has no such experiment; `Conflict` if nothing is applied.
pub async fn revert(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (id, origin) = (experiment_id(&cx)?, request_origin(&cx));
    let notes = cx.app.experiments().revert(&caller, &id, &origin).await?;
    let body = json!({ "experiment_id": id, "applied": null, "notes": notes });
    Ok(no_store(Reply::json(&body)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JudgmentBody {
    token: String,
    preferred: PreferredSide,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PreferredSide {
    Left,
    Right,
    Tie,
    Skip,
}

/// `GET /api/experiments/{id}/duel`: returns the next blind comparison for the caller to judge.
///
/// # Errors
/// `Missing` if the caller has no such experiment.
pub async fn next_comparison(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (id, experiments) = (experiment_id(&cx)?, cx.app.experiments());
    let comparison = experiments.next_comparison(&caller, &id, None).await?;
    comparison_response(&cx, &caller, &id, comparison).await
}

/// `POST /api/experiments/{id}/duel`: records the judgment of a blind comparison and returns the next one.
///
/// # Errors
/// `Missing` if the caller has no such experiment; `BadRequest` or `BadInput` for an invalid body or an unknown
/// comparison.
pub async fn record_judgment(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: JudgmentBody = cx.json().await?;
    let (id, experiments) = (experiment_id(&cx)?, cx.app.experiments());
    let choice = match body.preferred {
        PreferredSide::Left => ComparisonChoice::Left,
        PreferredSide::Right => ComparisonChoice::Right,
        PreferredSide::Tie => ComparisonChoice::Tie,
        PreferredSide::Skip => ComparisonChoice::Skip,
    };
    let comparison = experiments
        .record_choice(&caller, &id, &body.token, choice)
        .await?;
    comparison_response(&cx, &caller, &id, comparison).await
}

async fn comparison_response(
    cx: &RequestContext,
    caller: &Caller,
    id: &ExperimentId,
    comparison: Option<BlindComparison>,
) -> Result<Reply, ApiError> {
    let view = cx.app.experiments().show(&caller.user, id).await?;
    let body = match comparison {
        None => json!({ "done": true }),
        Some(comparison) => shape::blind_comparison_json(&comparison, &view),
    };
    Ok(no_store(Reply::json(&body)))
}

/// `DELETE /api/experiments/{id}`: deletes an experiment.
///
/// # Errors
/// `Missing` if the caller has no such experiment.
pub async fn delete(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (id, origin) = (experiment_id(&cx)?, request_origin(&cx));
    cx.app.experiments().delete(&caller, &id, &origin).await?;
    super::accounts::success_reply("the experiment has been deleted")
}

fn status_reply(id: &ExperimentId, state: ExperimentState) -> Reply {
    Reply::json(&json!({ "experiment_id": id, "status": state }))
}

fn experiment_id(cx: &RequestContext) -> Result<ExperimentId, ApiError> {
    ExperimentId::parse(cx.param("id")).ok_or_else(|| Error::missing().into())
}
