//! Stores a received file: its bytes with the other originals, and then its row. Either both are stored or neither.
//! Blocks, so it runs on a storing thread.

use std::time::Duration;

use crate::app::{Error, Kind, Result};
use crate::crypto;
use crate::domain::document::{Document, DocumentStatus};
use crate::domain::id::{DocumentId, UserId};
use crate::domain::reading_queue::MAX_WAITING;
use crate::domain::time::Timestamp;
use crate::store::{Membership, Store, StoreError, documents, reading_queue, servers};

use super::originals::OriginalFiles;
use super::upload::ReceivedFile;

/// A received file, and what is needed to store it as a document.
pub(super) struct StoreJob {
    pub store: Store,
    pub originals: OriginalFiles,
    pub user: UserId,
    pub name: String,
    pub received_file: ReceivedFile,
    pub now: Timestamp,
    /// Maximum number of documents that this user may have.
    pub max_documents: u32,
}

/// Stores the file and queues it for reading, unless the user already has the same bytes. Returns the document and
/// whether it is new.
///
/// # Errors
/// `TooFast` if too many of the user's documents are already waiting; `Forbidden` if the user has reached the
/// maximum number of documents. Nothing is stored then.
pub(super) fn store_file(job: StoreJob) -> Result<(Document, bool)> {
    if let Some(existing) = find_existing(&job)? {
        return Ok((existing, false));
    }
    let user = job.user.clone();
    let waiting_count = job
        .store
        .read_now(move |db| reading_queue::count_waiting(db, &user))?;
    if waiting_count >= MAX_WAITING {
        return Err(queue_full());
    }
    let document = describe(&job)?;
    job.originals
        .put(&document.id, job.received_file.path.path())?;
    let row = document.clone();
    let max_documents = job.max_documents;
    let boot = job.store.membership().map(Membership::boot);
    let write_result = job.store.write_now(move |db| {
        let has_room =
            max_documents == u32::MAX || documents::has_fewer_than(db, &row.user, max_documents)?;
        if has_room {
            documents::insert(db, &row, &[], &[])?;
            if let Some(boot) = boot {
                // A caller may wait on this server until the document has been read, so this server takes its lease.
                servers::keep_lease(db, row.id.as_str(), &boot)?;
            }
        }
        Ok(has_room)
    });
    // If the outcome of the commit is unknown, the row may still appear and then needs the file. If it does
    // not, housekeeping removes the file.
    if !matches!(write_result, Ok(true) | Err(StoreError::Unknown)) {
        job.originals.discard(&document.id);
    }
    match write_result {
        Ok(true) => Ok((document, true)),
        Ok(false) => Err(too_many(max_documents)),
        // Another process stored the same bytes in the meantime.
        Err(StoreError::Conflict(_)) => find_existing(&job)?
            .map(|existing| (existing, false))
            .ok_or_else(|| Error::internal("a document is there and is not")),
        Err(other) => Err(other.into()),
    }
}

/// Returns the error for exceeding a user's maximum number of unread documents.
pub(super) fn queue_full() -> Error {
    let why = format!("{MAX_WAITING} of your documents are waiting to be read");
    let mut full = Error::new(Kind::TooFast, why).resolve("wait until some of them have been read");
    full.retry_after = Some(Duration::from_secs(10));
    full
}

fn too_many(max_documents: u32) -> Error {
    let why = format!("without an account, you can add at most {max_documents} documents");
    Error::new(Kind::Forbidden, why).resolve("delete one, or create an account")
}

fn find_existing(job: &StoreJob) -> Result<Option<Document>> {
    let (user, sha256) = (job.user.clone(), job.received_file.sha256.clone());
    Ok(job
        .store
        .read_now(move |db| documents::by_sha(db, &user, &sha256))?)
}

fn describe(job: &StoreJob) -> Result<Document> {
    Ok(Document {
        id: DocumentId::new(job.now, crypto::random_number()?),
        user: job.user.clone(),
        name: job.name.clone(),
        content_type: "application/octet-stream".to_owned(),
        kind: String::new(),
        encoding: None,
        size: job.received_file.size,
        sha256: job.received_file.sha256.clone(),
        status: DocumentStatus::Processing,
        message: "it is being read".to_owned(),
        pages: 0,
        words: 0,
        gaps: Vec::new(),
        recognized: Vec::new(),
        flags: Vec::new(),
        created: job.now,
    })
}
