//! Authentication: extracts a request's credential and resolves it to a caller. Also finds the client's address behind
//! proxies and detects cross-site requests. Nothing here depends on a request's route.

use std::net::IpAddr;

use hyper::header::{AUTHORIZATION, COOKIE, HOST, HeaderName, HeaderValue, ORIGIN};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Version};

use super::error::ApiError;
use super::host;
use super::percent::query_value;
use crate::app::accounts::Credential;
use crate::app::{App, Error, Kind};
use crate::domain::time::Timestamp;
use crate::domain::user::{Caller, Role};

/// The cookies that the server sets when a browser signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthCookie {
    /// The short-lived access token, which authenticates requests.
    Access,
    /// The refresh token, which renews the access token.
    Refresh,
    /// The device cookie, which marks a browser that has signed in before. It is kept after signing out and grants no
    /// access.
    Device,
}

impl AuthCookie {
    /// Returns the cookie's name. The `__Host-` prefix makes browsers reject a cookie that was set by another host or
    /// over plain HTTP. It can be used only over HTTPS and without a base path.
    pub fn name(self, scope: CookieScope<'_>) -> &'static str {
        match (self, scope.is_secure, scope.base) {
            (Self::Access, true, "") => "__Host-quire_access",
            (Self::Refresh, true, "") => "__Host-quire_refresh",
            (Self::Device, true, "") => "__Host-quire_device",
            (Self::Access, true, _) => "__Secure-quire_access",
            (Self::Refresh, true, _) => "__Secure-quire_refresh",
            (Self::Device, true, _) => "__Secure-quire_device",
            (Self::Access, false, _) => "quire_access",
            (Self::Refresh, false, _) => "quire_refresh",
            (Self::Device, false, _) => "quire_device",
        }
    }
    /// Returns the cookie's `Path`, so that browsers do not send it to other paths on the host. With the `__Host-`
    /// prefix, the path must be `/`.
    pub fn path(self, scope: CookieScope<'_>) -> String {
        match (self, scope.is_secure, scope.base) {
            (_, true, "") => "/".to_owned(),
            (Self::Refresh, _, base) => format!("{base}/api/auth"),
            (_, _, "") => "/".to_owned(),
            (_, _, base) => base.to_owned(),
        }
    }
}

/// What determines a cookie's name and path: whether it is sent only over HTTPS, and the base path.
#[derive(Debug, Clone, Copy)]
pub struct CookieScope<'a> {
    /// Whether the cookie is marked `Secure`.
    pub is_secure: bool,
    /// The path of `PUBLIC_URL`; empty if Quire has the whole host.
    pub base: &'a str,
}

impl<'a> CookieScope<'a> {
    /// Returns the scope for a request that was received over HTTPS or plain HTTP.
    pub fn from_app(app: &'a App, https: bool) -> Self {
        Self {
            is_secure: is_secure(app, https),
            base: app.config.base_path(),
        }
    }
}

/// Whether cookies are marked `Secure`: the request came over HTTPS, or `PUBLIC_URL` is an HTTPS address.
pub fn is_secure(app: &App, https: bool) -> bool {
    let public = app.config.public_url.as_deref();
    https || public.is_some_and(|url| url.starts_with("https://"))
}

/// Headers other than `Authorization` that may contain an API key: `x-api-key` is used by Anthropic and Quire,
/// `api-key` by Azure, and `x-goog-api-key` by Google.
const KEY_HEADERS: &[&str] = &["x-api-key", "api-key", "x-goog-api-key"];

/// Whether a header of the request contains a credential. Browsers never add one on their own.
pub fn has_credential_header(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION)
        || KEY_HEADERS.iter().any(|name| headers.contains_key(*name))
}

/// Moves an API key from the query parameter `key`, where Google's older clients send it, to the header that newer
/// clients use. Does nothing if a header already contains a credential.
pub(super) fn move_query_key_to_header(request: &mut Parts) {
    if has_credential_header(&request.headers) {
        return;
    }
    let query = request.uri.query().unwrap_or_default();
    let key = query_value(query, "key").filter(|key| !key.is_empty());
    if let Some(value) = key.and_then(|key| HeaderValue::from_str(&key).ok()) {
        let name = HeaderName::from_static("x-goog-api-key");
        request.headers.insert(name, value);
    }
}

/// A caller who has been checked to be an administrator. Only the dispatcher creates one.
pub struct Admin(Caller);

impl Admin {
    /// Checks that a caller is an administrator.
    ///
    /// # Errors
    /// `Forbidden` for other callers.
    pub(super) fn check(caller: Caller) -> Result<Self, ApiError> {
        match caller.role {
            Role::Admin => Ok(Self(caller)),
            Role::User | Role::Guest => Err(ApiError::new(
                Kind::Forbidden,
                "only administrators can do this",
            )),
        }
    }
    /// Returns the administrator's caller.
    pub fn caller(&self) -> &Caller {
        &self.0
    }
}

/// A share token from the path. Only its format has been checked; the app decides whether it grants access.
pub struct LinkToken(String);

impl LinkToken {
    /// Checks the format of a token: 16 to 128 characters of base64url.
    ///
    /// # Errors
    /// `Missing` for any other text.
    pub(super) fn check(text: &str) -> Result<Self, ApiError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if (16..=128).contains(&text.len()) && text.bytes().all(is_allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ApiError::new(Kind::Missing, "this link is invalid"))
        }
    }
    /// Returns the token's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Extracts the request's credential, if there is one. Headers take precedence over the cookie, because only a program
/// sets them.
///
/// # Errors
/// `SignInNeeded` if a credential header is present but contains no token or key.
pub fn credential(
    headers: &HeaderMap,
    scope: CookieScope<'_>,
) -> Result<Option<Credential>, ApiError> {
    let has_key = KEY_HEADERS.iter().any(|name| headers.contains_key(*name));
    // Some clients send both headers and leave the unused one blank.
    let authorization = headers.get(AUTHORIZATION);
    let authorization = authorization.filter(|value| !(has_key && is_blank(value)));
    if let Some(value) = authorization {
        let bearer = value.to_str().ok().and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme
                .eq_ignore_ascii_case("bearer")
                .then_some(token.trim())
        });
        return match bearer {
            Some(key) if key.starts_with("quire_") => Ok(Some(Credential::ApiKey(key.to_owned()))),
            Some(token) if !token.is_empty() => Ok(Some(Credential::Bearer(token.to_owned()))),
            _ => Err(unauthenticated_error(
                "the Authorization header contains no bearer token",
            )),
        };
    }
    for name in KEY_HEADERS {
        if let Some(value) = headers.get(*name) {
            return match value.to_str() {
                Ok(key) if !key.is_empty() => Ok(Some(Credential::ApiKey(key.to_owned()))),
                _ => Err(unauthenticated_error(&format!(
                    "the {name} header contains no key"
                ))),
            };
        }
    }
    let name = AuthCookie::Access.name(scope);
    let token = cookie(headers, name).filter(|token| !token.is_empty());
    Ok(token.map(|token| Credential::Cookie(token.to_owned())))
}

/// Whether an `Authorization` header is empty or consists only of its scheme.
fn is_blank(value: &HeaderValue) -> bool {
    let text = value.to_str().unwrap_or("?").trim();
    text.is_empty() || text.eq_ignore_ascii_case("bearer")
}

/// Resolves the request's credential to a caller. Returns `None` if the request has none.
///
/// # Errors
/// `SignInNeeded` if the credential is malformed, invalid, or expired; `Internal` if the database fails.
pub async fn resolve_caller(
    app: &App,
    headers: &HeaderMap,
    https: bool,
    now: Timestamp,
) -> Result<Option<Caller>, ApiError> {
    match credential(headers, CookieScope::from_app(app, https))? {
        None => Ok(None),
        Some(credential) => Ok(Some(app.accounts().authenticate(credential, now).await?)),
    }
}

/// Returns the error for a request that needs a credential but has none.
pub fn credential_required() -> ApiError {
    unauthenticated_error("sign in first: this request has no credentials")
}

fn unauthenticated_error(text: &str) -> ApiError {
    Error::new(Kind::SignInNeeded, text).into()
}

/// Returns the value of a cookie in the request; `None` if the cookie is missing.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(COOKIE).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// Whether another site may have made a browser send this request (CSRF), either to misuse the cookies for this server
/// or to reach a server that only the browser's machine can reach. A request with a credential header is safe, because
/// browsers never add such a header on their own.
pub fn is_cross_site(request: &Parts, app: &App) -> bool {
    let headers = &request.headers;
    if has_credential_header(headers) {
        return false;
    }
    if headers.contains_key(ORIGIN) {
        // Only browsers on this machine reach a loopback server, but any DNS name can resolve to 127.0.0.1, so the host
        // name must be checked as well.
        let is_loopback = app.config.host.is_loopback() && app.config.trusted_proxies.is_empty();
        return !has_same_origin(request, app, is_loopback);
    }
    let mut fetch_sites = headers.get_all("sec-fetch-site").iter();
    fetch_sites.any(|site| site != "same-origin" && site != "none")
}

/// Whether the `Origin` header names another site. Because any DNS name can resolve to this machine (DNS rebinding),
/// host names other than `localhost` count as another site unless the settings list them.
pub fn has_cross_site_origin(request: &Parts, app: &App) -> bool {
    request.headers.contains_key(ORIGIN) && !has_same_origin(request, app, true)
}

/// Whether `Origin` matches the requested host, `PUBLIC_URL`, or `CORS_ORIGINS`. With `strict`, a matching host counts
/// only if it is an IP address or `localhost`, because of DNS rebinding.
fn has_same_origin(request: &Parts, app: &App, strict: bool) -> bool {
    // If there are several `Origin` headers, it is unclear which one counts.
    let mut origins = request.headers.get_all(ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else {
        return false;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    let origin = origin.to_ascii_lowercase();
    let Some((_, authority)) = origin.split_once("://") else {
        return false;
    };
    let matches_host =
        requested_authority(request).is_some_and(|host| host.eq_ignore_ascii_case(authority));
    matches_host && (!strict || host::is_ip_literal(authority))
        || app.config.public_url.as_deref().is_some_and(|public_url| {
            public_url.eq_ignore_ascii_case(&origin)
                || public_url
                    .to_ascii_lowercase()
                    .starts_with(&format!("{origin}/"))
        })
        || app.config.cors_origins.contains(&origin)
}

/// Returns the host and port that the request is for. An absolute request target takes precedence over `Host`.
fn requested_authority(request: &Parts) -> Option<&str> {
    match request.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => request.headers.get(HOST)?.to_str().ok(),
    }
}

/// Prefixes of header names that only proxies, CDNs, and load balancers add.
const PROXY_HEADERS: &[&str] = &[
    "akamai-",
    "cdn-",
    "cf-",
    "client-ip",
    "fastly-",
    "fly-",
    "forwarded",
    "front-end-",
    "incap-",
    "proxy-",
    "true-client-",
    "via",
    "wl-proxy-",
    "x-amz-cf-",
    "x-amzn-",
    "x-appengine-",
    "x-arr-",
    "x-azure-",
    "x-client-ip",
    "x-cloud-trace-",
    "x-cluster-client-",
    "x-envoy-",
    "x-forward",
    "x-original-",
    "x-proxy",
    "x-real-",
    "x-remote-",
    "x-scheme",
    "x-ssl",
    "x-url-scheme",
    "x-varnish",
    "x-vercel-",
];

/// Whether a request appears to come directly from a program on this machine. Requests through a proxy on it are
/// excluded, and so are those of web pages whose host name resolves to it. Local clients address a loopback host,
/// whereas proxies forward their public host or use HTTP/1.0 (nginx before 1.29.7).
pub fn is_local(request: &Parts, peer: IpAddr) -> bool {
    let is_proxy_header = |name: &HeaderName| {
        let mut prefixes = PROXY_HEADERS.iter();
        prefixes.any(|prefix| name.as_str().starts_with(prefix))
    };
    peer.is_loopback()
        && request.version >= Version::HTTP_11
        && requested_authority(request).is_some_and(host::is_loopback)
        && !request.headers.keys().any(is_proxy_header)
}

/// Returns the client's address and whether it uses HTTPS. Forwarding headers count only if a trusted proxy sends them.
/// In `X-Forwarded-For`, the client's address is the last one that does not belong to a trusted proxy.
pub fn client_address(headers: &HeaderMap, peer: IpAddr, app: &App) -> (IpAddr, bool) {
    let trusted = |address: IpAddr| {
        let networks = &app.config.trusted_proxies;
        networks.iter().any(|network| network.contains(address))
    };
    if app.config.trusted_proxies.is_empty() || !trusted(peer) {
        return (peer, false);
    }
    let https = headers
        .get("x-forwarded-proto")
        .is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
    let lines: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|line| line.to_str().ok())
        .collect();
    let mut client = peer;
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let Ok(address) = hop.trim().parse::<IpAddr>() else {
            break;
        };
        client = address;
        if !trusted(address) {
            break;
        }
    }
    (client, https)
}
