//! Handlers of the web pages and their assets. All pages share one HTML shell, whose script renders the page for the
//! URL.

use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, StatusCode};
use serde_json::json;

use crate::app::accounts::FirstAdminRule;
use crate::http::assets::{self, CachePolicy};
use crate::http::auth::{self, AuthCookie};
use crate::http::header::{ACCEPT, CONTENT_SECURITY_POLICY, LINK};
use crate::http::headers::PAGE_CSP;
use crate::http::{ApiError, LinkToken, Reply, RequestContext, base_path, preload};

/// `GET /`: returns the start page, or the JSON index for API clients.
///
/// # Errors
/// `Internal` if the embedded page is damaged.
pub async fn start_page(cx: RequestContext) -> Result<Reply, ApiError> {
    let accept = cx.header(ACCEPT).unwrap_or_default();
    let wants_json = accept.contains("application/json")
        && !accept.contains("text/html")
        && !accept.contains("*/*");
    if cx.index || wants_json {
        return Ok(index_reply(&cx).await);
    }
    page(cx).await
}

/// Returns the HTML shell that all pages share, with the headers for the requested page.
///
/// # Errors
/// `Internal` if the embedded page is damaged.
pub async fn page(cx: RequestContext) -> Result<Reply, ApiError> {
    let base = cx.app.config.base_path();
    let reply = shell(&cx.request.headers, base)?;
    let reply = reply.header(CONTENT_SECURITY_POLICY, PAGE_CSP);
    let scope = auth::CookieScope::from_app(&cx.app, cx.https);
    // The device cookie counts too, because access tokens are short-lived. For a user who has signed out, this guess is
    // wrong, but only preloads a few cacheable files.
    let page_cookies = [AuthCookie::Access, AuthCookie::Device];
    let is_signed_in = (page_cookies.iter()).any(|cookie| cx.cookie(cookie.name(scope)).is_some());
    let has_id = cx.query("id").is_some();
    Ok(
        match preload::links(cx.request.uri.path(), has_id, is_signed_in) {
            Some(links) => reply.header(LINK, &base_path::add_to_links(links, base)),
            None => reply,
        },
    )
}

/// Returns the HTML shell, without the headers that depend on the page.
fn shell(headers: &HeaderMap, base: &str) -> Result<Reply, ApiError> {
    match base {
        "" => assets::asset_reply("index.html", CachePolicy::Revalidate, headers),
        base => assets::rewritten_reply("index.html", base, base_path::add_to_page, headers),
    }
}

/// `GET /share/{token}`: returns the page of a shared result. The page's script checks the link.
///
/// # Errors
/// `Internal` if the embedded page is damaged.
pub async fn shared(cx: RequestContext, _: LinkToken) -> Result<Reply, ApiError> {
    page(cx).await
}

/// Returns the HTML page for a browser that requests an unknown path. Returns `None` for API clients, which get a JSON
/// error.
pub fn not_found_page(request: &Parts, base: &str) -> Option<Reply> {
    let headers = &request.headers;
    let accept = headers.get(ACCEPT)?.to_str().ok()?;
    let path = request.uri.path();
    let is_api = ["/api", "/v1", "/assets"]
        .iter()
        .any(|prefix| path.starts_with(prefix));
    if request.method != Method::GET || !accept.contains("text/html") || is_api {
        return None;
    }
    let reply = shell(headers, base).ok()?;
    let reply = match reply.code() {
        StatusCode::OK => reply.status(StatusCode::NOT_FOUND),
        _ => reply,
    };
    Some(reply.header(CONTENT_SECURITY_POLICY, PAGE_CSP))
}

/// `GET /assets/index.js`: returns the entry script, whose URL does not change.
///
/// # Errors
/// `Internal` if the embedded file is damaged.
pub async fn entry_script(cx: RequestContext) -> Result<Reply, ApiError> {
    assets::asset_reply("index.js", CachePolicy::Revalidate, &cx.request.headers)
}

/// `GET /sw.js`: returns the service worker, which caches the HTML shell. It is served from the root, because its path
/// determines which pages it controls.
///
/// # Errors
/// `Internal` if the embedded file is damaged.
pub async fn service_worker(cx: RequestContext) -> Result<Reply, ApiError> {
    assets::asset_reply("sw.js", CachePolicy::Revalidate, &cx.request.headers)
}

/// `GET /manifest.webmanifest`: returns the web app manifest.
///
/// # Errors
/// `Internal` if the embedded file is damaged.
pub async fn manifest(cx: RequestContext) -> Result<Reply, ApiError> {
    const NAME: &str = "manifest.webmanifest";
    let headers = &cx.request.headers;
    match cx.app.config.base_path() {
        "" => assets::asset_reply(NAME, CachePolicy::Revalidate, headers),
        base => assets::rewritten_reply(NAME, base, base_path::add_to_manifest, headers),
    }
}

/// `GET /assets/{tree}/{path*}`: returns an asset. If `tree` is not the current hash, the page was loaded before an
/// update; the current asset is then returned, but must be revalidated before each use.
///
/// # Errors
/// `Missing` if there is no such asset; `Internal` if it is damaged.
pub async fn asset(cx: RequestContext) -> Result<Reply, ApiError> {
    let policy = match cx.param("tree") == assets::TREE_HASH {
        true => CachePolicy::Immutable,
        false => CachePolicy::Revalidate,
    };
    assets::asset_reply(cx.param("path"), policy, &cx.request.headers)
}

/// `GET /api/openapi.json`: returns the OpenAPI description.
///
/// # Errors
/// `Internal` if the embedded file is damaged.
pub async fn openapi(cx: RequestContext) -> Result<Reply, ApiError> {
    const NAME: &str = "openapi.json";
    let headers = &cx.request.headers;
    match cx.app.config.base_path() {
        "" => assets::asset_reply(NAME, CachePolicy::Revalidate, headers),
        base => assets::rewritten_reply(NAME, base, base_path::add_to_openapi, headers),
    }
}

async fn index_reply(cx: &RequestContext) -> Reply {
    // If the database fails, the page shows the sign-in form. The health check reports the failure.
    let first_run = cx.app.accounts().is_first_run().await.unwrap_or(false);
    let setup = cx.app.accounts().pending_setup().await.unwrap_or(None);
    let needs_setup_token = matches!(setup, Some(FirstAdminRule::Token { .. }));
    let is_demo = cx.app.config.providers.is_empty();
    let base = cx.app.config.base_path();
    Reply::json(&json!({
        "message": "Quire asks a panel of language models a question about your documents and gives you one answer",
        "version": env!("CARGO_PKG_VERSION"),
        "docs": format!("{base}/api/openapi.json"),
        "health": format!("{base}/api/health"),
        "first_run": first_run,
        "needs_setup_token": needs_setup_token,
        "registration": cx.app.config.registration.as_str(),
        "guests": cx.app.allows_guests(),
        "mode": if is_demo { "demo" } else { "live" },
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
