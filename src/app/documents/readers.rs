//! Reads stored documents that have not been read yet, a few at a time. The queue is in the store, so no document is
//! lost in a crash and the queue takes no memory; `domain::reading_queue` decides the order. Threads start when there
//! is work and end when there is none. Documents with scanned pages then go to OCR, which has its own threads: a page
//! takes seconds, and other documents must not wait for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::child::ChildReader;
use super::deletion;
use super::ocr::Ocr;
use super::originals::OriginalFiles;
use super::read_progress::ReadProgress;
use super::reading_leases;
use super::retries::with_retries;
use super::text::{self, ReadEnd};
use crate::app::{Error, Result};
use crate::domain::document::{Document, DocumentStatus};
use crate::domain::id::{DocumentId, UserId};
use crate::domain::reading_queue::{ReadingQueue, WaitingDocument};
use crate::extract::child_protocol::ReadRefusal;
use crate::log;
use crate::store::{Store, StoreError, documents, users};

/// Number of documents with scanned pages that are read at once. Their pages take turns, so that a long scan does not
/// delay another user's short one.
const OCR_DOCUMENTS: usize = 2;

/// Part of a document that a thread reads: its text, or its scanned pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadingStage {
    /// Reads documents, except for their scanned pages.
    Text,
    /// Reads the scanned pages of documents.
    Ocr,
}

/// The outcome of reading a document, for callers that wait for it.
#[derive(Debug, Clone)]
pub(super) enum ReadOutcome {
    /// The document is stored; its status has the details.
    Stored,
    /// The document's file type is unsupported, and the document was removed again.
    Unsupported(String),
}

/// A caller that waits for the outcome.
struct Waiter {
    sender: oneshot::Sender<ReadOutcome>,
    /// Whether the document was just uploaded, in which case it is removed if its type is unsupported.
    is_new: bool,
}

/// The threads that read documents.
pub(super) struct ReaderPool(Arc<ReaderPoolShared>);

struct ReaderPoolShared {
    store: Store,
    originals: OriginalFiles,
    reader: ChildReader,
    ocr: Arc<Ocr>,
    max_readers: usize,
    state: Mutex<ReaderPoolState>,
    child_ended: Condvar,
    /// Notified when a document has been read or has failed.
    read_end: Notify,
}

#[derive(Default)]
struct ReaderPoolState {
    /// Documents being read, or waiting for OCR.
    reading: Vec<DocumentId>,
    /// Documents that have been read except for their scanned pages.
    scans: Vec<WaitingDocument>,
    /// Read progress of each document that a thread is reading.
    progress: BTreeMap<DocumentId, Arc<ReadProgress>>,
    turns: ReadingQueue,
    ocr_turns: ReadingQueue,
    waiters: BTreeMap<DocumentId, Vec<Waiter>>,
    threads: usize,
    ocr_threads: usize,
    /// Number of calls of `work`, by which a thread notices that documents have arrived.
    calls: u64,
    stopping: bool,
}

impl ReaderPoolState {
    fn turns_of(&mut self, stage: ReadingStage) -> &mut ReadingQueue {
        match stage {
            ReadingStage::Text => &mut self.turns,
            ReadingStage::Ocr => &mut self.ocr_turns,
        }
    }
}

impl ReaderPool {
    /// Creates a pool that reads up to `max_readers` documents concurrently.
    pub fn new(
        store: Store,
        originals: OriginalFiles,
        (reader, ocr): (ChildReader, Arc<Ocr>),
        max_readers: usize,
    ) -> Self {
        Self(Arc::new(ReaderPoolShared {
            store,
            originals,
            reader,
            ocr,
            max_readers,
            state: Mutex::default(),
            child_ended: Condvar::new(),
            read_end: Notify::new(),
        }))
    }

    /// Returns a receiver for the outcome of reading this document. `is_new` tells whether it was just uploaded. Must
    /// be called before `work`.
    pub fn watch(&self, id: &DocumentId, is_new: bool) -> oneshot::Receiver<ReadOutcome> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.0.lock_state();
        // Drop waiters that gave up on a document that will never be read because it was deleted first.
        state
            .waiters
            .retain(|_, all| all.iter().any(|waiter| !waiter.sender.is_closed()));
        let all = state.waiters.entry(id.clone()).or_default();
        all.push(Waiter { sender, is_new });
        receiver
    }

    /// Returns the read progress of a document, 0 to 1; `None` if it is not being read or the total is unknown.
    pub fn share_read(&self, id: &DocumentId) -> Option<f64> {
        self.0.lock_state().progress.get(id)?.share()
    }

    /// Waits until a document has been read or has failed since the last call. Supports one waiter at a time.
    pub async fn wait_for_stored_text(&self) {
        self.0.read_end.notified().await;
    }

    /// Starts another reader thread unless there are already enough; call it whenever a document may be
    /// waiting.
    ///
    /// # Errors
    /// `Internal` if no thread can be started.
    pub fn work(&self) -> Result<()> {
        let mut state = self.0.lock_state();
        state.calls += 1;
        if state.stopping || state.threads >= self.0.max_readers {
            return Ok(());
        }
        start(&self.0, ReadingStage::Text).map_err(Error::internal)?;
        state.threads += 1;
        Ok(())
    }
}

fn start(shared: &Arc<ReaderPoolShared>, stage: ReadingStage) -> std::io::Result<()> {
    let shared = shared.clone();
    let name = match stage {
        ReadingStage::Text => "quire-reading",
        ReadingStage::Ocr => "quire-ocr",
    };
    std::thread::Builder::new()
        .name(name.into())
        .stack_size(256 << 10)
        .spawn(move || shared.read_all(stage))
        .map(drop)
}

impl Drop for ReaderPool {
    fn drop(&mut self) {
        let mut state = self.0.lock_state();
        state.stopping = true;
        self.0.child_ended.notify_all();
        while state.threads + state.ocr_threads > 0 {
            self.0.reader.running_processes.stop();
            // Another thread may be about to start a process, so stop them repeatedly.
            let pause = std::time::Duration::from_millis(50);
            state = match self.0.child_ended.wait_timeout(state, pause) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }
}

impl ReaderPoolShared {
    fn lock_state(&self) -> MutexGuard<'_, ReaderPoolState> {
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn read_all(self: &Arc<Self>, stage: ReadingStage) {
        while let Some(document) = self.next(stage) {
            let work = std::panic::AssertUnwindSafe(|| self.read_with_retries(&document, stage));
            let outcome = std::panic::catch_unwind(work)
                .unwrap_or_else(|_| Err(Error::internal("reading a document panicked")));
            self.end(document, stage, outcome);
        }
    }

    fn end(
        self: &Arc<Self>,
        document: Document,
        stage: ReadingStage,
        outcome: Result<Option<ReadOutcome>>,
    ) {
        let (id, user) = (document.id.clone(), document.user.clone());
        if matches!(outcome, Ok(Some(_))) {
            reading_leases::end(&self.store, &id);
        }
        let mut state = self.lock_state();
        state.turns_of(stage).end(&user);
        state.progress.remove(&id);
        match outcome {
            Ok(Some(outcome)) => self.announce(state, &id, &outcome),
            Ok(None) => self.queue_for_ocr(state, &document),
            Err(error) if !state.stopping => {
                // Release the waiting callers only after the failed status has been stored below.
                let document_waiters = state.waiters.remove(&id);
                drop(state);
                // A locked account's document waits until the account is unlocked.
                let is_given_up = self.is_locked(&user) || self.give_up_or_retry(document);
                reading_leases::end(&self.store, &id);
                // On a database server, another server may have taken over the document by now, or this
                // server may read it again after an outage.
                if is_given_up || self.store.membership().is_some() {
                    self.lock_state().reading.retain(|other| *other != id);
                }
                // If giving up failed as well, the document stays marked as being read, so that it is not
                // retried endlessly. The next start tries again.
                log::error(
                    "cannot read a document",
                    &[("document", &id), ("fault", &error)],
                );
                drop(document_waiters);
            }
            Err(_) => {
                let document_waiters = state.waiters.remove(&id);
                drop(state);
                reading_leases::end(&self.store, &id);
                drop(document_waiters);
            }
        }
    }

    // Tells the callers that wait for a document that its reading has ended.
    fn announce(
        &self,
        mut state: MutexGuard<'_, ReaderPoolState>,
        id: &DocumentId,
        outcome: &ReadOutcome,
    ) {
        let document_waiters = state.waiters.remove(id).unwrap_or_default();
        state.reading.retain(|other| other != id);
        drop(state);
        self.read_end.notify_one();
        for waiter in document_waiters {
            // If the caller has stopped waiting, it will find the outcome in the document's status.
            let _ = waiter.sender.send(outcome.clone());
        }
    }

    fn queue_for_ocr(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, ReaderPoolState>,
        document: &Document,
    ) {
        state.scans.push(WaitingDocument {
            id: document.id.clone(),
            user: document.user.clone(),
            size: document.size,
        });
        if state.ocr_threads >= OCR_DOCUMENTS {
            return;
        }
        state.ocr_threads += 1;
        drop(state);
        // If no OCR thread can be started, do the work on this one, and let other documents wait.
        if start(self, ReadingStage::Ocr).is_err() {
            self.read_all(ReadingStage::Ocr);
        }
    }

    fn next(&self, stage: ReadingStage) -> Option<Document> {
        match stage {
            ReadingStage::Text => self.next_unread(),
            ReadingStage::Ocr => self.next_scan(),
        }
    }

    // Returns the next document that is waiting for OCR. If there is none, removes this thread from the number of
    // running OCR threads, because it will end.
    fn next_scan(&self) -> Option<Document> {
        let mut state = self.lock_state();
        while !state.stopping {
            let scans = std::mem::take(&mut state.scans);
            state.ocr_turns.update_waiting(&scans);
            let next = state.ocr_turns.next(&scans, OCR_DOCUMENTS).cloned();
            state.scans = scans;
            let Some(next) = next else { break };
            state.scans.retain(|document| document.id != next.id);
            state.ocr_turns.begin(&next.user);
            drop(state);
            let document = self.find_waiting(&next.user, &next.id);
            if document.is_some() {
                return document;
            }
            // The document was deleted in the meantime.
            state = self.lock_state();
            state.ocr_turns.end(&next.user);
            self.announce(state, &next.id, &ReadOutcome::Stored);
            state = self.lock_state();
        }
        state.ocr_threads -= 1;
        self.child_ended.notify_all();
        None
    }

    // Returns the next queued document that no thread is reading. If there is none, removes this thread from the number
    // of running threads, because it will end.
    fn next_unread(&self) -> Option<Document> {
        let mut state = self.lock_state();
        while !state.stopping {
            let calls = state.calls;
            // Release the lock during the query, because callers of `work` must not wait for the store.
            drop(state);
            let waiting_documents = reading_leases::waiting(&self.store);
            state = self.lock_state();
            match waiting_documents {
                Ok(mut waiting) => {
                    waiting.retain(|document| !state.reading.contains(&document.id));
                    state.turns.update_waiting(&waiting);
                    match state.turns.next(&waiting, self.max_readers) {
                        Some(next) => {
                            state.turns.begin(&next.user);
                            state.reading.push(next.id.clone());
                            drop(state);
                            let document = self.find_waiting(&next.user, &next.id);
                            if document.is_some() && reading_leases::take(&self.store, &next.id) {
                                return document;
                            }
                            state = self.lock_state();
                            state.turns.end(&next.user);
                            state.reading.retain(|id| *id != next.id);
                        }
                        // More documents may have arrived during the query.
                        None if state.calls != calls => {}
                        None => break,
                    }
                }
                Err(error) => {
                    log::error("cannot list unread documents", &[("fault", &error)]);
                    break;
                }
            }
        }
        state.threads -= 1;
        self.child_ended.notify_all();
        None
    }

    // Returns a listed document if it is still waiting: another thread may have read it in the meantime.
    fn find_waiting(&self, user: &UserId, id: &DocumentId) -> Option<Document> {
        let (user, id) = (user.clone(), id.clone());
        let lookup = self
            .store
            .read_now(move |db| documents::by_id(db, &user, &id));
        let document = lookup.ok().flatten()?;
        (document.status == DocumentStatus::Processing).then_some(document)
    }

    fn is_locked(&self, user: &UserId) -> bool {
        let user = user.clone();
        let lookup = self.store.read_now(move |db| users::by_id(db, &user));
        lookup.is_ok_and(|user| user.is_none_or(|user| user.disabled))
    }

    // Waits for `pause`. Returns false if the server begins to shut down in the meantime.
    fn wait(&self, pause: Duration) -> bool {
        let wait_result = self
            .child_ended
            .wait_timeout_while(self.lock_state(), pause, |state| !state.stopping);
        !wait_result
            .map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state)
            .stopping
    }

    fn read_with_retries(
        &self,
        document: &Document,
        stage: ReadingStage,
    ) -> Result<Option<ReadOutcome>> {
        let mut should_retry = |pause| self.wait(pause) && !self.is_locked(&document.user);
        with_retries(&mut should_retry, &mut || {
            self.read(document.clone(), stage)
        })
    }

    // Marks a document as failed after a failure of the server, which says nothing about the file: its owner may have
    // it read again. Returns whether the status was stored.
    fn give_up_or_retry(&self, mut document: Document) -> bool {
        document = Document {
            status: DocumentStatus::Failed,
            encoding: None,
            pages: 0,
            words: 0,
            gaps: Vec::new(),
            recognized: Vec::new(),
            flags: Vec::new(),
            ..document
        };
        "the server could not read it; read it again".clone_into(&mut document.message);
        // Discard the text stored so far, because it may end anywhere.
        if text::begin(&self.store, &document).is_err() {
            return false;
        }
        let done = text::store_result(&self.store, document);
        matches!(done, Ok(_) | Err(StoreError::Missing))
    }

    /// Deletes a document of an unsupported type: its row, then its file.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written, in which case the document stays intact.
    fn discard(&self, user: UserId, id: DocumentId) -> Result<()> {
        let (folder, ids) = (self.originals.folder(), [id.clone()]);
        deletion::mark(folder, &ids);
        let deleted = (self.store).write_now(move |db| documents::delete(db, &user, &id));
        if let Err(error) = deleted {
            deletion::unmark(folder, &ids);
            return Err(error.into());
        }
        // If this fails, housekeeping removes the file.
        let _ = self.originals.delete(&ids);
        Ok(())
    }

    // Reads a document's text or its scanned pages. Returns the outcome, or `None` if scanned pages remain to be read
    // with OCR.
    fn read(&self, document: Document, stage: ReadingStage) -> Result<Option<ReadOutcome>> {
        let original = self.originals.fetch_blocking(&document.id)?;
        let path = original.path();
        if let Ok(about) = std::fs::metadata(path) {
            super::originals::check_size(&document, about.len())?;
        }
        let progress = Arc::new(ReadProgress::default());
        let mut state = self.lock_state();
        state.progress.insert(document.id.clone(), progress.clone());
        drop(state);
        let reader = self.reader.with_progress(progress);
        let (id, user) = (document.id.clone(), document.user.clone());
        let read_end = match stage {
            ReadingStage::Text => {
                text::read_document(&self.store, (&reader, &self.ocr), document, path)?
            }
            ReadingStage::Ocr => {
                text::read_scan(&self.store, (&reader, &self.ocr), document, path)?
            }
        };
        let message = match read_end {
            ReadEnd::HasScans => return Ok(None),
            ReadEnd::Refused(ReadRefusal::Unsupported | ReadRefusal::Empty, message) => message,
            ReadEnd::Refused(..) | ReadEnd::Stored => return Ok(Some(ReadOutcome::Stored)),
        };
        // Remove the document only while a caller waits for the outcome. Otherwise it stays, with the reason.
        let is_waited_for = |waiter: &Waiter| waiter.is_new && !waiter.sender.is_closed();
        let is_waiting = |state: &ReaderPoolState| {
            state
                .waiters
                .get(&id)
                .is_some_and(|all| all.iter().any(is_waited_for))
        };
        if !is_waiting(&self.lock_state()) {
            return Ok(Some(ReadOutcome::Stored));
        }
        self.discard(user, id)?;
        Ok(Some(ReadOutcome::Unsupported(message)))
    }
}
