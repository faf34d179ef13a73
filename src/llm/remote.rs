//! Client of another Quire server, for the command line: JSON requests, uploads, and event streams over HTTP. All calls
//! block and are never retried.

use std::io::{BufReader, Cursor, Read, Write};
use std::time::Duration;

use serde_json::Value;
use ureq::http::{Response, StatusCode};
use ureq::{Body, RequestBuilder, SendBody};

use super::{LlmSettings, blocking_client};
use crate::domain::network::AddressScope;
use crate::wire::sse;

/// Maximum size of a response that is read into memory, in bytes.
const MAX_RESPONSE: u64 = 64 << 20;
/// Maximum size of an event, in bytes.
const MAX_EVENT_BYTES: usize = 8 << 20;
/// Timeout for the first byte of a response.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(120);
/// Timeout for the first byte of the response to a request that the server carries out completely before it responds,
/// such as a tool call or the export of a file. It is one minute longer than the longest deadline of a tool call.
const LONG_REQUEST_TIMEOUT: Duration = Duration::from_secs(3_660);
/// Timeout between the chunks of a stream. The server sends a keep-alive every few seconds.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// Multipart boundary of uploads. It is long enough not to occur in a file by chance.
const MULTIPART_BOUNDARY: &str = "quire-upload-9c1f5e0d7a3b48628f";

/// A client of one server, with its API key.
pub struct Remote {
    base: String,
    key: String,
    agent: ureq::Agent,
    /// The agent for requests that the server carries out completely before it responds.
    long_request_agent: ureq::Agent,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteError {
    /// No Quire server responded. Contains a description of the problem.
    Unreachable(String),
    /// The server refused the request. Contains the status and the message.
    Refused(u16, String),
}

impl Remote {
    /// Creates a client for the server at an address, which may include a path. `authorities` is PEM text with
    /// certificate authorities that replace the built-in ones.
    pub fn new(base: &str, key: &str, authorities: Option<String>) -> Self {
        let settings = LlmSettings {
            first_token: FIRST_BYTE_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
            authorities,
            ..LlmSettings::default()
        };
        let base = base.trim().trim_end_matches('/');
        let base = match base.contains("://") {
            true => base.to_owned(),
            false => format!("http://{base}"),
        };
        // Any address is allowed, because the user of the command line has chosen it.
        let agent = blocking_client::agent(&settings, AddressScope::AnyAddress);
        let settings = LlmSettings {
            first_token: LONG_REQUEST_TIMEOUT,
            ..settings
        };
        Self {
            base,
            key: key.to_owned(),
            agent,
            long_request_agent: blocking_client::agent(&settings, AddressScope::AnyAddress),
        }
    }

    /// Sends a GET request.
    ///
    /// # Errors
    ///
    /// Returns an error if the server does not respond, refuses the request, or does not return JSON.
    pub fn get(&self, path: &str) -> Result<Value, RemoteError> {
        let request = self.agent.get(format!("{}{path}", self.base));
        read_json(self.with_key(request).call())
    }

    /// Sends a POST request with a JSON body.
    ///
    /// # Errors
    ///
    /// Returns an error if the server does not respond, refuses the request, or does not return JSON.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, RemoteError> {
        let request = self.agent.post(format!("{}{path}", self.base));
        let request = self
            .with_key(request)
            .header("content-type", "application/json");
        read_json(request.send(body.to_string().as_bytes()))
    }

    /// Sends a PUT request with a JSON body.
    ///
    /// # Errors
    ///
    /// Same as [`Self::post`].
    pub fn put(&self, path: &str, body: &Value) -> Result<Value, RemoteError> {
        let request = self.agent.put(format!("{}{path}", self.base));
        let request = self
            .with_key(request)
            .header("content-type", "application/json");
        read_json(request.send(body.to_string().as_bytes()))
    }

    /// Sends a message as the body of a POST request. Returns `None` if the server accepts the message without sending
    /// a response body.
    ///
    /// # Errors
    ///
    /// Same as [`Self::post`].
    pub fn post_message(&self, path: &str, body: &str) -> Result<Option<Value>, RemoteError> {
        let request = self.long_request_agent.post(format!("{}{path}", self.base));
        let request = self
            .with_key(request)
            .header("content-type", "application/json");
        let response = request.send(body.as_bytes()).map_err(unreachable_error)?;
        match response.status() {
            StatusCode::ACCEPTED => Ok(None),
            _ => read_json(Ok(response)).map(Some),
        }
    }

    /// Sends a DELETE request.
    ///
    /// # Errors
    ///
    /// Same as [`Self::get`].
    pub fn delete(&self, path: &str) -> Result<Value, RemoteError> {
        let request = self.agent.delete(format!("{}{path}", self.base));
        read_json(self.with_key(request).call())
    }

    /// Downloads a text response.
    ///
    /// # Errors
    ///
    /// Returns an error if the server does not respond or refuses the request, or if the text is too large.
    pub fn text(&self, path: &str) -> Result<String, RemoteError> {
        let request = self.agent.get(format!("{}{path}", self.base));
        let response = self.with_key(request).call().map_err(unreachable_error)?;
        match response.status() {
            StatusCode::OK => read_text(response.into_body()),
            _ => read_json(Ok(response)).map(|_| String::new()),
        }
    }

    /// Downloads a file of any size into `into`, and returns its length in bytes.
    ///
    /// # Errors
    ///
    /// Returns an error if the server does not respond or refuses the request, if the connection breaks, or if `into`
    /// cannot be written.
    pub fn download(&self, path: &str, into: &mut impl Write) -> Result<u64, RemoteError> {
        let request = self.long_request_agent.get(format!("{}{path}", self.base));
        let response = self.with_key(request).call().map_err(unreachable_error)?;
        if response.status() != StatusCode::OK {
            return read_json(Ok(response)).map(|_| 0);
        }
        let declared_length = response.body().content_length();
        let mut reader = response.into_body().into_reader();
        let copied = std::io::copy(&mut reader, into)
            .map_err(|error| RemoteError::Unreachable(format!("the download failed: {error}")))?;
        match declared_length {
            Some(length) if length != copied => Err(RemoteError::Unreachable(format!(
                "the download ended after {copied} of {length} bytes"
            ))),
            _ => Ok(copied),
        }
    }

    /// Streams a file to the server as a multipart form with the file name `name`.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, or if the server does not respond, rejects the upload, or does not
    /// return JSON.
    pub fn upload(&self, path: &str, name: &str, file: impl Read) -> Result<Value, RemoteError> {
        // Characters that could end the quoted file name are replaced with underscores.
        let name: String = name
            .chars()
            .map(|c| {
                if c == '"' || c == '\\' || c.is_control() {
                    '_'
                } else {
                    c
                }
            })
            .collect();
        let head = format!(
            "--{MULTIPART_BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             content-type: application/octet-stream\r\n\r\n"
        );
        let tail = format!("\r\n--{MULTIPART_BOUNDARY}--\r\n");
        let mut body = Cursor::new(head).chain(file).chain(Cursor::new(tail));
        let request = self.long_request_agent.post(format!("{}{path}", self.base));
        let request = self.with_key(request).header(
            "content-type",
            format!("multipart/form-data; boundary={MULTIPART_BOUNDARY}"),
        );
        read_json(request.send(SendBody::from_reader(&mut body)))
    }

    /// Reads the events after the sequence number `after` until the stream ends or `take` returns false. `take`
    /// receives the number, name, and data of each event.
    ///
    /// # Errors
    ///
    /// Returns an error if the server does not respond or refuses the request, if the connection breaks, or if an event
    /// is too large.
    pub fn events(
        &self,
        path: &str,
        after: u64,
        mut take: impl FnMut(u64, String, Value) -> bool,
    ) -> Result<(), RemoteError> {
        let request = self.agent.get(format!("{}{path}", self.base));
        let mut request = self.with_key(request).header("accept", "text/event-stream");
        if after > 0 {
            request = request.header("last-event-id", after.to_string());
        }
        let response = request.call().map_err(unreachable_error)?;
        let mut reader = match response.status() {
            StatusCode::OK => BufReader::new(response.into_body().into_reader()),
            _ => return read_json(Ok(response)).map(drop),
        };
        let mut decoder = sse::SseDecoder::new(MAX_EVENT_BYTES);
        let mut buffer = [0; 8 * 1024];
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) => {
                    return Err(RemoteError::Unreachable(format!(
                        "the connection broke: {error}"
                    )));
                }
            };
            decoder.push(&buffer[..read]);
            while let Some(event) = decoder.next_event().map_err(event_too_large)? {
                let data = crate::domain::json::parse(&event.data).unwrap_or_default();
                let number = event.id.as_deref().and_then(|id| id.parse().ok());
                if !take(number.unwrap_or_default(), event.event, data) {
                    return Ok(());
                }
            }
        }
    }

    /// Adds the API key, if there is one.
    fn with_key<Any>(&self, request: RequestBuilder<Any>) -> RequestBuilder<Any> {
        match self.key.as_str() {
            "" => request,
            key => request.header("authorization", format!("Bearer {key}")),
        }
    }
}

fn event_too_large(_: sse::MalformedStream) -> RemoteError {
    let max_mib = MAX_EVENT_BYTES >> 20;
    RemoteError::Unreachable(format!("it sends an event longer than {max_mib} MiB"))
}

fn unreachable_error(error: ureq::Error) -> RemoteError {
    RemoteError::Unreachable(error.to_string())
}

fn read_text(body: Body) -> Result<String, RemoteError> {
    let mut text = String::new();
    let mut reader = body.into_with_config().limit(MAX_RESPONSE).reader();
    let read = reader.read_to_string(&mut text);
    read.map_err(|error| RemoteError::Unreachable(format!("the connection broke: {error}")))?;
    Ok(text)
}

fn read_json(response: Result<Response<Body>, ureq::Error>) -> Result<Value, RemoteError> {
    let (parts, body) = response.map_err(unreachable_error)?.into_parts();
    let text = read_text(body)?;
    let value: Value = crate::domain::json::parse(&text).unwrap_or_default();
    if parts.status.is_success() && !value.is_null() {
        return Ok(value);
    }
    let words = ["message", "error", "detail"];
    let message = words.iter().find_map(|name| value[*name].as_str());
    match (message, parts.status.is_redirection()) {
        (Some(message), _) => {
            // If the API key lacks a scope, the `resolution` field says which one.
            let advice = value["resolution"].as_str();
            let advice = advice.filter(|_| parts.status == StatusCode::FORBIDDEN);
            let message =
                advice.map_or(message.to_owned(), |advice| format!("{message}\n{advice}"));
            Err(RemoteError::Refused(parts.status.as_u16(), message))
        }
        (None, true) => {
            let to = parts
                .headers
                .get("location")
                .and_then(|to| to.to_str().ok());
            let why = format!("it sends elsewhere: {}", to.unwrap_or_default());
            Err(RemoteError::Unreachable(why))
        }
        (None, false) => {
            let why = format!(
                "the program that answers there is not Quire (status {})",
                parts.status.as_u16()
            );
            Err(RemoteError::Unreachable(why))
        }
    }
}
