//! Chooses between the plain-text and HTML versions of an email.

use super::header::{self, MailField};
use super::{decode_body, decode_text, split_parts};
use crate::extract::{ReadLimits, html};

/// A MIME part: its header fields and its body.
type MailPart<'a> = (Vec<MailField<'a>>, &'a [u8]);

/// Number of words by which an HTML version must exceed twice the length of the plain text to count as more complete.
const MAX_EXTRA_WORDS: usize = 20;
/// Maximum depth of nested parts to search for HTML.
const MAX_DEPTH: usize = 3;

/// Returns `chosen`, unless it is plain text and the HTML version of another part is more than twice as long: some
/// programs write only a notice into the plain part.
pub(super) fn more_complete_part<'p, 'a>(
    chosen: &'p MailPart<'a>,
    all: &'p [MailPart<'a>],
) -> &'p MailPart<'a> {
    let kind = header::parameters(&chosen.0, "content-type");
    if !matches!(&*kind.value, "text/plain" | "") {
        return chosen;
    }
    let text = decode_text(&decode_body(&chosen.0, chosen.1), kind.get("charset"));
    let words = text.split_whitespace().count();
    let pages = all
        .iter()
        .map(|part| (html_word_count(&part.0, part.1, 0), part));
    match pages.max_by_key(|(count, _)| *count) {
        Some((count, part)) if count > 2 * words + MAX_EXTRA_WORDS => part,
        _ => chosen,
    }
}

/// Returns the number of words in a part's HTML version.
fn html_word_count(fields: &[MailField<'_>], body: &[u8], depth: usize) -> usize {
    let kind = header::parameters(fields, "content-type");
    match (&*kind.value, kind.get("boundary")) {
        ("text/html", _) => {
            let page = decode_text(&decode_body(fields, body), kind.get("charset"));
            let text = html::body(&page, ReadLimits::default().text, false).text;
            text.split_whitespace().count()
        }
        (media, Some(boundary)) if media.starts_with("multipart/") && depth < MAX_DEPTH => {
            let parts = split_parts(body, boundary).into_iter().map(header::split);
            let counts = parts.map(|(fields, body)| html_word_count(&fields, body, depth + 1));
            counts.max().unwrap_or(0)
        }
        _ => 0,
    }
}
