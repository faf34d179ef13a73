//! Provider handlers: for administrators, the installation's providers; for each user, their own. API keys are never
//! returned.

use std::collections::BTreeMap;

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::accounts::{no_store, request_origin, success_reply};
use crate::app::fallbacks::Chains;
use crate::app::providers::{ProviderParams, ProviderScope, Providers, WellKnown};
use crate::domain::provider::{RequestAdditions, StoredProvider};
use crate::domain::user::Caller;
use crate::http::auth::Admin;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;
use crate::wire;

#[derive(Deserialize)]
#[serde(untagged)]
enum ModelsBody {
    Any(String),
    Names(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewProviderBody {
    name: String,
    kind: Option<String>,
    base_url: Option<String>,
    api_key: Option<String>,
    models: Option<ModelsBody>,
    concurrency: Option<usize>,
    headers: Option<BTreeMap<String, String>>,
    body: Option<Map<String, Value>>,
    model_settings: Option<BTreeMap<String, RequestAdditions>>,
    #[serde(default)]
    force: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeProviderBody {
    kind: Option<String>,
    base_url: Option<String>,
    api_key: Option<String>,
    models: Option<ModelsBody>,
    concurrency: Option<usize>,
    headers: Option<BTreeMap<String, String>>,
    body: Option<Map<String, Value>>,
    model_settings: Option<BTreeMap<String, RequestAdditions>>,
    #[serde(default)]
    force: bool,
}

fn model_names(models: Option<ModelsBody>) -> Option<Vec<String>> {
    models.map(|models| match models {
        ModelsBody::Any(any) if any == "*" || any.is_empty() => Vec::new(),
        ModelsBody::Any(name) => vec![name],
        ModelsBody::Names(names) => names,
    })
}

fn provider_json(app: &Providers, provider: &StoredProvider) -> Value {
    let (has_key, added_fields) = app.summary(provider);
    json!({
        "id": provider.id, "name": provider.name,
        "kind": Some(&provider.kind).filter(|kind| !kind.is_empty()),
        "base_url": provider.base_url, "has_key": has_key, "added": added_fields,
        "key_end": provider.key_suffix, "models": provider.models, "concurrency": provider.concurrency,
        "created_at": provider.created, "changed_at": provider.changed_at,
    })
}

fn well_known_json(known: &WellKnown) -> Value {
    json!({
        "name": known.name, "kind": known.kind.as_str(), "base_url": known.base_url,
        "needs_key": known.needs_key, "local": known.is_local,
    })
}

fn installation_scope(admin: &Admin) -> ProviderScope {
    ProviderScope::Shared(Some(admin.caller().user.clone()))
}

async fn list(cx: RequestContext, scope: ProviderScope) -> Result<Reply, ApiError> {
    let providers = cx.app.providers();
    let stored_providers = providers.list(&scope).await?;
    let items: Vec<Value> = stored_providers
        .iter()
        .map(|provider| provider_json(&providers, provider))
        .collect();
    let known_providers: Vec<Value> = providers
        .known(&scope)
        .iter()
        .map(well_known_json)
        .collect();
    Ok(no_store(Reply::json(&json!({
        "providers": items, "next_cursor": null, "known": known_providers, "kinds": wire::ApiFormat::ALL.map(wire::ApiFormat::as_str),
        "takes_addresses": providers.allows_custom_urls(&scope),
    }))))
}

async fn add(mut cx: RequestContext, scope: ProviderScope) -> Result<Reply, ApiError> {
    let body: NewProviderBody = cx.json().await?;
    let params = ProviderParams {
        kind: body.kind,
        base_url: body.base_url,
        api_key: body.api_key,
        models: model_names(body.models),
        concurrency: body.concurrency,
        headers: body.headers,
        body: body.body,
        model_settings: body.model_settings,
        force: body.force,
    };
    let origin = request_origin(&cx);
    let app = cx.app.providers();
    let (provider, message) = app.add(&scope, &body.name, params, &origin).await?;
    let body = json!({ "status": "success", "provider": provider_json(&app, &provider), "message": message });
    Ok(no_store(Reply::json(&body).status(StatusCode::CREATED)))
}

async fn change(mut cx: RequestContext, scope: ProviderScope) -> Result<Reply, ApiError> {
    let body: ChangeProviderBody = cx.json().await?;
    let params = ProviderParams {
        kind: body.kind,
        base_url: body.base_url,
        api_key: body.api_key,
        models: model_names(body.models),
        concurrency: body.concurrency,
        headers: body.headers,
        body: body.body,
        model_settings: body.model_settings,
        force: body.force,
    };
    let origin = request_origin(&cx);
    let app = cx.app.providers();
    let (provider, message) = app.change(&scope, cx.param("id"), params, &origin).await?;
    Ok(no_store(Reply::json(
        &json!({ "status": "success", "provider": provider_json(&app, &provider), "message": message }),
    )))
}

async fn remove(cx: RequestContext, scope: ProviderScope) -> Result<Reply, ApiError> {
    let origin = request_origin(&cx);
    let app = cx.app.providers();
    app.remove(&scope, cx.param("id"), &origin).await?;
    success_reply("the provider has been removed")
}

async fn test(cx: RequestContext, scope: ProviderScope) -> Result<Reply, ApiError> {
    let message = cx.app.providers().test(&scope, cx.param("id")).await?;
    success_reply(&message)
}

/// `GET /api/admin/providers`: lists the installation's providers.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub async fn list_shared(cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    list(cx, installation_scope(&admin)).await
}

/// `POST /api/admin/providers`: tests a provider and adds it for all users.
///
/// # Errors
/// `BadRequest` or `BadInput` for an invalid body or a failed test; `Conflict` if the name is taken.
pub async fn add_shared(cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    add(cx, installation_scope(&admin)).await
}

/// `PUT /api/admin/providers/{id}`: changes one of the installation's providers.
///
/// # Errors
/// `Missing` if there is no such provider; `BadRequest` or `BadInput` for an invalid body or a failed test.
pub async fn update_shared(cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    change(cx, installation_scope(&admin)).await
}

/// `DELETE /api/admin/providers/{id}`: removes one of the installation's providers.
///
/// # Errors
/// `Missing` if there is no such provider.
pub async fn delete_shared(cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    remove(cx, installation_scope(&admin)).await
}

/// `POST /api/admin/providers/{id}/test`: tests one of the installation's providers.
///
/// # Errors
/// `Missing` if there is no such provider; `BadInput` if the test fails.
pub async fn test_shared(cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    test(cx, installation_scope(&admin)).await
}

/// `GET /api/users/me/providers`: lists the caller's own providers.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub async fn list_own(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    list(cx, ProviderScope::Own(caller.user)).await
}

/// `POST /api/users/me/providers`: tests a provider and adds it for the caller only.
///
/// # Errors
/// `Forbidden` if the caller uses an API key; `BadInput` if the caller may not use the address; otherwise, same as
/// [`add_shared`].
pub async fn add_own(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    add(cx, ProviderScope::own(&caller)?).await
}

/// `PUT /api/users/me/providers/{id}`: changes one of the caller's providers.
///
/// # Errors
/// `Forbidden` if the caller uses an API key; `BadInput` if the caller may not use the address; otherwise, same as
/// [`update_shared`].
pub async fn update_own(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    change(cx, ProviderScope::own(&caller)?).await
}

/// `DELETE /api/users/me/providers/{id}`: removes one of the caller's providers.
///
/// # Errors
/// `Forbidden` if the caller uses an API key; `Missing` if there is no such provider.
pub async fn delete_own(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    remove(cx, ProviderScope::own(&caller)?).await
}

/// `POST /api/users/me/providers/{id}/test`: tests one of the caller's providers.
///
/// # Errors
/// `Forbidden` if the caller uses an API key; otherwise, same as [`test_shared`].
pub async fn test_own(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    test(cx, ProviderScope::own(&caller)?).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResetProviderBody {
    model: Option<String>,
}

/// `POST /api/admin/breakers/reset`: resets the circuit breakers and rate limits of one model, or of all models.
///
/// # Errors
/// `BadRequest` or `BadInput` for an invalid body.
pub async fn reset(mut cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    let body: ResetProviderBody = cx.json_of_any_content_type().await?;
    let count = cx.app.models().reset(body.model.as_deref());
    Ok(Reply::json(&json!({
        "status": "success", "success": true, "reset": count,
        "message": format!("{count} models are no longer skipped"),
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FallbacksBody {
    fallbacks: Chains,
}

/// `GET /api/admin/fallbacks`: returns the fallback chains.
///
/// # Errors
/// Never returns an error; all handlers have the same signature.
pub async fn fallbacks(cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    Ok(Reply::json(
        &json!({ "fallbacks": cx.app.fallbacks().current() }),
    ))
}

/// `PUT /api/admin/fallbacks`: replaces the fallback chains.
///
/// # Errors
/// `BadRequest` or `BadInput` for an invalid body, an unknown or repeated model, or too many models.
pub async fn set_fallbacks(mut cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    let body: FallbacksBody = cx.json().await?;
    let (actor, origin) = (admin.caller().user.clone(), request_origin(&cx));
    let app = &cx.app;
    let chains = app.fallbacks().set(body.fallbacks, &actor, &origin).await?;
    Ok(Reply::json(
        &json!({ "status": "success", "fallbacks": chains }),
    ))
}
