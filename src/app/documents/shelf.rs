//! Where the original of a document is: in the data folder, or in the replica, from which it is fetched when somebody
//! needs it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::app::{Error, Kind, Result};
use crate::domain::document::Document;
use crate::domain::id::DocumentId;
use crate::log;
use crate::replica::originals::Originals;
use crate::replica::target::TargetError;

/// The originals of everybody.
#[derive(Clone)]
pub(in crate::app) struct OriginalFiles {
    folder: PathBuf,
    replica: Arc<OnceLock<Arc<Originals>>>,
}

impl OriginalFiles {
    /// In this folder, one file a document.
    pub fn new(folder: PathBuf) -> Self {
        let replica = Arc::default();
        Self { folder, replica }
    }

    /// From now on, what is not in the folder is fetched from here.
    pub fn fetch_from(&self, originals: Arc<Originals>) {
        let _ = self.replica.set(originals);
    }

    /// The folder of the originals.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the original lies once it is here.
    pub fn path(&self, id: &DocumentId) -> PathBuf {
        self.folder.join(id.as_str())
    }

    /// Fetches the original where it is only in the replica. Where it is in neither place, opening the path says so.
    /// Blocks while it is fetched.
    ///
    /// # Errors
    /// When the replica cannot give it now.
    pub fn bring(&self, id: &DocumentId) -> Result<PathBuf> {
        let path = self.path(id);
        let replica = self.replica.get().filter(|_| !path.exists());
        match replica.map(|replica| replica.bring(id)) {
            None | Some(Ok(()) | Err(TargetError::Missing)) => Ok(path),
            Some(Err(fault)) => {
                log::warn("an original could not be fetched", &[("why", &fault)]);
                let text = "the file is in the replica and cannot be fetched from there now";
                let mut error =
                    Error::new(Kind::Unavailable, text).resolve("try again in a moment");
                error.private = Some(fault.to_string());
                Err(error)
            }
        }
    }

    /// The same, for tasks.
    ///
    /// # Errors
    /// When the replica cannot give it now.
    pub async fn find(&self, id: &DocumentId) -> Result<PathBuf> {
        if self.replica.get().is_none() {
            return Ok(self.path(id));
        }
        let (shelf, id) = (self.clone(), id.clone());
        tokio::task::spawn_blocking(move || shelf.bring(&id))
            .await
            .map_err(Error::internal)?
    }
}

/// Refuses a file that has another size than the document it was stored for: a copy or a disk has damaged it.
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
        "Upload the file again, or have an administrator put it back from a copy of the folder documents",
    ))
}
