//! What a handler is handed: the app, the request and where it came from. Reads input into checked types.
//! Decides nothing about who may do what.

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

/// One request on its way through a handler.
pub struct RequestContext {
    /// The product.
    pub app: Arc<App>,
    /// Method, address and headers.
    pub request: Parts,
    /// The address of the client; behind a trusted proxy the one that the proxy saw.
    pub peer: IpAddr,
    /// Whether the client speaks https, to us or to a trusted proxy.
    pub https: bool,
    /// The request's id, as it is logged and sent back.
    pub id: Arc<str>,
    /// When the request arrived, on the steady clock.
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
    /// A named part of the path; empty when the row has no such name.
    pub fn param(&self, name: &str) -> &str {
        let mut found = self.params.iter().filter(|(given, _)| *given == name);
        found.next().map_or("", |(_, value)| value)
    }
    /// A value of the query string, decoded; the first one where there are several.
    pub fn query(&self, name: &str) -> Option<String> {
        query_value(self.request.uri.query()?, name)
    }
    /// A number in the query string between these bounds, or the default.
    pub fn query_number(
        &self,
        name: &str,
        from: u64,
        to: u64,
        default: u64,
    ) -> Result<u64, ApiError> {
        let Some(text) = self.query(name) else {
            return Ok(default);
        };
        match text.parse() {
            Ok(number) if (from..=to).contains(&number) => Ok(number),
            _ => {
                let message = format!("must be a whole number from {from} to {to}");
                Err(Error::field(&["query", name], "out_of_range", message).into())
            }
        }
    }
    /// The page of a list that is asked for: how many, and from where on.
    pub fn page(&self) -> Result<(u32, Option<String>), ApiError> {
        let limit = self.query_number("limit", 1, 200, 50)?;
        let cursor = self.query("cursor").filter(|cursor| !cursor.is_empty());
        Ok((limit as u32, cursor))
    }
    /// A header's value, where it is text.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.request.headers.get(name)?.to_str().ok()
    }
    /// A cookie's value.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        super::auth::cookie(&self.request.headers, name)
    }
    /// The device cookie's value, as it was sent.
    pub fn device_cookie(&self) -> Option<&str> {
        let secure = super::auth::is_secure(&self.app, self.https);
        self.cookie(super::auth::AuthCookie::Device.name(secure))
    }
    /// What the client calls itself, cut to 200 characters.
    pub fn client(&self) -> String {
        let text = self.header(USER_AGENT).unwrap_or_default();
        text.chars().take(200).collect()
    }
    /// Whether the client asked for events instead of one answer.
    pub fn wants_events(&self) -> bool {
        self.header(hyper::header::ACCEPT)
            .is_some_and(|accept| accept.contains("text/event-stream"))
    }

    /// The body as JSON of this shape. Malformed JSON is a 400 that says where, a wrong shape a 422 that
    /// names the field; put `#[serde(deny_unknown_fields)]` on the type, so that unknown ones are named too.
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
    /// The same, where an empty body stands for an empty object.
    pub async fn json_or_empty<T: DeserializeOwned>(&mut self) -> Result<T, ApiError> {
        let bytes = self.bytes().await?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        Ok(json::read(text)?)
    }
    /// The whole body, within the row's limit.
    pub async fn bytes(&mut self) -> Result<Vec<u8>, ApiError> {
        let whole = self.app.config.limits.body_timeout;
        let body = self.body()?;
        let bytes = body::collect(body, whole).await?;
        Ok(content_encoding::unpack(
            bytes,
            self.header(CONTENT_ENCODING),
            self.most(),
        )?)
    }
    /// The refusal of a body that is longer than the row's limit by its own account.
    pub(super) fn announces_too_much(&self) -> Option<body::BodyError> {
        let length = self.header(CONTENT_LENGTH)?.parse::<u64>().ok()?;
        let most = self.most();
        (length > most).then_some(body::BodyError::TooLarge(most))
    }
    /// The body in pieces, within the row's limit. A client that sends nothing for too long is cut off.
    pub fn body(&mut self) -> Result<CountedBody, ApiError> {
        let incoming = self.body.take();
        let incoming = incoming.ok_or_else(|| Error::internal("a handler read the body twice"))?;
        let patience = self.app.config.limits.body_timeout;
        Ok(CountedBody::new(incoming, self.most(), patience))
    }
    /// Bytes that the body may have.
    fn most(&self) -> u64 {
        match self.limit {
            BodyLimit::Bytes(most) => most,
            // Room for the other parts of a form and its boundaries.
            BodyLimit::Upload => self.app.config.limits.max_upload + (64 << 10),
        }
    }
    /// The body as a form with files, in pieces.
    pub async fn multipart(&mut self) -> Result<multer::Multipart<'static>, ApiError> {
        let kind = self.header(CONTENT_TYPE).unwrap_or_default();
        let boundary = multer::parse_boundary(kind).map_err(|_| {
            let error = Error::new(
                Kind::BadRequest,
                "a form with a file is expected: no multipart/form-data body was sent",
            );
            error.resolve("send the file in the field \"file\" of a multipart/form-data body")
        })?;
        let body = self.body()?;
        if let Some(fault) = body.announces_too_much() {
            body.discard().await;
            return Err(fault.into());
        }
        let stream = http_body_util::BodyDataStream::new(body);
        Ok(multer::Multipart::new(stream, boundary))
    }
}
