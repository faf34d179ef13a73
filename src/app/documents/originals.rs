//! The originals of documents: in the data folder, or in the replica, from which they are fetched on demand. With a
//! database on a server, they are in the database, from which every server fetches a copy for as long as it needs it.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::upload::{TemporaryFile, from_io};
use crate::app::{Error, Kind, Result};
use crate::crypto::{self, hex, sha256};
use crate::domain::document::Document;
use crate::domain::id::DocumentId;
use crate::log;
use crate::replica::originals::Originals;
use crate::replica::target::TargetError;
use crate::store::{Store, originals as rows};

/// Size of a piece in the database, in bytes.
pub(in crate::app) const PIECE_BYTES: usize = 1 << 20;

/// All originals.
#[derive(Clone)]
pub(in crate::app) struct OriginalFiles {
    store: Store,
    folder: PathBuf,
    /// Folder for copies of originals in the database.
    copies: PathBuf,
    replica: Arc<OnceLock<Arc<Originals>>>,
}

/// An original to read. If it is a copy, it is removed when this is dropped.
pub struct OriginalFile {
    path: PathBuf,
    _copy: Option<TemporaryFile>,
}

impl OriginalFile {
    /// An original in a folder.
    pub(in crate::app) fn in_folder(path: PathBuf) -> Self {
        Self { path, _copy: None }
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl OriginalFiles {
    /// Manages the originals in this folder, one file per document. `copies` is a folder for temporary files.
    pub fn new(store: Store, folder: PathBuf, copies: PathBuf) -> Self {
        let replica = Arc::default();
        Self {
            store,
            folder,
            copies,
            replica,
        }
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

    /// Whether originals belong in the database, where other servers can read them.
    pub fn are_shared(&self) -> bool {
        !self.store.is_embedded()
    }

    /// Stores an original from the folder in the database, before its row, if that is where originals belong. Blocks.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or the database cannot be written.
    pub fn share(&self, id: &DocumentId) -> Result<()> {
        if !self.are_shared() {
            return Ok(());
        }
        let mut file = File::open(self.path(id)).map_err(from_io)?;
        for number in 0.. {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let rest = Read::by_ref(&mut file).take(PIECE_BYTES as u64);
            { rest }.read_to_end(&mut piece).map_err(from_io)?;
            if piece.is_empty() {
                break;
            }
            let id = id.clone();
            let put = self
                .store
                .write_now(move |db| rows::put_piece(db, &id, number, &piece));
            put?;
        }
        Ok(())
    }

    /// Deletes an original from the database unless its row was stored. Blocks.
    pub fn unshare(&self, id: &DocumentId) {
        if self.are_shared() {
            let id = id.clone();
            // Otherwise, housekeeping deletes it.
            let _ = self.store.write_now(move |db| rows::delete_unused(db, &id));
        }
    }

    /// Moves originals from the folder to the database, if that is where they belong: those of an earlier version, and
    /// imported ones. Blocks.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be read or the database cannot be used.
    pub fn share_all(&self) -> Result<()> {
        if !self.are_shared() {
            return Ok(());
        }
        for entry in std::fs::read_dir(&self.folder).map_err(from_io)? {
            let path = entry.map_err(from_io)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let Some(id) = DocumentId::parse(&name) else {
                continue;
            };
            let target = id.clone();
            let recorded = self
                .store
                .read_now(move |db| rows::recorded_hash(db, &target))?;
            if recorded.is_none() {
                continue;
            }
            let hash = match hash_of(&path) {
                // Its document was deleted in the meantime.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                hash => hash.map_err(from_io)?,
            };
            // An import may still be writing it.
            if recorded == Some(hash) {
                self.share(&id)?;
                drop(TemporaryFile::new(path));
            }
        }
        Ok(())
    }

    // Copies an original from the database to a temporary file; `None` if it is not there.
    fn copy_from_database(&self, id: &DocumentId) -> Result<Option<OriginalFile>> {
        let (mut number, mut copy) = (0, None);
        loop {
            let target = id.clone();
            let piece = self
                .store
                .read_now(move |db| rows::piece(db, &target, number))?;
            let Some(piece) = piece else { break };
            if copy.is_none() {
                let name = hex(&crypto::random::<16>()?);
                let path = TemporaryFile::new(self.copies.join(name));
                let file = super::upload::open_new(path.path()).map_err(from_io)?;
                copy = Some((file, path));
            }
            if let Some((file, _)) = &mut copy {
                file.write_all(&piece).map_err(from_io)?;
            }
            number += 1;
        }
        Ok(copy.map(|(_, copy)| OriginalFile {
            path: copy.path().to_owned(),
            _copy: Some(copy),
        }))
    }

    /// Fetches an original that is only in the database or the replica. If it is nowhere, opening the path fails.
    /// Blocks during the fetch.
    ///
    /// # Errors
    /// `Unavailable` if the database or the replica cannot deliver it now.
    pub fn fetch_blocking(&self, id: &DocumentId) -> Result<OriginalFile> {
        let path = self.path(id);
        if self.are_shared()
            && !path.exists()
            && let Some(copy) = self.copy_from_database(id)?
        {
            return Ok(copy);
        }
        let replica = self.replica.get().filter(|_| !path.exists());
        match replica.map(|replica| replica.fetch(id)) {
            None | Some(Ok(()) | Err(TargetError::Missing)) => Ok(OriginalFile::in_folder(path)),
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
    /// `Unavailable` if the database or the replica cannot deliver it now.
    pub async fn find(&self, id: &DocumentId) -> Result<OriginalFile> {
        if self.replica.get().is_none() && !self.are_shared() {
            return Ok(OriginalFile::in_folder(self.path(id)));
        }
        let (shelf, id) = (self.clone(), id.clone());
        tokio::task::spawn_blocking(move || shelf.fetch_blocking(&id))
            .await
            .map_err(Error::internal)?
    }
}

fn hash_of(path: &Path) -> std::io::Result<String> {
    let (mut file, mut hasher) = (File::open(path)?, sha256::Hasher::new());
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hasher.finish())),
            length => hasher.update(&buffer[..length]),
        }
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
