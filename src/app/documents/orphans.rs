//! Manages files without a database row: moves them aside, lists them, restores them when the row exists again, and
//! deletes them only when an administrator names them. A restored older backup, a wrong mount, or a crash leaves such
//! files behind, so a missing row does not prove that nobody needs them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirEntry, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::deletion::{self, has_changed_within};
use super::upload::{self, from_io};
use super::uploads::UPLOAD_LIFETIME;
use crate::app::{Error, Kind, Result};
use crate::domain::id::{DocumentId, UploadId};
use crate::domain::time::Timestamp;
use crate::log;
use crate::store::{Store, documents, uploads};

/// Name of the folder within the data folder; it contains a folder for each day on which something was moved.
pub const FOLDER_NAME: &str = "orphans";
/// Minimum retention of orphans, in days. After that, they stay until an administrator deletes them.
pub const RETENTION_DAYS: u64 = 30;
/// Minimum age in minutes before a file is moved aside: another process may be about to store its row.
pub const GRACE_MINUTES: u64 = 10;
const GRACE_PERIOD: Duration = Duration::from_secs(GRACE_MINUTES * 60);

/// Kind of file or folder that was orphaned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrphanKind {
    /// The original of a document: a file.
    Document,
    /// The parts of an unfinished upload: a folder.
    Upload,
    /// A write-ahead log whose database was missing when another database was put into the folder.
    Log,
}

impl OrphanKind {
    /// Returns the name of the kind's folder, both in the orphans folder and in the data folder.
    fn folder(self) -> &'static str {
        match self {
            Self::Document => "documents",
            Self::Upload => "uploads",
            Self::Log => "logs",
        }
    }
    fn is_owned_name(self, name: &str) -> bool {
        match self {
            Self::Document => DocumentId::parse(name).is_some(),
            Self::Upload => UploadId::parse(name).is_some(),
            Self::Log => name.starts_with("quire.db-"),
        }
    }
}

/// A file or folder that was moved aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Name of the file or folder: the ID of a document or upload, or the file name of a log.
    pub name: String,
    /// What was moved: a document's original, an unfinished upload, or a log.
    pub kind: OrphanKind,
    /// The day (UTC) on which the file or folder was moved aside, such as `2026-11-29`.
    pub since: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Current path, in the orphans folder.
    pub path: PathBuf,
}

impl Orphan {
    /// Returns the time until which the orphan is kept; see [`RETENTION_DAYS`].
    pub fn expires_at(&self) -> Option<Timestamp> {
        let since = Timestamp::parse(&format!("{}T00:00:00Z", self.since))?;
        Some(since + Duration::from_secs((RETENTION_DAYS + 1) * 86_400))
    }
}

/// The differences between the rows of the database and the files.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FileComparison {
    /// Documents whose file is neither where it should be nor among the orphans.
    pub missing: Vec<String>,
    /// Documents whose file differs in size from the recorded one, with both sizes in bytes.
    pub damaged: Vec<String>,
    /// Document files and upload folders without a row, not yet moved aside.
    pub unowned: Vec<String>,
    /// Files that were moved aside.
    pub orphans: Vec<Orphan>,
}

/// Lists files that were moved aside, oldest first.
///
/// # Errors
/// Returns an error if a folder cannot be read.
pub fn list(data: &Path) -> io::Result<Vec<Orphan>> {
    let mut orphans = Vec::new();
    for day in entries(&data.join(FOLDER_NAME))? {
        let since = name_of(&day);
        for kind in [OrphanKind::Document, OrphanKind::Upload, OrphanKind::Log] {
            for entry in entries(&day.path().join(kind.folder()))? {
                let name = name_of(&entry);
                if kind.is_owned_name(&name) {
                    orphans.push(Orphan {
                        bytes: size(&entry.path()),
                        path: entry.path(),
                        since: since.clone(),
                        name,
                        kind,
                    });
                }
            }
        }
    }
    orphans.sort_by(|a, b| (&a.since, &a.name).cmp(&(&b.since, &b.name)));
    Ok(orphans)
}

/// Compares rows with files, without changing anything. `elsewhere` has the sizes of the files that are in a database
/// or a bucket, in bytes, by document ID. Blocks.
///
/// # Errors
/// Returns an error if the store or a folder cannot be read.
pub fn compare(
    store: &Store,
    data: &Path,
    elsewhere: &BTreeMap<String, u64>,
) -> Result<FileComparison> {
    let orphans = list(data).map_err(from_io)?;
    let known_files = KnownFiles::read(store, data)?;
    let is_moved_aside = |id: &String| {
        let matches_document =
            |orphan: &Orphan| orphan.kind == OrphanKind::Document && orphan.name == *id;
        orphans.iter().any(matches_document)
    };
    let is_missing = |id: &&String| {
        let is_here = data.join("documents").join(id).exists() || is_moved_aside(id);
        !is_here && !elsewhere.contains_key(*id)
    };
    let sizes = store.read_now(documents::sizes)?;
    let damaged = sizes.into_iter().filter_map(|(id, size)| {
        let local_size = fs::metadata(data.join("documents").join(id.as_str()));
        let local_size = local_size.ok().map(|metadata| metadata.len());
        let bytes = local_size.or_else(|| elsewhere.get(id.as_str()).copied())?;
        (bytes != size).then(|| format!("{} ({bytes} of {size} bytes)", id.as_str()))
    });
    Ok(FileComparison {
        damaged: damaged.collect(),
        missing: known_files
            .documents
            .iter()
            .filter(is_missing)
            .cloned()
            .collect(),
        unowned: known_files
            .orphans()
            .map(|(_, entry)| name_of(entry))
            .collect(),
        orphans,
    })
}

/// Restores files whose row exists again, moves aside files without a row, and finishes interrupted deletions. Returns
/// the numbers of files moved aside and restored. Blocks.
///
/// With `has_bucket`, deletions are not completed here, because the markers must stay until the objects are removed.
///
/// # Errors
/// Returns an error if the store or a folder cannot be read. A single file that cannot be moved stays and is only
/// logged.
pub(super) fn move_and_expire(
    store: &Store,
    data: &Path,
    now: Timestamp,
    has_bucket: bool,
) -> Result<(usize, usize)> {
    let known_files = KnownFiles::read(store, data)?;
    let restored = restore_owned(&known_files, data).map_err(from_io)?;
    // With a bucket, the markers stay until the objects are removed.
    if !has_bucket {
        deletion::finish_interrupted(&data.join("documents"), &known_files.documents)
            .map_err(from_io)?;
    }
    let mut moved = 0;
    for (kind, entry) in known_files.orphans() {
        let path = entry.path();
        let is_upload = kind == OrphanKind::Upload;
        if is_upload && deletion::is_marked(&path) {
            fs::remove_dir_all(&path).map_err(from_io)?;
        } else if is_upload && !store.is_embedded() {
            // The row was deleted through another server, which could not mark this folder.
            if !has_changed_within(&path, now, UPLOAD_LIFETIME) {
                fs::remove_dir_all(&path).map_err(from_io)?;
            }
        } else if path.exists() && !has_changed_within(&path, now, GRACE_PERIOD) {
            moved += usize::from(log_failed_move(move_aside(data, kind, &path, now), &path));
        }
    }
    Ok((moved, restored))
}

/// Moves aside a log whose database is missing, before another database takes its place. Returns the new path.
///
/// # Errors
/// Returns an error if it cannot be moved.
pub(in crate::app) fn move_log_aside(
    data: &Path,
    log: &Path,
    now: Timestamp,
) -> io::Result<PathBuf> {
    move_aside(data, OrphanKind::Log, log, now)
}

/// Deletes these orphans for good and returns them, or deletes none of them if any must be kept. With `before_expiry`,
/// they need not have been kept for [`RETENTION_DAYS`]. Blocks.
///
/// # Errors
/// `Missing` if a name is not among the files that were moved aside; `Conflict` if one must be kept.
pub(in crate::app) fn delete(
    store: &Store,
    data: &Path,
    (names, before_expiry): (&[&str], bool),
    now: Timestamp,
) -> Result<Vec<Orphan>> {
    let all = list(data).map_err(from_io)?;
    let known_files = KnownFiles::read(store, data)?;
    let mut to_delete = Vec::new();
    for name in names {
        let matching = all.iter().filter(|orphan| orphan.name == *name);
        let previous_count = to_delete.len();
        to_delete.extend(matching.cloned());
        if to_delete.len() == previous_count {
            let text = format!("{name} is not among the files that were moved aside");
            return Err(Error::new(Kind::Missing, text).resolve("see `quire orphans list`"));
        }
        if known_files.documents.contains(*name) || known_files.uploads.contains(*name) {
            let text =
                format!("{name} is in the database again and will be moved back at the next start");
            return Err(Error::new(Kind::Conflict, text));
        }
    }
    if let Some(unexpired_orphan) = to_delete
        .iter()
        .find(|orphan| !before_expiry && orphan.expires_at().is_none_or(|until| now < until))
    {
        let (name, since) = (&unexpired_orphan.name, &unexpired_orphan.since);
        let text =
            format!("{name} was moved aside on {since}, and is kept for {RETENTION_DAYS} days");
        return Err(Error::new(Kind::Conflict, text)
            .resolve("add --early to delete it now; this cannot be undone"));
    }
    for orphan in &to_delete {
        match orphan.path.is_dir() {
            true => fs::remove_dir_all(&orphan.path),
            false => fs::remove_file(&orphan.path),
        }
        .map_err(from_io)?;
        remove_empty_parents(&orphan.path);
    }
    Ok(to_delete)
}

/// The document and upload IDs in the database, and the entries of the folders.
struct KnownFiles {
    documents: BTreeSet<String>,
    uploads: BTreeSet<String>,
    entries: Vec<(OrphanKind, DirEntry)>,
}

impl KnownFiles {
    fn read(store: &Store, data: &Path) -> Result<Self> {
        // List the files before reading the rows, so that a file stored in between is not on the list.
        let mut files = Vec::new();
        for kind in [OrphanKind::Document, OrphanKind::Upload] {
            let all = entries(&data.join(kind.folder())).map_err(from_io)?;
            files.extend(all.into_iter().map(|entry| (kind, entry)));
        }
        // Keep only names in Quire's own format, and leave other programs' files alone.
        files.retain(|(kind, entry)| kind.is_owned_name(&name_of(entry)));
        let ids = store.read_now(documents::ids)?;
        let sessions = store.read_now(uploads::ids)?;
        Ok(Self {
            documents: ids.into_iter().map(String::from).collect(),
            uploads: sessions.into_iter().map(String::from).collect(),
            entries: files,
        })
    }

    fn names(&self, kind: OrphanKind, name: &str) -> bool {
        match kind {
            OrphanKind::Document => self.documents.contains(name),
            OrphanKind::Upload => self.uploads.contains(name),
            OrphanKind::Log => false,
        }
    }

    fn orphans(&self) -> impl Iterator<Item = (OrphanKind, &DirEntry)> {
        let all = self.entries.iter().map(|(kind, entry)| (*kind, entry));
        all.filter(|(kind, entry)| !self.names(*kind, &name_of(entry)))
    }
}

fn restore_owned(known_files: &KnownFiles, data: &Path) -> io::Result<usize> {
    let mut restored = 0;
    for orphan in list(data)? {
        let folder = data.join(orphan.kind.folder());
        let target = folder.join(&orphan.name);
        // Never overwrite an existing file.
        if known_files.names(orphan.kind, &orphan.name) && !target.exists() {
            let outcome = fs::rename(&orphan.path, &target).and_then(|()| sync_folder(&folder));
            restored += usize::from(log_failed_move(outcome, &orphan.path));
            remove_empty_parents(&orphan.path);
        }
    }
    Ok(restored)
}

fn move_aside(data: &Path, kind: OrphanKind, from: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let day: String = now.to_string().chars().take(10).collect();
    let folder = data.join(FOLDER_NAME).join(day).join(kind.folder());
    upload::private_folder(&folder)?;
    let name = from.file_name().unwrap_or_default().to_string_lossy();
    // Never overwrite an existing file. IDs are unique, but names of logs are not.
    let max_copies = if kind == OrphanKind::Log { 1000 } else { 1 };
    let free = (1..=max_copies)
        .map(|number| match number {
            1 => folder.join(&*name),
            _ => folder.join(format!("{name}.{number}")),
        })
        .find(|target| !target.exists());
    let target = free.ok_or(ErrorKind::AlreadyExists)?;
    fs::rename(from, &target)?;
    sync_folder(&folder)?;
    sync_folder(from.parent().unwrap_or(data))?;
    Ok(target)
}

/// Logs a move if it failed, and returns whether it succeeded. A file that was not moved does no harm where it is.
fn log_failed_move<T>(moved: io::Result<T>, path: &Path) -> bool {
    moved
        .inspect_err(|error| {
            let display_path = path.display();
            log::warn(
                "a file could not be moved",
                &[("file", &display_path), ("why", error)],
            );
        })
        .is_ok()
}

/// Syncs a folder, so that its entries survive a power failure.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes the empty folders above a removed file.
fn remove_empty_parents(path: &Path) {
    for folder in path.ancestors().skip(1).take(3) {
        if fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

/// Lists the entries of a folder; empty if it does not exist.
fn entries(folder: &Path) -> io::Result<Vec<DirEntry>> {
    match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        entries => entries?.collect(),
    }
}

fn size(path: &Path) -> u64 {
    match entries(path) {
        Ok(parts) if path.is_dir() => parts.iter().map(|part| size(&part.path())).sum(),
        _ => fs::metadata(path).map_or(0, |metadata| metadata.len()),
    }
}

fn name_of(entry: &DirEntry) -> String {
    entry.file_name().to_string_lossy().into_owned()
}
