//! The originals of documents in a replica: each is sent once, fetched where it is missing, and removed there
//! after it was deleted here.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::names::DOCUMENTS;
use super::target::{Fault, Result, Target};
use crate::domain::id::DocumentId;
use crate::log;
use crate::store::{Store, documents};

/// What is known of both sides.
pub struct Documents {
    target: Arc<dyn Target>,
    folder: PathBuf,
    scratch: PathBuf,
    // None: not asked yet.
    there: Option<HashSet<DocumentId>>,
    here: Vec<DocumentId>,
    mark: Option<(i64, i64, String)>,
    missing: Vec<DocumentId>,
}

impl Documents {
    /// Of a data folder.
    pub fn new(target: Arc<dyn Target>, data: &Path) -> Self {
        Self {
            target,
            folder: data.join("documents"),
            scratch: data.join("tmp").join("replica").join("original"),
            there: None,
            here: Vec::new(),
            mark: None,
            missing: Vec::new(),
        }
    }

    /// Sends what is new, and removes what was deleted.
    pub fn round(&mut self, store: &Store) -> Result<()> {
        let failed = |error: crate::store::StoreError| Fault::Failed(error.to_string());
        let mark = Some(store.read_now(documents::mark).map_err(failed)?);
        if self.mark != mark {
            self.here = store.read_now(documents::ids).map_err(failed)?;
            self.send_new(true)?;
            self.mark = mark;
        }
        Ok(())
    }

    /// Sends what is known to be new; `deleting`: and removes what is known to be gone.
    pub fn send_new(&mut self, deleting: bool) -> Result<()> {
        if self.there.is_none() {
            let mut there = HashSet::new();
            self.target.list(DOCUMENTS, &mut |entry| {
                there.extend(
                    entry
                        .name
                        .strip_prefix(DOCUMENTS)
                        .and_then(DocumentId::parse),
                );
            })?;
            let missing = |id: &&DocumentId| there.contains(*id) && !self.path(id).exists();
            self.missing = self.here.iter().filter(missing).cloned().collect();
            self.there = Some(there);
        }
        let Some(there) = &mut self.there else {
            return Ok(());
        };
        for id in &self.here {
            if there.contains(id) {
                continue;
            }
            match File::open(self.folder.join(id.as_str())) {
                // Deleted since, or lost with an earlier disk: there is nothing to send.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Fault::Failed(error.to_string())),
                Ok(file) => self.target.put(&name(id), &file, false)?,
            }
            there.insert(id.clone());
        }
        if deleting && there.len() > self.here.len() {
            let here: HashSet<&DocumentId> = self.here.iter().collect();
            let gone: Vec<_> = there
                .iter()
                .filter(|id| !here.contains(*id))
                .cloned()
                .collect();
            for id in gone {
                self.target.remove(&name(&id))?;
                there.remove(&id);
            }
        }
        Ok(())
    }

    /// Fetches one of those that are missing here, if any is.
    pub fn fetch_one(&mut self) -> Result<()> {
        let Some(id) = self.missing.last().cloned() else {
            return Ok(());
        };
        let fetch = || {
            let mut options = File::options();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&self.scratch)?;
            let from = self.target.get(&name(&id)).map_err(io::Error::other)?;
            io::copy(&mut { from }, &mut file)?;
            file.sync_all()?;
            std::fs::rename(&self.scratch, self.path(&id))
        };
        fetch().map_err(|error| Fault::Failed(error.to_string()))?;
        self.missing.pop();
        if self.missing.is_empty() {
            log::info("the originals of documents are back", &[]);
        }
        Ok(())
    }

    fn path(&self, id: &DocumentId) -> PathBuf {
        self.folder.join(id.as_str())
    }
}

fn name(id: &DocumentId) -> String {
    format!("{DOCUMENTS}{}", id.as_str())
}
