//! `PUBLIC_URL`: the address under which a proxy serves Quire, with or without a path.

use super::check::{Checker, http_url};

/// Maximum length of the path of `PUBLIC_URL`, in characters.
const MAX_PATH_CHARS: usize = 200;

/// First segments of Quire's own paths. The path of `PUBLIC_URL` must not begin with one of them, because
/// requests to paths below it would be ambiguous.
pub const RESERVED_PATHS: &[&str] = &[
    "admin",
    "analyze",
    "api",
    "assets",
    "chat",
    "completions",
    "documents",
    "embeddings",
    "experiments",
    "health",
    "history",
    "login",
    "manifest.webmanifest",
    "manual",
    "mcp",
    "messages",
    "metrics",
    "modelrunner",
    "models",
    "orchestrator",
    "projects",
    "responses",
    "settings",
    "share",
    "sw.js",
    "t",
    "usage",
    "v1",
    "v1beta",
    "welcome",
];

/// The expected form of the setting, for the error message.
const EXPECTED_FORMAT: &str = "a URL such as https://example.org/quire, whose path has only letters, digits, and -._~, and does not begin with a path of Quire's own, such as /api";

impl Checker {
    /// Parses `PUBLIC_URL`, and records an error if it is invalid.
    pub fn public_url(&mut self, name: &str) -> Option<String> {
        self.read(name, parse, EXPECTED_FORMAT)
    }
}

/// Parses the setting. Its path becomes part of pages and cookies, so only plain characters are allowed.
fn parse(text: &str) -> Option<String> {
    let url = http_url(text)?;
    let path = path(&url);
    let mut segments = path.split('/').skip(1);
    let is_plain = |segment: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(allowed)
    };
    let first = segments.clone().next();
    let is_reserved = first.is_some_and(|first| RESERVED_PATHS.contains(&first));
    let is_valid = path.len() <= MAX_PATH_CHARS && segments.all(is_plain) && !is_reserved;
    (is_valid && !url.contains('?')).then_some(url)
}

/// Returns the path of a URL that `parse` accepted, without a trailing slash; empty if there is none.
pub(super) fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/')
        .map_or("", |at| rest[at..].trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_plain_and_not_our_own() {
        for (text, expected) in [
            ("https://example.org", Some("")),
            ("https://example.org/", Some("")),
            ("http://127.0.0.1:8080", Some("")),
            ("https://example.org/quire/", Some("/quire")),
            ("https://example.org/tools/quire", Some("/tools/quire")),
            ("https://example.org/api", None),
            ("https://example.org/t/quire", None),
            ("https://example.org/chat", None),
            ("https://example.org/qu\"ire", None),
            ("https://example.org/../quire", None),
            ("https://example.org/a//b", None),
            ("https://example.org/quire?x=1", None),
        ] {
            let url = parse(text);
            assert_eq!(url.as_deref().map(path), expected, "{text}");
        }
    }
}
