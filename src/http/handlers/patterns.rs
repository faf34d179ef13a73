//! Patterns over HTTP: which there are, which suit a question, and people's own.

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::accounts::{done, private, visit};
use crate::app::Error;
use crate::app::error::FieldError;
use crate::app::patterns::folder::{self, PatternProblem, Read};
use crate::domain::pattern::stored::{PatternOrigin, StoredPattern};
use crate::domain::pattern::{Pattern, file, suggest};
use crate::domain::prompt;
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

fn shape(kept: &StoredPattern) -> Value {
    let pattern: &Pattern = &kept.pattern;
    let stages: Vec<Value> = pattern.stages.iter().map(|stage| json!({ "name": stage.name, "who": stage.who, "task": stage.task, "help": stage.help })).collect();
    json!({
        "id": pattern.id, "name": pattern.name, "description": pattern.description, "category": pattern.category,
        "arrangement": pattern.arrangement, "origin": kept.origin, "changed_at": kept.changed,
        "stages": stages, "recommended_models": pattern.panel.0, "recommended_panel": { "from": pattern.panel.0, "to": pattern.panel.1 },
        "complexity": pattern.complexity, "use_cases": pattern.use_cases, "limitations": pattern.limitations,
    })
}

/// With what its stages ask, and as a file would have it: what is read can be sent back.
fn whole(kept: &StoredPattern) -> Value {
    let mut shown = shape(kept);
    for (at, stage) in kept.pattern.stages.iter().enumerate() {
        shown["stages"][at]["prompt"] = json!(stage.prompt);
    }
    shown["source"] = json!(*kept.pattern);
    shown["rules"] = json!(prompt::system_message(&[], "", "").text);
    shown
}

async fn visible(
    cx: &RequestContext,
    caller: Option<&Caller>,
) -> Result<Vec<StoredPattern>, ApiError> {
    let user = caller.map(|caller| &caller.user);
    Ok(cx.app.patterns().visible(user).await?)
}

/// GET /api/orchestrator/patterns
pub async fn list_bare(cx: RequestContext, caller: Option<Caller>) -> Result<Reply, ApiError> {
    let all = visible(&cx, caller.as_ref()).await?;
    let shown: Vec<Value> = all.iter().map(shape).collect();
    Ok(Reply::json(&shown))
}

/// GET /api/patterns, /api/analysis-patterns
pub async fn list(cx: RequestContext, caller: Option<Caller>) -> Result<Reply, ApiError> {
    let all = visible(&cx, caller.as_ref()).await?;
    let wanted = |kept: &&StoredPattern| match cx.query("origin").as_deref() {
        Some("own") => kept.origin == PatternOrigin::Own,
        Some("team") => kept.origin == PatternOrigin::Team,
        _ => true,
    };
    let shown: Vec<Value> = all.iter().filter(wanted).map(shape).collect();
    Ok(Reply::json(&json!({ "patterns": shown })))
}

/// GET /api/patterns/suggest?prompt=
pub async fn suggest(cx: RequestContext, caller: Option<Caller>) -> Result<Reply, ApiError> {
    let prompt = cx
        .query("prompt")
        .filter(|prompt| !prompt.trim().is_empty());
    let prompt = prompt
        .ok_or_else(|| Error::field(&["query", "prompt"], "missing", "the question is empty"))?;
    let all = visible(&cx, caller.as_ref()).await?;
    let ranked = suggest::rank(&all, &prompt);
    let shown: Vec<Value> = ranked
        .into_iter()
        .map(|ranked| json!({ "id": ranked.pattern.id, "name": ranked.pattern.name, "score": ranked.score, "reason": ranked.reason }))
        .collect();
    Ok(Reply::json(&json!({ "suggestions": shown })))
}

/// GET /api/patterns/{id}
pub async fn show(cx: RequestContext, caller: Option<Caller>) -> Result<Reply, ApiError> {
    let user = caller.as_ref().map(|caller| &caller.user);
    let kept = cx.app.patterns().kept(user, cx.param("id")).await?;
    let kept = kept.ok_or_else(Error::missing)?;
    Ok(private(Reply::json(&whole(&kept))))
}

/// POST /api/patterns
pub async fn add(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let mut body: Map<String, Value> = cx.json().await?;
    let team = match body.remove("team") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(team)) => team,
        Some(_) => {
            let fault = Error::field(&["body", "team"], "value_error", "must be true or false");
            return Err(fault.into());
        }
    };
    let (pattern, warnings) = read(body).map_err(refused)?;
    let visit = visit(&cx);
    let app = cx.app.patterns();
    let kept = app.add(&caller, pattern, team, &visit).await?;
    let body = json!({ "status": "success", "pattern": whole(&kept), "warnings": told(&warnings) });
    Ok(private(Reply::json(&body).status(StatusCode::CREATED)))
}

/// PUT /api/patterns/{id}
pub async fn change(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: Map<String, Value> = cx.json().await?;
    // What is wrong with the text is nobody's business who may not change the pattern.
    cx.app.patterns().own(&caller, cx.param("id")).await?;
    let (pattern, warnings) = read(body).map_err(refused)?;
    let visit = visit(&cx);
    let app = cx.app.patterns();
    let kept = app.change(&caller, cx.param("id"), pattern, &visit).await?;
    let body = json!({ "status": "success", "pattern": whole(&kept), "warnings": told(&warnings) });
    Ok(private(Reply::json(&body)))
}

/// DELETE /api/patterns/{id}
pub async fn delete(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let visit = visit(&cx);
    let app = cx.app.patterns();
    app.delete(&caller, cx.param("id"), &visit).await?;
    done("the pattern is deleted")
}

/// POST /api/patterns/check: keeps nothing.
pub async fn check(mut cx: RequestContext, _: Caller) -> Result<Reply, ApiError> {
    let mut body: Map<String, Value> = cx.json().await?;
    body.remove("team");
    let shown = match read(body) {
        Ok((pattern, warnings)) => {
            json!({ "valid": true, "faults": [], "warnings": told(&warnings), "pattern": pattern })
        }
        Err(faults) => {
            json!({ "valid": false, "faults": told(&faults), "warnings": [], "pattern": null })
        }
    };
    Ok(private(Reply::json(&shown)))
}

/// The pattern's own fields, or in `text` the whole of a file.
fn read(body: Map<String, Value>) -> Result<Read, Vec<PatternProblem>> {
    if let Some(text) = body.get("text") {
        let alone = body.len() == 1;
        return match text.as_str() {
            Some(text) if alone => folder::parse(text),
            _ => Err(vec![PatternProblem {
                line: None,
                place: "text".to_owned(),
                message: "is the whole of a file, with nothing but team beside it".to_owned(),
            }]),
        };
    }
    let pattern = file::read(&Value::Object(body));
    let pattern = pattern.map_err(|faults| {
        faults
            .into_iter()
            .map(PatternProblem::from)
            .collect::<Vec<_>>()
    })?;
    let warnings = file::warnings(&pattern);
    Ok((
        pattern,
        warnings.into_iter().map(PatternProblem::from).collect(),
    ))
}

fn told(list: &[PatternProblem]) -> Vec<Value> {
    list.iter()
        .map(|told| json!({ "place": told.place, "line": told.line, "message": told.message }))
        .collect()
}

fn refused(faults: Vec<PatternProblem>) -> ApiError {
    let field = |told: PatternProblem| {
        let parts = told.place.split('.').filter(|part| !part.is_empty());
        let place = std::iter::once("body").chain(parts).map(str::to_owned);
        let message = match told.line {
            Some(line) => format!("line {line}: {}", told.message),
            None => told.message.clone(),
        };
        FieldError {
            place: place.collect(),
            message,
            kind: "value_error",
        }
    };
    Error::fields(faults.into_iter().map(field).collect()).into()
}
