//! Checks each citation in a text: finds its page and the quoted words on it.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::analysis::Plan;
use crate::domain::chat::SourcePassage;
use crate::domain::id::DocumentId;

use super::compare::{QuoteMatch, locate};
use super::marks::{self, CitationMark, find_mark_groups};
use super::page_break::PageBreak;
use super::quotes::{self, Quote};
use super::words::ComparableText;
use super::{Citation, CitationState, Citations, CitedPage, CitingText, MAX_ITEMS, PageSpan};

/// Maximum number of pages searched per mark.
const MAX_PAGES: u32 = 12;
/// Maximum length, in characters, of a stored quotation and of the stored text that it omits at one ellipsis.
const MAX_STORED_CHARS: usize = 300;
/// Maximum number of ellipses whose omitted words are stored.
const MAX_STORED_OMISSIONS: usize = 8;

pub(super) struct CitationChecker<'a> {
    /// The documents by position in the request, each with the pages that any member was given.
    given_pages: BTreeMap<u32, (DocumentId, BTreeSet<u32>)>,
    sources: Vec<&'a SourcePassage>,
    load_page: &'a mut dyn FnMut(&DocumentId, u32) -> Option<CitedPage>,
    /// The page used last, cached because consecutive citations often refer to the same page.
    cached_page: Option<CachedPage>,
}

struct CachedPage {
    document: DocumentId,
    page: u32,
    text: String,
    comparable_text: ComparableText,
}

impl<'a> CitationChecker<'a> {
    pub fn new(
        plan: &'a Plan,
        page: &'a mut dyn FnMut(&DocumentId, u32) -> Option<CitedPage>,
    ) -> Self {
        let sources: Vec<&SourcePassage> = plan.all_sources().collect();
        let mut given_pages: BTreeMap<u32, (DocumentId, BTreeSet<u32>)> = BTreeMap::new();
        for source in &sources {
            let Some(id) = &source.document_id else {
                continue;
            };
            for mark in marks::parse_marks(&source.mark, false) {
                if let CitationMark::Pages { document, from, to } = mark {
                    let document_pages = given_pages
                        .entry(document)
                        .or_insert_with(|| (id.clone(), BTreeSet::new()));
                    document_pages.1.extend(from..=to);
                }
            }
        }
        Self {
            given_pages,
            sources,
            load_page: page,
            cached_page: None,
        }
    }

    pub fn check_text(&mut self, text: &CitingText<'_>, citations: &mut Citations) {
        let cites = find_mark_groups(text.text);
        let quotes = quotes::find_quotes(text.text, &cites);
        for (index, cite) in cites.iter().enumerate() {
            // A bracketed number inside a quotation belongs to the document, so it is not a citation by the answer.
            if quotes.iter().any(|quote| quote.contains(index, cite)) {
                continue;
            }
            let quoted: Vec<&Quote> = quotes
                .iter()
                .filter(|quote| quote.mark_group == index)
                .collect();
            for &mark in &cite.marks {
                let Some(mark) = self.resolve_mark(mark) else {
                    continue;
                };
                if quoted.is_empty() {
                    self.add_item(text, mark, None, citations);
                }
                for quote in &quoted {
                    self.add_item(text, mark, Some(&quote.text), citations);
                }
            }
        }
    }

    // Converts the passage number of an older analysis to a mark; keeps any other mark. `None` if there is no passage
    // with this number, or if no document was given.
    fn resolve_mark(&self, mark: CitationMark) -> Option<CitationMark> {
        match mark {
            CitationMark::Number(number) => {
                let source = self.sources.iter().find(|source| source.number == number)?;
                marks::parse_marks(&source.mark, false).into_iter().next()
            }
            other => (!self.given_pages.is_empty()).then_some(other),
        }
    }

    fn add_item(
        &mut self,
        text: &CitingText<'_>,
        mark: CitationMark,
        quote: Option<&str>,
        citations: &mut Citations,
    ) {
        let mut item = Citation {
            stage: text.stage,
            member: text.member,
            mark: mark.to_text(),
            state: CitationState::Unknown,
            quote: truncate_quote(quote.unwrap_or_default()),
            document_id: None,
            page: 0,
            start: 0,
            end: 0,
            continued: None,
            left_out: Vec::new(),
        };
        self.check_item(mark, quote, &mut item);
        *citations.counts.entry(item.state).or_default() += 1;
        if citations.items.len() < MAX_ITEMS {
            citations.items.push(item);
        }
    }

    fn check_item(&mut self, mark: CitationMark, quote: Option<&str>, item: &mut Citation) {
        let (document, from, to) = match mark {
            CitationMark::Pages { document, from, to } => (document, from, to),
            CitationMark::Document(document) => (document, 1, u32::MAX),
            CitationMark::Number(_) => return,
        };
        let Some((id, pages)) = self.given_pages.get(&document).cloned() else {
            return;
        };
        let meant: Vec<u32> = pages
            .range(from..=to)
            .copied()
            .take(MAX_PAGES as usize)
            .collect();
        let Some(&first) = meant.first() else { return };
        item.document_id = Some(id.clone());
        item.page = first;
        item.state = match quote {
            Some(quote) => self.check_quote(&id, quote, &meant, &pages, item),
            None => self.check_without_quote(&id, &meant),
        };
    }

    // Looks for a quotation on the cited pages, then across page breaks, and finally in all passages. A complete
    // quotation on any cited page takes precedence over a shortened one on an earlier page.
    fn check_quote(
        &mut self,
        id: &DocumentId,
        quote: &str,
        meant: &[u32],
        given_pages: &BTreeSet<u32>,
        item: &mut Citation,
    ) -> CitationState {
        let mut is_there = false;
        let mut truncate_quote = false;
        for &page in meant {
            let Some(found_page) = self.fetch_page(id, page) else {
                continue;
            };
            is_there = true;
            let Some(quote_match) = locate(quote, &found_page.comparable_text) else {
                continue;
            };
            if quote_match.omitted.is_empty() || !truncate_quote {
                set_location(item, page, (0, &found_page.text), &quote_match);
            }
            if quote_match.omitted.is_empty() {
                return CitationState::Verified;
            }
            truncate_quote = true;
        }
        match (is_there, truncate_quote) {
            (false, _) => CitationState::Gone,
            (_, true) => CitationState::Shortened,
            _ => self
                .find_across_pages(id, quote, meant, given_pages, item)
                .unwrap_or_else(|| self.find_on_other_pages(quote, item)),
        }
    }

    // Looks for a quotation that continues across the break between a cited page and the page before or after it.
    fn find_across_pages(
        &mut self,
        id: &DocumentId,
        quote: &str,
        meant: &[u32],
        given_pages: &BTreeSet<u32>,
        item: &mut Citation,
    ) -> Option<CitationState> {
        let previous_page = |&page: &u32| page.checked_sub(1);
        let first_pages: BTreeSet<u32> = meant
            .iter()
            .filter_map(previous_page)
            .chain(meant.iter().copied())
            .collect();
        for first in first_pages {
            let Some(second) = first.checked_add(1) else {
                continue;
            };
            if !given_pages.contains(&first) || !given_pages.contains(&second) {
                continue;
            }
            let (Some(one), Some(other)) =
                ((self.load_page)(id, first), (self.load_page)(id, second))
            else {
                continue;
            };
            let both = PageBreak::between(&one.text, &other.text);
            let is_recognized = one.is_recognized && other.is_recognized;
            let Some(quote_match) = locate(quote, &prepare_page_text(&both.text, is_recognized))
            else {
                continue;
            };
            if let Some((part, rest)) = both.split_range(&(quote_match.start..quote_match.end)) {
                item.left_out = omitted_text(&both.text, &quote_match);
                (item.page, item.start, item.end) = (first, part.start as u32, part.end as u32);
                item.continued = Some(PageSpan {
                    page: second,
                    start: rest.start as u32,
                    end: rest.end as u32,
                });
                return Some(match quote_match.omitted.is_empty() {
                    true => CitationState::Verified,
                    false => CitationState::Shortened,
                });
            }
        }
        None
    }

    // Checks only that a cited page still exists. Whether the page supports the sentence is a question of meaning,
    // which is not checked here.
    fn check_without_quote(&mut self, id: &DocumentId, meant: &[u32]) -> CitationState {
        match meant
            .iter()
            .any(|&page| self.fetch_page(id, page).is_some())
        {
            true => CitationState::Cited,
            false => CitationState::Gone,
        }
    }

    // Looks for a quotation in all passages that the members were given, because its words may be on another page.
    fn find_on_other_pages(&self, quote: &str, item: &mut Citation) -> CitationState {
        for source in &self.sources {
            let Some(id) = &source.document_id else {
                continue;
            };
            if let Some(quote_match) = locate(quote, &ComparableText::from_text(&source.text)) {
                // If the passage was given with a heading, the offset of its text is unknown.
                let is_offset_known =
                    source.end as usize >= source.start as usize + source.text.len();
                set_location(
                    item,
                    source.page,
                    (source.start, &source.text),
                    &quote_match,
                );
                if !is_offset_known {
                    (item.start, item.end) = (0, 0);
                }
                item.document_id = Some(id.clone());
                return CitationState::Elsewhere;
            }
        }
        CitationState::NotFound
    }

    fn fetch_page(&mut self, id: &DocumentId, page: u32) -> Option<&CachedPage> {
        let is_cached = |last: &CachedPage| last.document == *id && last.page == page;
        if !self.cached_page.as_ref().is_some_and(is_cached) {
            let CitedPage {
                text,
                is_recognized,
            } = (self.load_page)(id, page)?;
            self.cached_page = Some(CachedPage {
                document: id.clone(),
                page,
                comparable_text: prepare_page_text(&text, is_recognized),
                text,
            });
        }
        self.cached_page.as_ref()
    }
}

// Prepares a page's text for comparison. In text recognized from an image, individual wrong letters and missing accents
// are tolerated.
fn prepare_page_text(text: &str, is_recognized: bool) -> ComparableText {
    match is_recognized {
        true => ComparableText::from_ocr_text(text),
        false => ComparableText::from_text(text),
    }
}

// Records where a quotation was found and what it omits. `offset` is the start of the searched text in its page.
fn set_location(
    item: &mut Citation,
    page: u32,
    (offset, text): (u32, &str),
    quote_match: &QuoteMatch,
) {
    item.page = page;
    (item.start, item.end) = (
        offset + quote_match.start as u32,
        offset + quote_match.end as u32,
    );
    item.left_out = omitted_text(text, quote_match);
}

fn omitted_text(text: &str, quote_match: &QuoteMatch) -> Vec<String> {
    let words = |range: &std::ops::Range<usize>| text.get(range.clone()).map(truncate_quote);
    quote_match
        .omitted
        .iter()
        .take(MAX_STORED_OMISSIONS)
        .filter_map(words)
        .collect()
}

fn truncate_quote(text: &str) -> String {
    text.trim().chars().take(MAX_STORED_CHARS).collect()
}
