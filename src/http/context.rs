//! The request context passed to handlers: the app, the request, and facts about the client. Its methods parse input
//! into checked types. Makes no authorization decisions.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, USER_AGENT};
use hyper::http::request::Parts;
use serde::de::DeserializeOwned;

use super::body::{self, BodyLimit, CountedBody, UnreadBody};
use super::error::ApiError;
use super::percent::query_value;
use super::shared::SharedState;
use super::{content_encoding, json};
use crate::app::{App, Error, Kind};
use crate::domain::time::Timestamp;

/// A request, apart from its body, and what the server knows about its client.
pub struct RequestContext {
    /// The app, which provides the services that handlers call.
    pub app: Arc<App>,
    /// The request's method, URI, and headers.
    pub request: Parts,
    /// The client's address. Behind a trusted proxy, this is the address reported by the proxy.
    pub peer: IpAddr,
    /// Whether the client uses HTTPS, either to this server or to a trusted proxy.
    pub https: bool,
    /// The request ID, which is logged and returned in `x-request-id`.
    pub id: Arc<str>,
    /// When the request arrived, on the monotonic clock.
    pub started: Instant,
    /// When the request arrived, on the wall clock.
    pub now: Timestamp,
    pub(super) shared: Arc<SharedState>,
    pub(super) index: bool,
    pub(super) params: Vec<(&'static str, String)>,
    pub(super) body: UnreadBody,
    pub(super) limit: BodyLimit,
}

impl RequestContext {
    /// Returns a decoded path parameter; empty if the route has no parameter of this name.
    pub fn param(&self, name: &str) -> &str {
        let mut matching = self.params.iter().filter(|(known, _)| *known == name);
        matching.next().map_or("", |(_, value)| value)
    }
    /// Returns the first value of a query parameter, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        query_value(self.request.uri.query()?, name)
    }
    /// Returns a numeric query parameter from `min` to `max`, or `default` if it is absent.
    ///
    /// # Errors
    /// `BadInput` if the value is not a whole number in this range.
    pub fn query_number(
        &self,
        name: &str,
        min: u64,
        max: u64,
        default: u64,
    ) -> Result<u64, ApiError> {
        let Some(text) = self.query(name) else {
            return Ok(default);
        };
        match text.parse() {
            Ok(number) if (min..=max).contains(&number) => Ok(number),
            _ => {
                let message = format!("must be a whole number from {min} to {max}");
                Err(Error::field(&["query", name], "out_of_range", message).into())
            }
        }
    }
    /// Returns the `limit` (1 to 200 items, default 50) and `cursor` query parameters of a list.
    ///
    /// # Errors
    /// `BadInput` if `limit` is out of range.
    pub fn page(&self) -> Result<(u32, Option<String>), ApiError> {
        let limit = self.query_number("limit", 1, 200, 50)?;
        let cursor = self.query("cursor").filter(|cursor| !cursor.is_empty());
        Ok((limit as u32, cursor))
    }
    /// Returns a header's value; `None` if it is missing or not printable ASCII.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.request.headers.get(name)?.to_str().ok()
    }
    /// Returns the value of a cookie in the request.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        super::auth::cookie(&self.request.headers, name)
    }
    /// Returns the value of the device cookie, which may be forged.
    pub fn device_cookie(&self) -> Option<&str> {
        let scope = super::auth::CookieScope::from_app(&self.app, self.https);
        self.cookie(super::auth::AuthCookie::Device.name(scope))
    }
    /// Returns the `User-Agent` header, truncated to 200 characters.
    pub fn user_agent(&self) -> String {
        let text = self.header(USER_AGENT).unwrap_or_default();
        text.chars().take(200).collect()
    }
    /// Whether the client accepts server-sent events. The response is then a stream instead of one JSON body.
    pub fn wants_events(&self) -> bool {
        self.header(hyper::header::ACCEPT)
            .is_some_and(|accept| accept.contains("text/event-stream"))
    }

    /// Parses the body as JSON. Unknown fields are errors only for types with `#[serde(deny_unknown_fields)]`.
    ///
    /// # Errors
    /// `UnsupportedType` for another content type; `BadRequest`, with line and column, for malformed JSON; `BadInput`,
    /// with the field, if the JSON does not match the type; and the errors of [`Self::bytes`].
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, ApiError> {
        if let Some(kind) = self.header(CONTENT_TYPE)
            && !json::is_json(kind)
        {
            let error = Error::new(Kind::UnsupportedType, "the body must be JSON");
            return Err(error
                .resolve("send the header content-type: application/json")
                .into());
        }
        Ok(json::read(&self.bytes().await?)?)
    }
    /// Parses the body as JSON without checking the content type. An empty body counts as an empty object.
    ///
    /// # Errors
    /// Same as [`Self::json`], except for the content type.
    pub async fn json_of_any_content_type<T: DeserializeOwned>(&mut self) -> Result<T, ApiError> {
        let bytes = self.bytes().await?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        Ok(json::read(text)?)
    }
    /// Reads and decompresses the whole body.
    ///
    /// # Errors
    /// `TooLarge` if the body exceeds the route's limit; `RequestTimeout` if the client is too slow; `UnsupportedType`
    /// for an unknown content encoding; `BadRequest` if the body is incomplete or not valid in its encoding.
    pub async fn bytes(&mut self) -> Result<Vec<u8>, ApiError> {
        let timeout = self.app.config.limits.body_timeout;
        let body = self.body()?;
        let bytes = body::collect(body, timeout).await?;
        Ok(content_encoding::decode(
            bytes,
            self.header(CONTENT_ENCODING),
            self.max_body(),
        )?)
    }
    /// Checks the body's declared length against the route's limit, before anything is read.
    ///
    /// # Errors
    /// `TooLarge` if the declared length exceeds the route's limit.
    pub(super) fn check_content_length(&self) -> Result<(), body::BodyError> {
        let length = self.header(CONTENT_LENGTH);
        let length = length.and_then(|length| length.parse::<u64>().ok());
        let max = self.max_body();
        match length {
            Some(length) if length > max => Err(body::BodyError::TooLarge(max)),
            _ => Ok(()),
        }
    }
    /// Returns the body as a stream that enforces the route's limit. The stream fails if the client sends nothing for
    /// too long.
    ///
    /// # Errors
    /// `Internal` if the body was already taken.
    pub fn body(&mut self) -> Result<CountedBody, ApiError> {
        let incoming = self.body.take();
        let incoming = incoming.ok_or_else(|| Error::internal("a handler read the body twice"))?;
        let timeout = self.app.config.limits.body_timeout;
        Ok(CountedBody::new(incoming, self.max_body(), timeout))
    }
    /// Returns the route's body limit in bytes, including the rest of the form for an upload.
    fn max_body(&self) -> u64 {
        match self.limit {
            BodyLimit::Bytes(max) => max,
            // 64 KiB more than a file, for the form's boundaries and its other parts.
            BodyLimit::Upload => self.app.config.limits.max_upload + (64 << 10),
        }
    }
    /// Returns the body as a stream of multipart form fields.
    ///
    /// # Errors
    /// `BadRequest` if the body is not `multipart/form-data`; `TooLarge` if its declared length exceeds the
    /// route's limit.
    pub async fn multipart(&mut self) -> Result<multer::Multipart<'static>, ApiError> {
        let kind = self.header(CONTENT_TYPE).unwrap_or_default();
        let boundary = multer::parse_boundary(kind).map_err(|_| {
            let error = Error::new(
                Kind::BadRequest,
                "no multipart/form-data body was sent: expected a form with a file",
            );
            error.resolve("send the file in the field \"file\" of a multipart/form-data body")
        })?;
        let body = self.body()?;
        if let Err(error) = body.check_content_length() {
            body.discard().await;
            return Err(error.into());
        }
        let stream = http_body_util::BodyDataStream::new(body);
        Ok(multer::Multipart::new(stream, boundary))
    }
}
