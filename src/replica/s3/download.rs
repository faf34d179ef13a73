//! Reads what lies in a bucket from its beginning to its end, over as many connections as that takes. Never ends
//! early, and never goes on with something else than it began with.

use std::io::{self, Read};
use std::sync::Arc;
use std::thread;

use ureq::Body;
use ureq::BodyReader;
use ureq::http::{Response, StatusCode};

use super::answer::Refusal;
use super::client::{Ask, Client};
use crate::replica::target::{Fault, Result};

/// A file on its way here.
pub(super) struct Download {
    client: Arc<Client>,
    key: String,
    reader: BodyReader<'static>,
    /// The store's mark of what is read; without one nothing can be taken up again.
    mark: Option<String>,
    at: u64,
    bytes: u64,
    broken: usize,
}

impl Download {
    /// Asks for it once.
    pub fn begin(client: &Arc<Client>, key: &str) -> Result<Self> {
        let ask = Ask {
            method: "GET",
            key,
            ..Ask::default()
        };
        let answer = client.ask(&ask)?;
        if answer.status() != StatusCode::OK {
            return Err(Refusal::read(answer).fault(&client.settings));
        }
        // The library's own number is none for an empty file.
        let told = header(&answer, "content-length").and_then(|told| told.parse().ok());
        let Some(bytes) = told else {
            return Err(Fault::Failed(
                "the store does not say how long it is".into(),
            ));
        };
        Ok(Self {
            client: Arc::clone(client),
            key: key.to_owned(),
            mark: header(&answer, "etag"),
            reader: answer.into_body().into_reader(),
            at: 0,
            bytes,
            broken: 0,
        })
    }

    /// A new connection from where the old one broke.
    fn resume(&mut self) -> Result<()> {
        let Some(mark) = &self.mark else {
            return Err(Fault::Failed("it broke off".into()));
        };
        let range = format!("bytes={}-", self.at);
        let ask = Ask {
            method: "GET",
            key: &self.key,
            headers: &[("if-match", mark), ("range", &range)],
            ..Ask::default()
        };
        let answer = self.client.ask(&ask)?;
        let beginning = format!("bytes {}-", self.at);
        let goes_on = header(&answer, "content-range").is_some_and(|r| r.starts_with(&beginning));
        match answer.status() {
            StatusCode::PARTIAL_CONTENT if goes_on => {
                self.reader = answer.into_body().into_reader();
                Ok(())
            }
            StatusCode::PRECONDITION_FAILED => {
                Err(Fault::Refused("it was replaced while it was read".into()))
            }
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => {
                Err(Fault::Failed("the store gives no parts".into()))
            }
            _ => Err(Refusal::read(answer).fault(&self.client.settings)),
        }
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.bytes || buffer.is_empty() {
            return Ok(0);
        }
        let left = usize::try_from(self.bytes - self.at).unwrap_or(usize::MAX);
        let most = left.min(buffer.len());
        loop {
            let why = match self.reader.read(&mut buffer[..most]) {
                Ok(0) => format!("it ended after {} of {} bytes", self.at, self.bytes),
                Ok(read) => {
                    self.at += read as u64;
                    return Ok(read);
                }
                Err(error) => error.to_string(),
            };
            let Some(pause) = self.client.settings.patience.pauses.get(self.broken) else {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
            };
            self.broken += 1;
            thread::sleep(*pause);
            match self.resume() {
                Ok(()) | Err(Fault::Failed(_)) => {}
                Err(fault) => return Err(io::Error::other(fault)),
            }
        }
    }
}

fn header(answer: &Response<Body>, name: &str) -> Option<String> {
    let value = answer.headers().get(name)?.to_str().ok()?;
    Some(value.to_owned())
}
