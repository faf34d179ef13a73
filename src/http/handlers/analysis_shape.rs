//! Converts analyses to JSON, with the fields that the contract defines. These include aliases for clients of Quire's
//! predecessor.

use serde_json::{Map, Value, json};

use super::ballot_shape;
use crate::app::analyses::{AnalysisReport, CallRecord, HistoryRow, RerunForecast, TurnLocation};
use crate::domain::analysis::{
    Analysis, Arrangement, FailedAttemptRecord, Member, Plan, StageAnswer, StageRole, Status,
};
use crate::domain::chat::SourcePassage;
use crate::domain::citation::Citation;
use crate::domain::pattern::estimate;
use crate::domain::pattern::reading::ReadCoverage;
use crate::domain::prompt::letter;
use crate::domain::retrieval::record::RetrievalRecord;
use crate::domain::schema;

/// Which form the field `results` has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultsShape {
    /// An object that maps each model to its answer.
    Map,
    /// A list with the answer of each member.
    List,
}

/// Returns an analysis as JSON for lists, without its result.
pub fn list_item_json(analysis: &HistoryRow) -> Value {
    let request = &analysis.request;
    json!({
        "id": analysis.id, "analysis_id": analysis.id, "status": analysis.status, "pattern": request.pattern(),
        "topic": request.topic(),
        "prompt": request.prompt, "models": request.models, "document_ids": request.document_ids,
        "cost_usd": analysis.cost, "usage": analysis.usage, "error": analysis.error, "shared": analysis.shared,
        "thread_id": analysis.thread,
        "created_at": analysis.created, "started_at": analysis.started, "finished_at": analysis.finished,
    })
}

fn summary_json(analysis: &Analysis) -> Value {
    let plan = &analysis.plan;
    json!({
        "id": analysis.id, "analysis_id": analysis.id, "status": analysis.status, "pattern": plan.pattern,
        "topic": analysis.request.topic(),
        "prompt": analysis.request.prompt, "models": models(analysis), "ultra_model": plan.synthesizer.model,
        "document_ids": analysis.request.document_ids, "cost_usd": analysis.cost, "usage": analysis.usage,
        "error": analysis.error, "shared": analysis.share_token_hash.is_some(),
        "created_at": analysis.created, "started_at": analysis.started, "finished_at": analysis.finished,
    })
}

/// Returns a complete analysis as JSON, with its result, sources, failures, and timeline.
pub fn full_json(report: &AnalysisReport) -> Value {
    let mut body = result_json(report, ResultsShape::Map);
    let summary = summary_json(&report.analysis);
    if let (Value::Object(body), Value::Object(summary)) = (&mut body, summary) {
        body.extend(summary);
        body.insert("sources".into(), json!(sources(&report.analysis.plan)));
        body.insert("fits".into(), json!(report.analysis.plan.fits));
        let coverage = ReadCoverage::from_answers(&report.analysis.plan, &report.answers);
        body.insert("coverage".into(), json!(coverage.map(coverage_json)));
        body.insert("failures".into(), json!(report.failures()));
        body.insert("vote".into(), json!(report.vote));
        body.insert("timeline".into(), json!(timeline_json(report)));
    }
    body
}

/// Returns the timeline of an analysis: when each call started, its time to first token, and its latency.
fn timeline_json(report: &AnalysisReport) -> Vec<Value> {
    let analysis = &report.analysis;
    let started = analysis.started.unwrap_or(analysis.created);
    let call = |call: &CallRecord| {
        let (charge, bill) = (&call.charge, &call.charge.bill);
        let stage = analysis.plan.stages.get(charge.call.stage);
        let member = stage.filter(|stage| stage.role == StageRole::Members);
        json!({
            "stage": analysis.plan.stage_name(charge.call.stage), "letter": member.map(|_| letter(charge.call.member)),
            "model": charge.model, "outcome": charge.outcome, "tries": bill.tries,
            "started_at": charge.started_at, "offset_ms": charge.started_at.since(started).as_millis() as u64,
            "latency_ms": bill.latency_ms, "time_to_first_token_ms": bill.first_token_ms,
            "usage": bill.usage, "cost_usd": call.cost,
        })
    };
    report.calls.iter().map(call).collect()
}

/// Returns the passages that a plan uses. If documents are read in parts, the text of these is omitted, because it
/// would be too long.
fn sources(plan: &Plan) -> Vec<SourcePassage> {
    let without_text = |source: &SourcePassage| SourcePassage {
        text: String::new(),
        ..source.clone()
    };
    let parts = plan.parts.iter().flatten().map(without_text);
    plan.sources.iter().cloned().chain(parts).collect()
}

fn coverage_json(coverage: ReadCoverage) -> Value {
    let missing = coverage.missing.iter();
    let missing = missing.map(|(pages, why)| json!({"pages": pages, "why": why}));
    json!({
        "parts": coverage.parts, "read": coverage.read, "missing": missing.collect::<Vec<_>>(),
        "message": coverage.sentence(),
    })
}

/// Returns the result of an analysis as JSON, in the form for a client that waits for it.
pub fn result_json(report: &AnalysisReport, results_shape: ResultsShape) -> Value {
    let analysis = &report.analysis;
    let performance = performance_json(report);
    let responses = model_responses(report);
    let ultra = analysis.synthesis.clone();
    let ultra = ultra
        .or_else(|| partial_synthesis(report))
        .unwrap_or_default();
    // An answer requested as JSON is also returned in parsed form.
    let format = analysis.plan.format.as_ref();
    let structured = format.and_then(|_| schema::find_json(&ultra));
    let results = match results_shape {
        ResultsShape::Map => json!({
            "model_responses": responses, "ultra_response": ultra, "performance": performance,
            "stages": stages_json(report),
        }),
        ResultsShape::List => Value::Array(first_answers(report).map(list_entry_json).collect()),
    };
    let cached = report.answers.iter().any(StageAnswer::answered)
        && report
            .answers
            .iter()
            .filter(|answer| answer.answered())
            .all(|answer| answer.cached);
    let mut body = json!({
        "status": match analysis.status { Status::Completed => "success", other => other.as_str() },
        "analysis_id": analysis.id,
        "results": results,
        "synthesis": ultra,
        "model_responses": responses,
        "ultra_response": ultra,
        "structured": structured,
        "best_single": best_single_json(report),
        "ballot": ballot_shape::ballot_json(report),
        "comparison_offered": report.comparison_offered,
        "findings": findings_json(analysis),
        "evidence": analysis.findings.as_ref().map(|findings| &findings.evidence),
        "citations": citations_json(report),
        "retrieval": analysis.plan.retrieval.as_ref().map(retrieval_json),
        "notes": notes(analysis),
        "degraded": analysis.findings.as_ref().and_then(|findings| findings.degraded.as_ref()),
        "performance": performance,
        "metadata": {
            "pattern": analysis.plan.pattern, "timestamp": analysis.created, "models_used": models(analysis),
            "ultra_model": synthesis_model(report), "parameters": analysis.request.parameters, "cached": cached,
            "document_ids": analysis.request.document_ids, "arrangement": analysis.plan.arrangement.as_str(),
            "depth": analysis.request.depth, "stop_when_agreed": analysis.plan.agreement,
            "repeats": analysis.context.parent, "recipe": analysis.context.recipe,
            "begun": Some(&analysis.context.answer_prefix).filter(|text| !text.is_empty()),
        },
    });
    add_thread_position(&mut body, report.thread_position.as_ref());
    body
}

/// Adds an analysis's position in its thread. In `branch`, `of` is the turn that the analysis follows, and `index` is
/// its number among all turns that follow that one.
pub fn add_thread_position(body: &mut Value, position: Option<&TurnLocation>) {
    body["thread_id"] = json!(position.map(|position| &position.thread));
    body["turn"] = json!(position.map(|position| position.turn));
    body["branch"] = json!(position.map(|position| {
        json!({ "of": position.parent, "index": position.index, "count": position.count })
    }));
}

/// Returns the record of the semantic search that found the passages, as JSON.
pub fn retrieval_json(retrieval: &RetrievalRecord) -> Value {
    let succeeded = retrieval.failure.is_empty();
    json!({
        "model": retrieval.model, "passages": retrieval.passages, "embedded": retrieval.embedded,
        "weak": retrieval.is_weak, "usage": retrieval.usage, "cost_usd": retrieval.known_cost(),
        "rewriting": Some(&retrieval.rewriting).filter(|text| !text.is_empty()),
        "rewritten_by": retrieval.rewriter.as_ref().map(|rewriter| &rewriter.model)
            .filter(|_| succeeded && !retrieval.rewriting.is_empty()),
        "error": Some(&retrieval.failure).filter(|_| !succeeded),
    })
}

/// Returns the findings without the evidence map, which is a separate field.
fn findings_json(analysis: &Analysis) -> Value {
    let mut findings = json!(analysis.findings);
    if let Some(fields) = findings.as_object_mut() {
        fields.remove("evidence");
    }
    findings
}

/// Returns the notes of the result. Before there is a result, returns the plan's notes.
fn notes(analysis: &Analysis) -> &[String] {
    let findings = analysis.findings.as_ref();
    findings.map_or(&analysis.plan.notes, |findings| &findings.notes)
}

/// Returns the citations, each with the stage and member of the answer that contains it.
fn citations_json(report: &AnalysisReport) -> Option<Value> {
    let citations = report.analysis.citations.as_ref()?;
    let stages = &report.analysis.plan.stages;
    let item = |item: &Citation| {
        let position = match (item.member, stages.get(item.stage)) {
            (Some(member), Some(stage)) => json!({"stage": stage.name, "member": letter(member)}),
            _ => json!("synthesis"),
        };
        json!({
            "where": position, "mark": item.mark, "state": item.state, "quote": item.quote,
            "document_id": item.document_id, "page": item.page, "start": item.start, "end": item.end,
            "continued": item.continued, "left_out": item.left_out,
        })
    };
    let items: Vec<Value> = citations.items.iter().map(item).collect();
    Some(json!({"counts": citations.counts, "items": items}))
}

fn best_single_json(report: &AnalysisReport) -> Option<Value> {
    let draft = report.best_single()?;
    Some(json!({
        "model": draft.model, "letter": letter(draft.member), "text": draft.text, "cost_usd": draft.cost,
        "rule": report.single_draft.map(|single| single.basis.sentence()),
    }))
}

/// Returns the forecast of a rerun: the reused answers, the calls, and the cost.
pub fn rerun_forecast_json(rerun: &RerunForecast) -> Value {
    let (plan, calls) = (&rerun.forecast.plan, &rerun.forecast.calls);
    let reused = |answer: &StageAnswer| {
        let stage = &plan.stages[answer.stage];
        json!({ "stage": stage.name, "model": answer.model })
    };
    let total = estimate::total_estimate(calls);
    json!({
        "status": "success", "pattern": plan.pattern, "ultra_model": plan.synthesizer.model,
        "models": plan.members.iter().map(Member::name).collect::<Vec<_>>(),
        "taken_over": rerun.reused.iter().map(reused).collect::<Vec<_>>(), "calls": calls, "total": total,
        "cost_usd": total.cost_usd, "upper_bound_usd": estimate::upper_bound(calls),
        "allowed": rerun.forecast.refusal.is_none(),
        "refusal": rerun.forecast.refusal.as_ref().map(|refused| &refused.public),
    })
}

/// Returns the progress of a run as JSON: the percentage of each stage.
pub fn progress_json(report: &AnalysisReport) -> Value {
    let analysis = &report.analysis;
    let mut stages = Map::new();
    let mut current = None;
    for (index, stage) in analysis.plan.stages.iter().enumerate() {
        let total = match stage.role {
            StageRole::Readers => analysis.plan.parts.len(),
            StageRole::Members => analysis.plan.members.len(),
            StageRole::Synthesizer => 1,
        };
        let finished = report
            .answers
            .iter()
            .filter(|answer| answer.stage == index)
            .count()
            .min(total);
        let later = report.answers.iter().any(|answer| answer.stage > index);
        let status = match () {
            () if finished == total || later || analysis.status == Status::Completed => "completed",
            () if analysis.status.is_over() => analysis.status.as_str(),
            () if current.is_none() && analysis.status == Status::Running => "running",
            () => "pending",
        };
        if status == "running" {
            current = Some(stage.name.clone());
        }
        let progress = if status == "completed" {
            100
        } else {
            finished * 100 / total.max(1)
        };
        stages.insert(
            stage.name.clone(),
            json!({ "status": status, "progress": progress }),
        );
    }
    json!({ "analysis_id": analysis.id, "status": analysis.status, "current_stage": current, "stages": stages })
}

fn models(analysis: &Analysis) -> Vec<String> {
    analysis.plan.members.iter().map(Member::name).collect()
}

/// Returns the model that wrote the synthesis, which may be a fallback of the planned one. Returns `None` for a vote.
fn synthesis_model(report: &AnalysisReport) -> Option<&str> {
    if report.analysis.plan.arrangement == Arrangement::Vote {
        return None;
    }
    let last = report.analysis.plan.stages.len().saturating_sub(1);
    let writer = report
        .answers
        .iter()
        .find(|answer| answer.stage == last && answer.answered());
    let planned = &report.analysis.plan.synthesizer.model;
    Some(writer.map_or(planned, |answer| &answer.model))
}

fn first_answers(report: &AnalysisReport) -> impl Iterator<Item = &StageAnswer> {
    let first = report.analysis.plan.first_answer_stage();
    report
        .answers
        .iter()
        .filter(move |answer| answer.stage == first)
}

fn model_responses(report: &AnalysisReport) -> Map<String, Value> {
    // If a run is stopped, the text written before has been paid for, so it is returned too.
    let is_stopped = report.analysis.status == Status::Cancelled;
    first_answers(report)
        .filter(|answer| answer.answered() || is_stopped && answer.is_partial())
        .map(|answer| (answer.model.clone(), json!(answer.text)))
        .collect()
}

/// Returns the part of the synthesis that was written before the run was stopped; `None` if the run was not stopped.
fn partial_synthesis(report: &AnalysisReport) -> Option<String> {
    let last = report.analysis.plan.stages.len().checked_sub(1)?;
    let is_stopped = report.analysis.status == Status::Cancelled;
    let mut last_stage_answers = report.answers.iter().filter(|answer| answer.stage == last);
    let partial = last_stage_answers.find(|answer| answer.is_partial() && is_stopped)?;
    Some(partial.text.clone())
}

fn state_of(answer: &StageAnswer, success: &'static str) -> &'static str {
    match () {
        () if answer.answered() => success,
        () if answer.is_partial() => "stopped",
        () => "failed",
    }
}

fn list_entry_json(answer: &StageAnswer) -> Value {
    let provider = answer.model.split('/').next().unwrap_or_default();
    let mut entry = json!({
        "model": answer.model, "provider": provider, "status": state_of(answer, "success"),
        "content": answer.text, "usage": answer.usage, "cost_usd": answer.cost, "latency_ms": answer.latency_ms,
    });
    if let Some(error) = &answer.error {
        entry["error"] = json!(error.detail);
    }
    entry
}

fn stages_json(report: &AnalysisReport) -> Vec<Value> {
    let stage = |(index, stage): (usize, &crate::domain::analysis::Stage)| {
        let of_stage = report.answers.iter().filter(|answer| answer.stage == index);
        let answers: Vec<Value> = of_stage
            .map(|answer| stage_answer_json(answer, stage.role))
            .collect();
        json!({ "name": stage.name, "task": stage.task, "who": stage.role, "answers": answers })
    };
    report
        .analysis
        .plan
        .stages
        .iter()
        .enumerate()
        .map(stage)
        .collect()
}

fn stage_answer_json(answer: &StageAnswer, role: StageRole) -> Value {
    let failed = |earlier: &FailedAttemptRecord| json!({ "model": earlier.model, "error": earlier.error.detail, "usage": earlier.usage, "cost_usd": earlier.cost });
    let earlier: Vec<Value> = answer.earlier.iter().map(failed).collect();
    json!({
        "model": answer.model,
        "letter": (role == StageRole::Members).then(|| letter(answer.member)),
        "status": state_of(answer, "completed"),
        "text": answer.text, "reasoning": answer.reasoning,
        "error": answer.error.as_ref().map(|error| &error.detail),
        "usage": answer.usage, "cost_usd": answer.cost, "latency_ms": answer.latency_ms,
        "time_to_first_token_ms": answer.first_token_ms, "finish_reason": answer.finish, "cached": answer.cached,
        "tries": answer.tries, "dropped_parameters": answer.dropped, "fallback_for": answer.fallback_for,
        "earlier": earlier,
    })
}

fn performance_json(report: &AnalysisReport) -> Value {
    let analysis = &report.analysis;
    let mut times: Map<String, Value> = Map::new();
    let mut tokens: Map<String, Value> = Map::new();
    for answer in first_answers(report).filter(|answer| answer.answered()) {
        times.insert(
            answer.model.clone(),
            json!(answer.latency_ms as f64 / 1000.0),
        );
        tokens.insert(
            answer.model.clone(),
            json!(answer.usage.input + answer.usage.output),
        );
    }
    let seconds = match (analysis.started, analysis.finished) {
        (Some(started), Some(finished)) => json!(finished.since(started).as_secs_f64()),
        _ => Value::Null,
    };
    let incomplete = report
        .answers
        .iter()
        .any(|answer| answer.answered() && answer.cost.is_none());
    json!({
        "total_time_seconds": seconds, "model_times": times, "token_counts": tokens, "cost_usd": analysis.cost,
        "cost_incomplete": incomplete, "usage": analysis.usage,
    })
}
