//! A bucket at Amazon or in any S3-compatible store. Retries transient failures; the errors of all others say what to
//! change. Knows nothing about the contents of files.

mod address;
mod client;
mod download;
mod response;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

use ureq::Body;
use ureq::http::{Response, StatusCode};

pub use self::address::{BucketSettings, address};
use self::client::{BucketClient, BucketRequest, UploadContent};
use self::download::Download;
use self::response::{BucketRefusal, ListPage};
use crate::crypto::{hex, sha256};
use crate::objects::target::{Result, Target, TargetEntry, TargetError};

const IF_NONE_MATCH: &[(&str, &str)] = &[("if-none-match", "*")];

/// Target of an `s3://` address.
pub struct S3 {
    client: Arc<BucketClient>,
    /// Whether the store supports conditional puts, as one of the constants below.
    conditions: AtomicU8,
}

/// It is not known yet whether the store supports conditional puts. The first put tests it, because some stores
/// silently ignore conditions.
const CONDITIONS_UNKNOWN: u8 = 0;
const CONDITIONS_SUPPORTED: u8 = 1;
const CONDITIONS_UNSUPPORTED: u8 = 2;
/// Size in bytes above which a file is not sent a second time to test whether the store supports conditions.
const MAX_PROBE_BYTES: u64 = 1 << 20;

impl S3 {
    /// Creates the target without sending a request.
    pub fn open(settings: BucketSettings) -> Self {
        Self {
            client: Arc::new(BucketClient::new(settings)),
            conditions: AtomicU8::new(CONDITIONS_UNKNOWN),
        }
    }

    fn settings(&self) -> &BucketSettings {
        &self.client.settings
    }

    fn key(&self, name: &str) -> Result<String> {
        let plain = |part: &str| !part.is_empty() && !part.starts_with('.');
        if !name.split('/').all(plain) {
            return Err(TargetError::Refused(format!(
                "{name:?} is not a valid name"
            )));
        }
        Ok(format!("{}{name}", self.settings().prefix))
    }

    /// Repeats an operation after transient failures, with a pause before each retry.
    fn with_retries<T>(&self, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
        for pause in &self.settings().timeouts.pauses {
            match attempt() {
                Err(TargetError::Failed(_)) => thread::sleep(*pause),
                done => return done,
            }
        }
        attempt()
    }

    fn exists(&self, key: &str) -> Result<bool> {
        match self.head(key) {
            Ok(_) => Ok(true),
            Err(TargetError::Missing) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Requests an object's metadata (HEAD).
    fn head(&self, key: &str) -> Result<Response<Body>> {
        let request = BucketRequest {
            method: "HEAD",
            key,
            ..BucketRequest::default()
        };
        let response = self.client.send(&request)?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(BucketRefusal::read(response).to_target_error(self.settings()))
    }

    fn put_once(
        &self,
        key: &str,
        content: &UploadContent<'_>,
        only_new: bool,
    ) -> Result<PutOutcome> {
        let support = self.conditions.load(Ordering::Relaxed);
        if only_new && support != CONDITIONS_SUPPORTED {
            match self.exists(key) {
                Ok(false) => {}
                Ok(true) => return Err(TargetError::Taken),
                // A HEAD response does not contain the reason for the refusal, but the response to the put will.
                Err(TargetError::Refused(_)) if support == CONDITIONS_UNKNOWN => {}
                Err(error) => return Err(error),
            }
        }
        let conditional = only_new && support != CONDITIONS_UNSUPPORTED;
        let response = self.send(key, content, conditional)?;
        if response.status().is_success() {
            response::finish(response);
            if conditional && support == CONDITIONS_UNKNOWN {
                self.probe_conditions(key, content);
            }
            return Ok(PutOutcome::Stored);
        }
        let refusal = BucketRefusal::read(response);
        if conditional && refusal.lacks_conditional_requests() {
            self.conditions
                .store(CONDITIONS_UNSUPPORTED, Ordering::Relaxed);
            return self.put_once(key, content, only_new);
        }
        match refusal.to_target_error(self.settings()) {
            TargetError::Failed(why) if refusal.status == 409 => Ok(PutOutcome::Contested(why)),
            // A put to an existing bucket never fails with "not found", so the bucket does not exist.
            TargetError::Missing => Err(TargetError::Refused(NO_BUCKET_MESSAGE.into())),
            error => Err(error),
        }
    }

    fn send(
        &self,
        key: &str,
        content: &UploadContent<'_>,
        only_new: bool,
    ) -> Result<Response<Body>> {
        self.client.send(&BucketRequest {
            method: "PUT",
            key,
            headers: if only_new { IF_NONE_MATCH } else { &[] },
            body: Some(content),
            ..BucketRequest::default()
        })
    }

    /// Repeats a conditional put to find out whether the store refuses it. The stored object is the same either way.
    /// Does nothing for files larger than [`MAX_PROBE_BYTES`].
    fn probe_conditions(&self, key: &str, content: &UploadContent<'_>) {
        if content.bytes > MAX_PROBE_BYTES {
            return;
        }
        let Ok(response) = self.send(key, content, true) else {
            return;
        };
        let support = match response.status() {
            StatusCode::PRECONDITION_FAILED => CONDITIONS_SUPPORTED,
            status if status.is_success() => CONDITIONS_UNSUPPORTED,
            _ => CONDITIONS_UNKNOWN,
        };
        response::finish(response);
        self.conditions.store(support, Ordering::Relaxed);
    }

    /// Returns whether the stored object equals this content.
    fn has_content(&self, key: &str, content: &UploadContent<'_>) -> Result<bool> {
        let mut download = Download::start(&self.client, key)?;
        let mut hasher = sha256::Hasher::new();
        let mut piece = vec![0; 16 * 1024];
        loop {
            match download.read(&mut piece) {
                Ok(0) => return Ok(hex(&hasher.finish()) == content.hash),
                Ok(read) => hasher.update(&piece[..read]),
                Err(error) => return Err(TargetError::Failed(error.to_string())),
            }
        }
    }

    fn page(&self, beginning: &str, token: Option<&str>) -> Result<ListPage> {
        let mut query = vec![("list-type", "2"), ("prefix", beginning)];
        query.extend(token.map(|token| ("continuation-token", token)));
        let mut response = self.client.send(&BucketRequest {
            method: "GET",
            query: &query,
            ..BucketRequest::default()
        })?;
        if response.status() == StatusCode::OK {
            return response::parse_page(response.body_mut());
        }
        match BucketRefusal::read(response).to_target_error(self.settings()) {
            TargetError::Missing | TargetError::Taken => {
                Err(TargetError::Refused(NO_BUCKET_MESSAGE.into()))
            }
            error => Err(error),
        }
    }
}

const NO_BUCKET_MESSAGE: &str = "the server is not an S3-compatible store";

/// Outcome of a put.
enum PutOutcome {
    Stored,
    /// Another process is writing to the same name.
    Contested(String),
}

impl Target for S3 {
    fn put(&self, name: &str, file: &File, only_new: bool) -> Result<()> {
        let key = self.key(name)?;
        let read = |error| TargetError::Failed(format!("{name} cannot be read: {error}"));
        let content = UploadContent::from_file(file).map_err(read)?;
        let (mut may_be_stored, mut is_contested) = (false, false);
        let result = self.with_retries(|| match self.put_once(&key, &content, only_new) {
            Ok(PutOutcome::Stored) => Ok(()),
            Ok(PutOutcome::Contested(why)) => {
                is_contested = true;
                Err(TargetError::Failed(why))
            }
            // The previous attempt may have succeeded, with only its response lost.
            Err(TargetError::Taken) if may_be_stored && self.has_content(&key, &content)? => Ok(()),
            Err(error) => {
                may_be_stored |= matches!(error, TargetError::Failed(_));
                Err(error)
            }
        });
        match result {
            Err(TargetError::Failed(_)) if is_contested && only_new => Err(TargetError::Taken),
            result => result,
        }
    }

    fn get(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        let key = self.key(name)?;
        let download = self.with_retries(|| Download::start(&self.client, &key))?;
        Ok(Box::new(download))
    }

    fn size(&self, name: &str) -> Result<u64> {
        let key = self.key(name)?;
        let response = self.with_retries(|| self.head(&key))?;
        let length = response.headers().get("content-length");
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        length.ok_or_else(|| TargetError::Refused("the store states no size of an object".into()))
    }

    fn list(&self, beginning: &str, each: &mut dyn FnMut(TargetEntry)) -> Result<()> {
        let prefix = &self.settings().prefix;
        let beginning = format!("{prefix}{beginning}");
        let mut last = String::new();
        let mut token = None;
        loop {
            let page = self.with_retries(|| self.page(&beginning, token.as_deref()))?;
            for TargetEntry { name: key, bytes } in page.entries {
                let name = match key.strip_prefix(prefix.as_str()) {
                    Some(name) if key.starts_with(&beginning) => name,
                    _ => {
                        return Err(TargetError::Refused(
                            "the store lists objects that were not requested".into(),
                        ));
                    }
                };
                if key <= last {
                    let why = "the store lists its names in no order";
                    return Err(TargetError::Refused(why.into()));
                }
                // Skip the objects with a trailing slash that web consoles create for folders.
                if !name.is_empty() && !name.ends_with('/') {
                    let name = name.to_owned();
                    each(TargetEntry { name, bytes });
                }
                last = key;
            }
            match page.next_token {
                None => return Ok(()),
                next if next == token => {
                    return Err(TargetError::Failed("the store's listing has no end".into()));
                }
                next => token = next,
            }
        }
    }

    fn remove(&self, name: &str) -> Result<()> {
        let key = self.key(name)?;
        self.with_retries(|| {
            let response = self.client.send(&BucketRequest {
                method: "DELETE",
                key: &key,
                ..BucketRequest::default()
            })?;
            if response.status().is_success() {
                response::finish(response);
                return Ok(());
            }
            match BucketRefusal::read(response).to_target_error(self.settings()) {
                TargetError::Missing => Ok(()),
                error => Err(error),
            }
        })
    }
}
