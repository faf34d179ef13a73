//! Stores originals in the `documents` folder of the data folder, one file per document, named by its ID.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{OriginalFile, OriginalStore};
use crate::app::documents::TemporaryFile;
use crate::app::documents::upload::from_io;
use crate::app::{Result, documents::deletion};
use crate::crypto::{self, hex};
use crate::domain::id::DocumentId;

/// The originals stored in a folder.
pub(super) struct FolderOriginals {
    folder: PathBuf,
    /// Folder for hard links to files that may be moved elsewhere while they are read; `None` if files are never moved.
    links_folder: Option<PathBuf>,
}

impl FolderOriginals {
    /// Creates the storage for originals in `folder`.
    pub(super) fn new(folder: PathBuf, links: Option<PathBuf>) -> Self {
        Self {
            folder,
            links_folder: links,
        }
    }
}

impl OriginalStore for FolderOriginals {
    fn put(&self, id: &DocumentId, file: &Path) -> Result<()> {
        let path = TemporaryFile::new(self.folder.join(id.as_str()));
        fs::rename(file, path.path()).map_err(from_io)?;
        // The directory entry must be as durable as the bytes before the upload is acknowledged.
        let sync_result = File::open(&self.folder).and_then(|folder| folder.sync_all());
        sync_result.map_err(from_io)?;
        path.keep();
        Ok(())
    }

    fn fetch(&self, id: &DocumentId) -> Result<Option<OriginalFile>> {
        let path = self.folder.join(id.as_str());
        let Some(links_folder) = &self.links_folder else {
            return Ok(path.exists().then(|| OriginalFile::in_folder(path)));
        };
        if !path.exists() {
            return Ok(None);
        }
        let link = TemporaryFile::new(links_folder.join(hex(&crypto::random::<16>()?)));
        match fs::hard_link(&path, link.path()) {
            Ok(()) => Ok(Some(OriginalFile::copy(link))),
            // The file has just been moved elsewhere.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            // The file system has no hard links, so return the file itself.
            Err(_) => Ok(Some(OriginalFile::in_folder(path))),
        }
    }

    fn remove(&self, id: &DocumentId) -> Result<()> {
        deletion::delete_marked(&self.folder, std::slice::from_ref(id));
        Ok(())
    }
}
