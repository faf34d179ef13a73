//! Processes a request from arrival to response: routing, the checks in their fixed order, the handler, and the common
//! response headers.

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
use super::base_path;
use super::body::UnreadBody;
use super::compatible_paths::intended_path;
use super::compression::ResponseCoding;
use super::context::RequestContext;
use super::error::{ApiError, ErrorFormat};
use super::handlers::pages::not_found_page;
use super::head;
use super::headers;
use super::rate_limit_status::RateLimitStatus;
use super::rate_limiter::RateKey;
use super::reply::Reply;
use super::request_log::log_request;
use super::route_checks;
use super::router::{RouteMatch, Router};
use super::routes::{HandlerFuture, Route, RouteHandler};
use super::shared::SharedState;
use super::stats;
use crate::app::accounts::InFlightGuard;
use crate::app::{Error, Kind};
use crate::clock;

use crate::domain::user::Caller;
use crate::log;

/// Dispatches requests to the handlers of the route table.
pub struct Dispatcher {
    pub(super) shared: Arc<SharedState>,
    router: Router,
    /// Seed of the generated request IDs.
    id_seed: RandomState,
    id_count: AtomicU64,
}

/// How a request reached the server: from which peer, and on what kind of port.
#[derive(Clone, Copy)]
pub struct EntryPoint {
    /// The remote address of the socket.
    pub peer: IpAddr,
    /// Whether `/` returns the JSON index on this port, because the web pages are on another port.
    pub index: bool,
    /// Whether this port terminates TLS.
    pub https: bool,
}

/// A response that is ready, or a future that computes one.
pub enum PendingResponse {
    /// The response.
    Ready(Reply),
    /// A future that computes the response.
    Future(Pin<Box<dyn Future<Output = Reply> + Send>>),
}

/// What is known about a request before it is routed.
struct RequestMeta {
    started: Instant,
    id: Arc<str>,
    entry: EntryPoint,
    https: bool,
    common_headers: headers::CommonHeaders,
}

impl Dispatcher {
    /// Creates a dispatcher for the route table.
    pub fn new(shared: Arc<SharedState>) -> Self {
        Self {
            shared,
            router: Router::new(),
            id_seed: RandomState::new(),
            id_count: AtomicU64::new(0),
        }
    }

    /// Responds to a request: immediately, or with a future that runs the route's handler. Errors become responses.
    pub fn respond(
        self: &Arc<Self>,
        mut request: Request<Incoming>,
        entry: EntryPoint,
    ) -> PendingResponse {
        let started = clock::instant();
        let base = self.shared.app.config.base_path();
        if let Some(uri) = base_path::strip_base_path(request.uri(), base) {
            *request.uri_mut() = uri;
        }
        let headers = request.headers();
        let (peer, forwarded) = auth::client_address(headers, entry.peer, &self.shared.app);
        let https = entry.https || forwarded;
        let meta = RequestMeta {
            started,
            id: self.request_id(headers),
            entry: EntryPoint { peer, ..entry },
            https,
            common_headers: headers::CommonHeaders::from_request(headers, &self.shared.app, https),
        };
        match self.router.find(request.method(), request.uri().path()) {
            RouteMatch::Route(route, _) if let RouteHandler::Quick(handler) = route.handler => {
                let mut reply = handler(&self.shared, started);
                meta.common_headers.add(&mut reply, &meta.id);
                let area = stats::area_index(request.uri().path());
                self.shared
                    .stats
                    .record_response(area, reply.code(), started);
                PendingResponse::Ready(reply)
            }
            // Boxed, so that an idle connection does not reserve memory for a running handler.
            matched => {
                PendingResponse::Future(Box::pin(self.clone().handle(request, meta, matched)))
            }
        }
    }

    /// Returns the error response for a request whose head or body framing was refused.
    pub fn refuse(
        &self,
        headers: &HeaderMap,
        refusal: head::HeadRefusal,
        entry: EntryPoint,
    ) -> PendingResponse {
        let started = clock::instant();
        let id = self.request_id(headers);
        let mut reply = ApiError::head_refused(refusal).reply(&id);
        headers::CommonHeaders::from_request(headers, &self.shared.app, entry.https)
            .add(&mut reply, &id);
        self.shared
            .stats
            .record_response(stats::area_index("/"), reply.code(), started);
        log::info(
            "request refused",
            &[("request", &id), ("status", &reply.code().as_u16())],
        );
        PendingResponse::Ready(reply)
    }

    async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        meta: RequestMeta,
        matched: RouteMatch,
    ) -> Reply {
        let (started, id) = (meta.started, meta.id);
        let base = self.shared.app.config.base_path();
        let (parts, body) = request.into_parts();
        let area = stats::area_index(parts.uri.path());
        let is_logged = log::enabled(log::LogLevel::Info);
        // A share token is a credential and must not be logged.
        let path = match &matched {
            RouteMatch::Route(route, _) if matches!(route.handler, RouteHandler::Link(_)) => {
                route.path
            }
            _ => parts.uri.path(),
        };
        let line = is_logged.then(|| (parts.method.clone(), path.to_owned()));
        let is_private = matches!(&matched, RouteMatch::Route(route, _) if route.is_private());
        let has_tag = matches!(&matched, RouteMatch::Route(route, _) if route.has_entity_tag);
        let coding = ResponseCoding::from_request(&parts, has_tag);
        let mut caller_id = None;
        let (body, expects_continue) = (UnreadBody::new(body), parts.headers.contains_key(EXPECT));
        let mut reply = match matched {
            RouteMatch::Route(route, params) => {
                let format = client_format(route.error_format, &parts.headers);
                let cx = RequestContext {
                    app: self.shared.app.clone(),
                    request: parts,
                    peer: meta.entry.peer,
                    https: meta.https,
                    id: id.clone(),
                    started,
                    now: clock::now(),
                    index: meta.entry.index,
                    params,
                    body: body.clone(),
                    limit: route.limit,
                    shared: self.shared.clone(),
                };
                match catch_panic(pin!(self.run(route, cx, &mut caller_id))).await {
                    Some(Ok(reply)) => reply,
                    Some(Err(error)) => error_response(&error, &id, format),
                    None => {
                        let error = Error::internal("the handler panicked").into();
                        error_response(&error, &id, format)
                    }
                }
            }
            RouteMatch::Methods(allow, _) if parts.method == Method::OPTIONS => {
                let reply = Reply::empty().header(ALLOW, &allow);
                let preflight = parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
                headers::preflight(reply, preflight.then_some(&allow))
            }
            RouteMatch::Methods(allow, format) => {
                error_response(&ApiError::method_not_allowed(allow), &id, format)
            }
            RouteMatch::None => not_found_page(&parts, base).unwrap_or_else(|| {
                let error = ApiError::unknown_path(&parts.method, parts.uri.path());
                error_response(&error, &id, format_of_unknown_path(&parts))
            }),
        };
        let timeout = self.shared.app.config.limits.body_timeout;
        body.discard(expects_continue, timeout).await;
        if is_private {
            headers::forbid_caching(&mut reply);
        }
        base_path::add_to_location(&mut reply, base);
        meta.common_headers.add(&mut reply, &id);
        reply = coding.apply(reply).await;
        self.shared
            .stats
            .record_response(area, reply.code(), started);
        if let Some((method, path)) = line {
            log_request(&method, &path, &reply, started, &id, caller_id.as_deref());
        }
        reply
    }

    /// Counts a request against the rate limit of the caller or, without a caller, of the device or the address.
    ///
    /// # Errors
    /// `TooFast`, with the time to wait, if the limit is exceeded.
    async fn count(
        &self,
        caller: Option<&Caller>,
        cx: &RequestContext,
    ) -> Result<RateLimitStatus, ApiError> {
        let device = match caller {
            Some(_) => None,
            None => cx
                .device_cookie()
                .and_then(|cookie| cx.app.accounts().known_device_session(cookie)),
        };
        let key = match (caller, &device) {
            (Some(caller), _) => RateKey::User(&caller.user),
            (None, Some(device)) => RateKey::Device(device),
            (None, None) => RateKey::Address(cx.peer),
        };
        let (limiter, now) = (&self.shared.limiter, clock::monotonic_now());
        limiter.check(key, now, cx.app.limits()).await
    }

    /// Checks a request in a fixed order, and then runs the handler. Sets `caller_id` for the request log.
    async fn run(
        &self,
        route: &'static Route,
        mut cx: RequestContext,
        caller_id: &mut Option<String>,
    ) -> Result<Reply, ApiError> {
        if let RouteHandler::Quick(handler) = route.handler {
            return Ok(handler(&self.shared, cx.started));
        }
        if route.error_format == ErrorFormat::Gemini {
            auth::move_query_key_to_header(&mut cx.request);
        }
        route_checks::refuse_cross_site(route, &cx)?;
        let headers = &cx.request.headers;
        let authenticates = matches!(
            route.handler,
            RouteHandler::Maybe(_) | RouteHandler::User(_) | RouteHandler::Admin(_)
        ) || route_checks::checks_credential(route, headers);
        let mark = self.shared.app.accounts().current_epoch();
        let caller = if authenticates {
            let caller = auth::resolve_caller(&cx.app, headers, cx.https, cx.now).await;
            if caller.is_err() && route.rate_limited {
                // Requests with invalid credentials count against the limit of the device or address, so that guessing
                // is slow.
                self.count(None, &cx).await?;
            }
            caller?
        } else {
            None
        };
        if let Some(key) = caller.as_ref().and_then(|caller| caller.key.as_ref()) {
            route_checks::check_key_scope(key, route, &cx)?;
        }
        if let Some(caller) = &caller {
            route_checks::check_guest(caller, route, &cx)?;
        }
        *caller_id = caller.as_ref().map(|caller| caller.user.to_string());
        let rate_limit = match route.rate_limited {
            true => Some(self.count(caller.as_ref(), &cx).await?),
            false => None,
        };
        // An oversized body is refused before `100 Continue`, so that the client does not send it.
        if cx.request.headers.contains_key(EXPECT) {
            cx.check_content_length()?;
        }
        let in_flight_guard = match &caller {
            Some(caller) => Some(self.shared.app.accounts().enter(&caller.user, mark).await?),
            None => None,
        };
        let now = cx.now;
        let response = match route.handler {
            RouteHandler::Quick(_) => unreachable!("answered above"),
            RouteHandler::Open(handler) => handler(cx),
            RouteHandler::Maybe(handler) => handler(cx, caller),
            RouteHandler::User(handler) => {
                handler(cx, caller.ok_or_else(auth::credential_required)?)
            }
            RouteHandler::Admin(handler) => {
                let admin = Admin::check(caller.ok_or_else(auth::credential_required)?)?;
                handler(cx, admin)
            }
            RouteHandler::Link(handler) => match LinkToken::check(cx.param("token")) {
                Ok(token) => handler(cx, token),
                Err(error) => {
                    let base = self.shared.app.config.base_path();
                    return not_found_page(&cx.request, base).ok_or(error);
                }
            },
        };
        let result = while_present(in_flight_guard, response).await;
        let mut reply = result.map_err(|error| error.rate_limit(rate_limit))?;
        if let Some(status) = rate_limit {
            status.add_headers(reply.headers_mut());
            if route.path.starts_with("/v1/") {
                status.add_vendor_headers(now, reply.headers_mut());
            }
        }
        Ok(reply)
    }

    /// Returns the request ID sent by the client if it is well-formed, or a generated one.
    fn request_id(&self, headers: &HeaderMap) -> Arc<str> {
        let client_id = headers.get(headers::REQUEST_ID);
        let client_id = client_id.and_then(|id| id.to_str().ok()).filter(|id| {
            let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            (1..=64).contains(&id.len()) && id.bytes().all(is_allowed)
        });
        match client_id {
            Some(id) => id.into(),
            // The ID must be unique in this process and unpredictable.
            None => {
                let number = self.id_seed.hash_one(self.id_count.fetch_add(1, Relaxed));
                format!("{number:016x}").into()
            }
        }
    }
}

/// Awaits a handler's response. If the caller's account is locked or deleted meanwhile, ends the request with an error.
async fn while_present(
    in_flight_guard: Option<InFlightGuard>,
    response: HandlerFuture,
) -> Result<Reply, ApiError> {
    let Some(mut in_flight_guard) = in_flight_guard else {
        return response.await;
    };
    tokio::select! {
        // The response is polled first, so that administrators who lock their own account still get it.
        biased;
        reply = response => Ok(reply?.abort_when(async move { in_flight_guard.wait_for_end().await })),
        () = in_flight_guard.wait_for_end() => {
            let why = "the account was locked or deleted in the meantime";
            Err(ApiError::new(Kind::SignInNeeded, why))
        }
    }
}

/// Returns the error format for an unknown path: that of a compatible API if the path looks like one of its paths.
fn format_of_unknown_path(request: &Parts) -> ErrorFormat {
    let path = request.uri.path();
    let is_compatible = path == "/v1" || path.starts_with("/v1/") || intended_path(path).is_some();
    match is_compatible {
        true => client_format(ErrorFormat::OpenAi, &request.headers),
        false => ErrorFormat::Quire,
    }
}

/// Returns the error format for a client. The `anthropic-version` header identifies Anthropic's SDK, which shares some
/// paths with OpenAI's.
fn client_format(route_format: ErrorFormat, headers: &HeaderMap) -> ErrorFormat {
    match route_format {
        ErrorFormat::OpenAi if headers.contains_key("anthropic-version") => ErrorFormat::Anthropic,
        other => other,
    }
}

/// Logs the private part of an error, if there is one, and builds the response.
fn error_response(error: &ApiError, id: &str, format: ErrorFormat) -> Reply {
    if let Some(private) = error.private_message() {
        log::error("request failed", &[("request", &id), ("why", &private)]);
    }
    error.reply_as(format, id)
}

/// Awaits a future and returns `None` if it panics, so that a request cannot bring down the process. The future must
/// already be pinned, because moving it into this function would double its memory.
async fn catch_panic<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
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

    #[tokio::test]
    async fn a_panic_ends_only_one_request() {
        assert_eq!(catch_panic(pin!(async { 7 })).await, Some(7));
        let late = async {
            tokio::task::yield_now().await;
            panic!("as a handler might")
        };
        assert_eq!(catch_panic(pin!(late)).await, None::<()>);
    }
}
