//! Static assets of the web pages, embedded in gzip format. Clients that accept gzip receive them unchanged; for
//! others, they are decompressed. Release builds read nothing from disk, so no path can escape a folder.

use std::borrow::Cow;
use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;
use hyper::HeaderMap;
use hyper::StatusCode;
use hyper::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, VARY};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::error::ApiError;
use super::etag;
use super::reply::Reply;
use crate::app::{Error, Kind};

// The files that the build script generates. Debug builds read them from disk.
#[derive(RustEmbed)]
#[folder = "$OUT_DIR/assets"]
pub(super) struct EmbeddedFiles;

/// Hash of all assets, which is part of their URLs.
pub const TREE_HASH: &str = env!("QUIRE_TREE");

/// How long a client may cache an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CachePolicy {
    /// Cached for one year, because the URL changes with the content.
    Immutable,
    /// Cached, but a client must ask the server before each use whether its copy is still current.
    Revalidate,
}

/// Returns the response for an embedded file. It is compressed if the client accepts gzip, and is 304 if the client's
/// copy is current.
///
/// # Errors
/// `Missing` if there is no such file; `Internal` if the embedded file is damaged.
pub fn asset_reply(
    name: &str,
    policy: CachePolicy,
    headers: &HeaderMap,
) -> Result<Reply, ApiError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    let missing = || ApiError::new(Kind::Missing, "this file does not exist");
    if name.contains("..") || name.contains("//") || !name.bytes().all(is_allowed) {
        return Err(missing());
    }
    let file = EmbeddedFiles::get(name).ok_or_else(missing)?;
    let gzip = accepts_gzip(headers);
    let etag = format!("\"{}{}\"", digest(&file), if gzip { "-gz" } else { "" });
    let cache_control = match policy {
        CachePolicy::Immutable => "public, max-age=31536000, immutable",
        CachePolicy::Revalidate => "no-cache",
    };
    let reply = if etag::etag_matches(headers, &etag) {
        Reply::empty().status(StatusCode::NOT_MODIFIED)
    } else if gzip {
        Reply::bytes(into_bytes(file.data), content_type(name)).header(CONTENT_ENCODING, "gzip")
    } else {
        Reply::bytes(decompress(&file.data)?, content_type(name))
    };
    Ok(reply
        .header(ETAG, &etag)
        .header(CACHE_CONTROL, cache_control)
        .header(VARY, "accept-encoding"))
}

/// Returns the response for an embedded text, in which `rewrite` inserts the base path. It is 304 if the client's copy
/// is current.
///
/// # Errors
/// `Internal` if there is no such file, or if it is damaged or not UTF-8.
pub(super) fn rewritten_reply(
    name: &str,
    base: &str,
    rewrite: fn(&str, &str) -> String,
    headers: &HeaderMap,
) -> Result<Reply, ApiError> {
    let etag = format!("\"{}@{base}\"", digest(&find_embedded(name)?));
    let reply = match etag::etag_matches(headers, &etag) {
        true => Reply::empty().status(StatusCode::NOT_MODIFIED),
        false => Reply::bytes(rewrite(&embedded_text(name)?, base), content_type(name)),
    };
    Ok(reply.header(ETAG, &etag).header(CACHE_CONTROL, "no-cache"))
}

fn find_embedded(name: &str) -> Result<EmbeddedFile, ApiError> {
    EmbeddedFiles::get(name)
        .ok_or_else(|| Error::internal(format!("the asset {name} is missing")).into())
}

/// Returns the first 96 bits of the file's SHA-256 hash, in hexadecimal.
fn digest(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    hash[..12]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Returns the decompressed text of an embedded file.
///
/// # Errors
/// `Internal` if there is no such file, or if it is damaged or not UTF-8.
pub(super) fn embedded_text(name: &str) -> Result<String, ApiError> {
    String::from_utf8(decompress(&find_embedded(name)?.data)?)
        .map_err(|_| Error::internal(format!("the asset {name} is not UTF-8")).into())
}

fn into_bytes(data: Cow<'static, [u8]>) -> Bytes {
    match data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    }
}

fn decompress(data: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    GzDecoder::new(data)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::internal(format!("an embedded asset is damaged: {error}")))?;
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

/// Returns whether `Accept-Encoding` allows gzip, by name or by `*`, with a weight above zero. The name takes
/// precedence.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut any = false;
    for line in headers.get_all(ACCEPT_ENCODING) {
        for part in line.to_str().unwrap_or_default().split(',') {
            let (name, weight) = part.split_once(';').unwrap_or((part, ""));
            let weight = weight.split_once('=');
            let weight = weight.filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
            let weight = weight.map_or("1", |(_, weight)| weight.trim());
            let is_accepted = weight.parse().is_ok_and(|weight: f32| weight > 0.0);
            match name.trim() {
                name if name.eq_ignore_ascii_case("gzip") => return is_accepted,
                "*" => any = is_accepted,
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
    fn accept_encoding_is_parsed() {
        for (text, expected) in [
            ("gzip, deflate, br", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip;q=0, *", false),
            ("gzip;Q=0", false),
            ("gzip; q=0.2", true),
            ("*", true),
            ("*;q=0", false),
            ("identity", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(text));
            assert_eq!(accepts_gzip(&headers), expected, "{text}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn names_cannot_escape_the_assets() {
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
                asset_reply(name, CachePolicy::Revalidate, &HeaderMap::new()).is_err(),
                "{name}"
            );
        }
    }

    #[test]
    fn the_page_refers_to_this_tree() {
        let page = EmbeddedFiles::get("index.html").expect("a page");
        let text = String::from_utf8(decompress(&page.data).expect("sound")).expect("UTF-8");
        assert!(!text.contains("__TREE__"));
        assert!(text.starts_with("<!doctype html>") && text.contains("<title>"));
        assert!(!text.to_lowercase().contains("error"));
    }
}
