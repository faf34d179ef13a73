//! The files of the pages, embedded compressed: found by name, sent compressed to whoever takes it.
//! Reads no folder that a request could lead out of.

use std::borrow::Cow;
use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;
use hyper::HeaderMap;
use hyper::StatusCode;
use hyper::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, VARY};
use rust_embed::RustEmbed;

use super::error::ApiError;
use super::etag;
use super::reply::Reply;
use crate::app::{Error, Kind};

// Made by the build script. Debug builds read it from disk.
#[derive(RustEmbed)]
#[folder = "$OUT_DIR/assets"]
pub(super) struct EmbeddedFiles;

/// The hash of all assets together, part of their addresses.
pub const TREE: &str = env!("QUIRE_TREE");

/// How long a client may keep what it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheTime {
    /// For ever: the address changes with the content.
    Immutable,
    /// It has to ask each time whether it still holds.
    Ask,
}

/// An embedded file as an answer to a request with these headers.
pub fn reply(name: &str, keep: CacheTime, headers: &HeaderMap) -> Result<Reply, ApiError> {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    let missing = || ApiError::new(Kind::Missing, "there is no such asset");
    if name.contains("..") || name.contains("//") || !name.bytes().all(sound) {
        return Err(missing());
    }
    let file = EmbeddedFiles::get(name).ok_or_else(missing)?;
    let gzip = takes_gzip(headers);
    let hash = file.metadata.sha256_hash();
    let digits = hash[..12].iter().map(|byte| format!("{byte:02x}"));
    let etag = format!(
        "\"{}{}\"",
        digits.collect::<String>(),
        if gzip { "-gz" } else { "" }
    );
    let cache = match keep {
        CacheTime::Immutable => "public, max-age=31536000, immutable",
        CacheTime::Ask => "no-cache",
    };
    let reply = if etag::matches(headers, &etag) {
        Reply::empty().status(StatusCode::NOT_MODIFIED)
    } else if gzip {
        Reply::bytes(whole(file.data), content_type(name)).header(CONTENT_ENCODING, "gzip")
    } else {
        Reply::bytes(inflated(&file.data)?, content_type(name))
    };
    Ok(reply
        .header(ETAG, &etag)
        .header(CACHE_CONTROL, cache)
        .header(VARY, "accept-encoding"))
}

/// An embedded file as text.
///
/// # Errors
/// When there is no such file, or it is damaged or not UTF-8.
pub(super) fn text(name: &str) -> Result<String, ApiError> {
    let file = EmbeddedFiles::get(name)
        .ok_or_else(|| Error::internal(format!("the asset {name} is missing")))?;
    String::from_utf8(inflated(&file.data)?)
        .map_err(|_| Error::internal(format!("the asset {name} is not UTF-8")).into())
}

fn whole(data: Cow<'static, [u8]>) -> Bytes {
    match data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    }
}

fn inflated(data: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    GzDecoder::new(data)
        .read_to_end(&mut bytes)
        .map_err(|fault| Error::internal(format!("an embedded asset is damaged: {fault}")))?;
    Ok(bytes)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Whether the client takes gzip: named, or covered by `*`, and not with a weight of zero.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let mut any = false;
    for line in headers.get_all(ACCEPT_ENCODING) {
        for part in line.to_str().unwrap_or_default().split(',') {
            let (name, weight) = part.split_once(';').unwrap_or((part, ""));
            let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
            let wanted = weight.parse().is_ok_and(|weight: f32| weight > 0.0);
            match name.trim() {
                name if name.eq_ignore_ascii_case("gzip") => return wanted,
                "*" => any = wanted,
                _ => {}
            }
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn encodings_that_are_taken() {
        for (text, expected) in [
            ("gzip, deflate, br", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip;q=0, *", false),
            ("*", true),
            ("*;q=0", false),
            ("identity", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(text));
            assert_eq!(takes_gzip(&headers), expected, "{text}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn names_lead_nowhere_else() {
        for name in [
            "../patterns.json",
            "js/../../x",
            "%2e%2e/x",
            "",
            "js",
            "nothing.js",
            "js//index.js",
        ] {
            assert!(
                reply(name, CacheTime::Ask, &HeaderMap::new()).is_err(),
                "{name}"
            );
        }
    }

    #[test]
    fn the_page_names_this_tree() {
        let page = EmbeddedFiles::get("index.html").expect("a page");
        let text = String::from_utf8(inflated(&page.data).expect("sound")).expect("UTF-8");
        assert!(!text.contains("__TREE__"));
        assert!(text.starts_with("<!doctype html>") && text.contains("<title>"));
        assert!(!text.to_lowercase().contains("error"));
    }
}
