//! What a bucket's answers say: a page of names, or why not. Takes no more of an answer than a page may have, and
//! shows nothing of a secret.

use std::io::{Cursor, Read as _};

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use ureq::Body;
use ureq::http::Response;

use super::address::Settings;
use crate::replica::target::{Entry, Fault};

const MOST_PAGE: u64 = 2 << 20;
const MOST_WHY: u64 = 64 << 10;
const MOST_MESSAGE: usize = 200;
const DEEPEST: usize = 32;

/// A part of a list.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub entries: Vec<Entry>,
    /// Where the next one begins.
    pub next: Option<String>,
}

/// Reads a page to its end.
pub(super) fn page(body: &mut Body) -> Result<Page, Fault> {
    let text = all(body, MOST_PAGE).map_err(Fault::Failed)?;
    let mut page = Page::default();
    let (mut key, mut bytes, mut more) = (None, None, false);
    let root = leaves(&text, &mut |parent, name, text| match (parent, name) {
        ("Contents", "Key") => key = Some(text),
        ("Contents", "Size") => bytes = text.trim().parse().ok(),
        ("ListBucketResult", "Contents") => {
            if let (Some(name), Some(bytes)) = (key.take(), bytes.take()) {
                page.entries.push(Entry { name, bytes });
            }
        }
        ("ListBucketResult", "IsTruncated") => more = text.trim() == "true",
        ("ListBucketResult", "NextContinuationToken") => page.next = Some(text),
        _ => {}
    });
    match root.as_deref() {
        Some("ListBucketResult") if !more => page.next = None,
        Some("ListBucketResult") if page.next.is_some() => {}
        Some("ListBucketResult") => {
            let why = "the list goes on, but the answer does not say where";
            return Err(Fault::Refused(why.into()));
        }
        Some(_) => {
            let why = "what answers there is no store with the interface of S3";
            return Err(Fault::Refused(why.into()));
        }
        None => return Err(Fault::Failed("the list was cut off".into())),
    }
    Ok(page)
}

/// An answer that is no success.
#[derive(Debug)]
pub(super) struct Refusal {
    pub status: u16,
    /// S3's word for it; empty where what answers is no store, or a HEAD was asked.
    pub code: String,
    message: String,
    region: Option<String>,
    /// It says something, but not as a store does.
    foreign: bool,
}

/// Reads what a success says to its end, so that the connection can serve again.
pub(super) fn finish(mut answer: Response<Body>) {
    let _ = all(answer.body_mut(), MOST_WHY);
}

impl Refusal {
    pub fn read(mut answer: Response<Body>) -> Self {
        let header = |name: &str| {
            let value = answer.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let (status, region) = (answer.status().as_u16(), header("x-amz-bucket-region"));
        let mut refusal = Self {
            status,
            code: String::new(),
            message: String::new(),
            region,
            foreign: false,
        };
        let text = all(answer.body_mut(), MOST_WHY).unwrap_or_default();
        leaves(&text, &mut |parent, name, text| match (parent, name) {
            ("Error", "Code") => refusal.code = text,
            ("Error", "Message") => refusal.message = text,
            ("Error", "Region") => refusal.region = Some(text),
            _ => {}
        });
        refusal.foreign = !text.is_empty() && refusal.code.is_empty();
        refusal
    }

    /// Whether a condition is what it does not know.
    pub fn knows_no_conditions(&self) -> bool {
        self.status == 501 || self.code == "NotImplemented"
    }

    pub fn fault(&self, settings: &Settings) -> Fault {
        match (self.status, self.code.as_str()) {
            (_, "NoSuchBucket") => {}
            (404, "NoSuchKey" | "") if !self.foreign => return Fault::Missing,
            (412, _) => return Fault::Taken,
            (_, "RequestTimeTooSkewed") => {
                return Fault::Refused(self.told(settings, "the clock of this machine is wrong"));
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
            ) => return Fault::Failed(self.told(settings, "")),
            _ => {}
        }
        Fault::Refused(self.told(settings, &self.advice(settings)))
    }

    fn advice(&self, settings: &Settings) -> String {
        let code = self.code.as_str();
        if code == "NoSuchBucket" {
            return format!("make the bucket {}, or name another", settings.bucket);
        }
        if let Some(region) = self.region.as_ref().filter(|r| **r != settings.region) {
            return format!("set AWS_REGION={}", shown(region, settings));
        }
        let advice = match code {
            "InvalidAccessKeyId" => "AWS_ACCESS_KEY_ID is not known there",
            "SignatureDoesNotMatch" => "AWS_SECRET_ACCESS_KEY is not the one of AWS_ACCESS_KEY_ID",
            "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => {
                "the key was lent and has run out: give one that lasts"
            }
            "EntityTooLarge" => "the store takes no file so large in one piece",
            _ if code.contains("Quota") || code.contains("Full") || self.status == 507 => {
                "the store is full, or its quota is used up"
            }
            _ if matches!(self.status, 300..400) => {
                "it sends elsewhere: set AWS_REGION or AWS_ENDPOINT_URL to where the bucket is"
            }
            _ if matches!(self.status, 401 | 403) => {
                "the key must be allowed ListBucket, GetObject, PutObject and DeleteObject there"
            }
            "" => "what answers there may be no store with the interface of S3",
            _ => "",
        };
        advice.to_owned()
    }

    /// The store's own words, and what to do.
    fn told(&self, settings: &Settings, advice: &str) -> String {
        let mut text = match self.code.as_str() {
            "" => format!("the store answers with status {}", self.status),
            code => format!("the store says {}", shown(code, settings)),
        };
        let message = shown(&self.message, settings);
        for (before, more) in [(": ", message.trim_end_matches('.')), ("; ", advice)] {
            if !more.is_empty() {
                text.push_str(before);
                text.push_str(more);
            }
        }
        text
    }
}

/// One line of what somebody else wrote, without our secrets.
fn shown(text: &str, settings: &Settings) -> String {
    let mut text = text.replace(&settings.secret, "…");
    if let Some(token) = &settings.token {
        text = text.replace(token, "…");
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let plain = words.join(" ");
    plain
        .chars()
        .filter(|c| !c.is_control())
        .take(MOST_MESSAGE)
        .collect()
}

fn all(body: &mut Body, most: u64) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    let mut reader = body.as_reader().take(most + 1);
    reader
        .read_to_end(&mut text)
        .map_err(|error| format!("the connection broke: {error}"))?;
    if text.len() as u64 > most {
        return Err(format!("the answer has more than {most} bytes"));
    }
    Ok(text)
}

/// Calls with the name of each element that ends, that of the one around it, and the text right inside. The
/// outermost one's name, where it ended.
fn leaves(text: &[u8], each: &mut dyn FnMut(&str, &str, String)) -> Option<String> {
    let mut reader = Reader::from_reader(Cursor::new(text));
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<(String, String)> = Vec::new();
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer).ok()?;
        let more = match event {
            Event::Start(start) if open.len() < DEEPEST => {
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
                // What a document type declares is never expanded.
                _ => resolve_predefined_entity(&name.into_inner())?.to_owned(),
            },
            Event::Start(_) | Event::Eof => return None,
            _ => continue,
        };
        if let Some((_, text)) = open.last_mut() {
            text.push_str(&more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> (String, Option<String>) {
        let mut seen = String::new();
        let root = leaves(text.as_bytes(), &mut |parent, name, text| {
            seen.push_str(&format!("{parent}/{name}={text} "));
        });
        (seen, root)
    }

    #[test]
    fn elements_and_what_is_right_inside_them() {
        let deep = "<a>".repeat(DEEPEST + 1);
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
            assert_eq!(seen(text), (expected.to_owned(), root), "{text}");
        }
    }
}
