//! Who is asking: finds the credential in a request and has the app check it. Also says where a request
//! really came from. Makes no decision that depends on what is asked for.

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

/// The cookies of a browser that signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthCookie {
    /// The access token.
    Access,
    /// The refresh token.
    Refresh,
    /// That it has signed in before: stays when it signs out, and opens nothing.
    Device,
}

impl AuthCookie {
    /// Its name. Over HTTPS the prefix makes browsers refuse one that another host or plain HTTP has set;
    /// plain HTTP cannot use it.
    pub const fn name(self, secure: bool) -> &'static str {
        match (self, secure) {
            (Self::Access, true) => "__Host-quire_access",
            (Self::Refresh, true) => "__Host-quire_refresh",
            (Self::Device, true) => "__Host-quire_device",
            (Self::Access, false) => "quire_access",
            (Self::Refresh, false) => "quire_refresh",
            (Self::Device, false) => "quire_device",
        }
    }
    /// Where browsers send it. The prefix demands the root.
    pub const fn path(self, secure: bool) -> &'static str {
        match (self, secure) {
            (Self::Refresh, false) => "/api/auth",
            _ => "/",
        }
    }
}

/// Whether cookies are for HTTPS only: the request came over it, or the public address says that all do.
pub fn is_secure(app: &App, https: bool) -> bool {
    let public = app.config.public_url.as_deref();
    https || public.is_some_and(|url| url.starts_with("https://"))
}

/// Headers that carry an API key beside `Authorization`: ours and Anthropic's, Azure's, Google's.
const KEY_HEADERS: &[&str] = &["x-api-key", "api-key", "x-goog-api-key"];

/// Whether the request presents a credential on purpose, in a header that no browser adds on its own.
pub fn is_explicit(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION)
        || KEY_HEADERS.iter().any(|name| headers.contains_key(*name))
}

/// Moves the key of `?key=`, where Google's older clients send it, into the header of their newer ones.
pub(super) fn take_key_of_query(request: &mut Parts) {
    if is_explicit(&request.headers) {
        return;
    }
    let query = request.uri.query().unwrap_or_default();
    let key = query_value(query, "key").filter(|key| !key.is_empty());
    if let Some(value) = key.and_then(|key| HeaderValue::from_str(&key).ok()) {
        let name = HeaderName::from_static("x-goog-api-key");
        request.headers.insert(name, value);
    }
}

/// An administrator. Only the router makes one.
pub struct Admin(Caller);

impl Admin {
    pub(super) fn check(caller: Caller) -> Result<Self, ApiError> {
        match caller.role {
            Role::Admin => Ok(Self(caller)),
            Role::User => Err(ApiError::new(Kind::Forbidden, "this is for administrators")),
        }
    }
    /// Who it is.
    pub fn caller(&self) -> &Caller {
        &self.0
    }
}

/// A share token from the path: it has the right shape, whether it opens anything is the app's to say.
pub struct LinkToken(String);

impl LinkToken {
    pub(super) fn check(text: &str) -> Result<Self, ApiError> {
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if (16..=128).contains(&text.len()) && text.bytes().all(sound) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ApiError::new(
                Kind::Missing,
                "there is nothing under this link",
            ))
        }
    }
    /// The token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The credential of a request, if it presents one. The header wins over the cookie: a program that
/// sends a key means it.
pub fn credential(headers: &HeaderMap, secure: bool) -> Result<Option<Credential>, ApiError> {
    let has_key = KEY_HEADERS.iter().any(|name| headers.contains_key(*name));
    // Programs that know two headers send the one that is not set up as well, without a key.
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
            _ => Err(refused("the Authorization header holds no bearer token")),
        };
    }
    for name in KEY_HEADERS {
        if let Some(value) = headers.get(*name) {
            return match value.to_str() {
                Ok(key) if !key.is_empty() => Ok(Some(Credential::ApiKey(key.to_owned()))),
                _ => Err(refused(&format!("the {name} header holds no key"))),
            };
        }
    }
    let name = AuthCookie::Access.name(secure);
    let token = cookie(headers, name).filter(|token| !token.is_empty());
    Ok(token.map(|token| Credential::Cookie(token.to_owned())))
}

/// Whether an `Authorization` header names no more than its scheme.
fn is_blank(value: &HeaderValue) -> bool {
    let text = value.to_str().unwrap_or("?").trim();
    text.is_empty() || text.eq_ignore_ascii_case("bearer")
}

/// Who is asking. `None` where no credential is presented; one that does not hold is an error.
pub async fn caller(
    app: &App,
    headers: &HeaderMap,
    https: bool,
    now: Timestamp,
) -> Result<Option<Caller>, ApiError> {
    match credential(headers, is_secure(app, https))? {
        None => Ok(None),
        Some(credential) => Ok(Some(app.accounts().authenticate(credential, now).await?)),
    }
}

/// The refusal where a credential is needed and none was sent.
pub fn missing() -> ApiError {
    refused("sign in first: this request carries no credential")
}

fn refused(text: &str) -> ApiError {
    Error::new(Kind::SignInNeeded, text).into()
}

/// A cookie's value.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(COOKIE).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// Whether a browser may have been led to send this by another site: with our cookies, or to a server that only its
/// own machine reaches. A credential in a header is never sent by a browser on its own.
pub fn is_foreign(request: &Parts, app: &App) -> bool {
    let headers = &request.headers;
    if is_explicit(headers) {
        return false;
    }
    if headers.contains_key(ORIGIN) {
        // Only this machine's own browser reaches it, and any name on the internet can be pointed here.
        let is_hidden = app.config.host.is_loopback() && app.config.trusted_proxies.is_empty();
        return !has_own_origin(request, app, is_hidden);
    }
    let mut sites = headers.get_all("sec-fetch-site").iter();
    sites.any(|site| site != "same-origin" && site != "none")
}

/// Whether a page of another site sent this, by what its browser says. Names that anybody could have pointed here
/// are another site's, unless the settings list them.
pub fn has_foreign_origin(request: &Parts, app: &App) -> bool {
    request.headers.contains_key(ORIGIN) && !has_own_origin(request, app, true)
}

/// `strict`: the name under which the request came proves nothing (DNS rebinding), except for addresses and
/// `localhost`.
fn has_own_origin(request: &Parts, app: &App, strict: bool) -> bool {
    // Of two, nobody can say which one the browser meant.
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
    let is_named = named(request).is_some_and(|host| host.eq_ignore_ascii_case(authority));
    is_named && (!strict || host::is_literal(authority))
        || app.config.public_url.as_deref().is_some_and(|ours| {
            ours.eq_ignore_ascii_case(&origin)
                || ours.to_ascii_lowercase().starts_with(&format!("{origin}/"))
        })
        || app.config.cors_origins.contains(&origin)
}

/// The host and port that a request names: those of a whole address count, not the `Host` beside it.
fn named(request: &Parts) -> Option<&str> {
    match request.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => request.headers.get(HOST)?.to_str().ok(),
    }
}

/// How the names of headers begin that only proxies, content networks, and load balancers add.
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

/// Whether a request comes from this machine itself, by what can be seen: not from elsewhere through a proxy on this
/// machine, and not from a page whose name was pointed here. Whoever calls a server on its own machine names a
/// loopback address; proxies pass their public one on, or call with HTTP/1.0 (nginx before 1.29.7).
pub fn is_local(request: &Parts, peer: IpAddr) -> bool {
    let is_proxys = |name: &HeaderName| {
        let mut starts = PROXY_HEADERS.iter();
        starts.any(|start| name.as_str().starts_with(start))
    };
    peer.is_loopback()
        && request.version >= Version::HTTP_11
        && named(request).is_some_and(host::is_loopback)
        && !request.headers.keys().any(is_proxys)
}

/// The client's address and whether it speaks https. What proxies say counts only as far as they are
/// trusted: the last address that is not a trusted proxy's is the client's.
pub fn origin_of(headers: &HeaderMap, peer: IpAddr, app: &App) -> (IpAddr, bool) {
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
