//! One request from arrival to response: route, checks in the contract's order, handler, and the headers that every
//! response has.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::header::{ACCESS_CONTROL_REQUEST_METHOD, ALLOW, EXPECT};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request};

use super::auth::{self, Admin, LinkToken};
use super::body::UnreadBody;
use super::compatible_paths::intended_path;
use super::context::RequestContext;
use super::error::{ApiError, ErrorFormat};
use super::handlers::pages::lost;
use super::head;
use super::headers;
use super::rate_limit_status::RateLimitStatus;
use super::rate_limiter::RateKey;
use super::reply::Reply;
use super::router::{RouteMatch, Router};
use super::routes::{Answer, Route, RouteHandler};
use super::shared::SharedState;
use super::stats;
use crate::app::accounts::PresenceGuard;
use crate::app::{Error, Kind};
use crate::clock;
use crate::domain::key::{KeyScope, PresentedKey};
use crate::domain::user::Caller;
use crate::log;

/// Answers requests by the table of routes.
pub struct Dispatcher {
    pub(super) shared: Arc<SharedState>,
    router: Router,
    seed: RandomState,
    count: AtomicU64,
}

/// Where a request came in.
#[derive(Clone, Copy)]
pub struct EntryPoint {
    /// The other end of the socket.
    pub peer: IpAddr,
    /// Whether `/` is the JSON index on this port, because another port serves the pages.
    pub index: bool,
    /// Whether TLS is spoken here by ourselves.
    pub https: bool,
}

/// An answer, at once or later.
pub enum PendingResponse {
    /// It is there.
    Done(Reply),
    /// It is being made.
    Coming(Pin<Box<dyn Future<Output = Reply> + Send>>),
}

/// What is known of a request before its row is.
struct RequestMeta {
    started: Instant,
    id: Arc<str>,
    entry: EntryPoint,
    https: bool,
    common: headers::CommonHeaders,
}

impl Dispatcher {
    /// Over this state.
    pub fn new(shared: Arc<SharedState>) -> Self {
        Self {
            shared,
            router: Router::new(),
            seed: RandomState::new(),
            count: AtomicU64::new(0),
        }
    }

    /// Answers one request. Never fails: whatever goes wrong has become an answer.
    pub fn answer(
        self: &Arc<Self>,
        request: Request<Incoming>,
        entry: EntryPoint,
    ) -> PendingResponse {
        let started = clock::instant();
        let headers = request.headers();
        let (peer, forwarded) = auth::origin_of(headers, entry.peer, &self.shared.app);
        let https = entry.https || forwarded;
        let arrival = RequestMeta {
            started,
            id: self.request_id(headers),
            entry: EntryPoint { peer, ..entry },
            https,
            common: headers::CommonHeaders::of(headers, &self.shared.app, https),
        };
        match self.router.find(request.method(), request.uri().path()) {
            RouteMatch::Route(route, _) if let RouteHandler::Quick(handler) = route.how => {
                let mut reply = handler(&self.shared, started);
                arrival.common.add(&mut reply, &arrival.id);
                let area = stats::area(request.uri().path());
                self.shared.stats.answered(area, reply.code(), started);
                PendingResponse::Done(reply)
            }
            // Boxed, so that a connection that only waits does not keep the room of an answer in the making.
            found => {
                PendingResponse::Coming(Box::pin(self.clone().follow(request, arrival, found)))
            }
        }
    }

    /// Answers a request whose head is not taken.
    pub fn refuse(
        &self,
        headers: &HeaderMap,
        refusal: head::HeadRefusal,
        entry: EntryPoint,
    ) -> PendingResponse {
        let started = clock::instant();
        let id = self.request_id(headers);
        let mut reply = ApiError::head(refusal).reply(&id);
        headers::CommonHeaders::of(headers, &self.shared.app, entry.https).add(&mut reply, &id);
        self.shared
            .stats
            .answered(stats::area("/"), reply.code(), started);
        log::info(
            "request refused",
            &[("request", &id), ("status", &reply.code().as_u16())],
        );
        PendingResponse::Done(reply)
    }

    async fn follow(
        self: Arc<Self>,
        request: Request<Incoming>,
        arrival: RequestMeta,
        found: RouteMatch,
    ) -> Reply {
        let (started, id) = (arrival.started, arrival.id);
        let (parts, body) = request.into_parts();
        let area = stats::area(parts.uri.path());
        let logged = log::enabled(log::LogLevel::Info);
        // The token of a share link opens what it leads to: it has no business in a log.
        let path = match &found {
            RouteMatch::Route(route, _) if matches!(route.how, RouteHandler::Link(_)) => route.path,
            _ => parts.uri.path(),
        };
        let line = logged.then(|| (parts.method.clone(), path.to_owned()));
        let is_private = matches!(&found, RouteMatch::Route(route, _) if route.is_private());
        let mut said = None;
        let (body, is_awaited) = (UnreadBody::new(body), parts.headers.contains_key(EXPECT));
        let mut reply = match found {
            RouteMatch::Route(route, params) => {
                let dialect = spoken(route.dialect, &parts.headers);
                let cx = RequestContext {
                    app: self.shared.app.clone(),
                    request: parts,
                    peer: arrival.entry.peer,
                    https: arrival.https,
                    id: id.clone(),
                    started,
                    now: clock::now(),
                    index: arrival.entry.index,
                    params,
                    body: body.clone(),
                    limit: route.limit,
                    shared: self.shared.clone(),
                };
                match caught(pin!(self.run(route, cx, &mut said))).await {
                    Some(Ok(reply)) => reply,
                    Some(Err(error)) => refusal(&error, &id, dialect),
                    None => {
                        let error = Error::internal("the handler panicked").into();
                        refusal(&error, &id, dialect)
                    }
                }
            }
            RouteMatch::Methods(allow, _) if parts.method == Method::OPTIONS => {
                let reply = Reply::empty().header(ALLOW, &allow);
                let preflight = parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
                headers::preflight(reply, preflight.then_some(&allow))
            }
            RouteMatch::Methods(allow, dialect) => {
                refusal(&ApiError::wrong_method(allow), &id, dialect)
            }
            RouteMatch::Nothing => lost(&parts).unwrap_or_else(|| {
                let error = ApiError::wrong_address(&parts.method, parts.uri.path());
                refusal(&error, &id, dialect_of(&parts))
            }),
        };
        let patience = self.shared.app.config.limits.body_timeout;
        body.discard(is_awaited, patience).await;
        if is_private {
            headers::keep_private(&mut reply);
        }
        arrival.common.add(&mut reply, &id);
        self.shared.stats.answered(area, reply.code(), started);
        if let Some((method, path)) = line {
            note(&method, &path, &reply, started, &id, said.as_deref());
        }
        reply
    }

    /// Counts a request of this caller; where nobody is signed in, of this device or this address.
    fn count(
        &self,
        caller: Option<&Caller>,
        cx: &RequestContext,
    ) -> Result<RateLimitStatus, ApiError> {
        let device = match caller {
            Some(_) => None,
            None => cx
                .device_cookie()
                .and_then(|cookie| cx.app.accounts().device(cookie)),
        };
        let key = match (caller, &device) {
            (Some(caller), _) => RateKey::User(&caller.user),
            (None, Some(device)) => RateKey::Device(device),
            (None, None) => RateKey::Address(cx.peer),
        };
        self.shared.limiter.check(key, clock::steady())
    }

    /// The checks in the contract's order, then the handler. `said` becomes who asked, for the log.
    async fn run(
        &self,
        route: &'static Route,
        mut cx: RequestContext,
        said: &mut Option<String>,
    ) -> Result<Reply, ApiError> {
        if let RouteHandler::Quick(handler) = route.how {
            return Ok(handler(&self.shared, cx.started));
        }
        if route.dialect == ErrorFormat::Gemini {
            auth::take_key_of_query(&mut cx.request);
        }
        refuse_foreign(route, &cx)?;
        let headers = &cx.request.headers;
        let takes_caller = matches!(
            route.how,
            RouteHandler::Maybe(_) | RouteHandler::User(_) | RouteHandler::Admin(_)
        ) || checks_credential(route, headers);
        let mark = self.shared.app.accounts().mark();
        let caller = if takes_caller {
            let caller = auth::caller(&cx.app, headers, cx.https, cx.now).await;
            if caller.is_err() && route.counted {
                // Guessing at credentials counts against the address, and is stopped there.
                self.count(None, &cx)?;
            }
            caller?
        } else {
            None
        };
        if let Some(key) = caller.as_ref().and_then(|caller| caller.key.as_ref()) {
            opened_by(key, route, &cx)?;
        }
        *said = caller.as_ref().map(|caller| caller.user.to_string());
        let rate_limit = match route.counted {
            true => Some(self.count(caller.as_ref(), &cx)?),
            false => None,
        };
        // Who waits to be told to go on is not told to send what will not be taken.
        if cx.request.headers.contains_key(EXPECT)
            && let Some(fault) = cx.announces_too_much()
        {
            return Err(fault.into());
        }
        let present = match &caller {
            Some(caller) => Some(self.shared.app.accounts().enter(&caller.user, mark).await?),
            None => None,
        };
        let now = cx.now;
        let answer = match route.how {
            RouteHandler::Quick(_) => unreachable!("answered above"),
            RouteHandler::Open(handler) => handler(cx),
            RouteHandler::Maybe(handler) => handler(cx, caller),
            RouteHandler::User(handler) => handler(cx, caller.ok_or_else(auth::missing)?),
            RouteHandler::Admin(handler) => {
                let admin = Admin::check(caller.ok_or_else(auth::missing)?)?;
                handler(cx, admin)
            }
            RouteHandler::Link(handler) => match LinkToken::check(cx.param("token")) {
                Ok(token) => handler(cx, token),
                Err(error) => return lost(&cx.request).ok_or(error),
            },
        };
        let answered = while_present(present, answer).await;
        let mut reply = answered.map_err(|error| error.rate_limit(rate_limit))?;
        if let Some(status) = rate_limit {
            status.add_headers(reply.headers_mut());
            if route.path.starts_with("/v1/") {
                status.add_vendor_headers(now, reply.headers_mut());
            }
        }
        Ok(reply)
    }

    /// The client's id where it is sane, else one of ours.
    fn request_id(&self, headers: &HeaderMap) -> Arc<str> {
        let given = headers.get(headers::REQUEST_ID);
        let given = given.and_then(|id| id.to_str().ok()).filter(|id| {
            let sane = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            (1..=64).contains(&id.len()) && id.bytes().all(sane)
        });
        match given {
            Some(id) => id.into(),
            // Unique in this process, and not to be guessed from the last one.
            None => hex(self.seed.hash_one(self.count.fetch_add(1, Relaxed))).into(),
        }
    }
}

/// Answers as long as the caller's account is neither locked nor deleted.
async fn while_present(present: Option<PresenceGuard>, answer: Answer) -> Result<Reply, ApiError> {
    let Some(mut present) = present else {
        return answer.await;
    };
    tokio::select! {
        // In this order: an administrator who locks an account gets an answer, even for their own.
        biased;
        reply = answer => Ok(reply?.until(async move { present.ended().await })),
        () = present.ended() => {
            let why = "the account was locked or deleted meanwhile";
            Err(ApiError::new(Kind::SignInNeeded, why))
        }
    }
}

/// One line a request. No bodies, no query: they may hold what is private.
fn note(
    method: &Method,
    path: &str,
    reply: &Reply,
    started: Instant,
    id: &str,
    caller: Option<&str>,
) {
    let bytes = match reply.length() {
        _ if method == Method::HEAD => "0".to_owned(),
        Some(length) => length.to_string(),
        None => "stream".to_owned(),
    };
    log::info(
        "request",
        &[
            ("request", &id),
            ("method", method),
            ("path", &path),
            ("status", &reply.code().as_u16()),
            ("ms", &started.elapsed().as_millis()),
            ("bytes", &bytes),
            ("caller", &caller.unwrap_or("-")),
        ],
    );
}

fn hex(number: u64) -> String {
    let digit =
        |place: u32| char::from(b"0123456789abcdef"[(number >> (60 - 4 * place)) as usize & 15]);
    (0..16).map(digit).collect()
}

fn unsafe_method(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

// Where nothing is, a program of another API still reads why.
fn dialect_of(request: &Parts) -> ErrorFormat {
    let path = request.uri.path();
    let is_compatible = path == "/v1" || path.starts_with("/v1/") || intended_path(path).is_some();
    match is_compatible {
        true => spoken(ErrorFormat::OpenAi, &request.headers),
        false => ErrorFormat::Ours,
    }
}

// Anthropic's SDK shares the lists of models with OpenAI's, and is known by its header.
fn spoken(dialect: ErrorFormat, headers: &HeaderMap) -> ErrorFormat {
    match dialect {
        ErrorFormat::OpenAi if headers.contains_key("anthropic-version") => ErrorFormat::Anthropic,
        other => other,
    }
}

fn refusal(error: &ApiError, id: &str, dialect: ErrorFormat) -> Reply {
    if let Some(private) = error.private() {
        log::error("request failed", &[("request", &id), ("why", &private)]);
    }
    error.reply_as(dialect, id)
}

/// Refuses a request that another site's page has sent.
///
/// # Errors
/// `Forbidden`, naming the setting to change when the pages are Quire's own.
fn refuse_foreign(route: &Route, cx: &RequestContext) -> Result<(), ApiError> {
    let is_foreign = unsafe_method(&cx.request.method) && auth::is_foreign(&cx.request, &cx.app);
    // MCP's specification asks servers to check the origin whatever the credential is.
    if is_foreign || (route.path == "/mcp" && auth::has_foreign_origin(&cx.request, &cx.app)) {
        let error = Error::new(Kind::Forbidden, "this request was sent by another site");
        let instead = "Send it from Quire's own pages. If these are, set PUBLIC_URL to the address they are \
                       opened at";
        return Err(error.resolve(instead).into());
    }
    Ok(())
}

fn opened_by(key: &PresentedKey, route: &Route, cx: &RequestContext) -> Result<(), ApiError> {
    // A key that has leaked can always be given up by whoever holds it.
    if route.path == "/api/users/me/api-keys/{id}" && cx.param("id") == key.id.as_str() {
        return Ok(());
    }
    // What only administrators may is theirs wherever it lies.
    let needed = match route.how {
        RouteHandler::Admin(_) => &[KeyScope::Admin],
        _ => KeyScope::of_path(route.path),
    };
    let Some(needed) = needed.iter().find(|scope| !key.opens(**scope)) else {
        return Ok(());
    };
    let scopes = match key.scopes.is_empty() {
        true => &KeyScope::DEFAULT[..],
        false => &key.scopes,
    };
    let has: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    let why = format!("this API key is for {} only", has.join(" and "));
    let instead = format!("use a key with the scope {}", needed.as_str());
    Err(Error::new(Kind::Forbidden, why).resolve(instead).into())
}

/// Whether a row for anyone refuses a credential that does not hold: one sent on purpose, so no cookie, and
/// not where a program goes whose token has run out.
fn checks_credential(route: &Route, headers: &HeaderMap) -> bool {
    let sent = auth::is_explicit(headers);
    let open = matches!(route.how, RouteHandler::Open(_));
    sent && open && route.path.starts_with("/api/") && !route.path.starts_with("/api/auth/")
}

/// Runs a future to its end; `None` where it panics, so that one request cannot take the process with it.
/// It comes pinned: moved in here, it would take its room twice.
async fn caught<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        let poll = || future.as_mut().poll(context);
        match std::panic::catch_unwind(AssertUnwindSafe(poll)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Some(output)),
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_sixteen_digits() {
        for number in [0, 1, 0x1234_5678_9abc_def0, u64::MAX] {
            assert_eq!(hex(number), format!("{number:016x}"));
        }
    }

    #[tokio::test]
    async fn a_panic_ends_one_request_only() {
        assert_eq!(caught(pin!(async { 7 })).await, Some(7));
        let late = async {
            tokio::task::yield_now().await;
            panic!("as a handler might")
        };
        assert_eq!(caught(pin!(late)).await, None::<()>);
    }
}
