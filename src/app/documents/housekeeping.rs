//! Keeps the documents' files consistent with their rows: deletes files, moves files without a row aside, and maintains
//! the bucket.

use std::path::Path;
use std::time::Duration;

use super::{DocumentService, TemporaryFile, deletion, missing_error, orphans};
use crate::app::{Error, Result};
use crate::domain::id::{DocumentId, UserId};
use crate::domain::time::Timestamp;
use crate::log;
use crate::store::{StoreError, documents};

/// How long a deletion waits for the object to be removed from the bucket. After that, the removal continues
/// in the background.
const REMOVAL_WAIT: Duration = Duration::from_secs(2);

/// Removes temporary files of uploads that the previous process did not finish and therefore never
/// acknowledged. Only the process that holds the folder's lock may call it.
pub(in crate::app) fn clear_temporary(data_dir: &Path) {
    let left = std::fs::read_dir(data_dir.join("tmp"))
        .into_iter()
        .flatten();
    left.flatten()
        .for_each(|entry| drop(TemporaryFile::new(entry.path())));
}

impl DocumentService {
    /// Deletes a document's row, index entries, and file. In a bucket, the removal of the object may continue
    /// in the background. Completes even if the caller is dropped.
    ///
    /// # Errors
    /// `Missing` if the user has no such document.
    pub async fn delete(&self, user: &UserId, id: &DocumentId) -> Result<()> {
        self.show(user, id).await?;
        let (store, user, id) = (self.store.with_reserve(), user.clone(), id.clone());
        let originals = self.originals.clone();
        let work = move || {
            let (folder, ids) = (originals.folder(), [id.clone()]);
            deletion::mark(folder, &ids);
            let deleted = store.write_now(move |db| documents::delete(db, &user, &id));
            // A deletion with an unknown outcome may still be committed, so its marker stays.
            if !matches!(deleted, Ok(true) | Err(StoreError::Unknown)) {
                deletion::unmark(folder, &ids);
            }
            if !deleted? {
                return Err(missing_error());
            }
            match originals.bucket() {
                None => originals.delete(&ids)?,
                Some(_) => deletion::delete_files(folder, &ids),
            }
            Ok(())
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(Error::internal)??;
        if self.originals.bucket().is_some() {
            let originals = self.originals.clone();
            let deletions = self.bucket_worker.run(move || originals.finish_deletions());
            // The removal continues if it takes longer, and housekeeping retries it if it fails.
            let _ = tokio::time::timeout(REMOVAL_WAIT, deletions).await;
        }
        Ok(())
    }

    /// Removes the objects of deleted documents from the bucket, if there is one, in the background.
    pub(in crate::app) fn remove_deleted_objects(&self) {
        if self.originals.bucket().is_none() {
            return;
        }
        let originals = self.originals.clone();
        // If the job cannot be started, housekeeping removes the objects.
        let _ = self.bucket_worker.start_job(move || {
            let _ = originals.finish_deletions();
        });
    }

    /// Moves aside files without a database row, and restores those whose row exists again. Never deletes
    /// anything that its owner did not delete. Runs on the storing thread, so it never sees a half-stored
    /// file. With a bucket, also starts its maintenance in the background; with `is_housekeeper`, this
    /// includes the objects of all servers.
    ///
    /// # Errors
    /// Returns an error if the store or the folders cannot be read.
    pub async fn run_housekeeping(&self, now: Timestamp, is_housekeeper: bool) -> Result<()> {
        let (store, data) = (self.store.clone(), self.folders.data.clone());
        let has_bucket = self.originals.bucket().is_some();
        if has_bucket {
            self.maintain_bucket(now, is_housekeeper)?;
        } else if self.originals.are_outside_folder() {
            // On a separate thread, because uploads wait for the storing thread. Files without a row yet are skipped.
            let originals = self.originals.clone();
            let moved = tokio::task::spawn_blocking(move || originals.move_from_folder());
            moved.await.map_err(Error::internal)??;
        }
        let work = move || {
            let (moved, restored) = orphans::move_and_expire(&store, &data, now, has_bucket)?;
            if moved > 0 {
                let to = data.join(orphans::FOLDER_NAME);
                let what =
                    "moved files without a row in the database aside: see quire orphans list";
                log::warn(what, &[("count", &moved), ("to", &to.display())]);
            }
            if restored > 0 {
                log::info(
                    "put back files that were moved aside",
                    &[("count", &restored)],
                );
            }
            Ok(())
        };
        self.storing_worker.run(work).await
    }

    fn maintain_bucket(&self, now: Timestamp, is_housekeeper: bool) -> Result<()> {
        let originals = self.originals.clone();
        self.bucket_worker.start_job(move || {
            if let Err(error) = originals.maintain_bucket(is_housekeeper, now) {
                log::error("bucket maintenance failed", &[("why", &error)]);
            }
        })
    }
}
