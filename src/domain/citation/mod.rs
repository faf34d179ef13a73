//! Citation checking: verifies that cited pages were given and that quoted words occur on them. A citation that cannot
//! be checked is reported as such, and a false citation is never reported as verified.

mod characters;
mod checker;
mod clauses;
mod compare;
mod figures;
mod folding;
pub mod marks;
mod operators;
mod page_break;
mod plain_word;
mod quotes;
mod scanner;
mod signs;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::analysis::Plan;
use crate::domain::id::DocumentId;

use checker::CitationChecker;

pub use compare::{QuoteMatch, locate, verify};
pub use marks::{CitationMark, MarkGroup, find_mark_groups, with_marks, with_numbers};
pub use quotes::Quote;
pub use words::ComparableText;

/// Maximum number of citations stored per analysis; the rest are only counted.
const MAX_ITEMS: usize = 500;
/// Result of checking one citation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CitationState {
    /// The quoted words occur on the cited page without omissions; `compare` lists the tolerated differences.
    Verified,
    /// The quoted words occur on the cited page, but the quotation omits words: at an ellipsis, or a negation or limit
    /// directly before the quoted words.
    Shortened,
    /// The quoted words occur on another page that was given.
    Elsewhere,
    /// The quoted words occur on no page that was given.
    NotFound,
    /// Nothing is quoted, and the page contains the words of the sentence. Occurs only in results of older versions.
    Supported,
    /// Nothing is quoted, but the page was given.
    Cited,
    /// The cited page was not given.
    Unknown,
    /// The cited page or its document no longer exists.
    Gone,
}

/// One checked citation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// Index of the stage in which the text was written.
    pub stage: usize,
    /// Index of the member who wrote the text; `None` for the synthesis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<usize>,
    /// The mark in canonical form, such as `D1:p4`.
    pub mark: String,
    /// Result of the check.
    pub state: CitationState,
    /// The quoted words, cut to 300 characters; empty if nothing is quoted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub quote: String,
    /// The document in which the quoted words were found, otherwise the cited one; `None` if the cited page was not
    /// given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_id: Option<DocumentId>,
    /// Page number of the match, otherwise of the first cited page; 0 if the cited page was not given.
    #[serde(default)]
    pub page: u32,
    /// Start of the quoted words in the page's text, in bytes; 0 if nothing was found.
    #[serde(default)]
    pub start: u32,
    /// End of the quoted words in the page's text, in bytes; 0 if nothing was found.
    #[serde(default)]
    pub end: u32,
    /// Part of the next page on which the quoted words continue; `None` if they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued: Option<PageSpan>,
    /// Words of the page that the quotation omits, one entry per ellipsis or negation: at most 8 entries of 300
    /// characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// A part of a page's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageSpan {
    /// Page number, from 1.
    pub page: u32,
    /// Start of the part in the page's text, in bytes.
    pub start: u32,
    /// End of the part, in bytes.
    pub end: u32,
}

/// The checked citations of one analysis.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citations {
    /// Number of citations in each state, including those that are not in `items`.
    pub counts: BTreeMap<CitationState, u32>,
    /// The first citations, at most `MAX_ITEMS`.
    pub items: Vec<Citation>,
}

/// A text whose citations are checked.
#[derive(Debug, Clone, Copy)]
pub struct CitingText<'a> {
    /// Index of the stage in which the text was written.
    pub stage: usize,
    /// Index of the member who wrote the text; `None` for the synthesis.
    pub member: Option<usize>,
    /// The text, with its citation marks.
    pub text: &'a str,
}

/// The contents of a cited page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CitedPage {
    /// The text that citations of the page are compared with.
    pub text: String,
    /// Whether the text was recognized from a scanned image.
    pub is_recognized: bool,
}

/// Checks every citation in the texts. `page` loads a page by document and page number; it returns `None` if the page
/// no longer exists.
pub fn check_citations<'a>(
    plan: &Plan,
    texts: impl IntoIterator<Item = CitingText<'a>>,
    page: &mut dyn FnMut(&DocumentId, u32) -> Option<CitedPage>,
) -> Citations {
    let mut checker = CitationChecker::new(plan, page);
    let mut citations = Citations::default();
    for text in texts {
        checker.check_text(&text, &mut citations);
    }
    citations
}

/// Strikes out, in Markdown, the citation marks of pages that were not given.
pub fn strike_out_unknown_marks(text: &str, citations: &Citations) -> String {
    let unknown: BTreeSet<&str> = citations
        .items
        .iter()
        .filter(|item| item.state == CitationState::Unknown)
        .map(|item| item.mark.as_str())
        .collect();
    let mut out = String::with_capacity(text.len());
    let mut copied_end = 0;
    for cite in find_mark_groups(text) {
        let list_marks = |wanted: bool| -> String {
            let is_unknown =
                |mark: &&CitationMark| unknown.contains(mark.to_text().as_str()) == wanted;
            let marks = cite
                .marks
                .iter()
                .filter(is_unknown)
                .map(|mark| mark.to_text());
            marks.collect::<Vec<_>>().join(", ")
        };
        let (known_marks, unknown_marks) = (list_marks(false), list_marks(true));
        if unknown_marks.is_empty() {
            continue;
        }
        out.push_str(&text[copied_end..cite.start]);
        if !known_marks.is_empty() {
            out.push_str(&format!("[{known_marks}] "));
        }
        out.push_str(&format!("~~[{unknown_marks}]~~"));
        copied_end = cite.end;
    }
    out.push_str(&text[copied_end..]);
    out
}

#[cfg(test)]
mod tests;
