//! Sends signed requests to a bucket. Does not interpret responses, and follows no redirects.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use ureq::http::{Request, Response};
use ureq::{Agent, Body, SendBody};

use super::address::BucketSettings;
use crate::clock;
use crate::crypto::{hex, sha256, sigv4};
use crate::objects::target::TargetError;
use crate::tls;

/// Size in bytes above which a request waits for the store's 100-continue before it sends its body, so that a
/// refusal comes first.
const CONTINUE_THRESHOLD: u64 = 1 << 20;
/// Size of read and write buffers, in bytes.
const BUFFER_BYTES: usize = 16 * 1024;

/// Client of one bucket.
pub(super) struct BucketClient {
    pub settings: BucketSettings,
    agent: Agent,
}

/// A request to the bucket.
#[derive(Default)]
pub(super) struct BucketRequest<'a> {
    pub method: &'static str,
    /// Object key, including the prefix; empty for the bucket itself.
    pub key: &'a str,
    pub query: &'a [(&'a str, &'a str)],
    pub headers: &'a [(&'a str, &'a str)],
    pub body: Option<&'a UploadContent<'a>>,
}

/// A file to upload, with its length and hash.
pub(super) struct UploadContent<'a> {
    file: &'a File,
    pub bytes: u64,
    pub hash: String,
}

impl BucketClient {
    pub fn new(settings: BucketSettings) -> Self {
        let timeouts = &settings.timeouts;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("quire/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(timeouts.connect))
            .timeout_connect(Some(timeouts.connect))
            .timeout_recv_response(Some(timeouts.chunk))
            .timeout_per_read(Some(timeouts.chunk))
            .timeout_per_write(Some(timeouts.chunk))
            .tls_config(tls::blocking_client_config(settings.authorities.as_deref()))
            .input_buffer_size(BUFFER_BYTES)
            .output_buffer_size(BUFFER_BYTES)
            .max_response_header_size(32 * 1024)
            // Keep one connection open: there may be a change every second, and a handshake for each one would
            // cost more than sending the change.
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            .max_idle_age(Duration::from_secs(10))
            .build();
        Self {
            agent: config.new_agent(),
            settings,
        }
    }

    /// Sends a request and returns the response, whatever its status.
    ///
    /// # Errors
    /// `Failed` if there is no response; `Refused` if the request is invalid.
    pub fn send(&self, bucket_request: &BucketRequest<'_>) -> Result<Response<Body>, TargetError> {
        let settings = &self.settings;
        let key = sigv4::path(bucket_request.key);
        let path = match format!("{}/{key}", settings.base) {
            bucket if bucket_request.key.is_empty() && !settings.base.is_empty() => {
                bucket.trim_end_matches('/').to_owned()
            }
            path => path,
        };
        let query = sigv4::query(bucket_request.query);
        let mut headers = vec![("host", settings.host.as_str())];
        headers.extend_from_slice(bucket_request.headers);
        let request = sigv4::SignedRequest {
            method: bucket_request.method,
            path: &path,
            query: &query,
            headers: &headers,
            payload: bucket_request
                .body
                .map_or(sigv4::EMPTY_BODY_HASH, |body| &body.hash),
        };
        let credentials = sigv4::Credentials {
            key: &settings.key,
            secret: &settings.secret,
            token: settings.token.as_deref(),
        };
        let signed_headers = sigv4::sign(&request, &credentials, &settings.region, clock::now());
        let scheme = if settings.is_https { "https" } else { "http" };
        let mark = if query.is_empty() { "" } else { "?" };
        let uri = format!("{scheme}://{}{path}{mark}{query}", settings.host);
        let mut request = Request::builder().method(bucket_request.method).uri(uri);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        for (name, value) in signed_headers {
            request = request.header(name, value);
        }
        let result = match bucket_request.body {
            None => request.body(()).map(|request| self.agent.run(request)),
            Some(content) => {
                request = request.header("content-length", content.bytes);
                if content.bytes > CONTINUE_THRESHOLD {
                    request = request.header("expect", "100-continue");
                }
                let mut source = content.source();
                let body = SendBody::from_reader(&mut source);
                request.body(body).map(|request| self.agent.run(request))
            }
        };
        match result {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(TargetError::Failed(format!("{}: {error}", settings.host))),
            // The HTTP library's own message may contain a header.
            Err(_) => Err(TargetError::Refused("the request is invalid".into())),
        }
    }
}

impl<'a> UploadContent<'a> {
    /// Reads the whole file once to determine its length and hash.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub fn from_file(file: &'a File) -> io::Result<Self> {
        let mut hasher = sha256::Hasher::new();
        let mut piece = vec![0; BUFFER_BYTES];
        let mut bytes = 0;
        loop {
            match file.read_at(&mut piece, bytes) {
                Ok(0) => break,
                Ok(read) => {
                    hasher.update(&piece[..read]);
                    bytes += read as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let hash = hex(&hasher.finish());
        Ok(Self { file, bytes, hash })
    }

    fn source(&self) -> FileSource<'a> {
        FileSource {
            file: self.file,
            at: 0,
            bytes: self.bytes,
        }
    }
}

/// A positioned reader of the first `bytes` of a file, independent of other readers.
struct FileSource<'a> {
    file: &'a File,
    at: u64,
    bytes: u64,
}

impl Read for FileSource<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let remaining = usize::try_from(self.bytes - self.at).unwrap_or(usize::MAX);
        let count = remaining.min(buffer.len());
        let read = self.file.read_at(&mut buffer[..count], self.at)?;
        if read == 0 && count > 0 {
            let why = "the file became shorter while it was sent";
            return Err(io::Error::new(ErrorKind::UnexpectedEof, why));
        }
        self.at += read as u64;
        Ok(read)
    }
}
