//! Moves original documents to the location where new ones are stored: those stored by an earlier version or under an
//! earlier setting, and imported ones. Each is read back and compared before the older copy is deleted. A file that
//! does not match its document's record is not moved.

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

/// Number of consecutive failures after which the remaining files wait for the next round, because the location is
/// probably unavailable.
const MAX_FAILURES: u32 = 3;
/// Minimum age of a marker before it counts as left over from a failed deletion, provided that its document
/// still has a row.
const STALE_MARKER: Duration = Duration::from_secs(3600);

/// The failures of one round. A single failure does not prevent the remaining files from being moved.
#[derive(Default)]
struct Failures {
    consecutive_failures: u32,
    first: Option<Error>,
}

impl Failures {
    /// Records an outcome. Returns whether to continue with the next file.
    fn add<T>(&mut self, id: &DocumentId, outcome: Result<T>) -> bool {
        let Err(error) = outcome else {
            self.consecutive_failures = 0;
            return true;
        };
        let why = error.private.clone().unwrap_or_else(|| error.to_string());
        let details = [("document", id as &dyn std::fmt::Display), ("why", &why)];
        log::warn("an original could not be moved or removed", &details);
        self.consecutive_failures += 1;
        self.first.get_or_insert(error);
        self.consecutive_failures < MAX_FAILURES
    }

    /// Returns the first failure, if there was one.
    fn result(self) -> Result<()> {
        self.first.map_or(Ok(()), Err)
    }
}

/// Rotates a list by a random amount, so that files that always fail do not always come first.
fn start_anywhere(ids: &mut [DocumentId]) -> Result<()> {
    if let Ok(length) = u32::try_from(ids.len().max(1)) {
        let start = u32::from_le_bytes(crypto::random()?) % length;
        ids.rotate_left(start as usize);
    }
    Ok(())
}

impl OriginalFiles {
    /// Moves originals from the folder to the location where new ones are stored, if that is not the folder. Blocks.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be read, the other location cannot be used, or a file could not be moved.
    pub fn move_from_folder(&self) -> Result<()> {
        if !self.are_outside_folder() {
            return Ok(());
        }
        let mut ids = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(from_io)? {
            let name = entry.map_err(from_io)?.file_name();
            ids.extend(DocumentId::parse(&name.to_string_lossy()));
        }
        self.try_each(ids, |id| self.move_if_present(id))
    }

    /// Maintains the bucket, if there is one: completes deletions and moves originals there from the folder. With
    /// `is_housekeeper`, also moves originals from the database or a replica, and looks for objects without a document.
    /// Blocks until everything is done.
    ///
    /// # Errors
    /// Returns an error if the bucket belongs to another installation; if the bucket, the database, or the folder
    /// cannot be used; or if a file could not be moved. The other files are still moved.
    pub fn maintain_bucket(&self, is_housekeeper: bool, now: Timestamp) -> Result<()> {
        let Some(bucket) = &self.bucket else {
            return Ok(());
        };
        // Skip this round if the previous one is still running.
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
    /// Returns an error if the folder or the database cannot be read, or if a file could not be removed.
    pub fn finish_deletions(&self) -> Result<()> {
        self.has_deletions.store(true, Relaxed);
        loop {
            // Pairs with the fences of other callers: if another caller finds the lock held, its request is
            // seen here after the lock is released.
            fence(SeqCst);
            if !self.has_deletions.load(Relaxed) {
                return Ok(());
            }
            // The caller that holds the lock checks for this request before it returns. That way, few callers
            // wait for a bucket that is unavailable.
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
            // The row still exists, so the deletion is in progress or has failed.
            if self.recorded_hash(&id)?.is_some() {
                continue;
            }
            if !failures.add(&id, self.delete(std::slice::from_ref(&id))) {
                break;
            }
        }
        failures.result()
    }

    /// Removes markers left by a failed deletion. Otherwise, restoring an older database could cause their
    /// documents' files to be removed.
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

    /// Calls `run` for each document, starting with a random one, until the server stops or several calls in a row have
    /// failed. Returns the first failure.
    fn try_each(
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

    /// Stores a document's file where new originals are stored. Returns whether a complete copy is there now.
    fn move_file(&self, id: &DocumentId, path: &Path) -> Result<bool> {
        let Some(recorded) = self.recorded_hash(id)? else {
            return Ok(false);
        };
        let hash = match hash_of(path) {
            // The document was deleted in the meantime.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            hash => hash.map_err(from_io)?,
        };
        // The file does not match yet: an import may still be writing it.
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
        // Remove the copy again if the document was deleted in the meantime.
        self.discard(id);
        Ok(true)
    }

    /// Moves originals from the database to the bucket.
    fn move_from_database(&self) -> Result<()> {
        if self.store.is_embedded() {
            return Ok(());
        }
        let Some(database) = self.stores.iter().rev().nth(1) else {
            return Ok(());
        };
        let names = self.store.read_now(rows::stored_ids)?;
        let ids = names.iter().filter_map(|name| DocumentId::parse(name));
        self.try_each(ids.collect(), |id| {
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

    /// Fetches originals that exist only in a replica into the folder, and moves them to the bucket.
    fn fetch_from_replica(&self) -> Result<()> {
        let (Some(bucket), Some(replica)) = (&self.bucket, self.replica.get()) else {
            return Ok(());
        };
        let stored_sizes = bucket.bucket().sizes()?;
        let documents = self.store.read_now(documents::ids)?;
        let missing = documents
            .into_iter()
            .filter(|id| !stored_sizes.contains_key(id));
        // Fetch and move one file at a time, so that the disk never has to hold all of them.
        self.try_each(missing.collect(), |id| {
            match replica.fetch(id) {
                Ok(()) | Err(TargetError::Missing) => {}
                Err(error) => return Err(Error::internal(error)),
            }
            self.move_if_present(id)
        })
    }

    /// Moves an original out of the folder, if it is there.
    fn move_if_present(&self, id: &DocumentId) -> Result<()> {
        let path = self.folder.join(id.as_str());
        if path.exists() && self.move_file(id, &path)? {
            drop(TemporaryFile::new(path));
        }
        Ok(())
    }
}
