//! Writes an archive. Rows go through temporary files, because a tar entry is preceded by its length.

use std::fs::File;
use std::io::{BufWriter, Read, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, Header};

use super::{
    ArchivePaths, Counts, ExportOutcome, MANIFEST_NAME, ORIGINALS_FOLDER, Progress, TABLES_FOLDER,
    TableCount, manifest,
};
use crate::app::documents::open_new;
use crate::app::{Error, Result};
use crate::clock;
use crate::crypto::{hex, random};
use crate::domain::id::UserId;
use crate::store::archive::{self, ArchiveTable};
use crate::store::{self, users};

type TarWriter = Builder<GzEncoder<BufWriter<File>>>;

/// Writes a user's archive to a new file, and removes the file on failure.
///
/// # Errors
/// `Conflict` if the file exists; `Internal` if it cannot be written or the store cannot be read.
pub(super) fn write_archive(
    archive_paths: &ArchivePaths,
    user: &UserId,
    to: &Path,
    progress: Progress<'_>,
) -> Result<ExportOutcome> {
    let user_id = user.clone();
    let lookup = archive_paths
        .store
        .read_now(move |db| users::by_id(db, &user_id))?;
    let email = lookup.map_or_else(String::new, |user| user.email.to_string());
    let file = BufWriter::new(open_new(to).map_err(|error| write_error(to, &error))?);
    let mut tar = Builder::new(GzEncoder::new(file, Compression::default()));
    let export_result = write_entries(archive_paths, user, &email, &mut tar, progress);
    let close_result = export_result.and_then(|outcome| {
        let file = tar.into_inner().and_then(GzEncoder::finish);
        let file = file.and_then(|file| file.into_inner().map_err(|error| error.into_error()));
        file.and_then(|file| file.sync_all())
            .map_err(|error| write_error(to, &error))?;
        Ok(outcome)
    });
    if close_result.is_err() {
        // An incomplete archive is useless, so remove it.
        let _ = std::fs::remove_file(to);
    }
    close_result
}

fn write_entries(
    archive_paths: &ArchivePaths,
    user: &UserId,
    email: &str,
    tar: &mut TarWriter,
    progress: Progress<'_>,
) -> Result<ExportOutcome> {
    let first = serde_json::to_vec_pretty(&manifest(email)).map_err(Error::internal)?;
    append_entry(tar, MANIFEST_NAME, first.len() as u64, &first[..])?;
    let mut counts = Counts::new();
    for table in archive::ARCHIVE_TABLES {
        let row_count = write_rows(archive_paths, user, table, tar, progress)?;
        counts.push((
            table.name.to_owned(),
            TableCount {
                added: row_count,
                ..TableCount::default()
            },
        ));
    }
    let (mut original_count, mut faulty_documents) = (0, Vec::new());
    for ExportedDocument { id, name, size } in exported_documents(archive_paths, user)? {
        // The text of a document is exported even if its original is lost.
        let original = archive_paths.original(&id)?;
        let Ok(file) = File::open(original.path()) else {
            faulty_documents.push(format!("{id} ({name}): its file is missing"));
            continue;
        };
        let length = file.metadata().map_err(Error::internal)?.len();
        if length != size {
            faulty_documents.push(format!(
                "{id} ({name}): its file has {length} of {size} bytes"
            ));
        }
        append_entry(tar, &format!("{ORIGINALS_FOLDER}{id}"), length, file)?;
        original_count += 1;
        progress("original documents", original_count, 0);
    }
    counts.push((
        "original documents".to_owned(),
        TableCount {
            added: original_count,
            ..TableCount::default()
        },
    ));
    Ok(ExportOutcome {
        counts,
        faulty_originals: faulty_documents,
    })
}

/// The columns of a document row that describe its original.
struct ExportedDocument {
    id: String,
    name: String,
    size: u64,
}

fn write_rows(
    archive_paths: &ArchivePaths,
    user: &UserId,
    table: &'static ArchiveTable,
    tar: &mut TarWriter,
    progress: Progress<'_>,
) -> Result<u64> {
    let name = hex(&random::<16>()?);
    let path = archive_paths.scratch.join(format!("export-{name}"));
    let file = create_scratch_file(&path).map_err(Error::internal)?;
    // Unlink the file right away, so that a crash cannot leave it behind.
    let _ = std::fs::remove_file(&path);
    // Read and write in one closure, that is, in one read transaction, so that the table is consistent.
    let (reader, user) = (file.try_clone().map_err(Error::internal)?, user.clone());
    let work = move |db: &store::Reader| {
        let mut out = BufWriter::new(reader);
        let (mut count, mut failed) = (0u64, None);
        archive::for_each_row(db, table, &user, |row| {
            let line = serde_json::Value::Object(row);
            if let Err(error) = writeln!(out, "{line}") {
                failed = Some(error);
                return false;
            }
            count += 1;
            true
        })?;
        let flushed = out.flush();
        Ok(match failed.map_or(flushed, Err) {
            Ok(()) => Ok(count),
            Err(error) => Err(error),
        })
    };
    let count = archive_paths
        .store
        .read_now(work)?
        .map_err(Error::internal)?;
    progress(table.name, count, 0);
    let mut file = file;
    let length = file.stream_position().map_err(Error::internal)?;
    file.seek(SeekFrom::Start(0)).map_err(Error::internal)?;
    let path = format!("{TABLES_FOLDER}{}.jsonl", table.name);
    append_entry(tar, &path, length, file.take(length))?;
    Ok(count)
}

fn create_scratch_file(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn exported_documents(
    archive_paths: &ArchivePaths,
    user: &UserId,
) -> Result<Vec<ExportedDocument>> {
    let user = user.clone();
    let Some(table) = archive::ARCHIVE_TABLES.first() else {
        return Ok(Vec::new());
    };
    let read = archive_paths.store.read_now(move |db| {
        let mut documents = Vec::new();
        archive::for_each_row(db, table, &user, |row| {
            let text = |name: &str| row.get(name)?.as_str().map(str::to_owned);
            documents.extend(text("id").map(|id| ExportedDocument {
                id,
                name: text("name").unwrap_or_default(),
                size: row.get("size").and_then(|size| size.as_u64()).unwrap_or(0),
            }));
            true
        })?;
        Ok(documents)
    });
    Ok(read?)
}

fn append_entry(tar: &mut TarWriter, path: &str, length: u64, data: impl Read) -> Result<()> {
    let mut header = Header::new_gnu();
    header.set_size(length);
    header.set_mode(0o600);
    header.set_mtime((clock::now().millis() / 1_000).max(0) as u64);
    let appended = tar.append_data(&mut header, path, data.take(length));
    appended.map_err(Error::internal)
}

fn write_error(to: &Path, error: &std::io::Error) -> Error {
    let why = format!("cannot write {}: {error}", to.display());
    match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Error::new(crate::app::Kind::Conflict, why).resolve("choose another name")
        }
        _ => Error::new(crate::app::Kind::Internal, why),
    }
}
