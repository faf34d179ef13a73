//! Streams a document's text to the store page by page, so that memory usage does not grow with its length.

use std::path::Path;

use super::child::{ChildExit, ChildReader};
use super::ocr::Ocr;
use super::reading_leases;
use super::scans::{self, Merge, RecognizedPages};
use super::upload::from_io;
use crate::app::Result;
use crate::clock;
use crate::domain::chunk::{PageText, PassageSplitter};
use crate::domain::document::{Document, DocumentStatus, InjectionFlag, Passage};
use crate::domain::injection;
use crate::extract::ReadReport;
use crate::extract::child_protocol::ReadRefusal;
use crate::store::{self, Store, StoreError, documents, passages};

/// Bytes of text per transaction. Large enough that waiting for the disk is a small part of the time, and
/// small enough that other writes can take turns: each transaction takes about 20 ms of computing.
const BATCH_BYTES: usize = 256 << 10;
/// Approximate maximum number of possible prompt injections recorded per document.
const MAX_FLAGS: usize = 50;
/// Passages removed from the index per transaction.
const PASSAGES_PER_DELETE: u32 = 200;

/// How reading a document ended.
pub(super) enum ReadEnd {
    /// The document's text and status are stored, unless it was deleted or another server has taken over reading it.
    Stored,
    /// The file could not be read, with the reason; the status is stored.
    Refused(ReadRefusal, String),
    /// The document has scanned pages to read with OCR, and the rest of its text is stored.
    HasScans,
}

/// Reads a document and sets its status to `processed` or `failed`, unless it has pages for OCR.
///
/// # Errors
/// Returns an error if the store cannot be written or the reading process fails.
pub(super) fn read_document(
    store: &Store,
    (reader, ocr): (&ChildReader, &Ocr),
    document: Document,
    path: &Path,
) -> Result<ReadEnd> {
    let reader = reader.for_user(&document.user);
    let mut read = store_pages(store, &reader, &document, path, RecognizedPages::new())?;
    if let (ChildExit::Read(report), true) = (&mut read.child_exit, read.outcome) {
        if matches!(ocr, Ocr::Ready(_)) && scans::has_scans(report) {
            return Ok(ReadEnd::HasScans);
        }
        scans::explain_without_ocr(ocr, report);
    }
    finish(store, document, read)
}

/// Reads a document whose scanned pages are to be read with OCR, and sets its status to `processed` or
/// `failed`. The document is read from the beginning again, so that nothing about it has to stay in memory
/// while it waits for OCR.
///
/// # Errors
/// Returns an error if the store cannot be written or a process fails.
pub(super) fn read_scan(
    store: &Store,
    (reader, ocr): (&ChildReader, &Ocr),
    document: Document,
    path: &Path,
) -> Result<ReadEnd> {
    let reader = reader.for_user(&document.user);
    let mut read = store_pages(store, &reader, &document, path, RecognizedPages::new())?;
    if let (ChildExit::Read(report), Ocr::Ready(program), true) =
        (&mut read.child_exit, ocr, read.outcome)
    {
        // The limit applies to all text of a document, whether or not it comes from OCR.
        let remaining = reader.budget.text.saturating_sub(read.bytes);
        let mut should_continue = || exists(store, &document);
        let scanned = scans::recognize(
            (program, &reader),
            path,
            report,
            remaining,
            &mut should_continue,
        );
        let scanned = scanned.map_err(from_io)?;
        if !scanned.is_empty() {
            // Passages must be in page order, so the document is read once more. That takes less time than
            // OCR of a single page.
            let report = report.clone();
            read = store_pages(store, &reader, &document, path, scanned)?;
            if let ChildExit::Read(again) = &mut read.child_exit {
                *again = ReadReport {
                    pages: report.pages + read.added,
                    ..report
                };
            }
        }
    }
    finish(store, document, read)
}

// Stores the status of a document that has been read.
fn finish(store: &Store, mut document: Document, read: StoredPages) -> Result<ReadEnd> {
    let (pages, flags, outcome) = (read.pages, read.flags, read.outcome);
    let end = match (read.child_exit, outcome) {
        // The document was deleted or its account was locked in the meantime, or another server is reading
        // it. A locked account's document is read once the account is unlocked.
        (_, false) => return Ok(ReadEnd::Stored),
        (ChildExit::Read(report), true) => {
            describe(&mut document, report);
            document.flags = flags;
            ReadEnd::Stored
        }
        (ChildExit::Refused(reason, message), true) => {
            document.status = DocumentStatus::Failed;
            document.message.clone_from(&message);
            document.encoding = None;
            ReadEnd::Refused(reason, message)
        }
        (ChildExit::StoppedByReceiver, true) => ReadEnd::Stored,
    };
    if matches!(end, ReadEnd::Refused(..)) && pages > 0 {
        // The text before the failure may end anywhere, so no answer may be based on it.
        begin(store, &document)?;
        document.pages = 0;
    }
    match store_result(store, document) {
        Ok(true) | Err(StoreError::Missing) => Ok(end),
        Ok(false) => Ok(ReadEnd::Stored),
        Err(other) => Err(other.into()),
    }
}

/// Stores the result of a read. Returns false if another server has taken over reading the document.
///
/// # Errors
/// `Missing` if the document no longer exists; another error if the store cannot be written.
pub(super) fn store_result(store: &Store, document: Document) -> store::Result<bool> {
    let is_ours = reading_leases::lease_check(store, &document.id);
    store.write_now(move |db| match is_ours(db)? {
        true => documents::store_read_result(db, &document).map(|()| true),
        false => Ok(false),
    })
}

/// Removes the text of an earlier read. Returns false if the document itself no longer exists, or another server has
/// taken over reading it.
///
/// # Errors
/// Returns an error if the store cannot be written.
pub(super) fn begin(store: &Store, document: &Document) -> Result<bool> {
    loop {
        let (user, id) = (document.user.clone(), document.id.clone());
        let is_ours = reading_leases::lease_check(store, &id);
        let deleted = store.write_now(move |db| match is_ours(db)? {
            true => passages::delete_batch(db, &user, &id, PASSAGES_PER_DELETE).map(Some),
            false => Ok(None),
        });
        match deleted? {
            None => return Ok(false),
            Some(deleted) if deleted < PASSAGES_PER_DELETE as usize => break,
            Some(_) => {}
        }
    }
    let (user, id) = (document.user.clone(), document.id.clone());
    let is_ours = reading_leases::lease_check(store, &id);
    let deleted =
        store.write_now(move |db| Ok(is_ours(db)? && documents::delete_text(db, &user, &id)?));
    Ok(deleted?)
}

/// What reading a document and storing its pages produced.
struct StoredPages {
    child_exit: ChildExit,
    /// Number of pages stored, including those that have only recognized text.
    pages: u32,
    /// Number of pages that have only recognized text.
    added: u32,
    /// Size of the file's own text, in bytes.
    bytes: usize,
    flags: Vec<InjectionFlag>,
    /// Whether this server may still store the document: it exists, and no other server is reading it.
    outcome: bool,
}

/// Reads a document from the beginning and stores its pages, merged with those recognized by OCR.
fn store_pages(
    store: &Store,
    reader: &ChildReader,
    document: &Document,
    path: &Path,
    recognized: RecognizedPages,
) -> Result<StoredPages> {
    let mut stored_pages = StoredPages {
        child_exit: ChildExit::StoppedByReceiver,
        pages: 0,
        added: 0,
        bytes: 0,
        flags: Vec::new(),
        outcome: false,
    };
    if !begin(store, document)? {
        return Ok(stored_pages);
    }
    let mut writer = PageWriter::new(store, document);
    let mut merge = Merge::new(recognized);
    let hints = (&*document.name, document.encoding.as_deref());
    let child_exit = reader.read(path, hints, &mut |page| {
        stored_pages.bytes += page.text.len();
        merge.page(page).into_iter().all(|page| writer.add(page))
    });
    stored_pages.child_exit = child_exit.map_err(from_io)?;
    if matches!(stored_pages.child_exit, ChildExit::Read(_)) {
        merge.rest().into_iter().all(|page| writer.add(page));
    }
    (stored_pages.pages, stored_pages.flags, stored_pages.outcome) = writer.end()?;
    stored_pages.added = merge.added;
    Ok(stored_pages)
}

/// Whether the document still exists and this server may still use its lease. If the store fails, returns
/// true, and the next write reports the error.
fn exists(store: &Store, document: &Document) -> bool {
    let now = clock::instant();
    let membership = store.membership();
    if membership.is_some_and(|membership| !membership.is_current(now)) {
        return false;
    }
    let (user, id) = (document.user.clone(), document.id.clone());
    let lookup = store.read_now(move |db| documents::by_id(db, &user, &id));
    lookup.map_or(true, |document| document.is_some())
}

fn describe(document: &mut Document, report: ReadReport) {
    document.status = DocumentStatus::Processed;
    document.content_type = report.content_type.to_owned();
    document.kind = report.kind.to_owned();
    document.encoding = Some(report.encoding).filter(|name| !name.is_empty());
    document.pages = report.pages;
    document.words = report.words;
    document.message = match (report.notes.is_empty(), report.gaps.len()) {
        (true, 0) => "read completely".to_owned(),
        (true, gaps) => format!("pages without text: {gaps}"),
        (false, 0) => report.notes.join("; "),
        (false, gaps) => format!("{}; pages without text: {gaps}", report.notes.join("; ")),
    };
    document.gaps = report.gaps;
    document.recognized = report.recognized_pages;
}

/// Writes pages to the store in batches.
struct PageWriter<'a> {
    store: &'a Store,
    document: &'a Document,
    pages: Vec<PageText>,
    passages: Vec<Passage>,
    bytes: usize,
    pages_written: u32,
    splitter: PassageSplitter,
    flags: Vec<InjectionFlag>,
    /// The outcome, if writing ended early; `Ok(false)` if the document no longer exists or another server is
    /// reading it.
    outcome: Option<Result<bool>>,
}

impl<'a> PageWriter<'a> {
    fn new(store: &'a Store, document: &'a Document) -> Self {
        Self {
            store,
            document,
            pages: Vec::new(),
            passages: Vec::new(),
            bytes: 0,
            pages_written: 0,
            splitter: PassageSplitter::new(),
            flags: Vec::new(),
            outcome: None,
        }
    }

    /// Adds a page. Returns false if writing has ended early, so that no more pages are needed.
    fn add(&mut self, page: PageText) -> bool {
        // Count a fixed overhead, so that many empty pages are limited too.
        self.bytes += page.text.len() + page.title.len() + 64;
        self.passages.extend(self.splitter.split_page(&page));
        if self.flags.len() < MAX_FLAGS {
            self.flags.extend(injection::scan(&page));
        }
        self.pages.push(page);
        self.bytes < BATCH_BYTES || self.write()
    }

    fn write(&mut self) -> bool {
        let pages = std::mem::take(&mut self.pages);
        let passages = std::mem::take(&mut self.passages);
        self.bytes = 0;
        self.pages_written += pages.len() as u32;
        let (user, id, pages_written) = (
            self.document.user.clone(),
            self.document.id.clone(),
            self.pages_written,
        );
        let is_ours = reading_leases::lease_check(self.store, &id);
        let write_result = self.store.write_now(move |db| match is_ours(db)? {
            true => documents::add_text(db, (&user, &id), pages_written, &pages, &passages),
            false => Err(StoreError::Missing),
        });
        match write_result {
            Ok(()) => true,
            Err(StoreError::Missing) => {
                self.outcome = Some(Ok(false));
                false
            }
            Err(other) => {
                self.outcome = Some(Err(other.into()));
                false
            }
        }
    }

    /// Writes the remaining pages. Returns the number of pages, the possible prompt injections, and whether this server
    /// may still store the document.
    fn end(mut self) -> Result<(u32, Vec<InjectionFlag>, bool)> {
        if self.outcome.is_none() && !self.pages.is_empty() {
            self.write();
        }
        let (pages_written, flags) = (self.pages_written, self.flags);
        let exists = self.outcome.unwrap_or(Ok(true))?;
        Ok((pages_written, flags, exists))
    }
}
