//! Models, providers, patterns and parameters over HTTP.

use serde_json::{Map, Value, json};

use crate::app::Error;
use crate::domain::model::{Availability, Model};
use crate::domain::parameters::{GLOSSARY, PRESETS};
use crate::domain::pattern::Pattern;
use crate::http::cx::Cx;
use crate::http::error::ApiError;
use crate::http::reply::Reply;
use crate::http::who::Admin;

fn model(entry: &(Model, Availability)) -> Value {
    let (model, state) = entry;
    let mut shown = json!({
        "id": model.id, "name": model.name, "provider": model.provider,
        "available": *state == Availability::Ready, "status": state.as_str(),
        "context_window": model.context_window, "price": model.price,
        "parameters": model.parameters, "tags": model.tags,
    });
    if model.mock {
        shown["mock"] = json!(true);
    }
    shown
}

fn all(cx: &Cx) -> Vec<Value> {
    cx.app.models().list().iter().map(model).collect()
}

/// GET /api/available-models
pub async fn available(cx: Cx) -> Result<Reply, ApiError> {
    Ok(Reply::json(&all(&cx)))
}

/// GET /api/models, /api/llms, /api/orchestrator/models
pub async fn list(cx: Cx) -> Result<Reply, ApiError> {
    let models = all(&cx);
    let available: Vec<&Value> = models
        .iter()
        .filter(|model| model["available"] == json!(true))
        .map(|model| &model["id"])
        .collect();
    let panel = cx.app.models().default_panel();
    Ok(Reply::json(&json!({
        "status": "success", "count": models.len(), "available_models": available, "default_panel": panel, "models": models,
    })))
}

fn providers(cx: &Cx, states: Vec<crate::app::models::ProviderState>) -> Reply {
    let shown = |state: crate::app::models::ProviderState| {
        let entry = json!({
            "status": state.status, "configured": state.configured, "models": state.models, "checked_at": state.checked, "message": state.message,
        });
        (state.id, entry)
    };
    let mut all: Map<String, Value> = states.into_iter().map(shown).collect();
    if cx.app.models().has_demo() {
        all.insert("demo".into(), json!({ "status": "ready", "configured": true, "mock": true, "message": "local algorithms, no language models" }));
    }
    Reply::json(&json!({ "status": "success", "providers": all }))
}

/// GET /api/llm/status, /api/llm/health-check
pub async fn status(cx: Cx) -> Result<Reply, ApiError> {
    let states = cx.app.models().providers();
    Ok(providers(&cx, states))
}

/// POST /api/llm/health-check
pub async fn probe(cx: Cx, _: Admin) -> Result<Reply, ApiError> {
    let states = cx.app.models().probe().await;
    Ok(providers(&cx, states))
}

fn pattern(pattern: &Pattern) -> Value {
    let stages: Vec<Value> = pattern.stages.iter().map(|stage| json!({ "name": stage.name, "who": stage.who, "task": stage.task, "help": stage.help })).collect();
    json!({
        "id": pattern.id, "name": pattern.name, "description": pattern.description, "category": pattern.category,
        "stages": stages, "recommended_models": pattern.panel.0, "recommended_panel": { "from": pattern.panel.0, "to": pattern.panel.1 },
        "complexity": pattern.complexity, "use_cases": pattern.use_cases, "limitations": pattern.limitations,
    })
}

/// GET /api/orchestrator/patterns
pub async fn patterns_bare(cx: Cx) -> Result<Reply, ApiError> {
    Ok(Reply::json(
        &cx.app.patterns().iter().map(pattern).collect::<Vec<_>>(),
    ))
}

/// GET /api/patterns, /api/analysis-patterns
pub async fn patterns(cx: Cx) -> Result<Reply, ApiError> {
    Ok(Reply::json(
        &json!({ "patterns": cx.app.patterns().iter().map(pattern).collect::<Vec<_>>() }),
    ))
}

/// GET /api/patterns/suggest?prompt=
pub async fn suggest(cx: Cx) -> Result<Reply, ApiError> {
    let prompt = cx
        .query("prompt")
        .filter(|prompt| !prompt.trim().is_empty());
    let prompt = prompt
        .ok_or_else(|| Error::field(&["query", "prompt"], "missing", "the question is empty"))?;
    let ranked = crate::domain::pattern::suggest::rank(cx.app.patterns(), &prompt);
    let shown: Vec<Value> = ranked
        .into_iter()
        .map(|ranked| json!({ "id": ranked.pattern.id, "name": ranked.pattern.name, "score": ranked.score, "reason": ranked.reason }))
        .collect();
    Ok(Reply::json(&json!({ "suggestions": shown })))
}

/// GET /api/parameters
pub async fn parameters(cx: Cx) -> Result<Reply, ApiError> {
    let models = cx.app.models().list();
    let entry = |entry: &crate::domain::parameters::Entry| {
        let mut shown = json!(entry);
        let mut providers: Vec<&str> = models
            .iter()
            .filter(|(model, _)| model.parameters.iter().any(|name| name == entry.name))
            .map(|(model, _)| model.provider.as_str())
            .collect();
        providers.sort_unstable();
        providers.dedup();
        shown["providers"] = json!(providers);
        shown
    };
    let glossary: Vec<Value> = GLOSSARY.iter().map(entry).collect();
    let presets: Vec<Value> = PRESETS.iter().map(|(name, meaning, values)| json!({ "name": name, "meaning": meaning, "parameters": values() })).collect();
    Ok(Reply::json(
        &json!({ "parameters": glossary, "presets": presets }),
    ))
}
