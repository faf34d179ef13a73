//! Checks a request against its route: the origin, the scopes of an API key, guests, and credentials.

use hyper::{HeaderMap, Method};

use super::auth;
use super::context::RequestContext;
use super::error::ApiError;
use super::routes::{Route, RouteHandler};
use crate::app::{Error, Kind};
use crate::domain::key::{KeyScope, PresentedKey};
use crate::domain::user::{Caller, Role};

/// Refuses a state-changing request that may come from another site's page.
///
/// # Errors
/// `Forbidden`, with the setting to change if the page is in fact Quire's own.
pub(super) fn refuse_cross_site(route: &Route, cx: &RequestContext) -> Result<(), ApiError> {
    let is_forged = is_unsafe(&cx.request.method) && auth::is_cross_site(&cx.request, &cx.app);
    // The MCP specification requires servers to check the origin, regardless of the credential.
    if is_forged || (route.path == "/mcp" && auth::has_cross_site_origin(&cx.request, &cx.app)) {
        let error = Error::new(Kind::Forbidden, "this request was sent by another site");
        let resolution = "Send it from Quire's own pages. If you did, set PUBLIC_URL to the address that people \
                       use";
        return Err(error.resolve(resolution).into());
    }
    Ok(())
}

/// Checks that an API key has the scope that a route requires.
///
/// # Errors
/// `Forbidden`, with the name of the missing scope.
pub(super) fn check_key_scope(
    key: &PresentedKey,
    route: &Route,
    cx: &RequestContext,
) -> Result<(), ApiError> {
    // A key may always delete itself, so that anyone who finds a leaked key can revoke it.
    if route.path == "/api/users/me/api-keys/{id}" && cx.param("id") == key.id.as_str() {
        return Ok(());
    }
    // Routes for administrators require the `admin` scope, regardless of their path.
    let needed = match route.handler {
        RouteHandler::Admin(_) => &[KeyScope::Admin],
        _ => KeyScope::for_path(route.path),
    };
    let Some(needed) = needed.iter().find(|scope| !key.has_scope(**scope)) else {
        return Ok(());
    };
    let scopes = match key.scopes.is_empty() {
        true => &KeyScope::DEFAULT[..],
        false => &key.scopes,
    };
    let scope_names: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    let why = format!("this API key allows only {}", scope_names.join(" and "));
    let resolution = format!("use a key with the scope {}", needed.as_str());
    Err(Error::new(Kind::Forbidden, why).resolve(resolution).into())
}

/// Checks that a guest may use a route, and that the server still allows guests.
///
/// # Errors
/// `SignInNeeded` if the server is no longer an offline demo; `Forbidden` for a route that needs an account.
pub(super) fn check_guest(
    caller: &Caller,
    route: &Route,
    cx: &RequestContext,
) -> Result<(), ApiError> {
    if caller.role != Role::Guest || (cx.app.allows_guests() && route.allows_guests) {
        return Ok(());
    }
    if !cx.app.allows_guests() {
        return Err(auth::credential_required());
    }
    let error = Error::new(Kind::Forbidden, "this needs an account");
    Err(error.resolve("create an account").into())
}

/// Whether a route that needs no credential still rejects an invalid one. This applies only to credentials in headers,
/// and only to paths below `/api/` other than `/api/auth/`, which clients call when their token has expired.
pub(super) fn checks_credential(route: &Route, headers: &HeaderMap) -> bool {
    let has_credential = auth::has_credential_header(headers);
    let is_open = matches!(route.handler, RouteHandler::Open(_));
    let is_api = route.path.starts_with("/api/") && !route.path.starts_with("/api/auth/");
    has_credential && is_open && is_api
}

fn is_unsafe(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
