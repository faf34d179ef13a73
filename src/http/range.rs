//! Range requests (RFC 9110, section 14). Only single byte ranges are supported. A `Range` header that is malformed or
//! has several ranges is ignored, and the whole content is sent.

use std::ops::Range;

/// Which part of the content to send, and with which status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangePart {
    /// The whole content, with status 200.
    Whole,
    /// This range of bytes, with status 206.
    Bytes(Range<u64>),
    /// Nothing, with status 416, because the range is outside the content.
    NotSatisfiable,
}

/// Evaluates `Range` and `If-Range` for content of `length` bytes. `etag` is the content's strong entity tag, including
/// its quotes.
pub fn part(range: Option<&str>, if_range: Option<&str>, etag: &str, length: u64) -> RangePart {
    // A date or a weak tag cannot prove that the content has not changed.
    if if_range.is_some_and(|tag| tag.trim() != etag) {
        return RangePart::Whole;
    }
    let spec = range.and_then(|range| range.trim().strip_prefix("bytes="));
    let Some((first, last)) = spec.and_then(|spec| spec.trim().split_once('-')) else {
        return RangePart::Whole;
    };
    let (Some(first), Some(last)) = (number(first), number(last)) else {
        return RangePart::Whole;
    };
    let bytes = match (first, last) {
        (None, None) => return RangePart::Whole,
        (Some(first), Some(last)) if last < first => return RangePart::Whole,
        (Some(first), last) => {
            first..last.map_or(length, |last| last.saturating_add(1).min(length))
        }
        (None, Some(last)) => length.saturating_sub(last)..length,
    };
    match bytes.is_empty() {
        true => RangePart::NotSatisfiable,
        false => RangePart::Bytes(bytes),
    }
}

/// Parses an optional number. Returns `Some(None)` if the text is empty, and `None` if it is not a number.
fn number(text: &str) -> Option<Option<u64>> {
    match text {
        "" => Some(None),
        _ if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok().map(Some),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_evaluated() {
        for (range, expected) in [
            (None, RangePart::Whole),
            (Some("bytes=0-0"), RangePart::Bytes(0..1)),
            (Some("bytes=2-4"), RangePart::Bytes(2..5)),
            (Some("bytes=7-"), RangePart::Bytes(7..10)),
            (Some("bytes=7-99"), RangePart::Bytes(7..10)),
            (
                Some("bytes=7-18446744073709551615"),
                RangePart::Bytes(7..10),
            ),
            (Some("bytes=-3"), RangePart::Bytes(7..10)),
            (Some("bytes=-99"), RangePart::Bytes(0..10)),
            (Some("bytes=10-"), RangePart::NotSatisfiable),
            (Some("bytes=-0"), RangePart::NotSatisfiable),
            (Some("bytes=4-2"), RangePart::Whole),
            (Some("bytes=-"), RangePart::Whole),
            (Some("bytes=+1-2"), RangePart::Whole),
            (Some("bytes=99999999999999999999-"), RangePart::Whole),
            (Some("bytes=0-1,3-4"), RangePart::Whole),
            (Some("lines=0-1"), RangePart::Whole),
        ] {
            assert_eq!(part(range, None, "\"a\"", 10), expected, "{range:?}");
        }
        let same = part(Some("bytes=1-2"), Some("\"a\""), "\"a\"", 10);
        assert_eq!(same, RangePart::Bytes(1..3));
        for other in ["\"b\"", "W/\"a\"", "Sun, 29 Nov 2026 18:00:00 GMT"] {
            let part = part(Some("bytes=1-2"), Some(other), "\"a\"", 10);
            assert_eq!(part, RangePart::Whole, "{other}");
        }
        assert_eq!(
            part(Some("bytes=0-"), None, "\"a\"", 0),
            RangePart::NotSatisfiable
        );
    }
}
