//! The pages and their files. Every page is the same shell; which one it is, its script decides.

use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde_json::json;

use crate::app::accounts::FirstAdminRule;
use crate::http::assets::{self, CacheTime};
use crate::http::header::{ACCEPT, CONTENT_SECURITY_POLICY};
use crate::http::headers::PAGE_POLICY;
use crate::http::{ApiError, LinkToken, Reply, RequestContext};

/// `GET /`: the page, or for programs the index.
pub async fn home(cx: RequestContext) -> Result<Reply, ApiError> {
    let accept = cx.header(ACCEPT).unwrap_or_default();
    let program = accept.contains("application/json")
        && !accept.contains("text/html")
        && !accept.contains("*/*");
    if cx.index || program {
        return Ok(index(&cx).await);
    }
    page(cx).await
}

/// Every page.
pub async fn page(cx: RequestContext) -> Result<Reply, ApiError> {
    let reply = assets::reply("index.html", CacheTime::Ask, &cx.request.headers)?;
    Ok(reply.header(CONTENT_SECURITY_POLICY, PAGE_POLICY))
}

/// The page of a shared result. Whether the link holds, the page asks.
pub async fn shared(cx: RequestContext, _: LinkToken) -> Result<Reply, ApiError> {
    page(cx).await
}

/// Who follows an address in a browser to where nothing is gets the page, which says so in words and leads on. None
/// for programs, which get the refusal.
pub fn lost(request: &Parts) -> Option<Reply> {
    let headers = &request.headers;
    let accepts = headers.get(ACCEPT)?.to_str().ok()?;
    let path = request.uri.path();
    let of_programs = ["/api", "/v1", "/assets"]
        .iter()
        .any(|place| path.starts_with(place));
    if request.method != Method::GET || !accepts.contains("text/html") || of_programs {
        return None;
    }
    let reply = assets::reply("index.html", CacheTime::Ask, headers).ok()?;
    let reply = match reply.code() {
        StatusCode::OK => reply.status(StatusCode::NOT_FOUND),
        _ => reply,
    };
    Some(reply.header(CONTENT_SECURITY_POLICY, PAGE_POLICY))
}

/// `GET /assets/index.js`: the entry, under an address that stays.
pub async fn entry(cx: RequestContext) -> Result<Reply, ApiError> {
    assets::reply("index.js", CacheTime::Ask, &cx.request.headers)
}

/// `GET /sw.js`: keeps the shell of the pages; it stands at the root, whose pages it serves.
pub async fn worker(cx: RequestContext) -> Result<Reply, ApiError> {
    assets::reply("sw.js", CacheTime::Ask, &cx.request.headers)
}

/// `GET /manifest.webmanifest`
pub async fn manifest(cx: RequestContext) -> Result<Reply, ApiError> {
    assets::reply("manifest.webmanifest", CacheTime::Ask, &cx.request.headers)
}

/// `GET /assets/{tree}/{path*}`. A page from before an update still finds its files, but cannot keep them.
pub async fn asset(cx: RequestContext) -> Result<Reply, ApiError> {
    let keep = match cx.param("tree") == assets::TREE {
        true => CacheTime::Immutable,
        false => CacheTime::Ask,
    };
    assets::reply(cx.param("path"), keep, &cx.request.headers)
}

/// `GET /api/openapi.json`.
pub async fn openapi(cx: RequestContext) -> Result<Reply, ApiError> {
    assets::reply("openapi.json", CacheTime::Ask, &cx.request.headers)
}

async fn index(cx: &RequestContext) -> Reply {
    // Where the database cannot say, the sign-in form is the better guess; health tells what is wrong.
    let first_run = cx.app.accounts().is_first_run().await.unwrap_or(false);
    let setup = cx.app.accounts().open_setup().await.unwrap_or(None);
    let needs_token = matches!(setup, Some(FirstAdminRule::Token { .. }));
    let demo = cx.app.config.providers.is_empty();
    Reply::json(&json!({
        "message": "Quire puts a question and your documents to a panel of language models and gives one answer",
        "version": env!("CARGO_PKG_VERSION"),
        "docs": "/api/openapi.json",
        "health": "/api/health",
        "first_run": first_run,
        "needs_setup_token": needs_token,
        "registration": cx.app.config.registration.as_str(),
        "mode": if demo { "demo" } else { "live" },
        "features": {
            "authentication": true,
            "document_upload": true,
            "llm_orchestration": true,
            "analysis": true,
            "caching": !cx.app.config.cache_ttl.is_zero(),
            "monitoring": true,
        },
    }))
}
