//! A data folder that is the target of a migration. Everything is first written to a staging folder inside
//! it, and no server starts in a folder with an unfinished migration. At the end, the documents and then the
//! database are renamed to their final paths.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::NeededSecret;
use super::messages::source_error;
use crate::app::documents::{open_new, private_folder};
use crate::app::folder::migration_check::UNFINISHED_MIGRATION;
use crate::app::folder::{self, FolderLock};
use crate::app::{Error, Kind, Result};
use crate::config::Config;
use crate::crypto::secret;
use crate::store::transfer::TransferSource;
use crate::store::{settings, verify};

/// Name of the file that lists the migrated documents. Without this file, the migration has not yet moved any documents
/// to their final path.
const MOVED_DOCUMENTS: &str = "moved-documents";

/// A locked target folder with a staging folder for the database and the documents.
pub(super) struct StagedFolder {
    folder: PathBuf,
    staging: PathBuf,
    /// Path of the source's secret, if it must be copied because the folder has none.
    secret_to_copy: Option<PathBuf>,
    _lock: FolderLock,
}

impl StagedFolder {
    /// Locks the folder, checks that it has no data, and removes what an interrupted migration left behind.
    ///
    /// # Errors
    /// `Conflict` if the folder has data or a server holds it; `Internal` if it cannot be written.
    pub(super) fn prepare(folder: &Path) -> Result<Self> {
        let Some(lock) = folder::lock(folder)? else {
            return Err(folder::in_use_error(folder).resolve("stop it first"));
        };
        let target = Self {
            folder: folder.to_owned(),
            staging: folder.join(UNFINISHED_MIGRATION),
            secret_to_copy: None,
            _lock: lock,
        };
        target
            .remove_interrupted()
            .map_err(|error| target.io_error(&error))?;
        if let Some(name) = target
            .find_conflict()
            .map_err(|error| target.io_error(&error))?
        {
            let text = format!(
                "the target folder is not empty: {} has {name}",
                folder.display()
            );
            return Err(Error::new(Kind::Conflict, text).resolve("use an empty folder"));
        }
        target.check_documents_folder()?;
        private_folder(&target.staging)
            .and_then(|()| private_folder(&target.documents()))
            .map_err(|error| target.io_error(&error))?;
        Ok(target)
    }

    /// Removes the empty folder `documents`, if there is one. This shows that the migrated documents can be renamed to
    /// this path at the end: a link or a mount point cannot be removed.
    fn check_documents_folder(&self) -> Result<()> {
        let documents = self.folder.join("documents");
        ignore_missing(fs::remove_dir(&documents)).map_err(|error| {
            let reason = folder::io_reason(&error);
            let text = format!("cannot replace the empty {}: {reason}", documents.display());
            Error::new(Kind::Conflict, text).resolve(
                "migrate to a folder without links and mounts in it, and move its documents to another disk afterward",
            )
        })
    }

    /// Returns the path of the new database in the staging folder.
    pub(super) fn database(&self) -> PathBuf {
        folder::database(&self.staging)
    }

    /// Returns the folder of the new documents in the staging folder.
    pub(super) fn documents(&self) -> PathBuf {
        self.staging.join("documents")
    }

    /// Determines which secret the target needs, and refuses a secret file that belongs to another database.
    ///
    /// # Errors
    /// `Conflict` for another secret.
    pub(super) fn check_secret(
        &mut self,
        config: &Config,
        source: &TransferSource,
    ) -> Result<NeededSecret> {
        if config.secret.is_some() {
            return Ok(NeededSecret::Same);
        }
        let recorded = settings::get(source.reader(), "secret_check")
            .map_err(|error| source_error(&error.into()))?;
        let is_same = |folder: &Path| {
            let found = secret::read_or_create(folder);
            found.is_ok_and(|found| recorded == Some(secret::check_value(&found)))
        };
        let own = secret::path(&self.folder);
        if own.exists() {
            return match is_same(&self.folder) {
                true => Ok(NeededSecret::InPlace),
                false => {
                    let text = format!("{} is not the secret of this database", own.display());
                    Err(Error::new(Kind::Conflict, text).resolve(
                        "move that file elsewhere, or set QUIRE_SECRET to the secret of the source",
                    ))
                }
            };
        }
        let source_file = secret::path(&config.data_dir);
        match source_file.exists() && is_same(&config.data_dir) {
            true => {
                self.secret_to_copy = Some(source_file);
                Ok(NeededSecret::InPlace)
            }
            false => Ok(NeededSecret::Same),
        }
    }

    /// Verifies the new database, and renames everything to its final path.
    ///
    /// # Errors
    /// `Internal` if the database is damaged or a file cannot be written.
    pub(super) fn publish(self) -> Result<()> {
        verify(&self.database())
            .map_err(|error| Error::new(Kind::Internal, format!("the copy: {error}")))?;
        if let Err(error) = self.move_into_place() {
            // A secret without a database would prevent a server from starting in the folder, so remove it again.
            if self.secret_to_copy.is_some() && !folder::database(&self.folder).exists() {
                let _ = fs::remove_file(secret::path(&self.folder));
            }
            return Err(self.io_error(&error));
        }
        // Dropping `self` removes the staging folder. If that fails, a server can still start in the folder.
        Ok(())
    }

    fn move_into_place(&self) -> io::Result<()> {
        if let Some(source) = &self.secret_to_copy {
            let own = secret::path(&self.folder);
            io::copy(&mut File::open(source)?, &mut open_new(&own)?)?;
            File::open(&own)?.sync_all()?;
        }
        File::open(self.database())?.sync_all()?;
        File::open(self.documents())?.sync_all()?;
        self.list_documents()?;
        File::open(&self.staging)?.sync_all()?;
        fs::rename(self.documents(), self.folder.join("documents"))?;
        // Sync in between, so that after a power failure the second rename cannot exist without the first.
        File::open(&self.folder)?.sync_all()?;
        fs::rename(self.database(), folder::database(&self.folder))?;
        File::open(&self.folder)?.sync_all()?;
        // The folder itself may be new, so sync its parent.
        match fs::canonicalize(&self.folder)?.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }

    /// Writes the list of the migrated documents.
    fn list_documents(&self) -> io::Result<()> {
        let mut list = open_new(&self.staging.join(MOVED_DOCUMENTS))?;
        for entry in fs::read_dir(self.documents())? {
            writeln!(list, "{}", entry?.file_name().display())?;
        }
        list.sync_all()
    }

    /// Undoes the renames of an interrupted migration, which may have moved the documents to their final path but not
    /// the database. Does not touch other files in the folder.
    fn remove_interrupted(&self) -> io::Result<()> {
        let is_half_moved = self.database().exists()
            && !self.documents().exists()
            && !folder::database(&self.folder).exists();
        if is_half_moved {
            self.remove_moved_documents()?;
        }
        self.remove_staging()
    }

    fn remove_moved_documents(&self) -> io::Result<()> {
        let names = match fs::read_to_string(self.staging.join(MOVED_DOCUMENTS)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            names => names?,
        };
        let documents = self.folder.join("documents");
        for name in names.lines() {
            ignore_missing(fs::remove_file(documents.join(name)))?;
        }
        // This fails if the folder has other files; the check that follows reports them.
        let _ = fs::remove_dir(documents);
        Ok(())
    }

    /// Removes the staging folder. The list is removed first, so that if this is interrupted, a later start
    /// does not act on the list again.
    fn remove_staging(&self) -> io::Result<()> {
        ignore_missing(fs::remove_file(self.staging.join(MOVED_DOCUMENTS)))?;
        ignore_missing(fs::remove_dir_all(&self.staging))
    }

    /// Returns the first file or folder that conflicts with a new database.
    fn find_conflict(&self) -> io::Result<Option<&'static str>> {
        for name in ["quire.db", "quire.db-wal", "quire.db-journal"] {
            if self.folder.join(name).exists() {
                return Ok(Some(name));
            }
        }
        for name in ["documents", "uploads"] {
            match fs::read_dir(self.folder.join(name)) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
                Ok(mut entries) => match entries.next() {
                    None => {}
                    Some(_) => return Ok(Some(name)),
                },
            }
        }
        Ok(None)
    }

    fn io_error(&self, error: &io::Error) -> Error {
        let shown = self.folder.display();
        let text = format!(
            "cannot write to the folder {shown}: {}",
            folder::io_reason(error)
        );
        Error::new(Kind::Internal, text)
    }
}

impl Drop for StagedFolder {
    fn drop(&mut self) {
        // After a successful migration, nothing is left to remove.
        let _ = self.remove_interrupted();
    }
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "document_ours";
    const OTHER: &str = "document_other";

    /// Creates a folder as it is after a migration was killed between its last two steps, with these files and this
    /// list of documents.
    fn interrupted(name: &str, files: &[&str], list: Option<&str>) -> PathBuf {
        let name = format!("quire-staged-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let staging = folder.join(UNFINISHED_MIGRATION);
        fs::create_dir_all(folder.join("documents")).unwrap();
        fs::create_dir_all(&staging).unwrap();
        fs::write(staging.join("quire.db"), "x").unwrap();
        for file in files {
            fs::write(folder.join("documents").join(file), "x").unwrap();
        }
        if let Some(list) = list {
            fs::write(staging.join(MOVED_DOCUMENTS), list).unwrap();
        }
        folder
    }

    #[test]
    fn only_what_a_migration_moved_is_removed() {
        let list = format!("{OURS}\n");
        for (name, files, list, kept) in [
            ("unlisted", &[OURS, OTHER][..], None, &[OTHER, OURS][..]),
            ("mixed", &[OURS, OTHER], Some(&*list), &[OTHER]),
            ("own", &[OURS], Some(&*list), &[]),
        ] {
            let folder = interrupted(name, files, list);
            let prepared = StagedFolder::prepare(&folder).map(drop);
            assert_eq!(prepared.is_ok(), kept.is_empty(), "{name}: {prepared:?}");
            let left = fs::read_dir(folder.join("documents")).into_iter().flatten();
            let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
            left.sort();
            assert_eq!(left, kept, "{name}");
            fs::remove_dir_all(folder).unwrap();
        }
    }

    #[test]
    fn documents_that_are_a_link_are_refused_at_once() {
        let folder = interrupted("link", &[], None);
        let elsewhere = folder.join("elsewhere");
        fs::rename(folder.join("documents"), &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, folder.join("documents")).unwrap();
        let refused = StagedFolder::prepare(&folder).map(drop).unwrap_err();
        assert!(refused.to_string().contains("cannot replace"), "{refused}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_migration_that_fails_at_its_last_step_leaves_nothing() {
        let folder = interrupted("last", &[], None);
        let staged = StagedFolder::prepare(&folder).unwrap();
        fs::write(staged.documents().join(OURS), "x").unwrap();
        fs::write(staged.database(), "x").unwrap();
        // A folder with the database's name prevents the rename.
        fs::create_dir_all(folder::database(&folder).join("x")).unwrap();
        assert!(staged.move_into_place().is_err());
        fs::remove_dir_all(folder::database(&folder)).unwrap();
        assert!(folder.join("documents").join(OURS).exists());
        drop(staged);
        assert!(!folder.join("documents").exists());
        assert!(!folder.join(UNFINISHED_MIGRATION).exists());
        fs::remove_dir_all(folder).unwrap();
    }
}
