//! The original files of documents, behind one interface to all locations that may hold them: the data folder, a
//! database on a server, and a bucket. Callers need not know which location holds a file. New files go to the last of
//! the configured locations.

mod bucket;
mod claim;
mod database;
mod errors;
mod folder;
mod moving;
mod unreferenced;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};

use super::deletion;
use super::upload::TemporaryFile;
use crate::app::{Error, Kind, Result};
use crate::config::Config;
use crate::crypto::{self, hex, sha256};
use crate::domain::document::Document;
use crate::domain::id::DocumentId;
use crate::objects::target::TargetError;
use crate::replica::originals::Originals;
use crate::store::{Store, originals as rows};
pub(in crate::app) use bucket::{BucketOriginals, DocumentBucket};
use database::DatabaseOriginals;
pub(in crate::app) use database::PIECE_BYTES;
use errors::unreachable_error;
use folder::FolderOriginals;

/// A storage location for original files. Every call blocks.
trait OriginalStore: Send + Sync {
    /// Stores a file, and may move it away from its path. Must be called before the document's row is stored. Returns
    /// once the file is as durable as the location allows, and leaves no incomplete file behind that could be read.
    ///
    /// # Errors
    /// `Unavailable` if the location cannot store it now.
    fn put(&self, id: &DocumentId, file: &Path) -> Result<()>;

    /// Returns a file that stays readable as long as the returned value exists; `None` if this location does not have
    /// it.
    ///
    /// # Errors
    /// `Unavailable` if the location cannot deliver it now.
    fn fetch(&self, id: &DocumentId) -> Result<Option<OriginalFile>>;

    /// Removes the file of a document that has no row. Succeeds if there is no such file.
    ///
    /// # Errors
    /// `Unavailable` if the location cannot remove it now.
    fn remove(&self, id: &DocumentId) -> Result<()>;

    /// Whether a stored file has this SHA-256, in hexadecimal. Reads the whole file back.
    ///
    /// # Errors
    /// Returns an error if it cannot be read.
    fn holds(&self, id: &DocumentId, sha256: &str) -> Result<bool> {
        match self.fetch(id)? {
            Some(file) => Ok(hash_of(file.path()).map_err(Error::internal)? == sha256),
            None => Ok(false),
        }
    }
}

/// The originals of an installation, in all locations.
#[derive(Clone)]
pub(in crate::app) struct OriginalFiles {
    store: Store,
    folder: PathBuf,
    /// The locations that may hold a file. Files are moved only toward the last one, so a search in this order finds
    /// every file.
    stores: Arc<[Arc<dyn OriginalStore>]>,
    bucket: Option<Arc<BucketOriginals>>,
    replica: Arc<OnceLock<Arc<Originals>>>,
    is_stopping: Arc<AtomicBool>,
    /// Locked while the bucket is maintained.
    maintenance: Arc<Mutex<()>>,
    /// Locked while a caller completes deletions.
    deleting: Arc<Mutex<()>>,
    /// Whether a deletion may have been requested since the last pass over the marked documents.
    has_deletions: Arc<AtomicBool>,
}

/// An original that can be read. If it is a temporary copy, it is removed when this is dropped.
pub struct OriginalFile {
    path: PathBuf,
    _copy: Option<TemporaryFile>,
}

impl OriginalFile {
    /// Creates a handle to an original that stays in a folder.
    pub(in crate::app) fn in_folder(path: PathBuf) -> Self {
        Self { path, _copy: None }
    }

    fn copy(copy: TemporaryFile) -> Self {
        Self {
            path: copy.path().to_owned(),
            _copy: Some(copy),
        }
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl OriginalFiles {
    /// Manages the originals in a data folder, in the store's database if that is on a server, and in a
    /// bucket if there is one.
    pub fn new(store: Store, data: &Path, bucket: Option<DocumentBucket>) -> Self {
        let (folder, copies) = (data.join("documents"), data.join("tmp"));
        let is_only = store.is_embedded() && bucket.is_none();
        let copies_of_folder = (!is_only).then(|| copies.clone());
        let mut stores: Vec<Arc<dyn OriginalStore>> = vec![Arc::new(FolderOriginals::new(
            folder.clone(),
            copies_of_folder,
        ))];
        if !store.is_embedded() {
            stores.push(Arc::new(DatabaseOriginals::new(
                store.clone(),
                copies.clone(),
            )));
        }
        let bucket =
            bucket.map(|bucket| Arc::new(BucketOriginals::new(bucket, store.clone(), copies)));
        if let Some(bucket) = &bucket {
            stores.push(Arc::clone(bucket) as Arc<dyn OriginalStore>);
        }
        Self {
            store,
            folder,
            stores: stores.into(),
            bucket,
            replica: Arc::default(),
            is_stopping: Arc::default(),
            maintenance: Arc::default(),
            deleting: Arc::default(),
            has_deletions: Arc::default(),
        }
    }

    /// Manages the originals of an installation according to its configuration.
    ///
    /// # Errors
    /// `Internal` if the settings of the bucket are incomplete.
    pub fn of(config: &Config, store: Store) -> Result<Self> {
        let bucket = DocumentBucket::from_config(config)?;
        Ok(Self::new(store, &config.data_dir, bucket))
    }

    /// Sets the replica from which missing originals are fetched.
    pub fn fetch_from(&self, originals: Arc<Originals>) {
        let _ = self.replica.set(originals);
    }

    /// Returns the `documents` folder of the data folder, which may hold originals.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether new originals are stored somewhere other than the data folder.
    pub fn are_outside_folder(&self) -> bool {
        self.stores.len() > 1
    }

    /// Returns the bucket, if new originals are stored in one.
    pub fn bucket(&self) -> Option<&BucketOriginals> {
        self.bucket.as_deref()
    }

    /// Stops background work once the file being processed is done.
    pub fn stop(&self) {
        self.is_stopping.store(true, Relaxed);
    }

    fn current(&self) -> &dyn OriginalStore {
        // The list is never empty: the folder is always in it.
        &*self.stores[self.stores.len() - 1]
    }

    /// Stores a file, and may move it away from its path. Must be called before the document's row is stored.
    /// Blocks.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be stored now; in that case, nothing is stored.
    pub fn put(&self, id: &DocumentId, file: &Path) -> Result<()> {
        self.current().put(id, file)
    }

    /// Removes a file whose document's row was not stored. Keeps the file if the row exists: its commit can succeed
    /// even if the response is lost with the connection. Blocks.
    pub fn discard(&self, id: &DocumentId) {
        let target = id.clone();
        let recorded = self
            .store
            .read_now(move |db| rows::recorded_hash(db, &target));
        if recorded == Ok(None) {
            // If this fails, housekeeping removes the file.
            let _ = self.current().remove(id);
        }
    }

    /// Removes the files and markers of documents whose rows have been deleted. Blocks.
    ///
    /// # Errors
    /// `Unavailable` if the bucket cannot remove one of them now. That document and those after it keep their
    /// markers, and housekeeping tries again.
    pub fn delete(&self, ids: &[DocumentId]) -> Result<()> {
        for id in ids {
            if let Some(bucket) = &self.bucket {
                bucket.remove(id)?;
            }
            deletion::delete_marked(&self.folder, std::slice::from_ref(id));
        }
        Ok(())
    }

    /// Fetches an original from whichever location has it. If none has it, opening the returned path fails. Blocks
    /// during the fetch.
    ///
    /// # Errors
    /// `Unavailable` if a location cannot deliver it now.
    pub fn fetch_blocking(&self, id: &DocumentId) -> Result<OriginalFile> {
        for place in &*self.stores {
            if let Some(file) = place.fetch(id)? {
                return Ok(file);
            }
        }
        let path = self.folder.join(id.as_str());
        match self.replica.get().map(|replica| replica.fetch(id)) {
            None | Some(Ok(()) | Err(TargetError::Missing)) => Ok(OriginalFile::in_folder(path)),
            Some(Err(error)) => Err(unreachable_error("the replica", &error)),
        }
    }

    /// Like `fetch_blocking`, for async callers. Must not be used with a bucket, whose requests take too
    /// long.
    ///
    /// # Errors
    /// `Unavailable` if the database or the replica cannot deliver it now.
    pub async fn find(&self, id: &DocumentId) -> Result<OriginalFile> {
        if self.replica.get().is_none() && !self.are_outside_folder() {
            return Ok(OriginalFile::in_folder(self.folder.join(id.as_str())));
        }
        let (files, id) = (self.clone(), id.clone());
        tokio::task::spawn_blocking(move || files.fetch_blocking(&id))
            .await
            .map_err(Error::internal)?
    }
}

/// Creates an empty temporary file in a folder.
fn new_copy(folder: &Path) -> Result<(File, TemporaryFile)> {
    let copy = TemporaryFile::new(folder.join(hex(&crypto::random::<16>()?)));
    let file = super::upload::open_new(copy.path()).map_err(super::upload::from_io)?;
    Ok((file, copy))
}

fn hash_of(path: &Path) -> io::Result<String> {
    let (mut file, mut hasher) = (File::open(path)?, sha256::Hasher::new());
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hasher.finish())),
            length => hasher.update(&buffer[..length]),
        }
    }
}

/// Returns an error if a file's size differs from the recorded one, which means that a disk or a copy damaged
/// it.
///
/// # Errors
/// `Unavailable`, with both sizes and the remedy.
pub(super) fn check_size(document: &Document, bytes: u64) -> Result<()> {
    if bytes == document.size {
        return Ok(());
    }
    let text = format!(
        "the stored file of this document is damaged: it has {bytes} of {} bytes",
        document.size
    );
    Err(Error::new(Kind::Unavailable, text).resolve(
        "Upload the file again, or ask an administrator to restore it from a copy of the `documents` folder",
    ))
}
