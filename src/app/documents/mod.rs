//! Documents: upload, read, list, search, download, and delete; accessible only to their owner. The
//! `originals` module keeps the files; their text is in the store.

mod child;
pub(in crate::app) mod deletion;
mod details;
mod housekeeping;
mod inline_files;
mod names;
mod ocr;
mod originals;
pub mod orphans;
mod parts;
mod read_progress;
mod readers;
mod reading_leases;
mod retries;
mod scans;
mod search;
mod settings;
mod storing;
mod storing_thread;
mod text;
mod upload;
mod upload_parts;
mod uploads;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::analysis::PlanImage;
use crate::domain::chat::SourcePassage;
use crate::domain::chunk::PageText;
use crate::domain::document::{Document, DocumentStatus};
use crate::domain::id::{DocumentId, UserId};
use crate::domain::retrieval::meaning::QuestionEmbedding;
use crate::domain::retrieval::{self, Candidate};
use crate::domain::time::Timestamp;
use crate::extract::PICTURE;
use crate::store::{Store, documents, reading_queue};

use super::{Error, Kind, Result};
use ocr::Ocr;
use readers::{ReadOutcome, ReaderPool};
use storing_thread::BackgroundWorker;

pub use crate::extract::{FileKind as ReadableKind, KINDS};
pub use child::ReadBudget;
pub use details::{DocumentUse, PageView};
pub(in crate::app) use housekeeping::clear_temporary;
pub use inline_files::too_much_text_error;
pub use names::sanitize_file_name as clean_name;
pub use originals::OriginalFile;
pub(in crate::app) use originals::{DocumentBucket, OriginalFiles, PIECE_BYTES};
pub use search::PassageSearch;
pub(in crate::app) use settings::settings;
pub use settings::{DocumentSettings, UserFiles};
pub use upload::{IncomingFile, ReceivedFile, TemporaryFile, too_large};
pub(in crate::app) use upload::{open_new, private_folder};
pub use uploads::{UploadAnnouncement, UploadProgress};

/// Maximum number of documents per question.
const MAX_PER_QUESTION: usize = 100;
/// Maximum number of documents per guest.
const MAX_GUEST_DOCUMENTS: u32 = 3;
/// Maximum size of a guest's file in bytes: the largest that the pages send in a single request.
const MAX_GUEST_FILE: u64 = 4 << 20;

/// Maximum number of simultaneous uploads to a bucket, and of downloads from it.
const BUCKET_THREADS: usize = 4;
/// Document use cases, with the thread that stores new documents and the threads that read them.
pub struct DocumentService {
    store: Store,
    originals: OriginalFiles,
    folders: DocumentFolders,
    max_upload_bytes: u64,
    storing_worker: BackgroundWorker,
    // Downloads originals from a bucket, and maintains it. Starts no thread without a bucket.
    bucket_worker: BackgroundWorker,
    // Renders pages without text.
    picture_worker: BackgroundWorker,
    reader: child::ChildReader,
    readers: ReaderPool,
    /// Limits concurrent reads of files sent within requests.
    attachment_permits: inline_files::ReadingPermits,
}

/// How long an upload waits for its text before the response is sent.
const TEXT_WAIT: Duration = Duration::from_secs(2);

/// The folders in which documents are received and stored.
#[derive(Clone)]
struct DocumentFolders {
    /// The data folder, which contains the others.
    data: PathBuf,
    /// The originals, one file per document, named by ID.
    originals: PathBuf,
    /// Temporary files of uploads in progress; emptied at startup.
    incoming: PathBuf,
    /// The parts of chunked uploads, one folder per upload, named by ID.
    parts: PathBuf,
}

impl DocumentService {
    /// Opens the document service, creating missing folders in `data_dir`. Blocks.
    ///
    /// # Errors
    /// Returns an error if a folder cannot be created.
    pub fn open(data_dir: &Path, store: Store, settings: DocumentSettings) -> Result<Self> {
        let folders = DocumentFolders {
            data: data_dir.to_owned(),
            originals: data_dir.join("documents"),
            incoming: data_dir.join("tmp"),
            parts: data_dir.join("uploads"),
        };
        for folder in [&folders.originals, &folders.incoming, &folders.parts] {
            upload::private_folder(folder).map_err(upload::from_io)?;
        }
        let reader = child::ChildReader::new(settings.program, settings.budget);
        let ocr = Ocr::find(settings.ocr.as_ref(), &reader, data_dir);
        ocr.announce();
        let storing_threads = match settings.bucket {
            Some(_) => BUCKET_THREADS,
            None => 1,
        };
        let originals = OriginalFiles::new(store.clone(), data_dir, settings.bucket);
        Ok(Self {
            readers: ReaderPool::new(
                store.clone(),
                originals.clone(),
                (reader.clone(), Arc::new(ocr)),
                settings.max_concurrent,
            ),
            originals,
            attachment_permits: inline_files::ReadingPermits::new(settings.max_concurrent),
            reader,
            store,
            folders,
            max_upload_bytes: settings.budget.input,
            storing_worker: BackgroundWorker::with_threads(storing_threads),
            bucket_worker: BackgroundWorker::with_threads(BUCKET_THREADS),
            picture_worker: BackgroundWorker::default(),
        })
    }

    /// Returns the store of the originals.
    pub(in crate::app) fn originals(&self) -> &OriginalFiles {
        &self.originals
    }

    /// Returns the maximum accepted file size, in bytes.
    pub fn max_upload_bytes(&self) -> u64 {
        self.max_upload_bytes
    }

    /// Starts receiving a file.
    ///
    /// # Errors
    /// `Unavailable` if the disk is full; `Internal` if the temporary file cannot be created.
    pub fn begin(&self) -> Result<IncomingFile> {
        IncomingFile::begin(&self.folders.incoming, self.max_upload_bytes)?
            .with_space_check(&self.store)
    }

    /// Stores a received file and has it read. Uploading the same bytes again returns the existing document.
    /// Completes even if the caller is dropped. If reading takes longer than two seconds, the document is returned
    /// as `processing`.
    ///
    /// # Errors
    /// `UnsupportedType` if the file type is not supported; `TooFast` or `Unavailable` if too many files are
    /// waiting or the disk is full.
    pub async fn upload(
        &self,
        user: &UserId,
        name: &str,
        received: ReceivedFile,
        now: Timestamp,
    ) -> Result<Document> {
        self.store_file(user, name, received, now, u32::MAX).await
    }

    /// Stores a file for a guest, within the limits for guests.
    ///
    /// # Errors
    /// The errors of `upload`; `TooLarge` for a file over the limit; `Forbidden` if the guest has reached the
    /// maximum number of documents.
    pub async fn upload_as_guest(
        &self,
        guest: &UserId,
        name: &str,
        received: ReceivedFile,
        now: Timestamp,
    ) -> Result<Document> {
        if received.size > MAX_GUEST_FILE {
            let why = format!(
                "without an account, a file can have at most {} MB",
                MAX_GUEST_FILE >> 20
            );
            return Err(
                Error::new(Kind::TooLarge, why).resolve("create an account for larger files")
            );
        }
        self.store_file(guest, name, received, now, MAX_GUEST_DOCUMENTS)
            .await
    }

    async fn store_file(
        &self,
        user: &UserId,
        name: &str,
        received: ReceivedFile,
        now: Timestamp,
        max_documents: u32,
    ) -> Result<Document> {
        let job = storing::StoreJob {
            store: self.store.clone(),
            originals: self.originals.clone(),
            user: user.clone(),
            name: names::sanitize_file_name(name),
            received_file: received,
            now,
            max_documents,
        };
        let (document, is_new) = self
            .storing_worker
            .run_for_user(user, move || storing::store_file(job))
            .await?;
        if !is_new && document.status != DocumentStatus::Processing {
            return Ok(document);
        }
        // A second upload of a file that is still being read waits for the outcome of the first.
        self.wait_for_text(&document, is_new).await
    }

    // Waits briefly for the outcome. A new document of an unsupported type is removed again.
    async fn wait_for_text(&self, document: &Document, is_new: bool) -> Result<Document> {
        let outcome = self.readers.watch(&document.id, is_new);
        self.readers.work()?;
        match tokio::time::timeout(TEXT_WAIT, outcome).await {
            Ok(Ok(ReadOutcome::Unsupported(message))) => {
                Err(Error::new(Kind::UnsupportedType, message)
                    .resolve(format!("supported formats: {}", readable())))
            }
            _ => self.show(&document.user, &document.id).await,
        }
    }

    /// Stops reading files of a user whose account was locked. Their documents wait until the account is unlocked
    /// and `resume` is called.
    pub fn stop_reading(&self, user: &UserId) {
        self.reader.running_processes.stop_all_of_user(user);
    }

    /// Returns the users whose files are being read.
    pub(in crate::app) fn users_with_running_reads(&self) -> Vec<UserId> {
        self.reader.running_processes.users()
    }

    /// Returns the read progress of a document, 0 to 1; `None` while it is queued or the total is unknown.
    pub fn share_read(&self, id: &DocumentId) -> Option<f64> {
        self.readers.share_read(id)
    }

    /// Waits until a document's text has been stored since the last call. Supports one waiter at a time.
    pub(in crate::app) async fn wait_for_stored_text(&self) {
        self.readers.wait_for_stored_text().await;
    }

    /// Waits until the reading of a file has started since the last call. Supports one waiter at a time.
    pub(in crate::app) async fn wait_for_reading(&self) {
        self.reader.running_processes.wait_for_start().await;
    }

    /// Continues reading after a restart or after an account was unlocked. Starts no thread if no document is
    /// waiting.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read; `Internal` if no thread can be started.
    pub async fn resume(&self) -> Result<()> {
        let waiting_documents = self.store.read(reading_queue::waiting).await?;
        match waiting_documents.is_empty() {
            true => Ok(()),
            false => self.readers.work(),
        }
    }

    /// Returns up to `limit` of the user's documents, newest first, starting after `cursor`.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn list(
        &self,
        user: &UserId,
        limit: u32,
        cursor: Option<DocumentId>,
    ) -> Result<Vec<Document>> {
        let user = user.clone();
        Ok(self
            .store
            .read(move |db| documents::list_of(db, &user, limit, cursor.as_ref()))
            .await?)
    }

    /// Returns one document.
    ///
    /// # Errors
    /// `Missing` if the user has no such document.
    pub async fn show(&self, user: &UserId, id: &DocumentId) -> Result<Document> {
        let (user, id) = (user.clone(), id.clone());
        self.store
            .read(move |db| documents::by_id(db, &user, &id))
            .await?
            .ok_or_else(missing_error)
    }

    /// Returns the document and its text as models see it, page by page.
    ///
    /// # Errors
    /// `Missing` if the user has no such document.
    pub async fn text(&self, user: &UserId, id: &DocumentId) -> Result<(Document, Vec<PageText>)> {
        let document = self.show(user, id).await?;
        let (user, id) = (user.clone(), id.clone());
        let pages = self
            .store
            .read(move |db| documents::pages_of(db, &user, &id))
            .await?;
        Ok((document, pages))
    }

    /// Returns the document and its original.
    ///
    /// # Errors
    /// `Missing` if the user has no such document; `Unavailable` if its file cannot be fetched or differs in size from
    /// the recorded one.
    pub async fn content(
        &self,
        user: &UserId,
        id: &DocumentId,
    ) -> Result<(Document, OriginalFile)> {
        let document = self.show(user, id).await?;
        let original = match self.originals.bucket() {
            None => self.originals.find(&document.id).await?,
            Some(_) => {
                let (originals, id) = (self.originals.clone(), document.id.clone());
                let fetch = move || originals.fetch_blocking(&id);
                self.bucket_worker.run_for_user(user, fetch).await?
            }
        };
        if let Ok(metadata) = tokio::fs::metadata(original.path()).await {
            originals::check_size(&document, metadata.len())?;
        }
        Ok((document, original))
    }

    /// Returns the user's processed images among these documents.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn images_among(&self, user: &UserId, ids: &[DocumentId]) -> Result<Vec<PlanImage>> {
        let (user, ids) = (user.clone(), ids.to_vec());
        let lookup = self.store.read(move |db| {
            let mut images = Vec::new();
            for id in ids.iter().take(MAX_PER_QUESTION) {
                let document = documents::by_id(db, &user, id)?;
                let is_picture = |document: &Document| {
                    document.kind == PICTURE && document.status == DocumentStatus::Processed
                };
                images.extend(document.filter(is_picture).map(|document| PlanImage {
                    document: document.id,
                    name: document.name,
                    content_type: document.content_type,
                    page: 0,
                }));
            }
            Ok(images)
        });
        Ok(lookup.await?)
    }

    /// Returns passages of these documents for a prompt with this question, at most `budget` characters, found by
    /// keywords and, with `meaning`, by semantic similarity. A document of another user fails the whole call, which is
    /// better than silently leaving it out.
    ///
    /// # Errors
    /// `BadInput` for too many documents; `Missing` if one of them does not belong to the user.
    pub async fn passages_for(
        &self,
        user: &UserId,
        ids: &[DocumentId],
        question: &str,
        budget: usize,
        meaning: Option<Arc<QuestionEmbedding>>,
    ) -> Result<Vec<SourcePassage>> {
        if ids.len() > MAX_PER_QUESTION {
            let message = format!("at most {MAX_PER_QUESTION} documents at once");
            return Err(Error::field(
                &["body", "document_ids"],
                "value_error",
                message,
            ));
        }
        let (user, ids) = (user.clone(), ids.to_vec());
        let question = question.to_owned();
        let candidates = self
            .store
            .read(move |db| {
                let search = search::PassageSearch::with_meaning(&question, meaning.as_deref());
                let mut candidates: Vec<Candidate> = Vec::new();
                for (index, id) in ids.iter().enumerate() {
                    if ids[..index].contains(id) {
                        continue;
                    }
                    let Some(document) = documents::by_id(db, &user, id)? else {
                        return Ok(Err(id.clone()));
                    };
                    candidates.push(search.candidate(db, document, budget)?);
                }
                Ok(Ok(candidates))
            })
            .await?;
        match candidates {
            Ok(candidates) => Ok(retrieval::choose_passages(&candidates, budget)),
            Err(id) => Err(Error::new(
                Kind::Missing,
                format!("there is no document {id}"),
            )),
        }
    }
}

impl Drop for DocumentService {
    fn drop(&mut self) {
        self.originals.stop();
    }
}

fn readable() -> String {
    let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    names.join(", ")
}

fn missing_error() -> Error {
    Error::new(Kind::Missing, "there is no such document")
}

#[cfg(test)]
mod tests;
