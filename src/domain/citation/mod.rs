//! Citation checking: verifies that cited pages were given and that quoted words occur on them. A false
//! citation is never reported as verified; one that cannot be checked is reported as such.

pub mod compare;
pub mod marks;
mod quotes;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::analysis::Plan;
use crate::domain::chat::SourcePassage;
use crate::domain::id::DocumentId;

pub use marks::{CitationMark, MarkGroup, cites, with_marks, with_numbers};
pub use quotes::Quote;

/// Maximum number of citations stored per analysis; the rest are only counted.
const MOST: usize = 500;
/// Maximum number of pages searched per mark.
const MOST_PAGES: u32 = 12;

/// Result of checking one citation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CitationState {
    /// The quoted words occur on the cited page.
    Verified,
    /// The quoted words occur on another page that was given.
    Elsewhere,
    /// The quoted words occur on no page that was given.
    NotFound,
    /// Nothing is quoted; the page contains the sentence's words and figures.
    Supported,
    /// Nothing is quoted; the page was given.
    Cited,
    /// The cited page was not given.
    Unknown,
    /// The document no longer exists.
    Gone,
}

/// One checked citation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// Stage index.
    pub stage: usize,
    /// Member index; none for the synthesis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<usize>,
    /// The mark in canonical form: `D1:p4`.
    pub mark: String,
    /// Result of the check.
    pub state: CitationState,
    /// Quoted words, at most 300 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub quote: String,
    /// Cited document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_id: Option<DocumentId>,
    /// Page number of the match, or the first cited page.
    #[serde(default)]
    pub page: u32,
    /// Start of the quoted words in the page's text, in bytes.
    #[serde(default)]
    pub start: u32,
    /// End of the quoted words, in bytes; 0 when nothing was found.
    #[serde(default)]
    pub end: u32,
}

/// Checked citations of one analysis.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citations {
    /// Number of citations by state.
    pub counts: BTreeMap<CitationState, u32>,
    /// The first citations, up to `MOST`.
    pub items: Vec<Citation>,
}

/// A text to check.
#[derive(Debug, Clone, Copy)]
pub struct CitingText<'a> {
    /// Stage index.
    pub stage: usize,
    /// Member index; none for the synthesis.
    pub member: Option<usize>,
    /// The text.
    pub text: &'a str,
}

/// Checks every citation in the texts. `page` returns the text of a page, or none if it no longer exists.
pub fn check<'a>(
    plan: &Plan,
    texts: impl IntoIterator<Item = CitingText<'a>>,
    page: &mut dyn FnMut(&DocumentId, u32) -> Option<String>,
) -> Citations {
    let mut desk = CitationChecker::of(plan, page);
    let mut found = Citations::default();
    for text in texts {
        desk.read(&text, &mut found);
    }
    found
}

struct CitationChecker<'a> {
    /// By position in the request: the document and the pages that were given to any member.
    given: BTreeMap<u32, (DocumentId, BTreeSet<u32>)>,
    sources: Vec<&'a SourcePassage>,
    page: &'a mut dyn FnMut(&DocumentId, u32) -> Option<String>,
    /// The last page used, as a one-entry cache: citations of one page come together.
    last: Option<(DocumentId, u32, Vec<compare::PlainWord>)>,
}

impl<'a> CitationChecker<'a> {
    fn of(plan: &'a Plan, page: &'a mut dyn FnMut(&DocumentId, u32) -> Option<String>) -> Self {
        let sources: Vec<&SourcePassage> = plan.all_sources().collect();
        let mut given: BTreeMap<u32, (DocumentId, BTreeSet<u32>)> = BTreeMap::new();
        for source in &sources {
            let Some(id) = &source.document_id else {
                continue;
            };
            for mark in marks::read(&source.mark, false) {
                if let CitationMark::Pages { document, from, to } = mark {
                    let known = given
                        .entry(document)
                        .or_insert_with(|| (id.clone(), BTreeSet::new()));
                    known.1.extend(from..=to);
                }
            }
        }
        Self {
            given,
            sources,
            page,
            last: None,
        }
    }

    fn read(&mut self, text: &CitingText<'_>, found: &mut Citations) {
        let cites = cites(text.text);
        let quotes = quotes::find(text.text, &cites);
        for (index, cite) in cites.iter().enumerate() {
            let quoted: Vec<&Quote> = quotes.iter().filter(|quote| quote.cite == index).collect();
            for &mark in &cite.marks {
                let Some(mark) = self.place_of(mark) else {
                    continue;
                };
                if quoted.is_empty() {
                    let claim = quotes::claim(text.text, cite);
                    self.keep(text, mark, None, claim, found);
                }
                for quote in &quoted {
                    self.keep(text, mark, Some(&quote.text), "", found);
                }
            }
        }
    }

    // Resolves passage numbers of older analyses to marks. Ignores marks when no document was given.
    fn place_of(&self, mark: CitationMark) -> Option<CitationMark> {
        match mark {
            CitationMark::Number(number) => {
                let source = self.sources.iter().find(|source| source.number == number)?;
                marks::read(&source.mark, false).into_iter().next()
            }
            other => (!self.given.is_empty()).then_some(other),
        }
    }

    fn keep(
        &mut self,
        text: &CitingText<'_>,
        mark: CitationMark,
        quote: Option<&str>,
        claim: &str,
        found: &mut Citations,
    ) {
        let mut item = Citation {
            stage: text.stage,
            member: text.member,
            mark: mark.text(),
            state: CitationState::Unknown,
            quote: quote.unwrap_or_default().chars().take(300).collect(),
            document_id: None,
            page: 0,
            start: 0,
            end: 0,
        };
        self.judge(mark, quote, claim, &mut item);
        *found.counts.entry(item.state).or_default() += 1;
        if found.items.len() < MOST {
            found.items.push(item);
        }
    }

    fn judge(&mut self, mark: CitationMark, quote: Option<&str>, claim: &str, item: &mut Citation) {
        let (document, from, to) = match mark {
            CitationMark::Pages { document, from, to } => (document, from, to),
            CitationMark::Document(document) => (document, 1, u32::MAX),
            CitationMark::Number(_) => return,
        };
        let Some((id, pages)) = self.given.get(&document).cloned() else {
            return;
        };
        let meant: Vec<u32> = pages
            .range(from..=to)
            .copied()
            .take(MOST_PAGES as usize)
            .collect();
        let Some(&first) = meant.first() else { return };
        item.document_id = Some(id.clone());
        item.page = first;
        let mut is_there = false;
        for &page in &meant {
            let Some(words) = self.words(&id, page) else {
                continue;
            };
            is_there = true;
            let place = match quote {
                Some(quote) => {
                    compare::locate(quote, words).map(|place| (CitationState::Verified, place))
                }
                None => quotes::bears(words, claim).then_some((CitationState::Supported, (0, 0))),
            };
            if let Some((state, (start, end))) = place {
                item.state = state;
                (item.page, item.start, item.end) = (page, start as u32, end as u32);
                return;
            }
        }
        item.state = match quote {
            _ if !is_there => CitationState::Gone,
            None => CitationState::Cited,
            Some(quote) => self.elsewhere(quote, item),
        };
    }

    // Searches the other pages that were given, as far as their passages reach.
    fn elsewhere(&self, quote: &str, item: &mut Citation) -> CitationState {
        for source in &self.sources {
            let words = compare::words(&source.text);
            if let (Some((start, end)), Some(id)) =
                (compare::locate(quote, &words), &source.document_id)
            {
                item.document_id = Some(id.clone());
                item.page = source.page;
                // If a heading precedes the passage, the offset within the page is unknown.
                if source.end as usize >= source.start as usize + source.text.len() {
                    item.start = source.start + start as u32;
                    item.end = source.start + end as u32;
                }
                return CitationState::Elsewhere;
            }
        }
        CitationState::NotFound
    }

    fn words(&mut self, id: &DocumentId, page: u32) -> Option<&[compare::PlainWord]> {
        let known =
            |last: &(DocumentId, u32, Vec<compare::PlainWord>)| last.0 == *id && last.1 == page;
        if !self.last.as_ref().is_some_and(known) {
            let text = (self.page)(id, page)?;
            self.last = Some((id.clone(), page, compare::words(&text)));
        }
        self.last.as_ref().map(|(_, _, words)| words.as_slice())
    }
}

/// Strikes out (in Markdown) the marks of pages that were not given.
pub fn struck(text: &str, found: &Citations) -> String {
    let unknown: BTreeSet<&str> = found
        .items
        .iter()
        .filter(|item| item.state == CitationState::Unknown)
        .map(|item| item.mark.as_str())
        .collect();
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for cite in cites(text) {
        let of_kind = |wanted: bool| -> String {
            let is_unknown =
                |mark: &&CitationMark| unknown.contains(mark.text().as_str()) == wanted;
            let marks = cite.marks.iter().filter(is_unknown).map(|mark| mark.text());
            marks.collect::<Vec<_>>().join(", ")
        };
        let (known, made_up) = (of_kind(false), of_kind(true));
        if made_up.is_empty() {
            continue;
        }
        out.push_str(&text[done..cite.start]);
        if !known.is_empty() {
            out.push_str(&format!("[{known}] "));
        }
        out.push_str(&format!("~~[{made_up}]~~"));
        done = cite.end;
    }
    out.push_str(&text[done..]);
    out
}

#[cfg(test)]
mod tests;
