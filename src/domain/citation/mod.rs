//! Citations checked against the documents: is the page one that was given, do the quoted words stand on it.
//! Never calls a false one verified; what cannot be checked is said to be so.

pub mod compare;
pub mod marks;
mod quotes;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::analysis::Plan;
use crate::domain::chat::Source;
use crate::domain::id::DocumentId;

pub use marks::{Cite, Mark, cites, with_marks, with_numbers};
pub use quotes::Quote;

/// Citations of one analysis that are kept; the rest is counted.
const MOST: usize = 500;
/// Pages that one mark is looked up on.
const MOST_PAGES: u32 = 12;

/// What became of one citation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The quoted words stand on the page.
    Verified,
    /// They stand on another page that was given.
    Elsewhere,
    /// They stand on no page that was given.
    NotFound,
    /// Nothing is quoted; the page has the sentence's words and figures.
    Supported,
    /// Nothing is quoted; the page was given.
    Cited,
    /// No such page was given.
    Unknown,
    /// The document is not there any more.
    Gone,
}

/// One citation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Index of the stage; of the synthesis where there is no member.
    pub stage: usize,
    /// Index of the member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<usize>,
    /// As it was written: `D1:p4`.
    pub mark: String,
    /// What became of it.
    pub state: State,
    /// The quoted words, shortened.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub quote: String,
    /// Where it leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_id: Option<DocumentId>,
    /// The page it leads to.
    #[serde(default)]
    pub page: u32,
    /// Where the quoted words start in the page's text, in bytes.
    #[serde(default)]
    pub start: u32,
    /// Where they end; 0 where nothing was found.
    #[serde(default)]
    pub end: u32,
}

/// All of one analysis.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citations {
    /// How many there are in each state.
    pub counts: BTreeMap<State, u32>,
    /// The first of them.
    pub items: Vec<Item>,
}

/// A text that cites.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// Index of the stage.
    pub stage: usize,
    /// Index of the member; none for the synthesis.
    pub member: Option<usize>,
    /// What it says.
    pub text: &'a str,
}

/// Checks every citation in these texts. `page` gives the text of a page; none where it is gone.
pub fn check<'a>(
    plan: &Plan,
    texts: impl IntoIterator<Item = Text<'a>>,
    page: &mut dyn FnMut(&DocumentId, u32) -> Option<String>,
) -> Citations {
    let mut desk = Desk::of(plan, page);
    let mut found = Citations::default();
    for text in texts {
        desk.read(&text, &mut found);
    }
    found
}

struct Desk<'a> {
    /// By place in the request: the document and its pages that somebody was given.
    given: BTreeMap<u32, (DocumentId, BTreeSet<u32>)>,
    sources: Vec<&'a Source>,
    page: &'a mut dyn FnMut(&DocumentId, u32) -> Option<String>,
    /// The page that was looked at last: citations of one page come together.
    last: Option<(DocumentId, u32, Vec<compare::Word>)>,
}

impl<'a> Desk<'a> {
    fn of(plan: &'a Plan, page: &'a mut dyn FnMut(&DocumentId, u32) -> Option<String>) -> Self {
        let sources: Vec<&Source> = plan.all_sources().collect();
        let mut given: BTreeMap<u32, (DocumentId, BTreeSet<u32>)> = BTreeMap::new();
        for source in &sources {
            let Some(id) = &source.document_id else {
                continue;
            };
            for mark in marks::read(&source.mark, false) {
                if let Mark::Pages { document, from, to } = mark {
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

    fn read(&mut self, text: &Text<'_>, found: &mut Citations) {
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

    // Numbers of old analyses lead where their passages do; what is no citation of ours is left alone.
    fn place_of(&self, mark: Mark) -> Option<Mark> {
        match mark {
            Mark::Number(number) => {
                let source = self.sources.iter().find(|source| source.number == number)?;
                marks::read(&source.mark, false).into_iter().next()
            }
            other => (!self.given.is_empty()).then_some(other),
        }
    }

    fn keep(
        &mut self,
        text: &Text<'_>,
        mark: Mark,
        quote: Option<&str>,
        claim: &str,
        found: &mut Citations,
    ) {
        let mut item = Item {
            stage: text.stage,
            member: text.member,
            mark: mark.text(),
            state: State::Unknown,
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

    fn judge(&mut self, mark: Mark, quote: Option<&str>, claim: &str, item: &mut Item) {
        let (document, from, to) = match mark {
            Mark::Pages { document, from, to } => (document, from, to),
            Mark::Document(document) => (document, 1, u32::MAX),
            Mark::Number(_) => return,
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
                Some(quote) => compare::locate(quote, words).map(|place| (State::Verified, place)),
                None => quotes::bears(words, claim).then_some((State::Supported, (0, 0))),
            };
            if let Some((state, (start, end))) = place {
                item.state = state;
                (item.page, item.start, item.end) = (page, start as u32, end as u32);
                return;
            }
        }
        item.state = match quote {
            _ if !is_there => State::Gone,
            None => State::Cited,
            Some(quote) => self.elsewhere(quote, item),
        };
    }

    // On another of the pages that were given, as far as their passages tell.
    fn elsewhere(&self, quote: &str, item: &mut Item) -> State {
        for source in &self.sources {
            let words = compare::words(&source.text);
            if let (Some((start, end)), Some(id)) =
                (compare::locate(quote, &words), &source.document_id)
            {
                item.document_id = Some(id.clone());
                item.page = source.page;
                // A heading may stand before the passage: then the place within the page is not known.
                if source.end as usize >= source.start as usize + source.text.len() {
                    item.start = source.start + start as u32;
                    item.end = source.start + end as u32;
                }
                return State::Elsewhere;
            }
        }
        State::NotFound
    }

    fn words(&mut self, id: &DocumentId, page: u32) -> Option<&[compare::Word]> {
        let known = |last: &(DocumentId, u32, Vec<compare::Word>)| last.0 == *id && last.1 == page;
        if !self.last.as_ref().is_some_and(known) {
            let text = (self.page)(id, page)?;
            self.last = Some((id.clone(), page, compare::words(&text)));
        }
        self.last.as_ref().map(|(_, _, words)| words.as_slice())
    }
}

/// The text with what no page was given for struck out, for Markdown.
pub fn struck(text: &str, found: &Citations) -> String {
    let unknown: BTreeSet<&str> = found
        .items
        .iter()
        .filter(|item| item.state == State::Unknown)
        .map(|item| item.mark.as_str())
        .collect();
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for cite in cites(text) {
        let of_kind = |wanted: bool| -> String {
            let is_unknown = |mark: &&Mark| unknown.contains(mark.text().as_str()) == wanted;
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
