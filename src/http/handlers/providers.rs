//! Providers over HTTP: everyone's for admins, one's own for everybody. Keys come in and never go out.

use std::collections::BTreeMap;

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::accounts::{done, private, visit};
use crate::app::fallbacks::Chains;
use crate::app::providers::{ProviderParams, ProviderScope, Providers, WellKnown};
use crate::domain::provider::{Additions, StoredProvider};
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
    model_settings: Option<BTreeMap<String, Additions>>,
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
    model_settings: Option<BTreeMap<String, Additions>>,
    #[serde(default)]
    force: bool,
}

fn names(models: Option<ModelsBody>) -> Option<Vec<String>> {
    models.map(|models| match models {
        ModelsBody::Any(any) if any == "*" || any.is_empty() => Vec::new(),
        ModelsBody::Any(one) => vec![one],
        ModelsBody::Names(names) => names,
    })
}

fn shape(app: &Providers, provider: &StoredProvider) -> Value {
    let (has_key, added) = app.shown(provider);
    json!({
        "id": provider.id, "name": provider.name,
        "kind": Some(&provider.kind).filter(|kind| !kind.is_empty()),
        "base_url": provider.base_url, "has_key": has_key, "added": added,
        "key_end": provider.key_end, "models": provider.models, "concurrency": provider.concurrency,
        "created_at": provider.created, "changed_at": provider.changed,
    })
}

fn choice(known: &WellKnown) -> Value {
    json!({
        "name": known.name, "kind": known.kind.as_str(), "base_url": known.base_url,
        "needs_key": known.needs_key, "local": known.is_local,
    })
}

fn house(admin: &Admin) -> ProviderScope {
    ProviderScope::House(Some(admin.caller().user.clone()))
}

async fn list(cx: RequestContext, scope: ProviderScope) -> Result<Reply, ApiError> {
    let providers = cx.app.providers();
    let found = providers.list(&scope).await?;
    let shown: Vec<Value> = found.iter().map(|one| shape(&providers, one)).collect();
    let known: Vec<Value> = providers.known(&scope).iter().map(choice).collect();
    Ok(private(Reply::json(&json!({
        "providers": shown, "next_cursor": null, "known": known, "kinds": wire::ApiFormat::ALL.map(wire::ApiFormat::as_str),
        "takes_addresses": providers.takes_addresses(&scope),
    }))))
}

async fn add(mut cx: RequestContext, scope: ProviderScope) -> Result<Reply, ApiError> {
    let body: NewProviderBody = cx.json().await?;
    let wanted = ProviderParams {
        kind: body.kind,
        base_url: body.base_url,
        api_key: body.api_key,
        models: names(body.models),
        concurrency: body.concurrency,
        headers: body.headers,
        body: body.body,
        model_settings: body.model_settings,
        force: body.force,
    };
    let visit = visit(&cx);
    let app = cx.app.providers();
    let (provider, said) = app.add(&scope, &body.name, wanted, &visit).await?;
    let body = json!({ "status": "success", "provider": shape(&app, &provider), "message": said });
    Ok(private(Reply::json(&body).status(StatusCode::CREATED)))
}

async fn change(mut cx: RequestContext, scope: ProviderScope) -> Result<Reply, ApiError> {
    let body: ChangeProviderBody = cx.json().await?;
    let wanted = ProviderParams {
        kind: body.kind,
        base_url: body.base_url,
        api_key: body.api_key,
        models: names(body.models),
        concurrency: body.concurrency,
        headers: body.headers,
        body: body.body,
        model_settings: body.model_settings,
        force: body.force,
    };
    let visit = visit(&cx);
    let app = cx.app.providers();
    let (provider, said) = app.change(&scope, cx.param("id"), wanted, &visit).await?;
    Ok(private(Reply::json(
        &json!({ "status": "success", "provider": shape(&app, &provider), "message": said }),
    )))
}

async fn remove(cx: RequestContext, scope: ProviderScope) -> Result<Reply, ApiError> {
    let visit = visit(&cx);
    let app = cx.app.providers();
    app.remove(&scope, cx.param("id"), &visit).await?;
    done("the provider is removed")
}

async fn test(cx: RequestContext, scope: ProviderScope) -> Result<Reply, ApiError> {
    let said = cx.app.providers().test(&scope, cx.param("id")).await?;
    done(&said)
}

/// GET /api/admin/providers
pub async fn list_all(cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    list(cx, house(&admin)).await
}

/// POST /api/admin/providers
pub async fn add_one(cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    add(cx, house(&admin)).await
}

/// PUT /api/admin/providers/{id}
pub async fn change_one(cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    change(cx, house(&admin)).await
}

/// DELETE /api/admin/providers/{id}
pub async fn remove_one(cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    remove(cx, house(&admin)).await
}

/// POST /api/admin/providers/{id}/test
pub async fn test_one(cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    test(cx, house(&admin)).await
}

/// GET /api/users/me/providers
pub async fn list_own(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    list(cx, ProviderScope::Own(caller.user)).await
}

/// POST /api/users/me/providers
pub async fn add_own(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    add(cx, ProviderScope::own(&caller)?).await
}

/// PUT /api/users/me/providers/{id}
pub async fn change_own(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    change(cx, ProviderScope::own(&caller)?).await
}

/// DELETE /api/users/me/providers/{id}
pub async fn remove_own(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    remove(cx, ProviderScope::own(&caller)?).await
}

/// POST /api/users/me/providers/{id}/test
pub async fn test_own(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    test(cx, ProviderScope::own(&caller)?).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResetProviderBody {
    model: Option<String>,
}

/// POST /api/admin/breakers/reset
pub async fn reset(mut cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    let body: ResetProviderBody = cx.json_or_empty().await?;
    let count = cx.app.models().reset(body.model.as_deref());
    Ok(Reply::json(&json!({
        "status": "success", "success": true, "reset": count,
        "message": format!("{count} models are asked again as usual"),
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FallbacksBody {
    fallbacks: Chains,
}

/// GET /api/admin/fallbacks
pub async fn fallbacks(cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    Ok(Reply::json(&json!({ "fallbacks": cx.app.fallbacks() })))
}

/// PUT /api/admin/fallbacks
pub async fn set_fallbacks(mut cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    let body: FallbacksBody = cx.json().await?;
    let (actor, visit) = (admin.caller().user.clone(), visit(&cx));
    let app = &cx.app;
    let chains = app.set_fallbacks(body.fallbacks, &actor, &visit).await?;
    Ok(Reply::json(
        &json!({ "status": "success", "fallbacks": chains }),
    ))
}
