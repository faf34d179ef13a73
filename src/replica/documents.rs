//! Replicates original documents: each is sent once, and the target's listing shows which are present. After a document
//! is deleted here, its original is removed from the target. An original that belongs to no document of this database
//! is kept for a week, because this database may be older than the replica.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::names::{self, DOCUMENTS_FOLDER, UNREFERENCED_NOTE};
use super::originals::Originals;
use crate::clock;
use crate::domain::id::DocumentId;
use crate::domain::time::Timestamp;
use crate::log;
use crate::objects::first_seen;
use crate::objects::target::{Result, Target, TargetError};
use crate::store::{Store, documents};

/// How long an original without a document is kept in the replica.
const UNKNOWN_RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);
/// Interval between checks of the age of originals without a document.
const UNKNOWN_CHECK_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// Originals that are in neither the data folder nor the replica.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct MissingOriginals {
    /// Description of the originals that were in the replica before and are now in neither place; `None` if there are
    /// none.
    pub incomplete_reason: Option<String>,
    /// Number of documents that have had no original in either place since this process started. An archive may be
    /// imported without the originals.
    pub absent_count: usize,
}

/// Which originals are in the data folder and in the replica, and what remains to be sent or removed.
pub struct OriginalsSync {
    target: Arc<dyn Target>,
    originals: Arc<Originals>,
    scratch: PathBuf,
    // Stored size of each original in the replica, in bytes; `None` until the replica has been listed.
    replica_originals: Option<BTreeMap<DocumentId, u64>>,
    // The originals that have been in the replica at some time while this process ran.
    current: BTreeSet<DocumentId>,
    absent_count: usize,
    // Every document of the database, with the size of its original in bytes.
    local_originals: BTreeMap<DocumentId, u64>,
    documents_version: Option<(i64, i64, String)>,
    // Documents deleted since this process started, whose originals may still be in the replica.
    to_remove: BTreeSet<DocumentId>,
    unknown_checked_at: Option<Timestamp>,
    // Whether the next round must check the originals, because some may be missing in the replica.
    is_due: bool,
    has_requested_missing: bool,
    // Whether originals are also stored outside the data folder, so that they need no copy in the replica.
    are_outside_folder: bool,
}

impl OriginalsSync {
    /// Creates the state for a data folder; temporary files go to `scratch`. With `are_outside_folder`, originals are
    /// also stored outside the folder: only originals in the folder are sent, and missing ones are not fetched in
    /// advance.
    pub fn new(
        target: Arc<dyn Target>,
        originals: Arc<Originals>,
        scratch: PathBuf,
        are_outside_folder: bool,
    ) -> Self {
        Self {
            are_outside_folder,
            target,
            originals,
            scratch,
            replica_originals: None,
            current: BTreeSet::new(),
            absent_count: 0,
            local_originals: BTreeMap::new(),
            documents_version: None,
            to_remove: BTreeSet::new(),
            unknown_checked_at: None,
            is_due: true,
            has_requested_missing: false,
        }
    }

    /// Reads the current list of documents, which the next round checks.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub fn refresh(&mut self, store: &Store) -> Result<()> {
        self.read(store)?;
        self.is_due = true;
        Ok(())
    }

    /// Lists the replica. Returns the number of originals that have disappeared from it or now have a different size.
    ///
    /// # Errors
    /// Returns an error if the target cannot be listed.
    pub fn audit(&mut self) -> Result<usize> {
        let mut listed_sizes = BTreeMap::new();
        self.target.list(DOCUMENTS_FOLDER, &mut |entry| {
            let name = entry.name.strip_prefix(DOCUMENTS_FOLDER);
            if let Some(id) = name.and_then(DocumentId::parse) {
                listed_sizes.insert(id, entry.bytes);
            }
        })?;
        let unknown_documents = listed_sizes.keys().filter(|id| !self.current.contains(*id));
        let unknown_documents: Vec<_> = unknown_documents.cloned().collect();
        self.current.extend(unknown_documents);
        let previous = self.replica_originals.take().unwrap_or_default();
        let differs = |id: &DocumentId| previous.get(id) != listed_sizes.get(id);
        let lost = self
            .local_originals
            .keys()
            .filter(|id| previous.contains_key(*id) && differs(id));
        let lost = lost.count();
        self.is_due |= lost > 0 || previous.is_empty();
        self.replica_originals = Some(listed_sizes);
        Ok(lost)
    }

    /// Sends originals that the replica lacks, and reports those that are in neither the data folder nor the replica.
    /// With `may_remove`, also removes originals that are no longer needed. Does nothing if no check is due.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read, or the target fails.
    pub fn sync_round(&mut self, store: &Store, may_remove: bool) -> Result<MissingOriginals> {
        if !self.is_due {
            return Ok(MissingOriginals {
                incomplete_reason: None,
                absent_count: self.absent_count,
            });
        }
        if self.replica_originals.is_none() {
            self.audit()?;
        }
        self.request_missing();
        let missing_everywhere = self.upload_missing()?;
        if may_remove {
            self.remove_deleted()?;
            self.remove_unreferenced()?;
        }
        if !missing_everywhere.is_empty() {
            // Documents deleted in the meantime are not missing.
            self.read(store)?;
        }
        let missing_everywhere = missing_everywhere
            .iter()
            .filter(|id| self.local_originals.contains_key(*id));
        let (lost, absent): (Vec<_>, Vec<_>) =
            missing_everywhere.partition(|id| self.current.contains(*id));
        self.absent_count = absent.len();
        // The original of a document that has none may still arrive, because an import stores the rows first.
        self.is_due = self.absent_count > 0 || !lost.is_empty();
        let lost = lost.first().map(|first| {
            format!(
                "{} original files are incomplete or missing in both the data folder and the replica, such as that of document \
                 {}",
                lost.len(),
                first.as_str()
            )
        });
        let absent = self.absent_count;
        Ok(MissingOriginals {
            incomplete_reason: lost,
            absent_count: absent,
        })
    }

    fn read(&mut self, store: &Store) -> Result<()> {
        let failed = |error: crate::store::StoreError| TargetError::Failed(error.to_string());
        let version = Some(store.read_now(documents::version).map_err(failed)?);
        if self.documents_version != version {
            let sizes = store.read_now(documents::sizes).map_err(failed)?;
            let sizes: BTreeMap<_, _> = sizes.into_iter().collect();
            let previous = std::mem::replace(&mut self.local_originals, sizes);
            let deleted = previous
                .into_keys()
                .filter(|id| !self.local_originals.contains_key(id));
            self.to_remove.extend(deleted);
            self.documents_version = version;
        }
        Ok(())
    }

    /// Starts fetching originals that exist only in the replica, once per process.
    fn request_missing(&mut self) {
        let Some(replica_sizes) = &self.replica_originals else {
            return;
        };
        if self.are_outside_folder || std::mem::replace(&mut self.has_requested_missing, true) {
            return;
        }
        let is_missing =
            |id: &&DocumentId| replica_sizes.contains_key(*id) && !self.path(id).exists();
        let missing: Vec<_> = self
            .local_originals
            .keys()
            .filter(is_missing)
            .cloned()
            .collect();
        if !missing.is_empty() {
            self.originals.fetch_all(missing);
        }
    }

    /// Uploads originals that the replica lacks or has in another size. Returns the documents whose original is in
    /// neither the data folder nor the replica.
    fn upload_missing(&mut self) -> Result<Vec<DocumentId>> {
        let mut missing_everywhere = Vec::new();
        let replica_sizes = self.replica_originals.get_or_insert_default();
        for (id, &size) in &self.local_originals {
            let stored_size = self.target.stored_size(size);
            if replica_sizes.get(id) == Some(&stored_size) {
                continue;
            }
            match File::open(self.originals.path(id)) {
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound && self.are_outside_folder => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    missing_everywhere.push(id.clone())
                }
                Err(error) => return Err(TargetError::Failed(error.to_string())),
                Ok(file) => {
                    let length = file.metadata().map(|about| about.len());
                    if length.map_err(|error| TargetError::Failed(error.to_string()))? == size {
                        self.target.put(&names::original_name(id), &file, false)?;
                        replica_sizes.insert(id.clone(), stored_size);
                        self.current.insert(id.clone());
                    } else {
                        missing_everywhere.push(id.clone());
                    }
                }
            }
        }
        Ok(missing_everywhere)
    }

    fn remove_deleted(&mut self) -> Result<()> {
        while let Some(id) = self.to_remove.first().cloned() {
            // Importing an archive can bring back a deleted document.
            if !self.local_originals.contains_key(&id) {
                self.target.remove(&names::original_name(&id))?;
                if let Some(replica_sizes) = &mut self.replica_originals {
                    replica_sizes.remove(&id);
                }
            }
            self.current.remove(&id);
            self.to_remove.remove(&id);
        }
        Ok(())
    }

    /// Removes originals that have belonged to no document for `UNKNOWN_RETENTION`. The replica stores when each was
    /// first found, because the local disk may not survive a restart.
    fn remove_unreferenced(&mut self) -> Result<()> {
        let now = clock::now();
        let is_due = |at: Timestamp| now.since(at) >= UNKNOWN_CHECK_INTERVAL;
        if self.unknown_checked_at.is_some_and(|at| !is_due(at)) {
            return Ok(());
        }
        let replica_sizes = self.replica_originals.get_or_insert_default();
        let is_unknown = |id: &&DocumentId| !self.local_originals.contains_key(*id);
        let unknown: Vec<_> = replica_sizes.keys().filter(is_unknown).cloned().collect();
        let previous = first_seen::read(&*self.target, UNREFERENCED_NOTE)?;
        let mut notes = BTreeMap::new();
        for id in unknown {
            let first = previous.get(&id).copied().unwrap_or(now);
            if now.since(first) < UNKNOWN_RETENTION {
                notes.insert(id, first);
                continue;
            }
            self.target.remove(&names::original_name(&id))?;
            self.replica_originals.get_or_insert_default().remove(&id);
        }
        if notes != previous {
            let scratch = self.scratch.join("unknown");
            first_seen::write(&*self.target, UNREFERENCED_NOTE, &notes, &scratch)?;
        }
        if notes.len() > previous.len() {
            log::warn(
                "the replica holds originals of unknown documents; they are kept for 7 days",
                &[("count", &notes.len())],
            );
        }
        self.unknown_checked_at = Some(now);
        Ok(())
    }

    fn path(&self, id: &DocumentId) -> PathBuf {
        self.originals.path(id)
    }
}
