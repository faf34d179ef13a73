//! Patterns over HTTP: which there are, and which suit a question.

use serde_json::{Value, json};

use crate::app::Error;
use crate::domain::pattern::{Pattern, suggest};
use crate::domain::user::Caller;
use crate::http::cx::Cx;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

fn shape(pattern: &Pattern) -> Value {
    let stages: Vec<Value> = pattern.stages.iter().map(|stage| json!({ "name": stage.name, "who": stage.who, "task": stage.task, "help": stage.help })).collect();
    json!({
        "id": pattern.id, "name": pattern.name, "description": pattern.description, "category": pattern.category,
        "stages": stages, "recommended_models": pattern.panel.0, "recommended_panel": { "from": pattern.panel.0, "to": pattern.panel.1 },
        "complexity": pattern.complexity, "use_cases": pattern.use_cases, "limitations": pattern.limitations,
    })
}

/// GET /api/orchestrator/patterns
pub async fn list_bare(cx: Cx, caller: Option<Caller>) -> Result<Reply, ApiError> {
    let visible = cx
        .app
        .patterns()
        .visible(caller.as_ref().map(|caller| &caller.user))
        .await?;
    let shown: Vec<Value> = visible.iter().map(|known| shape(known)).collect();
    Ok(Reply::json(&shown))
}

/// GET /api/patterns, /api/analysis-patterns
pub async fn list(cx: Cx, caller: Option<Caller>) -> Result<Reply, ApiError> {
    let visible = cx
        .app
        .patterns()
        .visible(caller.as_ref().map(|caller| &caller.user))
        .await?;
    let shown: Vec<Value> = visible.iter().map(|known| shape(known)).collect();
    Ok(Reply::json(&json!({ "patterns": shown })))
}

/// GET /api/patterns/suggest?prompt=
pub async fn suggest(cx: Cx, caller: Option<Caller>) -> Result<Reply, ApiError> {
    let prompt = cx
        .query("prompt")
        .filter(|prompt| !prompt.trim().is_empty());
    let prompt = prompt
        .ok_or_else(|| Error::field(&["query", "prompt"], "missing", "the question is empty"))?;
    let visible = cx
        .app
        .patterns()
        .visible(caller.as_ref().map(|caller| &caller.user))
        .await?;
    let ranked = suggest::rank(&visible, &prompt);
    let shown: Vec<Value> = ranked
        .into_iter()
        .map(|ranked| json!({ "id": ranked.pattern.id, "name": ranked.pattern.name, "score": ranked.score, "reason": ranked.reason }))
        .collect();
    Ok(Reply::json(&json!({ "suggestions": shown })))
}
