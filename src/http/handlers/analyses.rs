//! Analysis handlers: parse the request, call the use case, and build the response (`analysis_shape`).

use hyper::StatusCode;
use hyper::header::{CONTENT_DISPOSITION, HeaderName, LOCATION};
use serde::Deserialize;
use serde_json::{Value, json};

use super::analysis_shape::{self as shape, ResultsShape};
use super::idempotent::{OnDisconnect, with_idempotency_key};
use super::{thread_shape, usage};
use crate::app::analyses::{AnalysisForecast, AnalysisReport, CancelOnDrop, RunWatch, StartedRun};
use crate::app::{Error, Kind};
use crate::clock;
use crate::domain::analysis::{Plan, Status};
use crate::domain::context_mode::MemberFit;
use crate::domain::export;
use crate::domain::id::AnalysisId;
use crate::domain::pattern::estimate;
use crate::domain::request::{Request, RunContext};
use crate::domain::time::Timestamp;
use crate::domain::user::Caller;
use crate::http::auth::LinkToken;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;
use crate::http::sse;

/// Header with the thread ID. It is sent with streamed analyses, whose events do not contain the ID, and with a panel's
/// answers under `/v1`. Requests under `/v1` may contain it too.
pub(super) const THREAD_HEADER: HeaderName = HeaderName::from_static("x-quire-thread");

/// `POST /analyze`, `/api/analyze`: runs an analysis. Responds with the result, with a stream of events, or with 202 if
/// the run is detached. Unless events are streamed, an `Idempotency-Key` is respected.
///
/// # Errors
/// `BadRequest` or `BadInput` for an invalid request; `SignInNeeded` without a caller; `BudgetExceeded` if the budget
/// is too small; `TooFast` or `Unavailable` if too many analyses are waiting; `Unavailable` if every model fails or the
/// server is stopping.
pub async fn start(cx: RequestContext, caller: Option<Caller>) -> Result<Reply, ApiError> {
    run(cx, caller, ResultsShape::Map).await
}

/// `POST /api/orchestrator/analyze`: runs an analysis like [`start`], but returns `results` as a list.
///
/// # Errors
/// Same as [`start`].
pub async fn orchestrate(cx: RequestContext, caller: Option<Caller>) -> Result<Reply, ApiError> {
    run(cx, caller, ResultsShape::List).await
}

async fn run(
    mut cx: RequestContext,
    caller: Option<Caller>,
    results_shape: ResultsShape,
) -> Result<Reply, ApiError> {
    let request: Request = cx.json().await?;
    let streamed = request.stream || cx.wants_events();
    let owner = caller.clone().filter(|_| !streamed);
    let Some(owner) = owner else {
        return run_once(&cx, caller, request, streamed, results_shape).await;
    };
    let fields = serde_json::to_string(&request).map_err(Error::internal)?;
    let text = || format!("{results_shape:?} {fields}");
    let on_disconnect = match request.detached {
        true => OnDisconnect::Continues,
        false => OnDisconnect::Stops,
    };
    let work = run_once(&cx, caller, request, streamed, results_shape);
    with_idempotency_key(&cx, &owner, on_disconnect, text, work).await
}

async fn run_once(
    cx: &RequestContext,
    caller: Option<Caller>,
    request: Request,
    streamed: bool,
    results_shape: ResultsShape,
) -> Result<Reply, ApiError> {
    let detached = request.detached;
    let analyses = cx.app.analyses();
    let StartedRun {
        id,
        finished,
        mut guard,
        ..
    } = analyses
        .start(
            caller.as_ref(),
            request,
            RunContext::default(),
            clock::now(),
        )
        .await?;
    if detached && !streamed {
        return accepted_reply(cx, caller.as_ref(), &id).await;
    }
    // The run belongs to the connection unless it is detached: if the client disconnects, the run and its calls stop.
    if streamed {
        let watch = analyses.watch(caller.as_ref(), &id, 0).await?;
        let position = match &caller {
            Some(caller) => analyses.thread_position(caller, &id).await?,
            None => None,
        };
        let reply = stream_events(cx, watch, guard.take());
        return Ok(match position {
            Some(position) => reply.header(THREAD_HEADER, position.thread.as_str()),
            None => reply,
        });
    }
    let outcome = finished.wait_for_outcome().await;
    if let Some(guard) = &mut guard {
        guard.disarm();
    }
    let Some(outcome) = outcome else {
        return Err(Error::new(Kind::Unavailable, "the server is shutting down")
            .resolve("send the request again in a minute")
            .into());
    };
    let is_stored = outcome.unstored.is_none();
    let report = analyses.show_ended(caller.as_ref(), &id, *outcome).await;
    let report = report.map_err(|mut error| {
        // The run is paid for: the client must look for it instead of repeating the request.
        error.is_final = true;
        error
    })?;
    Ok(with_unstored_header(
        result_or_error(&report, results_shape)?,
        is_stored,
    ))
}

fn result_or_error(
    report: &AnalysisReport,
    results_shape: ResultsShape,
) -> Result<Reply, ApiError> {
    match report.analysis.status {
        Status::Completed => Ok(Reply::json(&shape::result_json(report, results_shape))),
        _ => {
            let reason = report
                .analysis
                .error
                .clone()
                .unwrap_or_else(|| "the analysis has no result".into());
            // The run failed without any answer, because its budget did not cover the first stage.
            if report.answers.is_empty() && report.analysis.status == Status::Failed {
                return Err(Error::new(Kind::BudgetExceeded, reason)
                    .resolve("ask for less, or wait until the budget resets")
                    .into());
            }
            let mut error = Error::new(Kind::Unavailable, reason)
                .resolve("choose other models, or try again later");
            error.retry_after = Some(std::time::Duration::from_secs(30));
            Err(error.into())
        }
    }
}

/// Adds the header `x-quire-stored: no` if an answer could not be stored.
pub(super) fn with_unstored_header(reply: Reply, is_stored: bool) -> Reply {
    match is_stored {
        true => reply,
        false => reply.header(HeaderName::from_static("x-quire-stored"), "no"),
    }
}

/// Returns the 202 response to a request that started a detached run.
pub(super) async fn accepted_reply(
    cx: &RequestContext,
    caller: Option<&Caller>,
    id: &AnalysisId,
) -> Result<Reply, ApiError> {
    let url = format!("/api/analyses/{id}");
    let results = format!("{}{url}", cx.app.config.base_path());
    let mut body = json!({
        "analysis_id": id, "status": "running", "events_url": format!("{results}/events"), "results_url": results,
    });
    let position = match caller {
        // The run has started: if its thread cannot be read, an error would invite the client to start another run.
        Some(caller) => {
            let position = cx.app.analyses().thread_position(caller, id).await;
            position.unwrap_or_default()
        }
        None => None,
    };
    shape::add_thread_position(&mut body, position.as_ref());
    Ok(Reply::json(&body)
        .status(StatusCode::ACCEPTED)
        .header(LOCATION, &url))
}

/// `POST /api/estimate`, `/api/estimate-tokens`: estimates the calls, tokens, and cost of an analysis.
///
/// # Errors
/// `BadRequest` or `BadInput` for an invalid request; `SignInNeeded` without a caller; `Missing` if a document is
/// unknown.
pub async fn forecast(mut cx: RequestContext, caller: Option<Caller>) -> Result<Reply, ApiError> {
    let request: Request = cx.json().await?;
    let forecast = cx
        .app
        .analyses()
        .forecast(caller.as_ref(), request, RunContext::default())
        .await?;
    Ok(Reply::json(&forecast_json(&forecast, cx.now)))
}

/// Returns a forecast as JSON.
pub fn forecast_json(forecast: &AnalysisForecast, now: Timestamp) -> Value {
    let total = estimate::total_estimate(&forecast.calls);
    let too_small = forecast.small_window_models.iter();
    let too_small =
        too_small.map(|(model, window)| json!({"model": model, "context_window": window}));
    let budget = forecast.budget_standing.as_ref();
    json!({
        "status": "success",
        "pattern": forecast.plan.pattern,
        "models": forecast.plan.members.iter().map(|member| &member.model).collect::<Vec<_>>(),
        "ultra_model": forecast.plan.synthesizer.model,
        "passages": forecast.plan.sources.len(),
        "parts": forecast.plan.parts.len(),
        "members": member_contexts(&forecast.plan),
        "calls": forecast.calls,
        "retrieval": forecast.plan.retrieval.as_ref().map(shape::retrieval_json),
        "total": total,
        "input_tokens": total.input_tokens, "output_tokens": total.output_tokens, "cost_usd": total.cost_usd,
        "upper_bound_usd": estimate::upper_bound(&forecast.calls),
        "allowed": forecast.refusal.is_none(),
        "refusal": forecast.refusal.as_ref().map(|refused| &refused.public),
        "budget": budget.map(|standing| usage::budget_json(standing, now)),
        "context_too_small": too_small.collect::<Vec<Value>>(),
        "pictures": {
            "count": forecast.plan.pictures.len(), "not_seen_by": forecast.models_without_vision, "unseen": forecast.no_model_sees_images,
        },
        "estimated": true,
    })
}

/// Returns how much of the documents fits into each model's context window: first the members, then the synthesizer.
fn member_contexts(plan: &Plan) -> Vec<Value> {
    let find = |model: &str| {
        let all = plan.members.iter().chain([&plan.synthesizer]);
        all.into_iter().find(|member| member.model == model)
    };
    let to_json = |fit: &MemberFit| {
        let tokens = find(&fit.model).map(|member| estimate::document_tokens_of(plan, member));
        json!({"model": fit.model, "documents": {
            "fit": fit.fit, "why": fit.why, "tokens": tokens, "parts": plan.parts.len(),
        }})
    };
    plan.fits.iter().map(to_json).collect()
}

/// `GET /api/analyses/{id}` and its aliases: returns an analysis with its result.
///
/// # Errors
/// `Missing` if the caller has no such analysis.
pub async fn show(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let report = cx.app.analyses().show(&caller, &id_param(&cx)?).await?;
    Ok(Reply::json(&shape::full_json(&report)))
}

/// `DELETE /api/analyses/{id}`: deletes an analysis.
///
/// # Errors
/// `Missing` if the caller has no such analysis.
pub async fn delete(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    cx.app
        .analyses()
        .delete(&caller, &id_param(&cx)?, clock::now())
        .await?;
    Ok(Reply::json(
        &json!({ "success": true, "message": "analysis deleted" }),
    ))
}

/// `GET /api/analyses/{id}/events`, `/analyze/stream/{id}`: streams the events of a run. If `Last-Event-ID` or the
/// query parameter `after` contains an event number, only later events are sent.
///
/// # Errors
/// `Missing` if the caller has no such analysis; `BadInput` for an invalid event number.
pub async fn events(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let last_id = match cx.header(HeaderName::from_static("last-event-id")) {
        Some(text) => Some(text.to_owned()),
        None => cx.query("after"),
    };
    let last_seq = match last_id.as_deref().map(str::trim) {
        None | Some("") => 0,
        Some(text) => text.parse().map_err(|_| {
            Error::field(
                &["query", "after"],
                "value_error",
                "must be an event number",
            )
        })?,
    };
    let watch = cx
        .app
        .analyses()
        .watch(Some(&caller), &id_param(&cx)?, last_seq)
        .await?;
    Ok(stream_events(&cx, watch, None))
}

/// `GET /api/analyses/{id}/progress`: returns the progress of each stage.
///
/// # Errors
/// `Missing` if the caller has no such analysis.
pub async fn progress(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let report = cx.app.analyses().show(&caller, &id_param(&cx)?).await?;
    Ok(Reply::json(&shape::progress_json(&report)))
}

/// `POST /api/analyses/{id}/cancel`: stops a run.
///
/// # Errors
/// `Missing` if the caller has no such analysis.
pub async fn cancel(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = id_param(&cx)?;
    let status = cx.app.analyses().cancel(&caller, &id).await?;
    Ok(Reply::json(&json!({ "analysis_id": id, "status": status })))
}

/// `POST /api/analyses/{id}/synthesize`: finishes a run early, using the answers that have arrived.
///
/// # Errors
/// `Missing` if the caller has no such analysis; `Conflict` if it has no answer yet or no server is executing the run.
pub async fn synthesize(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = id_param(&cx)?;
    let status = cx.app.analyses().finish_early(&caller, &id).await?;
    Ok(Reply::json(&json!({ "analysis_id": id, "status": status })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SkipModelBody {
    model: String,
}

/// `POST /api/analyses/{id}/leave-out`: continues a run without one of its models.
///
/// # Errors
/// `Missing` if the caller has no such analysis; `BadRequest` or `BadInput` for an invalid body or a model
/// that is not on the panel; `Conflict` if no server is executing the run.
pub async fn skip_model(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: SkipModelBody = cx.json().await?;
    let id = id_param(&cx)?;
    let analyses = cx.app.analyses();
    let status = analyses.skip_model(&caller, &id, &body.model).await?;
    Ok(Reply::json(&json!({ "analysis_id": id, "status": status })))
}

/// `GET /api/analyses/{id}/export?format=`: downloads an analysis as JSON, CSV, Markdown, or HTML.
///
/// # Errors
/// `Missing` if the caller has no such analysis; `BadInput` for an unknown format.
pub async fn export(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = id_param(&cx)?;
    let report = cx.app.analyses().show(&caller, &id).await?;
    let format = cx.query("format").unwrap_or_else(|| "json".into());
    let (text, content_type, extension) = match format.as_str() {
        "json" => (
            format!("{:#}", shape::full_json(&report)),
            "application/json",
            "json",
        ),
        "csv" => (
            export::csv(&report.analysis, &report.answers),
            "text/csv; charset=utf-8",
            "csv",
        ),
        "markdown" | "md" => (
            export::markdown(&report.analysis, &report.answers),
            "text/markdown; charset=utf-8",
            "md",
        ),
        "html" => (
            export::html(&report.analysis, &report.answers),
            "text/html; charset=utf-8",
            "html",
        ),
        _ => {
            return Err(Error::field(
                &["query", "format"],
                "value_error",
                "must be json, csv, markdown, or html",
            )
            .into());
        }
    };
    Ok(Reply::bytes(text, content_type).header(
        CONTENT_DISPOSITION,
        &format!("attachment; filename=\"{id}.{extension}\""),
    ))
}

/// `POST /api/analyses/{id}/share`: creates a public link to an analysis.
///
/// # Errors
/// `Missing` if the caller has no such analysis.
pub async fn share(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = id_param(&cx)?;
    let token = cx.app.analyses().share(&caller, &id).await?;
    let mut link = link_json(&cx, &token);
    link["analysis_id"] = json!(id);
    Ok(Reply::json(&link))
}

/// Returns a share link as JSON: its path on the host, and the full URL if `PUBLIC_URL` is set.
pub(super) fn link_json(cx: &RequestContext, token: &str) -> Value {
    let link = format!("/share/{token}");
    let path = format!("{}{link}", cx.app.config.base_path());
    let url = match &cx.app.config.public_url {
        Some(public) => format!("{public}{link}"),
        None => path.clone(),
    };
    json!({ "status": "success", "token": token, "path": path, "url": url })
}

/// `DELETE /api/analyses/{id}/share`: revokes the public link to an analysis.
///
/// # Errors
/// `Missing` if the caller has no such analysis.
pub async fn unshare(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    cx.app.analyses().unshare(&caller, &id_param(&cx)?).await?;
    Ok(Reply::json(
        &json!({ "success": true, "message": "the link has been revoked" }),
    ))
}

/// `GET /api/shared/{token}`: returns the analysis or thread behind a public link. A thread includes the results of its
/// turns.
///
/// # Errors
/// `Missing` if the token is not valid.
pub async fn shared(cx: RequestContext, token: LinkToken) -> Result<Reply, ApiError> {
    let threads = cx.app.threads();
    if let Some((thread, reports)) = threads.find_shared(token.as_str()).await? {
        let mut body = thread_shape::report_json(&thread);
        body["results"] = reports.iter().map(shape::full_json).collect();
        return Ok(Reply::json(&body));
    }
    let report = cx.app.analyses().find_shared(token.as_str()).await?;
    Ok(Reply::json(&shape::full_json(&report)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VoteBody {
    choice: String,
}

/// `POST /api/analyses/{id}/vote`: rates the answer.
///
/// # Errors
/// `Missing` if the caller has no such analysis; `BadRequest` or `BadInput` for an invalid body.
pub async fn vote(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = id_param(&cx)?;
    let body: VoteBody = cx.json().await?;
    cx.app
        .analyses()
        .vote(&caller, &id, &body.choice, clock::now())
        .await?;
    Ok(Reply::json(
        &json!({ "status": "success", "analysis_id": id, "choice": body.choice }),
    ))
}

/// Streams the events of a run. When the client disconnects, `guard` is dropped with the body, which stops the run.
fn stream_events(cx: &RequestContext, watch: RunWatch, guard: Option<CancelOnDrop>) -> Reply {
    sse::stream(cx, (watch, guard), |(mut watch, guard)| async move {
        // A database error ends the stream without a final event, so that the client reconnects.
        let events = watch.next().await.ok().flatten()?;
        let events = events.iter().map(|event| sse::SseEvent {
            id: Some(event.stored_event.seq),
            name: event.stored_event.kind.clone().into(),
            data: event.stored_event.data.clone(),
        });
        Some((events.collect(), (watch, guard)))
    })
}

pub(super) fn id_param(cx: &RequestContext) -> Result<AnalysisId, ApiError> {
    AnalysisId::parse(cx.param("id")).ok_or_else(|| Error::missing().into())
}
