//! Model handlers: the models, the status of their providers, and the model parameters.

use serde_json::{Map, Value, json};

use crate::app::models::{CircuitView, ProviderSource, ProviderStatus, RetiredModel};
use crate::domain::model::{Availability, Model};
use crate::domain::parameters::{GLOSSARY, PRESETS};
use crate::domain::user::{Caller, Role};
use crate::http::auth::Admin;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

fn model_json((model, state): &(Model, Availability), retired: Option<RetiredModel>) -> Value {
    let mut body = json!({
        "id": model.id, "name": model.name, "provider": model.provider,
        "available": *state == Availability::Ready, "status": state.as_str(),
        "context_window": model.context_window, "max_output": model.max_output,
        "price": model.price, "price_of": model.price_of, "family": model.family, "vision": model.vision,
        "structured": model.structured, "parameters": model.parameters, "efforts": model.efforts,
        "tags": model.tags,
    });
    if model.mock {
        body["mock"] = json!(true);
    }
    if let Some(retired) = retired {
        body["retired"] = json!(true);
        body["successor"] = json!(retired.successor);
    }
    body
}

fn models_json(cx: &RequestContext, caller: Option<&Caller>) -> Vec<Value> {
    let user = caller.map(|caller| &caller.user);
    let models = cx.app.models();
    let list = models.list(user);
    let to_json = |entry: &(Model, Availability)| {
        let mut body = model_json(entry, models.retired_model(user, &entry.0.id));
        if models.failed_recently(user, &entry.0.id) {
            body["failed_lately"] = json!(true);
        }
        body
    };
    list.iter().map(to_json).collect()
}

/// `GET /api/available-models`: lists all models. If a provider no longer lists a model, the model has the fields
/// `retired` and `successor`. If the caller's last call to a model failed, the model has `failed_recently`.
///
/// # Errors
/// Never returns an error; all handlers have the same signature.
pub async fn available(cx: RequestContext, caller: Option<Caller>) -> Result<Reply, ApiError> {
    Ok(Reply::json(&models_json(&cx, caller.as_ref())))
}

/// `GET /api/models`, `/api/llms`, `/api/orchestrator/models`: returns all models, the IDs of the available ones, and
/// the default panel.
///
/// # Errors
/// Never returns an error; all handlers have the same signature.
pub async fn list(cx: RequestContext, caller: Option<Caller>) -> Result<Reply, ApiError> {
    let models = models_json(&cx, caller.as_ref());
    let available: Vec<&Value> = models
        .iter()
        .filter(|model| model["available"] == json!(true))
        .map(|model| &model["id"])
        .collect();
    let panel = cx
        .app
        .models()
        .default_panel(caller.as_ref().map(|caller| &caller.user));
    Ok(Reply::json(&json!({
        "status": "success", "count": models.len(), "available_models": available, "default_panel": panel, "models": models,
    })))
}

fn providers_reply(cx: &RequestContext, caller: Option<&Caller>) -> Reply {
    let is_admin = caller.is_some_and(|caller| caller.role == Role::Admin);
    let states = cx.app.models().providers(caller.map(|caller| &caller.user));
    let to_entry = |state: ProviderStatus| {
        let entry = provider_json(&state, is_admin || state.is_own);
        (state.id, entry)
    };
    let mut all: Map<String, Value> = states.into_iter().map(to_entry).collect();
    if cx.app.models().offers_demo_models() {
        all.insert("demo".into(), json!({ "status": "ready", "configured": true, "mock": true, "message": "local algorithms, not language models" }));
    }
    Reply::json(&json!({ "status": "success", "providers": all }))
}

/// Returns a provider's status as JSON. With `is_detailed`, for administrators and the provider's owner, this includes
/// the provider's error messages.
fn provider_json(state: &ProviderStatus, is_detailed: bool) -> Value {
    let source = match state.source {
        ProviderSource::Discovered => "found on this machine",
        ProviderSource::Configured => "configured",
        ProviderSource::Stored => "added",
    };
    let message = match (is_detailed, state.status) {
        _ if state.message.is_empty() => String::new(),
        (true, _) => state.message.clone(),
        (false, _) => "its list of models could not be fetched".to_owned(),
    };
    let failure = state.last_failure.as_ref().map(|failure| {
        let message = Some(&failure.message).filter(|_| is_detailed);
        json!({ "at": failure.failed_at, "model": failure.model, "message": message })
    });
    let circuits: Vec<Value> = state
        .held_models
        .iter()
        .map(|(model, circuit, throttled)| {
            let (name, until) = match circuit {
                CircuitView::Closed => ("closed", None),
                CircuitView::Open(until) => ("open", Some(until)),
                CircuitView::HalfOpen => ("half_open", None),
            };
            json!({ "model": model, "circuit": name, "open_until": until, "throttled_until": throttled })
        })
        .collect();
    json!({
        "status": state.status, "configured": state.configured, "source": source, "own": state.is_own,
        "reachable": state.checked_at.map(|_| state.message.is_empty()), "models": state.models,
        "checked_at": state.checked_at, "message": message, "last_failure": failure, "circuits": circuits,
    })
}

/// `GET /api/llm/status`, `/api/llm/health-check`: returns the status of each provider.
///
/// # Errors
/// Never returns an error; all handlers have the same signature.
pub async fn status(cx: RequestContext, caller: Option<Caller>) -> Result<Reply, ApiError> {
    Ok(providers_reply(&cx, caller.as_ref()))
}

/// `POST /api/llm/health-check`: fetches every provider's model list, looks for model servers on this machine, and
/// returns the status of each provider.
///
/// # Errors
/// Never returns an error; all handlers have the same signature.
pub async fn probe(cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    cx.app.discovery().probe_local_servers().await;
    Ok(providers_reply(&cx, Some(admin.caller())))
}

/// `GET /api/parameters`: returns descriptions of the model parameters and presets.
///
/// # Errors
/// Never returns an error; all handlers have the same signature.
pub async fn parameters(cx: RequestContext, caller: Option<Caller>) -> Result<Reply, ApiError> {
    let models = cx
        .app
        .models()
        .list(caller.as_ref().map(|caller| &caller.user));
    let entry = |entry: &crate::domain::parameters::GlossaryEntry| {
        let mut body = json!(entry);
        let mut providers: Vec<&str> = models
            .iter()
            .filter(|(model, _)| model.parameters.iter().any(|name| name == entry.name))
            .map(|(model, _)| model.provider.as_str())
            .collect();
        providers.sort_unstable();
        providers.dedup();
        body["providers"] = json!(providers);
        body
    };
    let glossary: Vec<Value> = GLOSSARY.iter().map(entry).collect();
    let presets: Vec<Value> = PRESETS.iter().map(|(name, meaning, values)| json!({ "name": name, "meaning": meaning, "parameters": values() })).collect();
    Ok(Reply::json(
        &json!({ "parameters": glossary, "presets": presets }),
    ))
}
