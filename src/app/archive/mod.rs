//! Exports everything a user owns as one archive, and imports such an archive into another installation. An archive is
//! a gzip-compressed tar file with a manifest, one JSON Lines file per table, and the original documents. It contains
//! no secrets: no passwords, keys, or share links.

mod chat_exports;
mod conversations;
mod foreign;
mod pack;
mod pieces;
mod rows;
mod unpack;
mod zip_export;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::{Error, Kind, Result, documents, folder, input_file};
use crate::app::documents::{DocumentService, ReceivedFile, TemporaryFile};
use crate::clock;
use crate::config::Config;
use crate::crypto;
use crate::domain::id::{DocumentId, UserId};
use crate::log;
use crate::store::Store;
use crate::store::archive::ROW_SCHEMA_VERSION;

/// First two bytes of gzip and of ZIP files.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZIP_MAGIC: [u8; 2] = *b"PK";
/// Value of the manifest's `format`.
const FORMAT_NAME: &str = "quire-archive";
/// Name of the manifest, the first entry of an archive.
const MANIFEST_NAME: &str = "manifest.json";
/// Folders within an archive: for the tables, and for the documents as uploaded.
const TABLES_FOLDER: &str = "tables/";
const ORIGINALS_FOLDER: &str = "documents/";

/// Manifest of an archive, stored as its first entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Manifest {
    format: String,
    /// Schema version of the source database; archives from newer versions are refused.
    schema: u32,
    quire: String,
    /// Time of export, in RFC 3339.
    made: String,
    email: String,
}

/// Result of exporting or importing a table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct TableCount {
    /// Number of rows exported or imported.
    pub added: u64,
    /// Number of rows that were already present.
    pub present: u64,
    /// Number of rows refused as invalid.
    pub refused: u64,
}

/// Counts per table, in archive order.
pub type Counts = Vec<(String, TableCount)>;

/// What an export has written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExportOutcome {
    /// Counts per table.
    pub counts: Counts,
    /// Messages about originals that are missing or that differ in size from their record. The latter are
    /// archived as they are.
    pub faulty_originals: Vec<String>,
}

/// Progress callback: takes the name of the current table, the number of rows done, and the total number of rows
/// (0 if unknown).
pub type Progress<'a> = &'a mut (dyn FnMut(&str, u64, u64) + Send);

/// The installation's store and folders, as needed by archives.
#[derive(Clone)]
pub struct ArchivePaths {
    store: Store,
    /// Folder of the original documents.
    documents: PathBuf,
    /// Fetches originals that exist only in a replica, a database server, or a bucket; `None` if the folder has them
    /// all.
    originals: Option<documents::OriginalFiles>,
    /// Folder for temporary files.
    scratch: PathBuf,
    /// Maximum size of a document, in bytes.
    max_bytes: u64,
}

/// Opens the configured installation for the command line; a server may be running. Blocks.
///
/// # Errors
/// Returns an error if there is no usable data folder or its folders cannot be created.
pub fn open(config: &Config) -> Result<ArchivePaths> {
    let store = folder::open_existing(config)?.store;
    let mut archive_paths = paths_for(store, &config.data_dir, config.limits.max_upload);
    let originals = documents::OriginalFiles::of(config, archive_paths.store.clone())?;
    if originals.are_outside_folder() {
        archive_paths.originals = Some(originals);
    }
    for path in [&archive_paths.documents, &archive_paths.scratch] {
        documents::private_folder(path).map_err(Error::internal)?;
    }
    Ok(archive_paths)
}

fn paths_for(store: Store, data_dir: &Path, limit: u64) -> ArchivePaths {
    ArchivePaths {
        store,
        documents: data_dir.join("documents"),
        originals: None,
        scratch: data_dir.join("tmp"),
        max_bytes: limit,
    }
}

/// Use cases of a running server for archives: export and import.
#[derive(Clone, Copy)]
pub struct Archives<'a> {
    pub(super) store: &'a Store,
    pub(super) documents: &'a DocumentService,
    pub(super) data_dir: &'a Path,
    /// Maximum size of a document, in bytes.
    pub(super) max_upload: u64,
    /// Permits for imports, which are processed one at a time.
    pub(super) imports: &'a Arc<Semaphore>,
}

impl Archives<'_> {
    fn paths(&self) -> ArchivePaths {
        ArchivePaths {
            originals: Some(self.documents.originals().clone()),
            ..paths_for(self.store.clone(), self.data_dir, self.max_upload)
        }
    }

    /// Exports a user's archive to a temporary file, which is deleted when the returned value is dropped.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read or the file cannot be written.
    pub async fn export(&self, user: &UserId) -> Result<TemporaryFile> {
        let (archive_paths, user) = (self.paths(), user.clone());
        let name = crypto::hex(&crypto::random::<16>()?);
        let work = move || {
            let file = TemporaryFile::new(archive_paths.scratch.join(format!("archive-{name}")));
            let outcome = archive_paths.export(&user, file.path(), &mut |_, _, _| ())?;
            if !outcome.faulty_originals.is_empty() {
                let (count, first) = (outcome.faulty_originals.len(), &outcome.faulty_originals[0]);
                log::warn(
                    "an archive lacks originals",
                    &[("user", &user), ("count", &count), ("first", first)],
                );
            }
            Ok(file)
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(Error::internal)?
    }

    /// Imports an uploaded file. Completes even if the caller is dropped.
    ///
    /// # Errors
    /// Same as [`ArchivePaths::import`].
    pub async fn import(&self, user: &UserId, received: ReceivedFile) -> Result<Counts> {
        let (archive_paths, user) = (self.paths(), user.clone());
        // Import one file at a time, because each import may use its full memory allowance.
        let permit = self.imports.clone().acquire_owned().await;
        let permit = permit.map_err(Error::internal)?;
        let work = move || {
            let _permit = permit;
            archive_paths.import(&user, received.path(), &mut |_, _, _| ())
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(Error::internal)?
    }
}

impl ArchivePaths {
    /// Fetches a document's original if needed, and returns its path.
    fn original(&self, id: &str) -> Result<documents::OriginalFile> {
        match (&self.originals, DocumentId::parse(id)) {
            (Some(originals), Some(id)) => originals.fetch_blocking(&id),
            _ => Ok(documents::OriginalFile::in_folder(self.documents.join(id))),
        }
    }

    /// Writes a user's archive to a file that must not exist yet. Blocks.
    ///
    /// # Errors
    /// `Conflict` if the file exists; `Internal` if it cannot be written or the store cannot be read.
    pub fn export(
        &self,
        user: &UserId,
        to: &Path,
        progress: Progress<'_>,
    ) -> Result<ExportOutcome> {
        pack::write_archive(self, user, to, progress)
    }

    /// Imports a file for a user: an archive, or conversations exported by other programs. Importing the same file
    /// twice changes nothing. Uses at most 256 MiB of memory, regardless of what the file contains. Blocks.
    ///
    /// # Errors
    /// `BadRequest` for any other file; `TooLarge` if the file, or one row or conversation in it, exceeds a limit.
    /// Length limits are checked before anything is changed.
    pub fn import(&self, user: &UserId, from: &Path, progress: Progress<'_>) -> Result<Counts> {
        let mut file = input_file::open(from).map_err(unreadable_error)?;
        let mut first = [0; 2];
        let length = file.read(&mut first).map_err(unreadable_error)?;
        let counts = match &first[..length] {
            magic if *magic == GZIP_MAGIC => unpack::import_archive(self, user, from, progress),
            magic if *magic == ZIP_MAGIC => zip_export::import_zip(self, user, file, progress),
            _ => conversations::import_conversations(self, user, &[from], progress),
        }?;
        if let Some(originals) = &self.originals {
            originals.move_from_folder()?;
        }
        Ok(counts)
    }
}

fn manifest(email: &str) -> Manifest {
    Manifest {
        format: FORMAT_NAME.to_owned(),
        schema: ROW_SCHEMA_VERSION,
        quire: env!("CARGO_PKG_VERSION").to_owned(),
        made: clock::now().to_string(),
        email: email.to_owned(),
    }
}

fn unreadable_error(error: impl std::fmt::Display) -> Error {
    Error::new(
        Kind::BadRequest,
        format!("the archive cannot be read: {error}"),
    )
    .resolve(
        "choose a file written by `quire export`, or an export from ChatGPT, Claude, or Open WebUI",
    )
}

fn too_large_error(why: impl std::fmt::Display) -> Error {
    Error::new(Kind::TooLarge, format!("the archive cannot be read: {why}"))
        .resolve("choose a file written by `quire export`, or split it")
}

#[cfg(test)]
mod tests;
