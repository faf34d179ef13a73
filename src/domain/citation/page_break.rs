//! Joins the end of one page and the beginning of the next, for quotations that continue across the break.

use std::ops::Range;

/// Maximum number of bytes taken from each page at the break: more than any quotation has.
const CONTEXT_BYTES: usize = 6_000;
/// Maximum length in bytes of a line that consists of a page number.
const MAX_PAGE_NUMBER_LINE_BYTES: usize = 24;

/// The end of one page and the beginning of the next, joined without the page numbers between them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PageBreak {
    /// The joined text.
    pub text: String,
    /// Byte range of the first part in its page's text.
    first_range: Range<usize>,
    /// Start of the second part in its page's text, in bytes.
    second_start: usize,
}

impl PageBreak {
    pub fn between(first: &str, second: &str) -> Self {
        let end = without_last_number(first).len();
        let start = first
            .ceil_char_boundary(end.saturating_sub(CONTEXT_BYTES))
            .min(end);
        let from = second.len() - without_first_number(second).len();
        let to = second.floor_char_boundary((from + CONTEXT_BYTES).min(second.len()));
        Self {
            text: format!("{}\n{}", &first[start..end], &second[from..to]),
            first_range: start..end,
            second_start: from,
        }
    }

    /// Splits a range of the joined text into its parts on both pages; `None` if it does not cross the break.
    pub fn split_range(&self, range: &Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
        let boundary = self.first_range.len();
        let spans_break = range.start < boundary && range.end > boundary + 1;
        spans_break.then(|| {
            let second_end = range.end - boundary - 1;
            (
                self.first_range.start + range.start..self.first_range.end,
                self.second_start..self.second_start + second_end,
            )
        })
    }
}

fn without_last_number(page: &str) -> &str {
    let page = page.trim_end();
    match page.rfind('\n') {
        Some(at) if is_number(&page[at..]) => page[..at].trim_end(),
        _ => page,
    }
}

fn without_first_number(page: &str) -> &str {
    let page = page.trim_start();
    match page.find('\n') {
        Some(at) if is_number(&page[..at]) => page[at..].trim_start(),
        _ => page,
    }
}

// Whether the line is a page number, such as `12`, `- 12 -`, or `Page 12 of 30`.
fn is_number(line: &str) -> bool {
    let words = line
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    let is_known = |word: &str| {
        word.bytes().all(|byte| byte.is_ascii_digit())
            || ["page", "of", "seite", "von", "sur", "p"].contains(&word.to_lowercase().as_str())
    };
    line.len() <= MAX_PAGE_NUMBER_LINE_BYTES
        && line.contains(|c: char| c.is_ascii_digit())
        && words.into_iter().all(is_known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_map_back_to_their_pages() {
        let (first, second) = ("Repairs are the\n- 4 -\n", "Page 5 of 9\n\ntenant's. More.");
        let both = PageBreak::between(first, second);
        assert_eq!(both.text, "Repairs are the\ntenant's. More.");
        let at = both.text.find("are the").expect("there");
        let (one, other) = both
            .split_range(&(at..at + "are the\ntenant's".len()))
            .expect("both");
        assert_eq!((&first[one], &second[other]), ("are the", "tenant's"));
        assert_eq!(both.split_range(&(0..7)), None);
        assert_eq!(both.split_range(&(16..20)), None);
    }

    #[test]
    fn long_and_empty_pages_are_joined() {
        let long = "ä".repeat(CONTEXT_BYTES);
        let both = PageBreak::between(&long, &long);
        assert!(both.text.len() <= 2 * CONTEXT_BYTES + 1);
        let end = both.text.len();
        let (one, other) = both.split_range(&(0..end)).expect("both");
        assert_eq!((one.end, other.start), (long.len(), 0));
        assert_eq!(PageBreak::between("", "").text, "\n");
    }
}
