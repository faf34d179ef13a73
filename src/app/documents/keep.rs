//! Reads a file that has come in and puts it away: bytes in the data folder, text and passages in the
//! store, both or neither. Runs on the document thread, so it may block.

use std::ffi::OsStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::app::{Error, Kind, Result};
use crate::crypto;
use crate::domain::chunk;
use crate::domain::document::{Document, DocumentStatus};
use crate::domain::id::{DocumentId, UserId};
use crate::domain::time::Timestamp;
use crate::extract::{Input, Limits, Report, Unreadable, extract};
use crate::store::{Store, StoreError, documents};

use super::intake::{Received, Temporary, fault};

/// A file to keep.
pub(super) struct Job {
    pub store: Store,
    pub folder: PathBuf,
    pub user: UserId,
    pub name: String,
    pub received: Received,
    pub now: Timestamp,
}

/// Keeps it, unless the person has the same bytes already or it is no readable kind of file.
pub(super) fn keep(job: Job) -> Result<Document> {
    if let Some(known) = known(&job)? {
        return Ok(known);
    }
    let outcome = read(&job)?;
    let (document, pages, passages) = describe(&job, outcome)?;
    let blob = Temporary::new(job.folder.join(document.id.as_str()));
    std::fs::rename(job.received.path.path(), blob.path()).map_err(fault)?;
    // The name must be as safe as the bytes before anything is acknowledged.
    std::fs::File::open(&job.folder)
        .and_then(|folder| folder.sync_all())
        .map_err(fault)?;
    let row = document.clone();
    match job
        .store
        .write_now(move |db| documents::insert(db, &row, &pages, &passages))
    {
        Ok(()) => {
            blob.keep();
            Ok(document)
        }
        // Another process took in the same bytes meanwhile.
        Err(StoreError::Conflict(_)) => {
            known(&job)?.ok_or_else(|| Error::internal("a document is there and is not"))
        }
        Err(other) => Err(other.into()),
    }
}

fn known(job: &Job) -> Result<Option<Document>> {
    let (user, sha256) = (job.user.clone(), job.received.sha256.clone());
    Ok(job
        .store
        .read_now(move |db| documents::by_sha(db, &user, &sha256))?)
}

type Reading = (Report, Vec<chunk::Page>);

/// What was read, or why nothing: `Err` inside is kept with the document.
fn read(job: &Job) -> Result<std::result::Result<Reading, String>> {
    let limits = Limits::default();
    // Decided by the size, so that a file that is too large to read is never in memory.
    if job.received.size > limits.input as u64 {
        return Ok(Err(Unreadable::TooLarge.message()));
    }
    let bytes = std::fs::read(job.received.path.path()).map_err(fault)?;
    let input = Input {
        bytes: &bytes,
        name: &job.name,
        encoding: None,
        limits: &limits,
    };
    let reading = || {
        let mut pages = Vec::new();
        let report = extract(&input, &mut |page| {
            pages.push(page);
            true
        })?;
        Ok((report, pages))
    };
    match catch_unwind(AssertUnwindSafe(reading)) {
        Ok(Ok(read)) => Ok(Ok(read)),
        Ok(Err(reason @ (Unreadable::Unsupported(_) | Unreadable::Binary))) => {
            Err(Error::new(Kind::UnsupportedType, reason.message())
                .resolve(format!("these can be read: {}", readable())))
        }
        Ok(Err(Unreadable::Empty)) => {
            Err(Error::new(Kind::BadRequest, Unreadable::Empty.message()))
        }
        Ok(Err(reason)) => Ok(Err(reason.message())),
        Err(_) => Ok(Err(
            "our reader failed on this file; it was kept, but its text was not read".to_owned(),
        )),
    }
}

fn readable() -> String {
    crate::extract::KINDS
        .iter()
        .map(|kind| kind.name)
        .collect::<Vec<_>>()
        .join(", ")
}

type Described = (
    Document,
    Vec<(u32, String)>,
    Vec<crate::domain::document::Passage>,
);

fn describe(job: &Job, outcome: std::result::Result<Reading, String>) -> Result<Described> {
    let mut document = Document {
        id: DocumentId::new(job.now, crypto::random_number()?),
        user: job.user.clone(),
        name: job.name.clone(),
        content_type: "application/octet-stream".to_owned(),
        kind: String::new(),
        encoding: None,
        size: job.received.size,
        sha256: job.received.sha256.clone(),
        status: DocumentStatus::Failed,
        message: String::new(),
        pages: 0,
        words: 0,
        gaps: Vec::new(),
        flags: Vec::new(),
        created: job.now,
    };
    let (report, pages) = match outcome {
        Ok(reading) => reading,
        Err(reason) => {
            document.message = reason;
            return Ok((document, Vec::new(), Vec::new()));
        }
    };
    let passages = chunk::passages(&pages);
    document.status = DocumentStatus::Processed;
    document.content_type = report.content_type.to_owned();
    document.kind = report.kind.to_owned();
    document.encoding = Some(report.encoding).filter(|name| !name.is_empty());
    document.pages = report.pages;
    document.words = report.words;
    document.gaps = report.gaps;
    document.message = match report.notes.is_empty() {
        true => "read completely".to_owned(),
        false => report.notes.join("; "),
    };
    let pages = pages
        .into_iter()
        .map(|page| (page.number, page.text))
        .collect();
    Ok((document, pages, passages))
}

/// Removes files in `folder` that no document names. Says how many.
pub(super) fn sweep(store: &Store, folder: &Path) -> Result<usize> {
    let known: std::collections::BTreeSet<String> = store
        .read_now(documents::ids)?
        .into_iter()
        .map(String::from)
        .collect();
    let mut gone = 0;
    for entry in std::fs::read_dir(folder).map_err(fault)?.flatten() {
        // Only what has the form of our names: a file that somebody else put there is not ours to remove.
        let name = entry.file_name();
        let ours = name.to_str().and_then(DocumentId::parse).is_some();
        if ours && !known.contains(&text(&name)) {
            drop(Temporary::new(entry.path()));
            gone += 1;
        }
    }
    Ok(gone)
}

fn text(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}
