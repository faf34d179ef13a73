//! Downloads an object from beginning to end, resuming over a new connection when one breaks. Never ends early,
//! and never continues with a different object.

use std::io::{self, Read};
use std::sync::Arc;
use std::thread;

use ureq::Body;
use ureq::BodyReader;
use ureq::http::{Response, StatusCode};

use super::client::{BucketClient, BucketRequest};
use super::response::BucketRefusal;
use crate::objects::target::{Result, TargetError};

/// A download in progress, as a reader that resumes when the connection breaks.
pub(super) struct Download {
    client: Arc<BucketClient>,
    key: String,
    reader: BodyReader<'static>,
    /// The object's ETag; without one, a download cannot be resumed.
    etag: Option<String>,
    at: u64,
    bytes: u64,
    interruption_count: usize,
}

impl Download {
    /// Sends the first request.
    ///
    /// # Errors
    /// `Missing` if there is no such object; another error if the store fails or does not report the length.
    pub fn start(client: &Arc<BucketClient>, key: &str) -> Result<Self> {
        let ask = BucketRequest {
            method: "GET",
            key,
            ..BucketRequest::default()
        };
        let response = client.send(&ask)?;
        if response.status() != StatusCode::OK {
            return Err(BucketRefusal::read(response).to_target_error(&client.settings));
        }
        // The library's own content length is `None` for an empty file.
        let length = header(&response, "content-length").and_then(|length| length.parse().ok());
        let Some(bytes) = length else {
            return Err(TargetError::Failed(
                "the store does not report the length".into(),
            ));
        };
        Ok(Self {
            client: Arc::clone(client),
            key: key.to_owned(),
            etag: header(&response, "etag"),
            reader: response.into_body().into_reader(),
            at: 0,
            bytes,
            interruption_count: 0,
        })
    }

    /// Requests the rest of the object over a new connection. Fails if the object has no ETag or has been replaced.
    fn resume(&mut self) -> Result<()> {
        let Some(etag) = &self.etag else {
            return Err(TargetError::Failed("the connection broke".into()));
        };
        let range = format!("bytes={}-", self.at);
        let ask = BucketRequest {
            method: "GET",
            key: &self.key,
            headers: &[("if-match", etag), ("range", &range)],
            ..BucketRequest::default()
        };
        let response = self.client.send(&ask)?;
        let beginning = format!("bytes {}-", self.at);
        let is_resumed =
            header(&response, "content-range").is_some_and(|r| r.starts_with(&beginning));
        match response.status() {
            StatusCode::PARTIAL_CONTENT if is_resumed => {
                self.reader = response.into_body().into_reader();
                Ok(())
            }
            StatusCode::PRECONDITION_FAILED => Err(TargetError::Refused(
                "the object was replaced while it was read".into(),
            )),
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Err(TargetError::Failed(
                "the store does not support ranges".into(),
            )),
            _ => Err(BucketRefusal::read(response).to_target_error(&self.client.settings)),
        }
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.bytes || buffer.is_empty() {
            return Ok(0);
        }
        let remaining = usize::try_from(self.bytes - self.at).unwrap_or(usize::MAX);
        let count = remaining.min(buffer.len());
        loop {
            let why = match self.reader.read(&mut buffer[..count]) {
                Ok(0) => format!("it ended after {} of {} bytes", self.at, self.bytes),
                Ok(read) => {
                    self.at += read as u64;
                    return Ok(read);
                }
                Err(error) => error.to_string(),
            };
            let Some(pause) = self
                .client
                .settings
                .timeouts
                .pauses
                .get(self.interruption_count)
            else {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
            };
            self.interruption_count += 1;
            thread::sleep(*pause);
            match self.resume() {
                Ok(()) | Err(TargetError::Failed(_)) => {}
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

fn header(response: &Response<Body>, name: &str) -> Option<String> {
    let value = response.headers().get(name)?.to_str().ok()?;
    Some(value.to_owned())
}
