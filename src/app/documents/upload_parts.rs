//! Stores the parts of unfinished uploads: as files in the data folder or, with a database server, as pieces
//! in the database, where every server finds them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::deletion;
use super::originals::PIECE_BYTES;
use super::upload::{self, ReceivedFile, TemporaryFile, from_io};
use crate::app::{Error, Result};
use crate::crypto::{self, hex, sha256};
use crate::domain::id::{UploadId, UserId};
use crate::store::upload_bytes::PartAttempt;
use crate::store::uploads::{Upload, UploadPart};
use crate::store::{Reader, Store, StoreError, upload_bytes, uploads};

/// The storage for the parts of unfinished uploads.
#[derive(Clone)]
pub(super) struct UploadParts {
    store: Store,
    /// The folder of the parts, with a subfolder for each upload. Also used to delete parts that an earlier
    /// version put there before the database was on a server.
    folder: PathBuf,
}

impl UploadParts {
    /// Stores parts in `folder`, or in the store's database if that is on a server.
    pub(super) fn new(store: Store, folder: PathBuf) -> Self {
        Self { store, folder }
    }

    fn are_shared(&self) -> bool {
        !self.store.is_embedded()
    }

    fn folder_of(&self, id: &UploadId) -> PathBuf {
        self.folder.join(id.as_str())
    }

    /// Lists the numbers of the received parts of a user's upload, in order.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(super) fn received(
        db: &Reader,
        is_shared: bool,
        user: &UserId,
        id: &UploadId,
    ) -> crate::store::Result<Vec<u32>> {
        if is_shared {
            return upload_bytes::stored_parts(db, user, id);
        }
        let parts = uploads::parts_of(db, user, id)?;
        Ok(parts.into_iter().map(|part| part.number).collect())
    }

    /// Stores a received part and records it, replacing an earlier part with the same number. Blocks.
    ///
    /// # Errors
    /// `Missing` if the upload was finished or its account was deleted in the meantime; `Unavailable` if the
    /// part cannot be stored now.
    pub(super) fn put(
        &self,
        upload: &Upload,
        part: UploadPart,
        received: &ReceivedFile,
    ) -> Result<()> {
        match self.are_shared() {
            true => self.put_in_database(upload, part, received),
            false => self.append_to_folder(upload, part, received),
        }
    }

    fn put_in_database(
        &self,
        upload: &Upload,
        part: UploadPart,
        received: &ReceivedFile,
    ) -> Result<()> {
        let attempt = PartAttempt {
            upload: upload.id.clone(),
            part: part.number,
            number: u32::from_le_bytes(crypto::random()?),
        };
        let pieces = self
            .put_pieces(&attempt, received)
            .inspect_err(|_| self.delete_attempt(&attempt))?;
        let (user, completed) = (upload.user.clone(), attempt.clone());
        let stored = self.store.write_now(move |db| {
            // Record the part first, so that a concurrent upload of the same part waits for its row.
            uploads::record_part(db, &user, &completed.upload, part)?;
            upload_bytes::complete(db, &completed, pieces)
        });
        if !matches!(stored, Ok(()) | Err(StoreError::Unknown)) {
            self.delete_attempt(&attempt);
        }
        Ok(stored?)
    }

    /// Stores the part in pieces, each in a separate transaction, so that other writes do not wait for the whole part.
    /// Returns the number of pieces.
    fn put_pieces(&self, attempt: &PartAttempt, received: &ReceivedFile) -> Result<u32> {
        let mut file = File::open(received.path()).map_err(from_io)?;
        let mut count = 0;
        loop {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let rest = Read::by_ref(&mut file).take(PIECE_BYTES as u64);
            { rest }.read_to_end(&mut piece).map_err(from_io)?;
            if piece.is_empty() {
                return Ok(count);
            }
            let (attempt, number) = (attempt.clone(), count);
            let put = self
                .store
                .write_now(move |db| upload_bytes::put_piece(db, &attempt, number, &piece));
            put?;
            count += 1;
        }
    }

    fn delete_attempt(&self, attempt: &PartAttempt) {
        let attempt = attempt.clone();
        // If this fails, the pieces are deleted with the upload.
        let _ = self
            .store
            .write_now(move |db| upload_bytes::delete_attempt(db, &attempt));
    }

    fn append_to_folder(
        &self,
        upload: &Upload,
        part: UploadPart,
        received: &ReceivedFile,
    ) -> Result<()> {
        let folder = self.folder_of(&upload.id);
        upload::private_folder(&folder).map_err(from_io)?;
        fs::rename(received.path(), part_path(&folder, part.number)).map_err(from_io)?;
        File::open(&folder)
            .and_then(|folder| folder.sync_all())
            .map_err(from_io)?;
        let (user, id) = (upload.user.clone(), upload.id.clone());
        let recorded = self
            .store
            .write_now(move |db| uploads::record_part(db, &user, &id, part));
        if recorded == Err(StoreError::Missing) {
            remove(&folder)?;
        }
        Ok(recorded?)
    }

    /// Joins all parts into one file. Blocks.
    ///
    /// # Errors
    /// `Internal` if the parts do not add up to the announced size; `Unavailable` if they cannot be read or
    /// the disk is full.
    pub(super) fn join(&self, upload: &Upload, joined_file: TemporaryFile) -> Result<ReceivedFile> {
        let mut joined = JoinedFile::create(joined_file)?;
        let folder = self.folder_of(&upload.id);
        for number in 0..upload.total_chunks {
            match self.are_shared() {
                true => self.append_pieces(&upload.id, number, &mut joined)?,
                false => append_file(&part_path(&folder, number), &mut joined)?,
            }
        }
        joined.finish(upload.size)
    }

    fn append_pieces(&self, id: &UploadId, part: u32, joined: &mut JoinedFile) -> Result<()> {
        for number in 0.. {
            let target = id.clone();
            let piece = self
                .store
                .read_now(move |db| upload_bytes::piece(db, (&target, part), number))?;
            let Some(piece) = piece else { break };
            joined.append(&piece)?;
        }
        Ok(())
    }

    /// Deletes an upload with its parts. Blocks.
    ///
    /// # Errors
    /// Returns an error if the store or the folder cannot be changed.
    pub(super) fn delete(&self, user: UserId, id: UploadId) -> Result<()> {
        let folder = self.folder_of(&id);
        deletion::mark_upload(&folder);
        self.store
            .with_reserve()
            .write_now(move |db| uploads::delete(db, &user, &id))?;
        remove(&folder)
    }
}

/// The file into which the parts are joined.
struct JoinedFile {
    file: File,
    path: TemporaryFile,
    hasher: sha256::Hasher,
    bytes: u64,
}

impl JoinedFile {
    fn create(path: TemporaryFile) -> Result<Self> {
        Ok(Self {
            file: upload::open_new(path.path()).map_err(from_io)?,
            path,
            hasher: sha256::Hasher::new(),
            bytes: 0,
        })
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(from_io)
    }

    fn finish(self, size: u64) -> Result<ReceivedFile> {
        let bytes = self.bytes;
        if bytes != size {
            return Err(Error::internal(format!(
                "parts of {size} bytes came to {bytes}"
            )));
        }
        self.file.sync_all().map_err(from_io)?;
        Ok(ReceivedFile {
            path: self.path,
            sha256: hex(&self.hasher.finish()),
            size,
        })
    }
}

fn append_file(path: &Path, joined: &mut JoinedFile) -> Result<()> {
    let mut part = File::open(path).map_err(from_io)?;
    let mut piece = vec![0; 256 * 1024];
    loop {
        match part.read(&mut piece).map_err(from_io)? {
            0 => return Ok(()),
            count => joined.append(&piece[..count])?,
        }
    }
}

fn part_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(number.to_string())
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(from_io(error)),
        _ => Ok(()),
    }
}
