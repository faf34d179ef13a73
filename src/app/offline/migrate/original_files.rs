//! Copies and verifies the documents' original files during a migration: files in a folder, or pieces in a database on
//! a server.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek as _, Write};
use std::path::{Path, PathBuf};

use super::MigratedTable;
use super::messages::{source_error, target_error};
use crate::app::documents::{DocumentBucket, PIECE_BYTES, open_new};
use crate::app::{Error, Kind, Result, input_file};
use crate::config::Config;
use crate::crypto::{hex, sha256};
use crate::domain::id::DocumentId;
use crate::store::transfer::{TransferSource, TransferTarget};
use crate::store::{StoreError, documents, originals};

/// Name of the original files in reports.
const NAME: &str = "original files";
/// Progress label while the files are copied.
const COPYING: &str = "copying original files";
/// Progress label while the copied files are verified.
const VERIFYING: &str = "verifying original files";

/// Number of bytes to hash at a time.
const HASHED_BYTES: usize = 64 << 10;

/// The original files of the source's documents.
pub(super) struct OriginalsSource<'a> {
    source: &'a TransferSource,
    /// Folder of the source. If the database is on a server, the folder may contain files that have not been
    /// moved to the database yet.
    folder: PathBuf,
    is_server: bool,
    /// All documents with the recorded SHA-256 of their originals.
    documents: Vec<(DocumentId, String)>,
    /// Sizes in bytes of the files in the bucket of `DOCUMENT_STORE`, which stay there.
    in_bucket: BTreeMap<DocumentId, u64>,
    findings: RefCell<OriginalsFindings>,
}

/// Documents whose files are in a bucket, missing, or different from what was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct OriginalsFindings {
    /// Number of documents whose file is in a bucket, where it stays.
    pub(super) in_bucket: u64,
    /// Documents without a file.
    pub(super) missing: Vec<String>,
    /// Documents whose file differs from what was uploaded. Such files are copied as they are.
    pub(super) damaged: Vec<String>,
}

impl<'a> OriginalsSource<'a> {
    /// Lists the documents of the source.
    ///
    /// # Errors
    /// Returns an error if the source cannot be read, or if the configured bucket cannot be listed.
    pub(super) fn new(source: &'a TransferSource, config: &Config) -> Result<Self> {
        let in_bucket = match DocumentBucket::from_config(config)? {
            Some(bucket) => bucket.sizes()?,
            None => BTreeMap::new(),
        };
        let mut documents = documents::hashes(source.reader()).map_err(read_error)?;
        documents.sort();
        Ok(Self {
            source,
            folder: config.data_dir.join("documents"),
            in_bucket,
            is_server: source.is_server(),
            documents,
            findings: RefCell::default(),
        })
    }

    /// Returns the documents whose files turned out to be in a bucket, missing, or damaged while they were copied.
    pub(super) fn into_findings(self) -> OriginalsFindings {
        self.findings.into_inner()
    }

    /// Copies all files to a folder.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read or written.
    pub(super) fn copy_to_folder(
        &self,
        folder: &Path,
        progress: &mut dyn FnMut(&str, u64),
    ) -> Result<MigratedTable> {
        self.copy(progress, |id, pieces| {
            let mut file =
                open_new(&folder.join(id.as_str())).map_err(|error| io_error(id, &error))?;
            while let Some(piece) = pieces.next()? {
                file.write_all(&piece)
                    .map_err(|error| io_error(id, &error))?;
            }
            file.sync_all().map_err(|error| io_error(id, &error))
        })
    }

    /// Copies all files to a database.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read or the database cannot be written.
    pub(super) fn copy_to_server(
        &self,
        target: &TransferTarget,
        progress: &mut dyn FnMut(&str, u64),
    ) -> Result<MigratedTable> {
        self.copy(progress, |id, pieces| {
            let mut number = 0;
            while let Some(piece) = pieces.next()? {
                let put = originals::put_piece(target.writer(), id, number, &piece);
                put.map_err(|error| target_error(&error.into()))?;
                number += 1;
            }
            // An empty file has no content to split, so store an empty piece that shows it exists.
            match number {
                0 => originals::put_piece(target.writer(), id, 0, &[])
                    .map_err(|error| target_error(&error.into())),
                _ => Ok(()),
            }
        })
    }

    fn copy(
        &self,
        progress: &mut dyn FnMut(&str, u64),
        mut put: impl FnMut(&DocumentId, &mut FilePieces<'_>) -> Result<()>,
    ) -> Result<MigratedTable> {
        let mut files = FilesHash::default();
        for (id, recorded) in &self.documents {
            let Some(content) = self.open(id, recorded)? else {
                if self.in_bucket.contains_key(id) {
                    self.findings.borrow_mut().in_bucket += 1;
                    continue;
                }
                let missing = &mut self.findings.borrow_mut().missing;
                missing.push(id.as_str().to_owned());
                continue;
            };
            let mut pieces = FilePieces {
                content,
                hasher: sha256::Hasher::new(),
            };
            put(id, &mut pieces)?;
            let hash = pieces.hasher.finish();
            if hex(&hash) != *recorded {
                let damaged = &mut self.findings.borrow_mut().damaged;
                damaged.push(id.as_str().to_owned());
            }
            files.add(id.as_str(), &hash);
            progress(COPYING, files.count);
        }
        Ok(files.finish())
    }

    /// Opens a document's original; `None` if it does not exist.
    fn open(&self, id: &DocumentId, recorded: &str) -> Result<Option<Content<'a>>> {
        let file = match input_file::open(&self.folder.join(id.as_str())) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(io_error(id, &error)),
        };
        if !self.is_server {
            return Ok(file.map(Content::File));
        }
        let first = originals::piece(self.source.reader(), id, 0).map_err(read_error)?;
        let rows = first.map(|_| Content::Rows(self.source, id.clone(), 0));
        let Some(mut file) = file else {
            return Ok(rows);
        };
        // A server that was killed while moving the file to the database may have stored only the first
        // pieces there, so use the file if it is complete.
        let is_whole = has_hash(&mut file, recorded).map_err(|error| io_error(id, &error))?;
        let file = Content::File(file);
        Ok(Some(match is_whole {
            true => file,
            false => rows.unwrap_or(file),
        }))
    }
}

/// Whether a file has this SHA-256, in hexadecimal. Afterward, reading starts from the beginning again.
fn has_hash(file: &mut File, expected: &str) -> io::Result<bool> {
    let mut hasher = sha256::Hasher::new();
    let mut buffer = vec![0; HASHED_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            length => hasher.update(&buffer[..length]),
        }
    }
    file.rewind()?;
    Ok(hex(&hasher.finish()) == expected)
}

/// Hashes all original files in the target folder, to compare them with the source.
///
/// # Errors
/// Returns an error if one cannot be read.
pub(super) fn read_folder(
    folder: &Path,
    progress: &mut dyn FnMut(&str, u64),
) -> Result<MigratedTable> {
    let failed = |error: io::Error| Error::new(Kind::Internal, error.to_string());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name());
    }
    names.sort();
    let mut files = FilesHash::default();
    for name in names {
        let file = File::open(folder.join(&name)).map_err(failed)?;
        let mut pieces = FilePieces {
            content: Content::File(file),
            hasher: sha256::Hasher::new(),
        };
        while pieces.next()?.is_some() {}
        files.add(&name.to_string_lossy(), &pieces.hasher.finish());
        progress(VERIFYING, files.count);
    }
    Ok(files.finish())
}

/// Hashes all original files in the target database, to compare them with the source.
///
/// # Errors
/// Returns an error if it cannot be read.
pub(super) fn read_server(
    target: &TransferTarget,
    progress: &mut dyn FnMut(&str, u64),
) -> Result<MigratedTable> {
    let db = target.writer();
    let failed = |error: StoreError| target_error(&error.into());
    let mut files = FilesHash::default();
    for name in originals::stored_ids(db).map_err(failed)? {
        let Some(id) = DocumentId::parse(&name) else {
            continue;
        };
        let (mut hasher, mut number) = (sha256::Hasher::new(), 0);
        while let Some(piece) = originals::piece(db, &id, number).map_err(failed)? {
            hasher.update(&piece);
            number += 1;
        }
        files.add(&name, &hasher.finish());
        progress(VERIFYING, files.count);
    }
    Ok(files.finish())
}

/// The content of an original file.
enum Content<'a> {
    File(File),
    /// A document in the database, stored in pieces, and the number of the next piece.
    Rows(&'a TransferSource, DocumentId, i64),
}

/// Splits a file into pieces of bounded size and hashes them as they are read.
struct FilePieces<'a> {
    content: Content<'a>,
    hasher: sha256::Hasher,
}

impl FilePieces<'_> {
    /// Returns the next piece; `None` at the end of the file.
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let piece = match &mut self.content {
            Content::File(file) => {
                let mut piece = Vec::new();
                let read = Read::by_ref(file)
                    .take(PIECE_BYTES as u64)
                    .read_to_end(&mut piece);
                read.map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
                (!piece.is_empty()).then_some(piece)
            }
            Content::Rows(source, id, number) => {
                *number += 1;
                originals::piece(source.reader(), id, *number - 1).map_err(read_error)?
            }
        };
        if let Some(piece) = &piece {
            self.hasher.update(piece);
        }
        Ok(piece)
    }
}

/// One hash of all files, in the order of their names.
#[derive(Default)]
struct FilesHash {
    hasher: sha256::Hasher,
    count: u64,
}

impl FilesHash {
    fn add(&mut self, name: &str, content: &[u8; 32]) {
        self.hasher.update(name.as_bytes());
        self.hasher.update(b"\0");
        self.hasher.update(content);
        self.count += 1;
    }

    fn finish(self) -> MigratedTable {
        MigratedTable {
            name: NAME.to_owned(),
            rows: self.count,
            hash: hex(&self.hasher.finish()),
        }
    }
}

fn read_error(error: StoreError) -> Error {
    source_error(&error.into())
}

fn io_error(id: &DocumentId, error: &io::Error) -> Error {
    let text = format!("the original file of {}: {error}", id.as_str());
    Error::new(Kind::Internal, text)
}
