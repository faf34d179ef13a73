//! Moves originals to the place where new ones go: those of an earlier version or setting, and imported ones. Each is
//! read back and compared before its older copy is deleted; one that differs from its document's record stays.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

use super::{OriginalFiles, hash_of, unreferenced};
use crate::app::documents::deletion;
use crate::app::documents::upload::{TemporaryFile, from_io};
use crate::app::{Error, Result};
use crate::domain::id::DocumentId;
use crate::domain::time::Timestamp;
use crate::log;
use crate::store::{documents, originals as rows};

impl OriginalFiles {
    /// Moves originals from the folder, if they belong elsewhere. Blocks.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be read or the other place cannot be used.
    pub fn move_from_folder(&self) -> Result<()> {
        if !self.are_elsewhere() {
            return Ok(());
        }
        for entry in std::fs::read_dir(&self.folder).map_err(from_io)? {
            let path = entry.map_err(from_io)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let Some(id) = DocumentId::parse(&name) else {
                continue;
            };
            if self.is_stopping.load(Relaxed) {
                break;
            }
            if self.move_file(&id, &path)? {
                drop(TemporaryFile::new(path));
            }
        }
        Ok(())
    }

    /// Cares for the bucket, if there is one: finishes deletions and moves originals there. The housekeeping of an
    /// installation also moves those in the database or only in a replica, and looks for objects without a document.
    /// Blocks for as long as that takes.
    ///
    /// # Errors
    /// Returns an error if the bucket, the database, or the folder cannot be used.
    pub fn maintain_bucket(&self, is_housekeeper: bool, now: Timestamp) -> Result<()> {
        let Some(bucket) = &self.bucket else {
            return Ok(());
        };
        // The previous round still runs.
        let Ok(_only) = self.maintenance.try_lock() else {
            return Ok(());
        };
        self.finish_deletions()?;
        if is_housekeeper {
            self.fetch_from_replica()?;
        }
        self.move_from_folder()?;
        if is_housekeeper {
            self.move_from_database()?;
            unreferenced::collect(bucket, &self.store, now)?;
        }
        Ok(())
    }

    /// Removes the files of marked documents whose rows have been deleted. Blocks.
    ///
    /// # Errors
    /// Returns an error if the folder or the database cannot be read.
    pub fn finish_deletions(&self) -> Result<()> {
        self.has_deletions.store(true, Relaxed);
        // Whoever is at it looks again, so that few requests wait for a bucket that is away.
        let Ok(_only) = self.deleting.try_lock() else {
            return Ok(());
        };
        while self.has_deletions.swap(false, Relaxed) {
            self.remove_marked()?;
        }
        Ok(())
    }

    fn remove_marked(&self) -> Result<()> {
        let marked = deletion::marked(&self.folder).map_err(from_io)?;
        for id in marked {
            let target = id.clone();
            let row = self
                .store
                .read_now(move |db| rows::recorded_hash(db, &target))?;
            // With a row, it is just being deleted; its marker does no harm.
            if row.is_none() {
                self.delete(&[id])?;
            }
        }
        Ok(())
    }

    /// Copies a file to where new ones go. Returns whether it is there, complete.
    fn move_file(&self, id: &DocumentId, path: &Path) -> Result<bool> {
        let target = id.clone();
        let recorded = self
            .store
            .read_now(move |db| rows::recorded_hash(db, &target))?;
        let Some(recorded) = recorded else {
            return Ok(false);
        };
        let hash = match hash_of(path) {
            // Its document was deleted in the meantime.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            hash => hash.map_err(from_io)?,
        };
        // An import may still be writing it.
        if recorded != hash {
            return Ok(false);
        }
        self.current().put(id, path)?;
        if !self.current().holds(id, &recorded)? {
            log::error(
                "an original was moved, but reads back differently; it stays where it was",
                &[("document", id)],
            );
            return Ok(false);
        }
        // If the document was deleted in the meantime, its file must not stay.
        self.discard(id);
        Ok(true)
    }

    /// Moves originals from a database to the bucket.
    fn move_from_database(&self) -> Result<()> {
        if self.store.is_embedded() {
            return Ok(());
        }
        let Some(database) = self.places.iter().rev().nth(1) else {
            return Ok(());
        };
        for name in self.store.read_now(rows::stored_ids)? {
            if self.is_stopping.load(Relaxed) {
                break;
            }
            let Some(id) = DocumentId::parse(&name) else {
                continue;
            };
            let Some(file) = database.fetch(&id)? else {
                continue;
            };
            if self.move_file(&id, file.path())? {
                self.store.write_now(move |db| rows::delete_all(db, &id))?;
            }
        }
        Ok(())
    }

    /// Fetches originals that are only in a replica to the folder, from which they are moved.
    fn fetch_from_replica(&self) -> Result<()> {
        let (Some(bucket), Some(replica)) = (&self.bucket, self.replica.get()) else {
            return Ok(());
        };
        let there = bucket.bucket().sizes()?;
        let documents = self.store.read_now(documents::ids)?;
        for id in documents.iter().filter(|id| !there.contains_key(*id)) {
            if self.is_stopping.load(Relaxed) {
                break;
            }
            match replica.fetch(id) {
                Ok(()) | Err(crate::objects::target::TargetError::Missing) => {}
                Err(error) => return Err(Error::internal(error)),
            }
            self.move_fetched(id)?;
        }
        Ok(())
    }

    // One at a time, so that the disk never has to hold all of them.
    fn move_fetched(&self, id: &DocumentId) -> Result<()> {
        let path = self.folder.join(id.as_str());
        if path.exists() && self.move_file(id, &path)? {
            drop(TemporaryFile::new(path));
        }
        Ok(())
    }
}
