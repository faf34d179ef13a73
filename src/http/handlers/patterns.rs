//! Pattern handlers: list and suggest patterns, and manage those of users and the team.

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::accounts::{no_store, request_origin, success_reply};
use crate::app::Error;
use crate::app::error::FieldError;
use crate::app::patterns::folder::{self, ParsedPattern, PatternProblem};
use crate::domain::pattern::stored::{PatternOrigin, StoredPattern};
use crate::domain::pattern::{Pattern, file, suggest};
use crate::domain::prompt;
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

fn pattern_json(stored: &StoredPattern) -> Value {
    let pattern: &Pattern = &stored.pattern;
    let stages: Vec<Value> = pattern.stages.iter().map(|stage| json!({ "name": stage.name, "who": stage.role, "task": stage.task, "help": stage.help })).collect();
    json!({
        "id": pattern.id, "name": pattern.name, "summary": pattern.summary, "description": pattern.description, "category": pattern.category,
        "arrangement": pattern.arrangement, "origin": stored.origin, "changed_at": stored.changed_at,
        "stages": stages, "recommended_models": pattern.panel.0, "recommended_panel": { "from": pattern.panel.0, "to": pattern.panel.1 },
        "complexity": pattern.complexity, "use_cases": pattern.use_cases, "limitations": pattern.limitations,
    })
}

/// Returns a pattern as JSON, with the prompts of its stages and with its source, which `PUT` accepts.
fn full_json(stored: &StoredPattern) -> Value {
    let mut body = pattern_json(stored);
    for (index, stage) in stored.pattern.stages.iter().enumerate() {
        body["stages"][index]["prompt"] = json!(stage.prompt);
    }
    body["source"] = json!(*stored.pattern);
    body["rules"] = json!(prompt::system_message(&[], "", "").text);
    body
}

async fn visible_patterns(
    cx: &RequestContext,
    caller: Option<&Caller>,
) -> Result<Vec<StoredPattern>, ApiError> {
    let user = caller.map(|caller| &caller.user);
    Ok(cx.app.patterns().visible(user).await?)
}

/// `GET /api/orchestrator/patterns`: returns the patterns as a JSON array. With `brief=true`, returns only their IDs
/// and names.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub async fn list_array(cx: RequestContext, caller: Option<Caller>) -> Result<Reply, ApiError> {
    let all = visible_patterns(&cx, caller.as_ref()).await?;
    let is_brief = cx.query("brief").as_deref() == Some("true");
    let items: Vec<Value> = all
        .iter()
        .map(|stored| match is_brief {
            true => json!({ "id": stored.pattern.id, "name": stored.pattern.name }),
            false => pattern_json(stored),
        })
        .collect();
    Ok(Reply::json(&items))
}

/// `GET /api/patterns`, `/api/analysis-patterns`: lists the patterns, optionally filtered by `origin`.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub async fn list(cx: RequestContext, caller: Option<Caller>) -> Result<Reply, ApiError> {
    let all = visible_patterns(&cx, caller.as_ref()).await?;
    let has_origin = |stored: &&StoredPattern| match cx.query("origin").as_deref() {
        Some("own") => stored.origin == PatternOrigin::Own,
        Some("team") => stored.origin == PatternOrigin::Team,
        _ => true,
    };
    let items: Vec<Value> = all.iter().filter(has_origin).map(pattern_json).collect();
    Ok(Reply::json(&json!({ "patterns": items })))
}

/// `GET /api/patterns/suggest?prompt=`: ranks the patterns by how well they suit the question.
///
/// # Errors
/// `BadInput` if there is no question.
pub async fn suggest(cx: RequestContext, caller: Option<Caller>) -> Result<Reply, ApiError> {
    let prompt = cx
        .query("prompt")
        .filter(|prompt| !prompt.trim().is_empty());
    let prompt = prompt
        .ok_or_else(|| Error::field(&["query", "prompt"], "missing", "the question is empty"))?;
    let all = visible_patterns(&cx, caller.as_ref()).await?;
    let ranked = suggest::rank(&all, &prompt);
    let items: Vec<Value> = ranked
        .into_iter()
        .map(|ranked| json!({ "id": ranked.pattern.id, "name": ranked.pattern.name, "score": ranked.score, "reason": ranked.reason }))
        .collect();
    Ok(Reply::json(&json!({ "suggestions": items })))
}

/// `GET /api/patterns/{id}`: returns one pattern with its prompts.
///
/// # Errors
/// `Missing` if there is no such pattern.
pub async fn show(cx: RequestContext, caller: Option<Caller>) -> Result<Reply, ApiError> {
    let user = caller.as_ref().map(|caller| &caller.user);
    let stored_pattern = cx.app.patterns().find_stored(user, cx.param("id")).await?;
    let stored_pattern = stored_pattern.ok_or_else(Error::missing)?;
    Ok(no_store(Reply::json(&full_json(&stored_pattern))))
}

/// `POST /api/patterns`: creates a pattern.
///
/// # Errors
/// `BadRequest` or `BadInput` for an invalid body or pattern; `Forbidden` if the caller may not change the
/// team's patterns; `Conflict` if the ID is taken or there are too many patterns.
pub async fn add(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let mut body: Map<String, Value> = cx.json().await?;
    let team = match body.remove("team") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(team)) => team,
        Some(_) => {
            let error = Error::field(&["body", "team"], "value_error", "must be true or false");
            return Err(error.into());
        }
    };
    let (pattern, warnings) = parse_body(body).map_err(invalid_pattern)?;
    let origin = request_origin(&cx);
    let app = cx.app.patterns();
    let stored_pattern = app.add(&caller, pattern, team, &origin).await?;
    let body = json!({ "status": "success", "pattern": full_json(&stored_pattern), "warnings": problems_json(&warnings) });
    Ok(no_store(Reply::json(&body).status(StatusCode::CREATED)))
}

/// `PUT /api/patterns/{id}`: replaces a pattern.
///
/// # Errors
/// `Missing` if there is no such pattern; `Forbidden` if the caller may not change it; `BadRequest` or `BadInput`
/// for an invalid body or pattern.
pub async fn change(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: Map<String, Value> = cx.json().await?;
    // The permission is checked first, so that callers without it get no error messages about the pattern.
    cx.app.patterns().find_own(&caller, cx.param("id")).await?;
    let (pattern, warnings) = parse_body(body).map_err(invalid_pattern)?;
    let origin = request_origin(&cx);
    let app = cx.app.patterns();
    let stored_pattern = app
        .change(&caller, cx.param("id"), pattern, &origin)
        .await?;
    let body = json!({ "status": "success", "pattern": full_json(&stored_pattern), "warnings": problems_json(&warnings) });
    Ok(no_store(Reply::json(&body)))
}

/// `DELETE /api/patterns/{id}`: deletes a pattern.
///
/// # Errors
/// `Missing` if there is no such pattern; `Forbidden` if the caller may not change it.
pub async fn delete(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let origin = request_origin(&cx);
    let app = cx.app.patterns();
    app.delete(&caller, cx.param("id"), &origin).await?;
    success_reply("the pattern has been deleted")
}

/// `POST /api/patterns/check`: validates a pattern without storing it.
///
/// # Errors
/// `BadRequest` if the body is not a JSON object.
pub async fn check(mut cx: RequestContext, _: Caller) -> Result<Reply, ApiError> {
    let mut body: Map<String, Value> = cx.json().await?;
    body.remove("team");
    let items = match parse_body(body) {
        Ok((pattern, warnings)) => {
            json!({ "valid": true, "faults": [], "warnings": problems_json(&warnings), "pattern": pattern })
        }
        Err(problems) => {
            json!({ "valid": false, "faults": problems_json(&problems), "warnings": [], "pattern": null })
        }
    };
    Ok(no_store(Reply::json(&items)))
}

/// Parses a pattern from its fields, or from a complete pattern file in `text`.
fn parse_body(body: Map<String, Value>) -> Result<ParsedPattern, Vec<PatternProblem>> {
    if let Some(text) = body.get("text") {
        let is_only_field = body.len() == 1;
        return match text.as_str() {
            Some(text) if is_only_field => folder::parse(text),
            _ => Err(vec![PatternProblem {
                line: None,
                location: "text".to_owned(),
                message: "must be a complete pattern file; the only other field allowed is team"
                    .to_owned(),
            }]),
        };
    }
    let pattern = file::parse_pattern(&Value::Object(body));
    let pattern = pattern.map_err(|problems| {
        problems
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

fn problems_json(problems: &[PatternProblem]) -> Vec<Value> {
    problems
        .iter()
        .map(|problem| json!({ "place": problem.location, "line": problem.line, "message": problem.message }))
        .collect()
}

fn invalid_pattern(problems: Vec<PatternProblem>) -> ApiError {
    let field = |problem: PatternProblem| {
        let parts = problem.location.split('.').filter(|part| !part.is_empty());
        let location = std::iter::once("body").chain(parts).map(str::to_owned);
        let message = match problem.line {
            Some(line) => format!("line {line}: {}", problem.message),
            None => problem.message.clone(),
        };
        FieldError {
            location: location.collect(),
            message,
            kind: "value_error",
        }
    };
    Error::fields(problems.into_iter().map(field).collect()).into()
}
