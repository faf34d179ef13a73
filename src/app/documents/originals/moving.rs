//! Moves originals to the place where new ones go: those of an earlier version or setting, and imported ones. Each is
//! read back and compared before its older copy is deleted; one that differs from its document's record stays.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{
    Ordering::{Relaxed, SeqCst},
    fence,
};
use std::time::Duration;

use super::{OriginalFiles, hash_of, unreferenced};
use crate::app::documents::deletion;
use crate::app::documents::upload::{TemporaryFile, from_io};
use crate::app::{Error, Result};
use crate::crypto;
use crate::domain::id::DocumentId;
use crate::domain::time::Timestamp;
use crate::log;
use crate::objects::target::TargetError;
use crate::store::{documents, originals as rows};

/// After this many failures in a row, the rest of the files waits for the next round: probably, the place is away.
const MAX_FAILURES: u32 = 3;
/// Minimum age of the marker of a document that has a row, before it counts as left over from a deletion that failed.
const STALE_MARKER: Duration = Duration::from_secs(3600);

/// The failures of a round: one file does not keep the others from being moved.
#[derive(Default)]
struct Failures {
    in_a_row: u32,
    first: Option<Error>,
}

impl Failures {
    /// Counts an outcome. Returns whether to go on with the next file.
    fn add<T>(&mut self, id: &DocumentId, outcome: Result<T>) -> bool {
        let Err(error) = outcome else {
            self.in_a_row = 0;
            return true;
        };
        let why = error.private.clone().unwrap_or_else(|| error.to_string());
        let details = [("document", id as &dyn std::fmt::Display), ("why", &why)];
        log::warn("an original could not be moved or removed", &details);
        self.in_a_row += 1;
        self.first.get_or_insert(error);
        self.in_a_row < MAX_FAILURES
    }

    /// Returns the first failure, if there was one.
    fn result(self) -> Result<()> {
        self.first.map_or(Ok(()), Err)
    }
}

/// Rotates a list, so that the same files do not fail first in each round.
fn start_anywhere(ids: &mut [DocumentId]) -> Result<()> {
    if let Ok(length) = u32::try_from(ids.len().max(1)) {
        let start = u32::from_le_bytes(crypto::random()?) % length;
        ids.rotate_left(start as usize);
    }
    Ok(())
}

impl OriginalFiles {
    /// Moves originals from the folder, if they belong elsewhere. Blocks.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be read, the other place cannot be used, or a file could not be moved.
    pub fn move_from_folder(&self) -> Result<()> {
        if !self.are_elsewhere() {
            return Ok(());
        }
        let mut ids = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(from_io)? {
            let name = entry.map_err(from_io)?.file_name();
            ids.extend(DocumentId::parse(&name.to_string_lossy()));
        }
        self.each(ids, |id| self.move_found(id))
    }

    /// Maintains the bucket, if there is one: finishes deletions and moves originals there. The housekeeping of an
    /// installation also moves those in the database or only in a replica, and looks for objects without a document.
    /// Blocks for as long as that takes.
    ///
    /// # Errors
    /// Returns an error if the bucket belongs to another installation; if the bucket, the database, or the folder
    /// cannot be used; or if a file could not be moved. The others are moved.
    pub fn maintain_bucket(&self, is_housekeeper: bool, now: Timestamp) -> Result<()> {
        let Some(bucket) = &self.bucket else {
            return Ok(());
        };
        // The previous round still runs.
        let Ok(_only) = self.maintenance.try_lock() else {
            return Ok(());
        };
        bucket.claim()?;
        let mut results = vec![self.remove_stale_markers(now), self.finish_deletions()];
        if is_housekeeper {
            results.push(self.fetch_from_replica());
        }
        results.push(self.move_from_folder());
        if is_housekeeper {
            results.push(self.move_from_database());
            results.push(unreferenced::collect(bucket, &self.store, now));
        }
        results.into_iter().collect()
    }

    /// Removes the files of marked documents whose rows have been deleted. Blocks.
    ///
    /// # Errors
    /// Returns an error if the folder or the database cannot be read.
    pub fn finish_deletions(&self) -> Result<()> {
        self.has_deletions.store(true, Relaxed);
        loop {
            // With the other callers' fences: one that finds the lock held is seen here after it was released.
            fence(SeqCst);
            if !self.has_deletions.load(Relaxed) {
                return Ok(());
            }
            // The running caller checks again, so that few requests wait for a bucket that is away.
            let Ok(_only) = self.deleting.try_lock() else {
                return Ok(());
            };
            while self.has_deletions.swap(false, Relaxed) {
                self.remove_marked()?;
            }
        }
    }

    fn remove_marked(&self) -> Result<()> {
        let marked = deletion::marked(&self.folder).map_err(from_io)?;
        let mut failures = Failures::default();
        for id in marked {
            // With a row, it is just being deleted.
            if self.recorded_hash(&id)?.is_some() {
                continue;
            }
            if !failures.add(&id, self.delete(std::slice::from_ref(&id))) {
                break;
            }
        }
        failures.result()
    }

    /// Removes markers that a failed deletion left: with an older database, its document's file would be removed.
    fn remove_stale_markers(&self, now: Timestamp) -> Result<()> {
        for id in deletion::marked(&self.folder).map_err(from_io)? {
            let is_stale = !deletion::is_newly_marked(&self.folder, &id, now, STALE_MARKER);
            if is_stale && self.recorded_hash(&id)?.is_some() {
                deletion::unmark(&self.folder, &[id]);
            }
        }
        Ok(())
    }

    fn recorded_hash(&self, id: &DocumentId) -> Result<Option<String>> {
        let id = id.clone();
        Ok(self
            .store
            .read_now(move |db| rows::recorded_hash(db, &id))?)
    }

    /// Does this for each document until the server stops. Continues after a failure.
    fn each(
        &self,
        mut ids: Vec<DocumentId>,
        run: impl Fn(&DocumentId) -> Result<()>,
    ) -> Result<()> {
        start_anywhere(&mut ids)?;
        let mut failures = Failures::default();
        for id in ids {
            if self.is_stopping.load(Relaxed) || !failures.add(&id, run(&id)) {
                break;
            }
        }
        failures.result()
    }

    /// Copies a file to where new ones go. Returns whether it is there, complete.
    fn move_file(&self, id: &DocumentId, path: &Path) -> Result<bool> {
        let Some(recorded) = self.recorded_hash(id)? else {
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
        let names = self.store.read_now(rows::stored_ids)?;
        let ids = names.iter().filter_map(|name| DocumentId::parse(name));
        self.each(ids.collect(), |id| {
            let Some(file) = database.fetch(id)? else {
                return Ok(());
            };
            if self.move_file(id, file.path())? {
                let id = id.clone();
                self.store.write_now(move |db| rows::delete_all(db, &id))?;
            }
            Ok(())
        })
    }

    /// Fetches originals that are only in a replica to the folder, from which they are moved.
    fn fetch_from_replica(&self) -> Result<()> {
        let (Some(bucket), Some(replica)) = (&self.bucket, self.replica.get()) else {
            return Ok(());
        };
        let there = bucket.bucket().sizes()?;
        let documents = self.store.read_now(documents::ids)?;
        let absent = documents.into_iter().filter(|id| !there.contains_key(id));
        // One at a time, so that the disk never has to hold all of them.
        self.each(absent.collect(), |id| {
            match replica.fetch(id) {
                Ok(()) | Err(TargetError::Missing) => {}
                Err(error) => return Err(Error::internal(error)),
            }
            self.move_found(id)
        })
    }

    /// Moves an original from the folder, if it is there.
    fn move_found(&self, id: &DocumentId) -> Result<()> {
        let path = self.folder.join(id.as_str());
        if path.exists() && self.move_file(id, &path)? {
            drop(TemporaryFile::new(path));
        }
        Ok(())
    }
}
