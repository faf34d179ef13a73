//! Citation marks: `[D1:p4]` is page 4 of the first document. Parses the forms that models write and converts between
//! marks and passage numbers, without checking that the cited pages exist.

use crate::domain::chat::SourcePassage;

/// Target of one citation mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CitationMark {
    /// Pages of a document, both numbered from 1.
    Pages {
        /// Position of the document in the request.
        document: u32,
        /// First page.
        from: u32,
        /// Last page (inclusive).
        to: u32,
    },
    /// A document, cited without a page.
    Document(u32),
    /// A passage by its number, the form used before marks existed.
    Number(u32),
}

/// A bracketed group of marks with its byte range in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkGroup {
    /// Byte offset of the opening bracket.
    pub start: usize,
    /// Byte offset after the closing bracket.
    pub end: usize,
    /// The marks, at least one.
    pub marks: Vec<CitationMark>,
}

/// Maximum length of a bracket's content in bytes. Longer brackets contain remarks rather than marks.
const MAX_BRACKET_BYTES: usize = 120;
const BRACKETS: [(char, char); 3] = [('[', ']'), ('(', ')'), ('【', '】')];

/// Returns all bracketed groups of citation marks, in text order.
pub fn find_mark_groups(text: &str) -> Vec<MarkGroup> {
    let mut groups = Vec::new();
    let mut at = 0;
    while let Some((start, open)) = next_opening_bracket(text, at) {
        let inside = start + open.len_utf8();
        at = inside;
        let Some(&(_, close)) = BRACKETS.iter().find(|(opening, _)| *opening == open) else {
            continue;
        };
        let limit = text.floor_char_boundary((inside + MAX_BRACKET_BYTES).min(text.len()));
        let Some(length) = text[inside..limit].find(close) else {
            continue;
        };
        let end = inside + length + close.len_utf8();
        // The text of a link is not a mark.
        let is_link = text[end..].starts_with('(') && open == '[';
        let marks = if is_link {
            Vec::new()
        } else {
            parse_marks(&text[inside..inside + length], open == '[')
        };
        // "(D3)" is as likely to be a vitamin as a citation, so it does not count.
        let is_bare = open != '['
            && marks
                .iter()
                .any(|mark| matches!(mark, CitationMark::Document(_)));
        if !marks.is_empty() && !is_bare {
            groups.push(MarkGroup { start, end, marks });
            at = end;
        }
    }
    groups
}

fn next_opening_bracket(text: &str, at: usize) -> Option<(usize, char)> {
    let is_opening = |c: char| BRACKETS.iter().any(|(opening, _)| *opening == c);
    let start = at + text[at..].find(is_opening)?;
    Some((start, text[start..].chars().next()?))
}

/// Parses the content of a bracket, such as `D1:p4-6, D2:p1`, `D1, p. 4`, or, if `numbers` is true, the passage numbers
/// `3, 5`. Returns no marks if any part is not a mark.
pub fn parse_marks(inner: &str, numbers: bool) -> Vec<CitationMark> {
    let mut marks: Vec<CitationMark> = Vec::new();
    for part in inner.split([',', ';', '，', '；', '、']) {
        let part: String = part
            .chars()
            .filter(|c| !c.is_whitespace() && !matches!(c, '.' | '^'))
            .flat_map(char::to_lowercase)
            .collect();
        if part.is_empty() {
            continue;
        }
        let Some(mark) = parse_mark(&part, marks.last().copied(), numbers) else {
            return Vec::new();
        };
        if matches!((marks.last(), mark), (Some(CitationMark::Document(one)), CitationMark::Pages { document, .. }) if *one == document)
        {
            marks.pop();
        }
        marks.push(mark);
    }
    marks
}

fn parse_mark(part: &str, before: Option<CitationMark>, numbers: bool) -> Option<CitationMark> {
    if let Some(rest) = part.strip_prefix('d') {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let document = rest[..digits].parse().ok()?;
        let rest = rest[digits..].trim_start_matches([':', '-', '/', '：']);
        if rest.is_empty() {
            return Some(CitationMark::Document(document));
        }
        return parse_pages(document, rest);
    }
    let document = match before {
        Some(CitationMark::Document(document) | CitationMark::Pages { document, .. }) => {
            Some(document)
        }
        _ => None,
    };
    match document {
        Some(document) if !part.starts_with(|c: char| c.is_ascii_digit()) => {
            parse_pages(document, part)
        }
        _ if numbers => part
            .parse()
            .ok()
            .filter(|number| *number < 10_000)
            .map(CitationMark::Number),
        _ => None,
    }
}

// Parses a page reference such as `p4`, `pp4-6`, `page4`, `seite4`, or `4`.
fn parse_pages(document: u32, text: &str) -> Option<CitationMark> {
    let names = ["pages", "page", "pp", "pg", "p", "seiten", "seite", "s"];
    let page_text = names
        .iter()
        .find_map(|name| text.strip_prefix(name))
        .unwrap_or(text);
    let mut ends = page_text.splitn(2, ['-', '–', '—']);
    let from: u32 = ends.next()?.parse().ok()?;
    let to = match ends.next() {
        Some(end) => end.trim_start_matches('p').parse().ok()?,
        None => from,
    };
    (from <= to).then_some(CitationMark::Pages { document, from, to })
}

impl CitationMark {
    /// Formats the mark without brackets, such as `D1:p4-6`.
    pub fn to_text(self) -> String {
        match self {
            Self::Pages { document, from, to } if from == to => format!("D{document}:p{from}"),
            Self::Pages { document, from, to } => format!("D{document}:p{from}-{to}"),
            Self::Document(document) => format!("D{document}"),
            Self::Number(number) => number.to_string(),
        }
    }

    /// Whether the mark cites this passage: by its number, its document, or pages that include any of its own.
    pub fn refers_to(self, source: &SourcePassage) -> bool {
        let own_marks = || parse_marks(&source.mark, false).into_iter();
        match self {
            Self::Number(number) => source.number == number,
            Self::Document(wanted) => own_marks().any(|mark| match mark {
                Self::Pages { document, .. } => document == wanted,
                _ => false,
            }),
            Self::Pages { document, from, to } => own_marks().any(|mark| match mark {
                Self::Pages {
                    document: other,
                    from: first,
                    to: last,
                } => document == other && from <= last && first <= to,
                _ => false,
            }),
        }
    }
}

/// Replaces passage numbers with marks where possible: `[3]` becomes `[D1:p4]`.
pub fn with_marks(text: &str, sources: &[SourcePassage]) -> String {
    replace_marks(text, |mark| match mark {
        CitationMark::Number(number) => {
            let source = sources.iter().find(|source| source.number == number);
            let source_mark = source.map(|source| source.mark.clone());
            source_mark
                .filter(|mark| !mark.is_empty())
                .into_iter()
                .collect()
        }
        _ => Vec::new(),
    })
}

/// Replaces marks with passage numbers where possible: `[D1:p4]` becomes `[3, 4]` if two passages are from that page.
pub fn with_numbers(text: &str, sources: &[SourcePassage]) -> String {
    replace_marks(text, |mark| match mark {
        CitationMark::Number(_) => Vec::new(),
        _ => {
            let meant = sources.iter().filter(|source| mark.refers_to(source));
            meant.map(|source| source.number.to_string()).collect()
        }
    })
}

// Replaces the marks in each bracket with the names that `name` returns. Brackets without any name stay unchanged.
fn replace_marks(text: &str, name: impl Fn(CitationMark) -> Vec<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut copied_end = 0;
    for cite in find_mark_groups(text) {
        let mut names: Vec<String> = cite.marks.iter().flat_map(|&mark| name(mark)).collect();
        names.dedup();
        if names.is_empty() {
            continue;
        }
        out.push_str(&text[copied_end..cite.start]);
        out.push('[');
        out.push_str(&names.join(", "));
        out.push(']');
        copied_end = cite.end;
    }
    out.push_str(&text[copied_end..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(number: u32, mark: &str) -> SourcePassage {
        SourcePassage {
            number,
            mark: mark.into(),
            ..SourcePassage::default()
        }
    }

    #[test]
    fn marks_as_models_write_them() {
        for (text, expected) in [
            ("so it is [D1:p4].", "D1:p4"),
            ("[D1:p4, D2:p1]", "D1:p4 D2:p1"),
            ("[D1:p4-6]", "D1:p4-6"),
            ("[D1:p4–6]", "D1:p4-6"),
            ("(D1:p4)", "D1:p4"),
            ("【D1:p4】", "D1:p4"),
            ("[D1, p. 4]", "D1:p4"),
            ("[D1 p4; p7]", "D1:p4 D1:p7"),
            ("[d2: page 3]", "D2:p3"),
            ("[D3]", "D3"),
            ("[3] and [1, 2]", "3 1 2"),
            ("(3) and (see D1) and vitamin (D3)", ""),
            ("[D1:p4](http://x)", ""),
            ("[D1:p0x] [a] [] [D:p1] [D1:p9-2]", ""),
            ("an open [D1:p4", ""),
            ("[[D1:p4]]", "D1:p4"),
        ] {
            let marks: Vec<String> = find_mark_groups(text)
                .iter()
                .flat_map(|cite| &cite.marks)
                .map(|mark| mark.to_text())
                .collect();
            assert_eq!(marks.join(" "), expected, "{text}");
        }
    }

    #[test]
    fn numbers_and_marks_stand_for_each_other() {
        let sources = [source(1, "D1:p4"), source(2, "D1:p4"), source(3, "D2:p1-9")];
        assert_eq!(
            with_marks("a [1] b [1, 2] c [3] d [7]", &sources),
            "a [D1:p4] b [D1:p4] c [D2:p1-9] d [7]"
        );
        assert_eq!(
            with_numbers("a [D1:p4] b [D2:p7] c [D9:p1] d [2]", &sources),
            "a [1, 2] b [3] c [D9:p1] d [2]"
        );
        assert_eq!(with_marks("old [1]", &[source(1, "")]), "old [1]");
    }
}
