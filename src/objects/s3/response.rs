//! Parses a bucket's responses: a page of names, or an error. Limits how much of a response it reads, and never
//! reveals a secret.

use std::io::{Cursor, Read as _};

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use ureq::Body;
use ureq::http::Response;

use super::address::BucketSettings;
use crate::objects::target::{TargetEntry, TargetError};

/// Size limit of a page of a listing, in bytes.
const MAX_PAGE_BYTES: u64 = 2 << 20;
/// Size limit of an error response, in bytes.
const MAX_ERROR_BYTES: u64 = 64 << 10;
/// Length limit of a quoted message, in characters.
const MAX_MESSAGE_CHARS: usize = 200;
/// Maximum depth of nested XML elements.
const MAX_DEPTH: usize = 32;

/// A page of a listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ListPage {
    pub entries: Vec<TargetEntry>,
    /// Token to request the next page; `None` on the last one.
    pub next_token: Option<String>,
}

/// Parses a page of a listing.
///
/// # Errors
/// `Failed` if the listing is truncated or too long; `Refused` if it is not from an S3-compatible store.
pub(super) fn parse_page(body: &mut Body) -> Result<ListPage, TargetError> {
    let text = read_limited(body, MAX_PAGE_BYTES).map_err(TargetError::Failed)?;
    let mut page = ListPage::default();
    let (mut key, mut bytes, mut has_more) = (None, None, false);
    let root = for_each_leaf(&text, &mut |parent, name, text| match (parent, name) {
        ("Contents", "Key") => key = Some(text),
        ("Contents", "Size") => bytes = text.trim().parse().ok(),
        ("ListBucketResult", "Contents") => {
            if let (Some(name), Some(bytes)) = (key.take(), bytes.take()) {
                page.entries.push(TargetEntry { name, bytes });
            }
        }
        ("ListBucketResult", "IsTruncated") => has_more = text.trim() == "true",
        ("ListBucketResult", "NextContinuationToken") => page.next_token = Some(text),
        _ => {}
    });
    match root.as_deref() {
        Some("ListBucketResult") if !has_more => page.next_token = None,
        Some("ListBucketResult") if page.next_token.is_some() => {}
        Some("ListBucketResult") => {
            let why = "the listing continues, but the response does not say where";
            return Err(TargetError::Refused(why.into()));
        }
        Some(_) => {
            let why = "the server is not an S3-compatible store";
            return Err(TargetError::Refused(why.into()));
        }
        None => return Err(TargetError::Failed("the listing was cut off".into())),
    }
    Ok(page)
}

/// An error response from the store.
#[derive(Debug)]
pub(super) struct BucketRefusal {
    pub status: u16,
    /// S3's error code; empty if the response is not from an S3 store, or has no body because the request was HEAD.
    pub code: String,
    message: String,
    region: Option<String>,
    /// Whether the response has a body, but not one from an S3 store.
    is_not_s3: bool,
}

/// Reads the body of a successful response, so that the connection can be reused.
pub(super) fn finish(mut response: Response<Body>) {
    let _ = read_limited(response.body_mut(), MAX_ERROR_BYTES);
}

impl BucketRefusal {
    pub fn read(mut response: Response<Body>) -> Self {
        let header = |name: &str| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let (status, region) = (response.status().as_u16(), header("x-amz-bucket-region"));
        let mut refusal = Self {
            status,
            code: String::new(),
            message: String::new(),
            region,
            is_not_s3: false,
        };
        let text = read_limited(response.body_mut(), MAX_ERROR_BYTES).unwrap_or_default();
        for_each_leaf(&text, &mut |parent, name, text| match (parent, name) {
            ("Error", "Code") => refusal.code = text,
            ("Error", "Message") => refusal.message = text,
            ("Error", "Region") => refusal.region = Some(text),
            _ => {}
        });
        refusal.is_not_s3 = !text.is_empty() && refusal.code.is_empty();
        refusal
    }

    /// Returns whether the store lacks support for conditional requests.
    pub fn lacks_conditional_requests(&self) -> bool {
        self.status == 501 || self.code == "NotImplemented"
    }

    pub fn to_target_error(&self, settings: &BucketSettings) -> TargetError {
        match (self.status, self.code.as_str()) {
            (_, "NoSuchBucket") => {}
            (404, "NoSuchKey" | "") if !self.is_not_s3 => return TargetError::Missing,
            (412, _) => return TargetError::Taken,
            (_, "RequestTimeTooSkewed") => {
                return TargetError::Refused(
                    self.error_message(settings, "this machine's clock is wrong"),
                );
            }
            (507 | 501, _) => {}
            (408 | 409 | 429 | 500.., _)
            | (
                _,
                "RequestTimeout"
                | "SlowDown"
                | "BadDigest"
                | "IncompleteBody"
                | "OperationAborted"
                | "XAmzContentSHA256Mismatch",
            ) => return TargetError::Failed(self.error_message(settings, "")),
            _ => {}
        }
        TargetError::Refused(self.error_message(settings, &self.advice_for(settings)))
    }

    fn advice_for(&self, settings: &BucketSettings) -> String {
        let code = self.code.as_str();
        if code == "NoSuchBucket" {
            return format!("create the bucket {}, or use another one", settings.bucket);
        }
        if let Some(region) = self.region.as_ref().filter(|r| **r != settings.region) {
            return format!("set AWS_REGION={}", sanitize(region, settings));
        }
        let advice = match code {
            "InvalidAccessKeyId" => "the store does not know AWS_ACCESS_KEY_ID",
            "SignatureDoesNotMatch" => "AWS_SECRET_ACCESS_KEY does not match AWS_ACCESS_KEY_ID",
            "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => {
                "the temporary key has expired; use a permanent one"
            }
            "EntityTooLarge" => "the store does not accept files this large in one request",
            _ if code.contains("Quota") || code.contains("Full") || self.status == 507 => {
                "the store is full, or its quota is used up"
            }
            _ if matches!(self.status, 300..400) => {
                "it redirects: set AWS_REGION or AWS_ENDPOINT_URL to the bucket's location"
            }
            _ if matches!(self.status, 401 | 403) => {
                "the key must be allowed to use ListBucket, GetObject, PutObject, and DeleteObject"
            }
            "" => "the server may not be an S3-compatible store",
            _ => "",
        };
        advice.to_owned()
    }

    /// Combines the store's own message with our advice.
    fn error_message(&self, settings: &BucketSettings, advice: &str) -> String {
        let mut text = match self.code.as_str() {
            "" => format!("the store answered with status {}", self.status),
            code => format!("the store says {}", sanitize(code, settings)),
        };
        let message = sanitize(&self.message, settings);
        for (before, more) in [(": ", message.trim_end_matches('.')), ("; ", advice)] {
            if !more.is_empty() {
                text.push_str(before);
                text.push_str(more);
            }
        }
        text
    }
}

/// Returns third-party text as a single line of at most [`MAX_MESSAGE_CHARS`] characters, with our secrets removed.
fn sanitize(text: &str, settings: &BucketSettings) -> String {
    let mut text = text.replace(&settings.secret, "…");
    if let Some(token) = &settings.token {
        text = text.replace(token, "…");
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let plain = words.join(" ");
    plain
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_MESSAGE_CHARS)
        .collect()
}

fn read_limited(body: &mut Body, max_bytes: u64) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    let mut reader = body.as_reader().take(max_bytes + 1);
    reader
        .read_to_end(&mut text)
        .map_err(|error| format!("the connection broke: {error}"))?;
    if text.len() as u64 > max_bytes {
        return Err(format!("the response has more than {max_bytes} bytes"));
    }
    Ok(text)
}

/// Calls `each` at the end of each element with the enclosing element's name, its own name, and the text directly
/// inside. Returns the outermost element's name; `None` if the document is malformed, incomplete, or nested too deeply.
fn for_each_leaf(text: &[u8], each: &mut dyn FnMut(&str, &str, String)) -> Option<String> {
    let mut reader = Reader::from_reader(Cursor::new(text));
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<(String, String)> = Vec::new();
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer).ok()?;
        let piece = match event {
            Event::Start(start) if open.len() < MAX_DEPTH => {
                let name = start.local_name().into_inner().to_owned();
                open.push((name, String::new()));
                continue;
            }
            Event::End(_) => {
                let (name, text) = open.pop()?;
                let Some((parent, _)) = open.last() else {
                    return Some(name);
                };
                each(parent, &name, text);
                continue;
            }
            Event::Text(text) => text.xml10_content().into_owned(),
            Event::CData(text) => text.xml10_content().into_owned(),
            Event::GeneralRef(name) => match name.resolve_char_ref() {
                Ok(Some(character)) => character.to_string(),
                // Entities declared in a DTD are never expanded.
                _ => resolve_predefined_entity(&name.into_inner())?.to_owned(),
            },
            Event::Start(_) | Event::Eof => return None,
            _ => continue,
        };
        if let Some((_, text)) = open.last_mut() {
            text.push_str(&piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed_leaf(text: &str) -> (String, Option<String>) {
        let mut leaf_text = String::new();
        let root = for_each_leaf(text.as_bytes(), &mut |parent, name, text| {
            leaf_text.push_str(&format!("{parent}/{name}={text} "));
        });
        (leaf_text, root)
    }

    #[test]
    fn elements_are_passed_with_their_direct_text() {
        let deep = "<a>".repeat(MAX_DEPTH + 1);
        for (text, expected, root) in [
            (
                "<?xml version=\"1.0\"?><L xmlns=\"x\"><K>a&amp;b &#252;</K><C><S>1</S></C><E/></L>",
                "L/K=a&b ü C/S=1 L/C= L/E= ",
                Some("L"),
            ),
            ("<L><K>a</K>", "L/K=a ", None),
            ("<L><K>&bomb;</K></L>", "", None),
            ("not xml", "", None),
            ("<L><K></L>", "", None),
            (deep.as_str(), "", None),
        ] {
            let root = root.map(str::to_owned);
            assert_eq!(parsed_leaf(text), (expected.to_owned(), root), "{text}");
        }
    }
}
