//! Conditional requests: `If-None-Match` (RFC 9110, section 13).

use hyper::HeaderMap;
use hyper::header::IF_NONE_MATCH;

/// Whether `If-None-Match` matches this entity tag, which means that the client's copy is current.
pub fn etag_matches(headers: &HeaderMap, etag: &str) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().any(|line| {
        let tags = line.to_str().unwrap_or_default().split(',');
        tags.map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == etag || tag == "*")
    })
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn weak_tags_lists_and_asterisks_match() {
        for (header, expected) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static(header));
            assert_eq!(etag_matches(&headers, "\"a\""), expected, "{header}");
        }
        assert!(!etag_matches(&HeaderMap::new(), "\"a\""));
    }
}
