//! The originals of documents: in the data folder, or in the replica, from which they are fetched on
//! demand.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::app::{Error, Kind, Result};
use crate::domain::document::Document;
use crate::domain::id::DocumentId;
use crate::log;
use crate::replica::originals::Originals;
use crate::replica::target::TargetError;

/// All originals.
#[derive(Clone)]
pub(in crate::app) struct OriginalFiles {
    folder: PathBuf,
    replica: Arc<OnceLock<Arc<Originals>>>,
}

impl OriginalFiles {
    /// Manages the originals in this folder, one file per document.
    pub fn new(folder: PathBuf) -> Self {
        let replica = Arc::default();
        Self { folder, replica }
    }

    /// Sets the replica from which missing originals are fetched.
    pub fn fetch_from(&self, originals: Arc<Originals>) {
        let _ = self.replica.set(originals);
    }

    /// Returns the folder of the originals.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the path of an original in the folder.
    pub fn path(&self, id: &DocumentId) -> PathBuf {
        self.folder.join(id.as_str())
    }

    /// Fetches an original that exists only in the replica. If it is in neither place, opening the path fails.
    /// Blocks during the fetch.
    ///
    /// # Errors
    /// `Unavailable` if the replica cannot deliver it now.
    pub fn fetch_blocking(&self, id: &DocumentId) -> Result<PathBuf> {
        let path = self.path(id);
        let replica = self.replica.get().filter(|_| !path.exists());
        match replica.map(|replica| replica.fetch(id)) {
            None | Some(Ok(()) | Err(TargetError::Missing)) => Ok(path),
            Some(Err(fault)) => {
                log::warn("cannot fetch an original", &[("why", &fault)]);
                let text = "the file is in the replica but cannot be fetched right now";
                let mut error =
                    Error::new(Kind::Unavailable, text).resolve("try again in a moment");
                error.private = Some(fault.to_string());
                Err(error)
            }
        }
    }

    /// Like `fetch_blocking`, for async callers.
    ///
    /// # Errors
    /// `Unavailable` if the replica cannot deliver it now.
    pub async fn find(&self, id: &DocumentId) -> Result<PathBuf> {
        if self.replica.get().is_none() {
            return Ok(self.path(id));
        }
        let (shelf, id) = (self.clone(), id.clone());
        tokio::task::spawn_blocking(move || shelf.fetch_blocking(&id))
            .await
            .map_err(Error::internal)?
    }
}

/// Returns an error if a file's size differs from the recorded one: the disk or a copy damaged it.
///
/// # Errors
/// `Unavailable`, with both sizes and what to do.
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
