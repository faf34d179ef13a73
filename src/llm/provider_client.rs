//! HTTP client for calls to providers: sends a request over a pooled or new connection, and returns a response whose
//! body is read as it arrives. Redirects are not followed, because the key would be sent to their target.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::{Authority, Scheme};
use hyper::{Method, Request, Uri};

use super::connection::{HeadDeadlines, ProviderConnection, ResponseBody};
use super::connection_pool::{ConnectionPool, Origin};
use super::connector::Connector;
use super::plain_body::PieceSource;
use super::transport_error::{ReadError, TransportError};
use super::{LlmSettings, USER_AGENT};
use crate::clock;
use crate::domain::network::AddressScope;

/// Sends requests. Opens connections as needed and keeps them for later calls.
pub(super) struct ProviderClient {
    connector: Connector,
    pool: ConnectionPool,
    idle_timeout: Duration,
}

/// A request to a provider, not yet encoded.
pub(super) struct ProviderRequest {
    pub url: String,
    pub reach: AddressScope,
    pub headers: BTreeMap<String, String>,
    /// Media types for the `Accept` header.
    pub accept: &'static str,
    /// JSON body; `None` for a GET request.
    pub body: Option<Bytes>,
    /// When the whole call must end.
    pub deadline: Instant,
    /// When the first byte of the answer must arrive.
    pub first_byte: Instant,
}

/// A provider's response.
pub(super) struct ProviderResponse {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: ProviderBody,
}

/// The body of a response.
pub(super) struct ProviderBody {
    body: ResponseBody,
    origin: Origin,
}

/// The parsed URL of a request, and the origin that its connections belong to.
struct RequestTarget {
    uri: Uri,
    origin: Origin,
}

impl ProviderClient {
    /// Creates the client. Opens no connections.
    pub fn new(settings: &LlmSettings) -> Self {
        Self {
            connector: Connector::new(settings),
            pool: ConnectionPool::default(),
            idle_timeout: settings.idle_timeout,
        }
    }

    /// Sends a request and waits for the head of the response. If the provider had already closed the pooled
    /// connection, sends the request again over a new one.
    ///
    /// # Errors
    ///
    /// Returns an error if no connection can be opened, the connection breaks, a deadline passes, or the response is
    /// not HTTP.
    pub async fn send(
        &self,
        mut request: ProviderRequest,
    ) -> Result<ProviderResponse, TransportError> {
        let target = RequestTarget::of(&mut request)?;
        let deadlines = HeadDeadlines {
            answer: request.deadline.min(request.first_byte),
            write: self.idle_timeout,
        };
        if let Some(mut connection) = self.take_pooled(&target.origin).await {
            let send_result = connection.send(target.write(&request)?, deadlines).await;
            match send_result {
                Ok(response) => return Ok(target.receive(&request, connection, response)),
                Err(error) if connection.was_stale(&error) => {}
                Err(error) => return Err(error),
            }
        }
        // Boxed, because it is rarely needed but large, and would enlarge the future of every call.
        let opening = Box::pin(self.open(&target, request.deadline));
        let mut connection = opening.await?;
        let response = connection.send(target.write(&request)?, deadlines).await?;
        Ok(target.receive(&request, connection, response))
    }

    /// Returns a connection to the pool, if the body of its response has been read to the end.
    pub async fn release(&self, body: ProviderBody) {
        if let Some(mut connection) = body.body.into_connection()
            && connection.is_usable().await
        {
            self.pool.put(body.origin, connection);
        }
    }

    /// Closes connections that have been idle for too long.
    pub fn close_idle(&self) {
        self.pool.close_idle();
    }

    async fn take_pooled(&self, origin: &Origin) -> Option<Box<ProviderConnection>> {
        while let Some(mut connection) = self.pool.take(origin) {
            if connection.is_usable().await {
                return Some(connection);
            }
        }
        None
    }

    async fn open(
        &self,
        target: &RequestTarget,
        deadline: Instant,
    ) -> Result<Box<ProviderConnection>, TransportError> {
        let opening = async {
            let stream = self.connector.connect(&target.uri, target.origin.reach);
            ProviderConnection::open(stream.await?).await
        };
        tokio::time::timeout_at(deadline.into(), opening)
            .await
            .unwrap_or(Err(TransportError::AnswerTimeout))
    }
}

impl RequestTarget {
    fn of(request: &mut ProviderRequest) -> Result<Self, TransportError> {
        let uri = Uri::try_from(std::mem::take(&mut request.url));
        let uri = uri.map_err(|_| TransportError::BadAddress)?;
        let scheme = uri.scheme().filter(|scheme| {
            let web_schemes = [Scheme::HTTP, Scheme::HTTPS];
            web_schemes.contains(scheme)
        });
        let (Some(scheme), Some(authority)) = (scheme, uri.authority()) else {
            return Err(TransportError::BadAddress);
        };
        let origin = Origin {
            scheme: scheme.clone(),
            authority: authority.clone(),
            reach: request.reach,
        };
        Ok(Self { uri, origin })
    }

    fn write(&self, request: &ProviderRequest) -> Result<Request<Full<Bytes>>, TransportError> {
        let mut http_request = Request::new(Full::new(request.body.clone().unwrap_or_default()));
        if request.body.is_some() {
            *http_request.method_mut() = Method::POST;
        }
        let path = self.uri.path_and_query().cloned();
        *http_request.uri_mut() = path.map(Uri::from).unwrap_or_default();
        let headers = http_request.headers_mut();
        let fixed = [
            (header::ACCEPT, request.accept),
            (header::USER_AGENT, USER_AGENT),
        ];
        for (name, value) in fixed {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(header::HOST, self.host()?);
        if request.body.is_some() {
            let json = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json);
        }
        if let Some((credentials, _)) = self.origin.authority.as_str().rsplit_once('@') {
            let value = format!("Basic {}", BASE64_STANDARD.encode(credentials));
            headers.insert(header::AUTHORIZATION, value.try_into()?);
        }
        for (name, value) in &request.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            let name = name.map_err(|_| TransportError::BadHeader)?;
            headers.insert(name, HeaderValue::from_str(value)?);
        }
        Ok(http_request)
    }

    fn host(&self) -> Result<HeaderValue, TransportError> {
        let authority = &self.origin.authority;
        let is_default = |port: u16| {
            let is_https = self.origin.scheme == Scheme::HTTPS;
            port == if is_https { 443 } else { 80 }
        };
        let bare_host = match authority.port_u16() {
            Some(port) if is_default(port) => authority.host(),
            _ => without_credentials(authority),
        };
        Ok(HeaderValue::from_str(bare_host)?)
    }

    fn receive(
        &self,
        request: &ProviderRequest,
        connection: Box<ProviderConnection>,
        response: hyper::Response<hyper::body::Incoming>,
    ) -> ProviderResponse {
        let (parts, body) = response.into_parts();
        let body = ResponseBody::new(connection, body, request.deadline, request.first_byte);
        ProviderResponse {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: ProviderBody {
                body,
                origin: self.origin.clone(),
            },
        }
    }
}

fn without_credentials(authority: &Authority) -> &str {
    let text = authority.as_str();
    text.rsplit_once('@').map_or(text, |(_, host)| host)
}

impl PieceSource for ProviderBody {
    async fn read_piece(&mut self, piece: &mut Vec<u8>) -> Result<usize, ReadError> {
        self.body.read_piece(piece).await
    }

    fn allow(&mut self, time: Duration) {
        self.body.set_read_deadline(clock::instant() + time);
    }
}
