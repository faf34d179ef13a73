//! Stores originals in a database on a server, in pieces that are deleted along with their document's row.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::{OriginalFile, OriginalStore, new_copy};
use crate::app::Result;
use crate::app::documents::upload::from_io;
use crate::domain::id::DocumentId;
use crate::store::{Store, originals as rows};

/// Size of a piece in the database, in bytes.
pub(in crate::app) const PIECE_BYTES: usize = 1 << 20;

/// The originals stored in a database.
pub(super) struct DatabaseOriginals {
    store: Store,
    /// Folder for temporary copies of originals while they are read.
    copies: PathBuf,
}

impl DatabaseOriginals {
    /// Creates the storage for originals in this store's database, which must be on a server.
    pub(super) fn new(store: Store, copies: PathBuf) -> Self {
        Self { store, copies }
    }

    fn put_pieces(&self, id: &DocumentId, file: &Path) -> Result<()> {
        let mut file = File::open(file).map_err(from_io)?;
        for number in 0.. {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let rest = std::io::Read::by_ref(&mut file).take(PIECE_BYTES as u64);
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

    fn piece(&self, id: &DocumentId, number: i64) -> Result<Option<Vec<u8>>> {
        let target = id.clone();
        let piece = self
            .store
            .read_now(move |db| rows::piece(db, &target, number));
        Ok(piece?)
    }
}

impl OriginalStore for DatabaseOriginals {
    fn put(&self, id: &DocumentId, file: &Path) -> Result<()> {
        self.put_pieces(id, file).inspect_err(|_| {
            // If this fails, housekeeping deletes the pieces.
            let _ = self.remove(id);
        })
    }

    fn fetch(&self, id: &DocumentId) -> Result<Option<OriginalFile>> {
        let Some(first) = self.piece(id, 0)? else {
            return Ok(None);
        };
        let (mut file, copy) = new_copy(&self.copies)?;
        file.write_all(&first).map_err(from_io)?;
        let mut number = 1;
        while let Some(piece) = self.piece(id, number)? {
            file.write_all(&piece).map_err(from_io)?;
            number += 1;
        }
        // All pieces are deleted in one transaction, so if the first one still exists, none was deleted while the
        // others were read, and the copy is complete.
        match self.piece(id, 0)? {
            Some(_) => Ok(Some(OriginalFile::copy(copy))),
            None => Ok(None),
        }
    }

    fn remove(&self, id: &DocumentId) -> Result<()> {
        let id = id.clone();
        let removed = self.store.write_now(move |db| rows::delete_unused(db, &id));
        Ok(removed?)
    }
}
